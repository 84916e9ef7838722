//! Makes records as an attacker would: sound ones, a sound header around anything, and damage to
//! either.

use arbitrary::{Arbitrary, Result, Unstructured};

use crate::model::Model;

/// The parts of an archive, sound or not.
#[derive(Debug, Arbitrary)]
pub struct Parts {
    names: Vec<u8>,
    name_ends: Vec<u16>,
    row_ends: Vec<u16>,
    targets: Vec<u16>,
    initial: u16,
}

impl Parts {
    /// Returns the parts of a model's archive.
    pub fn of(model: &Model) -> Self {
        let number = |name: &String| {
            let at = model.states.iter().position(|state| state == name);
            u16::try_from(at.expect("a state")).expect("few states")
        };
        let rows = || model.keys.iter().map(|key| &model.map[key]);
        Self {
            names: model.states.concat().into_bytes(),
            name_ends: ends(model.states.iter().map(String::len)),
            row_ends: ends(rows().map(Vec::len)),
            targets: rows().flatten().map(number).collect(),
            initial: number(&model.initial),
        }
    }

    /// Writes the archive as `docs/format.md` describes it.
    pub fn archive(&self) -> Vec<u8> {
        let numbers = |numbers: &[u16]| -> Vec<u8> {
            numbers
                .iter()
                .flat_map(|&n| u32::from(n).to_le_bytes())
                .collect()
        };
        let vectors = [
            (self.names.len(), self.names.clone()),
            (self.name_ends.len(), numbers(&self.name_ends)),
            (self.row_ends.len(), numbers(&self.row_ends)),
            (self.targets.len(), numbers(&self.targets)),
        ];
        let (mut body, mut heads) = (Vec::new(), Vec::new());
        for (length, elements) in vectors {
            heads.push((body.len() as i32, length as u32));
            body.extend(elements);
        }
        for (start, length) in heads {
            let here = body.len() as i32;
            body.extend((start - here).to_le_bytes());
            body.extend(length.to_le_bytes());
        }
        body.extend(u32::from(self.initial).to_le_bytes());
        let length = (body.len() as u32).to_le_bytes();
        [&b"RSMA\x01\0\0\0"[..], &length, &body].concat()
    }
}

fn ends(sizes: impl Iterator<Item = usize>) -> Vec<u16> {
    let sum = |total: &mut usize, size| {
        *total += size;
        Some(u16::try_from(*total).expect("small machines"))
    };
    sizes.scan(0, sum).collect()
}

/// The names of states: few, so that machines are connected, and some that need escapes.
pub const NAMES: [&str; 12] = [
    "", "a", "b", "c", "d", "e", "f", "naïve", "🚀", "\"", "\\\n", "\0",
];

/// Makes a machine of few states with short names; at times one of ninety states with rows as long.
pub fn model(u: &mut Unstructured<'_>) -> Result<Model> {
    let mut keys = NAMES.to_vec();
    let mut rows = Vec::new();
    for _ in 0..u.int_in_range(0..=5)? {
        let key = keys.swap_remove(u.choose_index(keys.len())?);
        rows.push((key.to_owned(), row(u, &NAMES)?));
    }
    let reason = if u.ratio(1, 3)? { u.arbitrary()? } else { "" };
    Ok(Model::new(
        rows,
        u.choose(&NAMES)?,
        u.choose(&NAMES)?,
        reason,
    ))
}

/// Makes the targets of a state. Rows of 17 and more are searched by hash.
fn row(u: &mut Unstructured<'_>, names: &[&str]) -> Result<Vec<String>> {
    match *u.choose(&[0, 1, 1, 2, 2, 3, 3, 17, 90])? {
        90 => Ok((0..90).map(|at| format!("s{}", at % 80)).collect()),
        length => (0..length)
            .map(|_| Ok((*u.choose(names)?).to_owned()))
            .collect(),
    }
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
                let at = bytes.len().saturating_sub(4 * usize::from(from_end % 10));
                put(bytes, at, number.to_le_bytes());
            }
        }
    }
}

const HEADER_BYTES: usize = 12;

/// Returns where an archive begins, if its whole header is there.
fn header(bytes: &[u8]) -> Option<usize> {
    let at = bytes.windows(4).position(|window| window == b"RSMA")?;
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
