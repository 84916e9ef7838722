//! Where bytes cease to be JSON, and why.
//!
//! The fast parser decides whether bytes are JSON, but it knows the place of an error only at times.
//! `serde_json` is asked for place and words once something is wrong.

use std::borrow::Cow;

use super::error::DocumentError;

/// Says in words what the parser found wrong with `json`.
pub(super) fn syntax_error(json: &[u8], error: &simd_json::Error) -> DocumentError {
    use simd_json::ErrorType as E;
    if json.iter().all(u8::is_ascii_whitespace) {
        return DocumentError::syntax(0, "it is empty");
    }
    if json.starts_with(b"\xef\xbb\xbf") {
        let why = "it begins with a byte order mark, leave that out";
        return DocumentError::syntax(0, why);
    }
    match error.error() {
        E::InvalidUtf8 => DocumentError::syntax(valid_up_to(json), "invalid UTF-8"),
        E::DepthLimitExceeded => {
            let why = "nested too deep, a machine has four levels";
            DocumentError::syntax(error.index(), why)
        }
        _ => second_opinion(json, error.index()),
    }
}

fn valid_up_to(json: &[u8]) -> usize {
    std::str::from_utf8(json).map_or_else(|error| error.valid_up_to(), str::len)
}

/// Asks `serde_json`. Where it finds nothing wrong, one of the two known differences is.
fn second_opinion(json: &[u8], index: usize) -> DocumentError {
    if let Err(error) = serde_json::from_slice::<serde::de::IgnoredAny>(json) {
        let (at, why) = in_words(json, &error);
        return DocumentError::syntax(at, why);
    }
    match lone_surrogate(json) {
        Some(at) => DocumentError::syntax(at, "escape of half a character (lone surrogate)"),
        None => DocumentError::syntax(index, "number out of range"),
    }
}

/// Turns an error by `serde_json` into an offset, and words without the place. The words quote
/// nothing of the document.
fn in_words(json: &[u8], error: &serde_json::Error) -> (usize, Cow<'static, str>) {
    let before = json
        .split_inclusive(|&byte| byte == b'\n')
        .take(error.line() - 1);
    // Columns count from one, and are zero at the very beginning of a line.
    let at = before.map(<[u8]>::len).sum::<usize>() + error.column().saturating_sub(1);
    if error.is_eof() {
        return (json.len(), "it ends too early".into());
    }
    let what = error.to_string();
    match what.split(" at line ").next().unwrap_or_default() {
        // The place is that of the byte before.
        why if why.starts_with("control character") => {
            let why = "control character in a string, write it as an escape";
            (at + 1, why.into())
        }
        "expected ident" => (at, "expected true, false or null".into()),
        why => (at, why.to_owned().into()),
    }
}

/// Returns the place of the first escape of a surrogate that has no other half, in text that is
/// JSON otherwise.
fn lone_surrogate(json: &[u8]) -> Option<usize> {
    let escaped = |at: usize| {
        let digits = json.get(at..)?.strip_prefix(b"\\u")?.get(..4)?;
        u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    };
    let mut at = 0;
    while at < json.len() {
        at += match (escaped(at), escaped(at + 6)) {
            (Some(0xd800..0xdc00), Some(0xdc00..0xe000)) => 12,
            (Some(0xd800..0xe000), _) => return Some(at),
            _ if json.get(at) == Some(&b'\\') => 2,
            _ => 1,
        };
    }
    None
}
