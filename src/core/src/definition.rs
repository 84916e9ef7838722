//! A definition: its archive, and what is derived from it to answer in constant time.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use crate::archive::{ArchiveError, Bytes, Kind, Parts, StateId, View};
use crate::hash;
use crate::interner::Shared;
use crate::json;
use crate::probe::Probe;

/// Rows up to this many targets are searched one by one, longer ones by hash. Sixteen comparisons
/// of adjacent integers cost less than a hash, and short rows then need no table at all.
const SCANNED: usize = 16;

/// A definition may hold so many times its document, what is kept for speed included.
pub(crate) const AFFORDED: usize = 4;

/// State names, transitions and the initial state, immutable and shared by many machines.
#[derive(Debug)]
pub struct Definition {
    bytes: Bytes,
    hash: u64,
    /// States by name.
    names: Probe,
    /// Positions in the targets, by transition, of rows longer than [`SCANNED`].
    edges: Probe,
    escapes: bool,
    /// The document from `"map"` to the initial state, once somebody has asked for it.
    text: OnceLock<Box<[u8]>>,
    home: Arc<Shared>,
    /// The hash of the document kept in the interner for this definition; zero for none.
    source: AtomicU64,
    /// The number that an RDB file being written gave this definition: the file's own number in
    /// the high half, so that no file sees another's.
    file_number: AtomicU64,
}

impl Definition {
    /// Derives the tables. `names` finds the states of `parts`.
    pub(crate) fn new(
        bytes: Bytes,
        parts: &Parts,
        names: Probe,
        hash: u64,
        home: Arc<Shared>,
    ) -> Self {
        Self {
            names,
            edges: index_edges(parts),
            escapes: json::need_escapes(&parts.names),
            text: OnceLock::new(),
            bytes,
            hash,
            home,
            source: AtomicU64::new(0),
            file_number: AtomicU64::new(0),
        }
    }

    /// The archive: a canonical form, so equal bytes mean equal definitions.
    pub fn archive(&self) -> &[u8] {
        self.bytes.as_slice()
    }

    /// The number of states.
    pub fn states(&self) -> usize {
        self.view().states()
    }

    /// The number of states with an entry of their own in the map. They have the lowest IDs.
    pub fn keys(&self) -> usize {
        self.view().keys()
    }

    /// The number of transitions, repeats included.
    pub fn transitions(&self) -> usize {
        self.view().targets().len()
    }

    /// The state in which a machine starts.
    #[inline]
    pub fn initial(&self) -> StateId {
        self.view().initial()
    }

    /// The name of a state; empty for an ID that is not in the definition.
    #[inline]
    pub fn name(&self, state: StateId) -> &str {
        // Names were checked to be UTF-8, each on character boundaries: the fallback is never
        // taken, and costs less thought than `unsafe`.
        std::str::from_utf8(self.name_bytes(state)).unwrap_or_default()
    }

    /// The name of a state as bytes, for replies.
    #[inline(always)]
    pub fn name_bytes(&self, state: StateId) -> &[u8] {
        self.view().name(state)
    }

    /// The state of that name, in constant time.
    #[inline]
    pub fn state(&self, name: &[u8]) -> Option<StateId> {
        let view = self.view();
        self.names
            .find(hash::of_bytes(name), |state| view.name(state) == name)
    }

    /// Whether the map leads from one state to the other, in constant time.
    #[inline]
    pub fn allows(&self, from: StateId, to: StateId) -> bool {
        let view = self.view();
        let row = view.row_range(from);
        let targets = view.targets();
        if row.len() <= SCANNED {
            let row = targets.get(row).unwrap_or_default();
            return row.iter().any(|target| target.to_native() == to);
        }
        self.position(from, &row, to).is_some()
    }

