//! The interner and the queue of freed machines under threads: commands on one, frees in the
//! background on others.
//!
//! These tests find crashes and leaks, and data races under ThreadSanitizer (`make miri`). They don't
//! use loom, because it has no `Weak`: it could test only a copy of the interner made for it.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use redis_state_core::{
    DeadlineStats, Deadlines, Force, FreedQueue, Handle, Interner, InternerStats, Limits, Machine,
    RECORD_VERSION, RecordReader, Rules, parse_machine,
};

use crate::records::alone;

/// How often a thread repeats its work. Miri is a thousand times slower.
const ROUNDS: usize = if cfg!(miri) { 20 } else { 20_000 };

/// Returns one of few documents, so that one thread drops the last machine of a definition just as
/// another makes it anew. Each has two spellings, so that the kept document changes as well.
fn document(at: usize) -> String {
    let space = if at.is_multiple_of(2) { "" } else { " " };
    let states = 1 + at / 2 % 3;
    let row: Vec<String> = (0..states).map(|state| format!("\"s{state}\"")).collect();
    format!(
        "{{\"map\":{{\"a\":{space}[{}]}},\"initial\":\"a\"}}",
        row.join(",")
    )
}

/// Sets, moves and at times reloads a machine, as the main thread of a server does.
fn command(interner: &Interner, at: usize) -> Machine {
    let json = document(at * 7);
    let read = parse_machine(
        interner,
        json.as_bytes(),
        None,
        Rules::Documented,
        &Limits::NONE,
    );
    let mut machine = read.unwrap().machine;
    let target = machine
        .resolve_move(b"s0", Force::No, Rules::Documented)
        .unwrap();
    machine.enter(target, Some("why"));
    if !at.is_multiple_of(3) {
        return machine;
    }
    let loaded = RecordReader::new()
        .decode(RECORD_VERSION, &alone(&machine), interner)
        .unwrap();
    assert!(Arc::ptr_eq(loaded.definition(), machine.definition()));
    loaded
}

fn free(values: Receiver<Machine>) {
    for machine in values {
        assert_eq!(machine.current_name(), "s0");
        drop(machine);
    }
}

#[test]
fn machines_may_be_freed_on_other_threads() {
    let interner = Interner::new();
    thread::scope(|scope| {
        let freers: Vec<Sender<Machine>> = (0..3)
            .map(|_| {
                let (give, take) = channel();
                scope.spawn(|| free(take));
                give
            })
            .collect();
        for at in 0..ROUNDS {
            let machine = command(&interner, at);
            freers[at % freers.len()].send(machine.clone()).unwrap();
            freers[(at + 1) % freers.len()].send(machine).unwrap();
        }
    });
    assert_eq!(interner.stats(), InternerStats::default());
}

#[test]
fn readers_on_many_threads_share_definitions() {
    let interner = Interner::new();
    let kept: Vec<Machine> = thread::scope(|scope| {
        let work = |offset: usize| {
            let interner = &interner;
            move || {
                let machines = (0..ROUNDS / 4).map(|at| command(interner, at + offset));
                machines.reduce(|_, last| last).unwrap()
            }
        };
        let threads: Vec<_> = (0..4).map(|offset| scope.spawn(work(offset))).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    for (one, other) in kept.iter().zip(&kept[1..]) {
        let equal = one.definition().archive() == other.definition().archive();
        assert_eq!(Arc::ptr_eq(one.definition(), other.definition()), equal);
    }
    drop(kept);
    assert_eq!(interner.stats(), InternerStats::default());
}

#[test]
fn statistics_and_memory_may_be_asked_for_at_any_time() {
    let interner = Interner::new();
    thread::scope(|scope| {
        let worker = scope.spawn(|| {
            for at in 0..ROUNDS {
                drop(command(&interner, at));
            }
        });
        while !worker.is_finished() {
            assert!(interner.stats().definitions <= 4);
            let machine = Machine::blank(&interner);
            assert!(machine.definition().memory(|_, size| size) > 0);
        }
    });
    assert_eq!(interner.stats(), InternerStats::default());
}

/// As a server that frees values in the background, while the main thread goes on.
#[test]
fn freed_machines_are_forgotten_whichever_thread_frees_them() {
    let freed = FreedQueue::new();
    let mut index = Deadlines::new();
    thread::scope(|scope| {
        let (give, take) = channel::<Handle>();
        scope.spawn(|| take.into_iter().for_each(|handle| freed.push(handle)));
        for at in 0..ROUNDS as u64 {
            let handle = index.insert(0, b"key", at);
            index.lose(handle);
            give.send(handle).unwrap();
            if let Some(handles) = freed.take() {
                index.forget(&handles);
            }
        }
    });
    while let Some(handles) = freed.take() {
        index.forget(&handles);
    }
    assert_eq!(index.stats(), DeadlineStats::default());
}
