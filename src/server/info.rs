//! The module's section of INFO.

use std::ffi::{CStr, c_int};
use std::sync::OnceLock;

use redis_module::raw;

use crate::server::api::{OK, api};
use crate::server::context::Context;
use crate::server::guard::guarded;

/// The fields of the section, in order.
pub type Fields = Vec<(&'static CStr, u64)>;

static FIELDS: OnceLock<fn() -> Fields> = OnceLock::new();

/// Registers `fields` as the source of the section.
///
/// # Errors
///
/// If the server refuses the section.
pub fn register(context: Context<'_>, fields: fn() -> Fields) -> Result<(), String> {
    // A module is loaded once in a process.
    let _ = FIELDS.set(fields);
    // SAFETY: the context is of the load call.
    let status = unsafe { api!(RedisModule_RegisterInfoFunc(context.raw(), Some(on_info))) };
    match status {
        OK => Ok(()),
        _ => Err("the server refuses the INFO section".into()),
    }
}

unsafe extern "C" fn on_info(info: *mut raw::RedisModuleInfoCtx, for_crash_report: c_int) {
    // The server may have crashed while it held a lock that the figures need.
    if for_crash_report != 0 {
        return;
    }
    guarded("info", || {
        let Some(fields) = FIELDS.get() else { return };
        let fields = fields();
        // SAFETY: the server's pointer, for this callback; all names end in NUL. The section is
        // named after the module alone: the empty name adds nothing to it.
        unsafe {
            if api!(RedisModule_InfoAddSection(info, c"".as_ptr())) != OK {
                return;
            }
            for (name, value) in fields {
                api!(RedisModule_InfoAddFieldULongLong(
                    info,
                    name.as_ptr(),
                    value
                ));
            }
        }
    });
}
