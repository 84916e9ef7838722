//! A module for the tests that calls this one. Its two commands differ in what they replicate:
//!
//! `VERBATIM.CALL command key [argument ...]` runs the command, replies with its reply and replicates
//! itself, so that replicas and append-only files see the caller and not the command that it called.
//!
//! `REPLICATED.CALL command key [argument ...]` does the same, but lets the called command replicate
//! what it did.
//!
//! It also listens: when a key is made whose name is `deadly:` and another name, or expires, it deletes
//! the key of that name.
#![allow(missing_docs)] // of what the macro makes

use redis_module::alloc::RedisAlloc;
use redis_module::{
    CallOptionsBuilder, CallResult, Context, NextArg, NotifyEvent, RedisResult, RedisString,
    redis_module,
};

fn call_verbatim(ctx: &Context, args: Vec<RedisString>) -> RedisResult {
    let (command, rest) = split(args)?;
    let reply = ctx.call(&command, rest.iter().collect::<Vec<_>>().as_slice());
    ctx.replicate_verbatim();
    reply
}

fn call_replicated(ctx: &Context, args: Vec<RedisString>) -> RedisResult {
    let (command, rest) = split(args)?;
    let options = CallOptionsBuilder::new().replicate().errors_as_replies();
    let rest: Vec<_> = rest.iter().collect();
    let reply: CallResult<'_> = ctx.call_ext(&command, &options.build(), rest.as_slice());
    Ok((&reply?).into())
}

/// Returns the name of the command to call, and its arguments.
fn split(args: Vec<RedisString>) -> Result<(String, Vec<RedisString>), redis_module::RedisError> {
    let mut args = args.into_iter().skip(1);
    Ok((args.next_string()?, args.collect()))
}

fn on_key(ctx: &Context, _: NotifyEvent, _: &str, key: &[u8]) {
    if let Some(name) = key.strip_prefix(b"deadly:") {
        // If it fails, the test sees that the key is there.
        let _ = ctx.call("DEL", &[name]);
    }
}

redis_module! {
    name: "verbatim",
    version: 1,
    allocator: (RedisAlloc, RedisAlloc),
    data_types: [],
    commands: [
        ["verbatim.call", call_verbatim, "write", 2, 2, 1, ""],
        ["replicated.call", call_replicated, "write", 2, 2, 1, ""],
    ],
    event_handlers: [
        [@NEW @EXPIRED: on_key],
    ],
}
