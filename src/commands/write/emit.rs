//! `SM.EMIT key stream FIRE event|MOVE target [TO target] [options] [MAXLEN n]`
//!
//! The entry is appended first, because that can fail, and the move is made then, because it was
//! checked and can't. Nobody's code runs between the two. Replicas and append-only files get one
//! command with the id of the entry in it, so that what is both or neither here is so there.

use std::ffi::CStr;
use std::sync::Arc;

use redis_state_core::{Checked, Machine, Options, Outcome, Planned, Request, StateId, Verdict};

use crate::commands::arguments::Arguments;
use crate::commands::options::{self, Given};
use crate::commands::write::due;
use crate::commands::write::moves::{self, Asked, Reply};
use crate::commands::{Command, Described};
use crate::deadlines;
use crate::emitted::Emitted;
use crate::errors::CommandError;
use crate::moment::{Moment, User};
use crate::replication::{fail_if_replicated, replicate_with_entry, reply_missing_key};
use crate::server::context::Context;
use crate::server::key::Keys;
use crate::server::stream::{Appended, Keep, NewId, WithStream};
use crate::server::strings::{Args, OwnedStr, Sent, Str, Word};
use crate::stats;

/// Makes a move, and writes an entry of it to a stream.
pub struct Emit;

/// The ways to name a move.
#[derive(Clone, Copy)]
enum By {
    Event,
    State,
}

/// A move that a command asks for, with its entry.
struct Emission<'a, 'g> {
    asked: Asked<'a>,
    stream: Str<'a>,
    /// The event, if the move is named by one.
    event: Option<Str<'a>>,
    given: &'g Given<'a>,
}

impl Command for Emit {
    const MOMENT_ARGUMENTS: usize = 1;

    fn run<'a>(
        context: Context<'a>,
        keys: Keys<'a>,
        mut arguments: Arguments<'a>,
    ) -> Result<(), CommandError> {
        let (key, stream) = (arguments.required()?, arguments.required()?);
        let words = [("FIRE", By::Event), ("MOVE", By::State)];
        let by = arguments.one_of(&words, "FIRE or MOVE")?;
        let what = arguments.required()?;
        let given = Given::read(context, &mut arguments, by.options())?;
        let emission = Emission {
            asked: by.asked(key, what, &given),
            stream,
            event: matches!(by, By::Event).then_some(what),
            given: &given,
        };
        make(context, keys, arguments.all(), &emission)
    }
}

impl By {
    fn options(self) -> &'static [options::Word] {
        match self {
            Self::Event => options::EMIT_FIRE,
            Self::State => options::EMIT_MOVE,
        }
    }

    /// Returns the move: that of `SM.FIRE` or `SM.MOVE`, with its keyspace event.
    fn asked<'a>(self, key: Str<'a>, what: Str<'a>, given: &Given<'a>) -> Asked<'a> {
        let (event, to) = (what.bytes(), given.to);
        let (request, event) = match self {
            Self::Event => (Request::Fire { event, to }, c"sm.fire"),
            Self::State => (Request::Move(what.bytes()), c"sm.move"),
        };
        let reply = Reply::Verdict;
        Asked {
            key,
            request,
            reply,
            event,
        }
    }
}

impl<'a> Emission<'a, '_> {
    /// Returns the id of the entry, and how many entries stay: as it was, if it was written before.
    fn id_and_keep(&self) -> (NewId, Keep) {
        let about = self.given.max_entries;
        match self.given.entry {
            Some(Emitted { id, left, .. }) => {
                (NewId::Exactly(id), left.map_or(Keep::All, Keep::Exactly))
            }
            None => (NewId::Next, about.map_or(Keep::All, Keep::About)),
        }
    }

    /// Returns the moment of the move, if it was made before. The time is that of a timed machine.
    fn moment(&self) -> Option<Moment<'a>> {
        let entry = self.given.entry?;
        let at = entry.at.unwrap_or_default();
        let user = User::Replicated(entry.user);
        Some(Moment { at, user })
    }
}

