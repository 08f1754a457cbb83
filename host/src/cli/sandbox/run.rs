//! `aura sandbox run`: a body audited and run once, without image, mind and server.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use crate::cli::audit::read_source;
use crate::cli::failure::Failure;
use crate::cli::parts;
use crate::cli::send::{array, object};
use crate::cli::term::{print, print_json, tell, thousands};
use crate::config::Config;
use crate::object::{Fault, Json, Kind, MethodName, ObjectId, Quota, QuotaOverride, Timestamp};
use crate::sandbox::wasm::WasmSandbox;
use crate::sandbox::{Call, Nobody, Outcome, Run, Sandbox as _, Verdict};

#[derive(Args)]
pub struct Options {
    /// A file with a method body; `-` reads from stdin
    file: PathBuf,
    /// Arguments as a JSON array
    #[arg(long, value_name = "JSON", value_parser = array, default_value = "[]")]
    args: Json,
    /// Keyword arguments as a JSON object
    #[arg(long, value_name = "JSON", value_parser = object, default_value = "{}")]
    kwargs: Json,
    /// The attributes of `self` as a JSON object
    #[arg(long, value_name = "JSON", value_parser = object, default_value = "{}")]
    attributes: Json,
    /// Seed of everything random
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    seed: u64,
    /// The most fuel [AURA_FUEL]
    #[arg(long, value_name = "UNITS")]
    fuel: Option<u64>,
    /// The most milliseconds [AURA_WALL_MS]
    #[arg(long, value_name = "MS")]
    wall_ms: Option<u64>,
    /// The most memory [AURA_MEMORY_BYTES]
    #[arg(long, value_name = "BYTES")]
    memory_bytes: Option<u64>,
    /// The most output [AURA_OUTPUT_BYTES]
    #[arg(long, value_name = "BYTES")]
    output_bytes: Option<u64>,
    #[command(flatten)]
    output: crate::cli::Output,
}

#[derive(Serialize)]
struct Report<'a> {
    result: Option<Json>,
    /// When they changed.
    attributes: Option<Json>,
    error: Option<&'a Fault>,
    output: String,
    fuel_used: u64,
    peak_memory_bytes: u64,
}

pub async fn run(config: &Config, options: Options) -> Result<(), Failure> {
    let source = read_source(&options.file)?;
    let quota = quota(&options, config.quota)?;
    let name = |text: &str| MethodName::parse(text).map_err(|error| Failure::Usage(error.to_string()));
    let stem = options.file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let call = Call {
        receiver: ObjectId::parse("system").map_err(|error| Failure::Usage(error.to_string()))?,
        method: name(stem).or_else(|_| name("body"))?,
        source,
        attributes: options.attributes,
        inherited: Json::empty_object(),
        args: options.args,
        kwargs: options.kwargs,
        seed: options.seed,
        time: Timestamp::now(),
        quota,
    };
    let sandbox = parts::isolates(config).await?;
    let ran = parts::workers()?.run(move || audit_and_run(&sandbox, &call)).await;
    let run = ran.ok_or_else(|| Failure::Failed("The run ended without an outcome.".to_owned()))?;
    let (mut result, mut attributes) = (None, None);
    let ended = match run.outcome {
        Outcome::Returned { result: returned, attributes: changed } => {
            (result, attributes) = (Some(returned), changed);
            Ok(())
        }
        Outcome::Failed(fault) => Err(fault),
        // It asked nobody.
        Outcome::Aborted => {
            Err(Fault::new(Kind::MethodNotFound, "the method sends a message, and here is nobody else"))
        }
    };
    let (output, fuel_used, peak_memory_bytes) = (run.output, run.fuel_used, run.peak_memory_bytes);
    let error = ended.as_ref().err();
    if options.output.json {
        print_json(&Report { result, attributes, error, output, fuel_used, peak_memory_bytes })?;
        return ended.map_err(|fault| Failure::told(&fault));
    }
    if !output.is_empty() {
        print(output.strip_suffix('\n').unwrap_or(&output))?;
    }
    if let Some(result) = &result {
        print(result.get())?;
    }
    if let Some(attributes) = &attributes {
        tell(&format!("Its attributes are now {attributes}"));
    }
    if let Some(exception) = error.and_then(|fault| fault.exception.as_ref()) {
        tell(exception.traceback.trim_end());
    }
    tell(&format!("{} fuel, {} bytes of memory", thousands(fuel_used), thousands(peak_memory_bytes)));
    Ok(ended?)
}

fn audit_and_run(sandbox: &WasmSandbox, call: &Call) -> Run {
    let fault = match sandbox.audit(&call.source).map(|audit| audit.verdict) {
        Ok(Verdict::Accepted) => return sandbox.run(call, &mut Nobody),
        Ok(Verdict::Rejected(findings)) => Fault::audit_rejected(findings),
        Err(fault) => fault,
    };
    Run { outcome: Outcome::Failed(fault), output: String::new(), fuel_used: 0, peak_memory_bytes: 0 }
}

fn quota(options: &Options, defaults: Quota) -> Result<Quota, Failure> {
    let own = QuotaOverride {
        fuel: options.fuel,
        wall_ms: options.wall_ms,
        memory_bytes: options.memory_bytes,
        output_bytes: options.output_bytes,
    };
    own.check().map_err(Failure::Usage)?;
    Ok(own.over(defaults))
}
