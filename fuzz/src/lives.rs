//! Makes the model of a life out of a fuzzer's bytes: not one that happened, but one that a record may
//! tell of.

use arbitrary::{Result, Unstructured};

use crate::model::Model;
use crate::model::life::{Entry, Known, Life};
use crate::models::{self, EVENTS, NAMES};

pub const MAX_TIME: u64 = (1 << 53) - 1;

/// IDs of requests: more than are remembered.
pub const TOKENS: [&str; 12] = [
    "a",
    "b",
    "c",
    "d",
    "e",
    "f",
    "g",
    "h",
    "é",
    "\0",
    "id 11",
    "one that is sixty-four bytes long, so that it just fits, 0123456",
];
pub const REASONS: [&str; 5] = [
    "",
    "paid",
    "by \"Ada\"",
    "\0",
    "a reason that is longer than a word",
];
pub const USERS: [&[u8]; 5] = [b"default", b"default", b"worker", b"", b"\xff\xfe"];

/// Makes a life.
pub fn life(u: &mut Unstructured<'_>) -> Result<Life> {
    let model = models::model(u)?;
    let version = *u.choose(&[1, 1, 2, 3, 300, u32::MAX])?;
    let since = match model.is_timed() {
        true => Some(*u.choose(&[0, 999_000, 1_000_000, MAX_TIME])?),
        false => None,
    };
    let mut life = Life {
        version,
        since,
        due: since.map_or(Ok(None), |since| due(u, &model, since))?,
        ids: ids(u, &model)?,
        history: Vec::new(),
        model,
    };
    if life.model.new.history > 0 {
        life.history = history(u, &life)?;
    }
    Ok(life)
}

fn due(u: &mut Unstructured<'_>, model: &Model, since: u64) -> Result<Option<(u64, bool)>> {
    let Some((ms, _)) = model.timer(&model.current) else {
        return Ok(None);
    };
    let is_given = match ms {
        Some(_) => u.arbitrary()?,
        // Without a time of its own there is a timer only if one was given.
        None if u.arbitrary()? => return Ok(None),
        None => true,
    };
    let pause = *u.choose(&[0, 1, 900, 1000, 5_000_000, MAX_TIME])?;
    Ok(Some(((since + pause).min(MAX_TIME), is_given)))
}

/// Chooses a state, which the definition may lack.
fn state(u: &mut Unstructured<'_>) -> Result<String> {
    match u.ratio(1, 8)? {
        true => Ok("gone".repeat(*u.choose(&[1, 256])?)),
        false => Ok((*u.choose(&NAMES)?).to_owned()),
    }
}

/// Chooses an event, which the definition may lack.
fn event(u: &mut Unstructured<'_>) -> Result<String> {
    match u.ratio(1, 8)? {
        true => Ok("gone".repeat(*u.choose(&[1, 256])?)),
        false => Ok((*u.choose(&EVENTS)?).to_owned()),
    }
}

fn ids(u: &mut Unstructured<'_>, model: &Model) -> Result<Vec<Known>> {
    let mut tokens = TOKENS.to_vec();
    let mut all = Vec::new();
    for _ in 0..*u.choose(&[0, 0, 1, 2, 8])? {
        let mut request = vec![
            u.choose(&["fire", "move", "force", "new", "redefine"])?
                .to_string(),
        ];
        match request[0].as_str() {
            "fire" => {
                request.push(event(u)?);
                if u.arbitrary()? {
                    request.push(state(u)?);
                }
            }
            "move" | "force" => request.push(state(u)?),
            _ => {}
        }
        all.push(Known {
            token: tokens.swap_remove(u.choose_index(tokens.len())?).to_owned(),
            request,
            state: match u.arbitrary()? {
                true => state(u)?,
                false => model.current.clone(),
            },
            version: *u.choose(&[1, 2, 300, u32::MAX])?,
        });
    }
    Ok(all)
}

fn history(u: &mut Unstructured<'_>, life: &Life) -> Result<Vec<Entry>> {
    let most = usize::from(life.model.new.history);
    let count = (*u.choose(&[1, 1, 2, 3, 5, 40])?).min(most);
    let is_whole = u.arbitrary()?;
    let mut before = match is_whole {
        true => None,
        false => Some(state(u)?),
    };
    let (mut at, mut all) = (life.since.unwrap_or(0), Vec::new());
    for step in 0..count {
        let is_last = step + 1 == count;
        let to = match is_last {
            true => life.model.current.clone(),
            false => state(u)?,
        };
        let kinds = ["set", "move", "force", "reset", "timeout", "redefine"];
        let text = |u: &mut Unstructured<'_>, texts: &[&str]| Ok((*u.choose(texts)?).to_owned());
        at = (at + *u.choose(&[0, 1, 1000, MAX_TIME])?).min(MAX_TIME);
        all.push(Entry {
            version: 0,
            at,
            kind: if is_whole && step == 0 {
                "new"
            } else {
                u.choose(&kinds)?
            },
            from: before.replace(to.clone()),
            event: event(u)?,
            to,
            user: u.choose(&USERS)?.to_vec(),
            by: text(u, &["", "", "ada", "é"])?,
            reason: text(u, &REASONS)?,
            id: text(u, &["", "", "a", "é"])?,
        });
    }
    let mut version = life.version;
    for entry in all.iter_mut().rev() {
        entry.version = version;
        version = if version == 1 { u32::MAX } else { version - 1 };
    }
    Ok(all)
}
