//! Measures what the core's operations cost, and what its choices save against plainer ones.
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
mod deadlines;

use std::collections::HashMap;
use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use redis_state_core::{
    Force, Interner, Limits, Machine, RECORD_VERSION, RecordReader, RecordWriter, Rules,
    parse_machine,
};

use crate::model::{Model, New};

const SIZES: [usize; 5] = [2, 20, 200, 5_000, 100_000];

/// Makes a machine in which each state leads to the `degree` states after it, in a ring.
fn ring(states: usize, degree: usize) -> Model {
    ring_in_strides(states, degree, 1)
}

/// Makes the same ring, but each state leads to every `stride`-th state after it.
fn ring_in_strides(states: usize, degree: usize, stride: usize) -> Model {
    let name = |at: usize| format!("state-{}", at % states);
    let targets = |at: usize| (1..=degree).map(move |step| at + step * stride);
    let row = |at: usize| (name(at), targets(at).map(name).collect());
    Model::new((0..states).map(row).collect(), &name(0), "", "")
}

/// Makes a machine in which one state leads to all others and each of these leads back.
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

/// Gives items in an order that a branch predictor can't learn.
struct Shuffled<T> {
    items: Vec<T>,
    at: usize,
}

impl<T> Shuffled<T> {
    fn new(items: Vec<T>) -> Self {
        Self { items, at: 0 }
    }

    fn next(&mut self) -> &T {
        // A generator with a full period of 65,536.
        self.at = self.at.wrapping_mul(1_664_525).wrapping_add(1_013_904_223) & 0xffff;
        &self.items[self.at % self.items.len()]
    }
}

/// Checks a move by the name of its target, as SM.MUTATE does.
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
    row.is_some_and(|row| row.iter().any(|(_, targets)| targets.contains(to)))
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

/// Reads a document that is new, and one whose definition is stored, as SM.SET does.
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
            // A document with a reason is never recognised, so this one is parsed each time.
            let text = String::from_utf8(json.clone()).unwrap();
            let text = text.replacen("\"map\"", "\"reason\":\"x\",\"map\"", 1);
            b.iter(|| read(&interner, black_box(text.as_bytes())));
        });
        group.bench_function(BenchmarkId::new("serde_json", states), |b| {
            b.iter(|| serde_json::from_slice::<serde_json::Value>(black_box(&json)).unwrap());
        });
    }
}

/// Writes a document, as SM.GET does.
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

/// Makes a machine of the given states, in which each event of a state leads to another one, and one
/// of `any` to the last.
fn eventful(states: usize, degree: usize) -> Model {
    let name = |at: usize| format!("state-{}", at % states);
    let event = |at: usize, step: usize| (format!("event-{step}"), vec![name(at + step)]);
    let row = |at: usize| (name(at), (1..=degree).map(|step| event(at, step)).collect());
    let new = New {
        any: vec![("archive".to_owned(), vec![name(states - 1)])],
        ..New::default()
    };
    Model::with_events((0..states).map(row).collect(), new, &name(0), "", "")
}

/// Fires an event by its name, as SM.FIRE does; reads, writes and loads a document with events.
fn events(c: &mut Criterion) {
    let mut group = c.benchmark_group("events");
    for (states, degree) in [(20, 2), (20, 40), (5_000, 4)] {
        let model = eventful(states, degree);
        let json = json(&model);
        let machine = read(&Interner::new(), &json);
        let mut names = Shuffled::new(model.event_names());
        let id = |name: &str| BenchmarkId::new(name, format!("{states} states of {degree}"));
        group.bench_function(id("fire"), |b| {
            b.iter(|| {
                let definition = machine.definition();
                let event = definition.find_event(names.next().as_bytes())?;
                definition.fire(machine.current(), event).only()
            });
        });
        group.bench_function(id("parse"), |b| {
            b.iter(|| read(&Interner::new(), black_box(&json)));
        });
        group.bench_function(id("serialise"), |b| {
            b.iter(|| machine.render(Rules::Documented));
        });
        let record = record(&machine);
        group.bench_function(id("validate and open"), |b| {
            b.iter(|| {
                let interner = Interner::new();
                RecordReader::new()
                    .decode(RECORD_VERSION, black_box(&record), &interner)
                    .unwrap()
            });
        });
    }
}

/// Loads a record whose definition is new (to be checked and indexed) and one whose definition is
/// stored, as RESTORE and RDB do.
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
                    .decode(RECORD_VERSION, black_box(&record), &interner)
                    .unwrap()
            });
        });
        group.bench_function(BenchmarkId::new("known", states), |b| {
            let interner = Interner::new();
            let _kept = RecordReader::new()
                .decode(RECORD_VERSION, &record, &interner)
                .unwrap();
            b.iter(|| {
                RecordReader::new()
                    .decode(RECORD_VERSION, black_box(&record), &interner)
                    .unwrap()
            });
        });
        group.bench_function(BenchmarkId::new("write", states), |b| {
            b.iter(|| self::record(black_box(&machine)));
        });
    }
    files(&mut group);
}

/// Reads and writes a record that refers to a definition earlier in its file.
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
    reader.decode(RECORD_VERSION, &first, &interner).unwrap();
    group.throughput(Throughput::Bytes(later.len() as u64));
    group.bench_function("in a file, read", |b| {
        b.iter(|| {
            reader
                .decode(RECORD_VERSION, black_box(&later), &interner)
                .unwrap()
        });
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
    adjacency::by_density,
    adjacency::by_size,
    events,
    deadlines::pending
);
criterion_main!(benches);
