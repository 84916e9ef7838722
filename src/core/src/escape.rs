//! Which bytes of a name a JSON string has to escape, and what that costs.

/// Returns whether names written as they are would break the document.
pub(crate) fn need_escapes(names: &[u8]) -> bool {
    // No early exit: the compiler then tests many bytes at a time, and names hardly ever need one.
    names.iter().fold(false, |found, &byte| {
        found | (byte < 0x20) | (byte == b'"') | (byte == b'\\')
    })
}

/// Returns the length of a name as a JSON string, quotes and escapes included.
pub(crate) fn quoted_bytes(name: &[u8]) -> usize {
    let escaped = |&byte: &u8| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 2,
        0..0x20 => 6,
        _ => 1,
    };
    2 + name.iter().map(escaped).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_of_a_string_is_that_which_serde_json_writes() {
        for name in ["", "a", "naïve", "\"\\", "\0\n\r\t\u{8}\u{c}\u{1f}", "🚀"] {
            let written = serde_json::to_string(name).unwrap();
            assert_eq!(quoted_bytes(name.as_bytes()), written.len(), "{name:?}");
            let is_plain = written.len() == name.len() + 2;
            assert_eq!(need_escapes(name.as_bytes()), !is_plain, "{name:?}");
        }
    }
}
