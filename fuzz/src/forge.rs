//! Makes records as an attacker would: sound ones, a sound header around anything, and damage to
//! either.

use arbitrary::Arbitrary;

use crate::model::{Events, Model, New};

/// The parts of an archive, sound or not.
#[derive(Debug, Arbitrary)]
pub struct Parts {
    names: Vec<u8>,
    name_ends: Vec<u16>,
    row_ends: Vec<u16>,
    targets: Vec<u16>,
    initial: u16,
    adjacency: Vec<u64>,
    rare: Vec<Rare>,
}

/// The part that few archives have. Of states, `u16::MAX` stands for none.
#[derive(Debug, Default, Arbitrary)]
pub struct Rare {
    event_names: Vec<u8>,
    event_ends: Vec<u16>,
    group_events: Vec<u16>,
    group_ends: Vec<u16>,
    row_groups: Vec<u16>,
    any_events: Vec<u16>,
    any_ends: Vec<u16>,
    any_targets: Vec<u16>,
    after_states: Vec<u16>,
    after_ms: Vec<u64>,
    after_targets: Vec<u16>,
    history: u16,
    label: Vec<u8>,
    revision: Vec<u32>,
}

impl Parts {
    /// Returns the parts of a model's archive.
    pub fn of(model: &Model) -> Self {
        let rows = || model.keys.iter().map(|key| &model.map[key]);
        let targets = |row: &Events| row.iter().flat_map(|(_, to)| to.clone()).collect();
        let targets: Vec<Vec<String>> = rows().map(targets).collect();
        let mut parts = Self {
            names: model.states.concat().into_bytes(),
            name_ends: ends(model.states.iter().map(String::len)),
            row_ends: ends(targets.iter().map(Vec::len)),
            targets: targets
                .iter()
                .flatten()
                .map(|name| state(model, name))
                .collect(),
            initial: state(model, &model.initial),
            adjacency: Vec::new(),
            rare: Vec::new(),
        };
        if model.new != New::default() || !model.event_names().is_empty() {
            parts.rare.push(Rare::of(model));
        }
        parts.adjacency = parts.bits(model);
        parts
    }

    /// Returns the bits of a model's moves, if the format has them.
    fn bits(&self, model: &Model) -> Vec<u64> {
        let states = model.states.len();
        let words = states.div_ceil(64);
        let movers = match model.new.any.is_empty() {
            true => &model.keys,
            false => &model.states,
        };
        let others: usize = self.vectors().iter().map(|(_, bytes)| bytes.len()).sum();
        let rare = self.rare.iter().flat_map(Rare::vectors);
        let others = others + rare.map(|(_, bytes)| bytes.len()).sum::<usize>();
        let entries = model.map.values().flatten();
        let inherited = entries.filter_map(|(event, _)| {
            let mut any = model.new.any.iter();
            any.find(|(name, _)| name == event)
                .map(|(_, targets)| targets.len())
        });
        let overridden: usize = inherited.sum();
        let is_large =
            8 * words * movers.len() > others || overridden > others.max(states * movers.len());
        if states > 64 && is_large {
            return Vec::new();
        }
        let mut bits = vec![0; words * movers.len()];
        for (from, name) in movers.iter().enumerate() {
            for to in model.targets(name) {
                let to = usize::from(state(model, to));
                bits[from * words + to / 64] |= 1 << (to % 64);
            }
        }
        bits
    }

    /// Returns the vectors but for the adjacency: how many elements each has, and these.
    fn vectors(&self) -> Vec<(usize, Vec<u8>)> {
        vec![
            (self.names.len(), self.names.clone()),
            numbers(&self.name_ends),
            numbers(&self.row_ends),
            numbers(&self.targets),
        ]
    }

