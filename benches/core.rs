//! What the core's operations cost, and what its choices buy against plainer ones.
//!
//!     cargo bench -p redis-state-core                    all of it
//!     cargo bench -p redis-state-core -- transition      one group
//!     cargo bench -p redis-state-core -- --test          each once, to see that it works
//!
//! The server's own figures, beside GET and SET, come from `make bench`.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::cast_possible_truncation,
    reason = "a benchmark that fails may panic, and criterion's macros write no docs"
)]

#[path = "../src/core/tests/model/mod.rs"]
mod model;

mod adjacency;

use std::collections::HashMap;
use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use redis_state_core::{
    Force, Interner, Limits, Machine, RecordReader, RecordWriter, Rules, parse_machine,
};

use crate::model::Model;

const SIZES: [usize; 5] = [2, 20, 200, 5_000, 100_000];

/// A machine in which each state leads to the `degree` states after it, round about.
fn ring(states: usize, degree: usize) -> Model {
    ring_in_strides(states, degree, 1)
}

/// The same, but not to the states next to it: every `stride`-th.
fn ring_in_strides(states: usize, degree: usize, stride: usize) -> Model {
    let name = |at: usize| format!("state-{}", at % states);
    let targets = |at: usize| (1..=degree).map(move |step| at + step * stride);
    let row = |at: usize| (name(at), targets(at).map(name).collect());
    Model::new((0..states).map(row).collect(), &name(0), "", "")
}

/// One state that leads to all others, each of which leads back.
fn hub(states: usize) -> Model {
    let name = |at: usize| format!("state-{at}");
    let back = (1..states).map(|at| (name(at), vec![name(0)]));
    let out = (name(0), (1..states).map(name).collect());
    Model::new(std::iter::once(out).chain(back).collect(), &name(0), "", "")
}

fn read(interner: &Interner, json: &[u8]) -> Machine {
    let read = parse_machine(interner, json, None, Rules::Documented, &Limits::NONE);
    read.unwrap().machine
}

fn json(model: &Model) -> Vec<u8> {
    model.render(Rules::Documented)
}

fn record(machine: &Machine) -> Vec<u8> {
    let mut record = Vec::new();
    RecordWriter::new().write(machine, &mut record);
    record
}

/// Takes the next of some items each time, in an order that no branch predictor knows.
struct Shuffled<T> {
    items: Vec<T>,
    at: usize,
}

impl<T> Shuffled<T> {
    fn new(items: Vec<T>) -> Self {
        Self { items, at: 0 }
    }

    fn next(&mut self) -> &T {
        // A full period over any power of two; items beyond are folded back.
        self.at = self.at.wrapping_mul(1_664_525).wrapping_add(1_013_904_223) & 0xffff;
        &self.items[self.at % self.items.len()]
    }
}

/// The name of a state to the check of a move, as SM.MUTATE does it.
fn transition(c: &mut Criterion) {
    let mut group = c.benchmark_group("transition");
    let shapes = SIZES
        .into_iter()
        .map(|states| ("ring", states, ring(states, 3)));
    let hubs = SIZES.into_iter().map(|states| ("hub", states, hub(states)));
    for (shape, states, model) in shapes.chain(hubs) {
        let machine = read(&Interner::new(), &json(&model));
        let mut names = Shuffled::new(model.states.clone());
        group.bench_function(BenchmarkId::new(format!("core {shape}"), states), |b| {
            b.iter(|| machine.resolve_move(names.next().as_bytes(), Force::No, Rules::Documented));
        });
        group.bench_function(BenchmarkId::new(format!("naive {shape}"), states), |b| {
            b.iter(|| is_in_row(&model, names.next()));
        });
    }
}

fn is_in_row(model: &Model, to: &String) -> bool {
    let row = model.map.get(&model.current);
    row.is_some_and(|row| row.contains(to))
}

fn lookup(c: &mut Criterion) {
    let mut group = c.benchmark_group("lookup");
    for states in SIZES {
        let model = ring(states, 1);
        let machine = read(&Interner::new(), &json(&model));
        let naive: HashMap<String, usize> = model.states.iter().cloned().zip(0..).collect();
        let mut names = Shuffled::new(model.states);
        group.bench_function(BenchmarkId::new("core", states), |b| {
            b.iter(|| machine.definition().find_state(names.next().as_bytes()));
        });
        group.bench_function(BenchmarkId::new("naive", states), |b| {
            b.iter(|| naive.get(names.next()));
        });
    }
}

