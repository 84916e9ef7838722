//! What is asked of a machine, and what is answered.

use std::fmt;

use super::Machine;
use super::times::MAX_TIME;
use crate::rules::Rules;

/// Whether a move may go without a transition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Force {
    /// The definition has to have the transition.
    No,
    /// Any state that the rules know will do.
    Yes,
}

/// A move that is asked of a machine.
#[derive(Debug, Clone, Copy)]
pub enum Request<'r> {
    /// The transition of an event; `""` is the moves without a name.
    Fire {
        /// The event.
        event: &'r [u8],
        /// Which of its targets.
        to: Option<&'r [u8]>,
    },
    /// Any transition that leads to this state.
    Move(&'r [u8]),
    /// To this state, with or without a transition.
    Force(&'r [u8]),
    /// As `SM.MUTATE` asks for it. A move without a reason keeps the old one by [`Rules::Legacy`].
    Mutate {
        /// The state.
        to: &'r [u8],
        /// Whether it needs a transition.
        force: Force,
        /// The rules of the caller.
        rules: Rules,
    },
    /// Back to the initial state. By [`Rules::Legacy`] the reason stays.
    Reset(Rules),
    /// The timer's move.
    Timeout {
        /// From when the next deadline counts; `None`: from this one.
        next_from: Option<u64>,
    },
    /// `SM.NEW` where a machine is already.
    New,
    /// Another definition: that of the given machine, of which nothing else matters.
    Redefine {
        /// A machine of the new definition.
        to: &'r Machine,
        /// Old and new names of states that have another name there. Of several for one state the
        /// first counts.
        renames: &'r [(&'r [u8], &'r [u8])],
    },
}

/// The timer that a move gives the state that it enters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GivenTimer {
    /// So many ms after the move.
    After(u64),
    /// At this moment, in ms since 1970.
    Due(u64),
}

impl GivenTimer {
    /// Returns when it is due if the move is made at `at`. Not before that.
    pub(super) fn due(self, at: u64) -> u64 {
        let due = match self {
            Self::After(ms) => at.saturating_add(ms),
            Self::Due(moment) => moment.max(at),
        };
        due.min(MAX_TIME)
    }
}

/// What a request is given beside the move itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Options<'r> {
    /// The move is made only from this state,
    pub if_state: Option<&'r [u8]>,
    /// and only at this version.
    pub if_version: Option<u32>,
    /// By this ID, of 1 to [`MAX_ID_BYTES`](super::MAX_ID_BYTES) bytes, the request is known if it
    /// comes again.
    pub id: Option<&'r str>,
    /// Whom the caller acts for.
    pub by: &'r str,
    /// Why.
    pub reason: Option<&'r str>,
    /// The timer of the state that is entered.
    pub timer: Option<GivenTimer>,
}

impl Options<'_> {
    /// Returns whether any of these has to be stored, so that the move needs memory.
    pub fn need_memory(&self) -> bool {
        self.id.is_some()
            || !self.by.is_empty()
            || self.reason.is_some_and(|reason| !reason.is_empty())
            || self.timer.is_some()
    }
}

/// Where and when a request is made.
#[derive(Debug, Clone, Copy, Default)]
pub struct Context<'r> {
    /// The primary's clock, in ms since 1970. Matters to timed machines only.
    pub now: u64,
    /// The ACL user of the connection.
    pub user: &'r [u8],
    /// Whether the request was done before, elsewhere or by an earlier process: then no condition
    /// and no ID stops it.
    pub replayed: bool,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The machine moved.
    Moved,
    /// There is no such move.
    Refused,
    /// The machine is not in the state or at the version that the caller expected.
    Conflict,
    /// The request was done before; state and version are those of then.
    Repeated,
    /// A machine was made.
    Created,
    /// There was one already.
    Exists,
    /// The machine has another definition.
    Redefined,
    /// A timer deletes the machine. State and version are its last.
    Deleted,
    /// A reset of a machine that was as it would be.
    Unchanged,
    /// The machine is in a state that somebody waited for.
    Reached,
    /// Somebody waited, and it isn't.
    Waited,
}

impl Outcome {
    /// Returns the word that a client reads.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Moved | Self::Unchanged => "moved",
            Self::Refused => "refused",
            Self::Conflict => "conflict",
            Self::Repeated => "repeated",
            Self::Created => "created",
            Self::Exists => "exists",
            Self::Redefined => "redefined",
            Self::Deleted => "deleted",
            Self::Reached => "reached",
            Self::Waited => "waited",
        }
    }
}

/// The answer to a request: what happened, and where the machine is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict<'m> {
    /// What happened.
    pub outcome: Outcome,
    /// The name of the state.
    pub state: &'m [u8],
    /// The version.
    pub version: u32,
}

/// How many targets an error names.
const TARGETS_NAMED: usize = 16;

/// Why a request can't be answered by a verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MoveError {
    /// The event leads to several states, and the request names none.
    Ambiguous {
        /// The first of them.
        targets: Vec<Box<[u8]>>,
        /// How many there are.
        count: usize,
    },
    /// The ID belongs to another request.
    IdReused,
    /// A timer was given for a state that has none.
    NoTimer(Box<[u8]>),
    /// The new definition lacks the current state.
    StateLost(Box<[u8]>),
    /// The new definition lacks a state that another one is renamed to.
    UnknownRename(Box<[u8]>),
}

impl MoveError {
    pub(super) fn ambiguous<'n>(targets: impl Iterator<Item = &'n [u8]>) -> Self {
        let mut named: Vec<Box<[u8]>> = Vec::new();
        let mut count = 0;
        for target in targets {
            count += 1;
            if named.len() < TARGETS_NAMED {
                named.push(target.into());
            }
        }
        Self::Ambiguous {
            targets: named,
            count,
        }
    }
}

impl fmt::Display for MoveError {
    /// Names no state: what the client sent and how it is quoted is the caller's business.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ambiguous { count, .. } => write!(f, "the event leads to {count} states"),
            Self::IdReused => write!(f, "this ID was used for another move"),
            Self::NoTimer(_) => write!(f, "the state has no timer in the definition"),
            Self::StateLost(_) => write!(f, "the new definition lacks the current state"),
            Self::UnknownRename(_) => write!(f, "the new definition lacks a state of RENAME"),
        }
    }
}

impl std::error::Error for MoveError {}
