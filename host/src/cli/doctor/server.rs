//! The servers of the data folder.

use super::diagnosis::{Diagnosis, State};
use crate::cli::folder::{DataFolder, Word};
use crate::cli::ready::{Ready, ask};

const NAME: &str = "server";

/// Who serves the folder, and how they are.
pub async fn look(folder: &DataFolder) -> Vec<Diagnosis> {
    let words = match folder.words() {
        Ok(words) => words,
        Err(error) => {
            let cure = "Let this user read the data folder.";
            return vec![Diagnosis::bad(State::Warn, NAME, error.to_string()).cured_by(cure)];
        }
    };
    if words.is_empty() {
        return vec![Diagnosis::ok(NAME, "none serves the data folder now")];
    }
    let mut found = Vec::new();
    for word in words {
        found.push(server(&word).await);
    }
    found
}

async fn server(Word { place, url }: &Word) -> Diagnosis {
    let Some(url) = url else {
        return Diagnosis::ok(NAME, place);
    };
    match ask(url).await {
        Ok(Ready { ready: true, .. }) => Diagnosis::ok(NAME, format!("{place} is ready")),
        Ok(Ready { store, sandbox, .. }) => Diagnosis::bad(
            State::Fail,
            NAME,
            format!("{place} is not ready"),
        )
        .cured_by(format!("Its store: {}. Its sandbox: {}.", store.told(), sandbox.told())),
        Err(error) => Diagnosis::bad(
            State::Fail,
            NAME,
            format!("{place} does not say whether it is ready ({})", error.without_url()),
        )
        .cured_by("Look into its log, or stop it and start it again."),
    }
}
