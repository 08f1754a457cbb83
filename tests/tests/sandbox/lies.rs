//! Whatever a sandbox answers, the run fails with a text that says what it was, and nothing of it is taken over.

use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Once, mpsc};
use std::thread;
use std::time::Duration;

use aura::object::{Json, Kind, Quota, Source};
use aura::sandbox::remote::checks::Ledger;
use aura::sandbox::remote::protocol::{
    Audit, Ended, Exception, Failure, Finding, Outcome as Said, Ran, Sent, Welcome,
};
use aura::sandbox::{Nobody, Outcome, Reply, Sandbox as _, Send, Sends};
use aura_tests::proc::peak;
use aura_tests::{ScriptedMind, Server};
use serde_json::json;

use crate::client;
use crate::liar::{Liar, ended, frame, hear, ran, returned, say, welcome, write};
use crate::program::program;

/// Answers everything.
struct Everybody(u64);

impl Sends for Everybody {
    fn send(&mut self, _: Send) -> Option<Reply> {
        self.0 += 1;
        Some(Reply { result: Ok(Json::null()), attributes: None, fuel_used: 10 })
    }
}

const QUOTA: Quota = Quota { fuel: 1_000, wall_ms: 100, memory_bytes: 1 << 20, output_bytes: 10 };

/// The text of the fault that a run in such a sandbox ends with.
fn told(script: impl Fn(&mut UnixStream) + std::marker::Send + Sync + 'static) -> String {
    let liar = Liar::start(script);
    let sandbox = client(&liar.url()).expect("it answers");
    let run = sandbox.run(&program("lie", "return 1", QUOTA).call, &mut Everybody(0));
    let Outcome::Failed(fault) = run.outcome else { panic!("{:?}", run.outcome) };
    assert_eq!((fault.kind, run.output.as_str(), run.fuel_used), (Kind::SandboxUnavailable, "", 0));
    let begin = format!("the sandbox at {} ", liar.url());
    fault.message.strip_prefix(&begin).unwrap_or_else(|| panic!("{}", fault.message)).to_owned()
}

fn sent() -> Sent {
    Sent {
        attributes: None,
        target: "system".to_owned(),
        method: "greet".to_owned(),
        args: "[]".to_owned(),
        kwargs: "{}".to_owned(),
        fuel: 1_000,
        wall_ms: 100,
        memory_bytes: 1 << 20,
    }
}

#[test]
fn frames_that_are_none() {
    let most = (1 << 20) + 10 + 8 * ((16 << 10) + 3);
    let huge = told(|stream| write(stream, &[0xFF; 4096]));
    assert_eq!(huge, format!("answered with a frame of 4294967295 bytes where it may have {most}"));
    let garbage = told(|stream| write(stream, &frame(&[0xEE; 64])));
    assert_eq!(garbage, "answered with a frame that cannot be read");
    let more = told(|stream| {
        let bytes = postcard::to_allocvec(&ran(returned("1", None))).expect("a frame");
        write(stream, &frame(&[bytes, vec![0]].concat()));
    });
    assert_eq!(more, "answered with a frame with more in it than was asked for");
    let half = told(|stream| write(stream, &[100, 0, 0, 0, 1, 2, 3]));
    assert_eq!(half, "was lost: it closed the connection");
    assert_eq!(told(|_| ()), "was lost: it closed the connection");
}

