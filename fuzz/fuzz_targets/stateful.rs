//! Runs random commands on a few keys, on the core and on the naive model, and compares every reply.
//! In between, machines are saved and loaded in every way there is.
#![no_main]

use arbitrary::Unstructured;
use libfuzzer_sys::fuzz_target;
use redis_state_core::Rules;
use redis_state_fuzz::keyspace::Keyspace;
use redis_state_fuzz::steps::play;

fuzz_target!(|data: &[u8]| {
    let mut keyspace = Keyspace::new(Rules::Documented);
    play(&mut Unstructured::new(data), &mut keyspace, 100);
});
