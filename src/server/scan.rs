//! A walk over the keys of the databases, some at a time.

use std::ffi::c_void;

use redis_module::raw;

use crate::server::api::api;
use crate::server::context::Context;
use crate::server::guard::guarded;
use crate::server::strings::Str;
use crate::server::value_type::ValueType;

/// Where a walk over a database is.
///
/// # Invariants
///
/// 1. The pointer is a cursor of the server, alive, and belongs to this value.
pub struct Cursor(*mut raw::RedisModuleScanCursor);

// SAFETY: the cursor is a plain block of memory, and its functions are called on the main thread.
unsafe impl Send for Cursor {}

type Visit<'f, T> = dyn FnMut(&[u8], &mut T) + 'f;

impl Cursor {
    pub fn new() -> Self {
        // SAFETY: takes nothing; the cursor is this value's.
        Self(unsafe { api!(RedisModule_ScanCursorCreate()) })
    }

    /// Goes on in the selected database, by about one key, and shows `visit` the names and the values
    /// of type `T`. Returns whether there is more.
    ///
    /// A key that is there all the time is visited at least once.
    pub fn step<T: ValueType>(
        &mut self,
        context: Context<'_>,
        mut visit: impl FnMut(&[u8], &mut T),
    ) -> bool {
        let mut visit: &mut Visit<'_, T> = &mut visit;
        // SAFETY: the context is of the running call; by invariant 1; `visit` lives until the call
        // returns.
        unsafe {
            api!(RedisModule_Scan(
                context.raw(),
                self.0,
                Some(on_key::<T>),
                (&raw mut visit).cast::<c_void>()
            )) != 0
        }
    }
}

impl Drop for Cursor {
    fn drop(&mut self) {
        // SAFETY: by invariant 1.
        unsafe { api!(RedisModule_ScanCursorDestroy(self.0)) };
    }
}

unsafe extern "C" fn on_key<T: ValueType>(
    _context: *mut raw::RedisModuleCtx,
    name: *mut raw::RedisModuleString,
    key: *mut raw::RedisModuleKey,
    visit: *mut c_void,
) {
    guarded("scan", || {
        if key.is_null() {
            return;
        }
        // SAFETY: the server's key and name, for this callback; `visit` is what `step` passed, and no
        // command runs meanwhile, so nothing else refers to the value.
        unsafe {
            if api!(RedisModule_ModuleTypeGetType(key)) != T::handle().get() {
                return;
            }
            let value = api!(RedisModule_ModuleTypeGetValue(key)).cast::<T>();
            let name = Str::new(name);
            let visit = &mut *visit.cast::<&mut Visit<'_, T>>();
            if let Some(value) = value.as_mut() {
                visit(name.bytes(), value);
            }
        }
    });
}