    /// Writes the archive as `docs/format.md` describes it.
    pub fn archive(&self) -> Vec<u8> {
        let mut body = Vec::new();
        let mut vectors = self.vectors();
        let words = self.adjacency.iter().flat_map(|word| word.to_le_bytes());
        vectors.push((self.adjacency.len(), words.collect()));
        let heads = put_vectors(&mut body, vectors);
        let rare: Vec<_> = self
            .rare
            .iter()
            .map(|rare| (put_vectors(&mut body, rare.vectors()), rare.history))
            .collect();
        let rare_at = body.len();
        for (heads, history) in &rare {
            put_heads(&mut body, &heads[..11]);
            body.extend(u32::from(*history).to_le_bytes());
            put_heads(&mut body, &heads[11..]);
        }
        put_heads(&mut body, &heads[..4]);
        body.extend(u32::from(self.initial).to_le_bytes());
        put_heads(&mut body, &[heads[4], (rare_at, rare.len())]);
        behind_header(2, &body)
    }

    /// Returns whether release 1.0 knew all of it.
    pub fn is_old(&self) -> bool {
        self.rare.is_empty()
    }

    /// Writes the archive as release 1.0 did: without what that didn't know.
    pub fn first_archive(&self) -> Vec<u8> {
        let mut body = Vec::new();
        let heads = put_vectors(&mut body, self.vectors());
        put_heads(&mut body, &heads);
        body.extend(u32::from(self.initial).to_le_bytes());
        behind_header(1, &body)
    }
}

fn behind_header(version: u8, body: &[u8]) -> Vec<u8> {
    let length = (body.len() as u32).to_le_bytes();
    [b"RSMA", &[version, 0, 0, 0], &length, body].concat()
}

impl Rare {
    fn of(model: &Model) -> Self {
        let names = model.event_names();
        let event = |name: &String| {
            let at = names.iter().position(|event| event == name);
            at.map_or(0, |at| at as u16 + 1)
        };
        let New { any, after, .. } = &model.new;
        let rows: Vec<&Events> = model.keys.iter().map(|key| &model.map[key]).collect();
        let is_named = rows
            .iter()
            .copied()
            .flatten()
            .any(|(event, _)| !event.is_empty());
        let rows = if is_named { rows } else { Vec::new() };
        let groups = || rows.iter().copied().flatten();
        let target = |to: &Option<String>| to.as_ref().map_or(u16::MAX, |to| state(model, to));
        Self {
            event_names: names.concat().into_bytes(),
            event_ends: ends(names.iter().map(String::len)),
            group_events: groups().map(|(name, _)| event(name)).collect(),
            group_ends: ends(groups().map(|(_, targets)| targets.len())),
            row_groups: ends(rows.iter().map(|row| row.len())),
            any_events: any.iter().map(|(name, _)| event(name)).collect(),
            any_ends: ends(any.iter().map(|(_, targets)| targets.len())),
            any_targets: any
                .iter()
                .flat_map(|(_, to)| to)
                .map(|to| state(model, to))
                .collect(),
            after_states: after.iter().map(|(name, _)| state(model, name)).collect(),
            after_ms: after.iter().map(|(_, (ms, _))| ms.unwrap_or(0)).collect(),
            after_targets: after.iter().map(|(_, (_, to))| target(to)).collect(),
            history: model.new.history.into(),
            label: model.new.name.clone().into_bytes(),
            revision: model.new.revision.into_iter().collect(),
        }
    }

    fn vectors(&self) -> Vec<(usize, Vec<u8>)> {
        let times = self.after_ms.iter().flat_map(|ms| ms.to_le_bytes());
        let revision = self.revision.iter().flat_map(|number| number.to_le_bytes());
        vec![
            (self.event_names.len(), self.event_names.clone()),
            numbers(&self.event_ends),
            numbers(&self.group_events),
            numbers(&self.group_ends),
            numbers(&self.row_groups),
            numbers(&self.any_events),
            numbers(&self.any_ends),
            numbers(&self.any_targets),
            numbers(&self.after_states),
            (self.after_ms.len(), times.collect()),
            numbers(&self.after_targets),
            (self.label.len(), self.label.clone()),
            (self.revision.len(), revision.collect()),
        ]
    }
}

fn state(model: &Model, name: &str) -> u16 {
    let at = model.states.iter().position(|state| state == name);
    u16::try_from(at.expect("a state")).expect("few states")
}

