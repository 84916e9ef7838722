//! The archive: a definition as checked, zero-copy bytes, the same in memory and on disk.
//!
//! `docs/format.md` describes it byte by byte; golden files pin it. A header (magic, version,
//! flags, length) is followed by an rkyv archive of [`DefinitionParts`]: plain integers and vectors
//! of integers, little-endian and unaligned, so that bytes are the same on every platform and can be
//! read at any address.
//!
//! An archive is *canonical*: a definition has exactly one. States are numbered by first appearance
//! (see [`parts`](super::parts)), and a decoder accepts only what an encoder would write. So equality
//! of definitions is equality of bytes, on every node.
//!
//! Version 1, which release 1.0 wrote, is read beside the current one and obeys rules of its own (see
//! [`version1`]). In memory it is the current one.

use std::fmt;

use rkyv::api::high::{HighSerializer, HighValidator};
use rkyv::bytecheck::CheckBytes;
use rkyv::rancor::Failure;
use rkyv::ser::allocator::ArenaHandle;
use rkyv::{Portable, Serialize};

use super::error::{ArchiveError, FIRST_VERSION, HEADER_BYTES, Kind, MAX_ARCHIVE_BYTES, VERSION};
use super::parts::DefinitionParts;
use super::version1;
use super::view::DefinitionView;

const MAGIC: [u8; 4] = *b"RSMA";

/// The bytes of a definition. By construction they are a valid, canonical archive.
///
/// # Invariants
///
/// 1. After the header, the bytes are an rkyv archive of [`DefinitionParts`] with its root at the
///    end: they come from [`ArchiveBytes::encode`], or were compared with what it gives.
/// 2. The parts passed [`DefinitionParts::check`]: every index is in range.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ArchiveBytes(Box<[u8]>);

impl ArchiveBytes {
    /// Archives parts that pass [`DefinitionParts::check`] and have their adjacency.
    ///
    /// # Errors
    ///
    /// If the archive would be longer than [`MAX_ARCHIVE_BYTES`].
    pub(crate) fn encode(parts: &DefinitionParts) -> Result<Self, ArchiveError> {
        let bytes = encode(VERSION, parts, parts.archived_bytes())?;
        Ok(Self(bytes.into_boxed_slice()))
    }

    /// Checks bytes from outside: header, structure, meaning, canonical form, in this order.
    ///
    /// # Errors
    ///
    /// The first rule that the bytes break.
    pub(super) fn decode(bytes: &[u8]) -> Result<(Self, DefinitionParts), ArchiveError> {
        let (version, body) = split(bytes)?;
        if version == FIRST_VERSION {
            let parts = version1::decode(body, bytes)?.with_adjacency();
            return Ok((Self::encode(&parts)?, parts));
        }
        let parts = DefinitionParts::from_archived(access(body)?)?;
        parts.check()?;
        let parts = parts.with_adjacency();
        let canonical = Self::encode(&parts)?;
        if *canonical.0 != *bytes {
            return Err(ArchiveError(Kind::NotCanonical));
        }
        Ok((canonical, parts))
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.0
    }

    /// Returns the parts, without a copy.
    #[inline(always)]
    #[expect(unsafe_code, reason = "the bytes were checked once, when they came in")]
    #[expect(clippy::indexing_slicing, reason = "by invariant 1 a header is there")]
    pub(super) fn view(&self) -> DefinitionView<'_> {
        // SAFETY: by invariant 1 the bytes behind the header are an archive of `DefinitionParts`
        // with its root at the end, which is where `access_unchecked` looks for it; the format is
        // built unaligned, so any address will do.
        let archived = unsafe { rkyv::access_unchecked(&self.0[HEADER_BYTES..]) };
        DefinitionView::new(archived)
    }
}

impl fmt::Debug for ArchiveBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ArchiveBytes({})", self.0.len())
    }
}

