//! Steps that happen to a keyspace, chosen by a fuzzer's bytes.

use arbitrary::{Arbitrary, Result, Unstructured};
use redis_state_core::Rules;

use crate::forge::{Damage, repair_length};
use crate::keyspace::Keyspace;
use crate::lives::{self, MAX_TIME, REASONS, TOKENS, USERS};
use crate::model::Model;
use crate::models::{DEFINITION_NAMES, EVENTS, NAMES, REVISIONS, model, variant};
use crate::record::{Change, Record};

pub const KEYS: [&str; 4] = ["one", "two", "three", "four"];

#[derive(Debug, Clone, Copy)]
enum Step {
    Set,
    SetAgain,
    Create,
    New,
    Get,
    State,
    Mutate,
    MutateWithReason,
    MutateByForce,
    Reset,
    Fire,
    Emit,
    Move,
    Force,
    Redefine,
    Again,
    Timeout,
    Clock,
    Cron,
    User,
    Delete,
    Copy,
    Load,
    Forge,
    ReloadAlone,
    ReloadFile,
    SaveInVain,
    Rewrite,
    Rules,
    Replay,
    Firing,
}

/// All steps, some more than once, so that they come more often.
const STEPS: [Step; 66] = {
    use Step::*;
    [
        Set,
        SetAgain,
        Create,
        New,
        New,
        Get,
        State,
        State,
        Mutate,
        Mutate,
        Mutate,
        MutateWithReason,
        MutateByForce,
        Reset,
        Fire,
        Fire,
        Fire,
        Fire,
        Fire,
        Fire,
        Fire,
        Fire,
        Fire,
        Fire,
        Fire,
        Fire,
        Emit,
        Emit,
        Move,
        Move,
        Move,
        Move,
        Move,
        Move,
        Force,
        Force,
        Force,
        Redefine,
        Redefine,
        Again,
        Again,
        Again,
        Again,
        Timeout,
        Timeout,
        Clock,
        Clock,
        Clock,
        Clock,
        Clock,
        Clock,
        Clock,
        Cron,
        Cron,
        User,
        Delete,
        Copy,
        Load,
        Forge,
        ReloadAlone,
        ReloadFile,
        SaveInVain,
        Rewrite,
        Rules,
        Replay,
        Firing,
    ]
};

/// What steps remember of those before.
#[derive(Default)]
pub struct Memory {
    documents: Vec<Vec<u8>>,
    sent: Vec<Vec<u8>>,
}

type Words = Vec<Vec<u8>>;

fn call(keyspace: &mut Keyspace, words: &Words) {
    let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
    keyspace.call(&words);
}

fn words<const N: usize>(words: [&[u8]; N]) -> Words {
    words.map(<[u8]>::to_vec).to_vec()
}

/// Takes steps until the bytes are used up, at most so many.
pub fn play(u: &mut Unstructured<'_>, keyspace: &mut Keyspace, most: usize) {
    let mut memory = Memory::default();
    for _ in 0..most {
        if u.is_empty() || step(u, keyspace, &mut memory).is_err() {
            break;
        }
    }
    keyspace.check();
}

