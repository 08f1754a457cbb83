//! An Ollama without models that think: it pulls from a library of its own, keeps what is half pulled, takes blobs,
//! makes models and shows them, and tells of itself what a test wants, over real HTTP; and it goes wrong where a test
//! tells it to.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use crate::MODEL_DIGEST;
use crate::serving::Serving;
use crate::wire::{self, Incoming};

/// How it goes wrong.
#[derive(Clone, Debug)]
pub enum Trouble {
    /// Says this in place of the rest.
    Say(String),
    /// Closes the connection.
    Break,
    /// Says nothing any more, and holds the connection open.
    Hush,
    /// Is gone, until it is revived.
    Die,
    /// Answers with this status and body; only instead of a whole answer.
    Status(u16, String),
    /// Loses a byte of what it is sent.
    Lose,
}

/// A model that is there.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Model {
    pub size: u64,
    pub from: String,
    pub system: String,
    pub parameters: BTreeMap<String, Value>,
    /// SHA-256 of each adapter as it is kept.
    pub adapters: Vec<String>,
    pub license: Vec<String>,
}

#[derive(Default)]
struct State {
    version: String,
    /// What its clock says, as HTTP writes it.
    date: Option<String>,
    /// Names, sizes, and what of them is on the GPU.
    loaded: Vec<(String, u64, u64)>,
    /// Models whose files it cannot read.
    damaged: Vec<String>,
    /// What can be pulled: a name with the bytes of each layer.
    library: BTreeMap<String, Vec<u64>>,
    /// How much of each layer is there.
    pulled: HashMap<String, u64>,
    fetched: u64,
    models: BTreeMap<String, Model>,
    blobs: HashMap<String, Vec<u8>>,
    troubles: Vec<(String, usize, Trouble)>,
    /// Requests that changed something, or tried to.
    changes: Vec<String>,
    hushed: bool,
    refuses_adapters: bool,
}

/// It stops when this value goes.
pub struct ScriptedOllama {
    serving: Serving,
    state: Arc<Mutex<State>>,
}

impl ScriptedOllama {
    /// Has no model, and can pull these: a name with the bytes of each layer.
    pub fn start(library: &[(&str, &[u64])]) -> Self {
        let library = library.iter().map(|(name, layers)| ((*name).to_owned(), layers.to_vec()));
        let version = "0.9.0".to_owned();
        let state = State { version, library: library.collect(), ..State::default() };
        let state = Arc::new(Mutex::new(state));
        Self { serving: serve(0, &state), state }
    }

    /// Has these models, with their sizes, and can pull none.
    pub fn with(models: &[(&str, u64)]) -> Self {
        let ollama = Self::start(&[]);
        ollama.has(models);
        ollama
    }

    /// Starts it again where it was, with what it had, after [`Trouble::Die`].
    pub fn revive(&mut self) {
        self.serving = serve(self.serving.ended(), &self.state);
    }

    /// For `OLLAMA_HOST`.
    pub fn url(&self) -> String {
        self.serving.url()
    }

    /// The next answer to a request that begins so (`POST /api/pull`) goes wrong after so many lines.
    pub fn trouble(&self, request: &str, after: usize, trouble: Trouble) {
        self.state().troubles.push((request.to_owned(), after, trouble));
    }

    pub fn version(&self, version: &str) {
        version.clone_into(&mut self.state().version);
    }

    /// What its clock says, as HTTP writes it.
    pub fn date(&self, date: Option<&str>) {
        self.state().date = date.map(str::to_owned);
    }

    /// The models it has loaded, with their sizes and what of them is on the GPU.
    pub fn loaded(&self, loaded: &[(&str, u64, u64)]) {
        let own = |(name, size, gpu): &(&str, u64, u64)| ((*name).to_owned(), *size, *gpu);
        self.state().loaded = loaded.iter().map(own).collect();
    }

    /// The models whose files it cannot read.
    pub fn damaged(&self, models: &[&str]) {
        self.state().damaged = models.iter().map(ToString::to_string).collect();
    }

    /// As Ollama 0.34.1 and newer.
    pub fn refuse_adapters(&self) {
        self.state().refuses_adapters = true;
    }

