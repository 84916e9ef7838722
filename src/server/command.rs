//! Commands: their entry from the server, and their registration.

use std::ffi::{CStr, c_int};
use std::ptr;

use redis_module::raw;

use crate::server::api::{OK, api};
use crate::server::context::Context;
use crate::server::guard::guarded;
use crate::server::key::Keys;
use crate::server::strings::Args;

/// The code of one command, as the server calls it.
pub trait Handler {
    /// The command's name, for the log.
    const NAME: &'static str;

    /// Runs the command and replies, once, after all that can fail.
    fn call<'a>(context: Context<'a>, keys: Keys<'a>, args: Args<'a>);

    /// Replies with an error in place of a call that panicked. The call had not replied yet.
    fn reply_bug(context: Context<'_>, args: Args<'_>);
}

/// The description of a command for the server, with the fields of COMMAND DOCS and COMMAND INFO.
pub struct CommandSpec {
    /// The name, as typed by users.
    pub name: &'static CStr,
    /// One sentence.
    pub summary: &'static CStr,
    /// In O notation.
    pub complexity: &'static CStr,
    /// The version of the module that added the command.
    pub since: &'static CStr,
    /// The number of arguments, the name included. -3 means 3 or more.
    pub arity: c_int,
    /// The flags of RM_CreateCommand, with a space between them.
    pub flags: &'static CStr,
    /// The server's ACL categories, as a built-in command of this kind has them.
    pub acl_categories: &'static [&'static str],
    /// How the command uses its keys, which are its first arguments; empty for a command without a
    /// key.
    pub key_flags: &'static [&'static [&'static str]],
    /// The changes of the command: a version and a sentence for each.
    pub history: &'static [(&'static CStr, &'static CStr)],
    /// What clients of a cluster should know, with a space between the tips; empty for none.
    pub tips: &'static CStr,
    /// The arguments, in order.
    pub arguments: &'static [ArgumentSpec],
}

/// An argument of a command.
pub struct ArgumentSpec {
    /// Its name in the documentation.
    pub name: &'static CStr,
    /// What it is.
    pub kind: ArgumentKind,
    /// The word before the argument, or the word that is the argument.
    pub token: Option<&'static CStr>,
    /// One sentence.
    pub summary: Option<&'static CStr>,
    /// Whether it can be left out.
    pub optional: bool,
    /// Whether it can be given several times.
    pub multiple: bool,
    /// The arguments inside a block or a choice.
    pub arguments: &'static [ArgumentSpec],
}

/// What an argument is.
#[derive(Clone, Copy, PartialEq)]
pub enum ArgumentKind {
    /// The name of a key.
    Key,
    /// Any string.
    String,
    /// A whole number.
    Integer,
    /// A word, as it is.
    PureToken,
    /// One of the arguments inside.
    OneOf,
    /// All of the arguments inside, one after the other.
    Block,
}

/// The server's callback for one command.
pub type Entry = unsafe extern "C" fn(
    *mut raw::RedisModuleCtx,
    *mut *mut raw::RedisModuleString,
    c_int,
) -> c_int;

/// Runs a command in the panic guard.
///
/// # Safety
///
/// Called by a server, with a valid context and `argc` strings in `argv`.
pub unsafe extern "C" fn entry<H: Handler>(
    context: *mut raw::RedisModuleCtx,
    argv: *mut *mut raw::RedisModuleString,
    argc: c_int,
) -> c_int {
    // SAFETY: the server's pointers, for this call, which begins here.
    let (context, keys, args) = unsafe {
        let context = Context::new(context);
        (context, Keys::new(context), Args::new(argv, argc))
    };
    let panicked = guarded(H::NAME, || H::call(context, keys, args)).is_none();
    if panicked && guarded(H::NAME, || H::reply_bug(context, args)).is_none() {
        context.reply_error("ERR the command failed by a bug, and so did its error reply");
    }
    OK
}

/// Registers an ACL category. Call this before registering the commands of the category. Servers
/// before Redis 7.4 and Valkey 8 have no categories for modules.
pub fn register_category(context: Context<'_>, category: &CStr) {
    // SAFETY: the context is of the load call. The server accepts a category that already exists.
    unsafe {
        if let Some(add) = raw::RedisModule_AddACLCategory {
            add(context.raw(), category.as_ptr());
        }
    }
}

