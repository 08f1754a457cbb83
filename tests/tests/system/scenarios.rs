//! Every file in `tests/scenarios`, each a test of its own.

use crate::scenario;

macro_rules! scenarios {
    ($($name:ident)*) => {
        const LISTED: &[&str] = &[$(stringify!($name)),*];
        $(
            #[tokio::test]
            async fn $name() {
                scenario::play(include_str!(concat!("../../scenarios/", stringify!($name), ".toml"))).await;
            }
        )*
    };
}

scenarios! {
    arguments
    attributes
    audit_by_hand
    audit_refusal
    borders
    covenant
    depth
    exceptions
    first_contact
    idempotency
    inherited_values
    libraries
    limits
    mind_away
    mind_broken
    names_of_builtins
    nested_learning
    nested_limits
    output
    randomness
    resolution
    results
    second_attempt
    sends
    unwrapping
}

#[test]
fn every_file_is_listed() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios");
    let mut files: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    files.sort();
    assert_eq!(files, LISTED);
}
