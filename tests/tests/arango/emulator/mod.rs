//! Something that answers like a coordinator of a cluster with a OneShard database, over real HTTP.
//!
//! It is not `ArangoDB`, and passing against it proves nothing about what `ArangoDB` does: not that its queries
//! mean what their text is taken to mean here, not how it locks or waits, not that its answers have this shape in
//! every version. What it does prove: that the store keeps its contract if transactions are under snapshot
//! isolation and refuse write-write conflicts, that it declares what it uses, drains what it reads, names every
//! value it binds, and survives commits whose answer is lost. So it is strict: what it does not know is an error.

mod documents;
mod queries;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};

use self::documents::{Collection, Database, Refusal, Result, Write, refusal};
use crate::http::{self, Answer, Request};

pub const PASSWORD: &str = "correct horse";
const TOKEN: &str = "eyJhbGciOiJIUzI1NiJ9.e30.emulated";

/// What goes wrong, every so many times. 0: never.
#[derive(Default)]
pub struct Faults {
    /// The answer to a commit is lost, in turns before and after it was done.
    pub lost_commits: u64,
    /// A write is refused as one that another transaction got ahead of.
    pub conflicts: u64,
    /// The leader changes: what is asked of a transaction is answered with 503. Those that only read are spared:
    /// they are exports, which end with an error then.
    pub leader_changes: u64,
    /// A token has expired.
    pub expiries: u64,
}

#[derive(Clone)]
pub struct Emulator {
    pub url: String,
}

struct Server {
    databases: Mutex<BTreeMap<String, Database>>,
    faults: Faults,
    counts: [AtomicU64; 4],
}

/// Where servers live: as long as the process, whatever test began them.
pub fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap())
}

/// Runs on a thread of its own, since this one may be in a runtime already.
pub fn apart<T: Send>(work: impl Future<Output = T> + Send) -> T {
    std::thread::scope(|scope| scope.spawn(|| runtime().block_on(work)).join().unwrap())
}

impl Emulator {
    pub fn start(faults: Faults) -> Self {
        let server = Server { databases: Mutex::default(), faults, counts: Default::default() };
        server.databases.lock().unwrap().insert("_system".to_owned(), Database::default());
        let server = Arc::new(server);
        let listener = apart(TcpListener::bind("127.0.0.1:0")).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        runtime().spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(Arc::clone(&server).serve(stream));
            }
        });
        Self { url }
    }
}

impl Server {
    async fn serve(self: Arc<Self>, mut stream: TcpStream) {
        let mut rest = Vec::new();
        while let Ok(Some(request)) = http::receive(&mut stream, &mut rest).await {
            let answer = self.answer(&request);
            if !matches!(http::answer(&mut stream, &answer).await, Ok(true)) {
                return;
            }
        }
    }

    fn answer(&self, request: &Request) -> Answer {
        if let Some(broken) = self.fault(request) {
            return broken;
        }
        match self.handle(request) {
            Ok((status, body)) => Answer::json(status, body),
            Err(refused) => refused.answer(),
        }
    }

    /// Whether this is the time for fault number `which`, that comes every `every` times.
    fn is_time(&self, which: usize, every: u64) -> Option<u64> {
        let count = self.counts[which].fetch_add(1, Ordering::Relaxed) + 1;
        (every > 0 && count.is_multiple_of(every)).then(|| count / every)
    }

    fn may_write(&self, transaction: &str) -> bool {
        let databases = self.databases.lock().unwrap();
        id(transaction).is_ok_and(|id| databases.values().any(|database| database.may_write(id)))
    }

