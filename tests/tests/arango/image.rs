//! Images for the contract: databases of the emulator, and of a real cluster.

use std::env;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aura::store::Store;
use aura::store::arango::{ArangoConfig, ArangoStore};
use serde_json::{Value, json};

use crate::contract::Image;
use crate::emulator::{Emulator, Faults, PASSWORD, apart};

pub struct Emulated(ArangoConfig);

impl Emulated {
    pub fn on(emulator: &Emulator) -> Self {
        Self(ArangoConfig {
            url: emulator.url.clone(),
            password: PASSWORD.to_owned(),
            database: fresh_name(),
            ..ArangoConfig::default()
        })
    }

    pub fn config(&self) -> &ArangoConfig {
        &self.0
    }
}

impl Emulated {
    /// Writes a document as another program would.
    pub async fn write(&self, collection: &str, document: Value) {
        let ask = async |path: String, token: &str, body: Value| -> Value {
            let asked = reqwest::Client::new().post(format!("{}/{path}", self.0.url)).bearer_auth(token);
            let answer = asked.body(body.to_string()).send().await.unwrap().error_for_status().unwrap();
            serde_json::from_str(&answer.text().await.unwrap()).unwrap()
        };
        let (user, password) = (&self.0.user, &self.0.password);
        let login = ask("_open/auth".to_owned(), "", json!({ "username": user, "password": password })).await;
        let path = format!("_db/{}/_api/document/{collection}?overwriteMode=replace", self.0.database);
        ask(path, login["jwt"].as_str().unwrap(), document).await;
    }
}

impl Image for Emulated {
    fn empty() -> Self {
        static EMULATOR: OnceLock<Emulator> = OnceLock::new();
        Self::on(EMULATOR.get_or_init(|| Emulator::start(Faults::default())))
    }

    fn open(&self) -> impl Store {
        apart(ArangoStore::connect(self.0.clone())).unwrap()
    }
}

/// The cluster to test with, if there is one.
pub fn live_url() -> Option<String> {
    env::var("ARANGO_URL").ok().filter(|url| !url.is_empty())
}

/// A database of its own, which goes with the test. That it is a OneShard one is asserted when it is opened.
pub struct Live(ArangoConfig);

impl Image for Live {
    fn empty() -> Self {
        let or = |name, default: &str| env::var(name).unwrap_or_else(|_| default.to_owned());
        Self(ArangoConfig {
            url: live_url().expect("ARANGO_URL is set"),
            user: or("ARANGO_USER", "root"),
            password: or("ARANGO_PASS", ""),
            database: fresh_name(),
            single_server_allowed: false,
            timeout: Duration::from_secs(30),
        })
    }

    fn open(&self) -> impl Store {
        apart(ArangoStore::connect(self.0.clone())).unwrap()
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        let url =
            format!("{}/_db/_system/_api/database/{}", self.0.url.trim_end_matches('/'), self.0.database);
        let dropping =
            reqwest::Client::new().delete(url).basic_auth(&self.0.user, Some(&self.0.password)).send();
        if let Err(error) = apart(dropping) {
            eprintln!("the database {} of a test is left over ({error})", self.0.database);
        }
    }
}

fn fresh_name() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros();
    format!("aura_test_{now:x}_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}
