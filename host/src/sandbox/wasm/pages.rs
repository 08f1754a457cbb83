//! Which pages of an isolate's memory a run writes to.
//!
//! An isolate's memory is the image's until it writes; the first write to a page is a fault in which the kernel
//! copies it, and the reset afterwards copies it back or gives it up. Faults and resets are most of what a small
//! run costs. So the pages that every run writes to are learnt once, from a rehearsal, and touched before the
//! message arrives. Nothing but speed depends on it.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::ops::Range;
use std::path::Path;

use super::engine;

/// Pieces of memory that an isolate keeps for the next one in its place; wasmtime gives up what lies behind the
/// 32nd piece. The rest is for what a run itself adds.
const PIECES: usize = 24;
/// Bits of an entry of `/proc/self/pagemap`: in memory, and still the file's own.
const PRESENT: u64 = 1 << 63;
const OF_FILE: u64 = 1 << 61;

/// The pieces of memory that the isolates of this process, all made from the image at `path`, have written to.
/// Where isolates keep them for the next one: as few as can be kept, with pages in between taken in.
pub fn written(path: &Path) -> io::Result<Vec<Range<u32>>> {
    let page = rustix::param::page_size() as u64;
    let mut pagemap = File::open("/proc/self/pagemap")?;
    let mut dirty = BTreeSet::new();
    for Mapping { memory, image } in mappings(path)? {
        let pages = usize::try_from((image.end - image.start) / page).map_err(io::Error::other)?;
        let mut entries = vec![0; pages * 8];
        pagemap.seek(SeekFrom::Start(image.start / page * 8))?;
        pagemap.read_exact(&mut entries)?;
        let (entries, _) = entries.as_chunks();
        for (number, entry) in (0..).zip(entries) {
            if u64::from_ne_bytes(*entry) & (PRESENT | OF_FILE) == PRESENT {
                dirty.insert((image.start - memory) / page + number);
            }
        }
    }
    let most = if engine::sees_written_pages() { PIECES } else { usize::MAX };
    Ok(pieces(dirty, most)
        .into_iter()
        .filter_map(|piece| {
            Some(u32::try_from(piece.start * page).ok()?..u32::try_from(piece.end * page).ok()?)
        })
        .collect())
}

/// Where the image lies in the memory of an isolate.
struct Mapping {
    /// The memory's first address.
    memory: u64,
    image: Range<u64>,
}

fn mappings(path: &Path) -> io::Result<Vec<Mapping>> {
    let mut found = Vec::new();
    // The memory begins behind what must not be written to.
    let mut writable = 0..0;
    for line in fs::read_to_string("/proc/self/maps")?.lines() {
        let mut fields = line.split_ascii_whitespace();
        let (Some(range), Some("rw-p")) = (fields.next().and_then(addresses), fields.next()) else {
            continue;
        };
        let start = if range.start == writable.end { writable.start } else { range.start };
        writable = start..range.end;
        if fields.nth(3).is_some_and(|name| Path::new(name) == path) {
            found.push(Mapping { memory: start, image: range });
        }
    }
    Ok(found)
}

fn addresses(text: &str) -> Option<Range<u64>> {
    let (start, end) = text.split_once('-')?;
    Some(u64::from_str_radix(start, 16).ok()?..u64::from_str_radix(end, 16).ok()?)
}

/// Joins pages to pieces, nearest first, until so many are left.
fn pieces(pages: BTreeSet<u64>, most: usize) -> Vec<Range<u64>> {
    let mut pieces: Vec<Range<u64>> = Vec::new();
    for page in pages {
        match pieces.last_mut() {
            Some(last) if last.end == page => last.end = page + 1,
            _ => pieces.push(page..page + 1),
        }
    }
    while pieces.len() > most {
        let gap = |index: &usize| pieces[index + 1].start - pieces[*index].end;
        let Some(nearest) = (0..pieces.len() - 1).min_by_key(gap) else { break };
        let next = pieces.remove(nearest + 1);
        pieces[nearest].end = next.end;
    }
    pieces
}
