//! The module's configs, their defaults, and their values.

use std::ffi::CStr;
use std::sync::atomic::{AtomicI32, AtomicI64, Ordering};

use redis_state_core::{
    LimitKind, Limits, MAX_DOCUMENT_BYTES, MAX_REASON_BYTES, MAX_STATES, Rules,
};

use crate::server::config::{self, Choice, Number};
use crate::server::context::Context;
use crate::server::strings::{Args, Str};

/// The prefix that the server puts before a module's configs.
const PREFIX: &str = "redisstate.";

const fn number(name: &'static CStr, default: usize, max: usize, is_memory: bool) -> Number {
    Number {
        name,
        value: AtomicI64::new(default as i64),
        min: 1,
        max: max as i64,
        is_memory,
    }
}

const fn choice(name: &'static CStr, names: &'static [&'static CStr], default: i32) -> Choice {
    Choice {
        name,
        names,
        value: AtomicI32::new(default),
    }
}

static COMPAT: Choice = choice(c"compat", &[c"documented", c"edge"], 0);
static SHARE_DEFINITIONS: Choice = choice(c"share-definitions", &[c"no", c"yes"], 1);
static TIMERS: Choice = choice(c"timers", &[c"no", c"yes"], 1);
static DOCUMENT_BYTES: Number = number(
    c"max-document-bytes",
    Limits::DEFAULT.document_bytes,
    MAX_DOCUMENT_BYTES,
    true,
);
static STATES: Number = number(c"max-states", Limits::DEFAULT.states, MAX_STATES, false);
static TRANSITIONS: Number = number(
    c"max-transitions",
    Limits::DEFAULT.transitions,
    1 << 28,
    false,
);
static REASON_BYTES: Number = number(
    c"max-reason-bytes",
    Limits::DEFAULT.reason_bytes,
    MAX_REASON_BYTES,
    true,
);

static WAITERS: Number = number(c"max-waiters", 1000, 1 << 20, false);

static CHOICES: [&Choice; 3] = [&COMPAT, &SHARE_DEFINITIONS, &TIMERS];
static NUMBERS: [&Number; 5] = [
    &DOCUMENT_BYTES,
    &STATES,
    &TRANSITIONS,
    &REASON_BYTES,
    &WAITERS,
];

#[cfg(feature = "fault-injection")]
static PANIC_AT: config::Text = config::Text {
    name: c"panic-at",
    get: crate::server::fault::armed,
    set: crate::server::fault::arm,
};

/// Returns the rules for a client's commands.
#[inline]
pub fn rules() -> Rules {
    if COMPAT.get() == 0 {
        Rules::Documented
    } else {
        Rules::Legacy
    }
}

/// Returns whether an RDB file holds each definition once. Most of its records then refer to an
/// earlier one.
pub fn shares_definitions() -> bool {
    SHARE_DEFINITIONS.get() != 0
}

/// Returns how many clients may wait at a time.
pub fn max_waiters() -> usize {
    WAITERS.get()
}

/// Returns whether timers fire by themselves, and before a client's write.
pub fn fires_timers() -> bool {
    TIMERS.get() != 0
}

/// Returns the name of the config of a limit, with the module's prefix.
pub fn limit_name(kind: LimitKind) -> String {
    let number = match kind {
        LimitKind::DocumentBytes => &DOCUMENT_BYTES,
        LimitKind::States => &STATES,
        LimitKind::Transitions => &TRANSITIONS,
        LimitKind::ReasonBytes => &REASON_BYTES,
    };
    format!("{PREFIX}{}", number.name.to_string_lossy())
}

/// Returns the bounds on new documents and reasons.
#[inline]
pub fn limits() -> Limits {
    Limits {
        document_bytes: DOCUMENT_BYTES.get(),
        states: STATES.get(),
        transitions: TRANSITIONS.get(),
        reason_bytes: REASON_BYTES.get(),
    }
}

/// Registers all configs. The arguments of `--loadmodule` are pairs of name and value. They become
/// the defaults, so the configuration file and CONFIG SET override them.
///
/// # Errors
///
/// If an argument names no config, if its value is not allowed, or if the server refuses a config.
pub fn register(context: Context<'_>, args: Args<'_>) -> Result<(), String> {
    for at in (0..args.len()).step_by(2) {
        let text =
            |arg: Option<Str<'_>>| arg.map(|arg| String::from_utf8_lossy(arg.bytes()).into());
        let name: String = text(args.get(at)).unwrap_or_default();
        let value: Option<String> = text(args.get(at + 1));
        set_default(&name, value.as_deref())?;
    }
    for choice in CHOICES {
        config::register_choice(context, choice)?;
    }
    for number in NUMBERS {
        config::register_number(context, number)?;
    }
    #[cfg(feature = "fault-injection")]
    config::register_text(context, &PANIC_AT)?;
    config::load(context)
}

fn set_default(name: &str, value: Option<&str>) -> Result<(), String> {
    let short = name.strip_prefix(PREFIX).unwrap_or(name).to_lowercase();
    let value = value.ok_or_else(|| format!("argument {name} has no value after it"))?;
    let is = |config: &CStr| config.to_bytes() == short.as_bytes();
    if let Some(choice) = CHOICES.iter().find(|choice| is(choice.name)) {
        return set_choice(choice, value);
    }
    if let Some(number) = NUMBERS.iter().find(|number| is(number.name)) {
        return set_number(number, value);
    }
    Err(format!(
        "unknown argument {name}, expected compat, share-definitions, timers or a limit, and its value"
    ))
}

fn set_choice(choice: &Choice, value: &str) -> Result<(), String> {
    let wanted = value.to_lowercase();
    let position = choice
        .names
        .iter()
        .position(|name| name.to_bytes() == wanted.as_bytes());
    let position = position.and_then(|position| i32::try_from(position).ok());
    let expected = || {
        choice
            .names
            .iter()
            .map(|n| n.to_string_lossy())
            .collect::<Vec<_>>()
            .join(" or ")
    };
    let position = position.ok_or_else(|| {
        format!(
            "{} is {value}, expected {}",
            choice.name.to_string_lossy(),
            expected()
        )
    })?;
    choice.value.store(position, Ordering::Relaxed);
    Ok(())
}

fn set_number(number: &Number, value: &str) -> Result<(), String> {
    let parsed = parse_number(value, number.is_memory)
        .filter(|n| (number.min..=number.max).contains(n))
        .ok_or_else(|| {
            let name = number.name.to_string_lossy();
            let unit = if number.is_memory { " of bytes" } else { "" };
            let (min, max) = (number.min, number.max);
            format!("{name} is {value}, expected a number{unit} from {min} to {max}")
        })?;
    number.value.store(parsed, Ordering::Relaxed);
    Ok(())
}

/// Parses a number. A number of bytes may have the suffixes that CONFIG SET knows.
fn parse_number(text: &str, is_memory: bool) -> Option<i64> {
    const SUFFIXES: [(&str, i64); 7] = [
        ("kb", 1 << 10),
        ("mb", 1 << 20),
        ("gb", 1 << 30),
        ("k", 1000),
        ("m", 1_000_000),
        ("g", 1_000_000_000),
        ("b", 1),
    ];
    let text = text.to_lowercase();
    let suffix = |(suffix, factor)| text.strip_suffix(suffix).map(|digits| (digits, factor));
    let suffixed = SUFFIXES.into_iter().find_map(suffix).filter(|_| is_memory);
    let (digits, factor) = suffixed.unwrap_or((&text, 1));
    digits.parse::<i64>().ok()?.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_bytes_take_the_suffixes_of_the_server() {
        assert_eq!(parse_number("16mb", true), Some(16 << 20));
        assert_eq!(parse_number("2K", true), Some(2000));
        assert_eq!(parse_number("7", true), Some(7));
        assert_eq!(parse_number("7b", true), Some(7));
        assert_eq!(parse_number("16mb", false), None);
        assert_eq!(parse_number("9223372036854775807gb", true), None);
        assert_eq!(parse_number("", true), None);
    }
}
