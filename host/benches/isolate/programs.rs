//! What is run: the same bodies for all contestants.

use std::fmt::Write as _;

use anyhow::{Result, ensure};

use crate::support::rivals::function;

pub struct Program {
    pub name: &'static str,
    /// The body of a method.
    pub body: &'static str,
    /// The attributes of its receiver, which the method changes; a body without has no state.
    pub attributes: Option<String>,
    pub answer: &'static str,
}

const CLASS: &str = "\
class Point:
    def __init__(self, x, y):
        self.x = x
        self.y = y
    def norm(self):
        return (self.x ** 2 + self.y ** 2) ** 0.5
return Point(3, 4).norm()";

const FIB: &str = "\
def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)
return fib(24)";

const TOUCH: &str = "\
self.attributes['last'] = 2
self._p_changed = True
return len(self.attributes)";

pub fn all() -> [Program; 4] {
    let stateless = |name, body, answer| Program { name, body, attributes: None, answer };
    [
        stateless("trivial", "return 1", "1"),
        stateless("class", CLASS, "5.0"),
        stateless("fib(24)", FIB, "46368"),
        Program { name: "1 MB of JSON", body: TOUCH, attributes: Some(megabyte()), answer: "10001" },
    ]
}

/// Ten thousand small records, and a number at the end.
fn megabyte() -> String {
    let mut text = "{".to_owned();
    for n in 0..10_000 {
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            r#""key{n}":{{"name":"value number {n}","list":[1,2,3.5,true,null],"n":{n},"s":"some text here to fill"}},"#
        );
    }
    text + r#""last":1}"#
}

impl Program {
    /// The function and a `self` to call it with, whose attributes the expression `text` holds.
    pub fn script(&self, text: &str) -> String {
        let function = function(self.body);
        if self.attributes.is_none() {
            return format!("{function}self = None\n");
        }
        format!(
            "import json\nclass Self:\n    pass\nself = Self()\nself.attributes = json.loads({text})\n{function}"
        )
    }

    /// Fails unless `answer` is right, and `state` the changed attributes if the program has any.
    pub fn check(&self, answer: &str, state: &str) -> Result<()> {
        ensure!(answer == self.answer, "{} answered {answer} instead of {}", self.name, self.answer);
        let end = state.trim_end().strip_suffix("2}");
        ensure!(self.attributes.is_none() || end.is_some(), "{} did not change its attributes", self.name);
        Ok(())
    }
}
