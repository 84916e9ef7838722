//! The entry that a command wrote to a stream, and how replication says it.

use redis_state_core::MAX_TIME;

use crate::fields::{read_field, write_field, write_number};
use crate::server::stream::EntryId;
use crate::text::parse_digits;

/// An entry of a move.
#[derive(Clone, Copy)]
pub struct Emitted<'a> {
    /// Its id.
    pub id: EntryId,
    /// Who made the move; empty if nobody is known.
    pub user: &'a [u8],
    /// When, in ms since 1970, if the machine is timed.
    pub at: Option<u64>,
    /// How many entries the stream has, if old ones were removed.
    pub left: Option<u64>,
}

impl<'a> Emitted<'a> {
    /// Writes the entry as it is replicated, as in `ENTRY 1795582049298-0 6:worker AT 1795582049298 LEFT 9`.
    /// The user stands behind its length in bytes. What is absent is left out.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"ENTRY ");
        out.extend_from_slice(self.id.to_text().bytes());
        write_field(self.user, out);
        for (word, number) in [(b" AT ".as_slice(), self.at), (b" LEFT ", self.left)] {
            if let Some(number) = number {
                out.extend_from_slice(word);
                write_number(number, out);
            }
        }
    }

    /// Reads what [`Self::write`] wrote behind `ENTRY`. Returns nothing of what it can't have written.
    pub fn read(text: &'a [u8]) -> Option<Self> {
        let end = text.iter().position(|&byte| byte == b' ')?;
        let (id, rest) = text.split_at_checked(end)?;
        let dash = id.iter().position(|&byte| byte == b'-')?;
        let (ms, seq) = (
            parse_digits(id.get(..dash)?)?,
            parse_digits(id.get(dash + 1..)?)?,
        );
        let (user, rest) = read_field(rest)?;
        let (at, rest) = read_number(rest, b" AT ")?;
        let (left, rest) = read_number(rest, b" LEFT ")?;
        let is_sound = rest.is_empty() && at.is_none_or(|at| at <= MAX_TIME) && left != Some(0);
        is_sound.then_some(Self {
            id: EntryId { ms, seq },
            user,
            at,
            left,
        })
    }
}

/// Reads the number behind a word, if the word is there. Returns it, and what follows.
fn read_number<'a>(text: &'a [u8], word: &[u8]) -> Option<(Option<u64>, &'a [u8])> {
    let Some(text) = text.strip_prefix(word) else {
        return Some((None, text));
    };
    let end = text.iter().position(|&byte| byte == b' ');
    let (number, rest) = text.split_at(end.unwrap_or(text.len()));
    Some((Some(parse_digits(number)?), rest))
}
