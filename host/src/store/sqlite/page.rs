//! Reading one page of a listing.

use rusqlite::{Row, Rows};

use crate::store::{MAX_PAGE, MAX_PAGE_BYTES, Page, Result};

/// The `LIMIT` of a query for a page: one more tells whether others follow.
pub(super) fn rows(limit: u32) -> u32 {
    limit.min(MAX_PAGE) + 1
}

/// Takes a page of at most `limit` items from the rows, each with the bytes of its text.
pub(super) fn take<T>(
    mut rows: Rows<'_>,
    limit: u32,
    item: impl Fn(&Row<'_>) -> Result<(T, usize)>,
) -> Result<Page<T>> {
    let limit = limit.min(MAX_PAGE) as usize;
    let (mut items, mut bytes) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        if items.len() >= limit || bytes > MAX_PAGE_BYTES {
            return Ok(Page { items, more: true });
        }
        let (next, size) = item(row)?;
        bytes += size;
        items.push(next);
    }
    Ok(Page { items, more: false })
}
