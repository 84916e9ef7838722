//! Runs random commands on a few keys, on the core and on the naive model, and compares every reply.
//! In between, machines are saved and loaded in every way there is.
#![no_main]

use arbitrary::{Arbitrary, Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use redis_state_core::Rules;
use redis_state_fuzz::forge::{NAMES, model};
use redis_state_fuzz::keyspace::Keyspace;

const KEYS: [&str; 4] = ["one", "two", "three", "four"];
const REASONS: [&str; 5] = [
    "",
    "paid",
    "by \"Ada\"",
    "\0",
    "a reason that is longer than a word",
];

#[derive(Debug, Clone, Copy, Arbitrary)]
enum Step {
    Set,
    SetAgain,
    Create,
    Get,
    State,
    Mutate,
    MutateWithReason,
    Force,
    Reset,
    Delete,
    Copy,
    ReloadAlone,
    ReloadFile(u8),
    SaveInVain,
    Rewrite,
    OtherRules,
}

fuzz_target!(|data: &[u8]| {
    let mut keyspace = Keyspace::new(Rules::Documented);
    let mut documents = Vec::new();
    let mut u = Unstructured::new(data);
    for _ in 0..100 {
        if u.is_empty() || play(&mut u, &mut keyspace, &mut documents).is_err() {
            break;
        }
    }
    keyspace.check();
});

/// Takes one step.
fn play(
    u: &mut Unstructured<'_>,
    keyspace: &mut Keyspace,
    documents: &mut Vec<Vec<u8>>,
) -> Result<()> {
    let step = Step::arbitrary(u)?;
    let key = u.choose(&KEYS)?.as_bytes();
    let state = u.choose(&NAMES)?.as_bytes();
    let reason = u.choose(&REASONS)?.as_bytes();
    match step {
        Step::Set => {
            let json = model(u)?.render(Rules::Legacy);
            keyspace.call(&[b"SM.SET", key, &json, state]);
            documents.push(json);
        }
        Step::SetAgain if !documents.is_empty() => {
            let json = set_again(u, documents)?;
            let current: &[u8] = if u.ratio(1, 2)? { state } else { b"" };
            keyspace.call(&[b"SM.SET", key, &json, current]);
        }
        Step::SetAgain => {}
        Step::Create => drop(keyspace.call(&[b"SM.CREATE", key])),
        Step::Get => {
            keyspace.call(&[b"SM.GET", key]);
            keyspace.call(&[b"SM.GET", key, b"REASON"]);
        }
        Step::State => ask(keyspace, key, state),
        Step::Mutate => drop(keyspace.call(&[b"SM.MUTATE", key, state])),
        Step::MutateWithReason => drop(keyspace.call(&[b"SM.MUTATE", key, state, reason])),
        Step::Force => drop(keyspace.call(&[b"SM.MUTATE", key, state, reason, b"FORCE"])),
        Step::Reset => drop(keyspace.call(&[b"SM.RESET", key])),
        Step::Delete => drop(keyspace.call(&[b"DEL", key])),
        Step::Copy => {
            let to = u.choose(&KEYS)?.as_bytes();
            keyspace.call(&[b"COPY", key, to]);
        }
        Step::ReloadAlone => keyspace.reload_alone(),
        Step::ReloadFile(expired) => keyspace.reload_file(|at| expired >> at & 1 == 1),
        Step::SaveInVain => keyspace.save_in_vain(),
        Step::Rewrite => keyspace.rewrite(),
        Step::OtherRules => keyspace.rules = other(keyspace.rules),
    }
    Ok(())
}

/// Chooses a document that was set before, at times without its empty reason: then it can be
/// recognised.
fn set_again(u: &mut Unstructured<'_>, documents: &[Vec<u8>]) -> Result<Vec<u8>> {
    let json = u.choose(documents)?;
    if u.ratio(1, 2)? {
        return Ok(json.clone());
    }
    let text = String::from_utf8_lossy(json);
    Ok(text.replace(",\"reason\":\"\"}", "}").into_bytes())
}

/// Runs every command that only reads.
fn ask(keyspace: &mut Keyspace, key: &[u8], state: &[u8]) {
    keyspace.call(&[b"SM.STATE", key]);
    keyspace.call(&[b"SM.STATE", key, b"LIST"]);
    keyspace.call(&[b"SM.NEXT", key]);
    keyspace.call(&[b"SM.CAN", key, state]);
    keyspace.call(&[b"SM.EXPORT", key, b"DOT"]);
    keyspace.call(&[b"SM.EXPORT", key, b"MERMAID"]);
    keyspace.call(&[b"SM.LINT", key]);
}

fn other(rules: Rules) -> Rules {
    match rules {
        Rules::Documented => Rules::Replayed,
        Rules::Replayed => Rules::Legacy,
        Rules::Legacy => Rules::Documented,
    }
}
