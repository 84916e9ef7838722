//! The call of a command: its reply, and its effects on the server.

use std::ffi::{CStr, c_char, c_int};
use std::marker::PhantomData;
use std::ptr;

use redis_module::raw;

use crate::server::api::{OK, api, clock, is_valkey, names_current_user};
use crate::server::reply::CallReply;
use crate::server::strings::{Args, OwnedStr, Str};

/// The context of a running command.
///
/// # Invariants
///
/// 1. The pointer is the one that the server gave for this call, valid until it returns.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    raw: *mut raw::RedisModuleCtx,
    call: PhantomData<&'a ()>,
}

impl<'a> Context<'a> {
    /// # Safety
    ///
    /// `raw` is the context of a call that lasts for `'a`.
    pub(super) unsafe fn new(raw: *mut raw::RedisModuleCtx) -> Self {
        Self {
            raw,
            call: PhantomData,
        }
    }

    pub(super) fn raw(self) -> *mut raw::RedisModuleCtx {
        self.raw
    }

    /// Replies with a status.
    #[inline]
    pub fn reply_ok(self) {
        // SAFETY: by invariant 1; the status ends in NUL.
        unsafe { api!(RedisModule_ReplyWithSimpleString(self.raw, c"OK".as_ptr())) };
    }

    /// Replies with nil.
    #[inline]
    pub fn reply_null(self) {
        // SAFETY: by invariant 1.
        unsafe { api!(RedisModule_ReplyWithNull(self.raw)) };
    }

    /// Replies with an integer.
    #[inline]
    pub fn reply_integer(self, value: i64) {
        // SAFETY: by invariant 1.
        unsafe { api!(RedisModule_ReplyWithLongLong(self.raw, value)) };
    }

    /// Replies with a binary-safe string.
    #[inline]
    pub fn reply_bytes(self, bytes: &[u8]) {
        // SAFETY: by invariant 1; the bytes are copied before the call returns.
        unsafe {
            api!(RedisModule_ReplyWithStringBuffer(
                self.raw,
                bytes.as_ptr().cast(),
                bytes.len()
            ))
        };
    }

    /// Begins an array reply. `length` replies must follow.
    #[inline]
    pub fn reply_array(self, length: usize) {
        let length = std::ffi::c_long::try_from(length).unwrap_or(std::ffi::c_long::MAX);
        // SAFETY: by invariant 1.
        unsafe { api!(RedisModule_ReplyWithArray(self.raw, length)) };
    }

    /// Begins a map reply. `length` pairs of replies have to follow. In RESP2 it is a flat array.
    #[inline]
    pub fn reply_map(self, length: usize) {
        let length = std::ffi::c_long::try_from(length).unwrap_or(std::ffi::c_long::MAX);
        // SAFETY: by invariant 1.
        unsafe { api!(RedisModule_ReplyWithMap(self.raw, length)) };
    }

    /// Replies with an error. `text` begins with the error code.
    pub fn reply_error(self, text: &str) {
        // An error is one line of C text. The caller has escaped the names in it.
        let mut text = text.replace(['\0', '\r', '\n'], " ").into_bytes();
        text.push(0);
        // SAFETY: by invariant 1; the text ends in NUL.
        unsafe { api!(RedisModule_ReplyWithError(self.raw, text.as_ptr().cast())) };
    }

    /// Replies with the server's own error for a wrong number of arguments.
    pub fn reply_wrong_arity(self) {
        // SAFETY: by invariant 1.
        unsafe { api!(RedisModule_WrongArity(self.raw)) };
    }

    /// Sends the command unchanged to the replicas and the AOF.
    #[inline]
    pub fn replicate_verbatim(self) {
        // SAFETY: by invariant 1.
        unsafe { api!(RedisModule_ReplicateVerbatim(self.raw)) };
    }

    /// Sends another command to the replicas and the AOF in place of this one.
    pub fn replicate(self, command: &CStr, key: Str<'_>, rest: &[&[u8]]) {
        let args: Vec<_> = rest.iter().map(|arg| OwnedStr::new(self, arg)).collect();
        let raw: Vec<_> = args.iter().map(|arg| arg.raw()).collect();
        // SAFETY: by invariant 1; `s` is one string, `v` a vector and its length; the server takes
        // references of its own.
        unsafe {
            api!(RedisModule_Replicate(
                self.raw,
                command.as_ptr(),
                c"sv".as_ptr(),
                key.raw(),
                raw.as_ptr(),
                raw.len(),
            ))
        };
    }

