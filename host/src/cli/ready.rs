//! Whether a server is ready, as it says itself.

use std::time::Duration;

use serde::Deserialize;

/// What a server that looks at its parts may take.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Deserialize)]
pub struct Ready {
    pub ready: bool,
    pub store: Dependency,
    pub sandbox: Dependency,
}

#[derive(Deserialize)]
pub struct Dependency {
    state: String,
    /// Not told by a server that has a token.
    detail: Option<String>,
}

impl Dependency {
    pub fn told(self) -> String {
        self.detail.unwrap_or(self.state)
    }
}

/// It is on this machine, whatever proxy is set.
pub async fn ask(url: &str) -> reqwest::Result<Ready> {
    let http = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build()?;
    http.get(format!("{url}/readyz")).send().await?.json().await
}
