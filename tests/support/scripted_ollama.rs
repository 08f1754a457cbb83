//! An Ollama without models that think: it pulls from a library of its own, keeps what is half pulled, takes blobs,
//! makes models and shows them, over real HTTP; and it goes wrong where a test tells it to.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::TcpListener as StdListener;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

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
    pub from: String,
    pub system: String,
    pub parameters: BTreeMap<String, Value>,
    /// SHA-256 of each adapter as it is kept.
    pub adapters: Vec<String>,
    pub license: Vec<String>,
}

#[derive(Default)]
struct State {
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

/// It runs on a thread of its own and stops when this value goes.
pub struct ScriptedOllama {
    port: u16,
    state: Arc<Mutex<State>>,
    dying: Arc<Notify>,
    thread: Option<JoinHandle<()>>,
}

impl ScriptedOllama {
    /// Has no model, and can pull these: a name with the bytes of each layer.
    pub fn start(library: &[(&str, &[u64])]) -> Self {
        let library = library.iter().map(|(name, layers)| ((*name).to_owned(), layers.to_vec()));
        let state = Arc::new(Mutex::new(State { library: library.collect(), ..State::default() }));
        let listener = StdListener::bind(("127.0.0.1", 0)).expect("a free port");
        let port = listener.local_addr().expect("the address just bound").port();
        let mut ollama = Self { port, state, dying: Arc::default(), thread: None };
        ollama.serve_on(listener);
        ollama
    }

    /// Starts it again where it was, with what it had, after [`Trouble::Die`].
    pub fn revive(&mut self) {
        self.thread.take().map(JoinHandle::join);
        let listener = StdListener::bind(("127.0.0.1", self.port)).expect("its port is free again");
        self.serve_on(listener);
    }

    fn serve_on(&mut self, listener: StdListener) {
        let (state, dying) = (Arc::clone(&self.state), Arc::clone(&self.dying));
        self.thread = Some(thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                tokio::select! {
                    served = serve(listener, state, Arc::clone(&dying)) => served.expect("it serves"),
                    () = dying.notified() => {}
                }
            });
        }));
    }

    /// For `OLLAMA_HOST`.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The next answer to a request that begins so (`POST /api/pull`) goes wrong after so many lines.
    pub fn trouble(&self, request: &str, after: usize, trouble: Trouble) {
        self.state().troubles.push((request.to_owned(), after, trouble));
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

    /// Puts a model there, or changes it behind everybody's back.
    pub fn put(&self, name: &str, model: Model) {
        self.state().models.insert(name.to_owned(), model);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl Drop for ScriptedOllama {
    fn drop(&mut self) {
        self.dying.notify_one();
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(listener: StdListener, state: Arc<Mutex<State>>, dying: Arc<Notify>) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = TcpListener::from_std(listener)?;
    loop {
        let (mut stream, _) = listener.accept().await?;
        let (state, dying) = (Arc::clone(&state), Arc::clone(&dying));
        tokio::spawn(async move {
            // A client that goes away in the middle is part of what is tested.
            let Ok(incoming) = wire::receive(&mut stream).await else { return };
            let mut trouble = None;
            {
                let mut state = lock(&state);
                let request = format!("{} {}", incoming.method, incoming.path);
                let begins = |(begin, ..): &(String, usize, Trouble)| request.starts_with(begin);
                if let Some(at) = state.troubles.iter().position(begins) {
                    let (_, after, what) = state.troubles.remove(at);
                    trouble = Some((after, what));
                }
            }
            let account = Account { stream, state, dying, trouble, lines: 0 };
            let _ = account.answer(&incoming).await;
        });
    }
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
            ("GET", "/api/version") => self.json(200, &json!({ "version": "0.9.0" })).await,
            ("GET", "/api/tags") => {
                let named =
                    |name: &String| json!({ "name": name, "model": name, "digest": sha256(name.as_bytes()) });
                let models: Vec<Value> = lock(&self.state).models.keys().map(named).collect();
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
        wire::document(&mut self.stream, status, &body.to_string()).await
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
        let Some(model) = lock(&self.state).models.get(name).cloned() else {
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
