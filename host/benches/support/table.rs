//! The best figure of every contestant for every row, and how much better the first contestant is.

use std::fmt;

#[derive(Clone, Copy)]
pub enum Unit {
    Milliseconds,
    PerSecond,
}

pub struct Table {
    contestants: Vec<String>,
    rows: Vec<Row>,
}

struct Row {
    name: String,
    unit: Unit,
    best: Vec<Option<f64>>,
}

impl Table {
    pub fn new(contestants: Vec<String>) -> Self {
        Self { contestants, rows: Vec::new() }
    }

    /// Keeps `value` if it is the contestant's best in this row so far: what else the machine does can only make
    /// a figure worse.
    pub fn note(&mut self, name: &str, unit: Unit, contestant: usize, value: f64) {
        let index = self.rows.iter().position(|row| row.name == name).unwrap_or_else(|| {
            self.rows.push(Row { name: name.to_owned(), unit, best: vec![None; self.contestants.len()] });
            self.rows.len() - 1
        });
        let best = &mut self.rows[index].best[contestant];
        *best = Some(best.map_or(value, |best| match unit {
            Unit::Milliseconds => best.min(value),
            Unit::PerSecond => best.max(value),
        }));
    }
}

impl Row {
    fn cell(&self, contestant: usize) -> String {
        let (Some(ours), Some(value)) = (self.best[0], self.best[contestant]) else { return String::new() };
        let shown = match self.unit {
            Unit::Milliseconds if value < 10.0 => format!("{value:.3}"),
            Unit::Milliseconds => format!("{value:.1}"),
            Unit::PerSecond => format!("{value:.0}"),
        };
        let ratio = match self.unit {
            Unit::Milliseconds => value / ours,
            Unit::PerSecond => ours / value,
        };
        if contestant == 0 { shown } else { format!("{shown} ({ratio:.2}x)") }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = vec![[vec![String::new()], self.contestants.clone()].concat()];
        for row in &self.rows {
            let cells = (0..self.contestants.len()).map(|contestant| row.cell(contestant));
            lines.push([row.name.clone()].into_iter().chain(cells).collect());
        }
        align(f, &lines)?;
        write!(f, "\nIn brackets: how many times better {} is.", self.contestants[0])
    }
}

/// A table in Markdown, of the heads of the columns and the rows below: names to the left, figures to the right.
pub fn align(f: &mut fmt::Formatter<'_>, lines: &[Vec<String>]) -> fmt::Result {
    let widest = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..lines.first().map_or(0, Vec::len)).map(widest).collect();
    for (number, line) in lines.iter().enumerate() {
        write!(f, "| {:<1$} |", line[0], widths[0])?;
        for (cell, width) in line.iter().zip(&widths).skip(1) {
            write!(f, " {cell:>width$} |")?;
        }
        writeln!(f)?;
        if number == 0 {
            let rules = widths.iter().skip(1).map(|width| format!("{:->1$}:|", "", width + 1));
            writeln!(f, "|{:-<1$}|{2}", "", widths[0] + 2, rules.collect::<String>())?;
        }
    }
    Ok(())
}
