//! Objects in the paths of addresses, where a long id would be two segments.

use axum::http::Uri;

use crate::object::OBJECT_COLLECTION;

/// A key as it stands in a path: of the characters a key may have, `%` alone means something else there.
pub fn in_path(key: &str) -> String {
    let key = key.replace('%', "%25");
    // Else it would be read as the beginning of a long id.
    if key == OBJECT_COLLECTION { format!("{OBJECT_COLLECTION}%2F{key}") } else { key }
}

/// Replaces a long id by the short one: routes have one segment for an object.
pub fn shorten(uri: &mut Uri) {
    let short = || {
        let rest =
            uri.path().strip_prefix("/objects/")?.strip_prefix(OBJECT_COLLECTION)?.strip_prefix('/')?;
        let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
        (!rest.is_empty()).then(|| format!("/objects/{rest}{query}").parse().ok()).flatten()
    };
    if let Some(short) = short() {
        *uri = short;
    }
}
