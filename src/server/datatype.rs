//! The data type `StateType`: its registration and the callbacks that the server calls.
//!
//! Each callback is a guarded shim around a safe function of [`crate::datatype`].

use std::ffi::{c_int, c_void};
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use redis_module::raw;
use redis_state_core::Machine;

use crate::datatype::{self, Encoding};
use crate::server::api;
use crate::server::guard::guarded;
use crate::server::io::{Digest, Io};
use crate::server::{alloc, module};

/// The type's name: frozen, as it is in every RDB file.
const NAME: &std::ffi::CStr = c"StateType";

/// The registered type; null before that.
static HANDLE: AtomicPtr<raw::RedisModuleType> = AtomicPtr::new(ptr::null_mut());

/// The type's handle, to set values and to tell them from others.
#[inline]
pub fn handle() -> *mut raw::RedisModuleType {
    HANDLE.load(Ordering::Relaxed)
}

/// Registers the type.
pub fn register(context: super::context::Context<'_>) -> Result<(), String> {
    // SAFETY: all fields may be zero: null callbacks are ones that the type does not have.
    let mut methods: raw::RedisModuleTypeMethods = unsafe { std::mem::zeroed() };
    methods.version = u64::from(raw::REDISMODULE_TYPE_METHOD_VERSION);
    methods.rdb_load = Some(rdb_load);
    methods.rdb_save = Some(rdb_save);
    methods.aof_rewrite = Some(aof_rewrite);
    methods.free = Some(free);
    methods.free_effort = Some(free_effort);
    methods.mem_usage = Some(mem_usage);
    methods.digest = Some(digest);
    methods.copy = Some(copy);
    methods.defrag = Some(defrag);
    let encoding = Encoding::CURRENT as c_int;
    // SAFETY: the context is of the load call; the server copies the struct.
    let handle = unsafe {
        api!(RedisModule_CreateDataType(
            context.raw(),
            NAME.as_ptr(),
            encoding,
            &raw mut methods
        ))
    };
    HANDLE.store(handle, Ordering::Relaxed);
    if handle.is_null() {
        return Err("the server refuses the data type StateType; is it loaded already?".into());
    }
    Ok(())
}

/// The machine behind a value that the server hands back.
///
/// # Safety
///
/// `value` is a value of this type: it came from `Box::into_raw` in a load, a copy or a put, and
/// was not freed. It is not changed while the reference lives.
unsafe fn machine<'a>(value: *const c_void) -> &'a Machine {
    // SAFETY: as the caller promises.
    unsafe { &*value.cast() }
}

fn into_raw(machine: Machine) -> *mut c_void {
    Box::into_raw(Box::new(machine)).cast()
}

unsafe extern "C" fn rdb_load(io: *mut raw::RedisModuleIO, encoding: c_int) -> *mut c_void {
    let load = || {
        // SAFETY: the server's pointer, for this callback.
        let mut io = unsafe { Io::new(io) };
        datatype::load(&mut io, encoding).map(into_raw)
    };
    guarded("rdb_load", load)
        .flatten()
        .unwrap_or(ptr::null_mut())
}

unsafe extern "C" fn rdb_save(io: *mut raw::RedisModuleIO, value: *mut c_void) {
    // SAFETY: the server's pointer, for this callback; `value` is of this type.
    let (mut io, machine) = unsafe { (Io::new(io), machine(value)) };
    let record = || guarded("rdb_save", || datatype::record(machine));
    let record = record().or_else(|| {
        // A fork can fail its save. The server itself has no way to, so it gets a second try.
        (!module::is_fork() && datatype::leave_file())
            .then(record)
            .flatten()
    });
    match record {
        Some(record) => io.save(&record),
        None => module::give_up_saving(|| io.save(&[])),
    }
}

