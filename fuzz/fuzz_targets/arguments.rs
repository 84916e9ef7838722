//! Runs lines of arguments as a client might send them: any bytes, some of them commands.
//!
//! 0xFF separates arguments and 0xFE separates commands. Neither occurs in UTF-8. Other bytes that
//! don't (0x80 and so on) remain for arguments that are no text.
#![no_main]

use libfuzzer_sys::fuzz_target;
use redis_state_core::Rules;
use redis_state_fuzz::keyspace::Keyspace;

fuzz_target!(|data: &[u8]| {
    let (first, rest) = data.split_first().unwrap_or((&0, &[]));
    let rules = match first % 3 {
        0 => Rules::Documented,
        1 => Rules::Legacy,
        _ => Rules::Replayed,
    };
    let mut keyspace = Keyspace::new(rules);
    for line in rest.split(|&byte| byte == 0xfe).take(64) {
        let args: Vec<&[u8]> = line.split(|&byte| byte == 0xff).collect();
        keyspace.call(&args);
    }
    keyspace.reload_alone();
    keyspace.rewrite();
});
