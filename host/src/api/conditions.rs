//! Conditions of a request: the revisions at which a change may be made, or which a client has already (RFC 9110,
//! section 13.1).

use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};

use super::problem::Problem;
use crate::object::{Kind, Rev};

const IF_MATCH: (HeaderName, &str) = (header::IF_MATCH, "If-Match");
const IF_NONE_MATCH: (HeaderName, &str) = (header::IF_NONE_MATCH, "If-None-Match");

/// What has an ETag that `If-Match` can name when it is changed.
const TAGGED: [&str; 2] = ["/objects/{key}", "/objects/{key}/prototypes"];

/// Refuses what is sent on a condition that nobody would look at.
pub fn check(request: &Request) -> Result<(), Problem> {
    let route = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    let is_looked_at = |name: &HeaderName| *name == header::IF_MATCH && TAGGED.contains(&route);
    let blind = |(name, _): &(HeaderName, &str)| request.headers().contains_key(name) && !is_looked_at(name);
    let Some((_, shown)) = [IF_MATCH, IF_NONE_MATCH].into_iter().find(blind) else { return Ok(()) };
    let text = format!("This cannot be done on a condition: leave {shown} out.");
    Err(Problem::new(StatusCode::PRECONDITION_FAILED, Kind::RevisionConflict, text))
}

/// The revisions of which a change must find one; with `*`, or without `If-Match`, any.
pub fn if_match(headers: &HeaderMap) -> Result<Option<Vec<Rev>>, Problem> {
    let Some(Tags::Listed(tags)) = Tags::of(headers, &IF_MATCH)? else { return Ok(None) };
    // A weak one matches nothing.
    Ok(Some(tags.into_iter().filter(|tag| !tag.is_weak).map(|tag| Rev(tag.text)).collect()))
}

/// Whether the client has this revision already (`If-None-Match`).
pub fn is_known(headers: &HeaderMap, rev: &Rev) -> Result<bool, Problem> {
    Ok(match Tags::of(headers, &IF_NONE_MATCH)? {
        Some(Tags::Any) => true,
        Some(Tags::Listed(tags)) => tags.iter().any(|tag| tag.text == rev.0),
        None => false,
    })
}

enum Tags {
    Any,
    Listed(Vec<Tag>),
}

struct Tag {
    is_weak: bool,
    text: String,
}

impl Tags {
    /// `None`: the header is not there.
    fn of(headers: &HeaderMap, (name, shown): &(HeaderName, &str)) -> Result<Option<Self>, Problem> {
        let mut listed = Vec::new();
        for value in headers.get_all(name) {
            let text = value.to_str().unwrap_or_default().trim();
            if text == "*" {
                return Ok(Some(Self::Any));
            }
            let malformed =
                || Problem::malformed(format!("{shown} must be ETags as they were answered, or *."));
            listed.extend(tags(text).ok_or_else(malformed)?);
        }
        Ok(headers.contains_key(name).then_some(Self::Listed(listed)))
    }
}

/// A list of ETags. A revision without its quotes is understood too.
fn tags(text: &str) -> Option<Vec<Tag>> {
    let (mut tags, mut rest) = (Vec::new(), text);
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        if rest.is_empty() {
            return Some(tags).filter(|tags| !tags.is_empty());
        }
        let (is_weak, tag) = rest.strip_prefix("W/").map_or((false, rest), |tag| (true, tag));
        let (text, after) = match tag.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => tag.split_at(tag.find(',').unwrap_or(tag.len())),
        };
        rest = after.trim_start();
        if text.contains('"') || !(rest.is_empty() || rest.starts_with(',')) {
            return None;
        }
        tags.push(Tag { is_weak, text: text.trim_end().to_owned() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_as_they_are_written() {
        let read = |text: &str| {
            let tags = tags(text)?.into_iter();
            Some(
                tags.map(|Tag { is_weak, text }| format!("{}{text}", if is_weak { "weak " } else { "" }))
                    .collect(),
            )
        };
        for (text, expected) in [
            (r#""1""#, Some(vec!["1"])),
            (r#" ,"1" ,W/"2",, "3""#, Some(vec!["1", "weak 2", "3"])),
            (r#""x,y", """#, Some(vec!["x,y", ""])),
            (r#""*""#, Some(vec!["*"])),
            ("1, 2 ", Some(vec!["1", "2"])),
            (r#"""#, None),
            (r#""1" "2""#, None),
            (r#"1"2""#, None),
            (",", None),
            ("", None),
        ] {
            let expected = expected.map(|tags| tags.into_iter().map(str::to_owned).collect::<Vec<_>>());
            assert_eq!(read(text), expected, "{text}");
        }
    }
}
