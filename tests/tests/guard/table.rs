//! The table by class.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{attacks, harmless};

pub fn render(
    attacks: &[attacks::Class],
    harmless: &[harmless::Class],
    beyond: &[harmless::Class],
) -> String {
    let mut text = String::from("# What the guard refuses\n\nWritten by `cargo xtask guard`.\n");
    // Writing to a String cannot fail.
    let _ = write(&mut text, attacks, harmless, beyond);
    text
}

/// The table but for how runs ended, and what came through the audit by a hair: near the limits of fuel that differs
/// between builds of the guest.
pub fn without_endings(table: &str) -> String {
    let (attacks, rest) = table.split_once("\n## Harmless").unwrap_or((table, ""));
    let near = |line: &&str| !["| bomb parser |", "| **all** |"].iter().any(|row| line.starts_with(row));
    let attacks = attacks.lines().filter(near).map(|line| {
        let ending = line.split_once(" (").and_then(|(start, rest)| Some((start, rest.split_once(')')?.1)));
        ending.map_or_else(|| line.to_owned(), |(start, end)| format!("{start}{end}"))
    });
    attacks.chain([rest.to_owned()]).collect::<Vec<_>>().join("\n")
}

fn write(
    text: &mut String,
    attacks: &[attacks::Class],
    harmless: &[harmless::Class],
    beyond: &[harmless::Class],
) -> std::fmt::Result {
    let sum = |part: fn(&attacks::Class) -> usize| attacks.iter().map(part).sum::<usize>();
    writeln!(text, "\n## Attacks\n")?;
    writeln!(
        text,
        "Powerless: accepted, and nothing was to be seen of it; in parentheses how the runs ended.\n"
    )?;
    writeln!(text, "| class | attacks | refused by the audit | powerless in the isolate | holes |")?;
    writeln!(text, "|---|---|---|---|---|")?;
    for class in attacks {
        let mut endings = BTreeMap::<&str, usize>::new();
        for ending in &class.powerless {
            *endings.entry(ending).or_default() += 1;
        }
        let endings: Vec<String> =
            endings.iter().map(|(ending, count)| format!("{count} {ending}")).collect();
        let endings = if endings.is_empty() { String::new() } else { format!(" ({})", endings.join(", ")) };
        let (name, holes) = (class.name.replace('_', " "), class.holes.len());
        let powerless = class.powerless.len();
        writeln!(text, "| {name} | {} | {} | {powerless}{endings} | {holes} |", class.all, class.refused)?;
    }
    let (all, refused) = (sum(|class| class.all), sum(|class| class.refused));
    let (powerless, holes) = (sum(|class| class.powerless.len()), sum(|class| class.holes.len()));
    writeln!(text, "| **all** | {all} | {refused} | {powerless} | {holes} |")?;

    writeln!(text, "\n## Harmless methods\n")?;
    writeln!(text, "| class | methods | accepted | refused (rule) |\n|---|---|---|---|")?;
    for class in harmless {
        let (name, refused) = (class.name.replace('_', " "), class.refused.join(", "));
        writeln!(text, "| {name} | {} | {} | {refused} |", class.all, class.all - class.refused.len())?;
    }
    let (all, refused) = harmless::totals(harmless);
    let accepted = (all - refused) * 1000 / all.max(1);
    let percent = format!("{}.{} %", accepted / 10, accepted % 10);
    writeln!(text, "| **all** | {all} | {} ({percent}) | {refused} |", all - refused)?;

    writeln!(text, "\n## Honest, but beyond what methods have\n")?;
    writeln!(
        text,
        "Counted apart: they ask for the process, for modules that are not there, for every class there is.\n"
    )?;
    for class in beyond {
        writeln!(text, "{} of {} refused: {}.", class.refused.len(), class.all, class.refused.join(", "))?;
    }
    Ok(())
}
