//! The two servers, and clients that send them messages.

use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Result, ensure};
use serde_json::json;

use crate::served::{COUNT, Data, Served, complete};
use crate::support::load::Caller;
use crate::support::rivals::{Server, function, process_per_call};

const OBJECTS: usize = 100;
const TRIVIAL: &str = "return 1";

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Workload {
    /// A method without state, sent to many objects.
    Trivial,
    /// Counting on many objects, each client on objects of its own.
    Counters,
    /// All clients count on the same object.
    OneCounter,
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Trivial => "trivial",
            Self::Counters => "counters on 100 objects",
            Self::OneCounter => "counter on 1 object",
        })
    }
}

pub trait Contestant: Sync {
    fn name(&self) -> String;
    /// The `client`th of so many `clients`.
    fn client(&self, workload: Workload, client: usize, clients: usize) -> Result<Caller<'_>>;
}

/// A real `aura serve`.
pub struct Aura {
    served: Served,
    counted: AtomicU64,
}

impl Aura {
    pub fn start(cache: &Path, guest: &Path) -> Result<Self> {
        let served = Served::start(cache, guest, Data::create(cache, "http")?)?;
        let aura = Self { served, counted: AtomicU64::new(0) };
        aura.furnish()?;
        Ok(aura)
    }

    /// One prototype with the methods, and the objects that inherit them.
    fn furnish(&self) -> Result<()> {
        let mut connection = self.served.connect()?;
        connection.send("POST", "/objects", "", &json!({"key": "prototype"}).to_string())?;
        for (name, source) in [("trivial", TRIVIAL), ("count", COUNT)] {
            let path = format!("/objects/prototype/methods/{name}");
            connection.send("PUT", &path, "", &json!({"source": source}).to_string())?;
        }
        for number in 0..OBJECTS {
            let object = json!({
                "key": format!("o{number}"), "attributes": {"n": 0}, "prototypes": ["prototype"],
            });
            connection.send("POST", "/objects", "", &object.to_string())?;
        }
        Ok(())
    }

    /// What it costs where the image is to be sure that something is on disk.
    pub fn disk(&self) -> Result<String> {
        self.served.data.disk()
    }

    /// Compares what the counters say with what was counted.
    pub fn verify(&self) -> Result<u64> {
        let sum = self.served.counters((0..OBJECTS).map(|number| format!("o{number}")))?;
        let counted = self.counted.load(Ordering::Relaxed);
        ensure!(sum == counted, "the counters say {sum}, but {counted} messages were answered");
        Ok(sum)
    }
}

impl Contestant for Aura {
    fn name(&self) -> String {
        "aura serve".to_owned()
    }

    fn client(&self, workload: Workload, client: usize, clients: usize) -> Result<Caller<'_>> {
        let mut connection = self.served.connect()?;
        let method = if workload == Workload::Trivial { "trivial" } else { "count" };
        let objects = if workload == Workload::OneCounter { 0..1 } else { client..OBJECTS };
        let mut numbers = objects.step_by(clients).cycle();
        Ok(Box::new(move || {
            let number = numbers.next().unwrap_or(0);
            complete(&mut connection, &format!("o{number}"), method)?;
            if workload != Workload::Trivial {
                self.counted.fetch_add(1, Ordering::Relaxed);
            }
            Ok(())
        }))
    }
}

pub struct ProcessPerCall(Server);

impl ProcessPerCall {
    pub fn start(python: &Path) -> Result<Self> {
        Ok(Self(process_per_call(python)?))
    }
}

impl Contestant for ProcessPerCall {
    fn name(&self) -> String {
        "FastAPI, process per call".to_owned()
    }

    fn client(&self, workload: Workload, _: usize, _: usize) -> Result<Caller<'_>> {
        let body = if workload == Workload::Trivial { TRIVIAL } else { COUNT };
        let code = format!("{}print(method(self))", function(body));
        let request = json!({"code_string": code, "context": {"n": 0}}).to_string();
        let mut connection = self.0.connect()?;
        Ok(Box::new(move || {
            let answer = connection.send("POST", "/execute", "", &request)?;
            ensure!(answer.contains(r#""stdout":"1\n""#), "the call ended otherwise: {answer}");
            Ok(())
        }))
    }
}