fn make<'a>(
    context: Context<'a>,
    mut keys: Keys<'a>,
    args: Args<'a>,
    emission: &Emission<'a, '_>,
) -> Result<(), CommandError> {
    let asked = emission.asked;
    keys.let_expire(emission.stream);
    let mut key = keys.write::<Machine>(asked.key)?;
    key.value_mut().inspect(|machine| moves::prefetch(machine));
    let moment = emission.moment();
    let is_first = moment.is_none();
    // The clock is looked at once, so no timer is due between the one that fires first and the move.
    let clock = if is_first { context.now() } else { 0 };
    if is_first {
        key = due::fire_first(context, key, asked.key, clock)?;
    }
    let mut keys = key.with_stream(emission.stream);
    // Nothing is written to a missing key, whatever the other one holds.
    let Some(machine) = keys.value_mut() else {
        return reply_missing_key(context);
    };
    let is_timed = machine.definition().is_timed();
    let moment = moment.unwrap_or_else(|| Moment {
        at: if is_timed { clock } else { 0 },
        user: User::Current(context.user()),
    });
    let now = moment.as_core(!is_first);
    let options = emission.given.options;
    let planned = match moves::check(context, machine, &asked, &options, now)? {
        Checked::Go(planned) => planned,
        Checked::Answer(verdict) => return answer(context, &verdict),
    };
    let entry = entry(context, machine, emission, &planned, &moment.user);
    let (id, keep) = emission.id_and_keep();
    let (definition, place) = (Arc::clone(machine.definition()), place(machine));
    let is_same =
        |now: &Machine| Arc::ptr_eq(now.definition(), &definition) && self::place(now) == place;
    let values = entry.each_ref().map(Value::sent);
    let appended = keys.append(&NAMES, values, id, keep, is_same)?;
    if let Some(machine) = keys.value_mut() {
        let before = machine.deadline_handle();
        machine.apply(&planned);
        deadlines::settle(context, asked.key, machine, before);
    }
    if is_first {
        let emitted = Emitted {
            id: appended.id,
            user: moment.user.name(),
            at: planned.is_timed().then(|| planned.at()),
            left: appended.left,
        };
        replicate_with_entry(context, Emit::C_NAME, args, &emitted);
    } else {
        context.replicate_verbatim();
    }
    finish(context, keys, asked.event, &appended);
    Ok(())
}

/// Returns where a machine is in its life.
fn place(machine: &Machine) -> (StateId, u32) {
    (machine.current(), machine.version())
}

/// Replies to a request that changes nothing.
///
/// # Errors
///
/// If it is refused although the move was made elsewhere.
fn answer(context: Context<'_>, verdict: &Verdict<'_>) -> Result<(), CommandError> {
    if verdict.outcome == Outcome::Refused {
        fail_if_replicated(context, "no such move")?;
        stats::MOVES_REFUSED.increment();
    }
    context.reply_array(4);
    moves::reply_parts(context, verdict);
    context.reply_null();
    Ok(())
}

/// Replies to a move that was made, and publishes it and its entry.
fn finish(
    context: Context<'_>,
    mut keys: WithStream<'_, Machine>,
    event: &CStr,
    appended: &Appended,
) {
    stats::MOVES_DONE.increment();
    if let Some(machine) = keys.value_mut() {
        context.reply_array(4);
        moves::reply_parts(context, &machine.verdict(Outcome::Moved));
        context.reply_bytes(appended.id.to_text().bytes());
    }
    keys.commit(event, appended);
}

/// Returns the values of the entry of a move that will be made.
fn entry<'a>(
    context: Context<'a>,
    machine: &Machine,
    emission: &Emission<'a, '_>,
    planned: &Planned<'_>,
    user: &'a User<'a>,
) -> [Value<'a>; NAMES.len()] {
    let text = |text: &[u8]| Value::of(context, text);
    let number = |number: u64| text(itoa::Buffer::new().format(number).as_bytes());
    let target = planned.target().unwrap_or_else(|| machine.current());
    let Options { by, reason, id, .. } = emission.given.options;
    let made_at = planned.is_timed().then(|| planned.at());
    [
        Value::Argument(emission.asked.key),
        text(machine.current_name_bytes()),
        text(machine.definition().name_bytes(target)),
        emission.event.map_or(Value::Absent, Value::Argument),
        number(machine.next_version().into()),
        made_at.map_or(Value::Absent, number),
        user.current()
            .map_or_else(|| text(user.name()), Value::User),
        text(by.as_bytes()),
        text(reason.unwrap_or_default().as_bytes()),
        text(id.unwrap_or_default().as_bytes()),
    ]
}

/// The names of an entry's fields, in order.
static NAMES: [Word; 10] = [
    Word::new(b"key"),
    Word::new(b"from"),
    Word::new(b"to"),
    Word::new(b"event"),
    Word::new(b"version"),
    Word::new(b"at"),
    Word::new(b"user"),
    Word::new(b"by"),
    Word::new(b"reason"),
    Word::new(b"id"),
];

/// The value of a field that is absent.
static ABSENT: Word = Word::new(b"");

/// The value of a field.
enum Value<'a> {
    Absent,
    Argument(Str<'a>),
    User(&'a OwnedStr<'a>),
    Made(OwnedStr<'a>),
}

impl<'a> Value<'a> {
    fn of(context: Context<'a>, text: &[u8]) -> Self {
        match text {
            b"" => Self::Absent,
            _ => Self::Made(OwnedStr::new(context, text)),
        }
    }

    fn sent(&self) -> Sent<'_> {
        match self {
            Self::Absent => Sent::Word(&ABSENT),
            Self::Argument(argument) => Sent::Argument(*argument),
            Self::User(user) => Sent::Owned(user),
            Self::Made(text) => Sent::Owned(text),
        }
    }
}
