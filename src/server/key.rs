//! An open key, for reading or for writing.

use std::marker::PhantomData;
use std::ptr::{self, NonNull};

use redis_module::raw;

use crate::server::api::{OK, api};
use crate::server::blocking;
use crate::server::context::Context;
use crate::server::stream::WithStream;
use crate::server::strings::{OwnedStr, Str};
use crate::server::value_type::ValueType;

/// The type of a key that is opened for writing and missing.
#[expect(clippy::cast_possible_truncation, reason = "zero")]
const EMPTY: i32 = raw::REDISMODULE_KEYTYPE_EMPTY as i32;

/// The key holds a value of another type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WrongType;

/// The server's handle of an open key. Dropping this value closes the key.
///
/// # Invariants
///
/// 1. The handle is null or open.
pub(super) struct Handle(*mut raw::RedisModuleKey);

/// The right of a running command to open keys, one at a time: an open key borrows it. So no two
/// references to one value exist, even if a command is given the same key twice.
///
/// # Invariants
///
/// 1. There is one for each call of a command, made by the command's entry.
pub struct Keys<'a> {
    context: Context<'a>,
}

/// A key opened for reading. The server counts opening it as a hit or a miss.
///
/// # Invariants
///
/// 1. The value, if there is one, came from `Box::into_raw` of a `T` and is alive while the key is
///    open: the server runs one command at a time, and [`Keys`] lends one key at a time.
pub struct ReadKey<'k, T> {
    value: Option<NonNull<T>>,
    _handle: Handle,
    keys: PhantomData<&'k T>,
}

/// A key opened for writing.
///
/// # Invariants
///
/// 1. Invariant 1 of [`ReadKey`] holds, so nothing else refers to the value.
pub struct WriteKey<'k, T> {
    value: Option<NonNull<T>>,
    handle: Handle,
    context: Context<'k>,
    name: Str<'k>,
}

/// How a key is opened to read its value for nobody. Older servers ignore the flags that they don't know.
const FOR_NOBODY: u32 = raw::REDISMODULE_READ
    | raw::REDISMODULE_OPEN_KEY_NOTOUCH
    | raw::REDISMODULE_OPEN_KEY_NONOTIFY
    | raw::REDISMODULE_OPEN_KEY_NOSTATS;

impl<'a> Keys<'a> {
    /// # Safety
    ///
    /// `context` is that of a command that just began, and no other `Keys` is made for it.
    pub(super) unsafe fn new(context: Context<'a>) -> Self {
        Self { context }
    }

