//! Disks that are full, read-only or broken, and images that another program holds: what the user is told, and that
//! the server goes on when the trouble is over.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use aura_tests::{Answer, Client, Instance, ScriptedMind, Server};
use rusqlite::Connection;
use serde_json::json;

use crate::api::{NOWHERE, accepted, done, ended, install, is_problem, read, to};
use crate::damage;
use crate::image::{copied, kept};

/// A file system of its own, in memory.
struct Mount(PathBuf);

impl Mount {
    /// In the instance's folder. `None`: this user may not mount anything.
    fn at(instance: &Instance, name: &str, size: &str) -> Option<Self> {
        let folder = instance.folder().join(name);
        fs::create_dir(&folder).expect("a folder");
        let mounted = mount(&["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"], &folder);
        if !mounted {
            println!("skipped: only the superuser can mount a file system");
        }
        mounted.then_some(Self(folder))
    }

    fn again(&self, options: &str) {
        assert!(mount(&["-o", &format!("remount,{options}")], &self.0));
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // Lazily: a server may still have its files open.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn mount(options: &[&str], at: &Path) -> bool {
    let done = Command::new("mount").args(options).arg(at).stderr(Stdio::null()).status();
    done.is_ok_and(|status| status.success())
}

/// A message with much in it.
async fn large(client: &Client) -> Answer {
    let mut message = to("system", "count");
    message["args"] = json!(["x".repeat(200_000)]);
    client.send("POST", "/message", &message.to_string()).await
}

#[tokio::test]
async fn a_server_whose_disk_is_full_says_so_and_goes_on_when_there_is_space() {
    let mind = ScriptedMind::start().await;
    let instance = Instance::new(&[("OLLAMA_HOST", &mind.url())]);
    let Some(disk) = Mount::at(&instance, "data", "8m") else { return };
    let server = Server::serve(instance);
    let client = server.client();
    install(client, "system", "count", "self.n = getattr(self, 'n', 0) + 1").await;
    let mut taken_in = Vec::new();
    let full = loop {
        let answer = large(client).await;
        if answer.status != 202 {
            break answer;
        }
        taken_in.push(accepted(&answer));
        assert!(taken_in.len() < 1_000, "the disk does not fill up");
    };
    let detail = "the store cannot be used: the disk is full; free some space and try again (database or disk is full)";
    is_problem(&full, 503, "StoreUnavailable", detail);
    read(client, "/objects/system").await;
    assert_eq!(client.get("/healthz").await.status, 200);

    disk.again("size=64m");
    taken_in.push(accepted(&large(client).await));
    let mut completed = 0;
    for id in &taken_in {
        let record = ended(client, id).await.record();
        // One that met the full disk again and again has failed, and has changed nothing.
        match record.error {
            None => completed += 1,
            Some(error) => assert_eq!(error.kind, "StoreUnavailable"),
        }
    }
    assert!(completed > 0);
    assert_eq!(read(client, "/objects/system").await["attributes"]["n"], json!(completed));
    let server = server.kill().restart();
    assert_eq!(read(server.client(), "/objects/system").await["attributes"]["n"], json!(completed));
    drop(server.kill());
}

#[test]
fn what_does_not_fit_on_a_disk_leaves_nothing_there() {
    let instance = Instance::new(&[NOWHERE]);
    let export = format!(
        "{}\n{{\"object\":{{\"id\":\"large\",\"attributes\":{{\"text\":\"{}\"}}}}}}\n{}\n",
        r#"{"aura":{"format":1,"version":"0.1.0","exported_at":0}}"#,
        "x".repeat(3 << 20),
        r#"{"end":{"objects":1,"versions":0,"messages":0,"invocations":0}}"#
    );
    let Some(disk) = Mount::at(&instance, "data", "1m") else { return };
    let full = instance.run_with(&["import", "-"], &export);
    let text = "error: StoreUnavailable: the store cannot be used: the database undid the transaction, as it does on a full disk; free some space and try again\n";
    assert_eq!((full.code, full.stderr.as_str()), (Some(3), text), "{full:?}");
    disk.again("size=64m");
    assert_eq!(instance.run_with(&["import", "-"], &export).code, Some(0), "nothing was kept");

    let Some(disk) = Mount::at(&instance, "elsewhere", "1m") else { return };
    let full = instance.run(&["export", "elsewhere/file"]);
    let text = "error: elsewhere/file cannot be written: No space left on device (os error 28)\n";
    assert_eq!((full.code, full.stderr.as_str()), (Some(1), text), "{full:?}");
    let full = instance.run(&["copy", "elsewhere/file"]);
    assert_eq!(full.code, Some(3), "{full:?}");
    let text = ": the disk is full; free some space and try again (database or disk is full)\n";
    assert!(full.stderr.ends_with(text), "{full:?}");
    assert_eq!(fs::read_dir(&disk.0).expect("a folder").count(), 0);
    disk.again("size=64m");
    assert_eq!(instance.run(&["export", "elsewhere/file"]).code, Some(0));
    assert_eq!(instance.run(&["copy", "elsewhere/copy"]).code, Some(0));
}

#[test]
fn a_read_only_folder_is_named_with_its_cure() {
    let mind = ScriptedMind::start_blocking();
    let instance = Instance::new(&[("OLLAMA_HOST", &mind.url()), ("AURA_API_PORT", "0")]);
    let Some(disk) = Mount::at(&instance, "data", "8m") else { return };
    disk.again("ro");
    let shown = disk.0.display();
    let refused = instance.run(&["genesis"]);
    let text = format!(
        "error: StoreUnavailable: the store cannot be used: {shown}/image.sqlite: the image cannot be opened for writing; let this user write to the file and its folder ("
    );
    assert_eq!(refused.code, Some(3), "{refused:?}");
    assert!(refused.stderr.starts_with(&text), "{refused:?}");
    let refused = instance.run(&["serve", "--port", "0"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert_eq!(refused.stderr, format!("error: {shown}/serve-0.lock: Read-only file system (os error 30)\n"));
    let seen = instance.run(&["doctor"]);
    assert_eq!(seen.code, Some(1), "{seen:?}");
    let text = format!(
        "FAIL  data folder: {shown} cannot be written to (Read-only file system (os error 30))\n      Let this user write to it, or choose another folder with AURA_DATA.\n"
    );
    assert!(seen.stdout.contains(&text), "{}", seen.stdout);
}

#[test]
fn what_fix_cannot_do_is_a_failure() {
    let mind = ScriptedMind::start_blocking();
    let (mut instance, ..) = copied(&kept());
    instance.set("OLLAMA_HOST", &mind.url());
    instance.set("AURA_API_PORT", "0");
    let Some(disk) = Mount::at(&instance, "swept", "2g") else { return };
    let draft = disk.0.join("image/a.draft");
    fs::create_dir(disk.0.join("image")).expect("a folder");
    fs::write(&draft, "half").expect("a draft");
    instance.set("AURA_CACHE", &disk.0.display().to_string());
    disk.again("ro");
    assert_eq!(instance.run(&["doctor"]).code, Some(0), "warnings alone");
    let done = instance.run(&["doctor", "--fix"]);
    let text = format!("\ncannot fix cache: {}: Read-only file system (os error 30)\n", draft.display());
    assert!(done.code == Some(1) && done.stdout.contains(&text), "{done:?}");
}

/// Another program that holds the image for longer than a write waits.
#[tokio::test]
async fn an_image_held_by_another_program_is_named_and_used_again_when_it_is_free() {
    let server = Server::start_with(&[NOWHERE]);
    let client = server.client();
    install(client, "system", "greet", "return 'hello'").await;
    let other = Connection::open(damage::image(server.cli())).expect("the image");
    other.busy_timeout(Duration::from_mins(1)).expect("patience");
    other.execute_batch("BEGIN EXCLUSIVE").expect("the image is free");
    let refused = client.send("POST", "/message", &to("system", "greet").to_string()).await;
    let detail = "the store cannot be used: another program holds the image locked; stop it and try again (database is locked)";
    is_problem(&refused, 503, "StoreUnavailable", detail);
    read(client, "/objects/system").await;
    other.execute_batch("ROLLBACK").expect("it was held");
    let record = client.message(&to("system", "greet").to_string()).await;
    assert_eq!(record.result.get(), r#""hello""#);
}

#[tokio::test]
async fn a_damaged_image_is_named_with_its_cure() {
    let server = Server::start_with(&[NOWHERE]);
    done(server.client(), "POST", "/objects", &json!({ "key": "mine" }), 201).await;
    server.terminate();
    let stopped = server.stopped();
    let image = damage::image(stopped.cli());
    let sound = damage::spoil(&image);
    let refused = stopped.cli().run(&["serve", "--port", "0"]);
    assert_eq!(refused.code, Some(3), "{refused:?}");
    let text = "the image is damaged; restore it from a copy (database disk image is malformed)\n";
    assert!(refused.stderr.ends_with(text), "{refused:?}");
    let refused = stopped.cli().run(&["export", "file"]);
    assert_eq!(refused.code, Some(3), "{refused:?}");
    assert!(refused.stderr.ends_with(text), "{refused:?}");
    assert!(!stopped.cli().folder().join("file").exists());
    fs::write(&image, sound).expect("the image");
    let server = stopped.restart();
    read(server.client(), "/objects/mine").await;
}

#[test]
fn a_cluster_that_is_away_is_named_with_its_cure() {
    let cluster = [
        NOWHERE,
        ("AURA_API_PORT", "0"),
        ("AURA_STORE", "arango"),
        ("ARANGO_HOST", "http://127.0.0.1:1"),
        ("ARANGO_PASS", "hush"),
    ];
    let instance = Instance::new(&cluster);
    let cure = "ArangoDB at http://127.0.0.1:1 cannot be reached (Connection refused (os error 111)); start it, or set ARANGO_HOST";
    for command in [&["serve", "--port", "0"][..], &["genesis"], &["export"]] {
        let done = instance.run(command);
        let expected = format!("error: StoreUnavailable: the store cannot be used: {cure}\n");
        assert_eq!((done.code, done.stdout.as_str(), done.stderr), (Some(3), "", expected), "{command:?}");
    }
    let doctor = instance.run(&["doctor"]);
    assert_eq!(doctor.code, Some(3), "{doctor:?}");
    assert!(doctor.stdout.contains(cure), "{}", doctor.stdout);
    assert!(!doctor.stdout.contains("hush"), "{}", doctor.stdout);
}
