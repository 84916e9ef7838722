//! Telling the server about the commands: all from the constants made of `commands.json`.

use std::ffi::{CStr, c_int};
use std::ptr;

use redis_module::raw;

use crate::commands::Command;
use crate::datatype::log_failed_replay;
use crate::errors::CommandError;
use crate::server::OK;
use crate::server::api;
use crate::server::context::{Args, Context};
use crate::server::guard::guarded;

/// A command as `commands.json` describes it.
pub struct CommandSpec {
    /// As typed by users.
    pub name: &'static CStr,
    summary: &'static CStr,
    complexity: &'static CStr,
    since: &'static CStr,
    arity: c_int,
    flags: &'static CStr,
    acl_categories: &'static [&'static str],
    key_flags: &'static [&'static str],
    history: &'static [(&'static CStr, &'static CStr)],
    arguments: &'static [ArgumentSpec],
}

struct ArgumentSpec {
    name: &'static CStr,
    kind: ArgumentKind,
    token: Option<&'static CStr>,
    summary: Option<&'static CStr>,
    optional: bool,
    arguments: &'static [ArgumentSpec],
}

#[allow(dead_code, reason = "which kinds occur is up to commands.json")]
#[derive(Clone, Copy, PartialEq)]
enum ArgumentKind {
    Key,
    String,
    PureToken,
    OneOf,
    Block,
}

/// Every command of `commands.json`.
pub const COMMANDS: &[CommandSpec] = include!(concat!(env!("OUT_DIR"), "/commands.rs"));

/// The ACL category of this module's commands, where the server has such.
const CATEGORY: &CStr = c"statemachine";

/// The server's callback for one command.
pub type Entry = unsafe extern "C" fn(
    *mut raw::RedisModuleCtx,
    *mut *mut raw::RedisModuleString,
    c_int,
) -> c_int;

/// The entry of a command: guarded, and errors turned into replies.
pub unsafe extern "C" fn entry<C: Command>(
    context: *mut raw::RedisModuleCtx,
    argv: *mut *mut raw::RedisModuleString,
    argc: c_int,
) -> c_int {
    // SAFETY: the server's pointers, for this call.
    let (context, args) = unsafe { (Context::new(context), Args::new(argv, argc)) };
    match guarded(C::NAME, || C::run(context, args)) {
        Some(Ok(())) => {}
        Some(Err(error @ CommandError::WrongArity)) => {
            log_failed_replay(context, C::NAME, args.get(1), &error.to_string());
            context.reply_wrong_arity();
        }
        Some(Err(error)) => {
            let why = error.to_string();
            fail(context, args, C::NAME, &why);
        }
        None => fail(
            context,
            args,
            C::NAME,
            &CommandError::Bug(C::NAME).to_string(),
        ),
    }
    OK
}

#[cold]
fn fail(context: Context<'_>, args: Args<'_>, command: &str, why: &str) {
    log_failed_replay(context, command, args.get(1), why);
    context.reply_error(why);
}

/// Registers the ACL category, before the commands that are in it.
pub fn register_category(context: Context<'_>) {
    // SAFETY: the context is of the load call. A category that is there already is fine.
    unsafe {
        if let Some(add) = raw::RedisModule_AddACLCategory {
            add(context.raw(), CATEGORY.as_ptr());
        }
    }
}

/// Registers a command under the name and with the metadata of its spec.
pub fn register(context: Context<'_>, spec: &CommandSpec, entry: Entry) -> Result<(), String> {
    let name = spec.name.to_string_lossy();
    let key = c_int::from(!spec.key_flags.is_empty());
    // SAFETY: the context is of the load call; the server copies the strings.
    let status = unsafe {
        api!(RedisModule_CreateCommand(
            context.raw(),
            spec.name.as_ptr(),
            Some(entry),
            spec.flags.as_ptr(),
            key,
            key,
            key
        ))
    };
    if status != OK {
        return Err(format!(
            "the server refuses the command {name}; has another module taken it?"
        ));
    }
    // SAFETY: as above.
    let command = unsafe { api!(RedisModule_GetCommand(context.raw(), spec.name.as_ptr())) };
    if command.is_null() || !describe(command, spec) {
        return Err(format!("the server refuses the description of {name}"));
    }
    categorise(command, spec);
    Ok(())
}

/// Sets the categories, with this module's own where the server has such. Servers without this call
/// have no categories for the commands of modules.
fn categorise(command: *mut raw::RedisModuleCommand, spec: &CommandSpec) {
    // SAFETY: reads a pointer that is set once, at load.
    let Some(set) = (unsafe { raw::RedisModule_SetCommandACLCategories }) else {
        return;
    };
    let own = CATEGORY.to_string_lossy();
    let plain = spec.acl_categories.join(" ");
    for categories in [format!("{plain} {own}\0"), format!("{plain}\0")] {
        // SAFETY: the command was just created; the text ends in NUL.
        if unsafe { set(command, categories.as_ptr().cast()) } == OK {
            return;
        }
    }
}