#[test]
fn results_that_no_run_can_have() {
    let end = |ended: fn() -> Ended| told(move |stream| say(stream, &ran(ended())));
    let failed = |kind| ended(Said::Failed(Failure { kind, message: String::new(), exception: None }));
    for (text, told) in [
        ("text that is no JSON", end(|| returned("{]", None))),
        ("text that is no JSON", end(|| returned("\"\\ud800\"", None))),
        ("JSON that is no object", end(|| returned("1", Some("[]")))),
        ("1001 fuel used of 1000", end(|| Ended { fuel_used: 1_001, ..returned("1", None) })),
        ("11 bytes of output of 10", end(|| Ended { output: "x".repeat(11), ..returned("1", None) })),
        (
            "1048577 bytes of memory of 1048576",
            end(|| Ended { peak_memory_bytes: (1 << 20) + 1, ..returned("1", None) }),
        ),
        ("the end of a run that nobody stopped", end(|| ended(Said::Aborted))),
        (
            "a failure that no run has: StoreUnavailable",
            told(move |stream| say(stream, &ran(failed(Kind::StoreUnavailable)))),
        ),
    ] {
        assert_eq!(told, format!("answered with {text}"));
    }
}

#[test]
fn sends_that_no_method_can_make() {
    let send = |sent: Sent| {
        let frame = frame(&postcard::to_allocvec(&Ran::Sent(sent)).expect("a frame"));
        told(move |stream| {
            write(stream, &frame);
            hear(stream);
        })
    };
    for (text, told) in [
        ("a send to what is no object", send(Sent { target: "a/b/c".to_owned(), ..sent() })),
        ("a send of what is no method's name", send(Sent { method: "1".to_owned(), ..sent() })),
        ("arguments that are no array", send(Sent { args: "{}".to_owned(), ..sent() })),
        ("JSON that is no object", send(Sent { kwargs: "[]".to_owned(), ..sent() })),
        ("text that is no JSON", send(Sent { attributes: Some(String::new()), ..sent() })),
        ("a send with 1001 fuel left of 1000", send(Sent { fuel: 1_001, ..sent() })),
    ] {
        assert_eq!(told, format!("answered with {text}"));
    }
    let endless = told(|stream| {
        for _ in 0..1_000_000 {
            say(stream, &Ran::Sent(sent()));
            if hear(stream).is_empty() {
                return;
            }
        }
    });
    assert_eq!(endless, "answered with a send with 1000 fuel left of 990");
    let too_little = told(|stream| {
        say(stream, &Ran::Sent(sent()));
        hear(stream);
        say(stream, &ran(returned("1", None)));
    });
    assert_eq!(too_little, "answered with 1 fuel used where 10 were gone already");
}

#[test]
fn a_send_has_no_more_time_than_its_run() {
    for (left, given) in [(30, 30), (3_000, 100)] {
        let said = Sent { wall_ms: u64::MAX, ..sent() };
        let send = Ledger::new(QUOTA).send(said, Duration::from_millis(left));
        assert_eq!(send.map(|send| send.wall_ms), Ok(given));
    }
}

#[test]
fn a_run_that_was_stopped_does_not_go_on() {
    let stopped = |then: fn() -> Ran| {
        let liar = Liar::start(move |stream| {
            say(stream, &Ran::Sent(sent()));
            hear(stream);
            say(stream, &then());
        });
        let sandbox = client(&liar.url()).expect("it answers");
        let run = sandbox.run(&program("lie", "return 1", QUOTA).call, &mut Nobody);
        let Outcome::Failed(fault) = run.outcome else { panic!("{:?}", run.outcome) };
        fault.message.rsplit_once(" answered with ").map(|(_, what)| what.to_owned())
    };
    assert_eq!(stopped(|| Ran::Sent(sent())).as_deref(), Some("a send of a run that was stopped"));
    let result = stopped(|| ran(returned("1", None)));
    assert_eq!(result.as_deref(), Some("a result of a run that was stopped"));
}

#[test]
fn silence_and_single_bytes_end_at_the_deadline() {
    let silent = told(|stream| {
        hear(stream);
    });
    assert_eq!(silent, "was lost: it did not answer in time");
    let slow = told(|stream| {
        let bytes = frame(&postcard::to_allocvec(&ran(returned("1", None))).expect("a frame"));
        for byte in bytes.iter().cycle() {
            write(stream, &[*byte]);
            if stream.peer_addr().is_err() {
                return;
            }
            thread::sleep(Duration::from_secs(1));
        }
    });
    assert_eq!(slow, "was lost: it did not answer in time");
}

