//! When a change was made and by whom, and how replication says it.

use redis_state_core::MAX_TIME;

use crate::fields::{read_field, write_field, write_number};
use crate::server::context::Context;
use crate::server::strings::OwnedStr;
use crate::text::parse_digits;

/// When a change was made, and by whom.
pub struct Moment<'a> {
    /// The primary's clock, in ms since 1970.
    pub at: u64,
    /// The ACL user of the connection.
    pub user: User<'a>,
}

/// Who made a change.
pub enum User<'a> {
    /// The user that replication names.
    Replicated(&'a [u8]),
    /// The user of the running command, if the server says.
    Current(Option<OwnedStr<'a>>),
}

impl User<'_> {
    /// Returns the name; empty if nobody is known.
    pub fn name(&self) -> &[u8] {
        match self {
            Self::Replicated(name) => name,
            Self::Current(name) => name.as_ref().map_or(b"", OwnedStr::bytes),
        }
    }
}

impl<'a> User<'a> {
    /// Returns the user of the running command, if there is one that can be sent as it is.
    pub fn current(&self) -> Option<&OwnedStr<'a>> {
        match self {
            Self::Current(user) => user.as_ref(),
            Self::Replicated(_) => None,
        }
    }
}

impl<'a> Moment<'a> {
    /// Returns the moment of the running command. Who made it is asked only if a history remembers
    /// it.
    pub fn now(context: Context<'a>, is_remembered: bool) -> Self {
        Self::at(context.now(), context, is_remembered)
    }

    /// The same, of a moment at which the clock was looked at before.
    pub fn at(now: u64, context: Context<'a>, is_remembered: bool) -> Self {
        let user = is_remembered.then(|| context.user()).flatten();
        Self {
            at: now,
            user: User::Current(user),
        }
    }

    /// Returns the moment as the core takes it, for a change that was or wasn't made before.
    pub fn as_core(&self, replayed: bool) -> redis_state_core::Context<'_> {
        redis_state_core::Context {
            now: self.at,
            user: self.user.name(),
            replayed,
        }
    }

    /// Returns the moment as it is replicated: `AT`, the time, the user, whom the caller acts for, and why.
    /// Each text stands behind its length in bytes, as in `AT 1795582049298 7:default 5:clerk 4:paid`.
    /// Texts that are absent at the end are left out, others are `0:`.
    ///
    /// All of it is one argument, because the server takes some 900 instructions for each argument that it
    /// writes to the append-only file.
    pub fn to_text(&self, by: &str, reason: Option<&str>) -> Vec<u8> {
        let mut text = Vec::new();
        self.write(by, reason, &mut text);
        text
    }

    /// Writes the same text.
    pub fn write(&self, by: &str, reason: Option<&str>, out: &mut Vec<u8>) {
        let user = self.user.name();
        out.extend_from_slice(b"AT ");
        write_number(self.at, out);
        if !user.is_empty() || !by.is_empty() || reason.is_some() {
            write_field(user, out);
        }
        if !by.is_empty() || reason.is_some() {
            write_field(by.as_bytes(), out);
        }
        if let Some(reason) = reason {
            write_field(reason.as_bytes(), out);
        }
    }
}

/// A moment that replication brought.
pub struct Replicated<'a> {
    /// In ms since 1970.
    pub at: u64,
    /// The user, whom the caller acts for, and why.
    pub texts: [Option<&'a [u8]>; 3],
}

impl<'a> Replicated<'a> {
    /// Reads what [`Moment::to_text`] wrote behind `AT`. Returns nothing of what it can't have written.
    pub fn read(text: &'a [u8]) -> Option<Self> {
        let end = text.iter().position(|&byte| byte == b' ');
        let (at, mut rest) = text.split_at(end.unwrap_or(text.len()));
        let mut texts = [None; 3];
        for place in &mut texts {
            if rest.is_empty() {
                break;
            }
            let (text, after) = read_field(rest)?;
            (*place, rest) = (Some(text), after);
        }
        let at = parse_digits(at).filter(|&at| at <= MAX_TIME)?;
        rest.is_empty().then_some(Self { at, texts })
    }
}