    /// Opens a key to read its value.
    ///
    /// # Errors
    ///
    /// If the key holds a value of another type.
    #[inline(always)]
    pub fn read<T: ValueType>(&mut self, name: Str<'a>) -> Result<ReadKey<'_, T>, WrongType> {
        let handle = Handle::open(self.context, name, raw::REDISMODULE_READ);
        Ok(ReadKey {
            value: handle.value()?,
            _handle: handle,
            keys: PhantomData,
        })
    }

    /// Opens a key to read its value for nobody: it is no use of the key, and since Redis 7.2 no hit and
    /// no miss.
    ///
    /// # Errors
    ///
    /// If the key holds a value of another type.
    pub fn look_at<T: ValueType>(&mut self, name: Str<'a>) -> Result<ReadKey<'_, T>, WrongType> {
        let handle = Handle::open(self.context, name, FOR_NOBODY);
        Ok(ReadKey {
            value: handle.value()?,
            _handle: handle,
            keys: PhantomData,
        })
    }

    /// Shows the value of a key that is no argument of the command, for nobody, as
    /// [`look_at`](Self::look_at) does. Nothing is shown if the key is missing or holds a value of
    /// another type.
    pub fn glance<T: ValueType, R>(
        &mut self,
        name: &[u8],
        show: impl FnOnce(&T) -> R,
    ) -> Option<R> {
        // Closed before the name goes.
        let name = OwnedStr::new(self.context, name);
        let handle = Handle::open(self.context, name.as_str(), FOR_NOBODY);
        let value = handle.value::<T>().ok()??;
        // SAFETY: the value came from `Box::into_raw` and is alive while the key is open; the borrow
        // of `self` keeps others from opening it meanwhile.
        Some(show(unsafe { value.as_ref() }))
    }

    /// Lets a key go that has expired. Whoever hears of that has done so before others are opened.
    pub fn let_expire(&mut self, name: Str<'a>) {
        drop(Handle::open_to_write(self.context, name));
    }

    /// Opens a key to store a value, or to change its value.
    ///
    /// # Errors
    ///
    /// If the key holds a value of another type.
    #[inline(always)]
    pub fn write<T: ValueType>(&mut self, name: Str<'a>) -> Result<WriteKey<'_, T>, WrongType> {
        WriteKey::open(self.context, name)
    }
}

impl<T: ValueType> ReadKey<'_, T> {
    /// Returns the value; `None` for a missing key.
    #[inline]
    pub fn value(&self) -> Option<&T> {
        // SAFETY: by invariant 1.
        self.value.map(|value| unsafe { value.as_ref() })
    }
}

impl<'k, T: ValueType> WriteKey<'k, T> {
    /// Returns the value; `None` for a missing key.
    #[inline]
    pub fn value_mut(&mut self) -> Option<&mut T> {
        // SAFETY: by invariant 1; the borrow of this key keeps the caller from getting a second
        // reference.
        self.value.map(|mut value| unsafe { value.as_mut() })
    }

    /// Stores a value and clears the expiry. An existing value is replaced in place, as SET does:
    /// the key is neither deleted nor new, and keeps its access statistics.
    pub fn put(&mut self, value: T) {
        if self.replace(value) {
            self.clear_expiry();
        }
    }

    /// Stores a value and keeps the expiry. Returns whether there was a value.
    pub fn replace(&mut self, value: T) -> bool {
        let Some(present) = self.value_mut() else {
            self.insert(value);
            return false;
        };
        present.freed();
        *present = value;
        true
    }

    /// Deletes the key.
    pub fn delete(&mut self) {
        self.handle.delete();
        self.value = None;
    }

    /// Tells WATCH, client-side caching and keyspace events that the key has changed, and closes
    /// it.
    #[inline]
    pub fn commit(self, event: &std::ffi::CStr) {
        let (context, name) = (self.context, self.name);
        signal(context, name);
        drop(self);
        context.notify(event, name);
    }

    /// As [`commit`](Self::commit), with so many events, and a last one if the key was deleted. Opens
    /// the key again: whoever hears of an event may have changed it.
    ///
    /// # Errors
    ///
    /// If the key holds a value of another type now.
    pub fn commit_and_reopen(
        self,
        event: &std::ffi::CStr,
        times: usize,
        is_deleted: bool,
    ) -> Result<Self, WrongType> {
        let (context, name) = (self.context, self.name);
        signal(context, name);
        drop(self);
        for _ in 0..times {
            context.notify(event, name);
        }
        if is_deleted {
            context.notify_deleted(name);
        }
        Self::open(context, name)
    }

    /// Opens a stream beside this key.
    pub fn with_stream(self, name: Str<'k>) -> WithStream<'k, T> {
        WithStream::new(self.context, self, name)
    }

    pub(super) fn name(&self) -> Str<'k> {
        self.name
    }

    #[inline(always)]
    pub(super) fn open(context: Context<'k>, name: Str<'k>) -> Result<Self, WrongType> {
        let handle = Handle::open_to_write(context, name);
        Ok(Self {
            value: handle.value()?,
            handle,
            context,
            name,
        })
    }

    fn clear_expiry(&mut self) {
        let no_expiry = i64::from(raw::REDISMODULE_NO_EXPIRE);
        // SAFETY: the handle is open for writing, as `open_for_writing` made it.
        let status = unsafe { api!(RedisModule_SetExpire(self.handle.0, no_expiry)) };
        assert_eq!(status, OK, "a key that holds a value takes an expiry");
    }

    fn insert(&mut self, value: T) {
        let kind = T::handle().get();
        assert!(!kind.is_null(), "the type is registered");
        let value = Box::into_raw(Box::new(value));
        // SAFETY: the handle is open for writing. The server owns the value from here on and frees
        // it by the type's callback.
        let status = unsafe {
            api!(RedisModule_ModuleTypeSetValue(
                self.handle.0,
                kind,
                value.cast()
            ))
        };
        assert_eq!(status, OK, "the key takes a value");
        self.value = NonNull::new(value);
    }
}

/// Tells WATCH, client-side caching and those who wait that a key has changed.
#[inline(always)]
fn signal(context: Context<'_>, name: Str<'_>) {
    context.signal_modified(name);
    if blocking::waiters() > 0 {
        context.signal_ready(name);
    }
}

impl Handle {
    /// Opens a key for writing.
    #[inline(always)]
    pub(super) fn open_to_write(context: Context<'_>, name: Str<'_>) -> Self {
        Self::open(
            context,
            name,
            raw::REDISMODULE_READ | raw::REDISMODULE_WRITE,
        )
    }

    pub(super) fn raw(&self) -> *mut raw::RedisModuleKey {
        self.0
    }

    /// Deletes the key, which is open for writing.
    pub(super) fn delete(&self) {
        // SAFETY: by invariant 1. The server frees the value.
        unsafe { api!(RedisModule_DeleteKey(self.0)) };
    }

    /// Returns the type of the value.
    pub(super) fn kind(&self) -> i32 {
        // SAFETY: by invariant 1; for a null handle the server returns that of a missing key.
        unsafe { api!(RedisModule_KeyType(self.0)) }
    }

    #[inline(always)]
    fn open(context: Context<'_>, name: Str<'_>, mode: u32) -> Self {
        // SAFETY: the context and the string are of the running call.
        Self(unsafe {
            api!(RedisModule_OpenKey(
                context.raw(),
                name.raw(),
                mode.cast_signed()
            ))
        })
    }

    /// Returns the value behind this handle; `None` for a missing key.
    #[inline(always)]
    fn value<T: ValueType>(&self) -> Result<Option<NonNull<T>>, WrongType> {
        if self.0.is_null() {
            return Ok(None);
        }
        // SAFETY: by invariant 1 the handle is open.
        unsafe {
            if api!(RedisModule_ModuleTypeGetType(self.0)) == T::handle().get() {
                let value = api!(RedisModule_ModuleTypeGetValue(self.0));
                return Ok(NonNull::new(value.cast()));
            }
            if api!(RedisModule_KeyType(self.0)) == EMPTY {
                return Ok(None);
            }
        }
        Err(WrongType)
    }
}

impl Drop for Handle {
    #[inline]
    fn drop(&mut self) {
        if !self.0.is_null() {
            // SAFETY: by invariant 1, and not used after.
            unsafe { api!(RedisModule_CloseKey(self.0)) };
            self.0 = ptr::null_mut();
        }
    }
}
