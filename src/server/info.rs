//! The module's section of INFO.

use std::ffi::{CStr, c_int};

use redis_module::raw;

use crate::server::OK;
use crate::server::api;
use crate::server::context::Context;
use crate::server::guard::guarded;

/// The fields of the section, in order.
pub type Fields = Vec<(&'static CStr, u64)>;

/// Has the server ask for the section.
pub fn register(context: Context<'_>) -> Result<(), String> {
    // SAFETY: the context is of the load call.
    let status = unsafe { api!(RedisModule_RegisterInfoFunc(context.raw(), Some(on_info))) };
    if status != OK {
        return Err("the server refuses the INFO section".into());
    }
    Ok(())
}

unsafe extern "C" fn on_info(info: *mut raw::RedisModuleInfoCtx, for_crash_report: c_int) {
    // A crash may have happened under the lock that the figures need.
    if for_crash_report != 0 {
        return;
    }
    guarded("info", || {
        let fields = crate::stats::fields();
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