#[test]
fn texts_are_cut_and_findings_counted() {
    let long = "é".repeat(15_000);
    let liar = Liar::start(move |stream| {
        let exception = Exception { class: "E".to_owned(), line: None, traceback: long.clone() };
        let failure =
            Failure { kind: Kind::PythonException, message: long.repeat(3), exception: Some(exception) };
        say(stream, &ran(ended(Said::Failed(failure))));
    });
    let sandbox = client(&liar.url()).expect("it answers");
    let run = sandbox.run(&program("lie", "return 1", QUOTA).call, &mut Nobody);
    let Outcome::Failed(fault) = run.outcome else { panic!("{:?}", run.outcome) };
    assert_eq!((fault.kind, fault.message.chars().count()), (Kind::PythonException, 32_775));

    let audit = |findings: usize| {
        let liar = Liar::start(move |stream| {
            let finding = || Finding { rule: "r".to_owned(), message: "m".to_owned(), line: 1, column: 1 };
            let findings = (0..findings).map(|_| finding()).collect();
            let audit: Result<Audit, Failure> = Ok(Audit { findings, fuel_used: 1 });
            say(stream, &audit);
        });
        let sandbox = client(&liar.url()).expect("it answers");
        let said = sandbox.audit(&Source::parse("return 1").expect("a body"));
        said.map_err(|fault| fault.message.replace(&liar.url(), "it"))
    };
    assert!(audit(100).is_ok());
    let text = "the sandbox at it answered with 101 findings where there may be 100";
    assert_eq!(audit(101).expect_err("too many"), text);
    let text = "the sandbox at it answered with a frame of 6000005 bytes where it may have 3284696";
    assert_eq!(audit(1_000_000).expect_err("far too many"), text);
}

#[test]
fn a_greeting_that_is_none_is_not_used() {
    let said = |welcome: Welcome| {
        let liar = Liar::welcoming(welcome, |_| ());
        client(&liar.url()).err().expect("refused").replace(&liar.url(), "it")
    };
    let digest = said(Welcome { guest_digest: "x".to_owned(), ..welcome() });
    assert_eq!(digest, "it answered with a digest that is none");
    let text = said(Welcome { confinement: "\u{1b}[2J".to_owned(), ..welcome() });
    assert_eq!(text, "it answered with a confinement that cannot be shown");

    let (first, other) = (
        Liar::start(|stream| say(stream, &ran(returned("1", None)))),
        Liar::welcoming(Welcome { config_digest: welcome().guest_digest, ..welcome() }, |_| ()),
    );
    let sandbox = client(&format!("{},{}", first.url(), other.url())).expect("one answers");
    let condition = sandbox.check().expect("one is ready");
    let text = format!(
        "{} is ready (not confined); {} has another guest or configuration than the first, and is not used",
        first.url(),
        other.url()
    );
    assert_eq!(condition, text);
    for _ in 0..5 {
        let run = sandbox.run(&program("lie", "return 1", QUOTA).call, &mut Nobody);
        assert!(matches!(run.outcome, Outcome::Returned { .. }), "{:?}", run.outcome);
    }
}

