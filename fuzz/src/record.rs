//! A record as `docs/format.md` describes it, field by field: that of a life, and what an attacker
//! would make of it. Shares no code with the core.

use arbitrary::{Arbitrary, Result, Unstructured};

use crate::forge::Parts;
use crate::model::Model;
use crate::model::life::{Entry, Known, Life};

/// Kinds of entries, in the order of their numbers.
const KINDS: [&str; 7] = [
    "new", "set", "move", "force", "reset", "timeout", "redefine",
];
/// Kinds of requests, in the order of their numbers.
const REQUESTS: [&str; 5] = ["fire", "move", "force", "new", "redefine"];

/// A state or an event: its number, or its text.
#[derive(Debug, Clone)]
pub enum Name {
    Number(u32),
    Text(Vec<u8>),
}

/// A request that is known again.
#[derive(Debug, Clone)]
pub struct Id {
    pub kind: u8,
    pub token: Vec<u8>,
    /// Subject and TO, as far as they are there, and the state.
    pub names: Vec<Name>,
    pub version: u64,
}

/// An entry of a history. `head` says which of the last five are there.
#[derive(Debug, Clone)]
pub struct Move {
    pub head: u8,
    pub pause: u64,
    pub to: Name,
    pub event: Name,
    /// User before, by, reason, ID.
    pub texts: [Vec<u8>; 4],
}

#[derive(Debug, Clone)]
pub struct History {
    pub count: u8,
    pub last: u64,
    pub user: Vec<u8>,
    pub from: Option<Name>,
    pub moves: Vec<Move>,
}

/// The fields of a record.
#[derive(Debug, Clone)]
pub struct Record {
    /// All bits but those of the parts that follow.
    pub flags: u8,
    pub state: u64,
    pub version: Option<u64>,
    /// Time of entry, and the code of the deadline.
    pub times: Option<(u64, u64)>,
    pub reason: Option<Vec<u8>>,
    pub ids: Option<Vec<Id>>,
    pub history: Option<History>,
    pub number: u64,
    pub archive: Vec<u8>,
}

impl Record {
    /// Returns the self-contained record of a life.
    pub fn of(life: &Life) -> Self {
        let (model, since) = (&life.model, life.since);
        let deadline = |since: u64| {
            let code = |(due, is_given): (u64, bool)| 1 + 2 * (due - since) + u64::from(is_given);
            life.due.map_or(0, code)
        };
        let some = |is_there: bool| is_there.then_some(());
        Self {
            flags: 0,
            state: number(&model.states, &model.current)
                .expect("a state")
                .into(),
            version: some(life.version != 1).map(|()| life.version.into()),
            times: since.map(|since| (since, deadline(since))),
            reason: some(!model.reason.is_empty()).map(|()| model.reason.clone().into_bytes()),
            ids: some(!life.ids.is_empty())
                .map(|()| life.ids.iter().map(|known| Id::of(known, model)).collect()),
            history: some(!life.history.is_empty()).map(|()| History::of(life)),
            number: 0,
            archive: Parts::of(model).archive(),
        }
    }

    pub fn write(&self) -> Vec<u8> {
        let mut out = vec![self.flags | self.parts()];
        varint(self.state, &mut out);
        if let Some(version) = self.version {
            varint(version, &mut out);
        }
        if let Some((since, deadline)) = self.times {
            varint(since, &mut out);
            varint(deadline, &mut out);
        }
        let ids = self.ids.as_ref();
        let ids = ids.map(|ids| ids.iter().flat_map(Id::write).collect());
        let history = self.history.as_ref().map(History::write);
        for part in [self.reason.clone(), ids, history].iter().flatten() {
            text(part, &mut out);
        }
        if self.flags & 3 != 0 {
            out.extend(self.number.to_le_bytes());
        }
        if self.flags & 3 != 2 {
            out.extend(&self.archive);
        }
        out
    }

    /// Returns the bits of the parts that follow.
    fn parts(&self) -> u8 {
        let bits = [
            (self.reason.is_some(), 4),
            (self.version.is_some(), 8),
            (self.ids.is_some(), 16),
            (self.times.is_some(), 32),
            (self.history.is_some(), 64),
        ];
        bits.iter()
            .map(|&(is_there, bit)| if is_there { bit } else { 0 })
            .sum()
    }
}

impl Name {
    /// Returns how a state is written.
    fn state(name: &str, model: &Model) -> Self {
        let text = || Self::Text(name.into());
        number(&model.states, name).map_or_else(text, Self::Number)
    }

