//! The archive: a definition as checked, zero-copy bytes, the same in memory and on disk.
//!
//! `docs/format.md` describes it byte by byte; golden files pin it. A header (magic, version,
//! flags, length) is followed by an rkyv archive of `Parts`: plain integers and vectors of
//! integers, little-endian and unaligned, so that bytes are the same on every platform and can be
//! read at any address.
//!
//! An archive is *canonical*: a definition has exactly one. States are numbered by first
//! appearance (the map's keys, then targets, then the initial state, then at most one more), and
//! what an encoder would write is what a decoder accepts. So equality of definitions is equality of
//! bytes, on every node.

use std::fmt;

use rkyv::rend::unaligned::u32_ule;
use rkyv::{Archive, Serialize};

use crate::json;

/// A state's index within its definition.
pub type StateId = u32;

/// Most states that a definition can have, whatever the limits say.
pub const MAX_STATES: usize = 1 << 24;

/// Longest document that a definition may stand for, in bytes. An archive holds each name once, its
/// document every time, so without a bound a kilobyte from a forger would be answered with
/// gigabytes; and whoever is sent such a document takes some fifteen times its length to read it.
pub const MAX_DOCUMENT_BYTES: usize = 64 << 20;

/// Longest archive behind its header, in bytes. Longer than any whose document is within
/// [`MAX_DOCUMENT_BYTES`], and refused before it is copied: what takes most room for its letters is
/// a state that is only a target, as in `"a",`, of which four bytes take nine (the name, where it
/// ends, the target).
pub const MAX_BYTES: usize = 3 * MAX_DOCUMENT_BYTES;

const MAGIC: [u8; 4] = *b"RSMA";
const VERSION: u16 = 1;
const HEADER_BYTES: usize = 12;

/// The parts of a definition, in the order in which they are archived.
#[derive(Archive, Serialize, Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Parts {
    /// All state names, one after the other, UTF-8.
    pub(crate) names: Vec<u8>,
    /// For each state, where its name ends in `names`.
    pub(crate) name_ends: Vec<u32>,
    /// For each key of the map (states 0, 1, …), where its targets end in `targets`.
    pub(crate) row_ends: Vec<u32>,
    /// The targets of all rows, one row after the other, in document order.
    pub(crate) targets: Vec<StateId>,
    /// The initial state.
    pub(crate) initial: StateId,
}

/// The bytes of a definition. By construction they are a valid, canonical archive.
///
/// # Invariants
///
/// 1. After the header, the bytes are an rkyv archive of [`Parts`] with its root at the end: they
///    come from [`Bytes::encode`], or were compared with what it gives.
/// 2. The parts passed [`Parts::check`]: every index is in range.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Bytes(Box<[u8]>);

impl Bytes {
    /// Archives parts that passed [`Parts::check`].
    pub(crate) fn encode(parts: &Parts) -> Result<Self, ArchiveError> {
        let mut bytes = Vec::with_capacity(HEADER_BYTES + parts.archived_bytes());
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&[0; HEADER_BYTES - 6]);
        let mut bytes = rkyv::api::high::to_bytes_in::<_, rkyv::rancor::Failure>(parts, bytes)
            .map_err(|_| ArchiveError(Kind::TooLarge(parts.archived_bytes())))?;
        let body = bytes.len() - HEADER_BYTES;
        if body > MAX_BYTES {
            return Err(ArchiveError(Kind::TooLarge(body)));
        }
        #[expect(clippy::cast_possible_truncation, reason = "at most MAX_BYTES")]
        bytes[8..HEADER_BYTES].copy_from_slice(&(body as u32).to_le_bytes());
        Ok(Self(bytes.into_boxed_slice()))
    }

    /// Checks bytes from outside: header, structure, meaning, canonical form, in this order.
    pub(crate) fn decode(bytes: &[u8]) -> Result<(Self, Parts), ArchiveError> {
        let parts = Parts::from_archived(access(body_of(bytes)?)?);
        parts.check()?;
        let canonical = Self::encode(&parts)?;
        if *canonical.0 != *bytes {
            return Err(ArchiveError(Kind::NotCanonical));
        }
        Ok((canonical, parts))
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.0
    }

    /// The parts, without a copy.
    #[inline(always)]
    pub(crate) fn parts(&self) -> View<'_> {
        // SAFETY: by invariant 1 the bytes behind the header are an archive of `Parts` with its
        // root at the end, which is where `access_unchecked` looks for it; the format is built
        // unaligned, so any address will do.
        let archived = unsafe { rkyv::access_unchecked(&self.0[HEADER_BYTES..]) };
        View(archived)
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bytes({})", self.0.len())
    }
}