/// Chooses a key: mostly one that is there, if the step needs one.
fn key(u: &mut Unstructured<'_>, keyspace: &Keyspace, step: Step) -> Result<&'static [u8]> {
    use Step::{Create, Forge, Load, New, Set, SetAgain};
    let makes = matches!(step, Set | SetAgain | Create | New | Load | Forge);
    let there = |key: &&&str| makes || keyspace.life(key.as_bytes()).is_some();
    let there: Vec<&&str> = KEYS.iter().filter(there).collect();
    match there.is_empty() || u.ratio(1, 16)? {
        true => Ok(u.choose(&KEYS)?.as_bytes()),
        false => Ok(u.choose(&there)?.as_bytes()),
    }
}

/// Takes one step.
fn step(u: &mut Unstructured<'_>, keyspace: &mut Keyspace, memory: &mut Memory) -> Result<()> {
    let step = *u.choose(&STEPS)?;
    let key = key(u, keyspace, step)?;
    match step {
        Step::Get | Step::State => ask(u, keyspace, key)?,
        Step::ReloadAlone => keyspace.reload_alone(),
        Step::ReloadFile => {
            let expired: u8 = u.arbitrary()?;
            keyspace.reload_file(|at| expired >> at & 1 == 1);
        }
        Step::SaveInVain => keyspace.save_in_vain(),
        Step::Rewrite => keyspace.rewrite(),
        Step::Rules => keyspace.rules = *u.choose(&crate::model::ALL_RULES)?,
        Step::Replay => keyspace.replayed = !keyspace.replayed,
        Step::Firing => keyspace.fires = !keyspace.fires,
        Step::Cron => keyspace.fire_all_due(),
        Step::Clock => pass_time(u, keyspace, key)?,
        Step::Again => {
            let mut again = memory.sent.clone();
            if let Some(old) = again.get_mut(1).filter(|_| u.ratio(1, 4).unwrap_or(false)) {
                *old = key.to_vec();
            }
            call(keyspace, &again);
        }
        step => {
            let sent = write(u, keyspace, memory, step, key)?;
            call(keyspace, &sent);
            if sent.contains(&b"ID".to_vec()) {
                memory.sent = sent;
            }
        }
    }
    Ok(())
}

/// Chooses the words of a command that writes.
fn write(
    u: &mut Unstructured<'_>,
    keyspace: &Keyspace,
    memory: &mut Memory,
    step: Step,
    key: &[u8],
) -> Result<Words> {
    let reason = u.choose(&REASONS)?.as_bytes();
    Ok(match step {
        Step::Set => {
            let model = model(u)?;
            let json = model.render(Rules::Legacy);
            memory.documents.push(json.clone());
            let state = match u.ratio(7, 8)? {
                true => u.choose(&model.states)?,
                false => *u.choose(&NAMES)?,
            };
            words([b"SM.SET", key, &json, state.as_bytes()])
        }
        Step::SetAgain if !memory.documents.is_empty() => {
            let json = set_again(u, &memory.documents)?;
            let state = if u.arbitrary()? {
                *u.choose(&NAMES)?
            } else {
                ""
            };
            words([b"SM.SET", key, &json, state.as_bytes()])
        }
        Step::Create => words([b"SM.CREATE", key]),
        Step::Mutate => words([b"SM.MUTATE", key, &next(u, keyspace, key)?]),
        Step::MutateWithReason => words([b"SM.MUTATE", key, &next(u, keyspace, key)?, reason]),
        Step::MutateByForce => {
            let state = state(u, keyspace, key)?;
            words([b"SM.MUTATE", key, &state, reason, b"FORCE"])
        }
        Step::Reset => words([b"SM.RESET", key]),
        Step::Timeout => words([b"SM.TIMEOUT", key]),
        Step::User => words([b"AUTH", u.choose(&USERS)?]),
        Step::Delete => words([b"DEL", key]),
        Step::Copy => words([b"COPY", key, u.choose(&KEYS)?.as_bytes()]),
        Step::Load => {
            let from = u.choose(&KEYS)?.as_bytes();
            let record = keyspace.record(from).unwrap_or_default();
            words([b"SM.LOAD", key, &damaged(u, record)?])
        }
        Step::Forge => words([b"SM.LOAD", key, &forged(u)?]),
        step => new_command(u, keyspace, memory, step, key)?,
    })
}

/// Chooses the words of a command that came after version 1.0.
fn new_command(
    u: &mut Unstructured<'_>,
    keyspace: &Keyspace,
    memory: &mut Memory,
    step: Step,
    key: &[u8],
) -> Result<Words> {
    let mut sent = match step {
        Step::New => {
            let document = document(u, memory)?;
            let mut sent = words([b"SM.NEW", key, &document.render(Rules::Documented)]);
            if u.ratio(1, 4)? {
                sent.extend(words([b"STATE", u.choose(&document.states)?.as_bytes()]));
            }
            sent
        }
        Step::Redefine => redefine(u, keyspace, memory, key)?,
        Step::Force => words([b"SM.FORCE", key, &state(u, keyspace, key)?]),
        Step::Move => words([b"SM.MOVE", key, &next(u, keyspace, key)?]),
        Step::Emit => emit(u, keyspace, key)?,
        _ => fire(u, keyspace, key)?,
    };
    options(u, keyspace, key, step, &mut sent)?;
    Ok(sent)
}

/// Chooses a document whose current state is the initial one.
fn document(u: &mut Unstructured<'_>, memory: &mut Memory) -> Result<Model> {
    if !memory.documents.is_empty() && u.arbitrary()? {
        let json = u.choose(&memory.documents)?;
        let mut model = Model::read(json, None, Rules::Replayed).expect("a document");
        model.current = model.initial.clone();
        return Ok(model);
    }
    let mut model = model(u)?;
    memory.documents.push(model.render(Rules::Legacy));
    model.current = model.initial.clone();
    Ok(model)
}

fn redefine(
    u: &mut Unstructured<'_>,
    keyspace: &Keyspace,
    memory: &mut Memory,
    key: &[u8],
) -> Result<Words> {
    let to = match keyspace.life(key) {
        Some(life) if u.ratio(1, 2)? => variant(u, &life.model)?,
        _ => document(u, memory)?,
    };
    let mut sent = words([b"SM.REDEFINE", key, &to.render(Rules::Documented)]);
    let current = keyspace.life(key).map_or("", |life| &life.model.current);
    if !to.has_state(current) || u.ratio(1, 4)? {
        let new = u.choose(&to.states)?.as_bytes();
        sent.extend(words([b"RENAME", current.as_bytes(), new]));
    }
    if u.ratio(1, 4)? {
        // Of several new names for one state the first counts.
        let old = if u.arbitrary()? {
            current
        } else {
            *u.choose(&NAMES)?
        };
        let new = u.choose(&to.states)?;
        sent.extend(words([b"RENAME", old.as_bytes(), new.as_bytes()]));
    }
    Ok(sent)
}

/// Chooses a state, mostly one to which a move leads.
fn next(u: &mut Unstructured<'_>, keyspace: &Keyspace, key: &[u8]) -> Result<Vec<u8>> {
    let life = keyspace.life(key);
    let next = life.map_or(Vec::new(), |life| life.model.next(Rules::Documented));
    match next.is_empty() || u.ratio(1, 4)? {
        true => state(u, keyspace, key),
        false => Ok(u.choose(&next)?.as_bytes().to_vec()),
    }
}

/// Chooses a state, mostly one of the machine's.
fn state(u: &mut Unstructured<'_>, keyspace: &Keyspace, key: &[u8]) -> Result<Vec<u8>> {
    match keyspace.life(key) {
        Some(life) if u.ratio(7, 8)? => Ok(u.choose(&life.model.states)?.as_bytes().to_vec()),
        _ => Ok(u.choose(&NAMES)?.as_bytes().to_vec()),
    }
}

/// Chooses an event, mostly one that leads somewhere.
fn fire(u: &mut Unstructured<'_>, keyspace: &Keyspace, key: &[u8]) -> Result<Words> {
    let events = keyspace
        .life(key)
        .map(|life| life.model.events(&life.model.current));
    let events = events.unwrap_or_default();
    if events.is_empty() && u.ratio(3, 4)? {
        return Ok(words([b"SM.FORCE", key, &state(u, keyspace, key)?]));
    }
    if events.is_empty() {
        return Ok(words([b"SM.FIRE", key, u.choose(&EVENTS)?.as_bytes()]));
    }
    let (event, targets) = u.choose(&events)?;
    let event = if u.ratio(1, 6)? {
        *u.choose(&EVENTS)?
    } else {
        event
    };
    let mut sent = words([b"SM.FIRE", key, event.as_bytes()]);
    if targets.len() > 1 && u.ratio(4, 5)? {
        sent.extend(words([b"TO", u.choose(targets)?.as_bytes()]));
    } else if u.ratio(1, 8)? {
        sent.extend(words([b"TO", u.choose(&NAMES)?.as_bytes()]));
    }
    Ok(sent)
}

/// Chooses a move that is written to a stream. A request that comes again may come as the move alone.
fn emit(u: &mut Unstructured<'_>, keyspace: &Keyspace, key: &[u8]) -> Result<Words> {
    let mut sent = match fire(u, keyspace, key)? {
        alone if alone[0] == b"SM.FIRE" => alone,
        _ => words([b"SM.MOVE", key, &next(u, keyspace, key)?]),
    };
    let word = sent[0].split_off(b"SM.".len());
    sent[0] = b"SM.EMIT".to_vec();
    sent.splice(2..2, [b"moves".to_vec(), word]);
    if u.ratio(1, 4)? {
        sent.extend(words([
            b"MAXLEN",
            u.choose(&["1", "1000", "0"])?.as_bytes(),
        ]));
    }
    Ok(sent)
}

/// Chooses options.
fn options(
    u: &mut Unstructured<'_>,
    keyspace: &Keyspace,
    key: &[u8],
    step: Step,
    sent: &mut Words,
) -> Result<()> {
    let life = keyspace.life(key);
    let mut add = |word: &str, value: &[u8]| sent.extend(words([word.as_bytes(), value]));
    if u.ratio(1, 3)? {
        add("ID", u.choose(&TOKENS)?.as_bytes());
    }
    if u.ratio(1, 3)? {
        add("REASON", u.choose(&REASONS)?.as_bytes());
    }
    if u.ratio(1, 6)? {
        add("BY", u.choose(&["", "ada", "é"])?.as_bytes());
    }
    if u.ratio(1, 6)? {
        let (word, ms) = match u.arbitrary()? {
            true => ("AFTER", *u.choose(&[1, 2, 1000, MAX_TIME])?),
            false => (
                "DUE",
                *u.choose(&[0, keyspace.now, keyspace.now + 5, MAX_TIME])?,
            ),
        };
        add(word, ms.min(MAX_TIME).to_string().as_bytes());
    }
    if !matches!(step, Step::New) && u.ratio(1, 8)? {
        let current = life.map_or("", |life| &life.model.current);
        let state = if u.ratio(2, 3)? {
            current
        } else {
            *u.choose(&NAMES)?
        };
        add("IFSTATE", state.as_bytes());
    }
    if !matches!(step, Step::New) && u.ratio(1, 8)? {
        let version = life.map_or(1, |life| life.version);
        let version = if u.ratio(2, 3)? { version } else { 1 };
        add("IFVERSION", version.to_string().as_bytes());
    }
    Ok(())
}

/// Lets the clock go on or back, or to where the timer of a key is due.
fn pass_time(u: &mut Unstructured<'_>, keyspace: &mut Keyspace, key: &[u8]) -> Result<()> {
    let ms = *u.choose(&[0, 1, 2, 20, 1000, 5_000_000])?;
    let due = keyspace.life(key).and_then(|life| life.due);
    keyspace.now = match u.int_in_range(0..=15)? {
        0 => keyspace.now.saturating_sub(ms),
        1 => u.arbitrary::<u64>()? >> 2,
        2..5 => due.map_or(keyspace.now, |(due, _)| (due + ms).saturating_sub(1)),
        _ => keyspace.now + ms,
    };
    // Out of reach of any overflow in the model.
    keyspace.now = keyspace.now.min(1 << 62);
    Ok(())
}

/// Damages a record, at times.
fn damaged(u: &mut Unstructured<'_>, mut record: Vec<u8>) -> Result<Vec<u8>> {
    for _ in 0..*u.choose(&[0, 0, 0, 1, 2])? {
        Damage::arbitrary(u)?.apply(&mut record);
    }
    repair_length(&mut record);
    Ok(record)
}

/// Makes the record of a life that did not happen.
fn forged(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let mut record = Record::of(&lives::life(u)?);
    for _ in 0..*u.choose(&[0, 0, 0, 1])? {
        Change::arbitrary(u)?.apply(&mut record, u)?;
    }
    Ok(record.write())
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
fn ask(u: &mut Unstructured<'_>, keyspace: &mut Keyspace, key: &[u8]) -> Result<()> {
    let state = u.choose(&NAMES)?.as_bytes();
    keyspace.call(&[b"SM.GET", key]);
    keyspace.call(&[b"SM.GET", key, b"REASON"]);
    keyspace.call(&[b"SM.STATE", key]);
    keyspace.call(&[b"SM.STATE", key, b"LIST"]);
    keyspace.call(&[b"SM.NEXT", key]);
    keyspace.call(&[b"SM.CAN", key, state]);
    keyspace.call(&[b"SM.EXPORT", key, b"DOT"]);
    keyspace.call(&[b"SM.EXPORT", key, b"MERMAID"]);
    keyspace.call(&[b"SM.LINT", key]);
    keyspace.call(&[b"SM.EVENTS", key]);
    keyspace.call(&[b"SM.INFO", key]);
    keyspace.call(&[b"SM.HISTORY", key]);
    keyspace.call(&[b"SM.HISTORY", key, b"COUNT", b"2"]);
    let name = u.choose(&DEFINITION_NAMES)?.as_bytes();
    let revision = u.choose(&REVISIONS)?.to_string();
    keyspace.call(&[b"SM.COUNT", name]);
    keyspace.call(&[b"SM.COUNT", name, b"REVISION", revision.as_bytes()]);
    keyspace.call(&[b"SM.DEFINITIONS"]);
    Ok(())
}
