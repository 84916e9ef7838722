//! The server's events about files: where an RDB file begins and where it ends.

use std::ffi::c_void;
use std::sync::OnceLock;

use redis_module::raw;

use crate::server::api::{OK, api};
use crate::server::context::Context;
use crate::server::guard::guarded;

/// A step of the server in writing or reading a file.
#[derive(Clone, Copy)]
pub enum FileEvent {
    /// A file is about to be written, by this thread of this process.
    Saving,
    /// The file is written, or writing it has failed.
    Saved,
    /// A file is about to be read.
    Loading,
    /// The file is read, or reading it has failed.
    Loaded,
}

static OBSERVER: OnceLock<fn(FileEvent)> = OnceLock::new();

/// Calls `observer` when a file begins and ends.
///
/// # Errors
///
/// If the server sends no such events.
pub fn subscribe(context: Context<'_>, observer: fn(FileEvent)) -> Result<(), String> {
    // A module is loaded once in a process.
    let _ = OBSERVER.set(observer);
    for id in [
        raw::REDISMODULE_EVENT_PERSISTENCE,
        raw::REDISMODULE_EVENT_LOADING,
    ] {
        let event = raw::RedisModuleEvent { id, dataver: 1 };
        // SAFETY: the context is of the load call.
        let status = unsafe {
            api!(RedisModule_SubscribeToServerEvent(
                context.raw(),
                event,
                Some(on_file_event)
            ))
        };
        if status != OK {
            return Err("the server sends no persistence events".into());
        }
    }
    Ok(())
}

unsafe extern "C" fn on_file_event(
    _context: *mut raw::RedisModuleCtx,
    event: raw::RedisModuleEvent,
    subevent: u64,
    _data: *mut c_void,
) {
    guarded("file_event", || {
        if let Some(observer) = OBSERVER.get() {
            observer(file_event(event.id, subevent));
        }
    });
}

fn file_event(id: u64, subevent: u64) -> FileEvent {
    let is_saving = id == raw::REDISMODULE_EVENT_PERSISTENCE;
    let ends = if is_saving {
        [
            raw::REDISMODULE_SUBEVENT_PERSISTENCE_ENDED,
            raw::REDISMODULE_SUBEVENT_PERSISTENCE_FAILED,
        ]
    } else {
        [
            raw::REDISMODULE_SUBEVENT_LOADING_ENDED,
            raw::REDISMODULE_SUBEVENT_LOADING_FAILED,
        ]
    };
    match (is_saving, ends.contains(&subevent)) {
        (true, false) => FileEvent::Saving,
        (true, true) => FileEvent::Saved,
        (false, false) => FileEvent::Loading,
        (false, true) => FileEvent::Loaded,
    }
}
