//! The last moves of a machine.
//!
//! Packed:
//!
//! ```text
//! count    u8          of entries
//! last     varint      when the newest was made, in ms since 1970
//! user     varint, bytes   who made the newest; the varint is twice the length, plus one if `from` follows
//! from     name        where the oldest came from; not if the oldest is `new`
//! entries  oldest first, each
//!   head    u8         bits 0 to 2: kind; then a bit each for what follows: event, the user before
//!                      if that was another one, by, reason, id
//!   pause   varint     ms since the entry before; 0 in the oldest
//!   to      name       the state that was entered
//!   event   name       its number is not 0
//!   user before, by, reason, id    varint, bytes each
//! ```
//!
//! What one entry has in common with its neighbour isn't written: where it came from is where the one
//! before it went to, its version is one more. So times and users are known from the newest back,
//! and adding an entry touches the header and the end.

use super::error::PartError;
use super::ids::MAX_ID_BYTES;
use super::names::{Name, Translation};
use super::times::MAX_TIME;
use super::wire::{Cursor, cut, cut_bytes, put_bytes, put_varint};
use super::{MAX_PART_BYTES, version_before};
use crate::definition::{Definition, StateId};

/// Longest reason in an entry, in bytes. What is longer is cut.
pub const MAX_ENTRY_REASON_BYTES: usize = 1 << 10;

/// Longest name of a user in an entry, and of whom they act for, in bytes. What is longer is cut.
pub const MAX_USER_BYTES: usize = 256;

/// Longest name of a state or event that stands as text, in bytes. What is longer is cut.
const MAX_NAME_BYTES: usize = 1 << 10;

const KIND: u8 = 0b111;
const EVENT: u8 = 1 << 3;
const USER_BEFORE: u8 = 1 << 4;
const BY: u8 = 1 << 5;
const REASON: u8 = 1 << 6;
const ID: u8 = 1 << 7;

/// What kind of change an entry of the history is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum MoveKind {
    /// A new machine.
    New = 0,
    /// A document that replaced the machine.
    Set = 1,
    /// A transition of the definition.
    Move = 2,
    /// A move that needed no transition.
    Force = 3,
    /// Back to the initial state.
    Reset = 4,
    /// A timer's move.
    Timeout = 5,
    /// Another definition.
    Redefine = 6,
}

impl MoveKind {
    /// Returns the word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Set => "set",
            Self::Move => "move",
            Self::Force => "force",
            Self::Reset => "reset",
            Self::Timeout => "timeout",
            Self::Redefine => "redefine",
        }
    }

    fn of(number: u8) -> Result<Self, PartError> {
        match number {
            0 => Ok(Self::New),
            1 => Ok(Self::Set),
            2 => Ok(Self::Move),
            3 => Ok(Self::Force),
            4 => Ok(Self::Reset),
            5 => Ok(Self::Timeout),
            6 => Ok(Self::Redefine),
            _ => Err(PartError::History("unknown kind of entry")),
        }
    }
}

/// One change of a machine, as its history tells it. What is absent is empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HistoryEntry<'a> {
    /// The version that the machine had after it.
    pub version: u32,
    /// When, in ms since 1970, by the primary's clock.
    pub at: u64,
    /// What kind of change it was.
    pub kind: MoveKind,
    /// The state before; `None` for a new machine.
    pub from: Option<&'a [u8]>,
    /// The event; empty for a move without one.
    pub event: &'a [u8],
    /// The state after.
    pub to: &'a [u8],
    /// The ACL user of the connection.
    pub user: &'a [u8],
    /// Whom the caller acted for.
    pub by: &'a str,
    /// Why.
    pub reason: &'a str,
    /// The ID of the request.
    pub id: &'a str,
}

/// What is written of a change.
#[derive(Debug, Clone, Copy)]
pub(super) struct Event<'a> {
    pub(super) kind: MoveKind,
    pub(super) at: u64,
    pub(super) from: Name<'a>,
    pub(super) to: Name<'a>,
    pub(super) event: Option<Name<'a>>,
    pub(super) user: &'a [u8],
    pub(super) by: &'a str,
    pub(super) reason: &'a str,
    pub(super) id: &'a str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Header<'a> {
    count: u8,
    last: u64,
    user: &'a [u8],
    from: Option<Name<'a>>,
}

