//! An Ollama that tells of itself what a test wants: its version, its models, what is loaded, and its clock.
//!
//! It thinks nothing; that is [`ScriptedMind`](crate::ScriptedMind)'s part.

use std::io;
use std::net::TcpListener as StdListener;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};

use crate::MODEL_DIGEST;
use crate::wire::{self, Incoming};

#[derive(Default)]
struct Told {
    version: String,
    /// Names and sizes.
    models: Vec<(String, u64)>,
    /// Names, sizes, and what of them is on the GPU.
    loaded: Vec<(String, u64, u64)>,
    damaged: Vec<String>,
    date: Option<String>,
}

/// The server. It lives as long as the test's process.
pub struct OllamaReport {
    url: String,
    told: Arc<Mutex<Told>>,
}

impl OllamaReport {
    /// Starts on a free port of this machine, with nothing in it.
    #[must_use]
    pub fn start() -> Self {
        let listener = StdListener::bind(("127.0.0.1", 0)).expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("the address just bound"));
        let told = Arc::new(Mutex::new(Told { version: "0.9.0".to_owned(), ..Told::default() }));
        let shared = Arc::clone(&told);
        thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(serve(listener, &shared)).expect("the scripted Ollama serves");
        });
        Self { url, told }
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For `OLLAMA_HOST`.
    #[must_use]
    pub fn url(&self) -> String {
        self.url.clone()
    }

    pub fn version(&self, version: &str) {
        version.clone_into(&mut self.told().version);
    }

    /// The models it has, with their sizes.
    pub fn models(&self, models: &[(&str, u64)]) {
        self.told().models = models.iter().map(|(name, size)| ((*name).to_owned(), *size)).collect();
    }

    /// The models it has loaded, with their sizes and what of them is on the GPU.
    pub fn loaded(&self, loaded: &[(&str, u64, u64)]) {
        let own = |(name, size, gpu): &(&str, u64, u64)| ((*name).to_owned(), *size, *gpu);
        self.told().loaded = loaded.iter().map(own).collect();
    }

    /// The models whose files it cannot read.
    pub fn damaged(&self, models: &[&str]) {
        self.told().damaged = models.iter().map(ToString::to_string).collect();
    }

    /// What its clock says, as HTTP writes it.
    pub fn date(&self, date: Option<&str>) {
        self.told().date = date.map(str::to_owned);
    }
}

async fn serve(listener: StdListener, told: &Mutex<Told>) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = TcpListener::from_std(listener)?;
    loop {
        let (mut stream, _) = listener.accept().await?;
        // A client that goes away in the middle is no concern of the next.
        let _ = answer(&mut stream, told).await;
    }
}

async fn answer(stream: &mut TcpStream, told: &Mutex<Told>) -> io::Result<()> {
    let incoming = wire::receive(stream).await?;
    let (status, body, date) = {
        let told = told.lock().unwrap_or_else(PoisonError::into_inner);
        let (status, body) = said(&told, &incoming);
        (status, body.to_string(), told.date.clone())
    };
    let date = date.map(|date| format!("date: {date}\r\n")).unwrap_or_default();
    let head = format!(
        "HTTP/1.1 {status} Scripted\r\nconnection: close\r\n{date}content-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    stream.shutdown().await
}

fn said(told: &Told, incoming: &Incoming) -> (u16, Value) {
    match incoming.path.as_str() {
        "/api/version" => (200, json!({ "version": told.version })),
        "/api/tags" => {
            let models = told.models.iter();
            let models = models.map(
                |(name, size)| json!({ "name": name, "model": name, "size": size, "digest": MODEL_DIGEST }),
            );
            (200, json!({ "models": models.collect::<Vec<_>>() }))
        }
        "/api/ps" => {
            let loaded = told.loaded.iter();
            let loaded =
                loaded.map(|(name, size, gpu)| json!({ "name": name, "size": size, "size_vram": gpu }));
            (200, json!({ "models": loaded.collect::<Vec<_>>() }))
        }
        "/api/show" => {
            let asked: Value = serde_json::from_slice(&incoming.body).unwrap_or_default();
            let name = asked["model"].as_str().unwrap_or_default();
            let is_there = told.models.iter().any(|(known, _)| known == name);
            if is_there && !told.damaged.iter().any(|damaged| damaged == name) {
                return (200, json!({ "details": { "format": "gguf" } }));
            }
            (404, json!({ "error": format!("model '{name}' not found") }))
        }
        _ => (404, Value::Null),
    }
}
