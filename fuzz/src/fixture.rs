//! A replay fixture, and a case inside of one whose digest is right.

use aura::object::Digest;
use aura::replay::{self, FORMAT};
use serde_json::value::RawValue;

pub fn read(bytes: &[u8]) -> bool {
    whole(bytes) || serde_json::from_slice::<&RawValue>(bytes).is_ok_and(in_whole)
}

fn in_whole(case: &RawValue) -> bool {
    let sha256 = Digest::of(case.get().as_bytes());
    // The text of the case, byte for byte.
    let case = case.get();
    whole(
        format!(r#"{{"aura_replay":{FORMAT},"aura":"0.1.0","sha256":"{sha256}","case":{case}}}"#).as_bytes(),
    )
}

fn whole(fixture: &[u8]) -> bool {
    let Ok(case) = replay::read_fixture(fixture) else { return false };
    assert!(case.invocation.quota.is_possible(), "a quota that no run has");
    assert!(
        case.contents.iter().all(|(digest, json)| json.digest() == *digest),
        "a content of another digest"
    );
    let mut written = Vec::new();
    replay::write_fixture(&case, &mut written).expect("memory takes all");
    assert_eq!(replay::read_fixture(&*written).expect("what is written is read"), case);
    true
}
