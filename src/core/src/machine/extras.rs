//! The parts that few machines have, behind one pointer.

/// What few machines have.
#[derive(Debug, Clone)]
pub struct Extras {
    /// Never empty.
    reason: Box<str>,
}

impl Extras {
    /// Returns the reason's allocation, for defragmentation. Callers may move it but must not change
    /// the text.
    pub fn reason_mut(&mut self) -> &mut Box<str> {
        &mut self.reason
    }

    pub(super) fn reason(&self) -> &str {
        &self.reason
    }

    /// Sets the reason; an empty one is none, and leaves no extras behind.
    pub(super) fn set_reason(extras: &mut Option<Box<Self>>, reason: &str) {
        match (&mut *extras, reason.is_empty()) {
            (_, true) => *extras = None,
            (Some(extras), false) => extras.reason = reason.into(),
            (None, false) => {
                *extras = Some(Box::new(Self {
                    reason: reason.into(),
                }));
            }
        }
    }

    /// Returns the heap blocks: address and bytes asked for.
    pub(super) fn blocks(&self) -> [(*const u8, usize); 2] {
        let own = (std::ptr::from_ref(self).cast(), size_of::<Self>());
        [own, (self.reason.as_ptr(), self.reason.len())]
    }
}
