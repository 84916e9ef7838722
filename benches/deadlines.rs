//! What a pending deadline costs in the index, beside a million others.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{BatchSize, Criterion, Throughput};
use redis_state_core::{Deadlines, Handle};

const MANY: usize = 1_000_000;

/// As many as fall due together in the server's benchmark.
const BURST: usize = 200_000;

/// Deadlines lie within a day.
const DAY_MS: u64 = 86_400_000;

/// Numbers without an order that a branch predictor or a cache could learn.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn pick(&mut self, handles: &[Handle]) -> usize {
        self.next() as usize % handles.len()
    }
}

/// Fills an index under names of 14 bytes.
fn filled(count: usize, mut deadline: impl FnMut() -> u64) -> (Deadlines, Vec<Handle>) {
    let mut deadlines = Deadlines::new();
    let mut name = *b"order:00000000";
    let handles = (0..count)
        .map(|at| {
            name[6..].copy_from_slice(format!("{at:08}").as_bytes());
            deadlines.insert(0, &name, deadline())
        })
        .collect();
    (deadlines, handles)
}

fn random_deadlines(count: usize) -> (Deadlines, Vec<Handle>) {
    let mut random = Random(1);
    filled(count, || random.next() % DAY_MS)
}

/// Takes out all that is due, and returns how much that was.
fn fire_all(deadlines: &mut Deadlines) -> usize {
    let mut fired = 0;
    while let Some(due) = deadlines.next_due(u64::MAX) {
        black_box(due.name);
        let handle = due.handle;
        deadlines.remove(handle);
        fired += 1;
    }
    fired
}

/// Times something that uses up what was made for it.
fn time<T>(rounds: u64, mut make: impl FnMut() -> T, mut run: impl FnMut(&mut T)) -> Duration {
    let once = |_| {
        let mut made = make();
        let start = Instant::now();
        run(&mut made);
        start.elapsed()
    };
    (0..rounds).map(once).sum()
}

pub fn pending(c: &mut Criterion) {
    let mut group = c.benchmark_group("deadlines");
    group.sample_size(10);
    one_by_one(&mut group);

    group.throughput(Throughput::Elements(MANY as u64));
    group.bench_function("insert 1 M", |b| {
        let make = Vec::new;
        b.iter_custom(|rounds| time(rounds, make, |kept| kept.push(random_deadlines(MANY))));
    });
    group.bench_function("fire 1 M in random order", |b| {
        let run = |(deadlines, _): &mut _| assert_eq!(fire_all(deadlines), MANY);
        b.iter_custom(|rounds| time(rounds, || random_deadlines(MANY), run));
    });
    group.throughput(Throughput::Elements(BURST as u64));
    group.bench_function("fire 200,000 of one moment", |b| {
        let run = |(deadlines, _): &mut _| assert_eq!(fire_all(deadlines), BURST);
        b.iter_custom(|rounds| time(rounds, || filled(BURST, || 7), run));
    });
    group.bench_function("fire 200,000 of one second", |b| {
        let mut random = Random(2);
        let run = |(deadlines, _): &mut _| assert_eq!(fire_all(deadlines), BURST);
        let mut make = || filled(BURST, || random.next() % 1000);
        b.iter_custom(|rounds| time(rounds, &mut make, run));
    });
    group.throughput(Throughput::Elements(MANY as u64));
    group.bench_function("flush 1 M", |b| {
        let run = |(deadlines, _): &mut (Deadlines, _)| deadlines.flush(0);
        b.iter_custom(|rounds| time(rounds, || random_deadlines(MANY), run));
    });
    group.bench_function("sweep 1 M", |b| {
        let make = || {
            let (mut deadlines, _) = random_deadlines(MANY);
            deadlines.flush(0);
            deadlines
        };
        let run = |deadlines: &mut Deadlines| assert!(!deadlines.sweep(2 * MANY));
        b.iter_custom(|rounds| time(rounds, make, run));
    });
}

/// Single operations beside a million entries.
fn one_by_one(group: &mut criterion::BenchmarkGroup<'_, criterion::measurement::WallTime>) {
    let (mut deadlines, mut handles) = random_deadlines(MANY);
    let mut random = Random(3);
    group.bench_function("change, any to any", |b| {
        b.iter(|| {
            let handle = handles[random.pick(&handles)];
            deadlines.change(handle, random.next() % DAY_MS);
        });
    });
    group.bench_function("change, a lease renewed", |b| {
        let mut now = 0;
        b.iter(|| {
            now += 1;
            deadlines.change(handles[random.pick(&handles)], DAY_MS + now);
        });
    });
    group.bench_function("remove and insert", |b| {
        b.iter(|| {
            let picked = random.pick(&handles);
            deadlines.remove(handles[picked]);
            handles[picked] = deadlines.insert(0, b"order:87654321", random.next() % DAY_MS);
        });
    });
    group.bench_function("lose and heal", |b| {
        b.iter(|| {
            let handle = handles[random.pick(&handles)];
            deadlines.lose(handle);
            assert!(deadlines.heal(handle, 0, b"order:87654321"));
        });
    });
    group.bench_function("ask for the first", |b| {
        b.iter_batched(
            || (),
            |()| black_box(&deadlines).next_due(0).is_none(),
            BatchSize::SmallInput,
        );
    });
}