    fn fault(&self, request: &Request) -> Option<Answer> {
        let path = request.path.as_str();
        let in_transaction = request.header("x-arango-trx-id").is_some();
        if request.header("authorization").is_some() && self.is_time(3, self.faults.expiries).is_some() {
            return Some(refusal(401, 11, "not authorized to execute this request").answer());
        }
        let may_write = request.header("x-arango-trx-id").is_some_and(|id| self.may_write(id));
        if may_write && self.is_time(2, self.faults.leader_changes).is_some() {
            return Some(Answer::Whole { status: 503, headers: Vec::new(), body: String::new() });
        }
        let writes = path.contains("/_api/document/");
        if in_transaction && writes && self.is_time(1, self.faults.conflicts).is_some() {
            return Some(documents::conflict("some").answer());
        }
        if request.method == "PUT" && path.contains("/_api/transaction/") {
            let turn = self.is_time(0, self.faults.lost_commits)?;
            if turn % 2 == 0 {
                let _ = self.handle(request);
            }
            return Some(Answer::Nothing);
        }
        None
    }

    fn handle(&self, request: &Request) -> Result<(u16, Value)> {
        let (path, parameters) = request.path.split_once('?').unwrap_or((&request.path, ""));
        let body: Value = if request.body.is_empty() {
            Value::Null
        } else {
            serde_json::from_str(&request.body).map_err(|error| refusal(400, 600, error.to_string()))?
        };
        let segments: Vec<_> = path.trim_start_matches('/').split('/').collect();
        match (request.method.as_str(), &segments[..]) {
            ("GET", [""]) => return Ok((301, Value::Null)),
            ("POST", ["_open", "auth"]) if body == json!({ "username": "root", "password": PASSWORD }) => {
                return Ok((200, json!({ "jwt": TOKEN })));
            }
            ("POST", ["_open", "auth"]) => return Err(refusal(401, 401, "Wrong credentials")),
            _ => {}
        }
        if request.header("authorization") != Some(&format!("Bearer {TOKEN}")) {
            return Err(refusal(401, 11, "not authorized to execute this request"));
        }
        let mut databases = self.databases.lock().unwrap();
        match (request.method.as_str(), &segments[..]) {
            ("POST", ["_api", "database"]) => {
                let wanted = json!({ "sharding": "single", "replicationFactor": 3, "writeConcern": 2 });
                if body["options"] != wanted {
                    return Err(refusal(400, 10, "options of no OneShard database"));
                }
                let name = body["name"].as_str().unwrap_or_default().to_owned();
                if databases.contains_key(&name) {
                    return Err(refusal(409, 1207, "duplicate name"));
                }
                databases.insert(name, Database::default());
                Ok((201, json!({ "error": false, "code": 201, "result": true })))
            }
            ("GET", ["_db", "_system", "_admin", "server", "role"]) => {
                Ok((200, json!({ "error": false, "code": 200, "role": "COORDINATOR", "mode": "default" })))
            }
            ("GET", ["_db", "_system", "_api", "version"]) => {
                Ok((200, json!({ "server": "arango", "license": "enterprise", "version": "3.12.4" })))
            }
            (method, ["_db", name, "_api", rest @ ..]) => {
                let Some(database) = databases.get_mut(*name) else {
                    return Err(refusal(404, 1228, "database not found"));
                };
                let call =
                    Call { database, name, parameters, transaction: transaction(request)?, body: &body };
                call.handle(method, rest)
            }
            _ => Err(unknown(&request.path)),
        }
    }
}

fn transaction(request: &Request) -> Result<Option<u64>> {
    request.header("x-arango-trx-id").map(id).transpose()
}

fn id(text: &str) -> Result<u64> {
    text.parse().map_err(|_| refusal(400, 10, "no id"))
}

fn unknown(path: &str) -> Refusal {
    refusal(404, 404, format!("unknown path '{path}'"))
}

impl Refusal {
    fn answer(&self) -> Answer {
        let body =
            json!({ "error": true, "code": self.status, "errorNum": self.number, "errorMessage": self.text });
        Answer::json(self.status, body)
    }
}

/// One request about one database.
struct Call<'a> {
    database: &'a mut Database,
    name: &'a str,
    parameters: &'a str,
    transaction: Option<u64>,
    body: &'a Value,
}

