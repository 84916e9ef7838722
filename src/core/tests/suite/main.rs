//! The core against a naive model, as laws, and its bytes against files that other code made.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::cast_possible_truncation,
    reason = "a test that fails may panic"
)]

#[path = "../model/mod.rs"]
mod model;

mod acceptance;
mod counts;
mod current;
mod deadlines;
mod events;
mod golden;
mod life;
mod limits;
mod machines;
mod memory;
mod moves;
mod parts;
mod recognition;
mod records;
mod redaction;
mod regressions;
mod sharing;
mod strategies;
mod threads;
mod workflows;
