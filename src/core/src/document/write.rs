//! Writing a machine as its JSON document, in normal form.
//!
//! Compact, the fields in the order `current`, `map`, `any`, `after`, `history`, `name`, `revision`,
//! `initial`, `reason`, strings with the shortest escapes. An event with one target has it as a
//! string, any other an array; a row without named events is an array. The part from `"map"` to the
//! initial state is the *body*, which all machines of a definition have in common.
//!
//! Where no name needs an escape (in all but a few definitions) names are copied as blocks of fixed
//! size, the punctuation around them in the same step: `cargo bench serialise` shows what that
//! buys. The rest goes through `serde_json`.

use std::ops::Range;

use crate::definition::{
    Definition, DefinitionView, EventId, Fire, RareView, StateId, Timer, UNNAMED, nth_range,
};

/// Which reason to write.
#[derive(Clone, Copy)]
pub(crate) struct Reason<'a> {
    pub(crate) text: &'a str,
    /// Whether to write it even if it is empty.
    pub(crate) always: bool,
}

/// Where [`write()`] put what.
pub(crate) struct Written {
    /// Where the document ends.
    pub(crate) end: usize,
    /// Where the body is.
    pub(crate) body: Range<usize>,
}

/// Writes the document of a machine in state `current`. `body` is the body as it was written
/// before, if somebody kept it. What `scratch` held is written over; it grows as needed.
pub(crate) fn write(
    definition: &Definition,
    body: Option<&[u8]>,
    current: StateId,
    reason: Reason<'_>,
    scratch: &mut Vec<u8>,
) -> Written {
    let mut pen = Pen {
        definition,
        view: definition.view(),
        escapes: definition.needs_escapes(),
        out: scratch,
        at: 0,
    };
    pen.put(b"{\"current\":");
    pen.name(current);
    pen.put(b",");
    let start = pen.at;
    match body {
        Some(body) => pen.put(body),
        None => pen.body(),
    }
    let body = start..pen.at;
    if reason.always || !reason.text.is_empty() {
        pen.put(b",\"reason\":");
        pen.escaped(reason.text.as_bytes());
    }
    pen.put(b"}");
    Written { end: pen.at, body }
}

/// The size of the blocks in which names are copied. A copy of fixed size is two instructions, one
/// of a name's own size is a call, and writing a document is nothing but such copies.
const BLOCK: usize = 16;

/// The room that [`quoted`] writes to: a block, quotes around the name in it, and two more
/// characters.
const QUOTED_BYTES: usize = BLOCK + 4;

/// Writes into a buffer from `at` on.
struct Pen<'a> {
    definition: &'a Definition,
    view: DefinitionView<'a>,
    escapes: bool,
    out: &'a mut Vec<u8>,
    at: usize,
}

