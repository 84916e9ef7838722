//! Loading the module: the server's entry, its options, the events it sends.

use std::ffi::{CStr, c_int, c_void};
use std::sync::atomic::{AtomicU32, Ordering};

use redis_module::raw;

use crate::server::context::{Args, Context};
use crate::server::guard::{guarded, install_hook};
use crate::server::{ERR, OK};
use crate::server::{api, log};

/// Frozen: the name under which the old module registered.
const NAME: &CStr = c"redisstate";
/// Shown by MODULE LIST: major, minor and patch, two digits each.
const VERSION: c_int = 10_000;

/// Valkey's `HANDLE_ATOMIC_SLOT_MIGRATION`: it moves slots only if every module agrees. A machine
/// is moved by its `aof_rewrite`, which says all there is to say.
const VALKEY_SLOT_MIGRATION: u32 = 1 << 5;

/// The process that loaded the module. A fork has another number.
static LOADED_BY: AtomicU32 = AtomicU32::new(0);

/// The first thing that the server calls.
///
/// # Safety
///
/// Called by a server, with a valid context and `argc` strings in `argv`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn RedisModule_OnLoad(
    context: *mut raw::RedisModuleCtx,
    argv: *mut *mut raw::RedisModuleString,
    argc: c_int,
) -> c_int {
    let api_version = raw::REDISMODULE_APIVER_1.cast_signed();
    // SAFETY: the server's own context. It comes first: the allocator works from here on.
    let status =
        unsafe { raw::Export_RedisModule_Init(context, NAME.as_ptr(), VERSION, api_version) };
    if status != OK {
        return ERR;
    }
    LOADED_BY.store(std::process::id(), Ordering::Relaxed);
    install_hook();
    let load = || {
        // SAFETY: the server's pointers, for this call.
        let (context, args) = unsafe { (Context::new(context), Args::new(argv, argc)) };
        crate::load(context, args)
    };
    match guarded("load", load) {
        Some(Ok(())) => return OK,
        Some(Err(why)) => log::warning(&format!("redisstate: not loaded: {why}")),
        None => {}
    }
    ERR
}

/// Whether the server has a function of the module API, by its name.
pub fn has(function: &CStr) -> bool {
    let mut found: *mut c_void = std::ptr::null_mut();
    // SAFETY: looks the name up and writes a pointer, which is not used.
    unsafe {
        api!(RedisModule_GetApi(
            function.as_ptr(),
            (&raw mut found).cast()
        )) == 0
    }
}

/// Whether the server is a Valkey before 9, by a function that came with that. No version number is
/// asked for: Valkey's is not Redis's, and forks have their own.
pub fn is_valkey_8() -> bool {
    has(c"ValkeyModule_Alloc") && !has(c"ValkeyModule_ClusterKeySlotC")
}

/// Tells the server what this module can deal with.
pub fn set_options(context: Context<'_>) {
    let mut options = raw::REDISMODULE_OPTIONS_HANDLE_IO_ERRORS
        | raw::REDISMODULE_OPTIONS_HANDLE_REPL_ASYNC_LOAD
        // Keys opened for a command that is then refused were not modified.
        | raw::REDISMODULE_OPTION_NO_IMPLICIT_SIGNAL_MODIFIED;
    // The bit means something else, or nothing, elsewhere.
    if has(c"ValkeyModule_SetModuleOptions") {
        options |= VALKEY_SLOT_MIGRATION;
    }
    // SAFETY: the context is of the load call.
    unsafe {
        api!(RedisModule_SetModuleOptions(
            context.raw(),
            options.cast_signed()
        ))
    };
}

/// Whether a value that is loaded now is one that a client restores: the server is no replica, and
/// reads no file.
pub fn restores_for_client() -> bool {
    const ELSEWHERE: u32 = raw::REDISMODULE_CTX_FLAGS_LOADING
        | raw::REDISMODULE_CTX_FLAGS_ASYNC_LOADING
        | raw::REDISMODULE_CTX_FLAGS_SLAVE;
    // SAFETY: the server takes null for "no command in particular".
    let flags = unsafe { api!(RedisModule_GetContextFlags(std::ptr::null_mut())) };
    flags.cast_unsigned() & ELSEWHERE == 0
}

/// What the server does with a file.
pub enum FileEvent {
    /// A file is about to be written, by this thread of this process.
    Saving,
    /// It is written, or given up.
    Saved,
    /// A file is about to be read.
    Loading,
    /// It is read, or given up.
    Loaded,
}

/// Has `crate::datatype` told when a file begins and ends.
pub fn subscribe(context: Context<'_>) -> Result<(), String> {
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
    let ends = match event.id {
        raw::REDISMODULE_EVENT_PERSISTENCE => [
            raw::REDISMODULE_SUBEVENT_PERSISTENCE_ENDED,
            raw::REDISMODULE_SUBEVENT_PERSISTENCE_FAILED,
        ],
        _ => [
            raw::REDISMODULE_SUBEVENT_LOADING_ENDED,
            raw::REDISMODULE_SUBEVENT_LOADING_FAILED,
        ],
    };
    let is_saving = event.id == raw::REDISMODULE_EVENT_PERSISTENCE;
    let event = match (is_saving, ends.contains(&subevent)) {
        (true, false) => FileEvent::Saving,
        (true, true) => FileEvent::Saved,
        (false, false) => FileEvent::Loading,
        (false, true) => FileEvent::Loaded,
    };
    guarded("file_event", || crate::datatype::on_file_event(&event));
}

/// Whether this process is a fork of the server, made to save or to migrate.
pub fn is_fork() -> bool {
    std::process::id() != LOADED_BY.load(Ordering::Relaxed)
}

/// What to do when a value cannot be written, for a bug: a fork ends here, so that the server sees
/// its save fail and keeps the file before; in the server itself `write_broken` leaves something
/// that no server takes for a machine.
pub fn give_up_saving(write_broken: impl FnOnce()) {
    if is_fork() {
        log::warning("redisstate: this save is given up, the file before stays");
        // Not `exit`: handlers that the parent registered are not this process's to run.
        // SAFETY: ends the process; nothing after it runs.
        unsafe { libc::_exit(1) };
    }
    log::warning("redisstate: a machine could not be saved, the file will not load");
    write_broken();
}
