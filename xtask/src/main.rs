//! `cargo xtask`: set-up, tests and benchmarks of AURA, one command each.

mod bench;
mod debian;
mod first_contact;
mod fuzz;
mod guest;
mod guest_key;
mod http;
mod image;
mod libfuzzer;
mod lint;
mod mind;
mod prerequisites;
mod remap;
mod service;
mod test;
mod venv;
mod wasm_target;
mod workspace;

use std::env;
use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::workspace::Workspace;

const USAGE: &str = "\
cargo xtask COMMAND

  first-contact [--exit]  set everything up, start AURA and teach it its first word
                          (--exit: stop it afterwards instead of staying up)
  test [ARGS]             build everything and run every test (ARGS go to nextest)
  guard                   measure the guard on the corpora of attacks and of harmless methods
                          and write tests/corpus/TABLE.md
  lint                    formatting, clippy, licences and sources of dependencies
  fuzz [TARGET] [--seconds N]
                          feed what reads bytes from outside with cargo-fuzz, a minute each
  fuzz-api [ARGS]         ask the API what its description makes possible, and check the answers
                          (ARGS go to Schemathesis)
  bench [NAMES]           run the benchmarks, all or those named
  guest                   build the WebAssembly guest and print where it is
  image                   build the container images of AURA and of its sandbox
  mind                    serve the small pinned model until Ctrl-C

Downloads and build outputs are kept in $AURA_CACHE (default: ~/.cache/aura).";

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    match run(&args) {
        Ok(status) => status,
        Err(error) => {
            eprintln!("\nerror: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &[String]) -> Result<ExitCode> {
    let (command, rest) = args.split_first().map_or(("help", args), |(first, rest)| (first.as_str(), rest));
    if matches!(command, "help" | "-h" | "--help") || rest.iter().any(|arg| arg == "--help") {
        println!("{USAGE}");
        return Ok(ExitCode::SUCCESS);
    }
    let workspace = Workspace::locate()?;
    match (command, rest) {
        ("first-contact", []) => first_contact::run(&workspace, true),
        ("first-contact", [flag]) if flag == "--exit" => first_contact::run(&workspace, false),
        ("test", filters) => test::run_tests(&workspace, filters),
        ("bench", names) => bench::run_benches(&workspace, names),
        ("guard", []) => test::measure_guard(&workspace),
        ("fuzz-api", args) => fuzz::run_all(&workspace, args),
        ("fuzz", args) => libfuzzer::run_targets(&workspace, args),
        ("lint", []) => lint::run_all(&workspace),
        ("guest", []) => {
            println!("{}", guest::ensure(&workspace)?.display());
            Ok(ExitCode::SUCCESS)
        }
        ("image", []) => image::build(&workspace),
        ("mind", []) => mind::serve_in_foreground(&workspace),
        _ => bail!("`cargo xtask {}` is not a command\n\n{USAGE}", args.join(" ")),
    }
}