unsafe extern "C" fn aof_rewrite(
    io: *mut raw::RedisModuleIO,
    _key: *mut raw::RedisModuleString,
    value: *mut c_void,
) {
    let rewrite = || {
        // SAFETY: the server's pointer, for this callback; `value` is of this type.
        let (mut io, machine) = unsafe { (Io::new(io), machine(value)) };
        datatype::rewrite(&mut io, machine);
    };
    if guarded("aof_rewrite", rewrite).is_none() {
        module::give_up_saving(|| {});
    }
}

unsafe extern "C" fn free(value: *mut c_void) {
    // SAFETY: `value` is of this type, and the server gives it up here.
    let machine = unsafe { Box::from_raw(value.cast::<Machine>()) };
    guarded("free", || drop(machine));
}

unsafe extern "C" fn free_effort(_key: *mut raw::RedisModuleString, value: *const c_void) -> usize {
    // SAFETY: `value` is of this type.
    let machine = unsafe { machine(value) };
    guarded("free_effort", || datatype::free_effort(machine)).unwrap_or(1)
}

unsafe extern "C" fn mem_usage(value: *const c_void) -> usize {
    // SAFETY: `value` is of this type.
    let usage = || datatype::memory(unsafe { machine(value) }, alloc::block_size);
    guarded("mem_usage", usage).unwrap_or(0)
}

unsafe extern "C" fn digest(digest: *mut raw::RedisModuleDigest, value: *mut c_void) {
    guarded("digest", || {
        // SAFETY: the server's pointer, for this callback; `value` is of this type.
        let (mut digest, machine) = unsafe { (Digest::new(digest), machine(value)) };
        datatype::digest(&mut digest, machine);
    });
}

unsafe extern "C" fn copy(
    _from: *mut raw::RedisModuleString,
    _to: *mut raw::RedisModuleString,
    value: *const c_void,
) -> *mut c_void {
    // SAFETY: `value` is of this type.
    let copied = guarded("copy", || into_raw(unsafe { machine(value) }.clone()));
    copied.unwrap_or(ptr::null_mut())
}

unsafe extern "C" fn defrag(
    context: *mut raw::RedisModuleDefragCtx,
    _key: *mut raw::RedisModuleString,
    value: *mut *mut c_void,
) -> c_int {
    guarded("defrag", || {
        // SAFETY: `*value` is of this type, and nothing else refers to it during the callback.
        // All three kinds of block are aligned to eight, so they are the allocator's own.
        unsafe {
            relocate(context, &mut *value.cast::<Box<Machine>>());
            let machine = &mut *(*value).cast::<Machine>();
            if let Some(extras) = machine.extras_mut() {
                relocate(context, extras);
                relocate_str(context, extras.reason_mut());
            }
        }
    });
    // Done: a machine is three blocks at most, so there is nothing to resume. Its definition stays
    // where it is, as other machines point to it.
    0
}

/// Moves a box to where the allocator would rather have it.
///
/// # Safety
///
/// `owned` is the only pointer to its block.
unsafe fn relocate<T>(context: *mut raw::RedisModuleDefragCtx, owned: &mut Box<T>) {
    // SAFETY: a box is a pointer, and stays one: the server copied the bytes and freed the old
    // block, or returned null and did nothing.
    unsafe {
        let slot = ptr::from_mut(owned).cast::<*mut c_void>();
        let moved = api!(RedisModule_DefragAlloc(context, *slot));
        if !moved.is_null() {
            *slot = moved;
        }
    }
}

/// As [`relocate`], for a string that is not empty.
///
/// # Safety
///
/// `owned` is the only pointer to its block.
unsafe fn relocate_str(context: *mut raw::RedisModuleDefragCtx, owned: &mut Box<str>) {
    let length = owned.len();
    if length == 0 {
        return;
    }
    // SAFETY: as in `relocate`; the new block holds the same bytes.
    unsafe {
        let moved = api!(RedisModule_DefragAlloc(context, owned.as_mut_ptr().cast()));
        if !moved.is_null() {
            let bytes = ptr::slice_from_raw_parts_mut(moved.cast::<u8>(), length);
            ptr::write(owned, Box::from_raw(bytes as *mut str));
        }
    }
}
