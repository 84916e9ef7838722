//! Version 1 of the archive, as release 1.0 wrote it: the parts of every definition, and neither an
//! adjacency nor rare parts.

use rkyv::rend::unaligned::u32_ule;
use rkyv::{Archive, Serialize};

use super::archive::{access, encode};
use super::error::{ArchiveError, FIRST_VERSION, Kind};
use super::parts::{DefinitionParts, StateId};

/// The parts in the order in which version 1 archived them; see [`DefinitionParts`].
#[derive(Archive, Serialize)]
struct FirstParts {
    names: Vec<u8>,
    name_ends: Vec<u32>,
    row_ends: Vec<u32>,
    targets: Vec<StateId>,
    initial: StateId,
}

/// Checks a body of version 1, which together with its header is `whole`. The rules of meaning are
/// those of today for what there was.
///
/// # Errors
///
/// The first rule that the bytes break.
pub(super) fn decode(body: &[u8], whole: &[u8]) -> Result<DefinitionParts, ArchiveError> {
    let archived = access::<ArchivedFirstParts>(body)?;
    let numbers = |slice: &[u32_ule]| -> Vec<u32> { slice.iter().map(|n| n.to_native()).collect() };
    let first = FirstParts {
        names: archived.names.to_vec(),
        name_ends: numbers(&archived.name_ends),
        row_ends: numbers(&archived.row_ends),
        targets: numbers(&archived.targets),
        initial: archived.initial.to_native(),
    };
    let canonical = encode(FIRST_VERSION, &first, whole.len());
    let parts = DefinitionParts {
        names: first.names,
        name_ends: first.name_ends,
        row_ends: first.row_ends,
        targets: first.targets,
        initial: first.initial,
        ..DefinitionParts::default()
    };
    parts.check()?;
    if canonical? != whole {
        return Err(ArchiveError(Kind::NotCanonical));
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::super::archive::ArchiveBytes;
    use super::*;

    /// `{"map":{"a":["b"]},"initial":"a"}`, as `docs/format.md` had it in 1.0.
    const EXAMPLE: [u8; 66] =
        *b"RSMA\x01\0\0\0\x36\0\0\0ab\x01\0\0\0\x02\0\0\0\x01\0\0\0\x01\0\0\0\
        \xee\xff\xff\xff\x02\0\0\0\xe8\xff\xff\xff\x02\0\0\0\xe8\xff\xff\xff\x01\0\0\0\
        \xe4\xff\xff\xff\x01\0\0\0\0\0\0\0";

    #[test]
    fn what_version_1_wrote_is_the_same_definition_in_version_2() {
        let (archive, parts) = ArchiveBytes::decode(&EXAMPLE).unwrap();
        assert_eq!(archive.as_slice()[4], 2);
        assert_eq!(parts.adjacency, [0b10]);
        assert_eq!(ArchiveBytes::decode(archive.as_slice()).unwrap().0, archive);
    }

    #[test]
    fn damage_to_version_1_is_refused_or_gives_another_definition() {
        for end in 0..EXAMPLE.len() {
            assert!(ArchiveBytes::decode(&EXAMPLE[..end]).is_err());
        }
        for bit in 0..EXAMPLE.len() * 8 {
            let mut bytes = EXAMPLE;
            bytes[bit / 8] ^= 1 << (bit % 8);
            if let Ok((_, parts)) = ArchiveBytes::decode(&bytes) {
                assert_eq!(bytes[4], 1);
                assert!(parts.check().is_ok());
            }
        }
        let mut gap = EXAMPLE.to_vec();
        gap.insert(12, 0);
        gap[8] += 1;
        let kind = ArchiveBytes::decode(&gap).unwrap_err().0;
        assert_eq!(kind, Kind::NotCanonical);
    }
}
