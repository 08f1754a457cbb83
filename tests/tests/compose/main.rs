//! How containers are to be run, in `compose/`: what Docker's two tools make of the files, what the engine makes of
//! containers from them, and the manifests for Kubernetes. Tools that this machine does not have are left out.

mod compose;
mod engine;
mod kubernetes;
mod tool;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

use self::tool::TOOLS;

const COMBINATIONS: [&[&str]; 6] = [
    &[],
    &["arango"],
    &["ollama"],
    &["ollama-on-host"],
    &["arango", "ollama"],
    &["arango", "ollama-on-host"],
];

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let mut trials = kubernetes::trials();
    let engine = engine::is_there();
    let skipped = |what: &str| {
        if !arguments.list {
            eprintln!("skipped: this machine has no {what}");
        }
    };
    if !engine {
        skipped("Docker engine that answers");
    }
    for tool in TOOLS {
        let there = tool.is_there();
        if !there {
            skipped(&tool.command_line());
        }
        for overrides in COMBINATIONS {
            let name = format!("{}::accepts::{}", tool.name, [&["alone"], overrides].concat().join("_"));
            trials.push(trial(name, move || compose::is_accepted(tool, overrides)).with_ignored_flag(!there));
        }
        let name = format!("{}::makes_containers_only_with_their_secrets", tool.name);
        trials.push(trial(name, move || engine::makes(tool)).with_ignored_flag(!there || !engine));
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn trial(name: impl Into<String>, test: impl FnOnce() + Send + 'static) -> Trial {
    Trial::test(name, move || {
        test();
        Ok(())
    })
}
