//! Compares the shipped adjacency with others, by density: the time of a check and the bytes a
//! transition takes.
//!
//! The shipped one has a bit for every pair of states where that takes no more than the rest of the
//! archive. Else it searches short rows one by one and long rows by a hash table of places, as
//! version 1.0 always did: these are the rows. The others are a dense bitset, a bitset trie of 64
//! branches, and a hash set of pairs.

use std::collections::HashSet;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::Arc;

use criterion::{BenchmarkId, Criterion};
use redis_state_core::{Definition, Interned, Interner, RECORD_VERSION, RecordReader};

use crate::model::Model;
use crate::{Shuffled, json, read, record, ring_in_strides};

type Edges = Vec<(u32, u32)>;

/// A set of transitions.
trait Adjacency {
    fn allows(&self, from: u32, to: u32) -> bool;
    fn bytes(&self) -> usize;
}

/// One bit for every pair of states.
struct Dense {
    states: usize,
    bits: Vec<u64>,
}

impl Dense {
    fn new(states: usize, edges: &Edges) -> Self {
        let mut bits = vec![0; (states * states).div_ceil(64)];
        for &(from, to) in edges {
            let bit = from as usize * states + to as usize;
            bits[bit / 64] |= 1 << (bit % 64);
        }
        Self { states, bits }
    }
}

impl Adjacency for Dense {
    fn allows(&self, from: u32, to: u32) -> bool {
        let bit = from as usize * self.states + to as usize;
        self.bits[bit / 64] >> (bit % 64) & 1 == 1
    }

    fn bytes(&self) -> usize {
        8 * self.bits.len()
    }
}

/// For each row a tree of words, as deep as it takes to tell the states apart. A bit of a word says
/// that there is a branch; the number of bits before it says which branch it is.
struct Trie {
    depth: u32,
    words: Vec<u64>,
    /// For each word, where its branches begin. Words at the bottom have none.
    branches: Vec<u32>,
    roots: Vec<u32>,
}

impl Trie {
    fn new(states: usize, edges: &Edges) -> Self {
        let mut depth = 1;
        while 1 << (6 * depth) < states {
            depth += 1;
        }
        let mut trie = Self {
            depth,
            words: Vec::new(),
            branches: Vec::new(),
            roots: Vec::new(),
        };
        let mut rows = vec![Vec::new(); states];
        for &(from, to) in edges {
            rows[from as usize].push(to);
        }
        for row in &mut rows {
            row.sort_unstable();
            row.dedup();
            trie.roots.push(trie.words.len() as u32);
            trie.push_row(row);
        }
        trie
    }

    /// Adds a row level by level, so that the branches of a word are neighbours.
    fn push_row(&mut self, row: &[u32]) {
        let mut parts = vec![row.to_vec()];
        for level in (0..self.depth).rev() {
            let mut next = Vec::new();
            let first_below = self.words.len() + parts.len();
            for part in &parts {
                self.branches.push((first_below + next.len()) as u32);
                let slot = |to: u32| to >> (6 * level) & 63;
                self.words
                    .push(part.iter().fold(0, |word, &to| word | 1 << slot(to)));
                next.extend(
                    part.chunk_by(|&a, &b| slot(a) == slot(b))
                        .map(<[u32]>::to_vec),
                );
            }
            parts = next;
        }
    }
}

impl Adjacency for Trie {
    fn allows(&self, from: u32, to: u32) -> bool {
        let mut at = self.roots[from as usize] as usize;
        for level in (0..self.depth).rev() {
            let slot = to >> (6 * level) & 63;
            let word = self.words[at];
            if word >> slot & 1 == 0 {
                return false;
            }
            let before = (word & ((1 << slot) - 1)).count_ones();
            at = (self.branches[at] + before) as usize;
        }
        true
    }

    fn bytes(&self) -> usize {
        // In a trie of one level no word needs `branches`. They are there only to keep the code short.
        let inner = if self.depth == 1 {
            0
        } else {
            self.branches.len()
        };
        8 * self.words.len() + 4 * (inner + self.roots.len())
    }
}

impl Adjacency for HashSet<(u32, u32)> {
    fn allows(&self, from: u32, to: u32) -> bool {
        self.contains(&(from, to))
    }

    fn bytes(&self) -> usize {
        // The standard table has a power of two of slots, at most seven eighths of them in use. A slot
        // takes eight bytes and one control byte.
        9 * (self.capacity() * 8 / 7).next_power_of_two()
    }
}

/// Rows as version 1.0 had them: short ones are searched one by one, long ones by a table of places
/// that is two thirds full.
struct Rows {
    ends: Vec<u32>,
    targets: Vec<u32>,
    table: Vec<u32>,
    hasher: RandomState,
}

impl Rows {
    const SHORT_MAX: usize = 16;

    fn new(states: usize, edges: &Edges) -> Self {
        let mut ends = vec![0; states];
        edges.iter().for_each(|&(from, _)| ends[from as usize] += 1);
        let long: u32 = ends
            .iter()
            .filter(|&&row| row as usize > Self::SHORT_MAX)
            .sum();
        for at in 1..states {
            ends[at] += ends[at - 1];
        }
        let mut rows = Self {
            ends,
            targets: edges.iter().map(|&(_, to)| to).collect(),
            table: vec![u32::MAX; long as usize * 3 / 2 + 1],
            hasher: RandomState::new(),
        };
        for (at, &(from, to)) in (0..).zip(edges) {
            if rows.row(from).len() > Self::SHORT_MAX {
                let slot = rows
                    .slots(from, to)
                    .find(|&slot| rows.table[slot] == u32::MAX);
                rows.table[slot.unwrap()] = at;
            }
        }
        rows
    }

