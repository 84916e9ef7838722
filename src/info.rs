//! The fields of `INFO redisstate`: the machines and definitions in memory, and the counters.

use crate::deadlines;
use crate::server::blocking;
use crate::server::info::Fields;
use crate::stats;
use crate::store::INTERNER;

/// Returns the fields, in the order in which INFO shows them.
pub fn fields() -> Fields {
    let interner = INTERNER.stats();
    let timers = deadlines::figures();
    vec![
        (c"machines", interner.machines as u64),
        (c"definitions", interner.definitions as u64),
        (c"definition_bytes", interner.definition_bytes as u64),
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
        (c"waiters", blocking::waiters() as u64),
        (c"timers_pending", timers.pending as u64),
        (c"timers_fired", stats::TIMERS_FIRED.get()),
        (c"timers_refused", stats::TIMERS_REFUSED.get()),
        (c"timers_lost", timers.lost as u64),
        (c"timers_healed", stats::TIMERS_HEALED.get()),
        (c"timers_late_last_ms", stats::TIMERS_LATE.last()),
        (c"timers_late_max_ms", stats::TIMERS_LATE.most()),
    ]
}
