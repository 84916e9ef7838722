//! Every error that a client can meet, in the words it is sent: their one home.

use std::fmt;

use redis_state_core::{DocumentError, Limit, LimitKind};

/// Why a command was refused.
///
/// What is large is boxed: every command returns one of these or nothing, and nothing should be
/// cheap to return.
#[derive(Debug)]
pub enum CommandError {
    /// Too many arguments. The server words this one.
    WrongArity,
    /// The key holds something else.
    WrongType,
    /// The document is not a machine.
    Document(Box<DocumentError>),
    /// A limit that is not the document's.
    Limit(Box<Limit>),
    /// An option that the command does not have.
    UnknownOption(Box<UnknownOption>),
    /// A reason that is not text, with the offset of the first bad byte.
    ReasonNotText(usize),
    /// A reason, while the server is over `maxmemory`.
    OutOfMemory,
    /// A move or reset that has happened elsewhere and can't be repeated here.
    Diverged(&'static str),
    /// A move that is not allowed, in the words of the old module.
    EdgeTransition,
    /// An unknown option, in the words of the old module.
    EdgeOption,
    /// A panic.
    Bug(&'static str),
}

/// An option that a command does not have.
#[derive(Debug)]
pub struct UnknownOption {
    /// What was given, in quotes.
    pub found: String,
    /// The command.
    pub command: &'static str,
    /// What it takes there.
    pub expected: &'static str,
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WrongArity => write!(f, "ERR wrong number of arguments"),
            Self::WrongType => {
                write!(
                    f,
                    "WRONGTYPE Operation against a key holding the wrong kind of value"
                )
            }
            Self::Document(why) => write!(f, "ERR invalid machine: {}", with_config(why)),
            Self::Limit(limit) => write!(f, "ERR {limit} ({})", config_of(limit.kind())),
            Self::UnknownOption(unknown) => {
                let UnknownOption {
                    found,
                    command,
                    expected,
                } = &**unknown;
                write!(
                    f,
                    "ERR unknown option {found} for {command}: expected {expected}"
                )
            }
            Self::ReasonNotText(at) => write!(f, "ERR invalid reason: not UTF-8 at byte {at}"),
            Self::OutOfMemory => {
                write!(f, "OOM command not allowed when used memory > 'maxmemory'.")
            }
            Self::Diverged(why) => write!(f, "ERR {why}, unlike where this was done"),
            Self::EdgeTransition => write!(f, "Invaild state transition"),
            Self::EdgeOption => write!(f, "Invaild command option"),
            Self::Bug(command) => write!(
                f,
                "ERR {command} failed by a bug in the module redisstate and may be incomplete; \
                 the server's log says where"
            ),
        }
    }
}

/// Words the error of a document, with the config that a limit comes from.
pub fn with_config(why: &DocumentError) -> String {
    match why.limit() {
        Some(limit) => format!("{why} ({})", config_of(limit.kind())),
        None => why.to_string(),
    }
}

fn config_of(kind: LimitKind) -> &'static str {
    match kind {
        LimitKind::DocumentBytes => "redisstate.max-document-bytes",
        LimitKind::States => "redisstate.max-states",
        LimitKind::Transitions => "redisstate.max-transitions",
        LimitKind::ReasonBytes => "redisstate.max-reason-bytes",
    }
}

impl From<DocumentError> for CommandError {
    fn from(why: DocumentError) -> Self {
        if why.limit().is_some() {
            crate::stats::count(&crate::stats::LIMITS_HIT);
        }
        Self::Document(Box::new(why))
    }
}

impl From<Limit> for CommandError {
    fn from(limit: Limit) -> Self {
        crate::stats::count(&crate::stats::LIMITS_HIT);
        Self::Limit(Box::new(limit))
    }
}
