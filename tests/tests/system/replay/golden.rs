//! Runs that were recorded by this version and earlier ones: every later version reads them, and its guest does the
//! same with them.
//!
//! `tests/replay/FORMAT/` holds what `aura replay export` wrote when that format was new. Files are added, never changed.

use std::fs::File;
use std::path::Path;

use aura::config::Config;
use aura::replay::{self, Reason, Scope, Verdict};
use aura::sandbox::wasm::{Silent, WasmSandbox};
use aura_tests::Instance;
use serde_json::Value;

use crate::api::NOWHERE;

#[test]
fn runs_of_earlier_versions_come_out_the_same() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("replay");
    let folder = folder.to_str().expect("a path in UTF-8");
    let instance = Instance::new(&[NOWHERE]);
    let exact = instance.run(&["replay", "--json", "--file", folder]);
    let found: Value = serde_json::from_str(&exact.stdout).expect(&exact.stderr);
    assert_eq!((&found["unreadable"], &found["diverged"]), (&0.into(), &0.into()), "{found:#}");
    let fixtures = found["fixtures"].as_array().expect("fixtures");
    assert!(fixtures.len() >= 16, "{found:#}");
    // The guest differs where another compiler, or another standard library, made it.
    for fixture in fixtures.iter().filter(|fixture| fixture["verdict"] != "identical") {
        assert_eq!(fixture["reason"], "other_guest", "{fixture:#}");
    }
    let compared = instance.run(&["replay", "--other-guest", "--file", folder]);
    assert_eq!((compared.code, compared.stderr.as_str()), (Some(0), ""), "{}", compared.stdout);
    let last = format!("{0} fixtures: {0} identical.", fixtures.len());
    assert_eq!(compared.stdout.lines().last(), Some(last.as_str()));
}

/// As somebody does it in tests of their own.
#[test]
fn a_run_is_replayed_in_a_rust_test() {
    let config = Config::load(&[]).expect("the settings are valid");
    let sandbox =
        WasmSandbox::load(&config.guest_path(), &config.cache, &Silent).expect("the guest is built");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("replay/1");
    for name in ["deep", "ask"] {
        let file = File::open(folder.join(format!("{name}.replay.json"))).expect("a fixture");
        let case = replay::read_fixture(file).expect("a fixture");
        assert_eq!(replay::replay_apart(&sandbox, &case, Scope::Behaviour), Verdict::Identical);
        match replay::replay_apart(&sandbox, &case, Scope::Exact) {
            Verdict::Identical | Verdict::NotReplayable(Reason::OtherGuest(_)) => {}
            verdict => panic!("{verdict:?}"),
        }
    }
}
