//! The options of the commands that change a machine: one parser for all of them.

use redis_state_core::{GivenTimer, Limits, MAX_ID_BYTES, MAX_TIME, MAX_USER_BYTES, Options};

use crate::commands::arguments::Arguments;
use crate::config;
use crate::emitted::Emitted;
use crate::errors::{CommandError, OptionProblem};
use crate::moment::{Moment, Replicated, User};
use crate::server::context::Context;
use crate::server::strings::Str;
use crate::text::parse_digits;

/// The word that introduces an option.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Word {
    To,
    State,
    Rename,
    IfState,
    IfVersion,
    Id,
    By,
    Reason,
    After,
    Due,
    Maxlen,
    /// What replication adds, each with its value as one argument: the time of a move and the user who
    /// made it,
    At,
    /// from when the next timer counts,
    From,
    /// and the entry that a stream got.
    Entry,
}

use Word::{
    After, At, By, Due, Entry, From, Id, IfState, IfVersion, Maxlen, Reason, Rename, State, To,
};

/// The options of a move.
pub const MOVE: &[Word] = &[IfState, IfVersion, Id, By, Reason, After, Due];
/// Those of a move by event.
pub const FIRE: &[Word] = &[To, IfState, IfVersion, Id, By, Reason, After, Due];
/// Those of a move by event that writes an entry,
pub const EMIT_FIRE: &[Word] = &[To, IfState, IfVersion, Id, By, Reason, After, Due, Maxlen];
/// and of any other that does.
pub const EMIT_MOVE: &[Word] = &[IfState, IfVersion, Id, By, Reason, After, Due, Maxlen];
/// Those of a new machine.
pub const NEW: &[Word] = &[State, Id, By, Reason, After, Due];
/// Those of a new definition.
pub const REDEFINE: &[Word] = &[Rename, IfState, IfVersion, Id, By, Reason, After, Due];

impl Word {
    pub fn name(self) -> &'static str {
        match self {
            To => "TO",
            State => "STATE",
            Rename => "RENAME",
            IfState => "IFSTATE",
            IfVersion => "IFVERSION",
            Id => "ID",
            By => "BY",
            Reason => "REASON",
            After => "AFTER",
            Due => "DUE",
            Maxlen => "MAXLEN",
            At => "AT",
            From => "FROM",
            Entry => "ENTRY",
        }
    }

    /// Returns the word of that name that a client can send, in upper or lower case. Few have the same
    /// length.
    #[inline]
    fn named(typed: &[u8]) -> Option<Self> {
        let of_length: &[Self] = match typed.len() {
            2 => &[Id, By, To],
            3 => &[Due],
            5 => &[After, State],
            6 => &[Reason, Rename, Maxlen],
            7 => &[IfState],
            9 => &[IfVersion],
            _ => &[],
        };
        let is = |word: &Self| typed.eq_ignore_ascii_case(word.name().as_bytes());
        of_length.iter().copied().find(is)
    }

    /// Reads an argument that replication added: the word, a space and the value.
    fn added(argument: &[u8]) -> Option<(Self, &[u8])> {
        let end = argument.iter().position(|&byte| byte == b' ')?;
        let (typed, value) = argument.split_at_checked(end)?;
        let is = |word: &Self| typed == word.name().as_bytes();
        let word = [At, From, Entry].into_iter().find(is)?;
        Some((word, value.get(1..)?))
    }
}

/// The options that were given.
#[derive(Default)]
pub struct Given<'a> {
    /// What the core knows of.
    pub options: Options<'a>,
    /// Which target of an event.
    pub to: Option<&'a [u8]>,
    /// The state of a new machine.
    pub state: Option<&'a [u8]>,
    /// Old and new names of states.
    pub renames: Vec<(&'a [u8], &'a [u8])>,
    /// When and by whom the move was made, if it was made before.
    pub moment: Option<Moment<'a>>,
    /// From when the next timer counts, if not from that moment.
    pub next_from: Option<u64>,
    /// About how many entries a stream keeps.
    pub max_entries: Option<u64>,
    /// The entry, if it was written before.
    pub entry: Option<Emitted<'a>>,
    seen: u32,
}

impl<'a> Given<'a> {
    /// Reads the options up to the end, in any order, each once.
    ///
    /// # Errors
    ///
    /// The first option that is unknown, repeated, without its value, or has a value that is not
    /// allowed.
    #[inline]
    pub fn read(
        context: Context<'_>,
        arguments: &mut Arguments<'a>,
        allowed: &'static [Word],
    ) -> Result<Self, CommandError> {
        let mut given = Self::default();
        while let Some(found) = arguments.optional() {
            given.read_one(context, arguments, allowed, found)?;
        }
        Ok(given)
    }

