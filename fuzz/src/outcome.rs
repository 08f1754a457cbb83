//! What a sandbox answers: the frames of a run in a process of its own, and what a guest returns or how it fails.

use std::fmt::Debug;
use std::time::Duration;

use aura::object::{Fault, Json, Kind, Quota};
use aura::sandbox::remote::checks::{Ledger, audit, greeting};
use aura::sandbox::remote::decode;
use aura::sandbox::remote::protocol::{self, Audited, MAX_CUT, Ran, Sent, Welcome};
use aura::sandbox::wasm::bindings::exports::aura::python::runner;
use aura::sandbox::wasm::{failed, finished};
use aura::sandbox::{MAX_FINDINGS, Outcome, Reply, Run, Send, Verdict};
use serde::{Deserialize, Serialize};

const QUOTA: Quota = Quota { fuel: 10_000, wall_ms: 1_000, memory_bytes: 1 << 20, output_bytes: 64 };
/// What is left of it at each send.
const TIME: Duration = Duration::from_millis(500);

pub fn read(bytes: &[u8]) -> bool {
    welcomed(bytes) || audited(bytes) || run(bytes)
}

fn welcomed(frame: &[u8]) -> bool {
    let Some(Ok(greeting)) = whole::<Welcome>(frame).map(greeting) else { return false };
    assert!(!greeting.confinement.contains(char::is_control), "a bell");
    true
}

fn audited(frame: &[u8]) -> bool {
    let Some(Ok(answer)) = whole::<Audited>(frame).map(audit) else { return false };
    match answer.map(|audit| audit.verdict) {
        Ok(Verdict::Rejected(findings)) => {
            assert!((1..=MAX_FINDINGS).contains(&findings.len()));
            assert!(findings.iter().all(|finding| is_short(&finding.message) && is_short(&finding.rule)));
        }
        Ok(Verdict::Accepted) => {}
        Err(fault) => assert!(is_bounded(&fault)),
    }
    true
}

/// A value that fills a frame; written, it is read as the same.
fn whole<T: Debug + Serialize + for<'de> Deserialize<'de>>(frame: &[u8]) -> Option<T> {
    let value: T = decode(frame).ok()?;
    let written = postcard::to_allocvec(&value).expect("memory takes all");
    let again: T = decode(&written).expect("what is written is read");
    assert_eq!(format!("{again:?}"), format!("{value:?}"));
    Some(value)
}

/// The frames of one run, each behind its length in two bytes.
fn run(mut bytes: &[u8]) -> bool {
    let mut ledger = Ledger::new(QUOTA);
    let (mut left, mut is_stopped) = (QUOTA.fuel, false);
    while let Some((length, rest)) = bytes.split_first_chunk() {
        let (frame, rest) = rest.split_at(rest.len().min(u16::from_le_bytes(*length).into()));
        bytes = rest;
        let asked = match whole::<Ran>(frame) {
            Some(Ran::Sent(asked)) => asked,
            Some(Ran::Ended(ended)) => {
                in_this_process(&ended.outcome);
                return ledger.end(ended).is_ok_and(|run| end(&run, left, is_stopped));
            }
            None => return false,
        };
        let Ok(send) = send(&mut ledger, asked, left) else { return false };
        assert!(!is_stopped, "a send of a run that was stopped");
        let reply = answer(&send);
        left = send.fuel - reply.as_ref().map_or(0, |reply| reply.fuel_used);
        is_stopped = reply.is_none();
        ledger.replied(reply.as_ref());
    }
    false
}

fn send(ledger: &mut Ledger, asked: Sent, left: u64) -> Result<Send, String> {
    let send = ledger.send(asked, TIME)?;
    assert!(send.fuel <= left && u128::from(send.wall_ms) <= TIME.as_millis());
    assert!(send.memory_bytes <= QUOTA.memory_bytes);
    assert!(send.args.is_array() && send.kwargs.is_object());
    assert!(send.attributes.as_ref().is_none_or(Json::is_object));
    [&send.args, &send.kwargs].into_iter().for_each(is_json);
    Ok(send)
}

/// To `stop` none, to `refuse` a refusal.
fn answer(send: &Send) -> Option<Reply> {
    let result = match send.method.as_str() {
        "stop" => return None,
        "refuse" => Err(Fault::new(Kind::ObjectNotFound, "not here")),
        _ => Ok(Json::null()),
    };
    Some(Reply { result, attributes: None, fuel_used: send.fuel / 2 })
}

fn end(run: &Run, left: u64, is_stopped: bool) -> bool {
    assert!(run.output.len() as u64 <= QUOTA.output_bytes, "too much output");
    assert!((QUOTA.fuel - left..=QUOTA.fuel).contains(&run.fuel_used), "fuel that was not there");
    match &run.outcome {
        Outcome::Returned { result, attributes } => {
            is_json(result);
            assert!(attributes.as_ref().is_none_or(Json::is_object));
        }
        Outcome::Failed(fault) => assert!(is_bounded(fault)),
        Outcome::Aborted => {}
    }
    assert_eq!(matches!(run.outcome, Outcome::Aborted), is_stopped);
    true
}

/// The same from a guest in this process.
fn in_this_process(outcome: &protocol::Outcome) {
    match outcome {
        protocol::Outcome::Returned { result, attributes } => {
            let returned = runner::Returned { value: result.clone(), attributes: attributes.clone() };
            match finished(returned) {
                Outcome::Returned { result, attributes } => {
                    is_json(&result);
                    assert!(attributes.as_ref().is_none_or(Json::is_object));
                }
                Outcome::Failed(fault) => assert_eq!(fault.kind, Kind::Internal),
                Outcome::Aborted => panic!("nobody stopped it"),
            }
        }
        protocol::Outcome::Failed(failure) => {
            let exception = failure.exception.as_ref();
            let raised = runner::Raised {
                class: exception.map(|exception| exception.class.clone()).unwrap_or_default(),
                text: failure.message.clone(),
                line: exception.and_then(|exception| exception.line),
                traceback: exception.map(|exception| exception.traceback.clone()).unwrap_or_default(),
                refusal: Some(format!("{:?}", failure.kind)),
            };
            let refused = Fault::new(Kind::ObjectNotFound, "not here");
            assert!(is_bounded(&failed(runner::Failure::Raised(raised), Some(refused), QUOTA)));
            assert!(is_bounded(&failed(runner::Failure::Covenant(failure.message.clone()), None, QUOTA)));
        }
        protocol::Outcome::Aborted => {}
    }
}

fn is_json(json: &Json) {
    assert_eq!(Json::parse(json.get().to_owned()).expect("checked"), *json);
}

fn is_short(text: &str) -> bool {
    text.chars().count() <= MAX_CUT + 1
}

fn is_bounded(fault: &Fault) -> bool {
    fault.message.chars().count() <= 2 * MAX_CUT + 3
        && fault
            .exception
            .as_ref()
            .is_none_or(|detail| is_short(&detail.class) && is_short(&detail.traceback))
}
