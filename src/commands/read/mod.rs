//! The commands that read.

pub mod can;
pub mod events;
pub mod export;
pub mod get;
pub mod history;
pub mod info;
pub mod lint;
pub mod next;
pub mod state;
pub mod template;
pub mod wait;