    /// The states reachable in one move, in document order, with the document's repeats.
    pub fn targets(&self, from: StateId) -> impl ExactSizeIterator<Item = StateId> + '_ {
        self.view()
            .row(from)
            .iter()
            .map(|target| target.to_native())
    }

    /// The states reachable in one move, in document order, each once. Linear in the row.
    pub fn next(&self, from: StateId) -> impl Iterator<Item = StateId> + '_ {
        let row = self.view().row_range(from);
        let targets = self.view().row(from);
        (0..)
            .zip(targets)
            .map(|(at, target)| (at, target.to_native()))
            .filter(move |&(at, to)| {
                if row.len() <= SCANNED {
                    return !targets[..at].iter().any(|before| before.to_native() == to);
                }
                // The table holds the first position of every transition.
                self.position(from, &row, to) == Some(row.start + at)
            })
            .map(|(_, to)| to)
    }

    /// Where a transition of a long row is in the targets.
    #[inline]
    fn position(&self, from: StateId, row: &Range<usize>, to: StateId) -> Option<usize> {
        let targets = self.view().targets();
        let is_edge = |at: u32| {
            row.contains(&(at as usize))
                && targets
                    .get(at as usize)
                    .is_some_and(|target| target.to_native() == to)
        };
        let at = self.edges.find(hash::of_edge(from, to), is_edge);
        at.map(|at| at as usize)
    }

    /// The states with an entry of their own, in document order.
    pub fn key_states(&self) -> Range<StateId> {
        self.view().key_ids()
    }

    /// All states, those with an entry of their own first.
    pub fn state_ids(&self) -> Range<StateId> {
        self.view().state_ids()
    }

    /// Whether no move leads out of this state.
    pub fn is_terminal(&self, state: StateId) -> bool {
        self.view().row_range(state).is_empty()
    }

    /// Whether the map has an entry for this state.
    #[inline]
    pub fn is_key(&self, state: StateId) -> bool {
        (state as usize) < self.keys()
    }

    /// The state that is neither in the map nor initial, if there is one: it was the current state
    /// of the document from which this definition was read.
    pub fn foreign(&self) -> Option<StateId> {
        let last = StateId::try_from(self.states()).ok()?.checked_sub(1)?;
        let is_target = || self.view().targets().iter().any(|t| t.to_native() == last);
        let foreign = !self.is_key(last) && last != self.initial() && !is_target();
        foreign.then_some(last)
    }

    /// The memory that this definition holds, in bytes. `measure` says what one heap block takes,
    /// given its address and the bytes asked for.
    pub fn memory(&self, measure: impl Fn(*const u8, usize) -> usize) -> usize {
        let block =
            |bytes: *const u8, size: usize| if size == 0 { 0 } else { measure(bytes, size) };
        let slots = |probe: &Probe| {
            let slots = probe.block();
            block(slots.as_ptr().cast(), size_of_val(slots))
        };
        // An `Arc` puts two counts before the value.
        let counts = 2 * size_of::<usize>();
        let own = std::ptr::from_ref(self).cast::<u8>().wrapping_sub(counts);
        block(own, size_of::<Self>() + counts)
            + block(self.archive().as_ptr(), self.archive().len())
            + slots(&self.names)
            + slots(&self.edges)
            + self
                .text()
                .map_or(0, |text| block(text.as_ptr(), text.len()))
            + self.home.memory(self, &measure)
    }

    #[inline(always)]
    pub(crate) fn view(&self) -> View<'_> {
        self.bytes.parts()
    }

    /// The document from `"map"` to the initial state, if it is kept.
    #[inline]
    pub(crate) fn text(&self) -> Option<&[u8]> {
        self.text.get().map(|text| &**text)
    }

    /// Keeps that part of the document, if four times the document is enough for it and all else.
    pub(crate) fn keep_text(&self, text: &[u8]) {
        let held = self.held() + self.home.source_bytes(self);
        let affordable = held + text.len() <= AFFORDED * text.len();
        // A text much longer than its archive says few names often. Those may come from a forger,
        // and are written quickly anyway.
        if affordable && text.len() <= AFFORDED * self.archive().len() {
            let _ = self.text.set(text.into());
        }
    }

    /// The bytes held for this definition but for its source.
    pub(crate) fn held(&self) -> usize {
        let tables = size_of_val(self.names.block()) + size_of_val(self.edges.block());
        self.archive().len() + tables + self.text().map_or(0, <[u8]>::len)
    }

    /// Whether a name in the document of this definition has to be escaped.
    pub(crate) fn needs_escapes(&self) -> bool {
        self.escapes
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    pub(crate) fn source(&self) -> &AtomicU64 {
        &self.source
    }

    /// The number that this definition has in the given file, if it is in there already.
    pub(crate) fn number_in(&self, file: u32) -> Option<u32> {
        let packed = self.file_number.load(Ordering::Relaxed);
        let [mark, number] = [packed >> 32, packed & u64::from(u32::MAX)];
        #[expect(clippy::cast_possible_truncation, reason = "masked to 32 bits")]
        (mark == u64::from(file)).then_some(number as u32)
    }

    /// Notes the number that this definition has in the given file.
    pub(crate) fn set_number_in(&self, file: u32, number: u32) {
        let packed = (u64::from(file) << 32) | u64::from(number);
        self.file_number.store(packed, Ordering::Relaxed);
    }
}

impl Drop for Definition {
    fn drop(&mut self) {
        self.home.forget(self);
    }
}

