//! The rules by which a call runs, what is replicated, and the errors of replicated commands.
//!
//! A command is replicated only if it changed something, and in terms of the documented rules. A
//! change of a machine that knows times is replicated with its *moment*: three more arguments, `AT`,
//! the time and the user. So replicas and replays store what the primary stored.

use redis_state_core::{Force, Machine, RecordWriter, Request, Rules};

use crate::config;
use crate::errors::CommandError;
use crate::server::context::Context;
use crate::server::strings::{Args, OwnedStr, Sent, Str, Word};

/// When a change was made, and by whom.
pub struct Moment<'a> {
    /// The primary's clock, in ms since 1970.
    pub at: u64,
    /// The ACL user of the connection.
    pub user: User<'a>,
}

/// Who made a change.
pub enum User<'a> {
    /// The user that replication names.
    Replicated(&'a [u8]),
    /// The user of the running command, if the server says.
    Current(Option<OwnedStr<'a>>),
}

impl User<'_> {
    /// Returns the name; empty if nobody is known.
    pub fn name(&self) -> &[u8] {
        match self {
            Self::Replicated(name) => name,
            Self::Current(name) => name.as_ref().map_or(b"", OwnedStr::bytes),
        }
    }
}

impl<'a> User<'a> {
    /// Returns the user of the running command, if there is one that can be sent as it is.
    pub fn current(&self) -> Option<&OwnedStr<'a>> {
        match self {
            Self::Current(user) => user.as_ref(),
            Self::Replicated(_) => None,
        }
    }
}

impl<'a> Moment<'a> {
    /// Returns the moment of the running command. Who made it is asked only if a history remembers
    /// it.
    pub fn now(context: Context<'a>, is_remembered: bool) -> Self {
        Self::at(context.now(), context, is_remembered)
    }

    /// The same, of a moment at which the clock was looked at before.
    pub fn at(now: u64, context: Context<'a>, is_remembered: bool) -> Self {
        let user = is_remembered.then(|| context.user()).flatten();
        Self {
            at: now,
            user: User::Current(user),
        }
    }

    /// Returns the moment as the core takes it, for a change that was or wasn't made before.
    pub fn as_core(&self, replayed: bool) -> redis_state_core::Context<'_> {
        redis_state_core::Context {
            now: self.at,
            user: self.user.name(),
            replayed,
        }
    }
}

/// Returns the rules for this call. Replicated and replayed commands run by the documented rules,
/// because the primary wrote them for these rules.
#[inline]
pub fn rules_for(context: Context<'_>) -> Rules {
    match config::rules() {
        Rules::Legacy if !context.is_replicated_or_replayed() => Rules::Legacy,
        _ => Rules::Documented,
    }
}

/// The word that introduces a moment.
static AT: Word = Word::new(b"AT");

/// The word that introduces an entry.
static ENTRY: Word = Word::new(b"ENTRY");

/// The word that introduces how many entries a stream has.
static LEFT: Word = Word::new(b"LEFT");

/// The user where nobody is known, or nobody is remembered.
static NOBODY: Word = Word::new(b"");

/// Replicates a command as it came, with its moment.
pub fn replicate_with_moment(
    context: Context<'_>,
    command: &std::ffi::CStr,
    args: Args<'_>,
    moment: &Moment<'_>,
) {
    let made;
    let user = match &moment.user {
        User::Current(user) => sent_user(user.as_ref()),
        User::Replicated(name) => {
            made = OwnedStr::new(context, name);
            Sent::Owned(&made)
        }
    };
    let mut digits = itoa::Buffer::new();
    let at = digits.format(moment.at).as_bytes();
    context.replicate_with(command, args, (&AT, at, user));
}

fn sent_user<'a>(user: Option<&'a OwnedStr<'a>>) -> Sent<'a> {
    user.map_or(Sent::Word(&NOBODY), Sent::Owned)
}

/// An entry that a command wrote to a stream, for its replication.
pub struct Emitted<'a> {
    /// Its id.
    pub id: &'a [u8],
    /// Who made the move.
    pub user: Option<&'a OwnedStr<'a>>,
    /// When, if the machine is timed.
    pub at: Option<u64>,
    /// How many entries the stream has, if old ones were removed.
    pub left: Option<u64>,
}

