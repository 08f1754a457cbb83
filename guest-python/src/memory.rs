//! This instance's memory as the host sees it: pages that are shared with all other instances until written to.

use std::alloc::{Layout, alloc, dealloc};

const PAGE: usize = 4096;

/// Takes every hole in the heap and keeps it, so that what a run allocates lies together at the heap's end: a run
/// then touches few pages, and a page touched is a page to copy and to reset.
pub fn fill_holes() {
    const END: usize = 1 << 19;
    let pages = (1..=64).rev().map(|count| count * PAGE);
    let pieces = (1..256).rev().map(|count| count * 16);
    // Larger than any hole, so it lies at the end.
    let end = take(END);
    for size in pages.chain(pieces) {
        loop {
            let hole = take(size);
            if hole >= end {
                give(hole, size);
                break;
            }
        }
    }
    give(end, END);
}

fn layout(size: usize) -> Layout {
    Layout::from_size_align(size, 8).expect("8 is a power of two and the sizes are small")
}

fn take(size: usize) -> *mut u8 {
    // SAFETY: no size is zero.
    unsafe { alloc(layout(size)) }
}

fn give(memory: *mut u8, size: usize) {
    // SAFETY: `take` gave it for this size, and it is given back once.
    unsafe { dealloc(memory, layout(size)) }
}

/// Writes to each page what is there. `nothing` is 0 and comes from the host, so that no compiler sees it: reading
/// and writing then are one instruction, and the page is copied at once instead of shared first and copied then.
pub fn touch(start: u32, length: u32, nothing: u32) {
    for address in (start..start.saturating_add(length)).step_by(PAGE) {
        let word = (address & !3) as *mut u32;
        // SAFETY: the address lies in this instance's memory, else the host's call ends in a trap; the one thread
        // there is writes what it read.
        unsafe { word.write_volatile(word.read_volatile() | nothing) }
    }
}
