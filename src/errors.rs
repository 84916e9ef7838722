//! Every error that a client can get, and its text.

use std::fmt;

use redis_state_core::{DocumentError, Limit, MoveError, RecordError};

use crate::config;
use crate::server::key::WrongType;
use crate::server::stream::StreamError;
use crate::text::quoted;

/// Why a command was refused.
///
/// Large payloads are boxed so that `Result<(), CommandError>` stays small: every command returns
/// one, nearly always `Ok`.
#[derive(Debug)]
pub enum CommandError {
    /// The wrong number of arguments. The server has the text of this error.
    WrongArity,
    /// The key holds a value of another type.
    WrongType,
    /// The document is not a machine.
    Document(Box<DocumentError>),
    /// A reason exceeds its limit.
    Limit(Box<Limit>),
    /// An option that the command does not have.
    UnknownOption(Box<UnknownOption>),
    /// A reason that is not text, with the offset of the first bad byte.
    ReasonNotText(usize),
    /// A move with a reason while the server is over `maxmemory`.
    OutOfMemory,
    /// A replicated or replayed move or reset that can't be done here.
    Diverged {
        /// The reason.
        why: &'static str,
        /// Whether the command comes from an append-only file, and not from the primary.
        replayed: bool,
    },
    /// A request that is wrong as such.
    Move(Box<MoveError>),
    /// The name of an option, and what is wrong with it.
    Option(Box<(&'static str, OptionProblem)>),
    /// A stream that takes no entry.
    Stream(StreamError),
    /// More clients than this wait already.
    Waiters(usize),
    /// The server's own error, its code included.
    OfServer(Box<str>),
    /// A client sent a record.
    LoadFromClient,
    /// A record that is not a machine.
    Record(Box<RecordError>),
    /// A move that is not allowed, in the words of the old module.
    EdgeTransition,
    /// An unknown option, in the words of the old module.
    EdgeOption,
    /// A panic in this command.
    Bug(&'static str),
}

/// An option that a command does not have.
#[derive(Debug)]
pub struct UnknownOption {
    /// The argument that was found, in quotes.
    pub found: String,
    /// The command.
    pub command: &'static str,
    /// The options that the command takes at this position.
    pub expected: String,
}

/// What is wrong with an option.
#[derive(Debug)]
pub enum OptionProblem {
    /// It is there twice.
    Repeated,
    /// It renames a state that another one renames.
    RenamedTwice,
    /// Nothing follows it.
    NoValue,
    /// It says something only beside this option.
    Needs(&'static str),
    /// Two options say when a timer is due.
    AfterAndDue,
    /// Its value is no number of the allowed range.
    Number {
        /// The value, in quotes.
        found: String,
        /// The least allowed.
        min: u64,
        /// The greatest allowed.
        max: u64,
    },
    /// Its text is too long or too short.
    Length {
        /// The bytes of the text.
        found: usize,
        /// The fewest allowed.
        min: usize,
        /// The most allowed.
        max: usize,
    },
    /// Its text is not UTF-8. The offset is that of the first bad byte.
    NotText(usize),
}

impl fmt::Display for OptionProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Repeated => write!(f, "option given twice"),
            Self::RenamedTwice => write!(f, "state renamed twice"),
            Self::NoValue => write!(f, "there is no value after it"),
            Self::Needs(other) => write!(f, "expected {other} beside it"),
            Self::AfterAndDue => write!(f, "expected only one of AFTER and DUE"),
            Self::Number { found, min, max } => {
                write!(
                    f,
                    "expected a whole number from {min} to {max}, found {found}"
                )
            }
            Self::Length { found, min, max } => {
                write!(f, "expected {min} to {max} bytes, found {found} bytes")
            }
            Self::NotText(at) => write!(f, "text is not UTF-8 at byte {at}"),
        }
    }
}

impl CommandError {
    /// Returns the word that an error reply begins with; empty for the old module's errors, which
    /// have none, and for the server's, which have it in their text.
    pub fn code(&self) -> &'static str {
        match self {
            Self::WrongType | Self::Stream(StreamError::WrongType) => "WRONGTYPE",
            Self::OutOfMemory => "OOM",
            Self::EdgeTransition | Self::EdgeOption | Self::OfServer(_) => "",
            _ => "ERR",
        }
    }

    /// Returns the limit that was exceeded, if that is the error.
    pub fn limit(&self) -> Option<&Limit> {
        match self {
            Self::Document(why) => why.limit(),
            Self::Limit(limit) => Some(limit),
            _ => None,
        }
    }

    /// Returns the error's text without any name or text that the client sent, for logs that must
    /// not show user data.
    pub fn redacted(&self) -> String {
        match self {
            Self::Document(why) => format!("invalid machine: {}", redacted_document_text(why)),
            Self::UnknownOption(unknown) => {
                let UnknownOption {
                    command, expected, ..
                } = &**unknown;
                format!("unknown option for {command}: expected {expected}")
            }
            Self::Move(why) => why.to_string(),
            Self::Option(option) => match option.1 {
                OptionProblem::Number { min, max, .. } => {
                    format!("{}: expected a whole number from {min} to {max}", option.0)
                }
                _ => self.to_string(),
            },
            _ => self.to_string(),
        }
    }
}

