//! A module for the tests that calls this one: `VERBATIM.CALL command key [argument ...]` runs the
//! command, replies with its reply and replicates itself, so that replicas and append-only files
//! see the caller and not the command that it called.
#![allow(missing_docs)] // of what the macro makes

use redis_module::alloc::RedisAlloc;
use redis_module::{Context, NextArg, RedisResult, RedisString, redis_module};

fn call(ctx: &Context, args: Vec<RedisString>) -> RedisResult {
    let mut args = args.into_iter().skip(1);
    let command = args.next_string()?;
    let rest: Vec<RedisString> = args.collect();
    let reply = ctx.call(&command, rest.iter().collect::<Vec<_>>().as_slice());
    ctx.replicate_verbatim();
    reply
}

redis_module! {
    name: "verbatim",
    version: 1,
    allocator: (RedisAlloc, RedisAlloc),
    data_types: [],
    commands: [["verbatim.call", call, "write", 2, 2, 1, ""]],
}
