//! The parts that are asked: the store, the mind, and the servers of this folder.

use std::time::Duration;

use serde::Deserialize;
use tokio::time::timeout;

use super::{Diagnosis, State};
use crate::cli::failure::Failure;
use crate::cli::folder::{DataFolder, Word};
use crate::cli::parts;
use crate::config::{Config, StoreConfig};
use crate::mind::MindError;
use crate::store::arango::ArangoStore;
use crate::store::sqlite::SqliteStore;

/// A mind that has to load its model first takes its time; a doctor need not wait for that.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the store finds when it looks at everything.
pub async fn store(config: &Config, folder: &DataFolder) -> Result<Vec<Diagnosis>, Failure> {
    let checks = match &config.store {
        StoreConfig::Arango(arango) => match timeout(PATIENCE, ArangoStore::look(arango)).await {
            Ok(Ok(checks)) => checks,
            Ok(Err(error)) => return Ok(vec![away(&error.to_string())]),
            Err(_) => return Ok(vec![away(&format!("no answer within {} s", PATIENCE.as_secs()))]),
        },
        StoreConfig::Sqlite => {
            let image = folder.image();
            if !image.exists() {
                return Ok(vec![Diagnosis::ok(
                    "image",
                    format!("{} is not there yet; `aura serve` creates it", image.display()),
                )]);
            }
            parts::blocking(move || SqliteStore::examine_file(&image)).await?
        }
    };
    Ok(checks
        .into_iter()
        .map(|check| match check.found {
            Ok(found) => Diagnosis::ok("image", format!("{}: {found}", check.what)),
            Err(wrong) => {
                Diagnosis::bad(State::Fail, "image", format!("{} is not as it should be", check.what), wrong)
            }
        })
        .collect())
}

fn away(cure: &str) -> Diagnosis {
    Diagnosis::bad(State::Unreachable, "image", "it cannot be looked at".to_owned(), cure.to_owned())
}

pub async fn mind(config: &Config) -> Diagnosis {
    let bad = |state, cure: String| Diagnosis::bad(state, "mind", "it cannot write methods now", cure);
    let mind = match parts::mind(config) {
        Ok(mind) => mind,
        Err(failure) => return bad(State::Fail, failure.to_string()),
    };
    let (persona, model) = mind.describe();
    match timeout(PATIENCE, mind.check()).await {
        Ok(Ok(detail)) => Diagnosis::ok("mind", format!("{persona} ({model}): {detail}")),
        Ok(Err(MindError::Unavailable(text))) => bad(State::Unreachable, text),
        Ok(Err(MindError::Garbage(text))) => bad(State::Fail, text),
        Err(_) => bad(
            State::Unreachable,
            format!("{persona} ({model}) gave no answer within {} s.", PATIENCE.as_secs()),
        ),
    }
}

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
pub async fn servers(folder: &DataFolder) -> Vec<Diagnosis> {
    let words = match folder.words() {
        Ok(words) => words,
        Err(error) => {
            let cure = "Let this user read the data folder.";
            return vec![Diagnosis::bad(State::Warn, "server", error.to_string(), cure)];
        }
    };
    if words.is_empty() {
        return vec![Diagnosis::ok("server", "none serves the data folder now")];
    }
    let mut found = Vec::new();
    for word in words {
        found.push(server(&word).await);
    }
    found
}

async fn server(Word { place, url }: &Word) -> Diagnosis {
    let Some(url) = url else {
        return Diagnosis::ok("server", place);
    };
    match ask(url).await {
        Ok(Ready { ready: true, .. }) => Diagnosis::ok("server", format!("{place} is ready")),
        Ok(Ready { store, sandbox, .. }) => Diagnosis::bad(
            State::Fail,
            "server",
            format!("{place} is not ready"),
            format!("Its store: {}. Its sandbox: {}.", store.told(), sandbox.told()),
        ),
        Err(error) => Diagnosis::bad(
            State::Fail,
            "server",
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