    fn read_one(
        &mut self,
        context: Context<'_>,
        arguments: &mut Arguments<'a>,
        allowed: &'static [Word],
        found: Str<'a>,
    ) -> Result<(), CommandError> {
        let word = Word::named(found.bytes()).filter(|word| allowed.contains(word));
        let Some(word) = word else {
            return match Word::added(found.bytes()) {
                Some((word, value)) if context.is_replicated_or_replayed() => {
                    self.read_added(context, word, value)
                }
                _ => Err(arguments.unknown(found, &expected(allowed))),
            };
        };
        self.note(word)?;
        let value = value(arguments, word)?;
        match word {
            To => self.to = Some(name(To, value)?),
            State => self.state = Some(name(State, value)?).filter(|state| !state.is_empty()),
            Rename => {
                let (old, new) = (name(Rename, value)?, self::value(arguments, word)?);
                let new = name(Rename, new)?;
                if self.renames.iter().any(|&(other, _)| other == old) {
                    return Err(problem(word, OptionProblem::RenamedTwice));
                }
                self.renames.push((old, new));
            }
            IfState => self.options.if_state = Some(name(IfState, value)?),
            IfVersion => self.options.if_version = Some(version(value)?),
            Id => self.options.id = Some(text(Id, value.bytes(), 1, MAX_ID_BYTES)?),
            By => self.options.by = text(By, value.bytes(), 0, MAX_USER_BYTES)?,
            Reason => self.options.reason = Some(reason(context, value.bytes())?),
            After => self.options.timer = Some(GivenTimer::After(number(After, value, 1)?)),
            Due => self.options.timer = Some(GivenTimer::Due(number(Due, value, 0)?)),
            Maxlen => self.max_entries = Some(number(Maxlen, value, 1)?),
            At | From | Entry => {}
        }
        Ok(())
    }

    /// Reads what replication added.
    #[inline(never)]
    fn read_added(
        &mut self,
        context: Context<'_>,
        word: Word,
        value: &'a [u8],
    ) -> Result<(), CommandError> {
        self.note(word)?;
        match word {
            At => self.read_moment(context, value)?,
            From => self.next_from = Some(digits(From.name(), value, 0, MAX_TIME)?),
            _ => {
                let entry = Emitted::read(value);
                self.entry =
                    Some(entry.ok_or_else(|| out_of_range(word.name(), value, 0, MAX_TIME))?);
            }
        }
        Ok(())
    }

    /// Reads a moment, with the texts of the options that went into it.
    fn read_moment(&mut self, context: Context<'_>, value: &'a [u8]) -> Result<(), CommandError> {
        let found = Replicated::read(value);
        let found = found.ok_or_else(|| out_of_range(At.name(), value, 0, MAX_TIME))?;
        let [user, by, why] = found.texts;
        if let Some(by) = by.filter(|by| !by.is_empty()) {
            self.note(By)?;
            self.options.by = text(By, by, 0, MAX_USER_BYTES)?;
        }
        if let Some(why) = why {
            self.note(Reason)?;
            self.options.reason = Some(reason(context, why)?);
        }
        self.moment = Some(Moment {
            at: found.at,
            user: User::Replicated(user.unwrap_or_default()),
        });
        Ok(())
    }

    /// Notes that an option is there.
    fn note(&mut self, word: Word) -> Result<(), CommandError> {
        let bit = |word: Word| 1_u32 << word as u32;
        if self.seen & bit(word) != 0 && word != Rename {
            return Err(problem(word, OptionProblem::Repeated));
        }
        self.seen |= bit(word);
        let both = bit(After) | bit(Due);
        if self.seen & both == both {
            return Err(problem(word, OptionProblem::AfterAndDue));
        }
        Ok(())
    }
}

/// Reads the moment that replication added, at the end of a command that has no other options.
///
/// # Errors
///
/// If something else is there.
pub fn trailing_moment<'a>(
    context: Context<'_>,
    arguments: &mut Arguments<'a>,
) -> Result<Option<Moment<'a>>, CommandError> {
    Ok(Given::read(context, arguments, &[])?.moment)
}

fn value<'a>(arguments: &mut Arguments<'a>, word: Word) -> Result<Str<'a>, CommandError> {
    value_of(arguments, word.name())
}

/// Takes what follows an option.
///
/// # Errors
///
/// If nothing does.
pub fn value_of<'a>(
    arguments: &mut Arguments<'a>,
    option: &'static str,
) -> Result<Str<'a>, CommandError> {
    let value = arguments.optional();
    value.ok_or_else(|| problem_of(option, OptionProblem::NoValue))
}

