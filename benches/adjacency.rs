//! Compares the shipped adjacency with others, by density: the time of a check and the bytes a
//! transition takes.
//!
//! The shipped one searches short rows one by one and long rows by a hash table of positions. The
//! others are a dense bitset, a bitset trie of 64 branches, and a hash set of pairs.

use std::collections::HashSet;
use std::sync::Arc;

use criterion::{BenchmarkId, Criterion};
use redis_state_core::{Definition, Interned, Interner, RECORD_VERSION, RecordReader};

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
        let [bare, full] = [0, degree].map(|degree| {
            let machine = read(
                &Interner::new(),
                &json(&ring_in_strides(states, degree, stride)),
            );
            // Loaded from a record, so that no document is kept beside the definition.
            let loaded =
                RecordReader::new().decode(RECORD_VERSION, &record(&machine), &Interner::new());
            Arc::clone(loaded.unwrap().definition())
        });
        let bytes = |definition: &Interned| definition.memory(|_, size| size);
        Self {
            bytes: bytes(&full) - bytes(&bare),
            definition: full,
        }
    }
}

const STATES: usize = 2000;

pub fn by_density(c: &mut Criterion) {
    let mut group = c.benchmark_group("adjacency");
    println!("bytes a transition, of {STATES} states:");
    println!("degree and stride   shipped     dense      trie     pairs");
    // Targets side by side are a trie's best case, targets far apart its worst.
    for (degree, stride) in [1, 4, 16, 17, 64, 256]
        .into_iter()
        .flat_map(|d| [(d, 1), (d, 787)])
    {
        let all = all(degree, stride);
        let bytes = |at: usize| all[at].1.bytes() as f64 / (STATES * degree) as f64;
        let [shipped, dense, trie, pairs] = [0, 1, 2, 3].map(bytes);
        println!("{degree:>10} {stride:>6} {shipped:>9.1} {dense:>9.1} {trie:>9.1} {pairs:>9.1}");
        for (name, adjacency) in &all {
            let mut asked = Shuffled::new(questions(degree, stride));
            for &(from, to) in &asked.items {
                assert_eq!(
                    adjacency.allows(from, to),
                    all[0].1.allows(from, to),
                    "{name}"
                );
            }
            let id = BenchmarkId::new(*name, format!("{degree} stride {stride}"));
            group.bench_function(id, |b| {
                b.iter(|| {
                    let &(from, to) = asked.next();
                    adjacency.allows(from, to)
                });
            });
        }
    }
}

fn all(degree: usize, stride: usize) -> [(&'static str, Box<dyn Adjacency>); 4] {
    let shipped = Shipped::new(STATES, degree, stride);
    let edges = edges(&shipped.definition);
    [
        ("shipped", Box::new(shipped)),
        ("dense", Box::new(Dense::new(STATES, &edges))),
        ("trie", Box::new(Trie::new(STATES, &edges))),
        ("pairs", Box::new(edges.into_iter().collect::<HashSet<_>>())),
    ]
}

fn edges(definition: &Definition) -> Edges {
    let row = |from| definition.targets(from).map(move |to| (from, to));
    (0..definition.state_count() as u32).flat_map(row).collect()
}

/// Makes questions of which half are allowed.
fn questions(degree: usize, stride: usize) -> Edges {
    let question = |at: usize| {
        let from = at * 7919 % STATES;
        let step = 1 + at * 104_729 % degree;
        let step = if at.is_multiple_of(2) {
            step
        } else {
            step + degree
        };
        (from as u32, ((from + step * stride) % STATES) as u32)
    };
    (0..8192).map(question).collect()
}
