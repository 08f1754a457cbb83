//! Bodies from a seed: templates of the grammar in each other, and perhaps one thing in it that must be refused.
//!
//! What a body says and how it is laid out are drawn apart, so that the same body comes in two layouts.

use fastrand::Rng;

use super::grammar::{
    CLOSED, DELETED, LEADING_OUT, LEAVES, LOOSE, PARAMETERS, PATTERNS, REFUSED, REFUSED_STATEMENTS,
    STATEMENTS, TARGETS, TYPE_PARAMETERS, UNBINDABLE, WITHHELD,
};

const BEGINNING: &str = "\
import json, math, operator
out = []
try:
    stand_in = type(int)
except NameError:
    stand_in = None
def note(value):
    try:
        text = repr(value)
        out.append('the real type' if text == \"<class 'type'>\" and value is not stand_in else text)
    except Exception as error:
        out.append(f'{type(error).__name__}: {error}')
a = b = total = match = é = 变量 = _x = None
";
const OWN: &[&str] = &["a", "b", "total", "match", "é", "变量", "_x", "new"];
const IMPORTED: &[&str] = &["module", "lib", "模块"];
const ATTRIBUTES: &[&str] =
    &["real", "imag", "items", "append", "value", "é", "__len__", "__name__", "__doc__", "_fields"];
const SET: &[&str] = &["value", "items", "é", "_own"];
const KEYWORDS: &[&str] = &["key", "default", "value", "é", "indent"];
const STRINGS: &[&str] = &["'x'", "\"eval\"", "r'\\d'", "'''open\n__class__'''", "'é'", "u'0'"];
/// Names that a body may give to variables of its own, and that are else builtins which methods do not have, or may
/// only call.
const SHADOWED: &[&str] = &["eval", "open", "input", "type", "getattr"];

/// What a body is made to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aim {
    /// Nothing in it may be refused.
    Harmless,
    /// One thing in it must be.
    Forbidden,
    /// Its variables have names of builtins that methods do not have. It may be refused; else it gets its own values.
    Shadowing,
}

pub struct Body {
    pub aim: Aim,
    /// The template that must be refused.
    pub planted: Option<&'static str>,
    pieces: Vec<Vec<String>>,
    /// The piece that it is in.
    planted_in: Option<usize>,
}

