//! What differs between two bodies, for people: a unified diff.

use std::fmt::Write as _;
use std::time::Duration;

use similar::TextDiff;

use super::{Method, QuotaOverride, Source};

/// For how long the shortest diff is looked for; after that any will do.
const PATIENCE: Duration = Duration::from_millis(500);

/// How `to` differs from `from`: a header that names both, then the bodies, then the quotas.
#[must_use]
pub fn of_versions(from: &Method, to: &Method) -> String {
    let mut text = of_bodies((&title(from), &from.source), (&title(to), &to.source));
    let quota = of_quotas(&from.quota, &to.quota);
    if !quota.is_empty() {
        text.push_str("@@ quota @@\n");
        text.push_str(&quota);
    }
    text
}

/// The same for two bodies with a name each. How the last line ends makes no difference.
#[must_use]
pub fn of_bodies(from: (&str, &Source), to: (&str, &Source)) -> String {
    let [old, new] = [from.1, to.1].map(|source| format!("{}\n", source.as_str().trim_end_matches('\n')));
    let diff = TextDiff::configure().timeout(PATIENCE).diff_lines(&old, &new);
    format!("--- {}\n+++ {}\n{}", from.0, to.0, diff.unified_diff())
}

/// Which version of what from whom, such as `greet version 1, installed by hand`.
#[must_use]
pub fn title(Method { name, version, provenance, .. }: &Method) -> String {
    format!("{name} version {version}, {provenance}")
}

fn of_quotas(from: &QuotaOverride, to: &QuotaOverride) -> String {
    let mut text = String::new();
    for ((name, old), (_, new)) in from.limits().into_iter().zip(to.limits()) {
        if old != new {
            for (sign, limit) in [('-', old), ('+', new)] {
                if let Some(limit) = limit {
                    // Writing to a String cannot fail.
                    let _ = writeln!(text, "{sign}{name} {limit}");
                }
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source::parse(text).unwrap()
    }

    #[test]
    fn bodies_differ_line_by_line_and_not_in_how_they_end() {
        let of = |from: &str, to: &str| of_bodies(("a", &source(from)), ("b", &source(to)));
        assert_eq!(
            of("x = 1\nreturn x", "x = 2\nreturn x\n"),
            "--- a\n+++ b\n@@ -1,2 +1,2 @@\n-x = 1\n+x = 2\n return x\n"
        );
        assert_eq!(of("return 1\n\n", "return 1"), "--- a\n+++ b\n");
    }

    #[test]
    fn quotas_differ_limit_by_limit() {
        let quota = |fuel, wall_ms| QuotaOverride { fuel, wall_ms, ..QuotaOverride::default() };
        let from = quota(Some(1_000), Some(5));
        assert_eq!(of_quotas(&from, &quota(Some(2_000), Some(5))), "-fuel 1000\n+fuel 2000\n");
        assert_eq!(of_quotas(&from, &quota(None, None)), "-fuel 1000\n-wall_ms 5\n");
        assert_eq!(of_quotas(&from, &from), "");
    }
}
