//! A sandbox that says what a test tells it to say.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::thread;

use aura::object::Digest;
use aura::sandbox::remote::protocol::{Ask, Ended, Outcome, Pong, Ran, UPGRADE, Welcome};
use serde::Serialize;
use tempfile::TempDir;

/// Speaks the protocol as it should until a run or an audit is asked for, and then does as it was told. The
/// connection is closed afterwards.
pub struct Liar {
    folder: TempDir,
}

type Script = dyn Fn(&mut UnixStream) + Send + Sync;

impl Liar {
    pub fn start(script: impl Fn(&mut UnixStream) + Send + Sync + 'static) -> Self {
        Self::welcoming(welcome(), script)
    }

    pub fn welcoming(welcome: Welcome, script: impl Fn(&mut UnixStream) + Send + Sync + 'static) -> Self {
        Self::welcoming_when(|| (), welcome, script)
    }

    /// It greets when `time` returns.
    pub fn welcoming_when(
        time: impl Fn() + Send + Sync + 'static,
        welcome: Welcome,
        script: impl Fn(&mut UnixStream) + Send + Sync + 'static,
    ) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let listener = UnixListener::bind(folder.path().join("liar.sock")).expect("a socket");
        let (welcome, script): (_, Arc<Script>) = (Arc::new((time, welcome)), Arc::new(script));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (welcome, script) = (Arc::clone(&welcome), Arc::clone(&script));
                // A client that goes away ends the thread.
                thread::spawn(move || {
                    let (time, welcome) = &*welcome;
                    time();
                    attend(stream.expect("a connection"), welcome, &*script);
                });
            }
        });
        Self { folder }
    }

    pub fn url(&self) -> String {
        format!("unix:{}", self.folder.path().join("liar.sock").display())
    }
}

pub fn welcome() -> Welcome {
    let digest = |text: &str| Digest::of(text.as_bytes()).as_str().to_owned();
    Welcome {
        guest_digest: digest("guest"),
        config_digest: digest("config"),
        confinement: "not confined".to_owned(),
    }
}

fn attend(mut stream: UnixStream, welcome: &Welcome, script: &Script) {
    let mut reader = BufReader::new(stream.try_clone().expect("the same stream"));
    let mut line = String::new();
    while line != "\r\n" {
        line.clear();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
    }
    let head =
        format!("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: {UPGRADE}\r\n\r\n");
    write(&mut stream, head.as_bytes());
    say(&mut stream, welcome);
    loop {
        let mut length = [0; 4];
        if reader.read_exact(&mut length).is_err() {
            return;
        }
        let mut frame = vec![0; u32::from_le_bytes(length) as usize];
        if reader.read_exact(&mut frame).is_err() {
            return;
        }
        match postcard::from_bytes::<Ask>(&frame).expect("the host keeps to the protocol") {
            Ask::Ping => say(&mut stream, &Pong),
            Ask::Audit(_) | Ask::Run(_) => return script(&mut stream),
        }
    }
}

/// The host may have hung up.
pub fn write(stream: &mut UnixStream, bytes: &[u8]) {
    let _ = stream.write_all(bytes);
}

pub fn frame(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).expect("a length");
    [&length.to_le_bytes(), bytes].concat()
}

pub fn say<T: Serialize>(stream: &mut UnixStream, value: &T) {
    write(stream, &frame(&postcard::to_allocvec(value).expect("a frame")));
}

/// Waits for whatever the host says next.
pub fn hear(stream: &mut UnixStream) -> Vec<u8> {
    let mut length = [0; 4];
    if stream.read_exact(&mut length).is_err() {
        return Vec::new();
    }
    let mut frame = vec![0; u32::from_le_bytes(length) as usize];
    stream.read_exact(&mut frame).map_or_else(|_| Vec::new(), |()| frame)
}

pub fn ended(outcome: Outcome) -> Ended {
    Ended { outcome, output: String::new(), fuel_used: 1, peak_memory_bytes: 1 }
}

pub fn returned(result: &str, attributes: Option<&str>) -> Ended {
    ended(Outcome::Returned { result: result.to_owned(), attributes: attributes.map(str::to_owned) })
}

pub fn ran(ended: Ended) -> Ran {
    Ran::Ended(ended)
}
