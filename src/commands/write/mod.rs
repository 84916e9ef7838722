//! The commands that write.

mod documents;
mod due;
mod moves;

pub use moves::reply_verdict;

pub mod create;
pub mod emit;
pub mod fire;
pub mod force;
pub mod load;
pub mod r#move;
pub mod mutate;
pub mod new;
pub mod redefine;
pub mod reset;
pub mod set;
pub mod timeout;
