//! `aura export` and `aura import`: all of an image, or nothing.

use std::fs::{self, File};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::Path;

use aura_tests::{Client, Instance, ScriptedMind, Server};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::api::{JSON, NOWHERE, child, done, ended, install, read, to};

/// Of the first format, which is read as well.
const HEADER: &str = r#"{"aura":{"format":1,"version":"0.1.0","exported_at":0}}"#;
const ROOTS: &str = r#"{"object":{"id":"UvmObjects/nil","attributes":{}}}
{"object":{"id":"UvmObjects/system","attributes":{}}}
{"prototypes":{"object":"UvmObjects/system","prototypes":["UvmObjects/nil"]}}"#;
const END: &str = r#"{"end":{"objects":2,"versions":0,"messages":0,"invocations":0}}"#;

/// All but the first line, which has the time.
fn entries(export: &Path) -> String {
    let text = fs::read_to_string(export).expect("an export");
    let (header, entries) = text.split_once('\n').expect("lines");
    let header: Value = serde_json::from_str(header).expect("JSON");
    assert_eq!(header["aura"]["format"], 2);
    entries.to_owned()
}

/// Sends a message again and again, by many senders, until they are told to stop.
pub fn load(client: &Client) -> JoinSet<()> {
    let mut senders = JoinSet::new();
    for sender in 0..8 {
        let (client, target) = (client.clone(), ["one", "two"][sender % 2]);
        senders.spawn(async move {
            let headers = if sender < 4 { vec![JSON, ("prefer", "wait=60")] } else { vec![JSON] };
            let body = to(target, "count").to_string();
            // Until the server refuses more for now, or the test is done with it.
            while let Ok(answer) = client.try_request("POST", "/message", &headers, body.clone().into()).await
            {
                assert!(matches!(answer.status, 200 | 202 | 503), "{}", answer.text);
            }
        });
    }
    senders
}

/// Objects that count, one of them by way of the other.
pub async fn furnish(client: &Client) {
    install(client, "system", "count", "return 'not this'").await;
    install(client, "system", "count", "self.n = getattr(self, 'n', 0) + 1\nreturn self.n").await;
    child(client, "one").await;
    done(
        client,
        "POST",
        "/objects",
        &json!({ "key": "two", "prototypes": ["one", "nil"], "attributes": { "n": 0 } }),
        201,
    )
    .await;
}

