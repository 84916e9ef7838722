//! Keys and arguments as log lines and errors show them.

use crate::server::log;

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
