//! The commands that read.

pub mod can;
pub mod count;
pub mod definitions;
pub mod events;
pub mod export;
mod fields;
pub mod get;
pub mod history;
pub mod info;
pub mod lint;
pub mod next;
pub mod scan;
pub mod state;
pub mod template;
pub mod wait;
