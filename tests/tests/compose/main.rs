//! How containers are to be run, in `compose/`: what Docker's two tools make of the files, what the engine makes of
//! containers from them, and the manifests for Kubernetes. Tools that this machine does not have are left out.

mod compose;
mod engine;
mod kubernetes;

use std::process::ExitCode;

use aura_tests::compose::TOOLS;
use aura_tests::{trial, trials};
use libtest_mimic::Arguments;

const COMBINATIONS: [&[&str]; 7] = [
    &[],
    &["arango"],
    &["ollama"],
    &["ollama-on-host"],
    &["openai"],
    &["arango", "ollama"],
    &["arango", "ollama-on-host"],
];

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let mut trials = trials![
        kubernetes::the_pod_keeps_to_the_restricted_standard,
        kubernetes::the_sandbox_has_nothing_but_its_socket,
        kubernetes::the_server_is_asked_whether_it_is_ready,
        kubernetes::nothing_else_comes_in_or_goes_out,
    ];
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
