//! Exported runs as files.

use std::fs;
use std::path::Path;

use aura_tests::Instance;
use serde_json::Value;

use super::{lived_in, runs};
use crate::api::NOWHERE;

fn said(done: &aura_tests::Done) -> (Option<i32>, &str, &str) {
    (done.code, &done.stdout, &done.stderr)
}

#[tokio::test]
async fn an_exported_run_is_replayed_elsewhere() {
    let server = lived_in().await;
    let runs = runs(server.client()).await;
    let elsewhere = Instance::new(&[NOWHERE]);
    let folder = elsewhere.folder().join("runs/of/mine");
    fs::create_dir_all(&folder).unwrap();
    let kept: Vec<_> = runs.iter().filter(|run| run["method_name"] != "late").collect();
    for (number, run) in kept.iter().enumerate() {
        let exported = server.cli().run(&["replay", "export", run["invocation_id"].as_str().unwrap()]);
        assert_eq!((exported.code, exported.stderr.as_str()), (Some(0), ""));
        fs::write(folder.join(format!("{number:03}.replay.json")), exported.stdout).unwrap();
    }
    fs::write(folder.join("notes.json"), "not one").unwrap();
    let first = kept[0]["invocation_id"].as_str().unwrap().to_owned();
    let by_server = server.cli().run(&["replay", "export", &first]).stdout;
    let stopped = server.kill();
    assert_eq!(stopped.cli().run(&["replay", "export", &first]).stdout, by_server);

    let all = elsewhere.run(&["replay", "--file", "runs"]);
    assert_eq!((all.code, all.stderr.as_str()), (Some(0), ""), "{}", all.stdout);
    let last = format!("{} fixtures: {} identical.", kept.len(), kept.len());
    assert_eq!(all.stdout.lines().last(), Some(last.as_str()));
    assert_eq!(
        all.stdout.lines().next(),
        Some("identical: runs/of/mine/000.replay.json, count of UvmObjects/system, version 1")
    );
    let json = elsewhere.run(&["replay", "--json", "--file", "runs/of/mine/000.replay.json"]);
    let json: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!((&json["identical"], &json["fixtures"][0]["verdict"]), (&1.into(), &"identical".into()));
}

