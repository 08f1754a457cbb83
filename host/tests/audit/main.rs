//! The audit's rules by their own examples, and what can be reached past them.

use std::sync::LazyLock;

use aura::audit::{Policy, rules};
use aura::config::Config;
use aura::object::{Json, MethodName, ObjectId, Quota, Source, Timestamp};
use aura::sandbox::wasm::{Silent, WasmSandbox};
use aura::sandbox::{Call, Nobody, Outcome, Sandbox, Verdict};
use serde_json::{Value, json};

/// The guest of this checkout, with the built-in policy.
static SANDBOX: LazyLock<WasmSandbox> = LazyLock::new(|| {
    let config = Config::load(&[]).unwrap();
    WasmSandbox::load(&config.guest_path(), &config.cache, &Silent).unwrap()
});

/// The rules that a body breaks.
fn broken(body: &str) -> Vec<String> {
    match SANDBOX.audit(&Source::parse(body).unwrap()).unwrap().verdict {
        Verdict::Accepted => Vec::new(),
        Verdict::Rejected(findings) => findings.into_iter().map(|finding| finding.rule).collect(),
    }
}

#[test]
fn each_rule_refuses_its_example_and_accepts_what_it_says_to_write_instead() {
    for (id, rule) in rules::all() {
        if let Some(refused) = &rule.refused {
            assert!(broken(refused).contains(id), "{id} does not refuse {refused:?}: {:?}", broken(refused));
        }
        assert_eq!(broken(&rule.instead), Vec::<String>::new(), "{id}: {:?}", rule.instead);
    }
    assert_eq!(broken(&"#".repeat(60 << 10)), Vec::<String>::new());
    assert_eq!(broken(&format!("return {}{}", "[".repeat(160), "]".repeat(160))), ["depth"]);
}

/// What the namespace of a body keeps out, were the audit not there.
#[test]
fn a_body_that_nobody_audited_finds_no_other_modules_and_builtins() {
    for (body, class) in [
        ("import sys\nreturn sys.modules", "ImportError"),
        ("from builtins import eval\nreturn eval('1')", "ImportError"),
        ("import importlib.util", "ImportError"),
        ("from random import _urandom", "ImportError"),
        ("return eval('1')", "NameError"),
        ("return open('/etc/passwd')", "NameError"),
        ("return getattr(self, '__cl' + 'ass__')", "AttributeError"),
        ("return ('{0.__cl' + 'ass__.__mro__}').format(1)", "AttributeError"),
        ("import random\nreturn vars(random)", "TypeError"),
    ] {
        let run = SANDBOX.run(&call(body, &json!([])), &mut Nobody);
        let Outcome::Failed(fault) = run.outcome else { panic!("{body}: {:?}", run.outcome) };
        assert_eq!(fault.exception.map(|exception| exception.class).as_deref(), Some(class), "{body}");
    }
}

fn call(body: &str, args: &Value) -> Call {
    Call {
        receiver: ObjectId::parse("system").unwrap(),
        method: MethodName::parse("walk").unwrap(),
        source: Source::parse(body).unwrap(),
        attributes: Json::empty_object(),
        inherited: Json::empty_object(),
        args: Json::of(args).unwrap(),
        kwargs: Json::empty_object(),
        seed: 0,
        time: Timestamp(0),
        quota: Quota { fuel: 1 << 40, wall_ms: 600_000, memory_bytes: 1 << 30, output_bytes: 0 },
    }
}

/// Walks everything that can be reached by attributes from what a body may name, as the audit reads attributes, and
/// looks for what would undo it. A new library in the guest brings new ways; this finds them.
#[test]
fn no_attribute_leads_out_of_the_policy() {
    let policy: Value = serde_json::to_value(Policy::built_in()).unwrap();
    let args = json!([
        policy["modules"]["allowed"],
        policy["builtins"]["allowed"],
        policy["attributes"]["denied"],
        policy["attributes"]["dunders"]
    ]);
    let run = SANDBOX.run(&call(include_str!("reach.py"), &args), &mut Nobody);
    let Outcome::Returned { result, .. } = run.outcome else { panic!("{:?}", run.outcome) };
    let (seen, reached): (usize, Vec<String>) = serde_json::from_str(result.get()).unwrap();
    assert!(seen > 1_000, "the walk saw only {seen} values");
    assert_eq!(reached, Vec::<String>::new());
}

/// Not even for who gets at Python's own `import` is there more of the library than `library.txt` says, and that is
/// no more than is imported when Python starts; but for codecs, of which there are too many.
#[test]
fn the_guest_has_the_library_that_methods_need_and_no_more() {
    let library = include_str!("../../../guest-python/library.txt").lines();
    let needed: Vec<&str> = library.filter(|line| !line.starts_with('#') && !line.ends_with('*')).collect();
    let others = [
        "_asyncio",
        "_ctypes",
        "_pickle",
        "_posixsubprocess",
        "_socket",
        "asyncio",
        "ctypes",
        "multiprocessing",
        "pickle",
        "runpy",
        "shutil",
        "socket",
        "subprocess",
    ];
    let body = "
from json import dumps
real = dumps.__globals__['__builtins__']
real = real if isinstance(real, dict) else real.__dict__
modules = real['__import__']('sys').modules
def is_there(name):
    try:
        return bool(real['__import__'](name))
    except ModuleNotFoundError:
        return False
return [[name for name in args[0] if name not in modules], [name for name in args[1] if is_there(name)]]
";
    let run = SANDBOX.run(&call(body, &json!([needed, others])), &mut Nobody);
    let Outcome::Returned { result, .. } = run.outcome else { panic!("{:?}", run.outcome) };
    assert_eq!(result.get(), "[[],[]]", "what nothing imports, and what should not be there");
}
