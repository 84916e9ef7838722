//! A native data type: its registration, and the callbacks that the server calls.
//!
//! Each callback is a guarded shim around a safe method of [`ValueType`].

use std::ffi::{CStr, c_int, c_void};
use std::marker::PhantomData;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use redis_module::raw;

use crate::server::api::api;
use crate::server::context::Context;
use crate::server::guard::guarded;
use crate::server::io::{Digest, Io};
use crate::server::strings::Str;
use crate::server::{alloc, fork};

/// The operations of a data type: how the server loads, saves, rewrites, measures, copies and
/// compares its values.
pub trait ValueType: Send + Sized + 'static {
    /// The type's name in RDB files. It has nine characters.
    const NAME: &'static CStr;

    /// The encoding version of saved values.
    const ENCODING: c_int;

    /// Returns the place that holds the handle of the registered type.
    fn handle() -> &'static TypeHandle<Self>;

    /// Reads a value of the given encoding version. If it can't be read, logs why and returns
    /// `None`.
    fn load(io: &mut Io<'_>, encoding: c_int) -> Option<Self>;

    /// Returns the bytes that are saved for this value.
    fn record(&self) -> Vec<u8>;

    /// Makes later values be written as if no file were open, so that none of them refers to an
    /// earlier part of the file. Returns whether a file was open.
    fn close_writer() -> bool;

    /// Writes the commands that recreate this value to an append-only file.
    fn rewrite(&self, io: &mut Io<'_>);

    /// Returns the effort of freeing this value. Above 64 the server frees it on a background
    /// thread.
    fn free_effort(&self) -> usize;

    /// Returns the memory of this value in bytes. `block_size` returns the bytes that a heap block
    /// takes, given its address and the requested size.
    fn memory(&self, block_size: impl Fn(*const u8, usize) -> usize) -> usize;

    /// Adds every part by which two values can differ. Equal values add the same bytes on every
    /// node, whatever commands led to them.
    fn digest(&self, digest: &mut Digest<'_>);

    /// Returns the value of a copied key, for the place where it will be.
    fn copy(&self, to: Place<'_>) -> Self;

    /// Notes that the key no longer has this value: it was deleted, or renamed, or moved to another
    /// database. Not every way in which a key goes comes by here, see `docs/architecture.md`.
    fn unlinked(&self);

    /// Notes that the value is about to be dropped, on whichever thread.
    fn freed(&self);

    /// Passes to `mover` each heap block that only this value owns, except the block of the value
    /// itself, which is moved already.
    fn relocate(&mut self, mover: &mut Mover);
}

/// Where a value is: the number of the database, and the name of the key.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    /// The number of the database.
    pub database: i32,
    /// The name of the key.
    pub key: &'a [u8],
}

/// The server's handle of a type; null until the type is registered.
pub struct TypeHandle<T> {
    raw: AtomicPtr<raw::RedisModuleType>,
    of: PhantomData<fn() -> T>,
}

impl<T> TypeHandle<T> {
    /// Returns the handle of a type that isn't registered yet.
    pub const fn new() -> Self {
        Self {
            raw: AtomicPtr::new(ptr::null_mut()),
            of: PhantomData,
        }
    }

    #[inline]
    pub(super) fn get(&self) -> *mut raw::RedisModuleType {
        self.raw.load(Ordering::Relaxed)
    }
}

/// Registers the type.
///
/// # Errors
///
/// If the server refuses it.
pub fn register<T: ValueType>(context: Context<'_>) -> Result<(), String> {
    // SAFETY: all fields may be zero. A null callback means that the type doesn't have it.
    let mut methods: raw::RedisModuleTypeMethods = unsafe { std::mem::zeroed() };
    methods.version = u64::from(raw::REDISMODULE_TYPE_METHOD_VERSION);
    methods.rdb_load = Some(rdb_load::<T>);
    methods.rdb_save = Some(rdb_save::<T>);
    methods.aof_rewrite = Some(aof_rewrite::<T>);
    methods.free = Some(free::<T>);
    methods.free_effort = Some(free_effort::<T>);
    methods.mem_usage = Some(mem_usage::<T>);
    methods.digest = Some(digest::<T>);
    methods.copy2 = Some(copy::<T>);
    methods.unlink2 = Some(unlink::<T>);
    methods.defrag = Some(defrag::<T>);
    // SAFETY: the context is of the load call; the server copies the struct.
    let handle = unsafe {
        api!(RedisModule_CreateDataType(
            context.raw(),
            T::NAME.as_ptr(),
            T::ENCODING,
            &raw mut methods
        ))
    };
    if handle.is_null() {
        let name = T::NAME.to_string_lossy();
        return Err(format!(
            "the server refuses the data type {name}; is it loaded already?"
        ));
    }
    T::handle().raw.store(handle, Ordering::Relaxed);
    Ok(())
}

/// Returns the value behind a pointer that the server passes to a callback.
///
/// # Safety
///
/// `value` points to a value of this type: it came from [`into_raw`] or from
/// [`put`](crate::server::key::WriteKey::put) and was not freed. The value is not changed while the
/// reference lives.
unsafe fn borrow<'a, T: ValueType>(value: *const c_void) -> &'a T {
    // SAFETY: as the caller promises.
    unsafe { &*value.cast() }
}

fn into_raw<T: ValueType>(value: T) -> *mut c_void {
    Box::into_raw(Box::new(value)).cast()
}

unsafe extern "C" fn rdb_load<T: ValueType>(
    io: *mut raw::RedisModuleIO,
    encoding: c_int,
) -> *mut c_void {
    let load = || {
        // SAFETY: the server's pointer, for this callback.
        let mut io = unsafe { Io::new(io) };
        T::load(&mut io, encoding).map(into_raw)
    };
    guarded("rdb_load", load)
        .flatten()
        .unwrap_or(ptr::null_mut())
}

unsafe extern "C" fn rdb_save<T: ValueType>(io: *mut raw::RedisModuleIO, value: *mut c_void) {
    // SAFETY: the server's pointer, for this callback; `value` is of this type.
    let (mut io, value) = unsafe { (Io::new(io), borrow::<T>(value)) };
    let record = || guarded("rdb_save", || value.record());
    // In a fork, the save can fail. In the server itself it can't be stopped, so there is a second
    // try.
    let second_try = || {
        let closed = !fork::is_fork() && guarded("rdb_save", T::close_writer) == Some(true);
        closed.then(record).flatten()
    };
    match record().or_else(second_try) {
        Some(record) => io.save(&record),
        None => fork::give_up_saving(|| io.save(&[])),
    }
}

unsafe extern "C" fn aof_rewrite<T: ValueType>(
    io: *mut raw::RedisModuleIO,
    _key: *mut raw::RedisModuleString,
    value: *mut c_void,
) {
    let rewrite = || {
        // SAFETY: the server's pointer, for this callback; `value` is of this type.
        let (mut io, value) = unsafe { (Io::new(io), borrow::<T>(value)) };
        value.rewrite(&mut io);
    };
    if guarded("aof_rewrite", rewrite).is_none() {
        fork::give_up_saving(|| {});
    }
}

unsafe extern "C" fn free<T: ValueType>(value: *mut c_void) {
    // SAFETY: `value` is of this type, and the server gives it up here.
    let value = unsafe { Box::from_raw(value.cast::<T>()) };
    guarded("free", || {
        value.freed();
        drop(value);
    });
}

unsafe extern "C" fn free_effort<T: ValueType>(
    _key: *mut raw::RedisModuleString,
    value: *const c_void,
) -> usize {
    // SAFETY: `value` is of this type.
    let value = unsafe { borrow::<T>(value) };
    guarded("free_effort", || value.free_effort()).unwrap_or(1)
}

unsafe extern "C" fn mem_usage<T: ValueType>(value: *const c_void) -> usize {
    // SAFETY: `value` is of this type.
    let value = unsafe { borrow::<T>(value) };
    guarded("mem_usage", || value.memory(alloc::block_size)).unwrap_or(0)
}

unsafe extern "C" fn digest<T: ValueType>(digest: *mut raw::RedisModuleDigest, value: *mut c_void) {
    guarded("digest", || {
        // SAFETY: the server's pointer, for this callback; `value` is of this type.
        let (mut digest, value) = unsafe { (Digest::new(digest), borrow::<T>(value)) };
        value.digest(&mut digest);
    });
}

unsafe extern "C" fn copy<T: ValueType>(
    place: *mut raw::RedisModuleKeyOptCtx,
    value: *const c_void,
) -> *mut c_void {
    let copy = || {
        // SAFETY: the server's place, for this callback; `value` is of this type.
        unsafe {
            let to = Place {
                database: api!(RedisModule_GetToDbIdFromOptCtx(place)),
                key: Str::new(api!(RedisModule_GetToKeyNameFromOptCtx(place))).bytes(),
            };
            into_raw(borrow::<T>(value).copy(to))
        }
    };
    guarded("copy", copy).unwrap_or(ptr::null_mut())
}

unsafe extern "C" fn unlink<T: ValueType>(
    _place: *mut raw::RedisModuleKeyOptCtx,
    value: *const c_void,
) {
    // SAFETY: `value` is of this type.
    let value = unsafe { borrow::<T>(value) };
    guarded("unlink", || value.unlinked());
}

unsafe extern "C" fn defrag<T: ValueType>(
    context: *mut raw::RedisModuleDefragCtx,
    _key: *mut raw::RedisModuleString,
    value: *mut *mut c_void,
) -> c_int {
    guarded("defrag", || {
        let mut mover = Mover(context);
        // SAFETY: `*value` is of this type, so it is the pointer of a box, and nothing else refers
        // to it during the callback.
        let value = unsafe { &mut *value.cast::<Box<T>>() };
        mover.move_box(value);
        value.relocate(&mut mover);
    });
    // Zero means done. A value has few blocks of its own, so one call moves them all.
    0
}

/// Moves heap blocks to better places during active defragmentation.
///
/// # Invariants
///
/// 1. The pointer is the one that the server gave for this callback, valid until it returns.
pub struct Mover(*mut raw::RedisModuleDefragCtx);

impl Mover {
    /// Moves the block of a box.
    pub fn move_box<T>(&mut self, owned: &mut Box<T>) {
        const {
            assert!(
                size_of::<T>() > 0 && align_of::<T>() <= alloc::SERVER_ALIGNMENT,
                "the block is the server allocator's own"
            );
        }
        let slot = ptr::from_mut(owned).cast::<*mut c_void>();
        // SAFETY: a box is a pointer to a block that nothing else points to, and stays one: the
        // server copied the bytes and freed the old block, or returned null and did nothing. By
        // invariant 1 of the mover.
        unsafe {
            let moved = api!(RedisModule_DefragAlloc(self.0, *slot));
            if !moved.is_null() {
                *slot = moved;
            }
        }
    }

    /// Moves the block of a string. An empty string has none.
    pub fn move_text(&mut self, owned: &mut Box<str>) {
        if let Some(moved) = self.moved(owned.as_mut_ptr(), owned.len()) {
            // SAFETY: as in `move_box`; the new block holds the same bytes, which are text.
            unsafe { ptr::write(owned, Box::from_raw(moved as *mut str)) };
        }
    }

    /// Moves the block of a byte string. An empty one has none.
    pub fn move_bytes(&mut self, owned: &mut Box<[u8]>) {
        if let Some(moved) = self.moved(owned.as_mut_ptr(), owned.len()) {
            // SAFETY: as in `move_box`; the new block holds the same bytes.
            unsafe { ptr::write(owned, Box::from_raw(moved)) };
        }
    }

    /// Moves a block of so many bytes. Returns where it is now, if it was moved: then the old one is
    /// gone.
    fn moved(&mut self, block: *mut u8, bytes: usize) -> Option<*mut [u8]> {
        if bytes == 0 {
            return None;
        }
        // SAFETY: by invariant 1; the caller owns the block and forgets its old address.
        let moved = unsafe { api!(RedisModule_DefragAlloc(self.0, block.cast())) };
        (!moved.is_null()).then(|| ptr::slice_from_raw_parts_mut(moved.cast::<u8>(), bytes))
    }
}
