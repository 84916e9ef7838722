//! An alarm: the server calls the module back after some milliseconds.
//!
//! The server runs alarms between commands, never within a script or a transaction, and not while it
//! loads a file. It runs them on replicas and while clients are paused too: whoever writes in one
//! asks first, see [`Context::may_write_now`](crate::server::context::Context::may_write_now).

use std::ffi::c_void;
use std::ptr;
use std::sync::OnceLock;

use redis_module::raw;

use crate::server::api::{OK, api, clock};
use crate::server::context::{Context, Standing};
use crate::server::guard::guarded;

/// What an alarm runs.
static CALLBACK: OnceLock<fn(Context<'_>)> = OnceLock::new();

/// The context in which alarms are set: that of the load call is gone by then.
static STANDING: OnceLock<Standing> = OnceLock::new();

/// An alarm that was set.
#[derive(Debug)]
pub struct Alarm(raw::RedisModuleTimerID);

/// What the server's own clockwork runs, see [`prepare`].
static WATCH: OnceLock<fn(u64)> = OnceLock::new();

/// Prepares alarms: each calls `callback`.
///
/// The server sets its alarms by the wall clock. If somebody sets that back, an alarm comes late by as
/// much. So `watch` is called some times a second with the wall clock's time, to look at the alarm.
///
/// # Errors
///
/// If the server has no such clockwork.
pub fn prepare(
    context: Context<'_>,
    callback: fn(Context<'_>),
    watch: fn(u64),
) -> Result<(), String> {
    // A module is loaded once in a process.
    let _ = CALLBACK.set(callback);
    let _ = WATCH.set(watch);
    let _ = STANDING.set(Standing::new(context));
    let id = raw::REDISMODULE_EVENT_CRON_LOOP;
    let event = raw::RedisModuleEvent { id, dataver: 1 };
    // SAFETY: the context is of the load call.
    let status = unsafe {
        api!(RedisModule_SubscribeToServerEvent(
            context.raw(),
            event,
            Some(on_cron)
        ))
    };
    match status {
        OK => Ok(()),
        _ => Err("the server sends no events of its clockwork".into()),
    }
}

/// Sets an alarm. `None` before [`prepare`].
pub fn set(after_ms: u32) -> Option<Alarm> {
    let standing = STANDING.get()?;
    // SAFETY: the context stands until the process ends, and only the main thread gets here.
    let id = unsafe {
        api!(RedisModule_CreateTimer(
            standing.raw(),
            after_ms.into(),
            Some(on_alarm),
            ptr::null_mut()
        ))
    };
    Some(Alarm(id))
}

impl Alarm {
    /// Calls the alarm off. One that went off already is no error.
    pub fn cancel(self) {
        let Some(standing) = STANDING.get() else {
            return;
        };
        // SAFETY: as in `set`; the server looks the number up.
        unsafe {
            api!(RedisModule_StopTimer(
                standing.raw(),
                self.0,
                ptr::null_mut()
            ))
        };
    }
}

unsafe extern "C" fn on_cron(
    _context: *mut raw::RedisModuleCtx,
    _event: raw::RedisModuleEvent,
    _subevent: u64,
    _data: *mut c_void,
) {
    if let Some(watch) = WATCH.get() {
        guarded("cron", || watch(clock()));
    }
}

unsafe extern "C" fn on_alarm(context: *mut raw::RedisModuleCtx, _data: *mut c_void) {
    guarded("alarm", || {
        // SAFETY: the server's context, for this call.
        let context = unsafe { Context::new(context) };
        if let Some(callback) = CALLBACK.get() {
            callback(context);
        }
    });
}
