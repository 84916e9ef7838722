//! The fields of `INFO redisstate`: the machines and definitions in memory, and the counters.

use crate::server::info::Fields;
use crate::stats;
use crate::store::INTERNER;

/// Returns the fields, in the order in which INFO shows them.
pub fn fields() -> Fields {
    let interner = INTERNER.stats();
    vec![
        (c"machines", interner.machines as u64),
        (c"definitions", interner.definitions as u64),
        (c"definition_bytes", interner.archive_bytes as u64),
        (c"document_bytes", interner.source_bytes as u64),
        (
            c"machines_per_definition",
            (interner.machines / interner.definitions.max(1)) as u64,
        ),
        (c"moves_done", stats::MOVES_DONE.get()),
        (c"moves_refused", stats::MOVES_REFUSED.get()),
        (c"documents_parsed", stats::DOCUMENTS_PARSED.get()),
        (c"documents_recognised", stats::DOCUMENTS_RECOGNISED.get()),
        (c"limits_hit", stats::LIMITS_HIT.get()),
        (c"loads_refused", stats::LOADS_REFUSED.get()),
    ]
}
