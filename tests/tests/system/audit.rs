//! `aura audit`: what it shows of findings, rules and the policy, and policies of one's own.

use std::fs;

use aura_tests::Instance;
use serde_json::{Value, json};

const BODY: &str = "import os\nreturn eval('1')";

#[test]
fn findings_come_as_lines_and_as_sarif() {
    let instance = Instance::new(&[]);
    fs::write(instance.folder().join("body.py"), BODY).expect("a file");
    let file = instance.folder().join("body.py").display().to_string();
    let told = instance.run(&["audit", &file]);
    let lines = "1:1 import: Disallowed import of module 'os' at line 1.\n\
                 2:8 builtin: Disallowed function call to 'eval' at line 2.\n";
    assert_eq!((told.code, told.stdout.as_str()), (Some(1), lines), "{told:?}");
    let told = instance.run(&["audit", &file, "--format", "sarif"]);
    let log: Value = serde_json::from_str(&told.stdout).expect("SARIF");
    assert_eq!((told.code, &log["version"]), (Some(1), &json!("2.1.0")), "{told:?}");
    let run = &log["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().expect("rules");
    let results = run["results"].as_array().expect("results");
    for (result, (rule, line, column)) in results.iter().zip([("import", 1, 1), ("builtin", 2, 8)]) {
        assert_eq!((&result["ruleId"], &result["level"]), (&json!(rule), &json!("error")), "{result}");
        let index = result["ruleIndex"].as_u64().and_then(|index| usize::try_from(index).ok());
        assert!(index.is_none_or(|index| rules[index]["id"] == rule), "{result}");
        let region = &result["locations"][0]["physicalLocation"]["region"];
        assert_eq!((&region["startLine"], &region["startColumn"]), (&json!(line), &json!(column)));
    }
    assert_eq!(results.len(), 2, "{log}");
    let told = instance.run_with(&["audit", "-"], "return 1");
    assert_eq!((told.code, told.stdout.as_str()), (Some(0), "Accepted.\n"), "{told:?}");
}

#[test]
fn every_rule_can_be_explained() {
    let instance = Instance::new(&[]);
    let all = instance.run(&["audit", "--explain"]);
    assert_eq!(all.code, Some(0), "{all:?}");
    let rules: Vec<&str> = all.stdout.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert!(rules.contains(&"builtin") && rules.len() > 10, "{all:?}");
    let as_json = |args: &[&str]| -> Value {
        let told = instance.run(&[&["audit", "--json"], args].concat());
        serde_json::from_str(&told.stdout).unwrap_or_else(|error| panic!("{error}: {told:?}"))
    };
    let listed = as_json(&["--explain"]);
    assert_eq!(listed.as_object().map_or(0, serde_json::Map::len), rules.len());
    assert_eq!(as_json(&["--explain", "builtin"]), listed["builtin"]);
    assert!(
        as_json(&["--policy"])["modules"]["allowed"]
            .as_array()
            .is_some_and(|all| all.contains(&"json".into()))
    );
    for rule in rules {
        let told = instance.run(&["audit", "--explain", rule]);
        assert!(told.stdout.starts_with(&format!("{rule}: ")), "{told:?}");
        assert!(told.stdout.contains("\n\nInstead:\n\n    "), "{told:?}");
    }
    let told = instance.run(&["audit", "--explain", "nope"]);
    let text = "error: There is no rule nope. `aura audit --explain` lists the rules.\n";
    assert_eq!((told.code, told.stderr.as_str()), (Some(2), text));
}

#[test]
fn a_policy_of_ones_own_is_in_force_or_named_with_what_is_wrong() {
    let built_in = Instance::new(&[]).run(&["audit", "--policy"]).stdout;
    let with = |text: &str| {
        let instance = Instance::new(&[]);
        let path = instance.folder().join("policy.toml");
        fs::write(&path, text).expect("a file");
        (Instance::new(&[("AURA_POLICY", &path.display().to_string())]), instance, path)
    };
    let (narrow, _kept, _) = with(&built_in.replace("\"colorsys\", ", ""));
    assert!(!narrow.run(&["audit", "--policy"]).stdout.contains("\"colorsys\", "));
    let told = narrow.run_with(&["audit", "-"], "import colorsys\nimport math");
    let line = "1:1 import: Disallowed import of module 'colorsys' at line 1.\n";
    assert_eq!((told.code, told.stdout.as_str()), (Some(1), line), "{told:?}");

    let (unknown, _kept, _) = with(&built_in.replace("\"abc\", ", "\"abc\", \"nosuch\", "));
    let told = unknown.run_with(&["audit", "-"], "return 1");
    let text = "error: the guest cannot be made ready: the policy cannot be applied: \
                ModuleNotFoundError: No module named 'nosuch'\n";
    assert!(told.code != Some(0) && told.stderr.ends_with(text), "{told:?}");

    let (broken, _kept, path) = with("x = [");
    for command in [["audit", "--policy"], ["serve", "--port=0"]] {
        let told = broken.run(&command);
        let text =
            format!("error: AURA_POLICY: the policy is not valid: {}: TOML parse error", path.display());
        assert!(told.code == Some(2) && told.stderr.starts_with(&text), "{told:?}");
    }
}
