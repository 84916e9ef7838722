//! Whose rules apply: this module's, or those of the module that it replaces.

/// The rules by which documents are read and moves are judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// The documented behaviour.
    #[default]
    Documented,
    /// As the published image of the old module really answers: unknown document fields are
    /// ignored, documents are written with `reason` always, and only a state with an entry of its
    /// own in the map can be moved to.
    Edge,
}