/// Writes the text that follows the [code](CommandError::code) in a reply.
impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WrongArity => write!(f, "wrong number of arguments"),
            Self::WrongType => write!(f, "{WRONG_TYPE}"),
            Self::Document(why) => write!(f, "invalid machine: {}", document_text(why)),
            Self::Limit(limit) => write!(f, "{limit} ({})", config::limit_name(limit.kind())),
            Self::UnknownOption(unknown) => {
                let UnknownOption {
                    found,
                    command,
                    expected,
                } = &**unknown;
                write!(
                    f,
                    "unknown option {found} for {command}: expected {expected}"
                )
            }
            Self::ReasonNotText(at) => write!(f, "invalid reason: not UTF-8 at byte {at}"),
            Self::OutOfMemory => {
                write!(f, "command not allowed when used memory > 'maxmemory'.")
            }
            Self::Diverged {
                why,
                replayed: false,
            } => {
                write!(f, "{why}, although the command succeeded on the primary")
            }
            Self::Diverged {
                why,
                replayed: true,
            } => write!(
                f,
                "{why}, although the command succeeded when the file was written"
            ),
            Self::Move(why) => write!(f, "{}", move_text(why)),
            Self::Option(option) => write!(f, "{}: {}", option.0, option.1),
            Self::Stream(why) => write!(f, "{}", stream_text(*why)),
            Self::Waiters(most) => write!(
                f,
                "{most} clients are waiting by SM.WAIT, and no more may (redisstate.max-waiters)"
            ),
            Self::OfServer(text) => write!(f, "{text}"),
            Self::LoadFromClient => write!(
                f,
                "SM.LOAD is for replication and append-only files, use RESTORE"
            ),
            Self::Record(why) => write!(f, "invalid record: {why}"),
            Self::EdgeTransition => write!(f, "Invaild state transition"),
            Self::EdgeOption => write!(f, "Invaild command option"),
            Self::Bug(command) => write!(
                f,
                "{command} failed by a bug in the module redisstate and may be incomplete; \
                 the server's log says where"
            ),
        }
    }
}

/// The server's own text.
const WRONG_TYPE: &str = "Operation against a key holding the wrong kind of value";

/// Returns why a stream takes no entry.
fn stream_text(why: StreamError) -> &'static str {
    match why {
        StreamError::WrongType => WRONG_TYPE,
        StreamError::Full => {
            "the stream's last id is the greatest possible, it takes no more entries"
        }
        StreamError::IdTooSmall => "the stream has an entry with that id or a greater one",
        StreamError::TooLarge => "the entry is too large for a stream",
        StreamError::Interference => "another module has changed the machine meanwhile",
    }
}

/// Returns what is wrong with a request, with the names in it.
fn move_text(why: &MoveError) -> String {
    match why {
        MoveError::Ambiguous { targets, count } => {
            let named: Vec<_> = targets.iter().map(|name| quoted(name)).collect();
            let more = if *count > targets.len() { ", ..." } else { "" };
            format!("{why}, name one with TO: {}{more}", named.join(", "))
        }
        MoveError::NoTimer(state) => {
            let state = quoted(state);
            format!("the state {state} has no timer in the definition, leave out AFTER and DUE")
        }
        MoveError::StateLost(state) => {
            let state = quoted(state);
            format!("the new definition has no state {state}, name another with RENAME")
        }
        MoveError::UnknownRename(state) => {
            format!("RENAME: the new definition has no state {}", quoted(state))
        }
        MoveError::IdReused => why.to_string(),
    }
}

/// Returns the text of a document's error. If the document exceeds a limit, the text names the
/// config.
pub fn document_text(why: &DocumentError) -> String {
    match why.limit() {
        Some(limit) => format!("{why} ({})", config::limit_name(limit.kind())),
        None => why.to_string(),
    }
}

/// Returns the text of a document's error without any name or text of the document.
pub fn redacted_document_text(why: &DocumentError) -> String {
    match why.limit() {
        Some(_) => document_text(why),
        None => why.redacted().to_string(),
    }
}

impl From<DocumentError> for CommandError {
    fn from(why: DocumentError) -> Self {
        Self::Document(Box::new(why))
    }
}

impl From<Limit> for CommandError {
    fn from(limit: Limit) -> Self {
        Self::Limit(Box::new(limit))
    }
}

impl From<MoveError> for CommandError {
    fn from(why: MoveError) -> Self {
        Self::Move(Box::new(why))
    }
}

impl From<RecordError> for CommandError {
    fn from(why: RecordError) -> Self {
        Self::Record(Box::new(why))
    }
}

impl From<StreamError> for CommandError {
    fn from(why: StreamError) -> Self {
        Self::Stream(why)
    }
}

impl From<WrongType> for CommandError {
    fn from(WrongType: WrongType) -> Self {
        Self::WrongType
    }
}