/// Returns how many numbers there are, and these as bytes.
fn numbers(numbers: &[u16]) -> (usize, Vec<u8>) {
    let wide = |&number: &u16| match number {
        u16::MAX => u32::MAX,
        number => number.into(),
    };
    let bytes = numbers.iter().flat_map(|number| wide(number).to_le_bytes());
    (numbers.len(), bytes.collect())
}

/// Appends the elements of vectors, and returns where each begins and how many there are.
fn put_vectors(body: &mut Vec<u8>, vectors: Vec<(usize, Vec<u8>)>) -> Vec<(usize, usize)> {
    let put = |(length, elements): (usize, Vec<u8>)| {
        let start = body.len();
        body.extend(elements);
        (start, length)
    };
    vectors.into_iter().map(put).collect()
}

/// Appends pointers to vectors.
fn put_heads(body: &mut Vec<u8>, heads: &[(usize, usize)]) {
    for &(start, length) in heads {
        let here = body.len() as i32;
        body.extend((start as i32 - here).to_le_bytes());
        body.extend((length as u32).to_le_bytes());
    }
}

fn ends(sizes: impl Iterator<Item = usize>) -> Vec<u16> {
    let sum = |total: &mut usize, size| {
        *total += size;
        Some(u16::try_from(*total).expect("small machines"))
    };
    sizes.scan(0, sum).collect()
}

/// One change to some bytes.
#[derive(Debug, Clone, Copy, Arbitrary)]
pub enum Damage {
    Flip {
        at: u16,
        bit: u8,
    },
    Set {
        at: u16,
        byte: u8,
    },
    Insert {
        at: u16,
        byte: u8,
    },
    Remove {
        at: u16,
        count: u8,
    },
    Truncate {
        at: u16,
    },
    /// A byte that nothing points to, in front of the archive's parts. Their pointers are relative and
    /// stay right.
    Gap {
        byte: u8,
    },
    /// A number of four bytes, which the fuzzer makes large or small.
    Number {
        at: u16,
        number: u32,
    },
    /// A number in the last bytes, where the root is.
    Root {
        from_end: u8,
        number: i32,
    },
}

impl Damage {
    /// Applies the change, if its place is within the bytes.
    pub fn apply(self, bytes: &mut Vec<u8>) {
        let length = bytes.len().max(1);
        let within = |at: u16| usize::from(at) % length;
        match self {
            _ if bytes.is_empty() => {}
            Self::Flip { at, bit } => {
                let at = within(at);
                bytes[at] ^= 1 << (bit % 8);
            }
            Self::Set { at, byte } => {
                let at = within(at);
                bytes[at] = byte;
            }
            Self::Insert { at, byte } => bytes.insert(within(at), byte),
            Self::Remove { at, count } => {
                let at = within(at);
                let end = (at + usize::from(count)).min(bytes.len());
                bytes.drain(at..end);
            }
            Self::Gap { byte } => {
                if let Some(header) = header(bytes) {
                    bytes.insert(header + HEADER_BYTES, byte);
                }
            }
            Self::Truncate { at } => bytes.truncate(within(at)),
            Self::Number { at, number } => put(bytes, within(at), number.to_le_bytes()),
            Self::Root { from_end, number } => {
                let at = bytes.len().saturating_sub(4 * usize::from(from_end % 45));
                put(bytes, at, number.to_le_bytes());
            }
        }
    }
}

const HEADER_BYTES: usize = 12;

/// Returns where an archive begins, if its whole header is there. The magic may be in a reason too,
/// which comes before.
fn header(bytes: &[u8]) -> Option<usize> {
    let at = bytes.windows(4).rposition(|window| window == b"RSMA")?;
    (at + HEADER_BYTES <= bytes.len()).then_some(at)
}

/// Writes the number of bytes behind the header into it.
pub fn repair_length(bytes: &mut [u8]) {
    if let Some(at) = header(bytes) {
        let body = (bytes.len() - at - HEADER_BYTES) as u32;
        put(bytes, at + 8, body.to_le_bytes());
    }
}

fn put(bytes: &mut [u8], at: usize, number: [u8; 4]) {
    for (byte, new) in bytes[at..].iter_mut().zip(number) {
        *byte = new;
    }
}
