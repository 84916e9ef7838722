//! Clients that wait for a key to change.

use std::ffi::{c_int, c_void};
use std::sync::atomic::{AtomicUsize, Ordering};

use redis_module::raw;

use crate::server::api::{ERR, OK, api};
use crate::server::context::Context;
use crate::server::guard::guarded;
use crate::server::key::Keys;
use crate::server::strings::{Args, Str};

/// What a client waits for, as its command says: the key is the first argument.
pub trait Wait {
    /// Looks at the key after it was changed. Replies and returns true if the wait is over.
    fn look<'a>(context: Context<'a>, keys: Keys<'a>, args: Args<'a>) -> bool;

    /// Replies because the time is over.
    fn give_up<'a>(context: Context<'a>, keys: Keys<'a>, args: Args<'a>);
}

/// How many clients wait.
static WAITERS: AtomicUsize = AtomicUsize::new(0);

/// Returns how many clients wait.
#[inline]
pub fn waiters() -> usize {
    WAITERS.load(Ordering::Relaxed)
}

/// Lets the client of a command wait, at most so many ms; 0 is for ever. Returns false if the server
/// doesn't let it, and then nothing was replied. Ask [`Context::may_block`] before.
pub fn block<W: Wait>(context: Context<'_>, key: Str<'_>, timeout_ms: u64) -> bool {
    let timeout = i64::try_from(timeout_ms).unwrap_or(i64::MAX);
    let mut key = key.raw();
    // The server calls `on_end` only if it has some data to free.
    let data = (&raw const WAITERS).cast_mut().cast::<c_void>();
    // Counted first: the wait may be over before the call returns.
    WAITERS.fetch_add(1, Ordering::Relaxed);
    // SAFETY: the context is of the running command; the server copies the name of the key, and only
    // hands the data on.
    let blocked = unsafe {
        let (reply, over) = (Some(on_ready::<W> as _), Some(on_timeout::<W> as _));
        match raw::RedisModule_BlockClientOnKeysWithFlags {
            Some(block) => block(
                context.raw(),
                reply,
                over,
                Some(on_end),
                timeout,
                &raw mut key,
                1,
                data,
                raw::REDISMODULE_BLOCK_UNBLOCK_DELETED.cast_signed(),
            ),
            None => api!(RedisModule_BlockClientOnKeys(
                context.raw(),
                reply,
                over,
                Some(on_end),
                timeout,
                &raw mut key,
                1,
                data
            )),
        }
    };
    if blocked.is_null() {
        WAITERS.fetch_sub(1, Ordering::Relaxed);
        return false;
    }
    true
}

unsafe extern "C" fn on_ready<W: Wait>(
    context: *mut raw::RedisModuleCtx,
    argv: *mut *mut raw::RedisModuleString,
    argc: c_int,
) -> c_int {
    // SAFETY: the server's pointers, for this call, which begins here.
    let is_over = unsafe { run(context, argv, argc, W::look) };
    if is_over { OK } else { ERR }
}

unsafe extern "C" fn on_timeout<W: Wait>(
    context: *mut raw::RedisModuleCtx,
    argv: *mut *mut raw::RedisModuleString,
    argc: c_int,
) -> c_int {
    let give_up = |context, keys, args| {
        W::give_up(context, keys, args);
        true
    };
    // SAFETY: as above.
    unsafe { run(context, argv, argc, give_up) };
    OK
}

/// Runs `reply`, which returns whether it has replied. If it panics, the reply is an error, so that the
/// client doesn't wait on.
///
/// # Safety
///
/// The pointers are those of a call of the server, which begins here.
unsafe fn run<'a>(
    context: *mut raw::RedisModuleCtx,
    argv: *mut *mut raw::RedisModuleString,
    argc: c_int,
    reply: impl FnOnce(Context<'a>, Keys<'a>, Args<'a>) -> bool,
) -> bool {
    // SAFETY: as the caller promises.
    let (context, keys, args) = unsafe {
        let context = Context::new(context);
        (context, Keys::new(context), Args::new(argv, argc))
    };
    guarded("blocked", || reply(context, keys, args)).unwrap_or_else(|| {
        context.reply_error("ERR the command failed by a bug");
        true
    })
}

unsafe extern "C" fn on_end(_context: *mut raw::RedisModuleCtx, _data: *mut c_void) {
    WAITERS.fetch_sub(1, Ordering::Relaxed);
}
