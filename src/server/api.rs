//! Calling the module API, and asking which server this is.

use std::ffi::{CStr, c_int, c_void};

use redis_module::raw;

/// The status that a function of the module API returns when it succeeds.
#[expect(clippy::cast_possible_truncation, reason = "zero")]
pub(super) const OK: c_int = raw::REDISMODULE_OK as c_int;

/// The status that an entry returns when it fails.
#[expect(clippy::cast_possible_truncation, reason = "one")]
pub(super) const ERR: c_int = raw::REDISMODULE_ERR as c_int;

/// Calls a function of the module API.
///
/// Every function that is called without asking [`has`] first exists in Redis 7.0, the oldest
/// supported server. If one is missing, the server is broken: the macro panics, and the guard turns
/// the panic into an error.
macro_rules! api {
    ($function:ident) => {
        match redis_module::raw::$function {
            Some(function) => function,
            None => panic!(concat!("the server lacks ", stringify!($function))),
        }
    };
    ($function:ident($($argument:expr),* $(,)?)) => {
        api!($function)($($argument),*)
    };
}
pub(super) use api;

/// Returns whether the server has a function of the module API, by its name.
pub(super) fn has(function: &CStr) -> bool {
    let mut found: *mut c_void = std::ptr::null_mut();
    // SAFETY: the server looks up the name and writes a pointer, which is not used.
    unsafe {
        api!(RedisModule_GetApi(
            function.as_ptr(),
            (&raw mut found).cast()
        )) == 0
    }
}

/// Returns the server's clock, in ms since 1970. Within a command it stands still, where the server
/// lets a module see that.
pub fn clock() -> u64 {
    // SAFETY: both take nothing and give a number.
    unsafe {
        match raw::RedisModule_CachedMicroseconds {
            Some(microseconds) => microseconds().unsigned_abs() / 1000,
            None => api!(RedisModule_Milliseconds()).unsigned_abs(),
        }
    }
}

/// Returns whether the server is a Valkey.
pub(super) fn is_valkey() -> bool {
    has(c"ValkeyModule_Alloc")
}

/// Returns whether the server is a Valkey before 9. Looks for a function that Valkey 9 added
/// instead of comparing version numbers, because those of Valkey, Redis and their forks are
/// unrelated.
pub fn is_valkey_8() -> bool {
    is_valkey() && !has(c"ValkeyModule_ClusterKeySlotC")
}

/// Returns whether RM_GetCurrentUserName may be called in a command that another module calls.
/// Redis 7 and Valkey 8.0 crash there: they look for the user of a client that has none.
pub(super) fn names_current_user() -> bool {
    static ANSWER: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
    *ANSWER.get_or_init(|| {
        if is_valkey() {
            // Came with Valkey 8.1.
            return has(c"ValkeyModule_MustObeyClient");
        }
        // Came with Redis 8.
        has(c"RedisModule_DefragAllocRaw")
    })
}

/// Returns whether a value that is being loaded comes from a client's RESTORE: the server is not a
/// replica and is not loading a file.
pub fn restores_for_client() -> bool {
    const ELSEWHERE: u32 = raw::REDISMODULE_CTX_FLAGS_LOADING
        | raw::REDISMODULE_CTX_FLAGS_ASYNC_LOADING
        | raw::REDISMODULE_CTX_FLAGS_SLAVE;
    // SAFETY: the server accepts null, which stands for no particular command.
    let flags = unsafe { api!(RedisModule_GetContextFlags(std::ptr::null_mut())) };
    flags.cast_unsigned() & ELSEWHERE == 0
}
