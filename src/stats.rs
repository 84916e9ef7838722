//! What INFO shows: counters since the module was loaded, and what there is at the moment.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::datatype;
use crate::server::info::Fields;

/// Moves and resets done.
pub static MOVES_DONE: AtomicU64 = AtomicU64::new(0);
/// Moves refused because the machine does not have that transition.
pub static MOVES_REFUSED: AtomicU64 = AtomicU64::new(0);
/// Documents read through.
pub static DOCUMENTS_PARSED: AtomicU64 = AtomicU64::new(0);
/// Documents known by their bytes.
pub static DOCUMENTS_RECOGNISED: AtomicU64 = AtomicU64::new(0);
/// Commands refused by a limit.
pub static LIMITS_HIT: AtomicU64 = AtomicU64::new(0);
/// Values refused by RESTORE or in a file.
pub static LOADS_REFUSED: AtomicU64 = AtomicU64::new(0);

/// Adds one. Commands run one at a time, so a plain store loses nothing; it is atomic because
/// nothing else may be shared.
#[inline]
pub fn count(counter: &AtomicU64) {
    counter.store(counter.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
}

/// The fields of the INFO section.
pub fn fields() -> Fields {
    let interner = datatype::INTERNER.stats();
    let counter = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    vec![
        (c"machines", interner.machines as u64),
        (c"definitions", interner.definitions as u64),
        (c"definition_bytes", interner.archive_bytes as u64),
        (c"document_bytes", interner.source_bytes as u64),
        (
            c"machines_per_definition",
            (interner.machines / interner.definitions.max(1)) as u64,
        ),
        (c"moves_done", counter(&MOVES_DONE)),
        (c"moves_refused", counter(&MOVES_REFUSED)),
        (c"documents_parsed", counter(&DOCUMENTS_PARSED)),
        (c"documents_recognised", counter(&DOCUMENTS_RECOGNISED)),
        (c"limits_hit", counter(&LIMITS_HIT)),
        (c"loads_refused", counter(&LOADS_REFUSED)),
    ]
}
