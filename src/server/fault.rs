//! Panics on purpose, in test builds: the tests use them to check the panic guard.

#[cfg(feature = "fault-injection")]
mod armed {
    use std::sync::{Mutex, PoisonError};

    static PLACE: Mutex<String> = Mutex::new(String::new());

    /// Returns the place that panics next; empty for none.
    pub fn armed() -> String {
        PLACE.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Makes the next entry of that place panic.
    pub fn arm(place: &str) {
        *PLACE.lock().unwrap_or_else(PoisonError::into_inner) = place.to_owned();
    }

    /// Panics once if `place` is the armed place.
    pub fn point(place: &'static str) {
        let mut armed = PLACE.lock().unwrap_or_else(PoisonError::into_inner);
        if *armed == place {
            armed.clear();
            drop(armed);
            panic!("fault injected at {place}");
        }
    }
}

#[cfg(feature = "fault-injection")]
pub use armed::{arm, armed, point};

/// Does nothing: this is not a test build.
#[cfg(not(feature = "fault-injection"))]
#[inline(always)]
pub fn point(_place: &'static str) {}
