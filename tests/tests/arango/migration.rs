//! Images of the version before.

use aura::object::Rev;
use aura::store::{InvocationFilter, Store};
use libtest_mimic::Trial;
use serde_json::json;

use crate::contract::Image;
use crate::image::Emulated;
use crate::trial;
use crate::values::{id, invocation, message, name};

pub fn trials() -> Vec<Trial> {
    vec![trial(
        "migration::records_of_the_version_before_are_found_by_their_method",
        records_of_the_version_before_are_found_by_their_method,
    )]
}

async fn records_of_the_version_before_are_found_by_their_method() {
    let image = Emulated::empty();
    drop(image.open());
    let runs = ["a", "b", "a"].map(|target| invocation(&message(target), Rev("_r".to_owned())));
    for run in &runs {
        let record = serde_json::to_string(run).unwrap();
        let document = json!({
            "_key": run.invocation_id, "id": run.invocation_id, "message": run.message_id,
            "bytes": record.len(), "record": record,
        });
        image.write("Invocations", document).await;
    }
    image.write("Meta", json!({ "_key": "schema", "version": 1 })).await;
    let store = image.open();
    let of_a =
        InvocationFilter { method: Some((id("a"), name("greet"))), limit: 9, ..InvocationFilter::default() };
    assert_eq!(store.invocations(&of_a).await.unwrap().items, [runs[2].clone(), runs[0].clone()]);
}
