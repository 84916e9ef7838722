//! Clients that wait for a key to change.

use std::ffi::{c_int, c_void};
use std::sync::atomic::{AtomicUsize, Ordering};

use redis_module::raw;

use crate::server::api::{ERR, OK, api};
use crate::server::context::{Args, Context, Str};
use crate::server::guard::guarded;
use crate::server::key::Keys;

/// What a client waits for. The key is the command's first argument.
pub trait Wait: Send + 'static {
    /// Looks at the key after it was changed. Replies and returns true if the wait is over.
    fn look<'a>(&self, context: Context<'a>, keys: Keys<'a>, args: Args<'a>) -> bool;

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
pub fn block<W: Wait>(context: Context<'_>, key: Str<'_>, timeout_ms: u64, wait: W) -> bool {
    let wait = Box::into_raw(Box::new(wait)).cast::<c_void>();
    let timeout = i64::try_from(timeout_ms).unwrap_or(i64::MAX);
    let mut key = key.raw();
    // Counted first: the server may free what we give it before it returns.
    WAITERS.fetch_add(1, Ordering::Relaxed);
    // SAFETY: the context is of the running command; the server copies the name of the key, and frees
    // `wait` by `free`.
    let blocked = unsafe {
        let (reply, over) = (Some(on_ready::<W> as _), Some(on_timeout::<W> as _));
        match raw::RedisModule_BlockClientOnKeysWithFlags {
            Some(block) => block(
                context.raw(),
                reply,
                over,
                Some(free::<W>),
                timeout,
                &raw mut key,
                1,
                wait,
                raw::REDISMODULE_BLOCK_UNBLOCK_DELETED.cast_signed(),
            ),
            None => api!(RedisModule_BlockClientOnKeys(
                context.raw(),
                reply,
                over,
                Some(free::<W>),
                timeout,
                &raw mut key,
                1,
                wait
            )),
        }
    };
    if blocked.is_null() {
        // SAFETY: the server has not taken it.
        unsafe { free::<W>(std::ptr::null_mut(), wait) };
        return false;
    }
    true
}

unsafe extern "C" fn on_ready<W: Wait>(
    context: *mut raw::RedisModuleCtx,
    argv: *mut *mut raw::RedisModuleString,
    argc: c_int,
) -> c_int {
    let is_over = guarded("blocked", || {
        // SAFETY: the server's pointers, for this call, which begins here; the private data is what
        // `block` gave.
        unsafe {
            let wait = api!(RedisModule_GetBlockedClientPrivateData(context)).cast::<W>();
            let context = Context::new(context);
            match wait.as_ref() {
                Some(wait) => wait.look(context, Keys::new(context), Args::new(argv, argc)),
                None => false,
            }
        }
    });
    // After a panic nothing was replied: the client waits on.
    if is_over == Some(true) { OK } else { ERR }
}

unsafe extern "C" fn on_timeout<W: Wait>(
    context: *mut raw::RedisModuleCtx,
    argv: *mut *mut raw::RedisModuleString,
    argc: c_int,
) -> c_int {
    // SAFETY: the server's pointers, for this call, which begins here.
    let context = unsafe { Context::new(context) };
    let done = guarded("blocked", || {
        // SAFETY: as above.
        let (keys, args) = unsafe { (Keys::new(context), Args::new(argv, argc)) };
        W::give_up(context, keys, args);
    });
    if done.is_none() {
        context.reply_error("ERR the command failed by a bug");
    }
    OK
}

unsafe extern "C" fn free<W: Wait>(_context: *mut raw::RedisModuleCtx, wait: *mut c_void) {
    // SAFETY: what `block` gave, given back once.
    let wait = unsafe { Box::from_raw(wait.cast::<W>()) };
    guarded("free", || drop(wait));
    WAITERS.fetch_sub(1, Ordering::Relaxed);
}
