//! A real `aura serve` on a folder of its own, and what is asked of it.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{self, Command};
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

use crate::support::connection::Connection;
use crate::support::rivals::Server;

pub const COUNT: &str = "\
self.attributes['n'] += 1
self._p_changed = True
return self.attributes['n']";

/// A folder that is removed in the end.
pub struct Data(pub PathBuf);

impl Data {
    pub fn create(cache: &Path, name: &str) -> Result<Self> {
        let data = Self(cache.join(format!("bench/data-{}-{name}", process::id())));
        fs::create_dir_all(&data.0)?;
        Ok(data)
    }

    /// Where the folder is, and what it costs there to be sure that something is on disk.
    pub fn disk(&self) -> Result<String> {
        let path = self.0.join("probe");
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
        let took = times[times.len() / 2];
        Ok(format!("on {}, where 4 KiB are on disk after {took:.0?}", file_system(&self.0)?))
    }
}

impl Drop for Data {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("{} could not be removed: {error}", self.0.display());
        }
    }
}

/// Ends before its folder is removed.
pub struct Served {
    server: Server,
    pub data: Data,
}

impl Served {
    pub fn start(cache: &Path, guest: &Path, data: Data) -> Result<Self> {
        let server = Server::start(|port| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_aura"));
            command.args(["serve", "--port", &port.to_string()]).current_dir(&data.0).env_clear();
            command.env("AURA_DATA", &data.0).env("AURA_CACHE", cache).env("AURA_GUEST", guest);
            command
        })?;
        Ok(Self { server, data })
    }

    pub fn connect(&self) -> Result<Connection> {
        self.server.connect()
    }

    /// What the counters of these objects say together.
    pub fn counters(&self, keys: impl Iterator<Item = String>) -> Result<u64> {
        #[derive(Deserialize)]
        struct Object {
            attributes: Attributes,
        }
        #[derive(Deserialize)]
        struct Attributes {
            n: u64,
        }
        let mut connection = self.connect()?;
        let mut sum = 0;
        for key in keys {
            let object = connection.send("GET", &format!("/objects/{key}"), "", "")?;
            sum += serde_json::from_str::<Object>(&object)?.attributes.n;
        }
        Ok(sum)
    }
}

/// Sends a message and waits for its end; its record.
pub fn complete(connection: &mut Connection, key: &str, method: &str) -> Result<String> {
    let message = format!(r#"{{"target_object_id":"{key}","method_name":"{method}"}}"#);
    let answer = connection.send("POST", "/message", "prefer: wait=60\r\n", &message)?;
    ensure!(answer.contains(r#""status":"completed""#), "the message ended otherwise: {answer}");
    Ok(answer)
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
    Ok(nearest.context("the folder is on no file system")?.1.to_owned())
}