/// Writes a header and an archive behind it. `length` is what that will take.
///
/// # Errors
///
/// If it is longer than [`MAX_ARCHIVE_BYTES`].
#[expect(clippy::indexing_slicing, reason = "the header was just written")]
pub(super) fn encode(
    version: u16,
    parts: &impl for<'a> Serialize<HighSerializer<Vec<u8>, ArenaHandle<'a>, Failure>>,
    length: usize,
) -> Result<Vec<u8>, ArchiveError> {
    let mut bytes = Vec::with_capacity(HEADER_BYTES + length);
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&version.to_le_bytes());
    bytes.extend_from_slice(&[0; HEADER_BYTES - 6]);
    let mut bytes = rkyv::api::high::to_bytes_in::<_, Failure>(parts, bytes)
        .map_err(|_| ArchiveError(Kind::TooLarge(length)))?;
    let body = bytes.len() - HEADER_BYTES;
    if body > MAX_ARCHIVE_BYTES {
        return Err(ArchiveError(Kind::TooLarge(body)));
    }
    #[expect(clippy::cast_possible_truncation, reason = "at most MAX_ARCHIVE_BYTES")]
    bytes[8..HEADER_BYTES].copy_from_slice(&(body as u32).to_le_bytes());
    Ok(bytes)
}

/// Returns the version of an archive and what is behind its header, if that is sound.
fn split(bytes: &[u8]) -> Result<(u16, &[u8]), ArchiveError> {
    let (header, body) = bytes
        .split_first_chunk::<HEADER_BYTES>()
        .ok_or(ArchiveError(Kind::Short(bytes.len())))?;
    let [m0, m1, m2, m3, v0, v1, f0, f1, l0, l1, l2, l3] = *header;
    let [version, flags] = [[v0, v1], [f0, f1]].map(u16::from_le_bytes);
    let expected = u32::from_le_bytes([l0, l1, l2, l3]);
    let got = body.len();
    if [m0, m1, m2, m3] != MAGIC {
        Err(ArchiveError(Kind::Magic))
    } else if ![FIRST_VERSION, VERSION].contains(&version) {
        Err(ArchiveError(Kind::Version(version)))
    } else if flags != 0 {
        Err(ArchiveError(Kind::Flags(flags)))
    } else if expected as usize != got {
        Err(ArchiveError(Kind::Length { expected, got }))
    } else if got > MAX_ARCHIVE_BYTES {
        Err(ArchiveError(Kind::TooLarge(got)))
    } else {
        Ok((version, body))
    }
}

