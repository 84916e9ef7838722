//! The commands that write.

pub mod create;
pub mod mutate;
pub mod reset;
pub mod set;