#[tokio::test]
async fn a_fixture_that_is_none_is_refused() {
    let server = lived_in().await;
    let run = runs(server.client()).await[0]["invocation_id"].as_str().unwrap().to_owned();
    let text = server.cli().run(&["replay", "export", &run]).stdout;
    let elsewhere = Instance::new(&[NOWHERE]);
    let file = |text: &str| {
        fs::write(elsewhere.folder().join("x.replay.json"), text).unwrap();
        elsewhere.run(&["replay", "--file", "x.replay.json"])
    };
    let refused = |text: &str, why: &str| {
        let done = file(text);
        let told = format!("x.replay.json: {why}.\n");
        assert_eq!(said(&done), (Some(1), "1 fixture: 0 identical, 1 unreadable.\n", told.as_str()));
    };
    refused(&text[..text.len() / 2], "it is cut short: export it again");
    refused("", "it is cut short: export it again");
    refused(
        "[]",
        "it is not a replay fixture: invalid length 0, expected struct Header with 2 elements at line 1 column 2",
    );
    refused("{}", "it is not a replay fixture: missing field `aura_replay` at line 1 column 2");
    refused(r#"{"aura_replay": 0}"#, "it is not a replay fixture: there is no format 0");
    refused(
        r#"{"aura_replay": 2, "aura": "9.0.0", "new": 1}"#,
        "it has format 2 and this aura knows 1: use aura 9.0.0 or newer",
    );
    let changed = |from: &str, to: &str, what: &str| {
        assert!(text.contains(from), "{text}");
        refused(
            &text.replacen(from, to, 1),
            &format!("it was changed after it was exported ({what}): export it again"),
        );
    };
    changed("\"seed\": ", "\"seed\": 1", "its SHA-256 is another one");
    changed("self.n = getattr", "self.m = getattr", "its SHA-256 is another one");
    changed("\"result\": 1", "\"result\": 2", "its SHA-256 is another one");
    changed("\"fuel\": 2000000000", "\"fuel\": 2000000001", "its SHA-256 is another one");

    // Larger than any run.
    let huge = fs::File::create(elsewhere.folder().join("x.replay.json")).unwrap();
    huge.set_len((256 << 20) + 1).unwrap();
    let done = elsewhere.run(&["replay", "--file", "x.replay.json"]);
    assert_eq!(
        (done.code, done.stderr.as_str()),
        (Some(1), "x.replay.json: it has more than 268435456 bytes.\n")
    );

    // What never ends is not waited for.
    fs::remove_file(elsewhere.folder().join("x.replay.json")).unwrap();
    nix::unistd::mkfifo(&elsewhere.folder().join("x.replay.json"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let done = elsewhere.run(&["replay", "--file", "x.replay.json"]);
    let text = "x.replay.json: it is not a replay fixture: it is not a file.\n";
    assert_eq!((done.code, done.stderr.as_str()), (Some(1), text));

    let none = elsewhere.run(&["replay", "--file", "none.replay.json"]);
    assert_eq!(
        said(&none),
        (
            Some(1),
            "1 fixture: 0 identical, 1 unreadable.\n",
            "none.replay.json: it cannot be read: No such file or directory (os error 2).\n"
        )
    );
    fs::create_dir(elsewhere.folder().join("empty")).unwrap();
    let none = elsewhere.run(&["replay", "--file", "empty"]);
    assert_eq!(said(&none), (Some(2), "", "error: There is no fixture (*.replay.json) in empty.\n"));
}

/// A run of another guest, as it would be after the guest was changed.
#[tokio::test]
async fn a_run_of_another_guest_is_compared_by_what_others_see() {
    let server = lived_in().await;
    let runs = runs(server.client()).await;
    let elsewhere = Instance::new(&[NOWHERE]);
    let export = |name: &str| {
        let run = runs.iter().find(|run| run["method_name"] == name).unwrap();
        let text = server.cli().run(&["replay", "export", run["invocation_id"].as_str().unwrap()]).stdout;
        serde_json::from_str::<Value>(&text).unwrap()
    };
    let write = |path: &Path, case: &Value| {
        use sha2::Digest as _;
        // As the documentation says: the digest is of the text of the case.
        let case = case["case"].to_string();
        let sha256 = format!("{:x}", sha2::Sha256::digest(&case));
        let text = format!(r#"{{"aura_replay":1,"aura":"0.1.0","sha256":"{sha256}","case":{case}}}"#);
        fs::write(path, text).unwrap();
    };
    let mut same = export("count");
    let other = "ab".repeat(32);
    same["case"]["invocation"]["guest_digest"] = other.clone().into();
    same["case"]["invocation"]["fuel_used"] = 1.into();
    write(&elsewhere.folder().join("a.replay.json"), &same);
    let mut different = export("identity");
    different["case"]["invocation"]["guest_digest"] = other.clone().into();
    different["case"]["invocation"]["outcome"]["returned"]["result"] = 5.into();
    write(&elsewhere.folder().join("b.replay.json"), &different);

    let refused = elsewhere.run(&["replay", "--file", "a.replay.json"]);
    assert_eq!(
        said(&refused),
        (
            Some(1),
            format!(
                "not replayable: a.replay.json, count of UvmObjects/system, version 1: it ran in another guest ({other})\n\
                 1 fixture: 0 identical, 1 not replayable.\n\
                 With --other-guest, what others see of a run is compared all the same.\n"
            )
            .as_str(),
            ""
        )
    );
    let compared = elsewhere.run(&["replay", "--other-guest", "--file", "a.replay.json", "b.replay.json"]);
    let lines: Vec<_> = compared.stdout.lines().collect();
    assert_eq!(compared.code, Some(1));
    assert_eq!(lines[0], "identical: a.replay.json, count of UvmObjects/system, version 1");
    assert_eq!(lines[1], "diverged: b.replay.json, identity of UvmObjects/system, version 1");
    assert!(lines[2].starts_with("    result: recorded 5, now ["), "{}", lines[2]);
    assert_eq!(lines[3], "2 fixtures: 1 identical, 1 diverged.");
    assert_eq!(lines[4], "1 method behaves differently: identity of UvmObjects/system, version 1.");

    // A body that no audit of today would let in is not run either.
    let mut hostile = export("count");
    hostile["case"]["source"] = "import os\nreturn 1".into();
    let digest = {
        use sha2::Digest as _;
        format!("{:x}", sha2::Sha256::digest("import os\nreturn 1"))
    };
    hostile["case"]["invocation"]["source_digest"] = digest.into();
    write(&elsewhere.folder().join("c.replay.json"), &hostile);
    let refused = elsewhere.run(&["replay", "--file", "c.replay.json"]);
    assert_eq!(refused.code, Some(1));
    assert!(
        refused.stdout.starts_with(
            "not replayable: c.replay.json, count of UvmObjects/system, version 1: the audit refuses its method: "
        ),
        "{}",
        refused.stdout
    );
}
