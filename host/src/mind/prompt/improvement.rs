//! The question for a better body of a method that is there.

use std::fmt::Write as _;

use super::clip;
use super::question::Question;
use crate::mind::{Improvement, Mandate};
use crate::object::{MethodName, Wish};

/// Characters of the wish that are told.
const WISH: usize = 1_000;
/// Characters of a recorded call's arguments, and of its result, that are told.
const CALL: usize = 120;
/// What it takes to say that something is cut.
const CUT: usize = 16;

pub fn question(facts: &Question<'_>, mandate: &Mandate, improvement: &Improvement, room: usize) -> String {
    let Improvement { source, wish, calls } = improvement;
    let wish = wish.as_ref().map(|wish| clip(wish.as_str(), WISH));
    let mut text = format!("Mandate: {}.\n", wording(&mandate.method, wish.as_deref()));
    // Writing to a String cannot fail.
    let _ = facts.facts(&mut text);
    for call in calls {
        let [args, kwargs, result] = [&call.args, &call.kwargs, &call.result].map(|json| clip(json, CALL));
        let _ = writeln!(text, "Recorded call: args {args}, kwargs {kwargs}, result {result}");
    }
    text.push_str("The body now:\n");
    let closing = format!(
        "\nWrite a better body of def {}(self, *args, **kwargs). It must give the same result for every call, but where the mandate asks for another.",
        mandate.method
    );
    let left = room.saturating_sub(text.len() + closing.len() + CUT);
    text.push_str(&clip(source.as_str().trim_end(), left));
    text.push_str(&closing);
    text
}

pub fn sentence(method: &MethodName, wish: Option<&Wish>) -> String {
    wording(method, wish.map(Wish::as_str))
}

fn wording(method: &MethodName, wish: Option<&str>) -> String {
    let wish = wish.map_or("simpler and clearer", |wish| wish.trim_end_matches('.'));
    format!("implement method '{method}' anew: {wish}")
}
