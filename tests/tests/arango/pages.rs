//! Pages that end because of their bytes.

use aura::object::Invocation;
use aura::store::{Commit, InvocationFilter, MAX_PAGE_BYTES, MessageFilter, Store};
use libtest_mimic::Trial;

use crate::contract::Image;
use crate::image::Emulated;
use crate::trial;
use crate::values::{accept, cycle, id, invocation, join, json, message, object, rev};

pub fn trials() -> Vec<Trial> {
    vec![
        trial("pages::objects_are_cut_by_bytes", objects_are_cut_by_bytes),
        trial("pages::messages_are_cut_by_bytes", messages_are_cut_by_bytes),
        trial("pages::invocations_are_cut_by_bytes", invocations_are_cut_by_bytes),
    ]
}

/// Of which two do not fit on a page, so that the second one is the last.
fn large() -> String {
    "x".repeat(MAX_PAGE_BYTES / 2 + 1)
}

async fn objects_are_cut_by_bytes() {
    let image = Emulated::empty();
    let store = image.open();
    let keys = ["B", "a", "a-b", "ab"];
    for key in keys {
        store.create_object(object(key, &format!(r#"{{"x":"{}"}}"#, large()), &[])).await.unwrap();
    }
    let page = async |after: Option<&str>, limit| {
        let page = store.objects(after.map(id).as_ref(), limit).await.unwrap();
        (page.items.into_iter().map(|object| object.id).collect::<Vec<_>>(), page.more)
    };
    assert_eq!(page(None, 9).await, (vec![id("B"), id("a")], true));
    assert_eq!(page(Some("a"), 9).await, (vec![id("a-b"), id("ab")], false));
    assert_eq!(page(Some("a-b"), 1).await, (vec![id("ab")], false));
    assert_eq!(page(None, 1).await, (vec![id("B")], true));
    assert_eq!(page(None, 0).await, (vec![], true));
    assert_eq!(page(Some("ab"), 0).await, (vec![], false));
}

async fn messages_are_cut_by_bytes() {
    let image = Emulated::empty();
    let store = image.open();
    let lease = join(&store, "one").await;
    let mut sent = Vec::new();
    for _ in 0..3 {
        let mut message = message("a");
        message.args = json(&format!(r#"["{}"]"#, large()));
        accept(&store, &lease, &message).await;
        sent.push(message);
    }
    let page = async |after: usize| {
        let after = sent.get(after).map(|message| message.message_id);
        let filter = MessageFilter { after, limit: 9, ..MessageFilter::default() };
        let page = store.messages(&filter).await.unwrap();
        (page.items.into_iter().map(|message| message.message_id).collect::<Vec<_>>(), page.more)
    };
    let ids: Vec<_> = sent.iter().map(|message| message.message_id).collect();
    assert_eq!(page(9).await, (vec![ids[2], ids[1]], true));
    assert_eq!(page(1).await, (vec![ids[0]], false));
}

async fn invocations_are_cut_by_bytes() {
    let image = Emulated::empty();
    let store = image.open();
    store.create_object(object("a", "{}", &[])).await.unwrap();
    let (lease, message) = (join(&store, "one").await, message("a"));
    let rev = rev(&store, "a").await;
    let run = |_| Invocation { output: large(), ..invocation(&message, rev.clone()) };
    let runs: Vec<_> = (0..3).map(run).collect();
    let ids: Vec<_> = runs.iter().map(|run| run.invocation_id).collect();
    store.commit(Commit { invocations: runs, ..cycle(&lease, &message) }).await.unwrap();
    let page = async |after| {
        let filter = InvocationFilter { after, limit: 9, ..InvocationFilter::default() };
        assert_eq!(store.count_invocations(&filter).await.unwrap(), if after.is_none() { 3 } else { 1 });
        let page = store.invocations(&filter).await.unwrap();
        (page.items.into_iter().map(|run| run.invocation_id).collect::<Vec<_>>(), page.more)
    };
    assert_eq!(page(None).await, (vec![ids[2], ids[1]], true));
    assert_eq!(page(Some(ids[1])).await, (vec![ids[0]], false));
}
