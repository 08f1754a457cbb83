//! `aura-sandbox`: what `aura sandbox serve` becomes, as a program of its own for a container image. It has the isolates
//! and the process that serves them, and neither compiler nor store, HTTP client and settings.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use aura::sandbox::confine::close_inherited_files;
use aura::sandbox::remote::{Address, Process, ProcessError, greet, own, stopped};
use aura::sandbox::wasm::WasmSandbox;
use clap::Parser;

/// Serves isolates on a socket, confined to that.
#[allow(clippy::struct_excessive_bools, reason = "each is an option of its own")]
#[derive(Parser)]
#[command(name = "aura-sandbox", version, max_term_width = 100)]
struct Options {
    /// unix:/PATH; unix:/FOLDER/ for a socket of its own in a folder that sandboxes share; or http://HOST:PORT
    /// for a network that has nothing but its hosts in it
    #[arg(long, value_name = "ADDRESS")]
    listen: Address,
    /// The folder with the compiled image, as `aura sandbox pack` writes it
    #[arg(long, value_name = "FOLDER", default_value = "/image")]
    image: PathBuf,
    /// Let the group of the socket's file connect too
    #[arg(long)]
    group: bool,
    /// Do not start where the kernel offers less than all of the confinement
    #[arg(long)]
    require_confinement: bool,
    /// Ask the sandbox of this machine at the address whether it is ready, and end: 0 if it is
    #[arg(long)]
    check: bool,
    /// Log as JSON lines
    #[arg(long)]
    json_log: bool,
}

fn main() -> ExitCode {
    close_inherited_files();
    let options = Options::parse();
    let log = tracing_subscriber::fmt().with_writer(io::stderr).with_ansi(false);
    // Otherwise it says on stderr what stderr did not take, and dies of that.
    let log = log.log_internal_errors(false);
    let log = log.with_max_level(tracing_subscriber::filter::LevelFilter::WARN);
    if options.json_log {
        log.json().init();
    } else {
        log.init();
    }
    match if options.check { check(&options.listen) } else { serve(options) } {
        Ok(text) => {
            say(&text);
            ExitCode::SUCCESS
        }
        Err(text) => {
            // Without stderr there is nobody to tell.
            let _ = writeln!(io::stderr(), "error: {text}");
            ExitCode::FAILURE
        }
    }
}

/// Who does not read this may still make calls.
fn say(text: &str) {
    let _ = writeln!(io::stdout(), "{text}");
}

fn check(address: &Address) -> Result<String, String> {
    let address = own(address).ok_or_else(|| format!("no sandbox of this machine listens in {address}"))?;
    let greeting = greet(&address).map_err(|error| error.to_string())?;
    Ok(format!("{address} is ready, {}.", greeting.confinement))
}

fn serve(options: Options) -> Result<String, String> {
    let Options { listen, image, group, require_confinement, .. } = options;
    let process = Process { listen, group, require_confinement };
    let load = |before: &mut dyn FnMut()| WasmSandbox::load_packed(&image, before);
    let calls = process.serve(load, say);
    calls.map(stopped).map_err(|error: ProcessError| error.to_string())
}
