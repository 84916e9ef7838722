//! Writing a machine as its JSON document, in normal form.
//!
//! Compact, the fields in the order `current`, `map`, `initial`, `reason`, strings with the
//! shortest escapes. Definitions whose names need no escape (all but a few) are copied name by
//! name into a buffer of known size; the rest goes through `serde_json`.

use crate::archive::{StateId, View};

/// What is known of a definition's JSON before it is written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measure {
    /// Whether any name needs an escape.
    escapes: bool,
    /// The bytes of the map and the initial state, exact if nothing needs an escape.
    bytes: usize,
}

/// Everything but the names in `{"current":"","map":{},"initial":""}`.
const FRAME: usize = r#"{"current":"","map":{},"initial":""}"#.len();

impl Measure {
    pub(crate) fn of(view: View<'_>) -> Self {
        let name = |state| view.name_range(state).len();
        let targets: usize = view.targets().iter().map(|t| name(t.to_native())).sum();
        let keys: usize = view.key_ids().map(name).sum();
        // `"":[],` around each key and `"",` around each target; a comma too many in each list.
        let around = 6 * view.keys() + 3 * view.targets().len();
        Self {
            escapes: view.names().iter().any(|&byte| needs_escape(byte)),
            bytes: FRAME + keys + targets + around + name(view.initial()),
        }
    }
}

fn needs_escape(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

/// Which reason to write.
#[derive(Clone, Copy)]
pub(crate) struct Reason<'a> {
    pub(crate) text: &'a str,
    /// Whether to write it even when it is empty.
    pub(crate) always: bool,
}

/// Appends the document of a machine in state `current`.
pub(crate) fn write(
    view: View<'_>,
    measure: &Measure,
    current: StateId,
    reason: Reason<'_>,
    out: &mut Vec<u8>,
) {
    if measure.escapes {
        write_escaped(view, current, out);
    } else {
        write_plain(view, measure, current, out);
    }
    if reason.always || !reason.text.is_empty() {
        out.extend_from_slice(b",\"reason\":");
        write_string(reason.text.as_bytes(), out);
    }
    out.push(b'}');
}

/// Up to, but without, the closing brace.
fn write_plain(view: View<'_>, measure: &Measure, current: StateId, out: &mut Vec<u8>) {
    let start = out.len();
    // Room to copy a short name as one block of fixed size, past its end.
    let room = measure.bytes + view.name_range(current).len() + BLOCK;
    out.resize(start + room, 0);
    let mut pen = Pen {
        names: view.names(),
        out: &mut out[start..],
        at: 0,
    };
    pen.put(b"{\"current\":\"");
    pen.put_name(view.name_range(current));
    pen.put(b"\",\"map\":{");
    let mut before: &[u8] = b"\"";
    for key in view.key_ids() {
        pen.put(before);
        before = b",\"";
        pen.put_name(view.name_range(key));
        pen.put(b"\":[");
        pen.put_row(view, key);
        pen.put(b"]");
    }
    pen.put(b"},\"initial\":\"");
    pen.put_name(view.name_range(view.initial()));
    pen.put(b"\"");
    let written = pen.at;
    out.truncate(start + written);
}

/// The size of the blocks in which names are copied. A copy of fixed size is two instructions, one
/// of a name's own size is a call; SM.GET is nothing but such copies.
const BLOCK: usize = 16;

/// Writes into a buffer that is large enough for what [`Measure`] foresaw.
struct Pen<'a> {
    names: &'a [u8],
    out: &'a mut [u8],
    at: usize,
}

impl Pen<'_> {
    #[inline]
    fn put(&mut self, text: &[u8]) {
        self.out[self.at..self.at + text.len()].copy_from_slice(text);
        self.at += text.len();
    }

    #[inline]
    fn put_name(&mut self, range: std::ops::Range<usize>) {
        let length = range.len();
        let block = self.names.get(range.start..range.start + BLOCK);
        match block {
            Some(block) if length <= BLOCK => {
                self.out[self.at..self.at + BLOCK].copy_from_slice(block);
            }
            _ => self.out[self.at..self.at + length].copy_from_slice(&self.names[range]),
        }
        self.at += length;
    }

    #[inline]
    fn put_row(&mut self, view: View<'_>, key: StateId) {
        let mut targets = view.row(key).iter();
        if let Some(first) = targets.next() {
            self.put(b"\"");
            self.put_name(view.name_range(first.to_native()));
            self.put(b"\"");
        }
        for target in targets {
            self.put(b",\"");
            self.put_name(view.name_range(target.to_native()));
            self.put(b"\"");
        }
    }
}

/// Up to, but without, the closing brace.
fn write_escaped(view: View<'_>, current: StateId, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"current\":");
    write_string(view.name(current), out);
    out.extend_from_slice(b",\"map\":{");
    for key in view.key_ids() {
        write_comma(key > 0, out);
        write_string(view.name(key), out);
        out.extend_from_slice(b":[");
        for (at, target) in view.row(key).iter().enumerate() {
            write_comma(at > 0, out);
            write_string(view.name(target.to_native()), out);
        }
        out.push(b']');
    }
    out.extend_from_slice(b"},\"initial\":");
    write_string(view.name(view.initial()), out);
}

fn write_comma(needed: bool, out: &mut Vec<u8>) {
    if needed {
        out.push(b',');
    }
}

fn write_string(text: &[u8], out: &mut Vec<u8>) {
    let text = std::str::from_utf8(text).unwrap_or_default();
    // Writing a string into a vector has no way to fail.
    let _ = serde_json::to_writer(out, text);
}
