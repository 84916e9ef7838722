//! The requests that succeeded last and that their senders gave an ID: known again if they come
//! again.
//!
//! Packed, oldest first, each
//!
//! ```text
//! kind     u8       bits 0 to 2: the kind of request, bit 3: TO was given
//! token    length as u8, bytes
//! subject  name     the event of a FIRE, the state of a MOVE or FORCE
//! to       name     with bit 3
//! state    name     the state that the machine was in then,
//! version  varint   and its version
//! ```

use super::MAX_PART_BYTES;
use super::error::PartError;
use super::names::{Name, Translation};
use super::wire::{Cursor, put_varint};
use crate::definition::Definition;

/// How many requests a machine knows again.
pub const MAX_IDS: usize = 8;

/// Longest ID of a request, in bytes.
pub const MAX_ID_BYTES: usize = 64;

const KIND: u8 = 0b0111;
const HAS_TO: u8 = 0b1000;

/// What a request with an ID was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum IdKind {
    Fire = 0,
    Move = 1,
    Force = 2,
    New = 3,
    Redefine = 4,
}

impl IdKind {
    fn of(number: u8) -> Result<Self, PartError> {
        match number {
            0 => Ok(Self::Fire),
            1 => Ok(Self::Move),
            2 => Ok(Self::Force),
            3 => Ok(Self::New),
            4 => Ok(Self::Redefine),
            other => Err(PartError::RequestKind(other)),
        }
    }

    fn has_subject(self) -> bool {
        matches!(self, Self::Fire | Self::Move | Self::Force)
    }
}

/// A request that succeeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Known<'a> {
    pub(super) kind: IdKind,
    pub(super) token: &'a str,
    /// The event of a FIRE (number 0: without a name), the state of a MOVE or FORCE.
    pub(super) subject: Option<Name<'a>>,
    pub(super) to: Option<Name<'a>>,
    pub(super) state: Name<'a>,
    pub(super) version: u32,
}

impl<'a> Known<'a> {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(self.kind as u8 | if self.to.is_some() { HAS_TO } else { 0 });
        super::wire::put_bytes(self.token.as_bytes(), out);
        for name in [self.subject, self.to, Some(self.state)]
            .into_iter()
            .flatten()
        {
            name.put(out);
        }
        put_varint(u64::from(self.version), out);
    }

    fn take(cursor: &mut Cursor<'a>) -> Result<Self, PartError> {
        let head = cursor.byte()?;
        let kind = IdKind::of(head & KIND)?;
        let has_to = head & HAS_TO != 0;
        if head & !(KIND | HAS_TO) != 0 || (has_to && kind != IdKind::Fire) {
            return Err(PartError::RequestKind(head));
        }
        let token = cursor.text(1, MAX_ID_BYTES)?;
        let mut name = |is_there: bool| is_there.then(|| Name::take(cursor)).transpose();
        let (subject, to) = (name(kind.has_subject())?, name(has_to)?);
        let state = Name::take(cursor)?;
        let version = cursor.varint32()?;
        Ok(Self {
            kind,
            token,
            subject,
            to,
            state,
            version,
        })
    }

    fn check(&self, definition: &Definition) -> Result<(), PartError> {
        match (self.kind, self.subject) {
            (IdKind::Fire, Some(event)) => event.check_event(definition)?,
            (_, Some(state)) => state.check_state(definition)?,
            (_, None) => {}
        }
        if let Some(to) = self.to {
            to.check_state(definition)?;
        }
        self.state.check_state(definition)?;
        if self.version == 0 {
            return Err(PartError::Ids("version 0"));
        }
        Ok(())
    }

    fn translate(self, names: Translation<'a>) -> Self {
        let state = |name| names.state(name, usize::MAX);
        let subject = match self.kind {
            IdKind::Fire => self.subject.map(|event| names.event(event, usize::MAX)),
            _ => self.subject.map(state),
        };
        Self {
            subject,
            to: self.to.map(state),
            state: state(self.state),
            ..self
        }
    }
}

/// Reads the requests, oldest first. Ends early if they are damaged, which those of a machine are
/// not.
pub(super) fn all(ids: &[u8]) -> impl Iterator<Item = Known<'_>> {
    let mut cursor = Cursor::new(ids);
    std::iter::from_fn(move || {
        (!cursor.is_at_end())
            .then(|| Known::take(&mut cursor).ok())
            .flatten()
    })
}

/// Returns the request of that ID.
pub(super) fn find<'a>(ids: &'a [u8], token: &str) -> Option<Known<'a>> {
    all(ids).find(|known| known.token == token)
}

/// Appends the requests with one more, which replaces one of the same ID. The oldest make room.
pub(super) fn push(ids: &[u8], new: &Known<'_>, out: &mut Vec<u8>) {
    let others = || all(ids).filter(|known| known.token != new.token);
    write(others().chain([*new]), out);
}

/// Appends the requests as another definition knows them.
pub(super) fn translate(ids: &[u8], names: Translation<'_>, out: &mut Vec<u8>) {
    write(all(ids).map(|known| known.translate(names)), out);
}

/// Appends requests: of the newest as many as there may be.
fn write<'a>(all: impl Iterator<Item = Known<'a>>, out: &mut Vec<u8>) {
    let start = out.len();
    let mut ends = Vec::with_capacity(MAX_IDS + 1);
    for known in all {
        known.put(out);
        ends.push(out.len());
    }
    let total = out.len();
    let surplus = ends.len().saturating_sub(MAX_IDS);
    let fits = |from: &usize| total - from <= MAX_PART_BYTES;
    let cuts = std::iter::once(start).chain(ends.iter().copied());
    let from = cuts.skip(surplus).find(fits).unwrap_or(total);
    out.drain(start..from);
}

/// Checks that these are requests as [`push`] writes them, for a machine of this definition.
pub(super) fn check(ids: &[u8], definition: &Definition) -> Result<(), PartError> {
    let mut cursor = Cursor::new(ids);
    let mut tokens = Vec::with_capacity(MAX_IDS);
    while !cursor.is_at_end() {
        let known = Known::take(&mut cursor)?;
        known.check(definition)?;
        if tokens.contains(&known.token) {
            return Err(PartError::Ids("one comes twice"));
        }
        if tokens.len() == MAX_IDS {
            return Err(PartError::Ids("there are more than 8"));
        }
        tokens.push(known.token);
    }
    Ok(())
}
