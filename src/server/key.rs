//! An open key.

use std::ffi::c_void;
use std::marker::PhantomData;
use std::ptr;

use redis_module::raw;
use redis_state_core::Machine;

use crate::errors::CommandError;
use crate::server::OK;
use crate::server::api;
use crate::server::context::{Context, Str};
use crate::server::datatype;

/// The type of a key that is opened for writing and missing.
#[expect(clippy::cast_possible_truncation, reason = "zero")]
const EMPTY: i32 = raw::REDISMODULE_KEYTYPE_EMPTY as i32;

/// A key opened for as long as this value lives.
///
/// # Invariants
///
/// 1. The handle is null or open.
/// 2. A value of this module's type is a `Machine` that came from `Box::into_raw`; the server
///    runs one command at a time, and a command opens a key once.
pub struct Key<'a> {
    raw: *mut raw::RedisModuleKey,
    call: PhantomData<&'a ()>,
}

impl<'a> Context<'a> {
    /// Opens a key to look at its machine. To the server this is a read, which counts as a hit or a
    /// miss.
    #[inline]
    pub fn open(self, name: Str<'_>) -> Key<'a> {
        self.open_as(name, raw::REDISMODULE_READ)
    }

    /// Opens a key to put a value in, or to change the one that is there. Who does so signals it.
    #[inline]
    pub fn open_for_writing(self, name: Str<'_>) -> Key<'a> {
        self.open_as(name, raw::REDISMODULE_READ | raw::REDISMODULE_WRITE)
    }

    #[inline]
    fn open_as(self, name: Str<'_>, mode: u32) -> Key<'a> {
        // SAFETY: the context and the string are of the running call.
        let raw = unsafe {
            api!(RedisModule_OpenKey(
                self.raw(),
                name.raw(),
                mode.cast_signed()
            ))
        };
        Key {
            raw,
            call: PhantomData,
        }
    }
}

impl Key<'_> {
    /// The machine at this key; `None` for a missing key.
    #[inline]
    pub fn machine(&mut self) -> Result<Option<&mut Machine>, CommandError> {
        let value = self.value()?;
        // SAFETY: by invariant 2; the borrow of this handle keeps a second one from the caller.
        Ok(unsafe { value.cast::<Machine>().as_mut() })
    }

    /// Whether a machine can be put here: the key is missing or holds one.
    pub fn check_type(&self) -> Result<(), CommandError> {
        self.value().map(|_| ())
    }

    /// Puts a machine in place of what was there, expiry included.
    pub fn put(&mut self, machine: Machine) {
        let value = Box::into_raw(Box::new(machine));
        // SAFETY: by invariant 1 the handle is open, and it is open for writing or the call fails;
        // the server owns the value from here on and frees it by the type's callback.
        let status = unsafe {
            api!(RedisModule_ModuleTypeSetValue(
                self.raw,
                datatype::handle(),
                value.cast()
            ))
        };
        assert_eq!(status, OK, "the key takes a value");
    }

    /// Null for a missing key.
    #[inline]
    fn value(&self) -> Result<*mut c_void, CommandError> {
        if self.raw.is_null() {
            return Ok(ptr::null_mut());
        }
        // SAFETY: by invariant 1 the handle is open.
        unsafe {
            if api!(RedisModule_ModuleTypeGetType(self.raw)) == datatype::handle() {
                return Ok(api!(RedisModule_ModuleTypeGetValue(self.raw)));
            }
            if api!(RedisModule_KeyType(self.raw)) == EMPTY {
                return Ok(ptr::null_mut());
            }
        }
        Err(CommandError::WrongType)
    }
}

impl Drop for Key<'_> {
    #[inline]
    fn drop(&mut self) {
        if !self.raw.is_null() {
            // SAFETY: by invariant 1, and not used after.
            unsafe { api!(RedisModule_CloseKey(self.raw)) };
        }
    }
}
