//! The Ollama of this machine: does it answer, can it be started.

use std::fs::File;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::Result;

use crate::http::answers;
use crate::service::Service;
use crate::workspace::{Workspace, say};

/// Where it is if nothing else is said.
pub const HOST: &str = "http://localhost:11434";

pub fn is_up() -> bool {
    answers(&format!("{HOST}/api/version"))
}

pub fn start(workspace: &Workspace) -> Result<Service> {
    say("mind: starting Ollama");
    let log = File::create(workspace.cache.join("ollama.log"))?;
    let mut command = Command::new("ollama");
    command.arg("serve").stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    let mut service = Service::start("ollama", &mut command)?;
    service.wait_until(Duration::from_mins(1), is_up)?;
    Ok(service)
}
