//! The global allocator: the server's own, so that `used_memory`, `maxmemory` and MEMORY USAGE see
//! what machines take.

use std::alloc::{GlobalAlloc, Layout, System};
use std::ptr;

use redis_module::raw;

/// The alignment that the server's allocator gives to every block. Redis builds jemalloc with
/// size classes eight bytes apart, so a block of 24 bytes need not be aligned to sixteen.
const GIVEN_ALIGNMENT: usize = 8;

/// Allocates through the server once the module API is there, and from the system where it never
/// comes (in this crate's unit tests).
///
/// # Invariants
///
/// 1. The API is there before the first allocation inside a server: `RedisModule_OnLoad`, the
///    first thing to run, sets it up before anything else. So a block is freed by whoever gave it.
/// 2. A block of higher alignment than [`GIVEN_ALIGNMENT`] lies inside a larger one, whose address
///    is stored in the word before it.
pub struct ServerAllocator;

#[global_allocator]
static GLOBAL: ServerAllocator = ServerAllocator;

// SAFETY: blocks are as large and as aligned as asked for (invariant 2), and are given back to
// where they came from (invariant 1).
unsafe impl GlobalAlloc for ServerAllocator {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the layout has a size above zero, as the caller promises.
        unsafe {
            match raw::RedisModule_Alloc {
                Some(alloc) if layout.align() <= GIVEN_ALIGNMENT => alloc(layout.size()).cast(),
                Some(_) => alloc_aligned(layout),
                None => System.alloc(layout),
            }
        }
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: `block` came from `alloc` with this layout, as the caller promises.
        unsafe {
            match raw::RedisModule_Free {
                Some(free) if layout.align() <= GIVEN_ALIGNMENT => free(block.cast()),
                Some(free) => free(outer(block)),
                None => System.dealloc(block, layout),
            }
        }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as in `alloc`.
        unsafe {
            match raw::RedisModule_Calloc {
                Some(calloc) if layout.align() <= GIVEN_ALIGNMENT => {
                    calloc(1, layout.size()).cast()
                }
                Some(_) => {
                    let block = alloc_aligned(layout);
                    if !block.is_null() {
                        ptr::write_bytes(block, 0, layout.size());
                    }
                    block
                }
                None => System.alloc_zeroed(layout),
            }
        }
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: `block` came from `alloc` with this layout, and `new_size` rounds up to the
        // alignment without overflow, as the caller promises.
        unsafe {
            match raw::RedisModule_Realloc {
                Some(realloc) if layout.align() <= GIVEN_ALIGNMENT => {
                    realloc(block.cast(), new_size).cast()
                }
                Some(_) => {
                    let new =
                        alloc_aligned(Layout::from_size_align_unchecked(new_size, layout.align()));
                    if !new.is_null() {
                        ptr::copy_nonoverlapping(block, new, layout.size().min(new_size));
                        self.dealloc(block, layout);
                    }
                    new
                }
                None => System.realloc(block, layout, new_size),
            }
        }
    }
}

/// A block inside a larger one, with the larger one's address before it.
///
/// # Safety
///
/// The module API is there, and the layout's alignment is above [`GIVEN_ALIGNMENT`].
unsafe fn alloc_aligned(layout: Layout) -> *mut u8 {
    let Some(size) = layout
        .size()
        .checked_add(layout.align() + size_of::<usize>())
    else {
        return ptr::null_mut();
    };
    // SAFETY: the caller promises that the API is there. The block has room for the stored
    // address, for up to `align` bytes of shift, and for what was asked for; the stored address
    // is aligned because a word's alignment divides the higher one.
    unsafe {
        let Some(alloc) = raw::RedisModule_Alloc else {
            return ptr::null_mut();
        };
        let outer = alloc(size).cast::<u8>();
        if outer.is_null() {
            return outer;
        }
        let first = outer.add(size_of::<usize>());
        let inner = first.add(first.align_offset(layout.align()));
        inner.cast::<*mut u8>().sub(1).write(outer);
        inner
    }
}

/// The larger block around one from [`alloc_aligned`].
///
/// # Safety
///
/// `inner` came from [`alloc_aligned`].
unsafe fn outer(inner: *mut u8) -> *mut std::ffi::c_void {
    // SAFETY: by invariant 2 the word before holds the address.
    unsafe { inner.cast::<*mut u8>().sub(1).read().cast() }
}

/// What the allocator really set aside for a block, in bytes; the bytes asked for where the server
/// cannot say.
pub fn block_size(block: *const u8, asked: usize) -> usize {
    // SAFETY: called with blocks of alignment up to eight only, which came from the server's
    // allocator as they are, and `RedisModule_MallocSize` only reads the allocator's records.
    unsafe { raw::RedisModule_MallocSize.map_or(asked, |size| size(block.cast_mut().cast())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Stand-ins for the server's allocator that align to eight bytes and no further.
    unsafe extern "C" fn misaligned_alloc(size: usize) -> *mut std::ffi::c_void {
        // SAFETY: the layout is not empty.
        unsafe {
            System
                .alloc(Layout::from_size_align_unchecked(size + 64, 64))
                .add(8)
                .cast()
        }
    }

    #[test]
    fn every_alignment_is_met_on_blocks_that_are_aligned_to_eight() {
        for align in [16, 32, 64, 4096] {
            // SAFETY: the same arithmetic as in `alloc_aligned`, over a block that is large enough.
            unsafe {
                let layout = Layout::from_size_align(100, align).unwrap();
                let block = misaligned_alloc(layout.size() + align + 8).cast::<u8>();
                let first = block.add(8);
                let inner = first.add(first.align_offset(align));
                assert_eq!(inner as usize % align, 0);
                assert!(inner as usize + 100 <= block as usize + layout.size() + align + 8);
            }
        }
    }
}