/// Checks that the root and its vectors lie inside the bytes.
///
/// # Errors
///
/// If they don't.
pub(super) fn access<T>(body: &[u8]) -> Result<&T, ArchiveError>
where
    T: Portable + for<'a> CheckBytes<HighValidator<'a, Failure>>,
{
    rkyv::access::<T, Failure>(body).map_err(|_| ArchiveError(Kind::Structure))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::MAX_STATES;

    fn order() -> DefinitionParts {
        DefinitionParts {
            names: b"newpaid".to_vec(),
            name_ends: vec![3, 7],
            row_ends: vec![1],
            targets: vec![1],
            adjacency: vec![0b10],
            ..DefinitionParts::default()
        }
    }

    fn encoded(parts: &DefinitionParts) -> Vec<u8> {
        ArchiveBytes::encode(parts).unwrap().as_slice().to_vec()
    }

    fn refused(parts: &DefinitionParts) -> Kind {
        ArchiveBytes::decode(&encoded(parts)).unwrap_err().0
    }

    #[test]
    fn decode_gives_back_what_was_encoded() {
        let bytes = encoded(&order());
        let (archive, parts) = ArchiveBytes::decode(&bytes).unwrap();
        assert_eq!(parts, order());
        assert_eq!(archive.as_slice(), bytes);
        assert_eq!(archive.view().name(1), b"paid");
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
        let with = |change: fn(&mut DefinitionParts)| {
            let mut parts = order();
            change(&mut parts);
            refused(&parts)
        };
        assert_eq!(
            with(|p| *p = DefinitionParts::default()),
            Kind::StateCount(0)
        );
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
            ArchiveBytes::decode(&bytes).unwrap_err().0
        };
        let body = u8::try_from(encoded(&order()).len() - HEADER_BYTES).unwrap();
        let length = |expected, got: u8| Kind::Length {
            expected,
            got: got.into(),
        };
        assert_eq!(with(|b| b.truncate(11)), Kind::Short(11));
        assert_eq!(with(|b| b[3] = b'B'), Kind::Magic);
        assert_eq!(with(|b| b[4] = 3), Kind::Version(3));
        assert_eq!(with(|b| b[6] = 1), Kind::Flags(1));
        assert_eq!(with(|b| b.push(0)), length(body.into(), body + 1));
        assert_eq!(
            with(|b| b[11] = 1),
            length(u32::from(body) + (1 << 24), body)
        );
    }

    /// The root is found from the end, and its vectors from the root, so a byte before them moves
    /// nothing.
    #[test]
    fn a_gap_between_the_parts_is_refused() {
        let mut bytes = encoded(&order());
        bytes.insert(HEADER_BYTES, 0);
        bytes[8] += 1;
        let parts = DefinitionParts::from_archived(access(split(&bytes).unwrap().1).unwrap());
        assert_eq!(parts.unwrap().with_adjacency(), order());
        assert_eq!(
            ArchiveBytes::decode(&bytes).unwrap_err().0,
            Kind::NotCanonical
        );
    }

    #[test]
    #[cfg_attr(miri, ignore = "hundreds of megabytes, and there is no unsafe in it")]
    fn an_archive_longer_than_any_document_needs_is_refused() {
        let mut bytes = encoded(&order());
        let mut of_length = |body: usize| {
            bytes.resize(HEADER_BYTES + body, 0);
            let length = u32::try_from(body).unwrap().to_le_bytes();
            bytes[8..HEADER_BYTES].copy_from_slice(&length);
            ArchiveBytes::decode(&bytes).unwrap_err().0
        };
        let longer = MAX_ARCHIVE_BYTES + 1;
        assert_eq!(of_length(longer), Kind::TooLarge(longer));
        assert_eq!(of_length(MAX_ARCHIVE_BYTES), Kind::Structure);
        let many = DefinitionParts {
            name_ends: vec![0; MAX_STATES + 1],
            ..DefinitionParts::default()
        };
        assert_eq!(refused(&many), Kind::StateCount(MAX_STATES + 1));
    }

    #[test]
    fn only_one_state_may_be_unused() {
        let mut parts = DefinitionParts {
            names: b"ab".to_vec(),
            name_ends: vec![1, 2],
            ..DefinitionParts::default()
        };
        assert!(ArchiveBytes::decode(&encoded(&parts)).is_ok());
        parts.names.push(b'c');
        parts.name_ends.push(3);
        assert_eq!(refused(&parts), Kind::Numbering);
    }

    #[test]
    fn the_one_unused_state_has_a_name() {
        let parts = DefinitionParts {
            names: b"a".to_vec(),
            name_ends: vec![1, 1],
            ..DefinitionParts::default()
        };
        assert_eq!(refused(&parts), Kind::Numbering);
    }

    #[test]
    #[cfg_attr(
        miri,
        ignore = "a megabyte takes Miri minutes, and there is no unsafe in it"
    )]
    fn a_small_archive_of_a_huge_document_is_refused() {
        let parts = |targets| DefinitionParts {
            names: vec![b'x'; 1 << 20],
            name_ends: vec![1 << 20],
            row_ends: vec![targets],
            targets: vec![0; targets as usize],
            adjacency: vec![1],
            ..DefinitionParts::default()
        };
        // Key, initial and current state, 61 targets: 64 quoted names and what is between them.
        let quoted = (1 << 20) + 2;
        assert_eq!(refused(&parts(61)), Kind::Document(64 * quoted + 4 + 61));
        assert!(ArchiveBytes::decode(&encoded(&parts(60))).is_ok());
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
            assert!(ArchiveBytes::decode(&good[..end]).is_err());
        }
        for bit in 0..good.len() * 8 {
            let mut bytes = good.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            if let Ok((archive, parts)) = ArchiveBytes::decode(&bytes) {
                assert_eq!(ArchiveBytes::encode(&parts).unwrap(), archive);
            }
        }
    }
}
