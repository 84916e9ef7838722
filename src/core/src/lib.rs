//! Finite state machines as data, without a server.
//!
//! A [`Definition`] is what many machines share: state names, transitions, the initial state. It
//! lives as an [archive], the same bytes in memory and on disk, and is interned by
//! an [`Interner`], so that equal definitions are one object. A [`Machine`] is the value of one
//! key: a definition, the current state and the reason of the last move.
//!
//! ```
//! use redis_state_core::{Dialect, Interner, Limits};
//!
//! let interner = Interner::new();
//! let json = br#"{"map":{"new":["paid"],"paid":["shipped"]},"initial":"new"}"#;
//! let mut order = interner.read(json, None, Dialect::Documented, &Limits::NONE)?.machine;
//!
//! assert_eq!(order.state_name(), "new");
//! assert!(order.target(b"shipped", false, Dialect::Documented).is_none());
//! let paid = order.target(b"paid", false, Dialect::Documented).unwrap();
//! order.enter(paid, Some("card"));
//! assert_eq!(order.state_name(), "paid");
//! # Ok::<(), redis_state_core::DocumentError>(())
//! ```

pub mod archive;
mod definition;
mod dialect;
mod document;
mod error;
mod export;
mod hash;
mod interner;
mod json;
mod limits;
mod lint;
mod machine;
mod probe;
mod record;

pub use archive::{ArchiveError, MAX_DOCUMENT_BYTES, MAX_STATES, StateId};
pub use definition::Definition;
pub use dialect::Dialect;
pub use error::{DocumentError, Limit};
pub use export::Diagram;
pub use interner::{Interner, InternerStats, Read};
pub use limits::{Limits, MAX_REASON_BYTES};
pub use lint::{Finding, Severity};
pub use machine::{Extras, Machine};
pub use record::{FileReader, FileWriter, RecordError};