/// The archive behind a sound header.
fn body_of(bytes: &[u8]) -> Result<&[u8], ArchiveError> {
    let (header, body) = bytes
        .split_at_checked(HEADER_BYTES)
        .ok_or(ArchiveError(Kind::Short(bytes.len())))?;
    let number = |at: usize| u16::from_le_bytes([header[at], header[at + 1]]);
    if header[..4] != MAGIC {
        return Err(ArchiveError(Kind::Magic));
    }
    if number(4) != VERSION {
        return Err(ArchiveError(Kind::Version(number(4))));
    }
    if number(6) != 0 {
        return Err(ArchiveError(Kind::Flags(number(6))));
    }
    let expected = u32::from_le_bytes([header[8], header[9], header[10], header[11]]);
    let got = body.len();
    if expected as usize != got {
        return Err(ArchiveError(Kind::Length { expected, got }));
    }
    if got > MAX_BYTES {
        return Err(ArchiveError(Kind::TooLarge(got)));
    }
    Ok(body)
}

fn access(body: &[u8]) -> Result<&ArchivedParts, ArchiveError> {
    rkyv::access::<ArchivedParts, rkyv::rancor::Failure>(body)
        .map_err(|_| ArchiveError(Kind::Structure))
}

/// A definition's parts, read in place.
#[derive(Clone, Copy)]
pub(crate) struct View<'a>(&'a ArchivedParts);

impl<'a> View<'a> {
    #[inline]
    pub(crate) fn states(self) -> usize {
        self.0.name_ends.len()
    }

    #[inline]
    pub(crate) fn keys(self) -> usize {
        self.0.row_ends.len()
    }

    /// All states.
    #[expect(clippy::cast_possible_truncation, reason = "at most MAX_STATES")]
    pub(crate) fn state_ids(self) -> std::ops::Range<StateId> {
        0..self.states() as StateId
    }

    /// The states with an entry of their own in the map, which come first.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "at most MAX_STATES")]
    pub(crate) fn key_ids(self) -> std::ops::Range<StateId> {
        0..self.keys() as StateId
    }

    #[inline]
    pub(crate) fn initial(self) -> StateId {
        self.0.initial.to_native()
    }

    #[inline]
    pub(crate) fn names(self) -> &'a [u8] {
        self.0.names.as_slice()
    }

    pub(crate) fn name_ends(self) -> &'a [u32_ule] {
        self.0.name_ends.as_slice()
    }

    pub(crate) fn row_ends(self) -> &'a [u32_ule] {
        self.0.row_ends.as_slice()
    }

    /// Where the name of a state lies in [`names`](Self::names). Empty for an unknown ID.
    #[inline(always)]
    pub(crate) fn name_range(self, state: StateId) -> std::ops::Range<usize> {
        range(self.0.name_ends.as_slice(), state)
    }

    #[inline(always)]
    pub(crate) fn name(self, state: StateId) -> &'a [u8] {
        self.names().get(self.name_range(state)).unwrap_or_default()
    }

    /// Where the targets of a state lie in [`targets`](Self::targets). Empty for a state without
    /// an entry of its own.
    #[inline]
    pub(crate) fn row_range(self, state: StateId) -> std::ops::Range<usize> {
        range(self.0.row_ends.as_slice(), state)
    }

    #[inline]
    pub(crate) fn row(self, state: StateId) -> &'a [u32_ule] {
        self.targets()
            .get(self.row_range(state))
            .unwrap_or_default()
    }

    #[inline]
    pub(crate) fn targets(self) -> &'a [u32_ule] {
        self.0.targets.as_slice()
    }
}

/// The `index`-th of the ranges that follow each other, given by their ends.
#[inline(always)]
pub(crate) fn range(ends: &[u32_ule], index: u32) -> std::ops::Range<usize> {
    let index = index as usize;
    let Some(end) = ends.get(index) else {
        return 0..0;
    };
    let start = index.checked_sub(1).and_then(|before| ends.get(before));
    start.map_or(0, |start| start.to_native() as usize)..end.to_native() as usize
}