    /// Returns how an event is written.
    fn event(name: &str, model: &Model) -> Self {
        if name.is_empty() {
            return Self::Number(0);
        }
        let text = || Self::Text(name.into());
        number(&model.event_names(), name).map_or_else(text, |at| Self::Number(at + 1))
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Number(number) => varint(u64::from(*number) << 1, out),
            Self::Text(text) => {
                varint((text.len() as u64) << 1 | 1, out);
                out.extend(text);
            }
        }
    }
}

impl Id {
    fn of(known: &Known, model: &Model) -> Self {
        let (kind, names) = known.request.split_first().expect("a kind");
        let kind = place(&REQUESTS, kind);
        let mut all = Vec::new();
        for (at, name) in names.iter().enumerate() {
            all.push(match (kind, at) {
                (0, 0) => Name::event(name, model),
                _ => Name::state(name, model),
            });
        }
        all.push(Name::state(&known.state, model));
        Self {
            kind: kind | if names.len() == 2 { 8 } else { 0 },
            token: known.token.clone().into_bytes(),
            names: all,
            version: known.version.into(),
        }
    }

    fn write(&self) -> Vec<u8> {
        let mut out = vec![self.kind];
        text(&self.token, &mut out);
        for name in &self.names {
            name.write(&mut out);
        }
        varint(self.version, &mut out);
        out
    }
}

impl Move {
    fn of(entry: &Entry, before: Option<&Entry>, model: &Model) -> Self {
        let user = before.map(|before| &before.user);
        let user = user.filter(|user| **user != entry.user);
        let texts = [&entry.by, &entry.reason, &entry.id].map(|text| text.clone().into_bytes());
        let is_there = [
            !entry.event.is_empty(),
            user.is_some(),
            !texts[0].is_empty(),
            !texts[1].is_empty(),
            !texts[2].is_empty(),
        ];
        let bits = (3..).zip(is_there);
        let bits: u8 = bits.map(|(bit, is_there)| u8::from(is_there) << bit).sum();
        let [by, reason, id] = texts;
        Self {
            head: place(&KINDS, entry.kind) | bits,
            pause: before.map_or(0, |before| entry.at - before.at),
            to: Name::state(&entry.to, model),
            event: Name::event(&entry.event, model),
            texts: [user.cloned().unwrap_or_default(), by, reason, id],
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.push(self.head);
        varint(self.pause, out);
        self.to.write(out);
        if self.head & 8 != 0 {
            self.event.write(out);
        }
        for (bit, part) in (4..).zip(&self.texts) {
            if self.head >> bit & 1 == 1 {
                text(part, out);
            }
        }
    }
}

impl History {
    fn of(life: &Life) -> Self {
        let (all, model) = (&life.history, &life.model);
        let newest = all.last().expect("not empty");
        let before = std::iter::once(None).chain(all.iter().map(Some));
        let moves = all.iter().zip(before);
        Self {
            count: all.len() as u8,
            last: newest.at,
            user: newest.user.clone(),
            from: all[0].from.as_ref().map(|from| Name::state(from, model)),
            moves: moves
                .map(|(entry, before)| Move::of(entry, before, model))
                .collect(),
        }
    }