/// Replicates a command as it came, with the entry that it wrote: `ENTRY`, the id and the user; the
/// moment of a timed machine; and, where old entries were removed, `LEFT` with the number of those that
/// stay. How many `MAXLEN` removes depends on a config, which a replica may have otherwise.
///
/// This is one command, without an XADD beside it, so that a replica does all of it or nothing.
pub fn replicate_with_entry(
    context: Context<'_>,
    command: &std::ffi::CStr,
    args: Args<'_>,
    emitted: &Emitted<'_>,
) {
    let user = sent_user(emitted.user);
    if emitted.at.is_none() && emitted.left.is_none() {
        return context.replicate_with(command, args, (&ENTRY, emitted.id, user));
    }
    let own = |text: &[u8]| OwnedStr::new(context, text);
    let number = |number: u64| own(itoa::Buffer::new().format(number).as_bytes());
    let id = own(emitted.id);
    let (at, left) = (emitted.at.map(number), emitted.left.map(number));
    let [at, left] = [&at, &left].map(|number| number.as_ref().map(Sent::Owned));
    let [entry, id, moment] = [Sent::Word(&ENTRY), Sent::Owned(&id), Sent::Word(&AT)];
    let limit = Sent::Word(&LEFT);
    let more: &[_] = match (at, left) {
        (Some(at), Some(left)) => &[entry, id, user, moment, at, user, limit, left],
        (Some(at), None) => &[entry, id, user, moment, at, user],
        (None, Some(left)) => &[entry, id, user, limit, left],
        (None, None) => &[entry, id, user],
    };
    context.replicate_with_more(command, args, more);
}

/// Replicates a command of version 1.0, whose arguments are told by their position, with all of
/// these and the moment.
pub fn replicate_positional(
    context: Context<'_>,
    command: &std::ffi::CStr,
    key: Str<'_>,
    rest: &[&[u8]],
    moment: &Moment<'_>,
) {
    let at = moment.at.to_string();
    let moment = [AT.bytes(), at.as_bytes(), moment.user.name()];
    context.replicate(command, key, &[rest, &moment].concat());
}

/// Replicates what a move by the rules of the old module made of a machine.
///
/// There, a move or reset without a reason keeps the last reason. The documented rules would clear
/// it, so the replicated move states the reason. A machine that knows times is replicated whole.
#[cold]
pub fn replicate_legacy(
    context: Context<'_>,
    key: Str<'_>,
    machine: &Machine,
    request: &Request<'_>,
) {
    if machine.definition().is_timed() {
        return replicate_whole(context, key, machine);
    }
    let is_plain_move = matches!(
        request,
        Request::Mutate {
            force: Force::No,
            ..
        }
    );
    let args: &[&[u8]] = &[
        machine.current_name_bytes(),
        machine.reason().as_bytes(),
        b"FORCE",
    ];
    let args = if is_plain_move { &args[..2] } else { args };
    context.replicate(c"SM.MUTATE", key, args);
}

/// Replicates a machine as its record.
fn replicate_whole(context: Context<'_>, key: Str<'_>, machine: &Machine) {
    let mut record = Vec::new();
    RecordWriter::new().write(machine, &mut record);
    context.replicate(c"SM.LOAD", key, &[&record]);
}

/// Replies to a write whose key does not exist.
///
/// # Errors
///
/// For a client the reply is nil. For a replicated or replayed write a missing key means that the
/// data have diverged. Then it is an error, and `propagation-error-behavior` decides whether the
/// server stops.
#[cold]
pub fn reply_missing_key(context: Context<'_>) -> Result<(), CommandError> {
    fail_if_replicated(context, "no such key")?;
    context.reply_null();
    Ok(())
}

/// Fails if the command was replicated or replayed, because it succeeded on the primary.
///
/// # Errors
///
/// [`CommandError::Diverged`], if the command was replicated or replayed. `why` says why it can't
/// be applied here.
#[cold]
pub fn fail_if_replicated(context: Context<'_>, why: &'static str) -> Result<(), CommandError> {
    if context.is_replicated_or_replayed() {
        let replayed = context.is_loading_aof();
        return Err(CommandError::Diverged { why, replayed });
    }
    Ok(())
}