/// Finds the states of an archive from outside. Refuses two states of the same name.
pub(crate) fn index_names(parts: &Parts) -> Result<Probe, ArchiveError> {
    let mut index = Probe::with_room_for(parts.name_ends.len());
    for (state, name) in (0..).zip(parts.iter_names()) {
        let same = |other| parts.name(other) == name;
        if index.insert(hash::of_bytes(name), state, same).is_some() {
            return Err(ArchiveError(Kind::RepeatedName));
        }
    }
    Ok(index)
}

fn index_edges(parts: &Parts) -> Probe {
    let long = |row: &Range<usize>| row.len() > SCANNED;
    let mut index = Probe::with_room_for(distinct_edges(parts, long));
    for (from, row) in (0..).zip(parts.rows()).filter(|(_, row)| long(row)) {
        for at in row.clone() {
            let to = parts.targets[at];
            let same =
                |other: u32| row.contains(&(other as usize)) && parts.targets[other as usize] == to;
            #[expect(
                clippy::cast_possible_truncation,
                reason = "an archive's ends are 32-bit"
            )]
            index.insert(hash::of_edge(from, to), at as u32, same);
        }
    }
    index
}

/// How many transitions the chosen rows have, repeats not counted: a row may list one target millions
/// of times, in a payload that was compressed to next to nothing.
fn distinct_edges(parts: &Parts, chosen: impl Fn(&Range<usize>) -> bool) -> usize {
    if !parts.rows().any(|row| chosen(&row)) {
        return 0;
    }
    // For each state the last row that was seen to list it, counted from one.
    let mut listed_by = vec![0_u32; parts.name_ends.len()];
    let rows = (1..).zip(parts.rows()).filter(|(_, row)| chosen(row));
    rows.flat_map(|(from, row)| parts.targets[row].iter().map(move |&to| (from, to)))
        .filter(|&(from, to)| std::mem::replace(&mut listed_by[to as usize], from) != from)
        .count()
}

impl Parts {
    pub(crate) fn iter_names(&self) -> impl Iterator<Item = &[u8]> {
        ranges(&self.name_ends).map(|range| &self.names[range])
    }

    fn rows(&self) -> impl Iterator<Item = Range<usize>> + '_ {
        ranges(&self.row_ends)
    }
}

fn ranges(ends: &[u32]) -> impl Iterator<Item = Range<usize>> + '_ {
    let starts = std::iter::once(0).chain(ends.iter().map(|&end| end as usize));
    starts.zip(ends).map(|(start, &end)| start..end as usize)
}

#[cfg(test)]
mod tests {
    use crate::{Dialect, Interner, Limits};

    fn held_after_get(json: &str) -> (usize, usize) {
        let interner = Interner::new();
        let read = interner.read(json.as_bytes(), None, Dialect::Documented, &Limits::NONE);
        let machine = read.unwrap().machine;
        let memory = || machine.definition().memory(|_, bytes| bytes);
        let before = memory();
        machine.read_json(Dialect::Documented, &mut Vec::new());
        (before, memory())
    }

    /// A payload of a megabyte may hold such a row, compressed.
    #[test]
    fn a_target_that_is_repeated_takes_its_number_and_nothing_else() {
        const TIMES: usize = 1000;
        let row = vec!["\"a\""; TIMES].join(",");
        let interner = Interner::new();
        let json = format!(r#"{{"map":{{"a":[{row}]}},"initial":"a"}}"#);
        let read = interner.read(json.as_bytes(), None, Dialect::Documented, &Limits::NONE);
        let definition = read.unwrap().machine;
        // The document is kept beside it, to be recognised.
        let memory = definition.definition().memory(|_, bytes| bytes) - json.len();
        assert!(
            memory < 4 * TIMES + 1000,
            "{memory} bytes for {TIMES} targets"
        );
    }

    #[test]
    fn the_text_is_kept_once_asked_for() {
        let row = |at: usize| format!("\"state{at}\":[\"state{}\",\"state0\"]", (at + 1) % 50);
        let map = (0..50).map(row).collect::<Vec<_>>().join(",");
        let (before, after) = held_after_get(&format!(r#"{{"map":{{{map}}},"initial":"state0"}}"#));
        let text = format!(r#""map":{{{map}}},"initial":"state0""#);
        assert_eq!(after, before + text.len());
    }

    #[test]
    fn a_text_that_dwarfs_its_archive_is_not_kept() {
        let name = "x".repeat(200);
        let row = vec![format!("\"{name}\""); 50].join(",");
        let json = format!(r#"{{"map":{{"{name}":[{row}]}},"initial":"{name}"}}"#);
        let (before, after) = held_after_get(&json);
        assert_eq!(before, after);
    }
}