    fn write(&self) -> Vec<u8> {
        let mut out = vec![self.count];
        varint(self.last, &mut out);
        varint(
            (self.user.len() as u64) << 1 | u64::from(self.from.is_some()),
            &mut out,
        );
        out.extend(&self.user);
        if let Some(from) = &self.from {
            from.write(&mut out);
        }
        for entry in &self.moves {
            entry.write(&mut out);
        }
        out
    }
}

fn number(names: &[String], name: &str) -> Option<u32> {
    names
        .iter()
        .position(|other| other == name)
        .map(|at| at as u32)
}

fn place(words: &[&str], word: &str) -> u8 {
    words
        .iter()
        .position(|other| *other == word)
        .expect("a kind") as u8
}

/// Appends seven bits a byte, low bits first.
fn varint(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn text(bytes: &[u8], out: &mut Vec<u8>) {
    varint(bytes.len() as u64, out);
    out.extend(bytes);
}

/// A change to one field. Lengths around it stay right.
#[derive(Debug, Clone, Copy, Arbitrary)]
pub enum Change {
    Flags,
    State,
    Version,
    NoTimes,
    Since,
    Deadline,
    Reason,
    NoIds,
    IdKind,
    IdToken,
    IdName,
    IdVersion,
    IdAgain,
    NoHistory,
    Count,
    Last,
    User,
    From,
    Head,
    Pause,
    To,
    Event,
    Text,
    MoveAgain,
    MoveLess,
}

/// Numbers at which something changes.
const LIMITS: [u64; 14] = [
    0,
    1,
    2,
    7,
    127,
    128,
    255,
    256,
    0xffff,
    0xffff_ffff,
    1 << 32,
    (1 << 53) - 1,
    1 << 53,
    u64::MAX,
];

fn any_number(u: &mut Unstructured<'_>) -> Result<u64> {
    if u.ratio(3, 4)? {
        return Ok(*u.choose(&LIMITS)?);
    }
    u.arbitrary()
}

fn any_text(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let most = *u.choose(&[0, 1, 1, 2, 64, 65, 256, 257, 1024, 1025])?;
    let letter = *u.choose(b"ax\xc3\xff")?;
    match u.ratio(1, 4)? {
        true => Ok("é".repeat(most / 2).into_bytes()),
        false => Ok(vec![letter; most]),
    }
}

fn any_name(u: &mut Unstructured<'_>) -> Result<Name> {
    match u.ratio(2, 3)? {
        true => Ok(Name::Number(u.int_in_range(0..=12)?)),
        false => Ok(Name::Text(any_text(u)?)),
    }
}

impl Change {
    /// Makes the change, if its field is there.
    pub fn apply(self, record: &mut Record, u: &mut Unstructured<'_>) -> Result<()> {
        match self {
            Self::Flags => record.flags ^= 1 << u.int_in_range(0..=7)?,
            Self::State => record.state = any_number(u)?,
            Self::Version => record.version = Some(any_number(u)?),
            Self::NoTimes => record.times = None,
            Self::Since => record.times.get_or_insert_default().0 = any_number(u)?,
            Self::Deadline => record.times.get_or_insert_default().1 = any_number(u)?,
            Self::Reason => record.reason = Some(any_text(u)?),
            Self::NoIds => record.ids = None,
            Self::NoHistory => record.history = None,
            Self::IdKind | Self::IdToken | Self::IdName | Self::IdVersion | Self::IdAgain => {
                self.apply_to_ids(record.ids.get_or_insert_default(), u)?;
            }
            _ => {
                if let Some(history) = &mut record.history {
                    self.apply_to_history(history, u)?;
                }
            }
        }
        Ok(())
    }

    fn apply_to_ids(self, ids: &mut Vec<Id>, u: &mut Unstructured<'_>) -> Result<()> {
        if ids.is_empty() {
            ids.push(Id {
                kind: u.int_in_range(0..=15)?,
                token: any_text(u)?,
                names: vec![any_name(u)?, any_name(u)?],
                version: any_number(u)?,
            });
        }
        let at = u.choose_index(ids.len())?;
        let id = &mut ids[at];
        match self {
            Self::IdKind => id.kind ^= 1 << u.int_in_range(0..=7)?,
            Self::IdToken => id.token = any_text(u)?,
            Self::IdName => {
                let at = u.choose_index(id.names.len())?;
                id.names[at] = any_name(u)?;
            }
            Self::IdVersion => id.version = any_number(u)?,
            _ => {
                let mut again = id.clone();
                if u.arbitrary()? {
                    again.token = any_text(u)?;
                }
                ids.insert(at, again);
            }
        }
        Ok(())
    }

    fn apply_to_history(self, history: &mut History, u: &mut Unstructured<'_>) -> Result<()> {
        match self {
            Self::Count => history.count = u.arbitrary()?,
            Self::Last => history.last = any_number(u)?,
            Self::User => history.user = any_text(u)?,
            Self::From => {
                history.from = match u.arbitrary()? {
                    true => Some(any_name(u)?),
                    false => None,
                }
            }
            _ if history.moves.is_empty() => {}
            _ => {
                let at = u.choose_index(history.moves.len())?;
                self.apply_to_moves(history, at, u)?;
            }
        }
        Ok(())
    }

    fn apply_to_moves(
        self,
        history: &mut History,
        at: usize,
        u: &mut Unstructured<'_>,
    ) -> Result<()> {
        let one = &mut history.moves[at];
        match self {
            Self::Head => one.head ^= 1 << u.int_in_range(0..=7)?,
            Self::Pause => one.pause = any_number(u)?,
            Self::To => one.to = any_name(u)?,
            Self::Event => one.event = any_name(u)?,
            Self::Text => one.texts[u.choose_index(4)?] = any_text(u)?,
            Self::MoveAgain => {
                let again = one.clone();
                history.moves.insert(at, again);
                history.count = history.count.wrapping_add(1);
            }
            _ => {
                history.moves.remove(at);
                history.count = history.count.wrapping_sub(1);
            }
        }
        Ok(())
    }
}