impl<'a> Header<'a> {
    #[inline(always)]
    fn put(&self, out: &mut Vec<u8>) {
        out.push(self.count);
        put_varint(self.last, out);
        let has_from = u64::from(self.from.is_some());
        put_varint(((self.user.len() as u64) << 1) | has_from, out);
        out.extend_from_slice(self.user);
        if let Some(from) = self.from {
            from.put(out);
        }
    }

    fn take(cursor: &mut Cursor<'a>) -> Result<Self, PartError> {
        let count = cursor.byte()?;
        let last = cursor.varint()?;
        let head = cursor.varint32()?;
        let length = (head >> 1) as usize;
        if length > MAX_USER_BYTES {
            return Err(PartError::Length(length));
        }
        let user = cursor.take(length)?;
        let from = (head & 1 == 1).then(|| Name::take(cursor)).transpose()?;
        Ok(Self {
            count,
            last,
            user,
            from,
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry<'a> {
    kind: MoveKind,
    pause: u64,
    to: Name<'a>,
    event: Option<Name<'a>>,
    user_before: Option<&'a [u8]>,
    by: &'a str,
    reason: &'a str,
    id: &'a str,
}

impl<'a> Entry<'a> {
    #[inline(always)]
    fn put(&self, out: &mut Vec<u8>) {
        let flag = |is_there: bool, flag: u8| if is_there { flag } else { 0 };
        out.push(
            self.kind as u8
                | flag(self.event.is_some(), EVENT)
                | flag(self.user_before.is_some(), USER_BEFORE)
                | flag(!self.by.is_empty(), BY)
                | flag(!self.reason.is_empty(), REASON)
                | flag(!self.id.is_empty(), ID),
        );
        put_varint(self.pause, out);
        self.to.put(out);
        if let Some(event) = self.event {
            event.put(out);
        }
        if let Some(user) = self.user_before {
            put_bytes(user, out);
        }
        for text in [self.by, self.reason, self.id] {
            if !text.is_empty() {
                put_bytes(text.as_bytes(), out);
            }
        }
    }

    fn take(cursor: &mut Cursor<'a>) -> Result<Self, PartError> {
        let head = cursor.byte()?;
        let kind = MoveKind::of(head & KIND)?;
        let pause = cursor.varint()?;
        let to = Name::take(cursor)?;
        let has = |flag: u8| head & flag != 0;
        let event = has(EVENT).then(|| Name::take(cursor)).transpose()?;
        let user_before = has(USER_BEFORE).then(|| cursor.bytes(0, MAX_USER_BYTES));
        let user_before = user_before.transpose()?;
        let mut text = |flag, most| {
            if has(flag) {
                cursor.text(1, most)
            } else {
                Ok("")
            }
        };
        Ok(Self {
            kind,
            pause,
            to,
            event,
            user_before,
            by: text(BY, MAX_USER_BYTES)?,
            reason: text(REASON, MAX_ENTRY_REASON_BYTES)?,
            id: text(ID, MAX_ID_BYTES)?,
        })
    }

    /// Returns what the oldest entry says: nothing of those before it.
    fn as_oldest(self) -> Self {
        Self {
            pause: 0,
            user_before: None,
            ..self
        }
    }

    /// Reads past an entry, and returns the state that it entered.
    #[inline]
    fn skip(cursor: &mut Cursor<'a>) -> Result<Name<'a>, PartError> {
        let head = cursor.byte()?;
        cursor.varint()?;
        let to = Name::take(cursor)?;
        if head & EVENT != 0 {
            Name::take(cursor)?;
        }
        for flag in [USER_BEFORE, BY, REASON, ID] {
            if head & flag != 0 {
                cursor.bytes(0, MAX_ENTRY_REASON_BYTES)?;
            }
        }
        Ok(to)
    }

    /// Reads the beginning of an entry and appends it as that of the oldest one. The rest of it is
    /// the same.
    #[inline]
    fn put_as_oldest(cursor: &mut Cursor<'_>, out: &mut Vec<u8>) -> Result<(), PartError> {
        let head = cursor.byte()?;
        cursor.varint()?;
        out.extend_from_slice(&[head & !USER_BEFORE, 0]);
        Name::take(cursor)?.put(out);
        if head & EVENT != 0 {
            Name::take(cursor)?.put(out);
        }
        if head & USER_BEFORE != 0 {
            cursor.bytes(0, MAX_USER_BYTES)?;
        }
        Ok(())
    }
}

/// Returns when the newest entry was made; 0 without one.
pub(super) fn last(history: &[u8]) -> u64 {
    let packed = history.get(1..).unwrap_or_default();
    Cursor::new(packed).varint().unwrap_or_default()
}

/// Returns the number of entries.
pub(super) fn count(history: &[u8]) -> usize {
    history.first().copied().map_or(0, usize::from)
}

/// Appends the history with one more entry. The oldest make room.
#[inline]
pub(super) fn push(history: &[u8], new: &Event<'_>, limit: u8, out: &mut Vec<u8>) {
    let mut cursor = Cursor::new(history);
    let header = Header::take(&mut cursor).ok();
    let count = header.map_or(0, |header| header.count);
    let start = out.len();
    for dropped in count.saturating_sub(limit.saturating_sub(1))..=count {
        push_after(header, cursor, dropped, new, out);
        if out.len() - start <= MAX_PART_BYTES {
            return;
        }
        out.truncate(start);
    }
}

/// Appends the history without its oldest entries, and one more.
fn push_after<'a>(
    header: Option<Header<'a>>,
    mut entries: Cursor<'a>,
    dropped: u8,
    new: &Event<'a>,
    out: &mut Vec<u8>,
) {
    let count = header.map_or(0, |header| header.count);
    let mut from = header.and_then(|header| header.from);
    for _ in 0..dropped {
        from = Entry::skip(&mut entries).ok();
    }
    let kept = count - dropped;
    if kept == 0 {
        from = (new.kind != MoveKind::New).then_some(new.from);
    }
    let user = cut_bytes(new.user, MAX_USER_BYTES);
    let newest = Header {
        count: kept + 1,
        last: new.at,
        user,
        from,
    };
    newest.put(out);
    if dropped > 0 && kept > 0 {
        // A machine's own history is sound: it was checked, or written here.
        let sound = Entry::put_as_oldest(&mut entries, out);
        debug_assert!(sound.is_ok());
    }
    out.extend_from_slice(entries.rest());
    let before = header.filter(|_| kept > 0);
    let entry = Entry {
        kind: new.kind,
        pause: before.map_or(0, |before| new.at.saturating_sub(before.last)),
        to: new.to,
        event: new.event,
        user_before: before
            .map(|before| before.user)
            .filter(|&before| before != user),
        by: cut(new.by, MAX_USER_BYTES),
        reason: cut(new.reason, MAX_ENTRY_REASON_BYTES),
        id: new.id,
    };
    entry.put(out);
}

/// Appends the history as another definition knows it. It may be longer than it may stay: the entry
/// that is added next sees to that.
pub(super) fn translate(history: &[u8], names: Translation<'_>) -> Vec<u8> {
    let mut cursor = Cursor::new(history);
    let mut out = Vec::with_capacity(history.len());
    let Ok(header) = Header::take(&mut cursor) else {
        return out;
    };
    let state = |name| names.state(name, MAX_NAME_BYTES);
    let translated = Header {
        from: header.from.map(state),
        ..header
    };
    translated.put(&mut out);
    while let Ok(entry) = Entry::take(&mut cursor) {
        let event = |name| names.event(name, MAX_NAME_BYTES);
        let translated = Entry {
            to: state(entry.to),
            event: entry.event.map(event),
            ..entry
        };
        translated.put(&mut out);
    }
    out
}

/// Returns the state that a redefinition came from, as the new definition knows it.
pub(super) fn translate_state<'a>(state: StateId, names: Translation<'a>) -> Name<'a> {
    names.state(Name::Known(state), MAX_NAME_BYTES)
}

/// Reads the history of a machine at this version, newest first.
pub(super) fn entries<'a>(
    history: &'a [u8],
    definition: &'a Definition,
    version: u32,
) -> impl Iterator<Item = HistoryEntry<'a>> {
    let mut cursor = Cursor::new(history);
    let header = Header::take(&mut cursor).ok();
    let mut rest = Vec::with_capacity(header.map_or(0, |header| header.count.into()));
    while let Ok(entry) = Entry::take(&mut cursor) {
        rest.push(entry);
    }
    NewestFirst {
        rest,
        definition,
        from: header.and_then(|header| header.from),
        at: header.map_or(0, |header| header.last),
        user: header.map_or(b"", |header| header.user),
        version,
    }
}