impl Call<'_> {
    fn handle(self, method: &str, path: &[&str]) -> Result<(u16, Value)> {
        match (method, path) {
            ("GET", ["database", "current"]) => {
                let current = json!({
                    "id": "1", "name": self.name, "isSystem": false, "path": "", "sharding": "single",
                    "replicationFactor": 3, "writeConcern": 2,
                });
                Ok((200, json!({ "error": false, "code": 200, "result": current })))
            }
            ("POST", ["collection"]) => self.create_collection(),
            ("GET", ["collection", name]) => {
                Ok((200, properties(name, self.database.collection(name)?.edges)))
            }
            ("PUT", ["collection", name, "truncate"]) => self.truncate(name),
            ("POST", ["index"]) => self.create_index(),
            ("GET", ["index"]) => {
                let name = self.parameters.trim_start_matches("collection=");
                let indexes = &self.database.collection(name)?.indexes;
                Ok((200, json!({ "error": false, "code": 200, "indexes": indexes })))
            }
            ("POST", ["gharial"]) => self.create_graph(),
            ("POST", ["explain"]) => {
                let plan = json!({ "nodes": [], "rules": ["use-indexes", "cluster-one-shard"] });
                Ok((200, json!({ "plan": plan, "cacheable": true, "error": false, "code": 200 })))
            }
            ("POST", ["transaction", "begin"]) => self.begin(),
            ("PUT", ["transaction", trx]) => {
                self.database.commit(id(trx)?)?;
                Ok(ended(trx, "committed"))
            }
            ("DELETE", ["transaction", trx]) => {
                self.database.abort(id(trx)?)?;
                Ok(ended(trx, "aborted"))
            }
            ("POST", ["cursor"]) => self.query(),
            ("POST", ["cursor", cursor]) => self.next_batch(id(cursor)?),
            ("POST" | "PATCH", ["document", name]) => self.documents(method, name),
            _ => Err(unknown(&path.join("/"))),
        }
    }

    fn create_collection(self) -> Result<(u16, Value)> {
        let name = self.body["name"].as_str().unwrap_or_default().to_owned();
        if self.database.collections.contains_key(&name) {
            return Err(refusal(409, 1207, "duplicate name"));
        }
        let edges = self.body["type"] == 3;
        let answer = properties(&name, edges);
        self.database.collections.insert(name, Collection { edges, ..Collection::default() });
        Ok((200, answer))
    }

    fn truncate(self, name: &str) -> Result<(u16, Value)> {
        self.database.collection(name)?;
        if let Some(collection) = self.database.collections.get_mut(name) {
            collection.documents = Arc::default();
        }
        Ok((200, properties(name, false)))
    }

    fn create_index(self) -> Result<(u16, Value)> {
        let name = self.parameters.trim_start_matches("collection=");
        self.database.collection(name)?;
        if let Some(collection) = self.database.collections.get_mut(name) {
            collection.indexes.retain(|index| index["name"] != self.body["name"]);
            collection.indexes.push(self.body.clone());
        }
        Ok((201, self.body.clone()))
    }

    fn create_graph(self) -> Result<(u16, Value)> {
        let name = self.body["name"].as_str().unwrap_or_default().to_owned();
        if self.database.graphs.contains(&name) {
            return Err(refusal(409, 1925, "graph already exists"));
        }
        self.database.graphs.push(name);
        Ok((201, json!({ "error": false, "code": 201, "graph": self.body })))
    }

    fn begin(self) -> Result<(u16, Value)> {
        if self.body["waitForSync"] != true || self.body["allowImplicit"] != false {
            return Err(refusal(400, 10, "a transaction that could lose something"));
        }
        let names = |kind: &str| -> Vec<String> {
            let names = self.body["collections"][kind].as_array().into_iter().flatten();
            names.map(|name| name.as_str().unwrap_or_default().to_owned()).collect()
        };
        let id = self.database.begin(names("read"), names("write"))?.to_string();
        Ok((201, json!({ "error": false, "code": 201, "result": { "id": id, "status": "running" } })))
    }

    /// Does `work` in the transaction that is named, or in one of its own.
    fn within<T>(
        &mut self,
        writes: Vec<String>,
        work: impl FnOnce(&mut Database, u64) -> Result<T>,
    ) -> Result<T> {
        if let Some(transaction) = self.transaction {
            return work(self.database, transaction);
        }
        let reads = self.database.collections.keys().cloned().collect();
        let own = self.database.begin(reads, writes)?;
        let done = work(self.database, own);
        match &done {
            Ok(_) => self.database.commit(own)?,
            Err(_) => self.database.abort(own)?,
        }
        done
    }

    fn query(mut self) -> Result<(u16, Value)> {
        let (text, values) = (self.body["query"].as_str().unwrap_or_default(), &self.body["bindVars"]);
        let rows = self.within(queries::writes(text), |database, transaction| {
            queries::run(database, transaction, text, values)
        })?;
        Ok((201, self.batch(rows)))
    }

    fn next_batch(mut self, cursor: u64) -> Result<(u16, Value)> {
        let Some((transaction, rows)) = self.database.cursors.remove(&cursor) else {
            return Err(refusal(404, 1600, "cursor not found"));
        };
        if transaction != self.transaction {
            return Err(refusal(400, 10, "the cursor belongs to another transaction"));
        }
        Ok((200, self.batch(rows)))
    }

    /// Small batches, so that every result of some rows comes in several.
    fn batch(&mut self, mut rows: Vec<Value>) -> Value {
        let size = if rows.len() > 100 { 100 } else { 3 };
        let later = rows.split_off(size.min(rows.len()));
        if later.is_empty() {
            return json!({ "result": rows, "hasMore": false, "cached": false, "error": false, "code": 201 });
        }
        let cursor = self.database.tick();
        self.database.cursors.insert(cursor, (self.transaction, later));
        json!({
            "result": rows, "hasMore": true, "id": cursor.to_string(), "cached": false, "error": false, "code": 201,
        })
    }

    fn documents(mut self, method: &str, name: &str) -> Result<(u16, Value)> {
        let how = match (method, self.parameters) {
            ("POST", "") => Write::Insert,
            ("POST", "overwriteMode=ignore") => Write::Add,
            ("POST", "overwriteMode=replace" | "overwriteMode=replace&waitForSync=true") => Write::Replace,
            ("POST", "overwriteMode=update&mergeObjects=false&keepNull=true") => Write::Merge,
            ("PATCH", "mergeObjects=false&keepNull=true") => Write::Update,
            _ => return Err(unknown(self.parameters)),
        };
        let body = self.body;
        let answer = self.within(vec![name.to_owned()], |database, transaction| {
            let Value::Array(documents) = body else {
                let rev = database.write(transaction, name, how, body)?;
                return Ok(json!({ "_key": body["_key"], "_rev": rev }));
            };
            Ok(documents
                .iter()
                .map(|document| written(database.write(transaction, name, how, document), document))
                .collect())
        })?;
        Ok((202, answer))
    }
}

/// What becomes of one of several documents.
fn written(outcome: Result<String>, document: &Value) -> Value {
    match outcome {
        Ok(rev) => json!({ "_key": document["_key"], "_rev": rev }),
        Err(refused) => json!({ "error": true, "errorNum": refused.number, "errorMessage": refused.text }),
    }
}

fn ended(id: &str, status: &str) -> (u16, Value) {
    (200, json!({ "error": false, "code": 200, "result": { "id": id, "status": status } }))
}

fn properties(name: &str, edges: bool) -> Value {
    json!({
        "error": false, "code": 200, "id": "1", "name": name, "type": if edges { 3 } else { 2 }, "status": 3,
        "statusString": "loaded", "isSystem": false, "globallyUniqueId": name, "waitForSync": true,
        "writeConcern": 2, "replicationFactor": 3,
        "keyOptions": { "allowUserKeys": true, "type": "traditional" },
    })
}