/// Registers a command under the name and with the metadata of its spec. `category` is the module's
/// own ACL category.
///
/// # Errors
///
/// If the server refuses the command or its description.
pub fn register(
    context: Context<'_>,
    category: &CStr,
    spec: &CommandSpec,
    entry: Entry,
) -> Result<(), String> {
    let name = spec.name.to_string_lossy();
    let last = c_int::try_from(spec.key_flags.len()).unwrap_or(c_int::MAX);
    let first = last.min(1);
    // SAFETY: the context is of the load call; the server copies the strings.
    let status = unsafe {
        api!(RedisModule_CreateCommand(
            context.raw(),
            spec.name.as_ptr(),
            Some(entry),
            spec.flags.as_ptr(),
            first,
            last,
            first
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
    categorise(command, category, spec);
    Ok(())
}

/// Sets the ACL categories of a command, with the module's own category if the server supports
/// that. Servers without this call have no categories for the commands of modules.
fn categorise(command: *mut raw::RedisModuleCommand, category: &CStr, spec: &CommandSpec) {
    // SAFETY: reads a pointer that is set once, at load.
    let Some(set) = (unsafe { raw::RedisModule_SetCommandACLCategories }) else {
        return;
    };
    let own = category.to_string_lossy();
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
    // SAFETY: all fields may be zero. Every list ends in a zeroed entry and lives until the call
    // returns; by then the server has copied it.
    unsafe {
        let mut info: raw::RedisModuleCommandInfo = std::mem::zeroed();
        info.version = &raw const version;
        info.summary = spec.summary.as_ptr();
        info.complexity = spec.complexity.as_ptr();
        info.since = spec.since.as_ptr();
        // The server would show an empty list as an empty field. Built-in commands without history
        // have no such field.
        if !spec.history.is_empty() {
            info.history = history.as_mut_ptr();
        }
        if !spec.tips.is_empty() {
            info.tips = spec.tips.as_ptr();
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

/// Returns the key specs: one key at each position from one on, and the end of the list.
fn key_specs(spec: &CommandSpec) -> Vec<raw::RedisModuleCommandKeySpec> {
    // SAFETY: all fields may be zero, which ends the list.
    let end: raw::RedisModuleCommandKeySpec = unsafe { std::mem::zeroed() };
    let key = |(flags, pos): (&&[&str], c_int)| {
        let mut key = end;
        key.flags = flags.iter().map(|flag| key_flag(flag)).sum();
        key.begin_search_type = raw::RedisModuleKeySpecBeginSearchType_REDISMODULE_KSPEC_BS_INDEX;
        key.bs.index.pos = pos;
        key.find_keys_type = raw::RedisModuleKeySpecFindKeysType_REDISMODULE_KSPEC_FK_RANGE;
        key.fk.range = raw::RedisModuleCommandKeySpec__bindgen_ty_2__bindgen_ty_1 {
            lastkey: 0,
            keystep: 1,
            limit: 0,
        };
        key
    };
    spec.key_flags
        .iter()
        .zip(1..)
        .map(key)
        .chain([end])
        .collect()
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

/// The type of an argument that is a key.
const KEY: raw::RedisModuleCommandArgType = raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_KEY;

/// A list of arguments in the server's form, with the lists inside them.
struct Arguments {
    list: Vec<raw::RedisModuleCommandArg>,
    /// Owns the lists that `list` points to. Moving a vector doesn't move its elements.
    _inner: Vec<Arguments>,
}

impl Arguments {
    fn of(specs: &[ArgumentSpec]) -> Self {
        let mut inner: Vec<Self> = specs.iter().map(|spec| Self::of(spec.arguments)).collect();
        let mut list: Vec<_> = specs.iter().zip(&mut inner).map(argument).collect();
        // The keys come in the order of their specs.
        let keys = list.iter_mut().filter(|argument| argument.type_ == KEY);
        for (index, argument) in (0..).zip(keys) {
            argument.key_spec_index = index;
        }
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
    let flag = |is_set: bool, flag: u32| if is_set { flag } else { 0 };
    // Each repetition of a block has its token again.
    let flags = flag(spec.optional, raw::REDISMODULE_CMD_ARG_OPTIONAL)
        | flag(spec.multiple, raw::REDISMODULE_CMD_ARG_MULTIPLE)
        | flag(
            spec.multiple && spec.token.is_some(),
            raw::REDISMODULE_CMD_ARG_MULTIPLE_TOKEN,
        );
    let has_inner = !spec.arguments.is_empty();
    raw::RedisModuleCommandArg {
        name: spec.name.as_ptr(),
        type_: match spec.kind {
            ArgumentKind::Key => KEY,
            ArgumentKind::String => raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_STRING,
            ArgumentKind::Integer => raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_INTEGER,
            ArgumentKind::PureToken => {
                raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_PURE_TOKEN
            }
            ArgumentKind::OneOf => raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_ONEOF,
            ArgumentKind::Block => raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_BLOCK,
        },
        key_spec_index: -1,
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
