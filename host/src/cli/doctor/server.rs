//! The servers of the data folder.

use std::time::Duration;

use serde::Deserialize;

use super::diagnosis::{Diagnosis, State};
use crate::cli::folder::{DataFolder, Word};

const NAME: &str = "server";

/// What a server that looks at its parts may take.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Deserialize)]
struct Ready {
    ready: bool,
    store: Dependency,
    sandbox: Dependency,
}

#[derive(Deserialize)]
struct Dependency {
    state: String,
    /// Not told by a server that has a token.
    detail: Option<String>,
}

impl Dependency {
    fn told(self) -> String {
        self.detail.unwrap_or(self.state)
    }
}

/// Who serves the folder, and how they are.
pub async fn look(folder: &DataFolder) -> Vec<Diagnosis> {
    let words = match folder.words() {
        Ok(words) => words,
        Err(error) => {
            let cure = "Let this user read the data folder.";
            return vec![Diagnosis::bad(State::Warn, NAME, error.to_string(), cure)];
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
            format!("Its store: {}. Its sandbox: {}.", store.told(), sandbox.told()),
        ),
        Err(error) => Diagnosis::bad(
            State::Fail,
            NAME,
            format!("{place} does not say whether it is ready ({})", error.without_url()),
            "Look into its log, or stop it and start it again.",
        ),
    }
}

/// A server of this folder is on this machine, whatever proxy is set.
async fn ask(url: &str) -> reqwest::Result<Ready> {
    let http = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build()?;
    http.get(format!("{url}/readyz")).send().await?.json().await
}