impl Parts {
    fn from_archived(archived: &ArchivedParts) -> Self {
        let numbers = |slice: &[u32_ule]| slice.iter().map(|n| n.to_native()).collect();
        Self {
            names: archived.names.to_vec(),
            name_ends: numbers(&archived.name_ends),
            row_ends: numbers(&archived.row_ends),
            targets: numbers(&archived.targets),
            initial: archived.initial.to_native(),
        }
    }

    /// How many bytes the archive takes: the vectors, and the root (four relative pointers with
    /// lengths, and one number).
    fn archived_bytes(&self) -> usize {
        let numbers = self.name_ends.len() + self.row_ends.len() + self.targets.len();
        self.names.len() + 4 * numbers + 36
    }

    /// The semantic rules, but for the uniqueness of names, which the name index finds out.
    ///
    /// The order matters: the numbering may rely on counts and ranges that were checked before.
    pub(crate) fn check(&self) -> Result<(), ArchiveError> {
        let fault = if self.name_ends.is_empty() || self.name_ends.len() > MAX_STATES {
            Kind::StateCount(self.name_ends.len())
        } else if self.row_ends.len() > self.name_ends.len() {
            Kind::RowCount(self.row_ends.len())
        } else if !covers(&self.row_ends, self.targets.len()) {
            Kind::Rows
        } else if !covers(&self.name_ends, self.names.len()) || !self.names_are_text() {
            Kind::Names
        } else if !self.is_numbered_by_appearance() {
            Kind::Numbering
        } else if self.document_bytes() > MAX_DOCUMENT_BYTES {
            Kind::Document(self.document_bytes())
        } else {
            return Ok(());
        };
        Err(ArchiveError(fault))
    }

    fn names_are_text(&self) -> bool {
        std::str::from_utf8(&self.names).is_ok_and(|text| {
            let ends = self.name_ends.iter();
            ends.into_iter()
                .all(|&end| text.is_char_boundary(end as usize))
        })
    }

    /// Whether states without a row appear in the order of their IDs. It also means that every
    /// target is in range and that no state is there for nothing, but for one that was current
    /// when the definition was made; that one has a name, as no document can say otherwise.
    fn is_numbered_by_appearance(&self) -> bool {
        let mut seen = self.row_ends.len();
        for &state in self.targets.iter().chain([&self.initial]) {
            match (state as usize).cmp(&seen) {
                std::cmp::Ordering::Less => {}
                std::cmp::Ordering::Equal => seen += 1,
                std::cmp::Ordering::Greater => return false,
            }
        }
        let foreign_is_named = || self.name_ends.last() > self.name_ends.iter().nth_back(1);
        match self.name_ends.len().checked_sub(seen) {
            Some(0) => true,
            Some(1) => foreign_is_named(),
            _ => false,
        }
    }

    /// The length of the document in normal form, without a reason, in the state with the longest
    /// name; give or take a few bytes.
    pub(crate) fn document_bytes(&self) -> usize {
        let quoted: Vec<usize> = self.iter_names().map(json::quoted_bytes).collect();
        let of = |state: &StateId| quoted[*state as usize];
        let keys = quoted
            .iter()
            .take(self.row_ends.len())
            .map(|key| key + ":[],".len());
        let targets = self.targets.iter().map(|target| of(target) + ",".len());
        let longest = quoted.iter().max().copied().unwrap_or(0);
        keys.sum::<usize>() + targets.sum::<usize>() + of(&self.initial) + longest
    }
}

/// Whether ends never go back and the last one is `total`.
fn covers(ends: &[u32], total: usize) -> bool {
    ends.is_sorted() && ends.last().copied().unwrap_or(0) as usize == total
}

/// Bytes that are not the archive of a definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArchiveError(pub(crate) Kind);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Short(usize),
    Magic,
    Version(u16),
    Flags(u16),
    Length { expected: u32, got: usize },
    Structure,
    StateCount(usize),
    RowCount(usize),
    Rows,
    Names,
    Numbering,
    Document(usize),
    RepeatedName,
    NotCanonical,
    TooLarge(usize),
}

