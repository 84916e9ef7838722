//! The server's log.

use std::ffi::CString;
use std::ptr;

use redis_module::raw;

/// Logs a line as a warning.
pub fn warning(message: &str) {
    log(c"warning", message);
}

/// Logs a line as a notice.
pub fn notice(message: &str) {
    log(c"notice", message);
}

fn log(level: &std::ffi::CStr, message: &str) {
    // A log line ends at the first NUL or line break, so neither may be in it.
    let printable = message.replace('\0', "\\0").replace('\n', " ");
    let Ok(message) = CString::new(printable) else {
        return;
    };
    // SAFETY: all strings end in NUL, and the message is an argument of the format, not the
    // format: a percent sign in it means nothing. A null context is allowed.
    unsafe {
        if let Some(log) = raw::RedisModule_Log {
            log(
                ptr::null_mut(),
                level.as_ptr(),
                c"%s".as_ptr(),
                message.as_ptr(),
            );
        }
    }
}