fn problem(word: Word, problem: OptionProblem) -> CommandError {
    problem_of(word.name(), problem)
}

/// Returns the error of an option.
pub fn problem_of(option: &'static str, problem: OptionProblem) -> CommandError {
    CommandError::Option(Box::new((option, problem)))
}

/// Lists options for people.
fn expected(allowed: &[Word]) -> String {
    let names: Vec<_> = allowed.iter().map(|word| word.name()).collect();
    match names.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        Some((last, _)) => (*last).to_owned(),
        None => "none".to_owned(),
    }
}

fn version(value: Str<'_>) -> Result<u32, CommandError> {
    number_u32(IfVersion.name(), value, 1)
}

fn number(word: Word, value: Str<'_>, min: u64) -> Result<u64, CommandError> {
    number_of(word.name(), value, min, MAX_TIME)
}

/// Reads a number of digits and nothing else.
///
/// # Errors
///
/// If it is no number of that range.
pub fn number_of(
    option: &'static str,
    value: Str<'_>,
    min: u64,
    max: u64,
) -> Result<u64, CommandError> {
    digits(option, value.bytes(), min, max)
}

fn digits(option: &'static str, value: &[u8], min: u64, max: u64) -> Result<u64, CommandError> {
    let number = parse_digits(value).filter(|number| (min..=max).contains(number));
    number.ok_or_else(|| out_of_range(option, value, min, max))
}

fn out_of_range(option: &'static str, value: &[u8], min: u64, max: u64) -> CommandError {
    let found = crate::text::quoted(value);
    problem_of(option, OptionProblem::Number { found, min, max })
}

/// Returns the name of a state, which is text in every document.
fn name<'a>(word: Word, value: Str<'a>) -> Result<&'a [u8], CommandError> {
    text(word, value.bytes(), 0, usize::MAX).map(str::as_bytes)
}

fn text(word: Word, value: &[u8], min: usize, max: usize) -> Result<&str, CommandError> {
    let found = value.len();
    if !(min..=max).contains(&found) {
        return Err(problem(word, OptionProblem::Length { found, min, max }));
    }
    text_of(word.name(), value)
}

/// Reads a text of any length.
///
/// # Errors
///
/// If it is not UTF-8.
pub fn text_of<'a>(option: &'static str, value: &'a [u8]) -> Result<&'a str, CommandError> {
    let text = std::str::from_utf8(value);
    text.map_err(|error| problem_of(option, OptionProblem::NotText(error.valid_up_to())))
}

/// Returns a reason as text. It has to be text because SM.GET writes it into a document.
///
/// # Errors
///
/// If it is not UTF-8 or too long.
pub fn reason<'a>(context: Context<'_>, reason: &'a [u8]) -> Result<&'a str, CommandError> {
    let text = std::str::from_utf8(reason);
    let text = text.map_err(|error| CommandError::ReasonNotText(error.valid_up_to()))?;
    if let Err(limit) = config::limits().allow_reason(reason.len())
        && !context.is_exempt_from_limits()
    {
        return Err(limit.into());
    }
    // What can't be stored is refused whoever sends it.
    Limits::NONE.allow_reason(reason.len())?;
    Ok(text)
}

/// Reads how long to wait, in ms.
///
/// # Errors
///
/// If it is no number.
pub fn milliseconds(value: Str<'_>) -> Result<u64, CommandError> {
    number_of("ms", value, 0, MAX_TIME)
}

/// Reads how many entries are wanted, behind `COUNT`.
///
/// # Errors
///
/// If no number of at least 1 is there.
pub fn count(arguments: &mut Arguments<'_>) -> Result<u32, CommandError> {
    number_behind(arguments, "COUNT", 1)
}

/// Reads the revision of a definition, behind `REVISION`.
///
/// # Errors
///
/// If no number that a revision can be is there.
pub fn revision(arguments: &mut Arguments<'_>) -> Result<u32, CommandError> {
    number_behind(arguments, "REVISION", 0)
}

fn number_behind(
    arguments: &mut Arguments<'_>,
    option: &'static str,
    min: u32,
) -> Result<u32, CommandError> {
    number_u32(option, value_of(arguments, option)?, min)
}

fn number_u32(option: &'static str, value: Str<'_>, min: u32) -> Result<u32, CommandError> {
    let number = number_of(option, value, min.into(), u32::MAX.into())?;
    Ok(u32::try_from(number).unwrap_or(u32::MAX))
}