    fn row(&self, from: u32) -> std::ops::Range<usize> {
        let start = from
            .checked_sub(1)
            .map_or(0, |before| self.ends[before as usize]);
        start as usize..self.ends[from as usize] as usize
    }

    fn slots(&self, from: u32, to: u32) -> impl Iterator<Item = usize> + use<> {
        let (hash, slots) = (self.hasher.hash_one((from, to)), self.table.len());
        let first = ((u128::from(hash) * slots as u128) >> 64) as usize;
        (first..slots).chain(0..first)
    }
}

impl Adjacency for Rows {
    fn allows(&self, from: u32, to: u32) -> bool {
        let row = self.row(from);
        if row.len() <= Self::SHORT_MAX {
            return self.targets[row].contains(&to);
        }
        for slot in self.slots(from, to) {
            match self.table[slot] {
                u32::MAX => return false,
                at if row.contains(&(at as usize)) && self.targets[at as usize] == to => {
                    return true;
                }
                _ => {}
            }
        }
        false
    }

    fn bytes(&self) -> usize {
        4 * (self.ends.len() + self.targets.len() + self.table.len())
    }
}

impl Adjacency for Shipped {
    fn allows(&self, from: u32, to: u32) -> bool {
        self.definition.allows(from, to)
    }

    fn bytes(&self) -> usize {
        self.bytes
    }
}

struct Shipped {
    definition: Arc<Interned>,
    bytes: usize,
}

impl Shipped {
    /// Measures the bytes that the transitions add to a definition of the same states. Unlike those of
    /// the others they include the targets in document order, which SM.GET needs.
    fn new(states: usize, degree: usize, stride: usize) -> Self {
        let name = |at: usize| format!("state-{at}");
        // Every state has to be somewhere: one row with a bit, a target and an end of its own.
        let one_row = (name(0), (1..states).map(name).collect());
        let one_row = Model::new(vec![one_row], &name(0), "", "");
        let own = 8 * states.div_ceil(64) + 4 * (states - 1) + 4;
        let [bare, full] = [one_row, ring_in_strides(states, degree, stride)].map(|model| {
            let machine = read(&Interner::new(), &json(&model));
            // Loaded from a record, so that no document is kept beside the definition.
            let loaded =
                RecordReader::new().decode(RECORD_VERSION, &record(&machine), &Interner::new());
            Arc::clone(loaded.unwrap().definition())
        });
        let bytes = |definition: &Interned| definition.memory(|_, size| size);
        Self {
            bytes: bytes(&full) + own - bytes(&bare),
            definition: full,
        }
    }
}

const STATES: usize = 2000;

/// Compares them on machines of the size that is usual.
pub fn by_size(c: &mut Criterion) {
    for (states, degree) in [(6, 2), (20, 3), (64, 4), (64, 32), (200, 3), (200, 16)] {
        let shape = Shape {
            states,
            degree,
            stride: 1,
        };
        compare(c, "adjacency of small machines", &shape);
    }
}

/// Compares them on large machines, by how many targets a row has and how far apart these are.
pub fn by_density(c: &mut Criterion) {
    // Targets side by side are a trie's best case, targets far apart its worst.
    for degree in [1, 4, 16, 17, 64, 256] {
        for stride in [1, 787] {
            let shape = Shape {
                states: STATES,
                degree,
                stride,
            };
            compare(c, "adjacency", &shape);
        }
    }
}

struct Shape {
    states: usize,
    degree: usize,
    stride: usize,
}

fn compare(c: &mut Criterion, group: &str, shape: &Shape) {
    let Shape {
        states,
        degree,
        stride,
    } = shape;
    let mut group = c.benchmark_group(group);
    let all = all(shape);
    print!("bytes a transition, {states} states, degree {degree}, stride {stride}:");
    for (name, adjacency) in &all {
        let bytes = adjacency.bytes() as f64 / (states * degree) as f64;
        print!(" {name} {bytes:.1}");
    }
    println!();
    for (name, adjacency) in &all {
        let mut asked = Shuffled::new(questions(shape));
        for &(from, to) in &asked.items {
            let expected = all[0].1.allows(from, to);
            assert_eq!(adjacency.allows(from, to), expected, "{name}");
        }
        let id = BenchmarkId::new(*name, format!("{states} of {degree} stride {stride}"));
        group.bench_function(id, |b| {
            b.iter(|| {
                let &(from, to) = asked.next();
                adjacency.allows(from, to)
            });
        });
    }
}

fn all(shape: &Shape) -> [(&'static str, Box<dyn Adjacency>); 5] {
    let states = shape.states;
    let shipped = Shipped::new(states, shape.degree, shape.stride);
    let edges = edges(&shipped.definition);
    [
        ("shipped", Box::new(shipped)),
        ("rows", Box::new(Rows::new(states, &edges))),
        ("dense", Box::new(Dense::new(states, &edges))),
        ("trie", Box::new(Trie::new(states, &edges))),
        ("pairs", Box::new(edges.into_iter().collect::<HashSet<_>>())),
    ]
}

fn edges(definition: &Definition) -> Edges {
    let row = |from| definition.targets(from).map(move |to| (from, to));
    (0..definition.state_count() as u32).flat_map(row).collect()
}

/// Makes questions of which half are allowed.
fn questions(shape: &Shape) -> Edges {
    let Shape {
        states,
        degree,
        stride,
    } = shape;
    let question = |at: usize| {
        let from = at * 7919 % states;
        let step = 1 + at * 104_729 % degree;
        let step = if at.is_multiple_of(2) {
            step
        } else {
            step + degree
        };
        (from as u32, ((from + step * stride) % states) as u32)
    };
    (0..8192).map(question).collect()
}
