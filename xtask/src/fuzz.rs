//! Requests made up from the API's own description, by Schemathesis: none may make the server fail, and each has to be
//! answered as described.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Result, bail};

use crate::http::answers;
use crate::service::{Service, free_port};
use crate::workspace::{Workspace, run, say};
use crate::{guest, prerequisites, venv};

/// Enough for every kind of request that the description makes possible.
const THOROUGH: &str = "50";
/// What there is time for whenever all is tested.
const QUICK: &str = "3";

const TOKEN: &str = "fuzzing";

/// The whole of it, with a token and without one.
pub fn run_all(workspace: &Workspace, args: &[String]) -> Result<ExitCode> {
    prerequisites::check(workspace)?;
    guest::ensure(workspace)?;
    run(workspace.cargo().args(["build", "--locked", "--workspace", "--bin", "aura"]))?;
    let schemathesis = install(workspace)?;
    let open = fuzz(workspace, &schemathesis, THOROUGH, None, args);
    fuzz(workspace, &schemathesis, THOROUGH, Some(TOKEN), args).and(open)?;
    Ok(ExitCode::SUCCESS)
}

/// A small part of it, if Schemathesis can be had.
pub fn run_quick(workspace: &Workspace) -> Result<()> {
    match install(workspace) {
        Ok(schemathesis) => fuzz(workspace, &schemathesis, QUICK, Some(TOKEN), &[]),
        Err(reason) => {
            say(&format!("requests made up from the API's description: skipped, because {reason:#}"));
            Ok(())
        }
    }
}

fn install(workspace: &Workspace) -> Result<PathBuf> {
    let _lock = workspace.lock("fuzz")?;
    prerequisites::check_python()?;
    let folder = workspace.cache.join("fuzz");
    fs::create_dir_all(&folder)?;
    let requirements = workspace.root.join("xtask/src/fuzz/requirements.txt");
    let python = venv::ensure(&folder, &requirements, "Schemathesis (10 MB)")?;
    Ok(python.with_file_name("schemathesis"))
}

fn fuzz(
    workspace: &Workspace,
    schemathesis: &Path,
    examples: &str,
    token: Option<&str>,
    args: &[String],
) -> Result<()> {
    let with = if token.is_some() { "with" } else { "without" };
    say(&format!("requests made up from the API's description, to a server {with} a token"));
    let folder = workspace.cache.join(format!("fuzz/run-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let result = served(workspace, &folder, token, |url| {
        let mut command = Command::new(schemathesis);
        command.current_dir(&folder);
        command.arg("--config-file").arg(workspace.root.join("xtask/src/fuzz/schemathesis.toml"));
        command.args(["run", &format!("{url}/openapi.json"), "--max-examples", examples]);
        if let Some(token) = token {
            command.args(["--header", &format!("Authorization: Bearer {token}")]);
        }
        command.args(args);
        run(&mut command)
    });
    fs::remove_dir_all(&folder)?;
    result
}

/// Runs `work` while a server with an empty image and no mind listens.
fn served(
    workspace: &Workspace,
    folder: &Path,
    token: Option<&str>,
    work: impl FnOnce(&str) -> Result<()>,
) -> Result<()> {
    let port = free_port()?.to_string();
    let url = format!("http://127.0.0.1:{port}");
    let log_path = folder.join("log");
    let log = fs::File::create(&log_path)?;
    let mut command = Command::new(workspace.host_target().join("debug/aura"));
    command.current_dir(folder).arg("serve").stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    command.env("AURA_CACHE", &workspace.cache).env("AURA_DATA", folder.join("data"));
    command.env("AURA_API_HOST", "127.0.0.1").env("AURA_API_PORT", port);
    command.env("AURA_API_TOKEN", token.unwrap_or_default());
    command.env("AURA_MIND", "ollama").env("OLLAMA_HOST", "http://127.0.0.1:1");
    // What a made-up method does must not hold up the rest.
    command.env("AURA_WALL_MS", "500").env("AURA_FUEL", "100000000");
    let mut server = Service::start("aura", &mut command)?;
    server.wait_until(Duration::from_mins(5), || answers(&format!("{url}/readyz")))?;
    let done = work(&url);
    server.stop()?;
    let log = fs::read_to_string(log_path)?;
    if log.contains("panicked") || log.contains("ERROR") {
        bail!("the server logged what it should not:\n{log}");
    }
    done
}