impl Body {
    /// The `number`th body of all in one of its layouts.
    pub fn new(number: u64, layout: u64) -> Self {
        let mut rng = Rng::with_seed(number.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let aim = match rng.u32(0..10) {
            0..4 => Aim::Harmless,
            4..8 => Aim::Forbidden,
            _ => Aim::Shadowing,
        };
        let mut plant = None;
        if aim == Aim::Forbidden {
            let number = rng.usize(0..REFUSED.len() + REFUSED_STATEMENTS.len());
            plant = REFUSED.get(number).copied().map(Plant::Expression);
            plant = plant.or_else(|| Some(Plant::Statement(REFUSED_STATEMENTS[number - REFUSED.len()])));
        }
        let planted = plant.map(Plant::template);
        let style = Rng::with_seed(layout);
        let mut writer = Writer { rng, style, plant, shadows: aim == Aim::Shadowing, ..Writer::default() };
        let mut pieces = Vec::new();
        let mut planted_in = None;
        for left in (0..writer.rng.usize(2..7)).rev() {
            let waits = writer.plant.is_some();
            // What has found no other place is the last piece.
            writer.hurry = left == 0;
            pieces.push(writer.statement(3));
            if waits && writer.plant.is_none() {
                planted_in = Some(pieces.len() - 1);
            }
        }
        Self { aim, planted, pieces, planted_in }
    }

    pub fn source(&self) -> String {
        let mut source = BEGINNING.to_owned();
        for piece in self.pieces.iter().filter(|piece| !piece.is_empty()) {
            source += "try:\n    ";
            source += &piece.join("\n    ");
            source += "\nexcept Exception as error:\n    out.append(f'{type(error).__name__}: {error}')\n";
        }
        source + "return out\n"
    }

    /// The same without one of its statements, for each of them beside what is planted.
    pub fn smaller(&self) -> impl Iterator<Item = Self> {
        let places = self
            .pieces
            .iter()
            .enumerate()
            .flat_map(|(piece, lines)| (0..lines.len()).map(move |line| (piece, line)));
        let places = places.filter(|(piece, _)| self.planted_in != Some(*piece));
        places.map(|(piece, line)| {
            let mut pieces = self.pieces.clone();
            let lines = &mut pieces[piece];
            let margin = |line: &String| line.len() - line.trim_start().len();
            let within =
                lines[line + 1..].iter().take_while(|inner| margin(inner) > margin(&lines[line])).count();
            lines.drain(line..=line + within);
            Self { pieces, ..*self }
        })
    }
}

#[derive(Clone, Copy)]
enum Plant {
    Expression(&'static str),
    Statement(&'static str),
}

impl Plant {
    fn template(self) -> &'static str {
        let (Self::Expression(template) | Self::Statement(template)) = self;
        template
    }
}

#[derive(Default)]
struct Writer {
    rng: Rng,
    style: Rng,
    plant: Option<Plant>,
    shadows: bool,
    /// What is to be planted takes the next place.
    hurry: bool,
    /// Within an f-string, where nothing is laid out over lines.
    flat: u32,
    /// Where no walrus may stand.
    sober: u32,
    /// Names that a pattern or a list of parameters has bound already.
    taken: Vec<String>,
}

impl Writer {
    fn pick(&mut self, from: &[&'static str]) -> &'static str {
        self.rng.choice(from).copied().unwrap_or_default()
    }

    fn block(&mut self, depth: u32) -> Vec<String> {
        let count = self.rng.usize(1..3);
        (0..count).flat_map(|_| self.statement(depth)).collect()
    }

    /// Lines; what goes over several within brackets is one of them.
    fn statement(&mut self, depth: u32) -> Vec<String> {
        let template = match self.plant {
            Some(Plant::Statement(template)) if self.hurry || self.rng.u32(0..6) == 0 => {
                self.plant = None;
                template
            }
            Some(Plant::Expression(_)) if self.hurry => "note($E)",
            _ => self.pick(STATEMENTS),
        };
        let template = if depth == 0 && template.contains("$B") { "note($E)" } else { template };
        let step = ["  ", "    ", "\t"][self.style.usize(0..3)];
        let mut bound = Vec::new();
        let mut lines = Vec::new();
        for line in template.split('\n') {
            let text = line.trim_start();
            let margin = step.repeat((line.len() - text.len()) / 4);
            if text == "$B" {
                lines.extend(self.block(depth - 1).into_iter().map(|line| format!("{margin}{line}")));
            } else {
                let text = self.expand(text, 3, &mut bound);
                lines.push(margin + &self.laid_out(text));
            }
        }
        lines
    }

    fn laid_out(&mut self, mut line: String) -> String {
        if !line.ends_with(':') && !line.starts_with('@') && self.style.u32(0..8) == 0 {
            line.push(';');
        }
        match self.style.u32(0..8) {
            0 => line + "  # eval(self.__class__)",
            1 => line + "\n\n\t # open",
            2 => line + " ",
            _ => line,
        }
    }

    /// Fills the places of a template.
    fn expand(&mut self, template: &'static str, depth: u32, bound: &mut Vec<String>) -> String {
        let flat = u32::from(template.starts_with("f'"));
        self.flat += flat;
        let mut filled = String::new();
        let mut rest = template.chars();
        while let Some(char) = rest.next() {
            match char {
                '$' => filled += &self.place(rest.next().unwrap_or_default(), depth, bound),
                _ => filled.push(char),
            }
        }
        self.flat -= flat;
        filled
    }

    fn place(&mut self, kind: char, depth: u32, bound: &mut Vec<String>) -> String {
        let deeper = depth.saturating_sub(1);
        match kind {
            'e' => self.expression(depth, true),
            'E' => self.expression(depth, false),
            'c' => {
                self.sober += 1;
                let expression = self.expression(depth, true);
                self.sober -= 1;
                expression
            }
            'u' => self.own('d', depth, bound),
            'v' => {
                let name = self.name();
                bound.push(name.clone());
                name
            }
            '1' | '2' => bound.get(usize::from(kind == '2')).cloned().unwrap_or_else(|| "a".to_owned()),
            'r' => self.name(),
            'i' => self.pick(IMPORTED).to_owned(),
            'a' => self.pick(ATTRIBUTES).to_owned(),
            'b' => self.pick(SET).to_owned(),
            'k' => self.pick(KEYWORDS).to_owned(),
            's' if self.flat > 0 => "\"x\"".to_owned(),
            's' => self.pick(STRINGS).to_owned(),
            't' => {
                let template = if depth == 0 { "$v" } else { self.pick(TARGETS) };
                self.expand(template, deeper, bound)
            }
            'd' => {
                let template = self.pick(DELETED);
                self.expand(template, deeper, bound)
            }
            'T' => {
                let template = self.pick(TYPE_PARAMETERS);
                self.expand(template, deeper, bound)
            }
            'P' => {
                let template = self.pick(PARAMETERS);
                self.apart(|writer| writer.expand(template, deeper, &mut Vec::new()))
            }
            'C' => self.apart(|writer| writer.pattern(2)),
            'p' => self.pattern(deeper.min(2)),
            'X' => self.pick(WITHHELD).to_owned(),
            'Z' => self.pick(LEADING_OUT).to_owned(),
            'D' => self.pick(UNBINDABLE).to_owned(),
            other => panic!("the grammar has no kind {other}"),
        }
    }

    /// A place in which no name is that of a builtin.
    fn own(&mut self, kind: char, depth: u32, bound: &mut Vec<String>) -> String {
        let shadows = std::mem::replace(&mut self.shadows, false);
        let text = self.place(kind, depth, bound);
        self.shadows = shadows;
        text
    }

    /// Something in which no name is bound twice.
    fn apart(&mut self, write: impl FnOnce(&mut Self) -> String) -> String {
        let outer = std::mem::replace(&mut self.taken, vec![String::new()]);
        let text = write(self);
        self.taken = outer;
        text
    }

    fn name(&mut self) -> String {
        let shadow = self.shadows && self.rng.bool();
        let name = self.pick(if shadow { SHADOWED } else { OWN }).to_owned();
        if self.taken.is_empty() {
            return name;
        }
        let name = if self.taken.contains(&name) { format!("{name}{}", self.taken.len()) } else { name };
        self.taken.push(name.clone());
        name
    }

    fn pattern(&mut self, depth: u32) -> String {
        // A name or `_` alone would leave nothing for the other cases.
        let template = if depth == 2 { self.pick(&PATTERNS[2..]) } else { self.pick(PATTERNS) };
        let template = if depth == 0 && template.contains("$p") { "1" } else { template };
        self.expand(template, depth, &mut Vec::new())
    }

    fn expression(&mut self, depth: u32, operand: bool) -> String {
        // Names within are no names of the pattern or of the parameters around.
        let taken = std::mem::take(&mut self.taken);
        let (template, loose) = self.form(depth);
        let text = self.expand(template, depth.saturating_sub(1), &mut Vec::new());
        self.taken = taken;
        let lines = self.flat == 0;
        match self.style.u32(0..9) {
            0 => format!("({text})"),
            1 => format!("(( {text} ))"),
            2 if lines => format!("(  # exec\n{text}\n  )"),
            _ if (loose && operand) || text.starts_with('{') && self.flat > 0 => format!("({text})"),
            _ => text,
        }
    }

    /// A template, and whether it needs parentheses where it is an operand.
    fn form(&mut self, depth: u32) -> (&'static str, bool) {
        if let Some(Plant::Expression(template)) = self.plant
            && (self.hurry || self.rng.u32(0..12) == 0)
        {
            self.plant = None;
            return (template, true);
        }
        if depth == 0 || self.rng.u32(0..3) == 0 {
            let leaf = self.pick(LEAVES);
            return (leaf, leaf.starts_with(|c: char| c == '-' || c.is_ascii_digit()) || leaf.contains(' '));
        }
        let loose = self.rng.u32(0..3) == 0;
        let template = self.pick(if loose { LOOSE } else { CLOSED });
        if self.sober > 0 && (template.contains(":=") || template.contains("yield")) {
            return ("$r", false);
        }
        (template, loose)
    }
}
