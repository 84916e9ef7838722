//! Whose rules apply to a document or a move.

/// The rules by which documents are read and written and moves are judged.
///
/// | | `Documented` | `Replayed` | `Legacy` |
/// |---|---|---|---|
/// | unknown field of a document | error | error | ignored |
/// | current state that the document doesn't have otherwise | error | taken | taken |
/// | state without an entry in the map | can be moved to | can be moved to | cannot |
/// | `reason` in a document that is written | if there is one | if there is one | always |
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rules {
    /// The documented behaviour, for what a client asks.
    #[default]
    Documented,
    /// The documented behaviour for what another node or a file has already accepted. It differs in
    /// one thing: a current state that the document doesn't have otherwise is taken, because
    /// version 1.0 took it and such machines exist.
    Replayed,
    /// The behaviour of the module that this one replaces, as its published image (tag `edge`, hence
    /// the config value `edge`) really answers, which is not always what its documentation said.
    Legacy,
}