    /// Waits until an answer has come to its [`Trouble::Hush`].
    pub fn await_hush(&self) {
        while !self.state().hushed {
            thread::sleep(Duration::from_millis(5));
        }
        self.state().hushed = false;
    }

    /// All requests so far that changed something, or tried to.
    pub fn changes(&self) -> Vec<String> {
        self.state().changes.clone()
    }

    /// Bytes that were pulled in all.
    pub fn fetched(&self) -> u64 {
        self.state().fetched
    }

    pub fn models(&self) -> BTreeMap<String, Model> {
        self.state().models.clone()
    }

    pub fn has_blob(&self, digest: &str) -> bool {
        self.state().blobs.contains_key(digest)
    }

    /// Has these models and no others, with their sizes.
    pub fn has(&self, models: &[(&str, u64)]) {
        let own =
            |(name, size): &(&str, u64)| ((*name).to_owned(), Model { size: *size, ..Model::default() });
        self.state().models = models.iter().map(own).collect();
    }

    /// Puts a model there, or changes it behind everybody's back.
    pub fn put(&self, name: &str, model: Model) {
        self.state().models.insert(name.to_owned(), model);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn serve(port: u16, state: &Arc<Mutex<State>>) -> Serving {
    let state = Arc::clone(state);
    Serving::start(port, move |stream, dying| answer(stream, Arc::clone(&state), dying))
}

async fn answer(mut stream: TcpStream, state: Arc<Mutex<State>>, dying: Arc<Notify>) -> io::Result<()> {
    let incoming = wire::receive(&mut stream).await?;
    let request = format!("{} {}", incoming.method, incoming.path);
    let trouble = {
        let troubles = &mut lock(&state).troubles;
        let at = troubles.iter().position(|(begin, ..)| request.starts_with(begin));
        at.map(|at| troubles.remove(at)).map(|(_, after, what)| (after, what))
    };
    Account { stream, state, dying, trouble, lines: 0 }.answer(&incoming).await
}

/// One answer.
struct Account {
    stream: TcpStream,
    state: Arc<Mutex<State>>,
    dying: Arc<Notify>,
    trouble: Option<(usize, Trouble)>,
    lines: usize,
}

impl Account {
    async fn answer(mut self, incoming: &Incoming) -> io::Result<()> {
        if let Some((_, Trouble::Status(status, body))) = &self.trouble {
            return wire::document(&mut self.stream, *status, body).await;
        }
        let body: Value = serde_json::from_slice(&incoming.body).unwrap_or_default();
        match (incoming.method.as_str(), incoming.path.as_str()) {
            ("GET", "/api/version") => {
                let version = json!({ "version": lock(&self.state).version });
                self.json(200, &version).await
            }
            ("GET", "/api/tags") => {
                let told = |(name, model): (&String, &Model)| {
                    let size = model.size;
                    json!({ "name": name, "model": name, "size": size, "digest": MODEL_DIGEST })
                };
                let models: Vec<Value> = lock(&self.state).models.iter().map(told).collect();
                self.json(200, &json!({ "models": models })).await
            }
            ("GET", "/api/ps") => {
                let told = |loaded: &(String, u64, u64)| {
                    let (name, size, gpu) = loaded;
                    json!({ "name": name, "size": size, "size_vram": gpu })
                };
                let models: Vec<Value> = lock(&self.state).loaded.iter().map(told).collect();
                self.json(200, &json!({ "models": models })).await
            }
            ("POST", "/api/show") => self.show(body["model"].as_str().unwrap_or_default()).await,
            ("POST", "/api/pull") => self.pull(body["model"].as_str().unwrap_or_default()).await,
            ("POST", "/api/create") => self.create(&body).await,
            (method, path) => match path.strip_prefix("/api/blobs/sha256:") {
                Some(digest) if method == "HEAD" => {
                    let status = if lock(&self.state).blobs.contains_key(digest) { 200 } else { 404 };
                    wire::document(&mut self.stream, status, "").await
                }
                Some(digest) => self.blob(digest, &incoming.body).await,
                None => wire::document(&mut self.stream, 404, "404 page not found").await,
            },
        }
    }

    async fn json(&mut self, status: u16, body: &Value) -> io::Result<()> {
        let date = lock(&self.state).date.clone();
        wire::dated(&mut self.stream, date.as_deref(), status, &body.to_string()).await
    }

    /// A line of an account, unless it is time to go wrong.
    async fn say(&mut self, line: &Value) -> io::Result<()> {
        if self.lines == 0 {
            wire::head(&mut self.stream, 200, "application/x-ndjson").await?;
        }
        if let Some((_, trouble)) = self.trouble.take_if(|(after, _)| *after == self.lines) {
            match trouble {
                Trouble::Say(text) => {
                    wire::chunk(&mut self.stream, text.as_bytes()).await?;
                    wire::end(&mut self.stream).await?;
                }
                Trouble::Die => {
                    // The listener goes before this connection does.
                    self.dying.notify_one();
                    std::future::pending::<()>().await;
                }
                Trouble::Hush => {
                    lock(&self.state).hushed = true;
                    // Until the client has gone.
                    self.stream.readable().await?;
                }
                Trouble::Break | Trouble::Status(..) | Trouble::Lose => {}
            }
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        self.lines += 1;
        wire::chunk(&mut self.stream, format!("{line}\n").as_bytes()).await
    }

    async fn status(&mut self, status: &str) -> io::Result<()> {
        self.say(&json!({ "status": status })).await
    }

    async fn error(&mut self, error: &str) -> io::Result<()> {
        self.say(&json!({ "error": error })).await?;
        wire::end(&mut self.stream).await
    }

    async fn pull(&mut self, name: &str) -> io::Result<()> {
        let layers = {
            let mut state = lock(&self.state);
            state.changes.push(format!("pull {name}"));
            state.library.get(name).cloned()
        };
        self.status("pulling manifest").await?;
        let Some(layers) = layers else {
            return self.error("pull model manifest: file does not exist").await;
        };
        for (index, total) in layers.into_iter().enumerate() {
            let digest = sha256(format!("{name} {index}").as_bytes());
            loop {
                let completed = *lock(&self.state).pulled.entry(digest.clone()).or_default();
                let mut line = json!({
                    "status": format!("pulling {}", &digest[..12]), "digest": format!("sha256:{digest}"), "total": total,
                });
                if completed > 0 {
                    line["completed"] = completed.into();
                }
                self.say(&line).await?;
                if completed == total {
                    break;
                }
                let piece = total.div_ceil(4).min(total - completed);
                let mut state = lock(&self.state);
                state.pulled.insert(digest.clone(), completed + piece);
                state.fetched += piece;
            }
        }
        self.status("verifying sha256 digest").await?;
        self.status("writing manifest").await?;
        let stop = json!(["<|end|>", "<|user|>"]);
        let parameters = BTreeMap::from([("stop".to_owned(), stop), ("top_k".to_owned(), json!(40))]);
        // A line that looks like part of a Modelfile.
        let license = vec![format!("MIT License\nADAPTER /blobs/sha256-{}", "0".repeat(64))];
        let model = Model { parameters, license, ..Model::default() };
        lock(&self.state).models.insert(name.to_owned(), model);
        self.status("success").await?;
        wire::end(&mut self.stream).await
    }

    async fn blob(&mut self, digest: &str, body: &[u8]) -> io::Result<()> {
        lock(&self.state).changes.push(format!("blob {digest}"));
        let body = match self.trouble.take() {
            Some((_, Trouble::Break)) => return Ok(()),
            Some((_, Trouble::Lose)) => &body[1..],
            _ => body,
        };
        let found = sha256(body);
        if found != digest {
            let error = format!(r#"digest mismatch, expected "sha256:{digest}", got "sha256:{found}""#);
            return self.json(400, &json!({ "error": error })).await;
        }
        lock(&self.state).blobs.insert(found, body.to_vec());
        wire::document(&mut self.stream, 201, "").await
    }

    async fn create(&mut self, wish: &Value) -> io::Result<()> {
        let name = wish["model"].as_str().unwrap_or_default().to_owned();
        let from = wish["from"].as_str().unwrap_or_default().to_owned();
        lock(&self.state).changes.push(format!("create {name}"));
        if wish.get("modelfile").is_some() || from.is_empty() {
            let error = "neither 'from' or 'files' was specified";
            return self.json(400, &json!({ "error": error })).await;
        }
        let adapters: Map<String, Value> = wish["adapters"].as_object().cloned().unwrap_or_default();
        if !adapters.is_empty() && lock(&self.state).refuses_adapters {
            return self.json(400, &json!({ "error": "LoRA adapters are no longer supported" })).await;
        }
        let Some(base) = lock(&self.state).models.get(&from).cloned() else {
            return self.error("pull model manifest: file does not exist").await;
        };
        let mut model = Model { from, ..base };
        let digest =
            |value: &Value| value.as_str().unwrap_or_default().trim_start_matches("sha256:").to_owned();
        let digests: Vec<String> = adapters.values().map(digest).collect();
        if !digests.iter().all(|digest| lock(&self.state).blobs.contains_key(digest)) {
            return self.error("blob not found").await;
        }
        match adapters.keys().map(String::as_str).collect::<Vec<_>>().as_slice() {
            [] => {}
            ["adapter.gguf"] => model.adapters = digests,
            ["adapter_config.json", "adapter_model.safetensors"] => {
                self.status("converting adapter").await?;
                model.adapters = vec![sha256(digests.join(" converted ").as_bytes())];
            }
            _ => return self.error("unknown type").await,
        }
        wish["system"].as_str().unwrap_or_default().clone_into(&mut model.system);
        for (name, value) in wish["parameters"].as_object().into_iter().flatten() {
            model.parameters.insert(name.clone(), value.clone());
        }
        model.license.extend(wish["license"].as_str().map(str::to_owned));
        self.status(&format!("using existing layer sha256:{}", sha256(model.from.as_bytes()))).await?;
        self.status(&format!("creating new layer sha256:{}", sha256(model.system.as_bytes()))).await?;
        self.status("writing manifest").await?;
        lock(&self.state).models.insert(name, model);
        self.status("success").await?;
        wire::end(&mut self.stream).await
    }

    async fn show(&mut self, name: &str) -> io::Result<()> {
        let model = {
            let state = lock(&self.state);
            state.models.get(name).filter(|_| !state.damaged.iter().any(|damaged| damaged == name)).cloned()
        };
        let Some(model) = model else {
            return self.json(404, &json!({ "error": format!("model '{name}' not found") })).await;
        };
        let mut parameters = Vec::new();
        for (name, value) in &model.parameters {
            let values = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
            parameters.extend(values.iter().map(|value| format!("{name:<30} {}", as_go(value))));
        }
        let blob = |word: &str, digest: &str| {
            format!("{word} /usr/share/ollama/.ollama/models/blobs/sha256-{digest}\n")
        };
        let mut modelfile = format!(
            "# Modelfile generated by \"ollama show\"\n# To build a new Modelfile based on this, replace FROM with:\n# FROM {name}\n\n"
        );
        modelfile.push_str(&blob("FROM", &sha256(model.from.as_bytes())));
        modelfile.extend(model.adapters.iter().map(|digest| blob("ADAPTER", digest)));
        modelfile.extend([format!("TEMPLATE {{{{ .Prompt }}}}\nSYSTEM {}\n", model.system)]);
        modelfile.extend(model.license.iter().map(|text| format!("LICENSE \"\"\"{text}\"\"\"\n")));
        let answer = json!({
            "license": model.license.join("\n"),
            "modelfile": modelfile,
            "parameters": parameters.join("\n"),
            "template": "{{ .Prompt }}",
            "system": model.system,
            "details": { "parent_model": model.from, "format": "gguf", "family": "llama" },
            "capabilities": ["completion"],
        });
        self.json(200, &answer).await
    }
}

/// As Go's `%#v` has it: `1.048576e+06`, `0.7`, `"text"`.
fn as_go(value: &Value) -> String {
    match value.as_f64() {
        Some(number) if number.abs() >= 1e6 => {
            let text = format!("{number:e}");
            let (digits, exponent) = text.split_once('e').expect("an exponent");
            format!("{digits}e+{exponent:0>2}")
        }
        Some(number) => number.to_string(),
        None => value.to_string(),
    }
}

fn sha256(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}