/// Waits until no message is on its way.
pub async fn settled(client: &Client) {
    for status in ["accepted", "running"] {
        while read(client, &format!("/messages?status={status}&limit=1")).await["messages"] != json!([]) {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }
}

/// How many messages to the object have done their work.
pub async fn completed(client: &Client, object: &str) -> usize {
    let (mut number, mut after) = (0, String::new());
    loop {
        let page =
            read(client, &format!("/messages?target={object}&status=completed&limit=1000{after}")).await;
        number += page["messages"].as_array().expect("messages").len();
        let Some(next) = page["next"].as_str() else { return number };
        after = format!("&after={next}");
    }
}

/// The load goes on while this thread waits for the command.
#[tokio::test(flavor = "multi_thread")]
async fn an_export_under_load_is_one_moment_and_can_be_served_elsewhere() {
    let mind = ScriptedMind::start().await;
    let server = Server::start(&mind);
    let client = server.client();
    furnish(client).await;
    let keyed = [JSON, ("idempotency-key", "once"), ("prefer", "wait=60")];
    let body = to("one", "count").to_string();
    let first = client.request("POST", "/message", &keyed, body.clone().into()).await.record();
    install(client, "system", "fail", "raise ValueError('no')").await;
    assert_eq!(client.message(&to("one", "fail").to_string()).await.status, "failed");

    let senders = load(client);
    while completed(client, "one").await < 20 {}
    let file = server.cli().folder().join("export.jsonl");
    assert_eq!(server.cli().run(&["export", file.to_str().expect("UTF-8")]).code, Some(0));
    drop(senders);

    let other = Instance::new(&[("OLLAMA_HOST", &mind.url())]);
    let imported = other.run(&["import", file.to_str().expect("UTF-8")]);
    assert_eq!((imported.code, imported.stderr.as_str()), (Some(0), ""), "{imported:?}");
    assert!(imported.stdout.starts_with("Imported 4 objects, 3 versions of methods, "), "{imported:?}");
    let again = other.folder().join("again.jsonl");
    assert_eq!(other.run(&["export", again.to_str().expect("UTF-8")]).code, Some(0));
    assert!(entries(&file) == entries(&again), "what was imported is what was exported");

    let other = Server::serve(other);
    let theirs = other.client();
    settled(theirs).await;
    for object in ["one", "two"] {
        let count = read(theirs, &format!("/objects/{object}")).await["attributes"]["n"].clone();
        assert_eq!(count, json!(completed(theirs, object).await), "{object}");
    }
    assert_eq!(read(theirs, "/objects/two").await["prototypes"], json!(["UvmObjects/one", "UvmObjects/nil"]));
    let versions = "/objects/system/methods/count/versions";
    assert_eq!(read(theirs, versions).await, read(client, versions).await);
    let message = format!("/messages/{}", first.message_id);
    assert_eq!(read(theirs, &message).await, read(client, &message).await);
    let invocation = format!("/invocations/{}", first.invocation_id.expect("a run"));
    assert_eq!(read(theirs, &invocation).await, read(client, &invocation).await);
    let answered = theirs.request("POST", "/message", &keyed, body.into()).await.record();
    assert_eq!(answered.message_id, first.message_id, "its key is known");
    let new = theirs.send("POST", "/message", &to("two", "count").to_string()).await;
    let id = new.json()["message_id"].as_str().expect("an id").to_owned();
    assert_eq!(ended(theirs, &id).await.record().method_version, Some(2));
}

#[test]
fn what_is_no_whole_export_is_refused_and_nothing_of_it_is_kept() {
    let instance = Instance::new(&[NOWHERE]);
    let file = instance.folder().join("file");
    let shown = file.display();
    let refused = |text: &str, what: &str| {
        fs::write(&file, text).expect("a file");
        let done = instance.run(&["import", file.to_str().expect("UTF-8")]);
        let expected = format!("error: {shown}, {what}. Nothing is imported.\n");
        assert_eq!((done.code, done.stdout.as_str(), done.stderr), (Some(1), "", expected));
    };
    refused("", "the file is cut short after line 0: its end is missing");
    refused("return 1\n", "line 1: this is not the beginning of an export of aura");
    refused(
        &format!("{}\n", HEADER.replace(r#""format":1"#, r#""format":3"#)),
        "line 1: the export has format 3 and this aura knows 2; use aura 0.1.0 or newer",
    );
    assert!(!instance.folder().join("data").exists(), "what is no export makes no image");

    refused(&format!("{HEADER}\n{ROOTS}\n"), "the file is cut short after line 4: its end is missing");
    let whole = format!("{HEADER}\n{ROOTS}\n{END}\n");
    refused(&whole[..whole.len() - 9], "the file is cut short after line 5: its end is missing");
    refused(&format!("{HEADER}\n{ROOTS}\nx\n{END}\n"), "line 5: expected value (column 1)");
    refused(
        &whole.replace(r#""objects":2"#, r#""objects":3"#),
        "line 5: there should be 3 objects, 0 versions of methods, 0 messages and 0 runs before it, and there are 2 objects, 0 versions of methods, 0 messages and 0 runs",
    );
    refused(
        &whole.replace(r#"["UvmObjects/nil"]"#, r#"["gone"]"#),
        "line 4: object 'UvmObjects/gone' is not in the lines before",
    );

    let spy = r#"{"method":{"object":"UvmObjects/system","name":"spy","version":1,"source":"import os\nreturn 1","quota":{},"provenance":{"author":"hand"},"installed_at":1}}"#;
    refused(
        &format!("{HEADER}\n{ROOTS}\n{spy}\n{}\n", END.replace(r#""versions":0"#, r#""versions":1"#)),
        "line 5: version 1 of 'spy' of UvmObjects/system is refused by the audit: Disallowed import of module 'os' at line 1",
    );

    // A body that was never installed is as foreign, and a run cannot have been given more than any method.
    let digest = "0".repeat(64);
    let run = format!(
        r#"{{"invocation":{{"invocation_id":"0196d8f0-0000-7000-8000-000000000001","message_id":"0196d8f0-0000-7000-8000-000000000002",
        "parent":null,"receiver":"system","receiver_rev":"1","source_object_id":"system","method_name":"spy","method_version":1,
        "source_digest":"{digest}","source":"import os","attributes_before":{{"value":{{}}}},"inherited":{{"value":{{}}}},"args":[],
        "kwargs":{{}},"seed":7,"time":5,"quota":{{"fuel":1,"wall_ms":2,"memory_bytes":3,"output_bytes":4}},
        "guest_digest":"{digest}","config_digest":"{digest}","outcome":{{"returned":{{"result":1,"attributes_after":null}}}},
        "output":"","fuel_used":9,"peak_memory_bytes":10}}}}"#
    )
    .replace('\n', "");
    let one = END.replace(r#""invocations":0"#, r#""invocations":1"#);
    refused(
        &format!("{HEADER}\n{ROOTS}\n{run}\n{one}\n"),
        "line 5: the body of run 0196d8f0-0000-7000-8000-000000000001 is refused by the audit: Disallowed import of module 'os' at line 1",
    );
    refused(
        &format!("{HEADER}\n{ROOTS}\n{}\n{one}\n", run.replace(r#""fuel":1,"#, r#""fuel":1000000000001,"#)),
        "line 5: the quota of run 0196d8f0-0000-7000-8000-000000000001 is larger than any method's",
    );

    let mut huge = File::create(&file).expect("a file");
    huge.write_all(format!("{HEADER}\n").as_bytes()).expect("a line");
    // A hole, which takes no space.
    huge.seek(SeekFrom::Start(1 << 32)).expect("a file");
    huge.write_all(b"x\n").expect("a line");
    let done = instance.run(&["import", file.to_str().expect("UTF-8")]);
    let expected =
        format!("error: {shown}, line 2: the line has more than 268435456 bytes. Nothing is imported.\n");
    assert_eq!((done.code, done.stderr), (Some(1), expected));

    // Only into an empty image can anything be imported, so nothing was kept.
    let done = instance.run_with(&["import", "-"], &whole);
    let text = "Imported 2 objects, 0 versions of methods, 0 messages and 0 runs.\n";
    assert_eq!((done.code, done.stdout.as_str(), done.stderr.as_str()), (Some(0), text, ""));
    let lost = instance.run(&["import", "lost"]);
    assert_eq!(lost.code, Some(2));
    assert_eq!(lost.stderr, "error: lost: No such file or directory (os error 2)\n");
}

#[test]
fn neither_files_nor_images_are_overwritten() {
    let server = Server::start_with(&[NOWHERE]);
    let cli = server.cli();
    let said = "Exported 2 objects, 0 versions of methods, 0 messages and 0 runs";
    let done = cli.run(&["export", "file"]);
    assert_eq!((done.code, done.stdout), (Some(0), format!("{said} to file.\n")));
    let export = entries(&cli.folder().join("file"));
    assert_eq!(export, format!("{ROOTS}\n{END}\n"));
    let refused = cli.run(&["export", "file"]);
    let text = "error: file exists already. Choose another name, or replace it with --force.\n";
    assert_eq!((refused.code, refused.stderr.as_str()), (Some(1), text));
    assert_eq!(cli.run(&["export", "file", "--force"]).code, Some(0));
    let piped = cli.run(&["export"]);
    assert_eq!((piped.code, piped.stderr), (Some(0), format!("{said}.\n")));
    assert!(piped.stdout.ends_with(&export), "{}", piped.stdout);
    let names: Vec<_> =
        fs::read_dir(cli.folder()).expect("a folder").map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 3, "data, file, log: {names:?}");

    let busy = cli.run(&["import", "file"]);
    assert_eq!(busy.code, Some(1), "{busy:?}");
    let begin = format!("error: The folder {} is served by process ", cli.folder().join("data").display());
    assert!(busy.stderr.starts_with(&begin), "{busy:?}");
    let used = Instance::new(&[NOWHERE]);
    let system = ROOTS.replace("UvmObjects/system", "UvmObjects/mine");
    let mine = format!("{HEADER}\n{system}\n{END}\n");
    assert_eq!(used.run_with(&["import", "-"], &mine).code, Some(0));
    let again = used.run_with(&["import", "-"], &mine);
    let text = format!(
        "error: The image {} has content already. Choose another folder with --data, or another database with DB_NAME.\n",
        used.folder().join("data/image.sqlite").display()
    );
    assert_eq!((again.code, again.stderr), (Some(1), text));
    let empty = Instance::new(&[NOWHERE]);
    let nothing = empty.run(&["export"]);
    assert_eq!((nothing.code, nothing.stdout.as_str()), (Some(1), ""), "{nothing:?}");
    let image = empty.folder().join("data/image.sqlite");
    let text = format!(
        "error: There is no image {} yet. `aura serve` creates it, and --data names another folder.\n",
        image.display()
    );
    assert_eq!(nothing.stderr, text);
    assert!(!empty.folder().join("data").exists());
}
