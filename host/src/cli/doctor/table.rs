//! All diagnoses, as `diagnoses.toml` has them, for people.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use crate::cli::failure::Failure;
use crate::cli::term::{print, print_json};

/// What a diagnosis is about.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    pub name: String,
    /// The thing, in a word or two.
    pub what: String,
    /// The heading it stands under.
    pub subject: String,
    looks: String,
    why: String,
    pub cure: String,
    /// What `--fix` does, if it does something.
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<String>,
}

#[derive(Deserialize)]
struct Table {
    diagnosis: Vec<Entry>,
}

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    toml::from_str(include_str!("diagnoses.toml")).expect("the file beside this one is tested")
});

/// Each persona's model has a name of its own.
const MODEL: &str = "model-";

/// In the order in which they are shown.
pub fn all() -> &'static [Entry] {
    &TABLE.diagnosis
}

/// Where in the table a diagnosis is, and its entry.
pub fn find(name: &str) -> Option<(usize, &'static Entry)> {
    let is = |entry: &Entry| entry.name == name || (entry.name.starts_with(MODEL) && name.starts_with(MODEL));
    all().iter().enumerate().find(|(_, entry)| is(entry))
}

pub fn explain(name: &str, is_json: bool) -> Result<(), Failure> {
    if name.is_empty() {
        if is_json {
            return print_json(all());
        }
        let width = all().iter().map(|entry| entry.name.len()).max().unwrap_or_default();
        for Entry { name, looks, .. } in all() {
            print(&format!("{name:width$}  {looks}"))?;
        }
        return Ok(());
    }
    let by_what = || all().iter().find(|entry| entry.what.eq_ignore_ascii_case(name));
    let Some(entry) = find(name).map(|(_, entry)| entry).or_else(by_what) else {
        return Err(Failure::Usage(format!(
            "There is no diagnosis {name}. `aura doctor --explain` lists them."
        )));
    };
    if is_json {
        return print_json(entry);
    }
    let Entry { name, looks, why, cure, fix, .. } = entry;
    print(&format!("{name}: {looks}.\n\n{why}\n\nCure: {cure}"))?;
    fix.as_ref().map_or(Ok(()), |fix| print(&format!("\n`aura doctor --fix` {fix}.")))
}

/// For the guide.
pub fn markdown() -> Result<(), Failure> {
    print("| diagnosis | what is looked at | why | cure |\n|---|---|---|---|")?;
    for Entry { name, looks, why, cure, fix, .. } in all() {
        let fix = fix.as_ref().map(|fix| format!(" `--fix` {fix}.")).unwrap_or_default();
        print(&format!("| `{name}` | {looks} | {why} | {cure}{fix} |"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_table_can_be_read_and_shown() {
        let mut names = HashSet::new();
        let mut subjects: Vec<&str> = Vec::new();
        for Entry { name, subject, looks, why, cure, fix, .. } in all() {
            assert!(names.insert(name), "{name} stands there twice");
            if subjects.last() != Some(&subject.as_str()) {
                assert!(!subjects.contains(&subject.as_str()), "{subject} is in two pieces");
                subjects.push(subject);
            }
            for text in [looks, why, cure].into_iter().chain(fix) {
                assert!(!text.contains(['|', '\n']), "{text} breaks the table of the guide");
            }
            assert!(!looks.ends_with('.') && why.ends_with('.') && cure.ends_with('.'), "{name}");
        }
        assert_eq!(find("model-alfred").map(|(_, entry)| entry.name.as_str()), Some("model-PERSONA"));
        assert!(find("models").is_none());
    }
}
