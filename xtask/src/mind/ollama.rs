//! Ollama: is it there, can it be started, does it have the model.

use std::fs::File;
use std::io::BufRead;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use crate::http;
use crate::service::Service;
use crate::workspace::{Workspace, say, setting};

/// The model of ALFRED, the persona that writes code.
const STEWARD_OF_CODE: &str = "qwen2:7b-instruct-q4_K_M";

/// Where Ollama is, as a URL: `OLLAMA_HOST` may also be an address without scheme or port.
pub fn host() -> String {
    as_url(&setting("OLLAMA_HOST").unwrap_or_else(|| "localhost".into()))
}

fn as_url(host: &str) -> String {
    if host.contains("://") {
        return host.trim_end_matches('/').to_owned();
    }
    let host = host.replace("0.0.0.0", "127.0.0.1");
    if host.contains(':') { format!("http://{host}") } else { format!("http://{host}:11434") }
}

pub fn is_up(host: &str) -> bool {
    http::answers(&format!("{host}/api/version"))
}

pub fn start(workspace: &Workspace, host: &str) -> Result<Service> {
    say("mind: starting Ollama");
    let log = File::create(workspace.cache.join("ollama.log"))?;
    let mut command = Command::new("ollama");
    command.arg("serve").stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    let mut service = Service::start("ollama", &mut command)?;
    service.wait_until(Duration::from_mins(1), || is_up(host))?;
    Ok(service)
}

/// Pulls the model the mind needs, if Ollama does not have it.
pub fn ensure_model(host: &str) -> Result<()> {
    let model = setting("AURA_MIND_MODEL").unwrap_or_else(|| STEWARD_OF_CODE.into());
    let known = http::post(&format!("{host}/api/show"), &json!({ "model": model }).to_string());
    if known.is_ok() {
        say(&format!("mind: {model} at {host}"));
        return Ok(());
    }
    say(&format!("mind: Ollama at {host} downloads {model}"));
    pull(host, &model).with_context(|| format!("Ollama cannot pull {model}; try `ollama pull {model}`"))
}

/// Follows Ollama's own account of the download: one JSON object a line.
fn pull(host: &str, model: &str) -> Result<()> {
    let answer = http::post(&format!("{host}/api/pull"), &json!({ "model": model }).to_string())?;
    let style = ProgressStyle::with_template("{bar:40} {bytes} of {total_bytes}, {eta} left  {msg}")?;
    let bar = ProgressBar::new(0).with_style(style);
    let mut last = String::new();
    for line in answer.lines() {
        let step: Value = serde_json::from_str(&line?)?;
        if let Some(error) = step["error"].as_str() {
            bail!("{error}");
        }
        if let Some(total) = step["total"].as_u64() {
            bar.set_length(total);
            bar.set_position(step["completed"].as_u64().unwrap_or(0));
        }
        step["status"].as_str().unwrap_or_default().clone_into(&mut last);
        bar.set_message(last.clone());
    }
    bar.finish_and_clear();
    if last != "success" {
        bail!("the download ended early, after: {last}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::as_url;

    #[test]
    fn ollama_host_may_be_an_address_alone() {
        assert_eq!(as_url("localhost"), "http://localhost:11434");
        assert_eq!(as_url("0.0.0.0:9000"), "http://127.0.0.1:9000");
        assert_eq!(as_url("https://mind.example/"), "https://mind.example");
    }
}
