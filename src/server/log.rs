//! The server's log, and whether it may show user data.

use std::ffi::{CStr, CString};
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use redis_module::raw;

/// The name of the module. Every line begins with it.
static PREFIX: OnceLock<&'static str> = OnceLock::new();

/// Whether the server's log must not show user data. [`super::privacy`] sets it from the server's
/// config. It is cached here because a line can be logged on any thread.
static HIDES_USER_DATA: AtomicBool = AtomicBool::new(false);

/// Sets the name that every line begins with.
pub fn set_prefix(module: &'static str) {
    // A module is loaded once in a process.
    let _ = PREFIX.set(module);
}

/// Returns whether a log line must not show a key, or a name or text of a document.
pub fn hides_user_data() -> bool {
    HIDES_USER_DATA.load(Ordering::Relaxed)
}

/// Sets the value that [`hides_user_data`] returns.
pub(super) fn set_hides_user_data(hides: bool) {
    HIDES_USER_DATA.store(hides, Ordering::Relaxed);
}

/// Logs a line as a warning.
pub fn warning(message: &str) {
    log(c"warning", message);
}

/// Logs a line as a notice.
pub fn notice(message: &str) {
    log(c"notice", message);
}

fn log(level: &CStr, message: &str) {
    // A NUL or a line break would end the log line early.
    let printable = message.replace('\0', "\\0").replace('\n', " ");
    let prefix = PREFIX.get().copied().unwrap_or("module");
    let Ok(line) = CString::new(format!("{prefix}: {printable}")) else {
        return;
    };
    // SAFETY: all strings end in NUL. The line is an argument of the format and not the format
    // itself, so a percent sign in it has no effect. A null context is allowed.
    unsafe {
        if let Some(log) = raw::RedisModule_Log {
            log(
                ptr::null_mut(),
                level.as_ptr(),
                c"%s".as_ptr(),
                line.as_ptr(),
            );
        }
    }
}