/// Entries from the newest back. What is not written in them is known from those before.
struct NewestFirst<'a> {
    /// Those still to come, oldest first.
    rest: Vec<Entry<'a>>,
    definition: &'a Definition,
    /// Where the oldest came from.
    from: Option<Name<'a>>,
    /// Of the entry that is next.
    at: u64,
    user: &'a [u8],
    version: u32,
}

impl<'a> Iterator for NewestFirst<'a> {
    type Item = HistoryEntry<'a>;

    fn next(&mut self) -> Option<HistoryEntry<'a>> {
        let Self {
            definition,
            at,
            user,
            version,
            ..
        } = *self;
        let entry = self.rest.pop()?;
        let from = self.rest.last().map(|before| before.to).or(self.from);
        self.at = at.saturating_sub(entry.pause);
        self.user = entry.user_before.unwrap_or(user);
        self.version = version_before(version);
        Some(HistoryEntry {
            version,
            at,
            kind: entry.kind,
            from: from.map(|from| from.state(definition)),
            event: entry.event.map_or(b"", |event| event.event(definition)),
            to: entry.to.state(definition),
            user,
            by: entry.by,
            reason: entry.reason,
            id: entry.id,
        })
    }
}

/// Checks that this is a history as [`push`] writes it, of a machine of this definition in this
/// state.
pub(super) fn check(
    history: &[u8],
    definition: &Definition,
    current: StateId,
) -> Result<(), PartError> {
    if history.len() > MAX_PART_BYTES {
        return Err(PartError::History("over 65,535 bytes"));
    }
    let mut cursor = Cursor::new(history);
    let header = Header::take(&mut cursor)?;
    if header.count == 0 || header.count > definition.history_limit() {
        return Err(PartError::History(
            "more entries than the definition allows",
        ));
    }
    if header.last > MAX_TIME {
        return Err(PartError::History("a time beyond 2^53 - 1"));
    }
    let mut entries = Vec::with_capacity(header.count.into());
    for _ in 0..header.count {
        let entry = Entry::take(&mut cursor)?;
        check_names(entry, definition)?;
        entries.push(entry);
    }
    if !cursor.is_at_end() {
        return Err(PartError::Trailing(cursor.rest().len()));
    }
    if let Some(from) = header.from {
        check_text(from)?;
        from.check_state(definition)?;
    }
    check_oldest(&header, &entries)?;
    check_chain(&header, &entries, current)
}

