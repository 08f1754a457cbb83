//! Names of models.

/// Whether two names are of one model: letters' case does not matter, and no tag means `latest`.
pub fn is_same(one: &str, other: &str) -> bool {
    let untagged = |name: &str| name.strip_suffix(":latest").unwrap_or(name).to_ascii_lowercase();
    untagged(one) == untagged(other)
}
