//! Module configs: their types, their registration, and the callbacks that read and write them.

#[cfg(feature = "fault-injection")]
use std::ffi::CString;
use std::ffi::{CStr, c_char, c_int, c_longlong, c_void};
use std::sync::atomic::{AtomicI32, AtomicI64, Ordering};

use redis_module::raw;

use crate::server::api::{OK, api};
use crate::server::context::Context;
#[cfg(feature = "fault-injection")]
use crate::server::guard::guarded;

/// A config that is a number.
pub struct Number {
    /// The name, without the module's prefix.
    pub name: &'static CStr,
    /// The value, at first the default.
    pub value: AtomicI64,
    /// The least allowed value.
    pub min: i64,
    /// The greatest allowed value.
    pub max: i64,
    /// Whether the number counts bytes, so that the server accepts `16mb`.
    pub is_memory: bool,
}

/// A config whose value is one of several names.
pub struct Choice {
    /// The name, without the module's prefix.
    pub name: &'static CStr,
    /// The names to choose from. The value is the position of the chosen name.
    pub names: &'static [&'static CStr],
    /// The value, at first the default.
    pub value: AtomicI32,
}

/// A config that is a text, in test builds.
#[cfg(feature = "fault-injection")]
pub struct Text {
    /// The name, without the module's prefix.
    pub name: &'static CStr,
    /// Returns the value.
    pub get: fn() -> String,
    /// Takes a new value.
    pub set: fn(&str),
}

impl Number {
    /// Returns the value.
    #[inline]
    pub fn get(&self) -> usize {
        usize::try_from(self.value.load(Ordering::Relaxed)).unwrap_or(usize::MAX)
    }
}

impl Choice {
    /// Returns the position of the chosen name.
    #[inline]
    pub fn get(&self) -> i32 {
        self.value.load(Ordering::Relaxed)
    }
}

/// Registers a number, with its present value as the default.
///
/// # Errors
///
/// If the server refuses it.
pub fn register_number(context: Context<'_>, number: &'static Number) -> Result<(), String> {
    let flags = if number.is_memory {
        raw::REDISMODULE_CONFIG_MEMORY
    } else {
        raw::REDISMODULE_CONFIG_DEFAULT
    };
    // SAFETY: the context is of the load call; the config lives as long as the process, and the
    // callbacks get it back as their private data.
    let status = unsafe {
        api!(RedisModule_RegisterNumericConfig(
            context.raw(),
            number.name.as_ptr(),
            number.value.load(Ordering::Relaxed),
            flags,
            number.min,
            number.max,
            Some(get_number),
            Some(set_number),
            None,
            std::ptr::from_ref(number).cast_mut().cast(),
        ))
    };
    check(number.name, status)
}

/// Registers a choice, with its present value as the default.
///
/// # Errors
///
/// If the server refuses it.
pub fn register_choice(context: Context<'_>, choice: &'static Choice) -> Result<(), String> {
    let mut names: Vec<*const c_char> = choice.names.iter().map(|name| name.as_ptr()).collect();
    let count = c_int::try_from(names.len()).unwrap_or(c_int::MAX);
    let values: Vec<c_int> = (0..count).collect();
    // SAFETY: as above; the server copies the names and values.
    let status = unsafe {
        api!(RedisModule_RegisterEnumConfig(
            context.raw(),
            choice.name.as_ptr(),
            choice.value.load(Ordering::Relaxed),
            raw::REDISMODULE_CONFIG_DEFAULT,
            names.as_mut_ptr(),
            values.as_ptr(),
            count,
            Some(get_choice),
            Some(set_choice),
            None,
            std::ptr::from_ref(choice).cast_mut().cast(),
        ))
    };
    check(choice.name, status)
}

/// Gives every registered config its value from the configuration file.
///
/// # Errors
///
/// If one of the values there is not allowed.
pub fn load(context: Context<'_>) -> Result<(), String> {
    // SAFETY: the context is of the load call.
    match unsafe { api!(RedisModule_LoadConfigs(context.raw())) } {
        OK => Ok(()),
        _ => Err("the server could not load the module's configs".into()),
    }
}

