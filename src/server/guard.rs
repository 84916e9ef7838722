//! The panic guard: it keeps a panic in this module from ending the server.

use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};

use crate::server::{fault, log};

/// Runs `body` and returns its result. If it panics, the panic is logged (by the hook of
/// [`install_hook`]) and the result is `None`.
///
/// `place` names the entry, for the log and for fault injection.
#[inline]
pub fn guarded<T>(place: &'static str, body: impl FnOnce() -> T) -> Option<T> {
    // A panic interrupts the entry's own work only. A machine is changed by single assignments and
    // the interner by complete steps, so neither is left half-done.
    let run = AssertUnwindSafe(|| {
        fault::point(place);
        body()
    });
    match catch_unwind(run) {
        Ok(value) => Some(value),
        Err(payload) => {
            // Dropping a payload may panic too. Leaking that second payload is acceptable: only a
            // bug leads here.
            if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
                std::mem::forget(again);
            }
            log::warning(&format!("{place} failed by a bug and was given up"));
            None
        }
    }
}

/// Sends panic messages to the server's log, because an operator looks there.
pub fn install_hook() {
    std::panic::set_hook(Box::new(|panic| log::warning(&describe(panic))));
}

/// Returns the log line for a panic. The panic's message may quote user data, so if the log must
/// not show user data, the line has only the place in the source.
fn describe(panic: &PanicHookInfo<'_>) -> String {
    match panic.location() {
        Some(place) if log::hides_user_data() => format!("panicked at {place}: *redacted*"),
        _ if log::hides_user_data() => "panicked: *redacted*".to_owned(),
        _ => panic.to_string(),
    }
}