impl Pen<'_> {
    /// Writes everything from the map to the initial state.
    fn body(&mut self) {
        let rare = self.view.rare();
        self.put(b"\"map\":{");
        if rare.is_some_and(RareView::has_groups) {
            self.rows_of_groups();
        } else if self.escapes {
            self.rows_escaped();
        } else {
            self.rows();
        }
        self.close(b',', b'}');
        if let Some(rare) = rare {
            self.rare(rare);
        }
        self.put(b",\"initial\":");
        self.name(self.view.initial());
    }

    /// Writes the fields between the map and the initial state.
    #[cold]
    fn rare(&mut self, rare: RareView<'_>) {
        let definition = self.definition;
        if definition.has_any() {
            self.put(b",\"any\":{");
            definition
                .any()
                .for_each(|(event, fire)| self.group(event, fire));
            self.close(b',', b'}');
        }
        let mut timers = definition.timers().peekable();
        if timers.peek().is_some() {
            self.put(b",\"after\":{");
            timers.for_each(|(state, timer)| self.timer(state, timer));
            self.close(b',', b'}');
        }
        if rare.history() > 0 {
            self.number(b",\"history\":", rare.history().into());
        }
        if !rare.label().is_empty() {
            self.put(b",\"name\":");
            self.escaped(rare.label());
        }
        if let Some(revision) = rare.revision() {
            self.number(b",\"revision\":", revision.into());
        }
    }

    /// Writes a state's timer, and a comma after it.
    fn timer(&mut self, state: StateId, timer: Timer) {
        self.name(state);
        self.put(b":{");
        if let Some(ms) = timer.ms {
            self.number(b"\"ms\":", ms);
            self.put(b",");
        }
        self.put(b"\"to\":");
        match timer.target {
            Some(target) => self.name(target),
            None => self.put(b"null"),
        }
        self.put(b"},");
    }

    /// Writes the rows of the map, a comma after each, where some row has a named event.
    fn rows_of_groups(&mut self) {
        let definition = self.definition;
        for key in self.view.row_states() {
            self.name(key);
            let is_array = definition.groups(key).all(|(event, _)| event == UNNAMED);
            if is_array {
                self.put(b":");
                self.list(Fire::own(self.view.row(key)));
            } else {
                self.put(b":{");
                definition
                    .groups(key)
                    .for_each(|(event, fire)| self.group(event, fire));
                self.close(b',', b'}');
            }
            self.put(b",");
        }
    }

    /// Writes an event and where it leads, and a comma after it.
    fn group(&mut self, event: EventId, fire: Fire<'_>) {
        self.text(self.definition.event_name_bytes(event));
        self.put(b":");
        match fire.len() {
            1 => fire.iter().for_each(|target| self.name(target)),
            _ => self.list(fire),
        }
        self.put(b",");
    }

    fn list(&mut self, fire: Fire<'_>) {
        self.put(b"[");
        for target in fire.iter() {
            self.name(target);
            self.put(b",");
        }
        self.close(b',', b']');
    }

    /// Writes a text, and a number behind it.
    fn number(&mut self, before: &[u8], number: u64) {
        self.put(before);
        self.put(number.to_string().as_bytes());
    }

    /// Writes the rows of the map, a comma after each, where no name needs an escape.
    fn rows(&mut self) {
        let (view, mut at) = (self.view, self.at);
        let (names, name_ends, targets) = (view.names(), view.name_ends(), view.targets());
        let (mut name, mut row) = (0, 0);
        for (name_end, row_end) in name_ends.iter().zip(view.row_ends()) {
            let [name_start, row_start] = [name, row];
            [name, row] = [name_end.to_native() as usize, row_end.to_native() as usize];
            at = quoted(self.out, at, names, name_start..name, *b":[");
            for target in targets.get(row_start..row).unwrap_or_default() {
                let range = nth_range(name_ends, target.to_native());
                at = quoted(self.out, at, names, range, [b',']);
            }
            // The last comma gives way to the bracket; an empty row has none.
            at -= usize::from(row_start != row);
            at = put(self.out, at, b"],");
        }
        self.at = at;
    }

    /// Writes the rows of the map, a comma after each, where some name needs an escape.
    #[cold]
    fn rows_escaped(&mut self) {
        for key in self.view.row_states() {
            self.name(key);
            self.put(b":[");
            for target in self.view.row(key) {
                self.name(target.to_native());
                self.put(b",");
            }
            self.close(b',', b']');
            self.put(b",");
        }
    }

    fn name(&mut self, state: StateId) {
        self.text(self.view.name(state));
    }

    /// Writes the name of a state or an event.
    fn text(&mut self, name: &[u8]) {
        if self.escapes {
            return self.escaped(name);
        }
        self.put(b"\"");
        self.put(name);
        self.put(b"\"");
    }

    fn escaped(&mut self, text: &[u8]) {
        let text = std::str::from_utf8(text).unwrap_or_default();
        // Writing a string cannot fail.
        let quoted = serde_json::to_string(text).unwrap_or_default();
        self.put(quoted.as_bytes());
    }

    fn put(&mut self, text: &[u8]) {
        self.at = put(self.out, self.at, text);
    }

    /// Ends a list: its last separator, if it has one, gives way to the bracket.
    #[expect(clippy::indexing_slicing, reason = "a list has a bracket before it")]
    fn close(&mut self, separator: u8, bracket: u8) {
        if self.out[self.at - 1] == separator {
            self.at -= 1;
        }
        self.put(&[bracket]);
    }
}

/// Writes a name in quotes and what comes after it. Returns where that ends.
///
/// The whole block is copied, whatever the name's length. Whatever is behind the name is then
/// overwritten by what comes next.
#[inline(always)]
#[expect(
    clippy::indexing_slicing,
    reason = "the span is long enough for any name of a block"
)]
fn quoted<const A: usize>(
    out: &mut Vec<u8>,
    at: usize,
    names: &[u8],
    name: Range<usize>,
    after: [u8; A],
) -> usize {
    const { assert!(A + 2 + BLOCK <= QUOTED_BYTES) };
    let length = name.end - name.start;
    let block = names.get(name.start..name.start + BLOCK);
    let span = out.get_mut(at..at + QUOTED_BYTES);
    let (Some(block), Some(span), true) = (block, span, length <= BLOCK) else {
        return quoted_slowly(out, at, names.get(name).unwrap_or_default(), &after);
    };
    span[0] = b'"';
    span[1..=BLOCK].copy_from_slice(block);
    span[length + 1] = b'"';
    span[length + 2..length + 2 + A].copy_from_slice(&after);
    at + length + 2 + A
}

/// Does the same for a long name, for the last names (behind which there is no whole block), and
/// for a buffer that has to grow.
#[cold]
fn quoted_slowly(out: &mut Vec<u8>, at: usize, name: &[u8], after: &[u8]) -> usize {
    let at = put(out, at, b"\"");
    let at = put(out, at, name);
    let at = put(out, at, b"\"");
    put(out, at, after)
}

/// Writes bytes at a place, and grows the buffer if they don't fit. Returns where they end.
#[expect(clippy::indexing_slicing, reason = "the buffer was grown to the end")]
fn put(out: &mut Vec<u8>, at: usize, text: &[u8]) -> usize {
    let end = at + text.len();
    if out.len() < end {
        // A quarter more than needed, so that a buffer that is used again grows rarely.
        out.resize((end + end / 4).max(256), 0);
    }
    out[at..end].copy_from_slice(text);
    end
}
