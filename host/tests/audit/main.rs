//! Walks everything that can be reached by attributes from what a body may name, as the audit reads attributes,
//! and looks for what would undo the audit. A new library in the guest brings new ways; this finds them.

use aura::config::Config;
use aura::object::{Json, MethodName, ObjectId, Quota, Source, Timestamp};
use aura::sandbox::wasm::{Silent, WasmSandbox};
use aura::sandbox::{Call, Nobody, Outcome, Sandbox};
use serde_json::{Value, json};

const POLICY: &str = include_str!("../../src/sandbox/wasm/policy.toml");

/// The guest of this checkout.
fn sandbox() -> WasmSandbox {
    let config = Config::load(&[]).unwrap();
    WasmSandbox::load(&config.guest_path(), &config.cache, &Silent).unwrap()
}

#[test]
fn no_attribute_leads_out_of_the_policy() {
    let policy: Value = toml::from_str(POLICY).unwrap();
    let args = json!([
        policy["modules"],
        policy["denied_attributes"],
        policy["denied_builtins"],
        policy["allowed_dunders"]
    ]);
    let call = Call {
        receiver: ObjectId::parse("system").unwrap(),
        method: MethodName::parse("walk").unwrap(),
        source: Source::parse(include_str!("reach.py")).unwrap(),
        attributes: Json::empty_object(),
        inherited: Json::empty_object(),
        args: Json::of(&args).unwrap(),
        kwargs: Json::empty_object(),
        seed: 0,
        time: Timestamp(0),
        quota: Quota { fuel: 1 << 40, wall_ms: 600_000, memory_bytes: 1 << 30, output_bytes: 0 },
    };
    let run = sandbox().run(&call, &mut Nobody);
    let Outcome::Returned { result, .. } = run.outcome else { panic!("{:?}", run.outcome) };
    let (seen, reached): (usize, Vec<String>) = serde_json::from_str(result.get()).unwrap();
    assert!(seen > 1_000, "the walk saw only {seen} values");
    assert_eq!(reached, Vec::<String>::new());
}