/// SM.SET: of a document that is new, and of one whose definition is stored.
fn parse(c: &mut Criterion) {
    let mut group = c.benchmark_group("parse and intern");
    for states in SIZES {
        let json = json(&ring(states, 3));
        group.throughput(Throughput::Bytes(json.len() as u64));
        group.bench_function(BenchmarkId::new("new", states), |b| {
            let interner = Interner::new();
            b.iter(|| read(&interner, black_box(&json)));
        });
        group.bench_function(BenchmarkId::new("known", states), |b| {
            let interner = Interner::new();
            let _kept = read(&interner, &json);
            b.iter(|| read(&interner, black_box(&json)));
        });
        group.bench_function(BenchmarkId::new("known, with a reason", states), |b| {
            let interner = Interner::new();
            let _kept = read(&interner, &json);
            // Documents with a reason are not kept to be recognised: this one is parsed each time.
            let text = String::from_utf8(json.clone()).unwrap();
            let text = text.replacen("\"map\"", "\"reason\":\"x\",\"map\"", 1);
            b.iter(|| read(&interner, black_box(text.as_bytes())));
        });
        group.bench_function(BenchmarkId::new("serde_json", states), |b| {
            b.iter(|| serde_json::from_slice::<serde_json::Value>(black_box(&json)).unwrap());
        });
    }
}

/// SM.GET.
fn serialise(c: &mut Criterion) {
    let mut group = c.benchmark_group("serialise");
    for states in SIZES {
        let json = json(&ring(states, 3));
        let machine = read(&Interner::new(), &json);
        let value: serde_json::Value = serde_json::from_slice(&json).unwrap();
        group.throughput(Throughput::Bytes(json.len() as u64));
        group.bench_function(BenchmarkId::new("core", states), |b| {
            b.iter(|| machine.render(Rules::Documented));
        });
        group.bench_function(BenchmarkId::new("serde_json", states), |b| {
            b.iter(|| serde_json::to_vec(black_box(&value)).unwrap());
        });
    }
}

/// RESTORE and RDB: of a definition that is new (checked and indexed), and of one that is stored.
fn archive(c: &mut Criterion) {
    let mut group = c.benchmark_group("archive");
    for states in SIZES {
        let machine = read(&Interner::new(), &json(&ring(states, 3)));
        let record = record(&machine);
        group.throughput(Throughput::Bytes(record.len() as u64));
        group.bench_function(BenchmarkId::new("validate and open", states), |b| {
            let interner = Interner::new();
            b.iter(|| {
                RecordReader::new()
                    .decode(black_box(&record), &interner)
                    .unwrap()
            });
        });
        group.bench_function(BenchmarkId::new("known", states), |b| {
            let interner = Interner::new();
            let _kept = RecordReader::new().decode(&record, &interner).unwrap();
            b.iter(|| {
                RecordReader::new()
                    .decode(black_box(&record), &interner)
                    .unwrap()
            });
        });
        group.bench_function(BenchmarkId::new("write", states), |b| {
            b.iter(|| self::record(black_box(&machine)));
        });
    }
    files(&mut group);
}

/// Records of one file, of which all but the first refer to a definition.
fn files(group: &mut criterion::BenchmarkGroup<'_, criterion::measurement::WallTime>) {
    let interner = Interner::new();
    let machine = read(&interner, &json(&ring(20, 3)));
    let mut writer = RecordWriter::new();
    writer.begin_file();
    let [mut first, mut later] = [Vec::new(), Vec::new()];
    writer.write(&machine, &mut first);
    writer.write(&machine, &mut later);
    let mut reader = RecordReader::new();
    reader.begin_file();
    reader.decode(&first, &interner).unwrap();
    group.throughput(Throughput::Bytes(later.len() as u64));
    group.bench_function("in a file, read", |b| {
        b.iter(|| reader.decode(black_box(&later), &interner).unwrap());
    });
    group.bench_function("in a file, write", |b| {
        b.iter(|| {
            later.clear();
            writer.write(black_box(&machine), &mut later);
        });
    });
}

criterion_group!(
    benches,
    transition,
    lookup,
    parse,
    serialise,
    archive,
    adjacency::by_density
);
criterion_main!(benches);
