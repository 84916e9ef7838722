//! The server's events about whole databases, which change many keys without a word about each.

use std::ffi::c_void;
use std::sync::OnceLock;

use redis_module::raw;

use crate::server::api::{OK, api, clock};
use crate::server::context::Context;
use crate::server::guard::guarded;

/// What happens to databases.
#[derive(Clone, Copy)]
pub enum DataEvent {
    /// All keys of one database go, or of all.
    Flushed(Option<i32>),
    /// Two databases change their numbers.
    Swapped(i32, i32),
    /// A replica begins to load its primary's data beside its own.
    AsideBegun,
    /// These data take the place of its own.
    AsideDone,
    /// These data are dropped.
    AsideAborted,
}

static OBSERVER: OnceLock<fn(DataEvent, u64)> = OnceLock::new();

/// Calls `observer` with each event and the time.
///
/// # Errors
///
/// If the server sends no such events.
pub fn subscribe(context: Context<'_>, observer: fn(DataEvent, u64)) -> Result<(), String> {
    // A module is loaded once in a process.
    let _ = OBSERVER.set(observer);
    for id in [
        raw::REDISMODULE_EVENT_FLUSHDB,
        raw::REDISMODULE_EVENT_SWAPDB,
        raw::REDISMODULE_EVENT_REPL_ASYNC_LOAD,
    ] {
        let event = raw::RedisModuleEvent { id, dataver: 1 };
        // SAFETY: the context is of the load call.
        let status = unsafe {
            api!(RedisModule_SubscribeToServerEvent(
                context.raw(),
                event,
                Some(on_data_event)
            ))
        };
        if status != OK {
            return Err("the server sends no events about databases".into());
        }
    }
    Ok(())
}

unsafe extern "C" fn on_data_event(
    _context: *mut raw::RedisModuleCtx,
    event: raw::RedisModuleEvent,
    subevent: u64,
    data: *mut c_void,
) {
    guarded("data_event", || {
        // SAFETY: the server's event and its data, for this callback.
        let event = unsafe { data_event(event.id, subevent, data) };
        if let (Some(observer), Some(event)) = (OBSERVER.get(), event) {
            observer(event, clock());
        }
    });
}

/// # Safety
///
/// `data` is what the server sends with an event of that number.
unsafe fn data_event(id: u64, subevent: u64, data: *const c_void) -> Option<DataEvent> {
    match (id, subevent) {
        (raw::REDISMODULE_EVENT_FLUSHDB, raw::REDISMODULE_SUBEVENT_FLUSHDB_START) => {
            // SAFETY: as the caller promises.
            let info = unsafe { &*data.cast::<raw::RedisModuleFlushInfo>() };
            Some(DataEvent::Flushed((info.dbnum >= 0).then_some(info.dbnum)))
        }
        (raw::REDISMODULE_EVENT_SWAPDB, _) => {
            // SAFETY: as the caller promises.
            let info = unsafe { &*data.cast::<raw::RedisModuleSwapDbInfo>() };
            Some(DataEvent::Swapped(info.dbnum_first, info.dbnum_second))
        }
        (raw::REDISMODULE_EVENT_REPL_ASYNC_LOAD, subevent) => match subevent {
            raw::REDISMODULE_SUBEVENT_REPL_ASYNC_LOAD_STARTED => Some(DataEvent::AsideBegun),
            raw::REDISMODULE_SUBEVENT_REPL_ASYNC_LOAD_COMPLETED => Some(DataEvent::AsideDone),
            raw::REDISMODULE_SUBEVENT_REPL_ASYNC_LOAD_ABORTED => Some(DataEvent::AsideAborted),
            _ => None,
        },
        _ => None,
    }
}