    /// Sends the command to the replicas and the AOF with these of its own arguments, and one more
    /// of these bytes.
    pub fn replicate_with(self, command: &CStr, own: &[Str<'_>], bytes: &[u8]) {
        let command = command.as_ptr();
        // SAFETY: by invariant 1; each `s` is one string, `v` is a vector and its length, `b` bytes
        // and their length; the server copies the bytes and takes references of its own.
        unsafe {
            let replicate = api!(RedisModule_Replicate);
            let (start, length) = (bytes.as_ptr(), bytes.len());
            macro_rules! send {
                ($format:literal, $($own:expr),*) => {
                    replicate(self.raw, command, $format.as_ptr(), $($own,)* start, length)
                };
            }
            // A vector makes the server allocate twice. Most commands have none or one option left.
            match own {
                [a, b] => send!(c"ssb", a.raw(), b.raw()),
                [a, b, c, d] => send!(c"ssssb", a.raw(), b.raw(), c.raw(), d.raw()),
                all => send!(c"vb", all.as_ptr(), all.len()),
            };
        }
    }

    /// Sends the command to the replicas and the AOF with one more string behind its own arguments.
    pub fn replicate_with_more(self, command: &CStr, args: Args<'_>, more: &OwnedStr<'_>) {
        let own = args.from(1).iter().map(|arg| arg.raw());
        let all = own.chain([more.raw()]);
        // One string after the other is cheaper than a vector, for which the server allocates twice.
        // A string that the format doesn't name is never looked at.
        let mut few = [ptr::null_mut(); 16];
        let count = args.len();
        if count > few.len() {
            return self.replicate_vector(command, &all.collect::<Vec<_>>());
        }
        for (place, string) in few.iter_mut().zip(all) {
            *place = string;
        }
        let format = c"ssssssssssssssss".to_bytes_with_nul();
        let format = format.get(few.len() - count..).unwrap_or_default();
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = few;
        // SAFETY: by invariant 1; each `s` of the format, which ends in NUL, is one of the strings; the
        // server takes references of its own.
        unsafe {
            api!(RedisModule_Replicate)(
                self.raw,
                command.as_ptr(),
                format.as_ptr().cast(),
                a,
                b,
                c,
                d,
                e,
                f,
                g,
                h,
                i,
                j,
                k,
                l,
                m,
                n,
                o,
                p,
            )
        };
    }

    #[cold]
    fn replicate_vector(self, command: &CStr, all: &[*mut raw::RedisModuleString]) {
        // SAFETY: by invariant 1; `v` is a vector and its length; the server takes references of its
        // own.
        unsafe {
            api!(RedisModule_Replicate)(
                self.raw,
                command.as_ptr(),
                c"v".as_ptr(),
                all.as_ptr(),
                all.len(),
            )
        };
    }

    /// Returns the server's clock, in ms since 1970. Within a script or a transaction it stands
    /// still, where the server lets a module see that.
    pub fn now(self) -> u64 {
        clock()
    }

    /// Returns the name of the connection's ACL user. There is none where the server doesn't say: in
    /// calls of other modules, and in scripts on servers before Redis 8 and Valkey 8.1.
    pub fn user(self) -> Option<OwnedStr<'a>> {
        // SAFETY: by invariant 1. The name belongs to the caller, who frees it once.
        let raw = unsafe {
            if names_current_user() {
                api!(RedisModule_GetCurrentUserName(self.raw))
            } else {
                let client = api!(RedisModule_GetClientId(self.raw));
                api!(RedisModule_GetClientUserNameById(self.raw, client))
            }
        };
        // SAFETY: as above: the one reference is given away here.
        (!raw.is_null()).then(|| unsafe { OwnedStr::of(raw) })
    }

    /// Returns whether the client of this command can be made to wait: not in a transaction, and not
    /// in a script or a call of another module.
    pub fn may_block(self) -> bool {
        // The last two say it again where another module calls and would let its callee wait.
        let denied = raw::REDISMODULE_CTX_FLAGS_DENY_BLOCKING
            | raw::REDISMODULE_CTX_FLAGS_MULTI
            | raw::REDISMODULE_CTX_FLAGS_LUA;
        self.flags() & denied == 0
    }