fn check_names(entry: Entry<'_>, definition: &Definition) -> Result<(), PartError> {
    check_text(entry.to)?;
    entry.to.check_state(definition)?;
    let Some(event) = entry.event else {
        return Ok(());
    };
    if event == Name::Known(0) {
        return Err(PartError::History("an event without a name"));
    }
    check_text(event)?;
    event.check_event(definition)
}

fn check_text(name: Name<'_>) -> Result<(), PartError> {
    match name {
        Name::Text(text) if text.len() > MAX_NAME_BYTES => Err(PartError::Length(text.len())),
        _ => Ok(()),
    }
}

/// Checks that the oldest entry says nothing of those before it, and is the only one that may be of
/// a new machine.
fn check_oldest(header: &Header<'_>, entries: &[Entry<'_>]) -> Result<(), PartError> {
    let (oldest, later) = entries.split_first().ok_or(PartError::Short)?;
    if oldest.as_oldest() != *oldest {
        return Err(PartError::History(
            "the oldest entry tells of one before it",
        ));
    }
    if (oldest.kind == MoveKind::New) == header.from.is_some() {
        return Err(PartError::History(
            "a new machine comes from nowhere, any other from a state",
        ));
    }
    if later.iter().any(|entry| entry.kind == MoveKind::New) {
        return Err(PartError::History(
            "a new machine that is not the oldest entry",
        ));
    }
    Ok(())
}

/// Checks what is known of an entry by its neighbours, from the newest back.
fn check_chain(
    header: &Header<'_>,
    entries: &[Entry<'_>],
    current: StateId,
) -> Result<(), PartError> {
    if entries.last().map(|newest| newest.to) != Some(Name::Known(current)) {
        return Err(PartError::History("it doesn't end in the current state"));
    }
    let (mut at, mut user) = (header.last, header.user);
    for entry in entries.iter().rev() {
        if entry.user_before == Some(user) {
            return Err(PartError::History("a user that is the same as before"));
        }
        at = at
            .checked_sub(entry.pause)
            .ok_or(PartError::History("a time before 1970"))?;
        user = entry.user_before.unwrap_or(user);
    }
    Ok(())
}
