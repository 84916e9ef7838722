//! Finite state machines as data, without a server.
//!
//! A [`Definition`] is what many machines share: state names, transitions, the initial state. It
//! lives as an archive, the same bytes in memory and on disk, and is interned by an [`Interner`], so
//! that equal definitions are one object ([`Interned`]). A [`Machine`] is the value of one key: a
//! definition, the current state and the reason of the last move.
//!
//! ```
//! use redis_state_core::{Force, Interner, Limits, Rules, parse_machine};
//!
//! let interner = Interner::new();
//! let json = br#"{"map":{"new":["paid"],"paid":["shipped"]},"initial":"new"}"#;
//! let mut order = parse_machine(&interner, json, None, Rules::Documented, &Limits::NONE)?.machine;
//!
//! assert_eq!(order.current_name(), "new");
//! assert!(order.resolve_move(b"shipped", Force::No, Rules::Documented).is_none());
//! let paid = order.resolve_move(b"paid", Force::No, Rules::Documented).unwrap();
//! order.enter(paid, Some("card"));
//! assert_eq!(order.current_name(), "paid");
//! # Ok::<(), redis_state_core::DocumentError>(())
//! ```
//!
//! The modules, from the bottom up; each imports only from those before it:
//!
//! 1. `escape`, `hash`, `probe`, `limits`, `rules`: functions and small types. `deadlines`: which
//!    keys are due when.
//! 2. `definition`: the archive and the tables that answer from it.
//! 3. `document`: JSON to the parts of a definition, and back.
//! 4. `interner`: who shares a definition, and what is cached beside it.
//! 5. `machine`: the value of one key.
//! 6. `record`: a machine as stored. `read`: a document to a machine.
//! 7. `lint`, `export`: what is looked at by people.

#![deny(unsafe_code)]
#![warn(
    unreachable_pub,
    clippy::missing_errors_doc,
    clippy::needless_pass_by_ref_mut,
    clippy::redundant_clone
)]

mod deadlines;
mod definition;
mod document;
mod escape;
mod export;
mod hash;
mod interner;
mod limits;
mod lint;
mod machine;
mod prefetch;
mod probe;
mod read;
mod record;
mod rules;

pub use deadlines::{Deadlines, DueHint, Handle, pause_ms};
pub use definition::{ArchiveError, Definition, EventId, Fire, StateId, Timer};
pub use document::DocumentError;
pub use export::Diagram;
pub use interner::{Interned, Interner, InternerStats, count_by_state};
pub use limits::{
    Limit, LimitKind, Limits, MAX_DOCUMENT_BYTES, MAX_HISTORY, MAX_LABEL_BYTES, MAX_MS,
    MAX_REASON_BYTES, MAX_STATES,
};
pub use lint::{Finding, Severity};
pub use machine::{
    BlockMover, Checked, Context, Deadline, Fired, Force, GivenTimer, HistoryEntry,
    MAX_ENTRY_REASON_BYTES, MAX_ID_BYTES, MAX_IDS, MAX_PART_BYTES, MAX_STEPS, MAX_TIME,
    MAX_USER_BYTES, Machine, MoveError, MoveKind, Options, Outcome, Planned, Request, Verdict,
};
pub use read::{Parsed, parse_legacy, parse_machine};
pub use record::{
    RECORD_VERSION, RECORD_VERSION_1_0, RecordError, RecordReader, RecordWriter, Recreate,
};
pub use rules::Rules;
