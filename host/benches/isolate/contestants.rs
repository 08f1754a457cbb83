//! Who runs the programs.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use aura::object::{Json, MethodName, ObjectId, Quota, Source, Timestamp};
use aura::sandbox::wasm::{Progress, WasmSandbox};
use aura::sandbox::{Call, Nobody, Outcome, Sandbox};
use serde::Deserialize;
use serde_json::json;

use crate::programs::Program;
use crate::support::load::{Load, Measured, drive};
use crate::support::rivals::{Beside, Server, function, process_per_call, scripts};

pub trait Contestant {
    fn name(&self) -> String;
    fn measure(&mut self, program: &Program, load: Load) -> Result<Measured>;
}

/// The fuel that the calls of each program used: the set should have one element.
pub type Fuel = Arc<Mutex<BTreeMap<&'static str, BTreeSet<u64>>>>;

pub struct Aura {
    sandbox: WasmSandbox,
    fuel: Fuel,
}

struct Silent;

impl Progress for Silent {
    fn step(&self, text: &str) {
        eprintln!("{text}");
    }

    fn done(&self) {}
}

impl Aura {
    pub fn load(guest: &Path, cache: &Path, fuel: Fuel) -> Result<Self> {
        Ok(Self { sandbox: WasmSandbox::load(guest, cache, &Silent)?, fuel })
    }

    fn call(&self, program: &Program, call: &Call) -> Result<()> {
        let run = self.sandbox.run(call, &mut Nobody);
        self.fuel
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(program.name)
            .or_default()
            .insert(run.fuel_used);
        match run.outcome {
            Outcome::Returned { result, attributes } => {
                program.check(result.get(), attributes.as_ref().map_or("", Json::get))
            }
            Outcome::Failed(fault) => bail!("{fault}"),
            Outcome::Aborted => bail!("the run was aborted"),
        }
    }
}

impl Contestant for Aura {
    fn name(&self) -> String {
        "aura".to_owned()
    }

    fn measure(&mut self, program: &Program, load: Load) -> Result<Measured> {
        let call = Call {
            receiver: ObjectId::parse("system")?,
            method: MethodName::parse("measured")?,
            source: Source::parse(program.body)?,
            attributes: Json::parse(program.attributes.clone().unwrap_or_else(|| "{}".to_owned()))?,
            inherited: Json::empty_object(),
            args: Json::empty_array(),
            kwargs: Json::empty_object(),
            seed: 7,
            time: Timestamp(1_700_000_000_000),
            quota: Quota::default(),
        };
        let (this, call) = (&*self, &call);
        drive(load, |_| Ok(Box::new(move || this.call(program, call))))
    }
}

pub struct Monty {
    version: String,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
    _process: Beside,
}

/// What the driver measured, in nanoseconds.
#[derive(Deserialize)]
struct Driven {
    durations: Vec<u64>,
    elapsed: u64,
    answer: String,
    state: String,
}

impl Monty {
    pub fn start(python: &Path) -> Result<Self> {
        let version = "from importlib.metadata import version; print(version('pydantic-monty'))";
        let version = Command::new(python).args(["-c", version]).output()?.stdout;
        let mut child = Command::new(python)
            .arg(scripts().join("monty.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (orders, answers) = (child.stdin.take(), child.stdout.take());
        Ok(Self {
            version: String::from_utf8(version)?.trim().to_owned(),
            orders: orders.context("no stdin")?,
            answers: BufReader::new(answers.context("no stdout")?),
            _process: Beside(child),
        })
    }
}

impl Contestant for Monty {
    fn name(&self) -> String {
        format!("pydantic-monty {}", self.version)
    }

    /// The state goes in and comes out as text, as it does for the others; as Python values it is slower.
    fn measure(&mut self, program: &Program, load: Load) -> Result<Measured> {
        let state = if program.attributes.is_some() { "json.dumps(self.attributes)" } else { "''" };
        let order = json!({
            "code": format!("{}(str(method(self)), {state})", program.script("text")),
            "inputs": {"text": program.attributes},
            "callers": load.callers,
            "pause": load.pause.as_secs_f64(),
            "seconds": load.time.as_secs_f64(),
        });
        writeln!(self.orders, "{order}")?;
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        let driven: Driven = serde_json::from_str(&line).context("monty.py ended by itself")?;
        program.check(&driven.answer, &driven.state)?;
        let latencies = driven.durations.into_iter().map(Duration::from_nanos).collect();
        Measured::new(latencies, Duration::from_nanos(driven.elapsed))
    }
}

pub struct ProcessPerCall {
    server: Server,
}

impl ProcessPerCall {
    pub fn start(python: &Path) -> Result<Self> {
        Ok(Self { server: process_per_call(python)? })
    }
}

impl Contestant for ProcessPerCall {
    fn name(&self) -> String {
        "FastAPI, process per call".to_owned()
    }

    fn measure(&mut self, program: &Program, load: Load) -> Result<Measured> {
        let context = program.attributes.as_deref().unwrap_or("{}");
        let code = json!(format!("{}print(method(self))", function(program.body)));
        let request = format!(r#"{{"code_string":{code},"context":{context}}}"#);
        let (server, request) = (&self.server, &request);
        drive(load, |_| {
            let mut connection = server.connect()?;
            Ok(Box::new(move || {
                let answer: Executed =
                    serde_json::from_str(&connection.send("POST", "/execute", "", request)?)?;
                program.check(answer.stdout.trim_end(), answer.updated_context.get())
            }))
        })
    }
}

#[derive(Deserialize)]
struct Executed {
    stdout: String,
    updated_context: Json,
}

/// A new interpreter for each call, with nothing around it.
pub struct Interpreter {
    pub python: PathBuf,
}

impl Interpreter {
    fn call(&self, program: &Program, script: &str) -> Result<()> {
        let mut command = Command::new(&self.python);
        command.args(["-I", "-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        if let (Some(mut stdin), Some(attributes)) = (child.stdin.take(), &program.attributes) {
            stdin.write_all(attributes.as_bytes())?;
        }
        let output = child.wait_with_output()?;
        ensure!(output.status.success(), "python ended with {}", output.status);
        let printed = String::from_utf8(output.stdout)?;
        let (answer, state) = printed.split_once('\n').unwrap_or((&printed, ""));
        program.check(answer, state)
    }
}

impl Contestant for Interpreter {
    fn name(&self) -> String {
        "python3 -I -c".to_owned()
    }

    fn measure(&mut self, program: &Program, load: Load) -> Result<Measured> {
        let mut script = program.script("__import__('sys').stdin.read()");
        script += "print(method(self))\n";
        if program.attributes.is_some() {
            script += "print(json.dumps(self.attributes))\n";
        }
        let (this, script) = (&*self, &script);
        drive(load, |_| Ok(Box::new(move || this.call(program, script))))
    }
}
