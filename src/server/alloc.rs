//! The global allocator: the server's own, so that `used_memory`, `maxmemory` and MEMORY USAGE
//! count the memory of this module.

use std::alloc::{GlobalAlloc, Layout, System};
use std::ffi::c_void;
use std::ptr;

use redis_module::raw;

/// The alignment that the server's allocator gives to every block. Redis builds jemalloc with
/// size classes eight bytes apart, so a block of 24 bytes need not be aligned to sixteen.
pub(super) const SERVER_ALIGNMENT: usize = 8;

/// Allocates through the server once the module API is set up. In this crate's unit tests there is
/// no server, and the memory comes from the system.
///
/// # Invariants
///
/// 1. Inside a server, the API is set up before the first allocation: `RedisModule_OnLoad`, the
///    first function to run, sets it up before anything else. So a block is freed by the allocator
///    that it came from.
/// 2. A block of higher alignment than [`SERVER_ALIGNMENT`] lies inside a larger block. The word
///    before it holds the larger block's address.
pub struct ServerAllocator;

#[global_allocator]
static GLOBAL: ServerAllocator = ServerAllocator;

// SAFETY: blocks have the requested size and alignment (invariant 2), and are freed by the
// allocator that they came from (invariant 1).
unsafe impl GlobalAlloc for ServerAllocator {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the layout has a size above zero, as the caller promises.
        unsafe {
            match raw::RedisModule_Alloc {
                Some(alloc) if layout.align() <= SERVER_ALIGNMENT => alloc(layout.size()).cast(),
                Some(alloc) => alloc_aligned(layout, alloc),
                None => System.alloc(layout),
            }
        }
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: `block` came from `alloc` with this layout, as the caller promises.
        unsafe {
            match raw::RedisModule_Free {
                Some(free) if layout.align() <= SERVER_ALIGNMENT => free(block.cast()),
                Some(free) => free(outer(block)),
                None => System.dealloc(block, layout),
            }
        }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as in `alloc`.
        unsafe {
            match (raw::RedisModule_Calloc, raw::RedisModule_Alloc) {
                (Some(calloc), _) if layout.align() <= SERVER_ALIGNMENT => {
                    calloc(1, layout.size()).cast()
                }
                (_, Some(alloc)) => {
                    let block = alloc_aligned(layout, alloc);
                    if !block.is_null() {
                        ptr::write_bytes(block, 0, layout.size());
                    }
                    block
                }
                _ => System.alloc_zeroed(layout),
            }
        }
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: `block` came from `alloc` with this layout, and `new_size` rounds up to the
        // alignment without overflow, as the caller promises.
        unsafe {
            match raw::RedisModule_Realloc {
                Some(realloc) if layout.align() <= SERVER_ALIGNMENT => {
                    realloc(block.cast(), new_size).cast()
                }
                Some(_) => {
                    let larger = Layout::from_size_align_unchecked(new_size, layout.align());
                    let new = self.alloc(larger);
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

type Alloc = unsafe extern "C" fn(usize) -> *mut c_void;

/// Returns a block inside a larger one from `alloc`, with the larger one's address before it.
///
/// # Safety
///
/// The layout's alignment is at least that of a word. `alloc` returns null or a block of the
/// requested size, aligned to a word.
unsafe fn alloc_aligned(layout: Layout, alloc: Alloc) -> *mut u8 {
    let Some(size) = layout
        .size()
        .checked_add(layout.align() + size_of::<usize>())
    else {
        return ptr::null_mut();
    };
    // SAFETY: the block has room for the stored address, for up to `align` bytes of shift, and for
    // the requested size; the stored address is aligned because a word's alignment divides both
    // the block's and the layout's.
    unsafe {
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

/// Returns the larger block around one from [`alloc_aligned`].
///
/// # Safety
///
/// `inner` came from [`alloc_aligned`].
unsafe fn outer(inner: *mut u8) -> *mut c_void {
    // SAFETY: by invariant 2 the word before holds the address.
    unsafe { inner.cast::<*mut u8>().sub(1).read().cast() }
}

/// Returns the size that the allocator reserved for a block, in bytes. If the server can't tell,
/// returns `asked`, the requested size.
pub fn block_size(block: *const u8, asked: usize) -> usize {
    // SAFETY: called only with blocks of alignment up to eight, which are the server allocator's
    // own blocks, and `RedisModule_MallocSize` only reads the allocator's records.
    unsafe { raw::RedisModule_MallocSize.map_or(asked, |size| size(block.cast_mut().cast())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Allocates as the server's allocator does in the worst case: aligned to eight bytes and to no
    /// higher power of two.
    unsafe extern "C" fn misaligned(size: usize) -> *mut c_void {
        // SAFETY: the layout is not empty, and the block is large enough for the shift.
        unsafe {
            System
                .alloc(Layout::from_size_align_unchecked(size + 8, 4096))
                .add(8)
                .cast()
        }
    }

    #[test]
    fn every_alignment_is_met() {
        for align in [16, 32, 64, 1024] {
            for size in [1, 100, 4096] {
                // SAFETY: the layout and the allocator meet the conditions of `alloc_aligned`; the
                // block is freed with the layout that it was allocated with.
                unsafe {
                    let layout = Layout::from_size_align_unchecked(size, align);
                    let inner = alloc_aligned(layout, misaligned);
                    assert_eq!(inner as usize % align, 0);
                    inner.write_bytes(0xff, size);
                    let whole = size + align + size_of::<usize>() + 8;
                    let start = outer(inner).cast::<u8>().sub(8);
                    assert!(inner.add(size) <= start.add(whole));
                    System.dealloc(start, Layout::from_size_align_unchecked(whole, 4096));
                }
            }
        }
    }
}
