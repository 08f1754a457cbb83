//! `aura sandbox`.

use std::fs;

use aura_tests::{Instance, SandboxProcess};

use crate::liar::Liar;

#[test]
fn where_it_may_listen() {
    let instance = Instance::new(&[]);
    let refused = instance.run(&["sandbox", "serve", "--listen", "http://0.0.0.0:0"]);
    let text = "error: http://0.0.0.0:0/execute can be reached from other machines, and a sandbox asks nobody who they \
                are: listen on 127.0.0.1 or a socket file, or say --allow-public where only its hosts reach it.\n";
    assert_eq!((refused.code, refused.stderr.as_str()), (Some(2), text));
    fs::write(instance.folder().join("file"), "").expect("a file");
    let file = instance.folder().join("file").display().to_string();
    let refused = instance.run(&["sandbox", "serve", "--listen", &format!("unix:{file}")]);
    let text = format!("error: {file} is there already, and is no socket.\n");
    assert_eq!((refused.code, refused.stderr), (Some(1), text));
}

#[test]
fn one_sandbox_listens_on_a_socket_and_the_next_takes_it_over_when_that_is_gone() {
    use std::os::unix::fs::PermissionsExt as _;

    let instance = Instance::new(&[]);
    let first = SandboxProcess::start(&instance, "s.sock");
    let path = instance.folder().join("s.sock");
    assert_eq!(fs::metadata(&path).expect("the socket").permissions().mode() & 0o777, 0o600);
    let refused = instance.run(&["sandbox", "serve", "--listen", first.url()]);
    let text = format!("error: Another sandbox listens on {} already.\n", path.display());
    assert_eq!((refused.code, refused.stderr), (Some(1), text));
    let (code, log) = first.terminate();
    assert_eq!((code, log.as_str()), (Some(0), "The sandbox stopped.\n"));
    let second = SandboxProcess::start(&instance, "s.sock");
    second.kill();
    SandboxProcess::start(&instance, "s.sock").kill();
}

#[test]
fn a_body_is_run_by_hand() {
    let instance = Instance::new(&[]);
    let body = "print('hi')\nself.n = kwargs['n']\nreturn [args, self.key]\n";
    let run = |body: &str, more: &[&str]| {
        let mut args = vec!["sandbox", "run", "-"];
        args.extend(more);
        instance.run_with(&args, body)
    };
    let done = run(body, &["--args", "[1]", "--kwargs", r#"{"n": 2}"#]);
    assert_eq!((done.code, done.stdout.as_str()), (Some(0), "hi\n[[1],\"UvmObjects/system\"]\n"), "{done:?}");
    assert!(done.stderr.starts_with("Its attributes are now {\"n\":2}\n"), "{done:?}");
    let done = run("return 1 / 0", &["--json"]);
    let report: serde_json::Value = serde_json::from_str(&done.stdout).expect("JSON");
    assert_eq!((done.code, &report["error"]["kind"]), (Some(1), &"PythonException".into()), "{done:?}");
    let done = run("self.send('other', 'greet')", &[]);
    assert!(done.stderr.ends_with("MethodNotFound: the method sends a message, and here is nobody else\n"));
    assert_eq!(done.code, Some(1), "{done:?}");
    let done = run("import os", &[]);
    assert!(done.stderr.contains("error: AuditRejected: "), "{done:?}");
    assert_eq!(run("while True: pass", &["--fuel", "100000000"]).code, Some(1));
    let done = run("return 1", &["--fuel", "0"]);
    assert_eq!(
        (done.code, done.stderr.as_str()),
        (Some(2), "error: fuel must be between 1 and 1000000000000\n")
    );
}

#[test]
fn a_command_says_that_no_sandbox_answers() {
    let instance = Instance::new(&[("EXECUTION_SANDBOX_URL", "unix:/nowhere/a.sock")]);
    let done = instance.run_with(&["audit", "-"], "return 1");
    let why = "unix:/nowhere/a.sock is away: No such file or directory (os error 2)";
    let text = format!(
        "Waiting for the sandbox: no sandbox answers: {why}.\nerror: No sandbox answers: {why}. Start one with `aura \
         sandbox serve`, or leave EXECUTION_SANDBOX_URL empty.\n"
    )
    .replace("no sandbox answers: unix", "unix");
    assert_eq!((done.code, done.stderr), (Some(3), text));
    let doctor = instance.run(&["doctor"]);
    let line = format!("FAIL  sandbox: {why}\n");
    assert!(doctor.stdout.contains(&line), "{}", doctor.stdout);
}

#[test]
fn what_nobody_reads_ends_no_program() {
    let instance = Instance::new(&[("AURA_LOG", "trace")]);
    let liar = Liar::start(|_| ());
    let check = format!("aura-sandbox --listen {} --check", liar.url());
    let said = instance.shell(&check);
    let text = format!("{} is ready, not confined.\n", liar.url());
    assert_eq!((said.code, said.stdout), (Some(0), text));
    let unsaid = instance.shell(&format!("{check} >/dev/full"));
    assert_eq!((unsaid.code, unsaid.stdout.as_str()), (Some(0), ""));
    let unsaid = instance.shell("aura sandbox serve --listen unix:/nowhere/a.sock 2>/dev/full");
    assert_eq!((unsaid.code, unsaid.stdout.as_str()), (Some(1), ""));
}

#[test]
fn a_check_waits_for_nobody_who_shares_the_folder() {
    let instance = Instance::new(&[]);
    let said = instance.shell("mkfifo 0.owner; aura-sandbox --listen unix:$PWD/ --check");
    let folder = instance.folder().canonicalize().expect("the folder");
    let text = format!("error: no sandbox of this machine listens in unix:{}/\n", folder.display());
    assert_eq!((said.code, said.stdout), (Some(1), text));
}