    /// Tells the clients that wait for a key that it has changed.
    #[inline]
    pub(super) fn signal_ready(self, key: Str<'_>) {
        // SAFETY: by invariant 1, of both.
        unsafe { api!(RedisModule_SignalKeyAsReady(self.raw, key.raw())) };
    }

    /// Returns the number of the selected database.
    pub fn database(self) -> i32 {
        // SAFETY: by invariant 1.
        unsafe { api!(RedisModule_GetSelectedDb(self.raw)) }
    }

    /// Selects a database for what follows in this call. Returns whether there is one of that number.
    pub fn select(self, database: i32) -> bool {
        // SAFETY: by invariant 1.
        unsafe { api!(RedisModule_SelectDb(self.raw, database)) == OK }
    }

    /// Returns whether a write that no client asked for may be made now: not on a replica, and not
    /// while clients are paused, where replicating something would end the server.
    pub fn may_write_now(self) -> bool {
        // SAFETY: takes nothing and returns a number.
        !self.is_on_replica_or_loading() && unsafe { api!(RedisModule_AvoidReplicaTraffic()) } == 0
    }

    /// Calls a command with one argument, its key, with the checks that a client's write gets, and
    /// replicates it.
    ///
    /// # Errors
    ///
    /// If it replied with an error, whether other keys would get the same.
    pub fn call_on_key(self, command: &CStr, key: &[u8]) -> Result<(), Refusal> {
        // SAFETY: by invariant 1; `!` replicates, `S` and `E` check and make errors replies, `b` is
        // bytes and their length; the reply belongs to the caller.
        let reply = unsafe {
            CallReply::new(api!(RedisModule_Call)(
                self.raw,
                command.as_ptr(),
                c"!SEb".as_ptr(),
                key.as_ptr().cast::<c_char>(),
                key.len(),
            ))
        };
        let reply = reply.ok_or(Refusal::OfThisKey)?;
        reply.error().map_or(Ok(()), |why| Err(Refusal::of(why)))
    }

    /// Tells WATCH and client-side caching that a key has changed.
    #[inline]
    pub(super) fn signal_modified(self, key: Str<'_>) {
        // SAFETY: by invariant 1, of both.
        unsafe { api!(RedisModule_SignalModifiedKey(self.raw, key.raw())) };
    }

    /// Publishes a keyspace event, of the class for module types (`d`).
    #[inline]
    pub(super) fn notify(self, event: &CStr, key: Str<'_>) {
        self.notify_class(raw::REDISMODULE_NOTIFY_MODULE, event, key);
    }

    /// Publishes the keyspace event of a key that was deleted.
    pub(super) fn notify_deleted(self, key: Str<'_>) {
        self.notify_class(raw::REDISMODULE_NOTIFY_GENERIC, c"del", key);
    }

    /// Publishes a keyspace event of any class.
    #[inline]
    pub(super) fn notify_class(self, class: c_int, event: &CStr, key: Str<'_>) {
        // SAFETY: by invariant 1, of both; the event ends in NUL.
        unsafe {
            api!(RedisModule_NotifyKeyspaceEvent(
                self.raw,
                class,
                event.as_ptr(),
                key.raw()
            ))
        };
    }

    /// Returns whether this command was replicated from the primary, is being replayed from an
    /// append-only file, or comes from a node whose slot is being imported.
    ///
    /// Returns false when a replicated command of another module calls ours: on the primary, the
    /// call may have got nil too.
    #[cold]
    pub fn is_replicated_or_replayed(self) -> bool {
        // The server's CLIENT_ID_AOF. The module API documents it for this purpose.
        const APPEND_ONLY_FILE: u64 = u64::MAX;
        let flags = self.flags();
        flags & raw::REDISMODULE_CTX_FLAGS_REPLICATED != 0
            // SAFETY: by invariant 1; returns a number.
            || unsafe { api!(RedisModule_GetClientId(self.raw)) } == APPEND_ONLY_FILE
            || imports_slot(flags)
    }

