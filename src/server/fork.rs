//! Forks of the server, and the end of a save that can't go on.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::server::log;

/// The id of the process that loaded the module. A fork has another id.
static LOADED_BY: AtomicU32 = AtomicU32::new(0);

/// Notes the id of this process as that of the server.
pub(super) fn note_server() {
    LOADED_BY.store(std::process::id(), Ordering::Relaxed);
}

/// Returns whether this process is a fork of the server, made to save or to migrate.
pub fn is_fork() -> bool {
    std::process::id() != LOADED_BY.load(Ordering::Relaxed)
}

/// Gives up a save because a value cannot be written, which only a bug can cause. A fork ends here,
/// so the server notices that the save failed and keeps the previous file. In the server itself,
/// `write_broken` writes a value that no server loads.
pub(super) fn give_up_saving(write_broken: impl FnOnce()) {
    if is_fork() {
        log::warning("this save is given up, the file before stays");
        // Not `exit`: it would run the exit handlers that the parent registered.
        // SAFETY: ends the process; nothing after it runs.
        unsafe { libc::_exit(1) };
    }
    log::warning("a machine could not be saved, the file will not load");
    write_broken();
}