fn describe(command: *mut raw::RedisModuleCommand, spec: &CommandSpec) -> bool {
    let version = raw::RedisModuleCommandInfoVersion {
        version: 1,
        sizeof_historyentry: size_of::<raw::RedisModuleCommandHistoryEntry>(),
        sizeof_keyspec: size_of::<raw::RedisModuleCommandKeySpec>(),
        sizeof_arg: size_of::<raw::RedisModuleCommandArg>(),
    };
    let mut history = history(spec);
    let mut key_specs = key_specs(spec);
    let mut arguments = Arguments::of(spec.arguments);
    // SAFETY: all fields may be zero; lists end in a zeroed entry, and all live until the call
    // returns, by when the server has copied them.
    unsafe {
        let mut info: raw::RedisModuleCommandInfo = std::mem::zeroed();
        info.version = &raw const version;
        info.summary = spec.summary.as_ptr();
        info.complexity = spec.complexity.as_ptr();
        info.since = spec.since.as_ptr();
        // An empty list would be shown as one; built-in commands without show none.
        if !spec.history.is_empty() {
            info.history = history.as_mut_ptr();
        }
        info.arity = spec.arity;
        info.key_specs = key_specs.as_mut_ptr();
        if !spec.arguments.is_empty() {
            info.args = arguments.list.as_mut_ptr();
        }
        api!(RedisModule_SetCommandInfo(command, &raw const info)) == OK
    }
}

fn history(spec: &CommandSpec) -> Vec<raw::RedisModuleCommandHistoryEntry> {
    let entry = |(since, changes): &(&CStr, &CStr)| raw::RedisModuleCommandHistoryEntry {
        since: since.as_ptr(),
        changes: changes.as_ptr(),
    };
    let end = raw::RedisModuleCommandHistoryEntry {
        since: ptr::null(),
        changes: ptr::null(),
    };
    spec.history.iter().map(entry).chain([end]).collect()
}

/// One key at position one, or none.
fn key_specs(spec: &CommandSpec) -> Vec<raw::RedisModuleCommandKeySpec> {
    // SAFETY: all fields may be zero, which ends the list.
    let end: raw::RedisModuleCommandKeySpec = unsafe { std::mem::zeroed() };
    if spec.key_flags.is_empty() {
        return vec![end];
    }
    let mut first = end;
    first.flags = spec.key_flags.iter().map(|flag| key_flag(flag)).sum();
    first.begin_search_type = raw::RedisModuleKeySpecBeginSearchType_REDISMODULE_KSPEC_BS_INDEX;
    first.bs.index.pos = 1;
    first.find_keys_type = raw::RedisModuleKeySpecFindKeysType_REDISMODULE_KSPEC_FK_RANGE;
    first.fk.range = raw::RedisModuleCommandKeySpec__bindgen_ty_2__bindgen_ty_1 {
        lastkey: 0,
        keystep: 1,
        limit: 0,
    };
    vec![first, end]
}

fn key_flag(name: &str) -> u64 {
    u64::from(match name {
        "RO" => raw::REDISMODULE_CMD_KEY_RO,
        "RW" => raw::REDISMODULE_CMD_KEY_RW,
        "OW" => raw::REDISMODULE_CMD_KEY_OW,
        "RM" => raw::REDISMODULE_CMD_KEY_RM,
        "ACCESS" => raw::REDISMODULE_CMD_KEY_ACCESS,
        "UPDATE" => raw::REDISMODULE_CMD_KEY_UPDATE,
        "INSERT" => raw::REDISMODULE_CMD_KEY_INSERT,
        "DELETE" => raw::REDISMODULE_CMD_KEY_DELETE,
        other => panic!("commands.json: unknown key flag {other}"),
    })
}

/// A list of arguments in the server's form, with the lists inside them.
struct Arguments {
    list: Vec<raw::RedisModuleCommandArg>,
    /// Owns what `list` points to. Moving a vector leaves its elements where they are.
    _inner: Vec<Arguments>,
}

impl Arguments {
    fn of(specs: &[ArgumentSpec]) -> Self {
        let mut inner: Vec<Self> = specs.iter().map(|spec| Self::of(spec.arguments)).collect();
        let mut list: Vec<_> = specs.iter().zip(&mut inner).map(argument).collect();
        // SAFETY: all fields may be zero, which ends the list.
        list.push(unsafe { std::mem::zeroed() });
        Self {
            list,
            _inner: inner,
        }
    }
}

fn argument((spec, inner): (&ArgumentSpec, &mut Arguments)) -> raw::RedisModuleCommandArg {
    let text = |text: Option<&'static CStr>| text.map_or(ptr::null(), CStr::as_ptr);
    let flags = if spec.optional {
        raw::REDISMODULE_CMD_ARG_OPTIONAL
    } else {
        raw::REDISMODULE_CMD_ARG_NONE
    };
    let has_inner = !spec.arguments.is_empty();
    raw::RedisModuleCommandArg {
        name: spec.name.as_ptr(),
        type_: match spec.kind {
            ArgumentKind::Key => raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_KEY,
            ArgumentKind::String => raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_STRING,
            ArgumentKind::PureToken => {
                raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_PURE_TOKEN
            }
            ArgumentKind::OneOf => raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_ONEOF,
            ArgumentKind::Block => raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_BLOCK,
        },
        key_spec_index: if spec.kind == ArgumentKind::Key {
            0
        } else {
            -1
        },
        token: text(spec.token),
        summary: text(spec.summary),
        since: ptr::null(),
        flags: flags.cast_signed(),
        deprecated_since: ptr::null(),
        subargs: if has_inner {
            inner.list.as_mut_ptr()
        } else {
            ptr::null_mut()
        },
        display_text: ptr::null(),
    }
}