/// Each of the others hangs; the first answers when all have been asked.
#[test]
fn sandboxes_that_say_nothing_are_waited_for_together() {
    const SILENT: usize = 4;
    let folder = tempfile::tempdir().expect("a folder");
    let asked = Arc::new(Barrier::new(SILENT + 1));
    let silent: Vec<_> = (0..SILENT)
        .map(|number| {
            let path = folder.path().join(format!("{number}.sock"));
            let (listener, asked) = (UnixListener::bind(&path).expect("a socket"), Arc::clone(&asked));
            let hangs = thread::spawn(move || {
                let connection = listener.accept().expect("a connection");
                asked.wait();
                (listener, connection)
            });
            (format!("unix:{}", path.display()), hangs)
        })
        .collect();
    let once = Once::new();
    let time = move || {
        once.call_once(|| {
            asked.wait();
        });
    };
    let first = Liar::welcoming_when(time, welcome(), |stream| say(stream, &ran(returned("1", None))));
    let urls: Vec<_> = silent.iter().map(|(url, _)| url.as_str()).collect();
    let sandbox = client(&format!("{},{}", first.url(), urls.join(","))).expect("one answers");
    let mut said = vec![format!("{} is ready (not confined)", first.url())];
    said.extend(urls.iter().map(|url| format!("{url} is away: it did not answer in time")));
    assert_eq!(sandbox.check(), Ok(said.join("; ")));
    let run = sandbox.run(&program("lie", "return 1", QUOTA).call, &mut Nobody);
    assert!(matches!(run.outcome, Outcome::Returned { .. }), "{:?}", run.outcome);
}

#[test]
fn a_sandbox_that_lied_is_not_used_sooner_because_it_closes_other_connections() {
    let (begun, calls) = (Barrier::new(2), AtomicUsize::new(0));
    let lied = Arc::new(Barrier::new(2));
    let over = Arc::clone(&lied);
    let liar = Liar::start(move |stream| match calls.fetch_add(1, Ordering::SeqCst) {
        0 => {
            begun.wait();
            write(stream, &frame(&[0xEE; 64]));
        }
        1 => {
            begun.wait();
            over.wait();
        }
        _ => {}
    });
    let (liar, sandbox) = (&liar, &client(&liar.url()).expect("it answers"));
    let (tell, told) = mpsc::channel();
    thread::scope(|scope| {
        for tell in [tell.clone(), tell] {
            scope.spawn(move || {
                let run = sandbox.run(&program("lie", "return 1", QUOTA).call, &mut Nobody);
                let Outcome::Failed(fault) = run.outcome else { panic!("{:?}", run.outcome) };
                tell.send(fault.message.replace(&liar.url(), "it")).expect("the test listens");
            });
        }
        let what = "answered with a frame that cannot be read";
        assert_eq!(told.recv().expect("a run ends"), format!("the sandbox at it {what}"));
        lied.wait();
        let text = "the sandbox at it was lost: it closed the connection";
        assert_eq!(told.recv().expect("the other ends"), text);
        assert_eq!(sandbox.check(), Err(format!("{} {what}", liar.url())));
    });
}

#[tokio::test]
async fn a_server_with_a_sandbox_that_lies_fails_the_message_and_goes_on() {
    let mind = ScriptedMind::start().await;
    let liar = Liar::start(|stream| {
        // As much as a frame may have, and never its end.
        write(stream, &u32::to_le_bytes(100 << 20));
        let piece = vec![0; 1 << 20];
        for _ in 0..100 {
            write(stream, &piece);
        }
        write(stream, &[0xFF; 4]);
    });
    let server = Server::start_with(&[("OLLAMA_HOST", &mind.url()), ("EXECUTION_SANDBOX_URL", &liar.url())]);
    let client = server.client();
    let before = peak(server.id());
    let body = json!({ "source": "self.n = 1" }).to_string();
    let refused = client.send("PUT", "/objects/system/methods/count", &body).await;
    assert_eq!(refused.status, 503, "{}", refused.text);
    let text = format!(
        "the sandbox at {} answered with a frame of 104857600 bytes where it may have 3284696",
        liar.url()
    );
    assert_eq!(refused.json()["detail"], text.as_str(), "{}", refused.text);
    assert!(peak(server.id()) < before + (32 << 10), "{} KiB, before {before}", peak(server.id()));
    assert_eq!(client.get("/healthz").await.status, 200);
    let ready = client.get("/readyz").await;
    assert_eq!(ready.status, 503, "{}", ready.text);
    let detail = format!("{} answered with a frame of 104857600 bytes where it may have 3284696", liar.url());
    assert_eq!(ready.json()["sandbox"]["detail"], detail.as_str());
}
