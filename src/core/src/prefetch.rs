//! Bringing memory near before it is needed.

/// The bytes that the processor brings near at once.
const LINE_BYTES: usize = 64;

/// So many lines are asked for at most. Behind them the processor has seen by itself where it goes.
const MAX_LINES: usize = 16;

/// Asks the processor to bring a value near, at most the first KiB of it, and doesn't wait. A value that
/// is looked at soon costs less then; among a million machines none is near by itself.
#[inline]
pub(crate) fn prefetch<T: ?Sized>(value: &T) {
    let start = std::ptr::from_ref(value).cast::<i8>();
    let lines = size_of_val(value).div_ceil(LINE_BYTES).min(MAX_LINES);
    for line in 0..lines {
        prefetch_line(start.wrapping_add(line * LINE_BYTES));
    }
    // A value can end in one line more than its bytes would fill.
    if (1..MAX_LINES).contains(&lines) {
        prefetch_line(start.wrapping_add(size_of_val(value) - 1));
    }
}

/// Asks for one line. Elsewhere than on x86-64, stable Rust has no way to.
#[inline]
#[cfg(all(target_arch = "x86_64", not(miri)))]
#[expect(unsafe_code, reason = "the intrinsic takes a pointer")]
fn prefetch_line(place: *const i8) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    // SAFETY: a prefetch is a hint. It reads nothing into the program and faults at no address.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(place) };
}

#[inline]
#[cfg(not(all(target_arch = "x86_64", not(miri))))]
fn prefetch_line(_: *const i8) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_value_can_be_asked_for() {
        prefetch(&());
        prefetch::<[u8]>(&[]);
        prefetch::<[u8]>(&[7; 1]);
        prefetch::<[u8]>(&vec![7; LINE_BYTES * MAX_LINES - 1]);
        prefetch::<[u8]>(&vec![7; 1 << 20]);
    }
}
