//! The name of a key, within an entry as far as it fits.

/// What fits into the bytes that an entry has for it. Most names are shorter.
const SHORT: usize = 22;

/// The name of a key.
#[derive(Debug)]
pub(super) enum Name {
    Short { bytes: u8, text: [u8; SHORT] },
    Long(Box<[u8]>),
}

impl Name {
    pub(super) fn new(name: &[u8]) -> Self {
        let mut text = [0; SHORT];
        match (text.get_mut(..name.len()), u8::try_from(name.len())) {
            (Some(room), Ok(bytes)) => {
                room.copy_from_slice(name);
                Self::Short { bytes, text }
            }
            _ => Self::Long(name.into()),
        }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Short { bytes, text } => text.get(..usize::from(*bytes)).unwrap_or_default(),
            Self::Long(name) => name,
        }
    }

    /// Returns the bytes of the heap block.
    pub(super) fn memory(&self) -> usize {
        match self {
            Self::Short { .. } => 0,
            Self::Long(name) => name.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_back_what_was_put_in_and_takes_a_block_only_if_it_must() {
        for bytes in [0, 1, 14, SHORT, SHORT + 1, 255, 256, 300] {
            let text: Vec<u8> = (0..=u8::MAX).cycle().take(bytes).collect();
            let name = Name::new(&text);
            assert_eq!(name.as_bytes(), text);
            assert_eq!(name.memory(), if bytes > SHORT { bytes } else { 0 });
        }
    }
}
