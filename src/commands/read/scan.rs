//! `SM.SCAN cursor [NAME name [REVISION n]] [STATE state]... [IDLE ms] [DUE unix-ms] [MATCH pattern] [COUNT n]`

use std::collections::HashSet;
use std::time::{Duration, Instant};

use redis_state_core::{MAX_TIME, Machine};

use crate::commands::Command;
use crate::commands::arguments::Arguments;
use crate::commands::options::{count, number_of, problem_of, revision, text_of, value_of};
use crate::errors::{CommandError, OptionProblem};
use crate::server::context::Context;
use crate::server::key::Keys;
use crate::server::page::{Page, Query};
use crate::text::parse_digits;

/// How many keys a call visits if it doesn't say: as many as SCAN.
const DEFAULT_COUNT: u32 = 10;

/// How many keys are visited between two looks at the clock. A call visits so many, if it asks for them.
const STEP: u32 = 100;

/// After so long, a call ends, wherever it is. A step and the reply come on top of it.
const MAX_TIME_OF_CALL: Duration = Duration::from_millis(2);

/// Replies with keys of machines, some at a time.
pub struct Scan;

impl Command for Scan {
    fn run<'a>(
        context: Context<'a>,
        mut keys: Keys<'a>,
        mut arguments: Arguments<'a>,
    ) -> Result<(), CommandError> {
        let cursor = number_of("cursor", arguments.required()?, 0, u64::MAX)?;
        let wanted = Wanted::read(&mut arguments)?;
        let (cursor, found) = walk(context, &mut keys, cursor, &wanted)?;
        context.reply_array(2);
        context.reply_bytes(itoa::Buffer::new().format(cursor).as_bytes());
        context.reply_array(found.ends.len());
        for name in found.names() {
            context.reply_bytes(name);
        }
        Ok(())
    }
}

/// Visits as many keys as are wanted, or as the time allows. Returns where to go on, and what fits.
fn walk(
    context: Context<'_>,
    keys: &mut Keys<'_>,
    cursor: u64,
    wanted: &Wanted<'_>,
) -> Result<(u64, Found), CommandError> {
    let (start, now) = (Instant::now(), context.now());
    let (mut cursor, mut found) = (cursor, Found::default());
    let mut left = wanted.count.unwrap_or(DEFAULT_COUNT);
    loop {
        let query = Query {
            cursor,
            count: left.min(STEP),
            pattern: wanted.pattern,
        };
        let page = Page::ask::<Machine>(context, &query).map_err(CommandError::OfServer)?;
        for name in page.names() {
            if keys.glance(name, |machine| wanted.fits(machine, now)) == Some(true) {
                found.add(name);
            }
        }
        let next = parse_digits(page.cursor());
        cursor = next.ok_or_else(|| CommandError::OfServer("ERR SCAN gave no cursor".into()))?;
        left -= query.count;
        if cursor == 0 || left == 0 || start.elapsed() >= MAX_TIME_OF_CALL {
            return Ok((cursor, found));
        }
    }
}

/// Names, one behind the other.
#[derive(Default)]
struct Found {
    text: Vec<u8>,
    ends: Vec<usize>,
}

impl Found {
    fn add(&mut self, name: &[u8]) {
        self.text.extend_from_slice(name);
        self.ends.push(self.text.len());
    }

    fn names(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        let ranges = starts.zip(&self.ends);
        ranges.filter_map(|(start, &end)| self.text.get(start..end))
    }
}

/// What a machine has to be.
#[derive(Default)]
struct Wanted<'a> {
    name: Option<&'a str>,
    revision: Option<u32>,
    /// Any of them; any at all if there is none.
    states: HashSet<&'a [u8]>,
    idle: Option<u64>,
    due: Option<u64>,
    pattern: Option<&'a [u8]>,
    count: Option<u32>,
}

#[derive(Clone, Copy)]
enum Word {
    Name,
    Revision,
    State,
    Idle,
    Due,
    Match,
    Count,
}

const WORDS: &[(&str, Word)] = &[
    ("NAME", Word::Name),
    ("REVISION", Word::Revision),
    ("STATE", Word::State),
    ("IDLE", Word::Idle),
    ("DUE", Word::Due),
    ("MATCH", Word::Match),
    ("COUNT", Word::Count),
];

impl<'a> Wanted<'a> {
    /// Reads the options up to the end, in any order, each once but for STATE.
    fn read(arguments: &mut Arguments<'a>) -> Result<Self, CommandError> {
        let mut wanted = Self::default();
        while !arguments.is_at_end() {
            wanted.read_one(arguments)?;
        }
        if wanted.revision.is_some() && wanted.name.is_none() {
            return Err(problem_of("REVISION", OptionProblem::Needs("NAME")));
        }
        Ok(wanted)
    }

    fn read_one(&mut self, arguments: &mut Arguments<'a>) -> Result<(), CommandError> {
        let words = "NAME, REVISION, STATE, IDLE, DUE, MATCH or COUNT";
        match arguments.one_of(WORDS, words)? {
            Word::Name => {
                let name = text_of("NAME", value_of(arguments, "NAME")?.bytes())?;
                once("NAME", &mut self.name, name)
            }
            Word::Revision => once("REVISION", &mut self.revision, revision(arguments)?),
            Word::State => {
                let state = text_of("STATE", value_of(arguments, "STATE")?.bytes())?;
                self.states.insert(state.as_bytes());
                Ok(())
            }
            Word::Idle => {
                let ms = number_of("IDLE", value_of(arguments, "IDLE")?, 0, MAX_TIME)?;
                once("IDLE", &mut self.idle, ms)
            }
            Word::Due => {
                let at = number_of("DUE", value_of(arguments, "DUE")?, 0, MAX_TIME)?;
                once("DUE", &mut self.due, at)
            }
            Word::Match => {
                let pattern = value_of(arguments, "MATCH")?.bytes();
                once("MATCH", &mut self.pattern, pattern)
            }
            Word::Count => once("COUNT", &mut self.count, count(arguments)?),
        }
    }

    fn fits(&self, machine: &Machine, now: u64) -> bool {
        let definition = machine.definition();
        let has_name = || self.name.is_none() || definition.label() == self.name;
        let has_revision = || self.revision.is_none() || definition.revision() == self.revision;
        let is_there =
            || self.states.is_empty() || self.states.contains(machine.current_name_bytes());
        has_name()
            && has_revision()
            && is_there()
            && self.is_idle(machine, now)
            && self.is_due(machine)
    }

    /// Returns whether a machine has been in its state for so long. One that isn't timed doesn't know.
    fn is_idle(&self, machine: &Machine, now: u64) -> bool {
        let Some(ms) = self.idle else {
            return true;
        };
        let since = machine.since();
        since.is_some_and(|since| now.saturating_sub(since) >= ms)
    }

    /// Returns whether a machine's timer is due by then. One whose state has no timer never is.
    fn is_due(&self, machine: &Machine) -> bool {
        let Some(at) = self.due else {
            return true;
        };
        machine.deadline().is_some_and(|deadline| deadline.at <= at)
    }
}

fn once<T>(option: &'static str, place: &mut Option<T>, value: T) -> Result<(), CommandError> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(problem_of(option, OptionProblem::Repeated)),
    }
}
