//! The two servers, and clients that send them messages.

use std::fmt;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{self, Command};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use anyhow::{Result, ensure};
use serde::Deserialize;
use serde_json::json;

use crate::support::load::Caller;
use crate::support::rivals::{Server, function, process_per_call};

const OBJECTS: usize = 100;
const TRIVIAL: &str = "return 1";
const COUNT: &str = "\
self.attributes['n'] += 1
self._p_changed = True
return self.attributes['n']";

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

/// A real `aura serve` on a folder of its own.
pub struct Aura {
    server: Server,
    data: Data,
    counted: AtomicU64,
}

/// A folder that is removed in the end.
struct Data(PathBuf);

impl Drop for Data {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("{} could not be removed: {error}", self.0.display());
        }
    }
}

impl Aura {
    pub fn start(cache: &Path, guest: &Path) -> Result<Self> {
        let data = Data(cache.join(format!("bench/data-{}", process::id())));
        fs::create_dir_all(&data.0)?;
        let server = Server::start(|port| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_aura"));
            command.args(["serve", "--port", &port.to_string()]).current_dir(&data.0).env_clear();
            command.env("AURA_DATA", &data.0).env("AURA_CACHE", cache).env("AURA_GUEST", guest);
            command
        })?;
        let aura = Self { server, data, counted: AtomicU64::new(0) };
        aura.furnish()?;
        Ok(aura)
    }

    /// One prototype with the methods, and the objects that inherit them.
    fn furnish(&self) -> Result<()> {
        let mut connection = self.server.connect()?;
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

    /// Where the image is, and what it costs there to be sure that something is on disk.
    pub fn disk(&self) -> Result<String> {
        let path = self.data.0.join("probe");
        let mut file = File::create(&path)?;
        let mut times = Vec::new();
        for _ in 0..200 {
            file.write_all(&[0; 4096])?;
            let begun = Instant::now();
            file.sync_data()?;
            times.push(begun.elapsed());
        }
        fs::remove_file(path)?;
        times.sort();
        let (folder, took) = (self.data.0.display(), times[times.len() / 2]);
        Ok(format!("in {folder} ({}), where 4 KiB are on disk after {took:.0?}", file_system(&self.data.0)?))
    }

    /// Compares what the counters say with what was counted.
    pub fn verify(&self) -> Result<u64> {
        #[derive(Deserialize)]
        struct Object {
            attributes: Attributes,
        }
        #[derive(Deserialize)]
        struct Attributes {
            n: u64,
        }
        let mut connection = self.server.connect()?;
        let mut sum = 0;
        for number in 0..OBJECTS {
            let object = connection.send("GET", &format!("/objects/o{number}"), "", "")?;
            sum += serde_json::from_str::<Object>(&object)?.attributes.n;
        }
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
        let mut connection = self.server.connect()?;
        let method = if workload == Workload::Trivial { "trivial" } else { "count" };
        let objects = if workload == Workload::OneCounter { 0..1 } else { client..OBJECTS };
        let mut numbers = objects.step_by(clients).cycle();
        Ok(Box::new(move || {
            let number = numbers.next().unwrap_or(0);
            let message = format!(r#"{{"target_object_id":"o{number}","method_name":"{method}"}}"#);
            let answer = connection.send("POST", "/message", "prefer: wait=60\r\n", &message)?;
            ensure!(answer.contains(r#""status":"completed""#), "the message ended otherwise: {answer}");
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

/// The type of the file system that a folder is on.
fn file_system(folder: &Path) -> Result<String> {
    let folder = folder.canonicalize()?;
    let mounts = fs::read_to_string("/proc/self/mounts")?;
    let mounted = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(1);
        Some((fields.next()?, fields.next()?))
    });
    let nearest = mounted.filter(|(at, _)| folder.starts_with(at)).max_by_key(|(at, _)| at.len());
    Ok(nearest.map_or("unknown", |(_, kind)| kind).to_owned())
}