impl fmt::Display for ArchiveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Kind::Short(got) => {
                write!(f, "archive of {got} bytes, expected {HEADER_BYTES} or more")
            }
            Kind::Magic => write!(f, "archive does not begin with RSMA"),
            Kind::Version(got) => write!(f, "archive version {got}, expected {VERSION}"),
            Kind::Flags(got) => write!(f, "archive flags {got:#06x}, expected none"),
            Kind::Length { expected, got } => {
                write!(
                    f,
                    "archive of {got} bytes behind the header, which says {expected}"
                )
            }
            Kind::Structure => write!(f, "archive structure is damaged"),
            Kind::StateCount(got) => write!(f, "{got} states, expected 1 to {MAX_STATES}"),
            Kind::RowCount(got) => write!(f, "{got} rows, more than states"),
            Kind::Rows => write!(f, "row ends do not cover the targets"),
            Kind::Names => write!(
                f,
                "name ends do not cover the names, or these are not UTF-8"
            ),
            Kind::Numbering => write!(f, "states are not numbered by first appearance"),
            Kind::Document(got) => {
                write!(
                    f,
                    "document of {got} bytes, expected at most {MAX_DOCUMENT_BYTES}"
                )
            }
            Kind::RepeatedName => write!(f, "two states have the same name"),
            Kind::NotCanonical => write!(f, "archive is not in canonical form"),
            Kind::TooLarge(got) => {
                write!(f, "archive of {got} bytes, expected at most {MAX_BYTES}")
            }
        }
    }
}

