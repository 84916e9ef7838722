//! The fields of a map, as commands reply with them.

use crate::server::context::Context;

/// Replies with the fields of a map, each a name and a value.
pub struct Fields<'a>(pub Context<'a>);

impl Fields<'_> {
    /// Replies with a text.
    pub fn text(&self, name: &str, value: &[u8]) {
        self.0.reply_bytes(name.as_bytes());
        self.0.reply_bytes(value);
    }

    /// Replies with a number, or nil.
    pub fn number(&self, name: &str, value: Option<u64>) {
        self.0.reply_bytes(name.as_bytes());
        match value {
            Some(value) => self.0.reply_integer(value.cast_signed()),
            None => self.0.reply_null(),
        }
    }
}
