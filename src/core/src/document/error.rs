//! What can be wrong with a document, and where.

use std::borrow::Cow;
use std::fmt;

use crate::limits::Limit;

/// A document that is not a machine: the place, and what is wrong there.
///
/// Its message shows names and values of the document, escaped and cut.
/// [`redacted`](Self::redacted) is the message without them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentError(Kind);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    /// Not JSON at all: the byte offset, and why.
    Syntax(usize, Cow<'static, str>),
    /// JSON, but with something wrong at some place.
    Shape(Place, Problem),
    /// Larger than a limit allows.
    Limit(Limit),
    /// Larger than the format can hold.
    Format(&'static str),
}

impl DocumentError {
    /// Returns the limit that the document exceeds, if that is what is wrong with it.
    pub fn limit(&self) -> Option<&Limit> {
        match &self.0 {
            Kind::Limit(limit) => Some(limit),
            _ => None,
        }
    }

    /// Returns the message without any name, value or text of the document, for the logs of servers
    /// that hide their users' data. It still says what kind of thing is wrong, and where by position:
    /// `map, entry 3, target 1: expected a string, found a number`.
    pub fn redacted(&self) -> impl fmt::Display + '_ {
        Message(self, Names::Hidden)
    }

    /// Makes the error of bytes that are not JSON from the offset `at` on.
    pub(super) fn syntax(at: usize, why: impl Into<Cow<'static, str>>) -> Self {
        Self(Kind::Syntax(at, why.into()))
    }

    pub(super) fn at(place: Place, problem: Problem) -> Self {
        Self(Kind::Shape(place, problem))
    }

    /// Makes the error of a document that the format cannot hold.
    pub(crate) fn format(what: &'static str) -> Self {
        Self(Kind::Format(what))
    }
}

impl From<Limit> for DocumentError {
    fn from(limit: Limit) -> Self {
        Self(Kind::Limit(limit))
    }
}

impl fmt::Display for DocumentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Message(self, Names::Shown).fmt(f)
    }
}

impl std::error::Error for DocumentError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.limit().map(|limit| limit as _)
    }
}

/// Whether a message shows what the document's author wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Names {
    Shown,
    Hidden,
}

struct Message<'a>(&'a DocumentError, Names);

impl fmt::Display for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(error, names) = *self;
        match &error.0 {
            Kind::Syntax(at, why) => write!(f, "not JSON at byte {at}: {why}"),
            Kind::Shape(place, problem) => {
                place.write(f, names)?;
                f.write_str(": ")?;
                problem.write(f, names)
            }
            Kind::Limit(limit) => write!(f, "{limit}"),
            Kind::Format(what) => f.write_str(what),
        }
    }
}

/// A place in a document: a field and steps from there. Shown as a path, `map.bar[1]`; hidden as
/// positions, `map, entry 3, target 2`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// The field, or `document`.
    field: &'static str,
    steps: Vec<Step>,
}

/// One step of a path. Positions count from zero.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    /// A state's entry.
    Entry(Excerpt, usize),
    /// An event of such an entry, or of `any`.
    Event(Excerpt, usize),
    /// A target of a list.
    Target(usize),
    /// A part of a timer.
    Part(&'static str),
}

impl Place {
    /// Makes the place of the whole document.
    pub(super) fn document() -> Self {
        Self::field("document")
    }

    pub(super) fn field(field: &'static str) -> Self {
        let steps = Vec::new();
        Self { field, steps }
    }

    pub(super) fn entry(self, key: &str, position: usize) -> Self {
        self.step(Step::Entry(Excerpt::of(key), position))
    }

    pub(super) fn event(self, name: &str, position: usize) -> Self {
        self.step(Step::Event(Excerpt::of(name), position))
    }

    pub(super) fn target(self, position: usize) -> Self {
        self.step(Step::Target(position))
    }

    pub(super) fn part(self, name: &'static str) -> Self {
        self.step(Step::Part(name))
    }

    fn step(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, names: Names) -> fmt::Result {
        f.write_str(self.field)?;
        let mut steps = self.steps.iter();
        steps.try_for_each(|step| match names {
            Names::Shown => step.show(f),
            Names::Hidden => step.count(f),
        })
    }
}

impl Step {
    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Entry(name, _) | Self::Event(name, _) => name.write_step(f),
            Self::Target(at) => write!(f, "[{at}]"),
            Self::Part(name) => write!(f, ".{name}"),
        }
    }

    fn count(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Entry(_, at) => write!(f, ", entry {}", at + 1),
            Self::Event(_, at) => write!(f, ", event {}", at + 1),
            Self::Target(at) => write!(f, ", target {}", at + 1),
            Self::Part(name) => write!(f, ", {name}"),
        }
    }
}

/// What is wrong at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Problem {
    /// Another type of value than `expected`.
    WrongType {
        expected: &'static str,
        found: Found,
    },
    Missing {
        expected: &'static str,
    },
    FieldTwice,
    KeyTwice,
    /// A target that an event's list has had before.
    TargetTwice,
    /// An event of `any` without a name.
    Nameless,
    /// An event of `any` that leads nowhere.
    NoTarget,
    /// A text of another length than it may have.
    Length {
        expected: &'static str,
        found: usize,
    },
    /// A revision without a name.
    RevisionAlone,
    UnknownField {
        name: Excerpt,
        expected: &'static str,
    },
    /// The argument for the current state is no text.
    ArgumentNotText,
    /// A current state that the document doesn't have otherwise.
    UnknownState {
        name: Excerpt,
        given_by: GivenBy,
    },
}

