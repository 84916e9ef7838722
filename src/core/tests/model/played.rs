//! Asks a machine what the model of its life is asked, and compares all that can be read of both.

use redis_state_core::{
    Checked, Context, GivenTimer, HistoryEntry, Machine, MoveError, Options, RecordWriter, Request,
};

use super::life::{Answer, Ask, Entry, Given, Life, With};

/// What came of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    pub answer: Answer,
    /// Where something changed: the time of the change, if the machine knows times after it.
    pub changed: Option<Option<u64>>,
}

/// Returns the self-contained record of a machine.
pub fn alone(machine: &Machine) -> Vec<u8> {
    let mut record = Vec::new();
    RecordWriter::new().write(machine, &mut record);
    record
}

pub fn options(with: &With) -> Options<'_> {
    Options {
        if_state: with.if_state.as_ref().map(String::as_bytes),
        if_version: with.if_version,
        id: with.id.as_deref(),
        by: &with.by,
        reason: with.reason.as_deref(),
        timer: with.timer.map(|timer| match timer {
            Given::After(ms) => GivenTimer::After(ms),
            Given::Due(due) => GivenTimer::Due(due),
        }),
    }
}

pub fn context(with: &With) -> Context<'_> {
    Context {
        now: with.now,
        user: &with.user,
        replayed: with.replayed,
    }
}

/// Returns the word for an error.
pub fn error(why: &MoveError) -> &'static str {
    match why {
        MoveError::Ambiguous { .. } => "ambiguous",
        MoveError::IdReused => "id reused",
        MoveError::NoTimer(_) => "no timer",
        MoveError::StateLost(_) => "state lost",
        MoveError::UnknownRename(_) => "unknown rename",
    }
}

/// Asks a machine. `new` is a machine of the definition of a redefinition.
pub fn ask(machine: &mut Machine, ask: &Ask, new: Option<&Machine>, with: &With) -> Told {
    let mut renames: Vec<(&[u8], &[u8])> = Vec::new();
    let request = match ask {
        Ask::Fire { event, to } => Request::Fire {
            event: event.as_bytes(),
            to: to.as_ref().map(String::as_bytes),
        },
        Ask::Move(to) => Request::Move(to.as_bytes()),
        Ask::Force(to) => Request::Force(to.as_bytes()),
        Ask::Mutate { to, force, rules } => Request::Mutate {
            to: to.as_bytes(),
            force: *force,
            rules: *rules,
        },
        Ask::Reset(rules) => Request::Reset(*rules),
        Ask::Timeout { next_from } => Request::Timeout {
            next_from: *next_from,
        },
        Ask::New => Request::New,
        Ask::Redefine { renames: all, .. } => {
            renames.extend(
                all.iter()
                    .map(|(old, new)| (old.as_bytes(), new.as_bytes())),
            );
            Request::Redefine {
                to: new.expect("a redefinition has a definition"),
                renames: &renames,
            }
        }
    };
    give(machine, request, with)
}

/// Makes a request in its two steps; where it may go the short way, that way too.
fn give(machine: &mut Machine, request: Request<'_>, with: &With) -> Told {
    let mut copy = machine.clone();
    let plain = plain(&mut copy, request, &options(with));
    let told = check_and_apply(machine, request, with);
    if let Some(plain) = plain {
        assert_eq!(plain, told.answer);
        assert_eq!(alone(&copy), alone(machine));
    }
    told
}

/// Makes a move the short way, if it may.
fn plain(machine: &mut Machine, request: Request<'_>, options: &Options<'_>) -> Option<Answer> {
    let only_reason = Options {
        reason: options.reason,
        ..Options::default()
    };
    let is_move = !matches!(
        request,
        Request::Timeout { .. } | Request::New | Request::Redefine { .. }
    );
    if machine.definition().is_timed() || *options != only_reason || !is_move {
        return None;
    }
    let made = machine.make_plain_move(request, options.reason);
    let answer = made.map_err(|why| error(&why)).map(|outcome| {
        let state = machine.current_name().to_owned();
        (outcome.as_str(), state, machine.version())
    });
    Some(answer)
}

fn check_and_apply(machine: &mut Machine, request: Request<'_>, with: &With) -> Told {
    let before = alone(machine);
    let (options, context) = (options(with), context(with));
    let (verdict, changed) = match machine.check(request, &options, &context) {
        Err(why) => {
            let answer = Err(error(&why));
            return Told {
                answer,
                changed: None,
            };
        }
        Ok(Checked::Answer(verdict)) => (verdict, None),
        Ok(Checked::Go(planned)) => {
            let at = planned.is_timed().then(|| planned.at());
            // Nothing has happened so far.
            assert_eq!(alone(machine), before);
            let (target, version) = (planned.target(), machine.next_version());
            let outcome = machine.apply(&planned).outcome;
            // What was foretold of the move, to be written elsewhere before it was made, is so.
            if let Some(target) = target {
                assert_eq!((machine.current(), machine.version()), (target, version));
            }
            (machine.verdict(outcome), Some(at))
        }
    };
    let state = String::from_utf8(verdict.state.to_vec()).expect("names are text");
    Told {
        answer: Ok((verdict.outcome.as_str(), state, verdict.version)),
        changed,
    }
}

/// Returns an entry of a history as the model has it.
pub fn shown(entry: HistoryEntry<'_>) -> Entry {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("names are text");
    Entry {
        version: entry.version,
        at: entry.at,
        kind: entry.kind.as_str(),
        from: entry.from.map(text),
        event: text(entry.event),
        to: text(entry.to),
        user: entry.user.to_vec(),
        by: entry.by.to_owned(),
        reason: entry.reason.to_owned(),
        id: entry.id.to_owned(),
    }
}

/// Returns the bytes of the history of a machine.
fn history_bytes(machine: &Machine) -> usize {
    machine.digest_parts(|parts| parts[6].len())
}

impl Life {
    /// Panics unless all that can be read of the machine is this one's, but for its document. `tokens`
    /// are IDs that it may know.
    pub fn assert_is(&mut self, machine: &Machine, tokens: &[String]) {
        assert_eq!(machine.current_name(), self.model.current);
        assert_eq!(machine.version(), self.version);
        assert_eq!(machine.reason(), self.model.reason);
        assert_eq!(machine.since(), self.since);
        let due = machine.deadline();
        assert_eq!(due.map(|due| (due.at, due.is_given)), self.due);
        for token in tokens
            .iter()
            .chain(self.ids.iter().map(|known| &known.token))
        {
            let known = self.ids.iter().find(|known| known.token == *token);
            let known = known.map(|known| (known.state.as_bytes(), known.version));
            assert_eq!(machine.known_id(token), known);
        }
        let mut entries: Vec<Entry> = machine.history().map(shown).collect();
        entries.reverse();
        assert_eq!(machine.history_count(), entries.len());
        if entries.len() < self.history.len() {
            // The oldest gave way to the limit of 64 KiB.
            let bytes = history_bytes(machine);
            assert!(bytes > 60_000, "{bytes} bytes in {} entries", entries.len());
            let surplus = self.history.len() - entries.len();
            self.history.drain(..surplus);
        }
        assert_eq!(entries, self.history);
    }
}
