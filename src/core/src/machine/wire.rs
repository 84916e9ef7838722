//! How the packed parts of a machine are written: the same bytes in memory and in a record.
//!
//! Numbers are varints as in Protocol Buffers (LEB128): seven bits a byte, the lowest first, and the
//! highest bit says that another byte follows.

use super::error::PartError;

/// The longest varint: nine bytes have 63 bits.
const MAX_VARINT_BYTES: usize = 10;

/// Reads packed parts from the front. Nothing in them is trusted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Returns what was not read yet.
    pub(crate) fn rest(self) -> &'a [u8] {
        self.0
    }

    pub(crate) fn is_at_end(self) -> bool {
        self.0.is_empty()
    }

    #[inline]
    pub(crate) fn byte(&mut self) -> Result<u8, PartError> {
        let (&byte, rest) = self.0.split_first().ok_or(PartError::Short)?;
        self.0 = rest;
        Ok(byte)
    }

    /// Reads a varint in its only spelling.
    #[inline]
    pub(crate) fn varint(&mut self) -> Result<u64, PartError> {
        // Nearly all are of one byte.
        if let Some((&byte, rest)) = self.0.split_first()
            && byte < 0x80
        {
            self.0 = rest;
            return Ok(u64::from(byte));
        }
        self.long_varint()
    }

    fn long_varint(&mut self) -> Result<u64, PartError> {
        let mut number = 0;
        for (at, &byte) in self.0.iter().enumerate().take(MAX_VARINT_BYTES) {
            number |= u64::from(byte & 0x7f) << (7 * at);
            if byte < 0x80 {
                // Neither a byte that says nothing, nor bits beyond the 64th.
                let is_canonical = byte > 0 && (at < MAX_VARINT_BYTES - 1 || byte == 1);
                let (_, rest) = self.0.split_at(at + 1);
                self.0 = rest;
                return is_canonical.then_some(number).ok_or(PartError::Varint);
            }
        }
        Err(PartError::Varint)
    }

    #[inline]
    pub(crate) fn varint32(&mut self) -> Result<u32, PartError> {
        u32::try_from(self.varint()?).map_err(|_| PartError::Varint)
    }

    #[inline]
    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], PartError> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(PartError::Short)?;
        self.0 = rest;
        Ok(taken)
    }

    /// Reads a length and so many bytes, of which there have to be `least` to `most`.
    pub(crate) fn bytes(&mut self, least: usize, most: usize) -> Result<&'a [u8], PartError> {
        let length = self.varint32()? as usize;
        if length < least || length > most {
            return Err(PartError::Length(length));
        }
        self.take(length)
    }

    /// Reads a length and so many bytes of UTF-8.
    pub(crate) fn text(&mut self, least: usize, most: usize) -> Result<&'a str, PartError> {
        std::str::from_utf8(self.bytes(least, most)?).map_err(|_| PartError::Text)
    }
}

/// Appends a varint.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "seven bits at a time")]
pub(crate) fn put_varint(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Appends a length and the bytes.
#[inline]
pub(crate) fn put_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    put_varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

/// Returns the text, cut between characters to at most `most` bytes.
pub(crate) fn cut(text: &str, most: usize) -> &str {
    // Text is cut as its bytes are: before the first byte of a character.
    std::str::from_utf8(cut_bytes(text.as_bytes(), most)).unwrap_or_default()
}

/// Returns the bytes, cut to at most `most`, not within a character of UTF-8.
pub(crate) fn cut_bytes(bytes: &[u8], most: usize) -> &[u8] {
    let Some(&next) = bytes.get(most) else {
        return bytes;
    };
    let is_inside = |byte: u8| byte & 0xc0 == 0x80;
    let start = match is_inside(next) {
        false => Some(most),
        // A character has at most three bytes behind its first.
        true => (most.saturating_sub(3)..most)
            .rev()
            .find(|&at| bytes.get(at).is_some_and(|&byte| !is_inside(byte))),
    };
    bytes.get(..start.unwrap_or(most)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_between_characters() {
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(cut("abc", 2), "ab");
        assert_eq!(cut("aé", 2), "a");
        assert_eq!(cut("a🚀b", 4), "a");
        assert_eq!(cut("a🚀b", 5), "a🚀");
        assert_eq!(cut_bytes(&[0x80; 9], 5), [0x80; 5]);
    }

    #[test]
    fn a_varint_has_one_spelling() {
        for number in [
            0,
            1,
            127,
            128,
            16_383,
            16_384,
            u64::from(u32::MAX),
            u64::MAX,
        ] {
            let mut bytes = Vec::new();
            put_varint(number, &mut bytes);
            let mut cursor = Cursor::new(&bytes);
            assert_eq!(cursor.varint(), Ok(number));
            assert!(cursor.is_at_end());
        }
        // Longer than needed, cut off, and with bits above the 64th.
        let long = [&[0xff; 9][..], &[0x7f]].concat();
        for bytes in [&[0x80, 0][..], &[0x80], &long] {
            assert_eq!(Cursor::new(bytes).varint(), Err(PartError::Varint));
        }
        assert_eq!(
            Cursor::new(&[0x81, 0x80, 0x80, 0x80, 0x10]).varint32(),
            Err(PartError::Varint)
        );
    }
}
