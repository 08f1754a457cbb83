//! First contact: from a fresh checkout to an AURA that has taught itself a word.

use std::io::{IsTerminal, stdin, stdout};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::http::answers;
use crate::mind;
use crate::service::{Service, free_port};
use crate::workspace::{Workspace, capture, folder, run as run_shown, say, setting};
use crate::{guest, prerequisites};

/// The first start prepares the interpreter: a snapshot, then its compilation.
const FIRST_START: Duration = Duration::from_mins(10);

const SYSTEM: &str = "UvmObjects/system";

pub fn run(workspace: &Workspace, may_stay: bool) -> Result<ExitCode> {
    prerequisites::check(workspace)?;
    guest::ensure(workspace)?;
    say("building AURA (the first time 5 to 10 minutes)");
    // With the features of the whole workspace, as the tests build it: so dependencies are compiled once for both.
    run_shown(workspace.cargo().args(["build", "--locked", "--workspace", "--bin", "aura"]))?;
    let data = folder("AURA_DATA").unwrap_or_else(|| workspace.root.join(".aura"));
    if let Some(url) = served(workspace, &data) {
        say(&format!("AURA is up already at {url}"));
        let aura = Aura::new(workspace, Vec::new(), data, url);
        aura.teach_first_word()?;
        aura.explain();
        return Ok(ExitCode::SUCCESS);
    }
    let mind = mind::ensure(workspace)?;
    let port = port()?;
    let mut settings = mind.settings.clone();
    settings.push(("AURA_API_PORT", port.clone()));
    let aura = Aura::new(workspace, settings, data, format!("http://127.0.0.1:{port}"));
    say("genesis: the first objects of the Living Image, and the model that writes methods");
    run_shown(&mut aura.command(&["genesis", "--steward"]))?;

    say(&format!("starting AURA at {}", aura.url));
    let mut server = Service::start("aura", aura.command(&["serve"]).stdin(Stdio::null()))?;
    let ready = format!("{}/readyz", aura.url);
    server.wait_until(FIRST_START, || answers(&ready))?;
    aura.teach_first_word()?;
    if may_stay && stdin().is_terminal() && stdout().is_terminal() {
        aura.explain();
        server.wait()?;
    }
    say("stopping AURA");
    server.stop()?;
    Ok(ExitCode::SUCCESS)
}

/// The program as built from this checkout, with the settings of first contact.
struct Aura {
    program: PathBuf,
    root: PathBuf,
    data: PathBuf,
    url: String,
    settings: Vec<(&'static str, String)>,
}

impl Aura {
    fn new(
        workspace: &Workspace,
        mut settings: Vec<(&'static str, String)>,
        data: PathBuf,
        url: String,
    ) -> Self {
        settings.push(("AURA_CACHE", workspace.cache.display().to_string()));
        settings.push(("AURA_DATA", data.display().to_string()));
        settings.push(("AURA_URL", url.clone()));
        Self { program: program(workspace), root: workspace.root.clone(), data, url, settings }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.current_dir(&self.root).args(args);
        command.envs(self.settings.iter().map(|(name, value)| (name, value)));
        command
    }

    /// What a reading command answers.
    fn read(&self, args: &[&str]) -> Result<Value> {
        let answer = capture(&mut self.command(args))?;
        serde_json::from_str(&answer).with_context(|| format!("`aura {}` did not print JSON", args.join(" ")))
    }

    /// Lets the system learn to greet, unless it knows already, and sees that it greets without the mind after.
    fn teach_first_word(&self) -> Result<()> {
        let system = self.read(&["object", "show", "--json", SYSTEM])?;
        let known =
            system["methods"].as_array().is_some_and(|names| names.iter().any(|name| name == "greet"));
        if known {
            say("`greet` is understood already, from an earlier first contact");
        } else {
            say(&format!("aura send {SYSTEM} teach_yourself_to_greet"));
            run_shown(&mut self.command(&["send", SYSTEM, "teach_yourself_to_greet"]))
                .context("AURA did not learn to greet this time; run this again for another try")?;
        }
        say(&format!("aura send {SYSTEM} greet"));
        let started = Instant::now();
        let record = self.read(&["send", "--json", SYSTEM, "greet"])?;
        let took = started.elapsed().as_millis();
        println!("{}", record["result"]);
        ensure!(record["generated"] == false, "`greet` was understood, and the mind was asked all the same");
        say(&format!("answered without the mind, in {took} ms"));
        Ok(())
    }

    fn explain(&self) {
        let (url, data) = (&self.url, self.data.display());
        let aura = match url.as_str() {
            "http://127.0.0.1:8000" => self.program.display().to_string(),
            _ => format!("{} --url {url}", self.program.display()),
        };
        println!(
            "\nAURA is up at {url}. Talk to it from another terminal:\n\n  \
             {aura} repl\n  \
             {aura} send {SYSTEM} teach_yourself_to_add '[2, 3]'\n  \
             curl {url}/message -H 'content-type: application/json' -H 'prefer: wait=60' \\\n    \
             -d '{{\"target_object_id\": \"{SYSTEM}\", \"method_name\": \"greet\"}}'\n\n\
             Ctrl-C stops it; what it learnt stays in {data}.\n"
        );
    }
}

fn program(workspace: &Workspace) -> PathBuf {
    workspace.host_target().join("debug/aura")
}

/// Where a server of the folder listens that is ready, as the doctor finds it.
fn served(workspace: &Workspace, data: &Path) -> Option<String> {
    let mut doctor = Command::new(program(workspace));
    doctor.current_dir(&workspace.root).args(["doctor", "--json"]);
    let report = doctor.env("AURA_CACHE", &workspace.cache).env("AURA_DATA", data).output().ok()?;
    let report: Value = serde_json::from_slice(&report.stdout).ok()?;
    report["checks"].as_array()?.iter().filter(|check| check["name"] == "server").find_map(|check| {
        let place = check["found"].as_str()?.strip_suffix(" is ready")?;
        Some(place.rsplit_once(" at ")?.1.to_owned())
    })
}

/// The port that the user chose, or the usual one, or, if that is taken, a free one.
fn port() -> Result<String> {
    if let Some(port) = setting("AURA_API_PORT") {
        return Ok(port);
    }
    let usual_is_free = TcpListener::bind(("127.0.0.1", 8000)).is_ok();
    Ok(if usual_is_free { 8000 } else { free_port()? }.to_string())
}