    /// Returns whether local limits must not reject this command, because it, or the command that
    /// called it, was accepted elsewhere. During loading and on a read-only replica that holds for
    /// every write.
    #[cold]
    pub fn is_exempt_from_limits(self) -> bool {
        const READ_ONLY_REPLICA: u32 =
            raw::REDISMODULE_CTX_FLAGS_SLAVE | raw::REDISMODULE_CTX_FLAGS_READONLY;
        let flags = self.flags();
        flags & (raw::REDISMODULE_CTX_FLAGS_REPLICATED | raw::REDISMODULE_CTX_FLAGS_LOADING) != 0
            || flags & READ_ONLY_REPLICA == READ_ONLY_REPLICA
            || imports_slot(flags)
    }

    /// Returns whether this server follows a primary or is loading data.
    #[cold]
    pub fn is_on_replica_or_loading(self) -> bool {
        const FOLLOWS: u32 = raw::REDISMODULE_CTX_FLAGS_SLAVE | raw::REDISMODULE_CTX_FLAGS_LOADING;
        self.flags() & FOLLOWS != 0
    }

    /// Returns whether the command comes from an append-only file that is being loaded.
    #[cold]
    pub fn is_loading_aof(self) -> bool {
        self.flags() & raw::REDISMODULE_CTX_FLAGS_LOADING != 0
    }

    /// Returns whether a command that needs memory should be refused, because the server is over
    /// `maxmemory`.
    ///
    /// Returns false within a script: an error would break off the script after its earlier writes,
    /// and the module API doesn't say whether the script declares `allow-oom`. Within a
    /// transaction, and under a policy that evicts, returns true only when memory exceeds
    /// `maxmemory` by more than a tenth: the server may be evicting at this moment.
    pub fn is_out_of_memory(self) -> bool {
        const LENIENT_FLAGS: u32 =
            raw::REDISMODULE_CTX_FLAGS_EVICT | raw::REDISMODULE_CTX_FLAGS_MULTI;
        let flags = self.flags();
        if flags & raw::REDISMODULE_CTX_FLAGS_OOM == 0
            || flags & raw::REDISMODULE_CTX_FLAGS_LUA != 0
        {
            return false;
        }
        // SAFETY: takes no argument and returns a number.
        flags & LENIENT_FLAGS == 0 || unsafe { api!(RedisModule_GetUsedMemoryRatio()) } > 1.1
    }

    fn flags(self) -> u32 {
        // SAFETY: by invariant 1.
        unsafe { api!(RedisModule_GetContextFlags(self.raw)) }.cast_unsigned()
    }
}

/// Returns whether a command with these context flags comes from another node whose slots this one
/// imports (Valkey 9).
fn imports_slot(flags: u32) -> bool {
    // Valkey's SLOT_IMPORT_CLIENT. In Redis 8 the same bit says that DEBUG is enabled.
    const VALKEY_SLOT_IMPORT_CLIENT: u32 = 1 << 25;
    flags & VALKEY_SLOT_IMPORT_CLIENT != 0 && is_valkey()
}

/// What a write was refused for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// The server takes no writes now.
    OfAllKeys,
    /// Other keys may be written.
    OfThisKey,
}

impl Refusal {
    /// Tells by the code of an error.
    fn of(error: &[u8]) -> Self {
        const CODES: [&[u8]; 3] = [b"READONLY", b"NOREPLICAS", b"MISCONF"];
        // It has no code of its own.
        const DOWN: &[u8] = b"cluster is down";
        let is_down = || error.windows(DOWN.len()).any(|part| part == DOWN);
        match CODES.iter().any(|code| error.starts_with(code)) || is_down() {
            true => Self::OfAllKeys,
            false => Self::OfThisKey,
        }
    }
}

/// A context that outlives the call that made it.
///
/// # Invariants
///
/// 1. The pointer is a detached context of the server, which is never freed, and used on the main
///    thread only.
pub struct Standing(*mut raw::RedisModuleCtx);

// SAFETY: by invariant 1, only one thread uses the pointer.
unsafe impl Send for Standing {}
// SAFETY: as above.
unsafe impl Sync for Standing {}

impl Standing {
    pub fn new(context: Context<'_>) -> Self {
        // SAFETY: by the context's invariant 1; the new context is this value's.
        Self(unsafe { api!(RedisModule_GetDetachedThreadSafeContext(context.raw)) })
    }

    pub(super) fn raw(&self) -> *mut raw::RedisModuleCtx {
        self.0
    }
}