impl Problem {
    fn write(&self, f: &mut fmt::Formatter<'_>, names: Names) -> fmt::Result {
        match self {
            Self::WrongType { expected, found } => {
                write!(f, "expected {expected}, found ")?;
                found.write(f, names)
            }
            Self::Missing { expected } => write!(f, "missing, expected {expected}"),
            Self::FieldTwice => f.write_str("field given twice"),
            Self::KeyTwice => f.write_str("key given twice"),
            Self::TargetTwice => f.write_str("target given twice"),
            Self::Nameless => f.write_str("an event of any needs a name"),
            Self::NoTarget => f.write_str("an event of any needs a target"),
            Self::Length { expected, found } => {
                write!(f, "expected {expected}, found {found} bytes")
            }
            Self::RevisionAlone => f.write_str("only a document with a name has one"),
            Self::UnknownField { name, expected } => {
                f.write_str("unknown field")?;
                name.write(f, names)?;
                write!(f, ", expected {expected}")
            }
            Self::ArgumentNotText => f.write_str("the argument is not UTF-8"),
            Self::UnknownState { name, given_by } => {
                match names {
                    Names::Shown => write!(f, "the document has no state {name}: ")?,
                    Names::Hidden => f.write_str("the document has no such state: ")?,
                }
                f.write_str(given_by.advice())
            }
        }
    }
}

/// Who gave a current state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GivenBy {
    Document,
    Argument,
}

impl GivenBy {
    /// Says what to do about a state that doesn't exist.
    fn advice(self) -> &'static str {
        match self {
            Self::Document => "add it to the map or correct it",
            // Somebody may have meant an option, such as a plain SET of the server has.
            Self::Argument => "the argument is the current state, and there are no options",
        }
    }
}

/// A value in place of another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    /// Shown by its type.
    Type(&'static str),
    /// Shown as it is: a number, true or false.
    Scalar { value: String, kind: &'static str },
    /// Shown as it is, in quotes.
    String(Excerpt),
}

impl Found {
    fn write(&self, f: &mut fmt::Formatter<'_>, names: Names) -> fmt::Result {
        match (self, names) {
            (Self::Type(kind), _) | (Self::Scalar { kind, .. }, Names::Hidden) => f.write_str(kind),
            (Self::Scalar { value, .. }, Names::Shown) => f.write_str(value),
            (Self::String(text), Names::Shown) => write!(f, "{text}"),
            (Self::String(_), Names::Hidden) => f.write_str("a string"),
        }
    }
}

/// How many characters of a name an error shows.
const MAX_SHOWN_CHARS: usize = 40;

/// The beginning of a text of the document. Shown in quotes, escaped, with `...` if it is cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Excerpt {
    text: String,
    is_cut: bool,
}

impl Excerpt {
    pub(super) fn of(text: &str) -> Self {
        let shown: String = text.chars().take(MAX_SHOWN_CHARS).collect();
        Self {
            is_cut: shown.len() < text.len(),
            text: shown,
        }
    }

    /// Writes a step of a path: `.name` where that is unambiguous, else `["na\"me"]`.
    fn write_step(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { text, is_cut } = self;
        let is_plain = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
        // A name of more bytes than characters are shown is quoted too, however few these are.
        let is_short = text.len() <= MAX_SHOWN_CHARS && !is_cut;
        if !text.is_empty() && is_short && text.chars().all(is_plain) {
            write!(f, ".{text}")
        } else {
            write!(f, "[{self}]")
        }
    }

    /// Writes a space and the text, or nothing if names are hidden.
    fn write(&self, f: &mut fmt::Formatter<'_>, names: Names) -> fmt::Result {
        match names {
            Names::Shown => write!(f, " {self}"),
            Names::Hidden => Ok(()),
        }
    }
}

impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cut = if self.is_cut { "..." } else { "" };
        write!(f, "\"{}{cut}\"", self.text.escape_debug())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(place: Place) -> String {
        let error = DocumentError::at(place, Problem::KeyTwice).to_string();
        error.strip_suffix(": key given twice").unwrap().to_owned()
    }

    #[test]
    fn places_read_as_paths() {
        let target = |key: &str| shown(Place::field("map").entry(key, 0).target(1));
        assert_eq!(target("bar"), "map.bar[1]");
        assert_eq!(target("naïve"), "map.naïve[1]");
        assert_eq!(target(""), r#"map[""][1]"#);
        assert_eq!(target("a.b"), r#"map["a.b"][1]"#);
        assert_eq!(target("a\r\n\"b"), r#"map["a\r\n\"b"][1]"#);
    }

    #[test]
    fn long_names_are_cut() {
        let shown = shown(Place::field("map").entry(&"x".repeat(1000), 0));
        let x = "x".repeat(MAX_SHOWN_CHARS);
        assert_eq!(shown, format!("map[\"{x}...\"]"));
    }
}
