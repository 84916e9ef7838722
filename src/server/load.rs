//! Loading the module: the symbol that the server looks for, and the module's options.

use std::ffi::{CStr, c_int};

use redis_module::raw;

use crate::server::api::{ERR, OK, api, has};
use crate::server::context::Context;
use crate::server::guard::{guarded, install_hook};
use crate::server::strings::Args;
use crate::server::{fork, log};

/// The identity of a module and its load function.
pub struct Module {
    /// The name under which the module registers. Its configs and log lines begin with it.
    pub name: &'static CStr,
    /// Shown by MODULE LIST.
    pub version: c_int,
    /// Registers all parts of the module. The arguments are those of `--loadmodule`.
    pub load: fn(Context<'_>, Args<'_>) -> Result<(), String>,
}

/// Valkey's option `HANDLE_ATOMIC_SLOT_MIGRATION`. Valkey migrates slots only if every module sets
/// it. In Redis the bit has another meaning, or none.
const VALKEY_SLOT_MIGRATION: u32 = 1 << 5;

/// Defines `RedisModule_OnLoad`, the symbol that the server looks for.
macro_rules! module_entry {
    ($module:expr) => {
        /// Loads the module. The server calls this function first.
        ///
        /// # Safety
        ///
        /// Called by a server, with a valid context and `argc` strings in `argv`.
        #[expect(
            unsafe_code,
            reason = "the server looks up this symbol; the code is in server/load.rs"
        )]
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn RedisModule_OnLoad(
            context: *mut redis_module::raw::RedisModuleCtx,
            argv: *mut *mut redis_module::raw::RedisModuleString,
            argc: std::ffi::c_int,
        ) -> std::ffi::c_int {
            // SAFETY: the server passes valid pointers.
            unsafe { $crate::server::load::on_load(context, argv, argc, &$module) }
        }
    };
}
pub(crate) use module_entry;

/// Sets up the module API and loads the module.
///
/// # Safety
///
/// Called by a server, with a valid context and `argc` strings in `argv`.
pub unsafe fn on_load(
    context: *mut raw::RedisModuleCtx,
    argv: *mut *mut raw::RedisModuleString,
    argc: c_int,
    module: &Module,
) -> c_int {
    let api_version = raw::REDISMODULE_APIVER_1.cast_signed();
    let (name, version) = (module.name, module.version);
    // SAFETY: the context is the server's own. This call comes first, because the allocator works
    // only after it.
    let status =
        unsafe { raw::Export_RedisModule_Init(context, name.as_ptr(), version, api_version) };
    if status != OK {
        return ERR;
    }
    log::set_prefix(name.to_str().unwrap_or("module"));
    fork::note_server();
    install_hook();
    let load = || {
        // SAFETY: the server's pointers, for this call.
        let (context, args) = unsafe { (Context::new(context), Args::new(argv, argc)) };
        (module.load)(context, args)
    };
    match guarded("load", load) {
        Some(Ok(())) => return OK,
        Some(Err(why)) => log::warning(&format!("not loaded: {why}")),
        None => {}
    }
    ERR
}

/// Tells the server which optional features this module supports.
pub fn set_options(context: Context<'_>) {
    let mut options = raw::REDISMODULE_OPTIONS_HANDLE_IO_ERRORS
        | raw::REDISMODULE_OPTIONS_HANDLE_REPL_ASYNC_LOAD
        // A key that was opened for a command and then left alone was not modified.
        | raw::REDISMODULE_OPTION_NO_IMPLICIT_SIGNAL_MODIFIED;
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
