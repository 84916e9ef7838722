//! The panic guard: what stands between a bug here and a dead server.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::server::log;

/// Runs `body`; a panic in it is logged (by the hook of [`install_hook`]) and gives `None`.
///
/// `place` names the entry, for the log and for fault injection.
#[inline]
pub fn guarded<T>(place: &'static str, body: impl FnOnce() -> T) -> Option<T> {
    // What a panic interrupts is an entry's own work: a machine is changed by single assignments
    // and the interner by steps that are complete each, so neither is left half-done.
    let run = AssertUnwindSafe(|| {
        crate::fault::point(place);
        body()
    });
    match catch_unwind(run) {
        Ok(value) => Some(value),
        Err(payload) => {
            // Dropping a payload of somebody's own type may panic in its turn; what that leaves is
            // lost memory of a bug's size.
            if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
                std::mem::forget(again);
            }
            log::warning(&format!(
                "redisstate: {place} failed by a bug and was given up"
            ));
            None
        }
    }
}

/// Sends panic messages to the server's log, where an operator looks.
pub fn install_hook() {
    std::panic::set_hook(Box::new(|panic| {
        log::warning(&format!("redisstate: {panic}"))
    }));
}
