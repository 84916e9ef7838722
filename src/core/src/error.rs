//! What can be wrong with a document, and where.

use std::fmt;

/// A document that is not a machine: the place, and what is wrong there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentError(pub(crate) Fault);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Not JSON at all: the byte offset, and why.
    Syntax(usize, String),
    /// JSON, but of the wrong shape at some place.
    Shape(Place, String),
    /// Larger than a limit allows.
    Limit(Limit),
    /// Larger than the format can hold.
    Format(&'static str),
}

impl DocumentError {
    /// The limit that the document exceeds, if that is what is wrong with it.
    pub fn limit(&self) -> Option<&Limit> {
        match &self.0 {
            Fault::Limit(limit) => Some(limit),
            _ => None,
        }
    }

    pub(crate) fn shape(place: Place, what: impl Into<String>) -> Self {
        Self(Fault::Shape(place, what.into()))
    }
}

impl From<Limit> for DocumentError {
    fn from(limit: Limit) -> Self {
        Self(Fault::Limit(limit))
    }
}

impl fmt::Display for DocumentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Fault::Syntax(at, why) => write!(f, "not JSON at byte {at}: {why}"),
            Fault::Shape(place, what) => write!(f, "{place}: {what}"),
            Fault::Limit(limit) => write!(f, "{limit}"),
            Fault::Format(what) => write!(f, "{what}"),
        }
    }
}

impl std::error::Error for DocumentError {}

/// A limit that something new exceeds. Shown with its value and the name of its config.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    what: &'static str,
    unit: &'static str,
    found: usize,
    allowed: usize,
    config: &'static str,
}

impl Limit {
    pub(crate) fn check(
        what: &'static str,
        unit: &'static str,
        found: usize,
        allowed: usize,
        config: &'static str,
    ) -> Result<(), Self> {
        if found <= allowed {
            return Ok(());
        }
        Err(Self {
            what,
            unit,
            found,
            allowed,
            config,
        })
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} has {} {}, over the limit of {} (redisstate.{})",
            self.what, self.found, self.unit, self.allowed, self.config
        )
    }
}

/// A place in a document, shown as a path: `map.bar[1]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    Document,
    Field(&'static str),
    Row(String),
    Target(String, usize),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Document => write!(f, "document"),
            Self::Field(name) => write!(f, "{name}"),
            Self::Row(key) => write!(f, "map{}", Step(key)),
            Self::Target(key, at) => write!(f, "map{}[{at}]", Step(key)),
        }
    }
}

/// One step of a path: `.name` where that is unambiguous, else `["na\"me"]`.
struct Step<'a>(&'a str);

impl fmt::Display for Step<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
        if !self.0.is_empty() && self.0.len() <= SHOWN && self.0.chars().all(plain) {
            write!(f, ".{}", self.0)
        } else {
            write!(f, "[{}]", Quoted(self.0))
        }
    }
}

/// How many characters of a name an error shows.
const SHOWN: usize = 40;

/// A string as an error shows it: quoted, escaped, cut.
pub(crate) struct Quoted<'a>(pub(crate) &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: String = self.0.chars().take(SHOWN).collect();
        let cut = if shown.len() < self.0.len() {
            "..."
        } else {
            ""
        };
        write!(f, "\"{}{cut}\"", shown.escape_debug())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_read_as_paths() {
        let target = |key: &str| Place::Target(key.into(), 1).to_string();
        assert_eq!(target("bar"), "map.bar[1]");
        assert_eq!(target("naïve"), "map.naïve[1]");
        assert_eq!(target(""), r#"map[""][1]"#);
        assert_eq!(target("a.b"), r#"map["a.b"][1]"#);
        assert_eq!(target("a\r\n\"b"), r#"map["a\r\n\"b"][1]"#);
    }

    #[test]
    fn long_names_are_cut() {
        let shown = Place::Row("x".repeat(1000)).to_string();
        assert_eq!(shown, format!("map[\"{}...\"]", "x".repeat(SHOWN)));
    }
}