fn check(name: &CStr, status: c_int) -> Result<(), String> {
    match status {
        OK => Ok(()),
        _ => Err(format!(
            "the server refuses the config {}",
            name.to_string_lossy()
        )),
    }
}

unsafe extern "C" fn get_number(_name: *const c_char, number: *mut c_void) -> c_longlong {
    // SAFETY: the private data of `register_number`.
    let number = unsafe { &*number.cast::<Number>() };
    number.value.load(Ordering::Relaxed)
}

unsafe extern "C" fn set_number(
    _name: *const c_char,
    value: c_longlong,
    number: *mut c_void,
    _error: *mut *mut raw::RedisModuleString,
) -> c_int {
    // SAFETY: the private data of `register_number`.
    let number = unsafe { &*number.cast::<Number>() };
    number.value.store(value, Ordering::Relaxed);
    OK
}

unsafe extern "C" fn get_choice(_name: *const c_char, choice: *mut c_void) -> c_int {
    // SAFETY: the private data of `register_choice`.
    let choice = unsafe { &*choice.cast::<Choice>() };
    choice.value.load(Ordering::Relaxed)
}

unsafe extern "C" fn set_choice(
    _name: *const c_char,
    value: c_int,
    choice: *mut c_void,
    _error: *mut *mut raw::RedisModuleString,
) -> c_int {
    // SAFETY: the private data of `register_choice`.
    let choice = unsafe { &*choice.cast::<Choice>() };
    choice.value.store(value, Ordering::Relaxed);
    OK
}

/// Registers a text, which is empty at first.
///
/// # Errors
///
/// If the server refuses it.
#[cfg(feature = "fault-injection")]
pub fn register_text(context: Context<'_>, text: &'static Text) -> Result<(), String> {
    // SAFETY: as in `register_number`.
    let status = unsafe {
        api!(RedisModule_RegisterStringConfig(
            context.raw(),
            text.name.as_ptr(),
            c"".as_ptr(),
            raw::REDISMODULE_CONFIG_DEFAULT,
            Some(get_text),
            Some(set_text),
            None,
            std::ptr::from_ref(text).cast_mut().cast(),
        ))
    };
    check(text.name, status)
}

#[cfg(feature = "fault-injection")]
unsafe extern "C" fn get_text(
    _name: *const c_char,
    text: *mut c_void,
) -> *mut raw::RedisModuleString {
    use std::sync::atomic::AtomicPtr;
    static LAST_RETURNED: AtomicPtr<raw::RedisModuleString> = AtomicPtr::new(std::ptr::null_mut());
    // SAFETY: the private data of `register_text`.
    let text = unsafe { &*text.cast::<Text>() };
    let value = CString::new((text.get)()).unwrap_or_default();
    // SAFETY: the server requires the string to live until the next call, so it is freed then.
    unsafe {
        let null = std::ptr::null_mut();
        let new = api!(RedisModule_CreateString(
            null,
            value.as_ptr(),
            value.as_bytes().len()
        ));
        let old = LAST_RETURNED.swap(new, Ordering::Relaxed);
        if !old.is_null() {
            api!(RedisModule_FreeString(null, old));
        }
        new
    }
}

#[cfg(feature = "fault-injection")]
unsafe extern "C" fn set_text(
    _name: *const c_char,
    value: *mut raw::RedisModuleString,
    text: *mut c_void,
    _error: *mut *mut raw::RedisModuleString,
) -> c_int {
    let mut length = 0;
    // SAFETY: the private data of `register_text`; the server's string, for this callback.
    let (text, value) = unsafe {
        let start = api!(RedisModule_StringPtrLen(value, &raw mut length));
        let value = std::slice::from_raw_parts(start.cast::<u8>(), length);
        (&*text.cast::<Text>(), value)
    };
    guarded("config", || (text.set)(&String::from_utf8_lossy(value)));
    OK
}
