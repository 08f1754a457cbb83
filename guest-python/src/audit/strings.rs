//! Text that stands in a body in pieces, and the characters of the body itself.

use ruff_python_ast::{Expr, FStringPart, InterpolatedStringElement, Operator};

/// Longer text is not put together: it is no name and no format string.
const MAX_TEXT: usize = 4096;

/// The text of an expression made of string literals alone.
pub fn constant(expression: &Expr) -> Option<String> {
    let text = match expression {
        Expr::StringLiteral(literal) => literal.value.to_str().to_owned(),
        Expr::BinOp(sum) if sum.op == Operator::Add => constant(&sum.left)? + &constant(&sum.right)?,
        Expr::FString(string) => {
            let mut text = String::new();
            for part in string.value.as_slice() {
                match part {
                    FStringPart::Literal(literal) => text.push_str(literal.as_str()),
                    FStringPart::FString(formatted) => {
                        for element in &formatted.elements {
                            let InterpolatedStringElement::Literal(literal) = element else { return None };
                            text.push_str(&literal.value);
                        }
                    }
                }
            }
            text
        }
        _ => return None,
    };
    (text.len() <= MAX_TEXT).then_some(text)
}

/// The names of a list that stands there as it is.
pub fn names(expression: &Expr) -> Option<Vec<&str>> {
    fn text(element: &Expr) -> Option<&str> {
        match element {
            Expr::StringLiteral(literal) => Some(literal.value.to_str()),
            _ => None,
        }
    }
    match expression {
        Expr::StringLiteral(literal) => Some(vec![literal.value.to_str()]),
        Expr::Tuple(tuple) => tuple.elts.iter().map(text).collect(),
        Expr::List(list) => list.elts.iter().map(text).collect(),
        Expr::Set(set) => set.elts.iter().map(text).collect(),
        Expr::Dict(dict) => dict.items.iter().map(|item| item.key.as_ref().and_then(text)).collect(),
        _ => None,
    }
}

/// Whether this is a name that comes from somewhere, rather than one put together to escape the eye: a variable, an
/// element, or such with a plain prefix or suffix. What it is in the end is checked when the body runs.
pub fn is_plain_name(expression: &Expr) -> bool {
    is_value(expression)
        || match expression {
            Expr::BinOp(sum) if sum.op == Operator::Add => {
                is_value_or_text(&sum.left) && is_value_or_text(&sum.right) && constant(expression).is_none()
            }
            Expr::FString(string) => {
                constant(expression).is_none()
                    && string.value.elements().all(|element| match element {
                        InterpolatedStringElement::Literal(_) => true,
                        InterpolatedStringElement::Interpolation(value) => {
                            value.format_spec.is_none() && is_value(&value.expression)
                        }
                    })
            }
            _ => false,
        }
}

fn is_value_or_text(expression: &Expr) -> bool {
    matches!(expression, Expr::StringLiteral(_)) || is_plain_name(expression)
}

/// A variable, an attribute or an element of one, perhaps with its letters or its spaces changed.
fn is_value(expression: &Expr) -> bool {
    match expression {
        Expr::Name(_) => true,
        Expr::Attribute(attribute) => is_value(&attribute.value),
        Expr::Subscript(subscript) => {
            is_value(&subscript.value)
                && matches!(
                    &*subscript.slice,
                    Expr::Name(_) | Expr::NumberLiteral(_) | Expr::StringLiteral(_)
                )
        }
        Expr::Call(call) => match &*call.func {
            Expr::Attribute(method) => {
                let keeps = matches!(method.attr.as_str(), "lower" | "upper" | "strip" | "get");
                keeps && is_value(&method.value)
            }
            Expr::Name(function) => {
                matches!(function.id.as_str(), "str" | "type")
                    && call.arguments.args.len() == 1
                    && is_value(&call.arguments.args[0])
            }
            _ => false,
        },
        _ => false,
    }
}

/// Characters that names may have in Python, and that nobody sees.
pub fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{00ad}'
            | '\u{034f}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{ffa0}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

/// Where a character stands that shows a reader something else than what Python reads: line and column.
pub fn deceiving_character(source: &str) -> Option<(char, usize, usize)> {
    source.split('\n').enumerate().find_map(|(line, text)| {
        let deceives = |c: &char| match c {
            '\t' => false,
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' => true,
            c => c.is_control(),
        };
        // A carriage return belongs to the end of a line; elsewhere it ends one that nobody sees end.
        let text = text.strip_suffix('\r').unwrap_or(text);
        let (column, c) = text.chars().enumerate().find(|(_, c)| deceives(c))?;
        Some((c, line + 1, column + 1))
    })
}
