//! The bytes by which a document is recognised.
//!
//! A client that sets a thousand orders sends the same document a thousand times, or the same but
//! for the current state. Its bytes, without a leading `"current"` field, are looked up among the
//! documents kept; only what is new is parsed. For example
//!
//! ```text
//! 1. {"map":{"a":["b"]},"initial":"a"}                 parsed; kept as it is
//! 2. {"map":{"a":["b"]},"initial":"a"}                 recognised, in state a
//! 3. {"current":"b","map":{"a":["b"]},"initial":"a"}   parsed; kept, replacing the first:
//!                 ,"map":{"a":["b"]},"initial":"a"}    (what is left after the current state)
//! 4. {"current":"a","map":{"a":["b"]},"initial":"a"}   recognised, in state a
//! 5.                ,"map":{"a":["b"]},"initial":"a"}  not recognised: equal to what was kept, but
//!                                                      nothing was stripped. Parsed: not JSON
//! ```

/// The lookup key for recognising a document: its bytes, minus a leading `"current"` field (which
/// SM.GET always writes first).
#[derive(Debug, Clone, Copy)]
pub(crate) struct SourceKey<'a> {
    /// The name in the leading `"current"` field, if one was stripped.
    pub(crate) current: Option<&'a [u8]>,
    /// The whole document, or what follows the current state.
    pub(crate) rest: &'a [u8],
}

impl<'a> SourceKey<'a> {
    /// Returns the key of a document.
    pub(crate) fn of(json: &'a [u8]) -> Self {
        Self::split(json).unwrap_or(Self {
            current: None,
            rest: json,
        })
    }

    /// Returns whether a leading `current` was stripped. Part of the key: otherwise the stripped
    /// rest, sent on its own, would match although it is not valid JSON.
    pub(crate) fn is_stripped(&self) -> bool {
        self.current.is_some()
    }

    /// Strips a leading `{"current":"…"` if the name in it has no escapes.
    fn split(json: &'a [u8]) -> Option<Self> {
        let after = json.strip_prefix(b"{\"current\":\"")?;
        let end = after
            .iter()
            .position(|&byte| byte == b'"' || byte == b'\\' || byte < 0x20)?;
        let (name, rest) = after.split_at(end);
        let rest = rest.strip_prefix(b"\"")?;
        // Checked for UTF-8 here, because nothing looks at this name again when the caller passes
        // another state.
        std::str::from_utf8(name).ok()?;
        Some(Self {
            current: Some(name),
            rest,
        })
    }
}
