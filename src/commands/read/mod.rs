//! The commands that read.

pub mod can;
pub mod export;
pub mod get;
pub mod lint;
pub mod next;
pub mod state;
pub mod template;
