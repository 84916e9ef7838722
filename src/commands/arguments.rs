//! The arguments of a command, taken one after the other.

use redis_state_core::Rules;

use crate::config;
use crate::errors::{CommandError, UnknownOption};
use crate::server::strings::{Args, Str};
use crate::text::quoted;

/// The arguments after the command's name that were not taken yet.
pub struct Arguments<'a> {
    args: Args<'a>,
    next: usize,
    command: &'static str,
    is_frozen: bool,
}

impl<'a> Arguments<'a> {
    #[inline]
    pub fn new(args: Args<'a>, command: &'static str, is_frozen: bool) -> Self {
        Self {
            args,
            next: 1,
            command,
            is_frozen,
        }
    }

    /// Takes the next argument, if there is one.
    #[inline]
    pub fn optional(&mut self) -> Option<Str<'a>> {
        let argument = self.args.get(self.next);
        self.next += 1;
        argument
    }

    /// Returns the next argument without taking it.
    pub fn peek(&self) -> Option<Str<'a>> {
        self.args.get(self.next)
    }

    /// Returns whether all arguments were taken.
    #[inline]
    pub fn is_at_end(&self) -> bool {
        self.next >= self.args.len()
    }

    /// Takes the next argument.
    ///
    /// # Errors
    ///
    /// If there is none.
    #[inline]
    pub fn required(&mut self) -> Result<Str<'a>, CommandError> {
        self.optional().ok_or(CommandError::WrongArity)
    }

    /// Returns the arguments, the command's name included.
    #[inline]
    pub fn all(&self) -> Args<'a> {
        self.args
    }

    /// Takes the word `option`, in upper or lower case. Returns whether it is there.
    ///
    /// # Errors
    ///
    /// If another argument is there.
    #[inline]
    pub fn flag(&mut self, option: &'static str) -> Result<bool, CommandError> {
        match self.optional() {
            None => Ok(false),
            Some(found) if found.is_word(option) => Ok(true),
            Some(found) => Err(self.unknown(found, option)),
        }
    }

    /// Takes one of `words`, in upper or lower case, and returns its value. `expected` lists the
    /// words for the error.
    ///
    /// # Errors
    ///
    /// If there is no argument, or another one.
    pub fn one_of<T: Copy>(
        &mut self,
        words: &[(&str, T)],
        expected: &'static str,
    ) -> Result<T, CommandError> {
        let found = self.required()?;
        let chosen = words.iter().find(|(word, _)| found.is_word(word));
        chosen
            .map(|&(_, value)| value)
            .ok_or_else(|| self.unknown(found, expected))
    }

    /// Returns the error for an argument that is none of those expected.
    #[cold]
    pub fn unknown(&self, found: Str<'_>, expected: &str) -> CommandError {
        if self.is_frozen && config::rules() == Rules::Legacy {
            return CommandError::EdgeOption;
        }
        CommandError::UnknownOption(Box::new(UnknownOption {
            found: quoted(found.bytes()),
            command: self.command,
            expected: expected.to_owned(),
        }))
    }
}
