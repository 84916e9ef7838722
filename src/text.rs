//! Keys and arguments as log lines and errors show them.

use std::cell::Cell;

use crate::server::log;

/// Memory for texts that is kept is at most this long.
const MAX_KEPT_BYTES: usize = 4096;

thread_local! {
    /// The memory of the last text, for the next one.
    static TEXT: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// How many bytes of a key or argument are shown.
const MAX_SHOWN_BYTES: usize = 128;

/// Returns a key or argument for one line of text: in quotes, escaped to printable characters, and
/// cut if it is long.
pub fn quoted(bytes: &[u8]) -> String {
    match bytes.get(..MAX_SHOWN_BYTES) {
        Some(start) if bytes.len() > MAX_SHOWN_BYTES => format!("'{}...'", start.escape_ascii()),
        _ => format!("'{}'", bytes.escape_ascii()),
    }
}

/// Returns a key as a log line shows it. If the log must not show user data, no part of the key is
/// in it.
pub fn key_for_log(name: Option<&[u8]>) -> String {
    match name {
        _ if log::hides_user_data() => "*redacted*".to_owned(),
        Some(name) => quoted(name),
        None => "(unnamed)".to_owned(),
    }
}

/// Parses digits, and nothing but digits.
pub fn parse_digits(value: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(value).ok()?;
    let is_digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_digits)
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
