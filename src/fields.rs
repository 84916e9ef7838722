//! The texts that replication adds: numbers, and fields behind their length.

use std::cell::Cell;

use crate::text::parse_digits;

/// Memory for texts that is kept is at most this long.
const MAX_KEPT_BYTES: usize = 4096;

thread_local! {
    /// The memory of the last text, for the next one.
    static TEXT: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Writes a text, and calls `send` with it. Most need no memory for it.
pub fn with_text(write: impl FnOnce(&mut Vec<u8>), send: impl FnOnce(&[u8])) {
    let mut text = TEXT.take();
    write(&mut text);
    send(&text);
    if text.capacity() <= MAX_KEPT_BYTES {
        text.clear();
        TEXT.set(text);
    }
}

/// Writes a number in digits.
pub fn write_number(number: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// Writes bytes behind their length, as in ` 5:clerk`.
pub fn write_field(field: &[u8], out: &mut Vec<u8>) {
    out.push(b' ');
    write_number(field.len() as u64, out);
    out.push(b':');
    out.extend_from_slice(field);
}

/// Reads what [`write_field`] wrote. Returns it, and what follows.
pub fn read_field(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let field = text.strip_prefix(b" ")?;
    let colon = field.iter().position(|&byte| byte == b':')?;
    let length = usize::try_from(parse_digits(field.get(..colon)?)?).ok()?;
    field.get(colon + 1..)?.split_at_checked(length)
}