impl std::error::Error for ArchiveError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn order() -> Parts {
        Parts {
            names: b"newpaid".to_vec(),
            name_ends: vec![3, 7],
            row_ends: vec![1],
            targets: vec![1],
            initial: 0,
        }
    }

    fn encoded(parts: &Parts) -> Vec<u8> {
        Bytes::encode(parts).unwrap().as_slice().to_vec()
    }

    fn refused(parts: &Parts) -> Kind {
        Bytes::decode(&encoded(parts)).unwrap_err().0
    }

    #[test]
    fn decode_gives_back_what_was_encoded() {
        let bytes = encoded(&order());
        let (archive, parts) = Bytes::decode(&bytes).unwrap();
        assert_eq!(parts, order());
        assert_eq!(archive.as_slice(), bytes);
        assert_eq!(archive.parts().name(1), b"paid");
    }

    #[test]
    fn the_size_is_known_before() {
        assert_eq!(
            encoded(&order()).len(),
            HEADER_BYTES + order().archived_bytes()
        );
    }

    #[test]
    fn every_rule_has_its_refusal() {
        let with = |change: fn(&mut Parts)| {
            let mut parts = order();
            change(&mut parts);
            refused(&parts)
        };
        assert_eq!(with(|p| *p = Parts::default()), Kind::StateCount(0));
        assert_eq!(with(|p| p.row_ends = vec![1, 1, 1]), Kind::RowCount(3));
        assert_eq!(with(|p| p.row_ends = vec![2]), Kind::Rows);
        assert_eq!(with(|p| p.row_ends = vec![1, 0]), Kind::Rows);
        assert_eq!(with(|p| p.name_ends = vec![3, 6]), Kind::Names);
        assert_eq!(with(|p| p.names[2] = 0xff), Kind::Names);
        assert_eq!(with(|p| p.targets = vec![2]), Kind::Numbering);
        assert_eq!(with(|p| p.initial = 2), Kind::Numbering);
    }

    #[test]
    fn every_field_of_the_header_has_its_refusal() {
        let with = |change: fn(&mut Vec<u8>)| {
            let mut bytes = encoded(&order());
            change(&mut bytes);
            Bytes::decode(&bytes).unwrap_err().0
        };
        let body = u8::try_from(encoded(&order()).len() - HEADER_BYTES).unwrap();
        let length = |expected, got: u8| Kind::Length {
            expected,
            got: got.into(),
        };
        assert_eq!(with(|b| b.truncate(11)), Kind::Short(11));
        assert_eq!(with(|b| b[3] = b'B'), Kind::Magic);
        assert_eq!(with(|b| b[4] = 2), Kind::Version(2));
        assert_eq!(with(|b| b[6] = 1), Kind::Flags(1));
        assert_eq!(with(|b| b.push(0)), length(body.into(), body + 1));
        assert_eq!(
            with(|b| b[11] = 1),
            length(u32::from(body) + (1 << 24), body)
        );
    }

    /// The root and its vectors are found from the end, so that a byte before them moves nothing.
    #[test]
    fn a_gap_between_the_parts_is_refused() {
        let mut bytes = encoded(&order());
        bytes.insert(HEADER_BYTES, 0);
        bytes[8] += 1;
        let parts = Parts::from_archived(access(body_of(&bytes).unwrap()).unwrap());
        assert_eq!(parts, order());
        assert_eq!(Bytes::decode(&bytes).unwrap_err().0, Kind::NotCanonical);
    }

    #[test]
    #[cfg_attr(miri, ignore = "hundreds of megabytes, and there is no unsafe in it")]
    fn what_no_document_needs_is_refused_by_its_length() {
        let mut bytes = encoded(&order());
        let mut of_length = |body: usize| {
            bytes.resize(HEADER_BYTES + body, 0);
            let length = u32::try_from(body).unwrap().to_le_bytes();
            bytes[8..HEADER_BYTES].copy_from_slice(&length);
            Bytes::decode(&bytes).unwrap_err().0
        };
        let longer = MAX_BYTES + 1;
        assert_eq!(of_length(longer), Kind::TooLarge(longer));
        assert_eq!(of_length(MAX_BYTES), Kind::Structure);
        let many = Parts {
            name_ends: vec![0; MAX_STATES + 1],
            ..Parts::default()
        };
        assert_eq!(refused(&many), Kind::StateCount(MAX_STATES + 1));
    }

    #[test]
    fn only_one_state_may_be_there_for_nothing() {
        let mut parts = Parts {
            names: b"ab".to_vec(),
            name_ends: vec![1, 2],
            ..Parts::default()
        };
        assert!(Bytes::decode(&encoded(&parts)).is_ok());
        parts.names.push(b'c');
        parts.name_ends.push(3);
        assert_eq!(refused(&parts), Kind::Numbering);
    }

    #[test]
    fn the_one_state_that_is_there_for_nothing_has_a_name() {
        let parts = Parts {
            names: b"a".to_vec(),
            name_ends: vec![1, 1],
            ..Parts::default()
        };
        assert_eq!(refused(&parts), Kind::Numbering);
    }

    #[test]
    #[cfg_attr(
        miri,
        ignore = "a megabyte takes Miri minutes, and there is no unsafe in it"
    )]
    fn a_small_archive_of_a_huge_document_is_refused() {
        let parts = |targets| Parts {
            names: vec![b'x'; 1 << 20],
            name_ends: vec![1 << 20],
            row_ends: vec![targets],
            targets: vec![0; targets as usize],
            initial: 0,
        };
        // Key, initial and current state, 61 targets: 64 quoted names and what is between them.
        let quoted = (1 << 20) + 2;
        assert_eq!(refused(&parts(61)), Kind::Document(64 * quoted + 4 + 61));
        assert!(Bytes::decode(&encoded(&parts(60))).is_ok());
    }

    #[test]
    fn escapes_count_in_the_document() {
        let parts = Parts {
            names: b"\0\n\"a".to_vec(),
            name_ends: vec![4],
            ..Parts::default()
        };
        // Once as the initial and once as the current state: "\u0000\n\"a".
        assert_eq!(parts.document_bytes(), 2 * r#""\u0000\n\"a""#.len());
    }

    #[test]
    fn a_name_end_inside_a_character_is_refused() {
        let mut parts = order();
        parts.names = "né wpaid".as_bytes().to_vec();
        parts.name_ends = vec![2, 9];
        assert_eq!(refused(&parts), Kind::Names);
    }

    #[test]
    fn no_truncation_and_no_flipped_bit_panics() {
        let good = encoded(&order());
        for end in 0..good.len() {
            assert!(Bytes::decode(&good[..end]).is_err());
        }
        for bit in 0..good.len() * 8 {
            let mut bytes = good.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            if let Ok((archive, parts)) = Bytes::decode(&bytes) {
                assert_eq!(Bytes::encode(&parts).unwrap(), archive);
            }
        }
    }
}
