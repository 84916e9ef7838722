//! How much memory the caches of a definition may take.
//!
//! A definition takes at most [`MEMORY_FACTOR`] times the size of its document, and [`FREE_BYTES`],
//! whatever is cached beside it. Two caches are optional, and each is kept only if the sum stays
//! within that: the *body* (the document in normal form without current state and reason, to be
//! written again) and the *kept document* (the bytes that came in, to be recognised).

/// A definition, caches included, may take this many times the size of its document.
const MEMORY_FACTOR: usize = 4;

/// A definition may take this many bytes more: small ones are worth their caches.
const FREE_BYTES: usize = 256;

/// White space of this many bytes around the map, or in a small document, is not worth a thought.
const FREE_WHITESPACE_BYTES: usize = 1024;

/// Returns whether to keep a body of `body` bytes beside a definition that takes `taken` bytes
/// without it, its kept document included, of which `archive` are its archive.
///
/// A body much longer than its archive is refused too: it repeats few names often. It may come from
/// a forger, and is written quickly without a cache.
pub(super) fn may_keep_body(taken: usize, archive: usize, body: usize) -> bool {
    taken + body <= MEMORY_FACTOR * body + FREE_BYTES && body <= MEMORY_FACTOR * archive
}

/// Returns whether to keep a document of `document` bytes beside a definition that takes `taken`
/// bytes without it, and whose document has `body` bytes in normal form.
///
/// A document that is mostly white space is not kept: keeping it would cost all of it.
pub(super) fn may_keep_document(taken: usize, body: usize, document: usize) -> bool {
    taken + document <= MEMORY_FACTOR * document + FREE_BYTES
        && document <= 2 * body + FREE_WHITESPACE_BYTES
}
