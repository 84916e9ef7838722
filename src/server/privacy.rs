//! Follows the server's config `hide-user-data-from-log`, which applies to this module's log lines
//! too.
//!
//! Redis has it since 7.4 (default no), Valkey since 8.0 (default yes). On a server without it,
//! nothing is hidden.

use std::ffi::{CStr, c_char, c_void};

use redis_module::raw;

use crate::server::api::{OK, api};
use crate::server::context::Context;
use crate::server::guard::guarded;
use crate::server::log;

const SETTING: &CStr = c"hide-user-data-from-log";

/// The server's `RedisModuleConfigChangeV1`: the configs that were changed.
#[repr(C)]
struct ConfigChange {
    version: u64,
    count: u32,
    names: *const *const c_char,
}

/// Reads the config.
pub fn refresh(context: Context<'_>) {
    // If reading fails by a bug, user data stay hidden.
    log::set_hides_user_data(true);
    log::set_hides_user_data(!is_no(context));
}

/// Reads the config and returns whether user data must be hidden. For errors that the server may
/// log: Redis 8.2 lets other modules change a config without an event.
pub fn hides_user_data(context: Context<'_>) -> bool {
    refresh(context);
    log::hides_user_data()
}

/// Subscribes to config changes, to read the config again when it was changed.
///
/// # Errors
///
/// If the server sends no such events.
pub fn subscribe(context: Context<'_>) -> Result<(), String> {
    let event = raw::RedisModuleEvent {
        id: raw::REDISMODULE_EVENT_CONFIG,
        dataver: 1,
    };
    // SAFETY: the context is of the load call.
    let status = unsafe {
        api!(RedisModule_SubscribeToServerEvent(
            context.raw(),
            event,
            Some(on_config_changed)
        ))
    };
    match status {
        OK => Ok(()),
        _ => Err("the server sends no config events".into()),
    }
}

unsafe extern "C" fn on_config_changed(
    context: *mut raw::RedisModuleCtx,
    _event: raw::RedisModuleEvent,
    _subevent: u64,
    change: *mut c_void,
) {
    // SAFETY: the server's context and data, for this callback.
    let (context, changed) = unsafe { (Context::new(context), is_changed(change.cast())) };
    if changed {
        guarded("config_event", || refresh(context));
    }
}

/// Returns whether the config is among those that were changed.
///
/// # Safety
///
/// `change` is the data of a config event.
unsafe fn is_changed(change: *const ConfigChange) -> bool {
    // SAFETY: as the caller promises, the struct has as many names as it says, each ending in NUL.
    unsafe {
        let ConfigChange { count, names, .. } = *change;
        (0..count as usize).any(|at| CStr::from_ptr(*names.add(at)) == SETTING)
    }
}

/// Returns whether the config is `no`, or the server doesn't have it. If the config can't be read,
/// because the command CONFIG is renamed or fails, the result is false: hiding user data is the safe
/// choice.
fn is_no(context: Context<'_>) -> bool {
    // SAFETY: the context is of a running call, and the strings end in NUL. The reply belongs to
    // this function and is freed once. Its elements belong to it and are read before that.
    unsafe {
        let reply = api!(RedisModule_Call(
            context.raw(),
            c"CONFIG".as_ptr(),
            c"cc".as_ptr(),
            c"GET".as_ptr(),
            SETTING.as_ptr()
        ));
        if reply.is_null() {
            return false;
        }
        let no = is_array_without_yes(reply);
        api!(RedisModule_FreeCallReply(reply));
        no
    }
}

/// Returns whether a reply of CONFIG GET is empty, or a name and the value `no`.
///
/// # Safety
///
/// `reply` is a reply that was not freed.
unsafe fn is_array_without_yes(reply: *mut raw::RedisModuleCallReply) -> bool {
    // SAFETY: as the caller promises.
    unsafe {
        if api!(RedisModule_CallReplyType(reply)) as isize != raw::REDISMODULE_REPLY_ARRAY {
            return false;
        }
        let value = api!(RedisModule_CallReplyArrayElement(reply, 1));
        if value.is_null() {
            return api!(RedisModule_CallReplyLength(reply)) == 0;
        }
        is_text(value, b"no")
    }
}

/// Returns whether a reply is a string with the expected bytes.
///
/// # Safety
///
/// `reply` is a reply that was not freed.
unsafe fn is_text(reply: *mut raw::RedisModuleCallReply, expected: &[u8]) -> bool {
    let mut length = 0;
    // SAFETY: as the caller promises; the server returns null for a reply that isn't a string.
    unsafe {
        let start = api!(RedisModule_CallReplyStringPtr(reply, &raw mut length));
        !start.is_null() && std::slice::from_raw_parts(start.cast::<u8>(), length) == expected
    }
}
