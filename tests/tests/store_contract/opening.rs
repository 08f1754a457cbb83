//! `SQLite` images as files: which are opened, which are refused and with what advice, and what only another
//! program could have written into them.

use std::fs;
use std::path::Path;

use aura::object::{Content, Digest};
use aura::store::sqlite::SqliteStore;
use aura::store::{Accepted, InvocationFilter, Store, StoreError};
use rusqlite::Connection;
use tokio::runtime::{Handle, Runtime};

use crate::values::{accept, id, install, join, message, name, resolved};
use crate::{Image as _, SqliteImage};

/// What opening says when it refuses, without the path.
fn refusal(path: &Path) -> String {
    let text = match SqliteStore::open(path) {
        Err(StoreError::Unavailable(text)) => text,
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("opened"),
    };
    text.strip_prefix(&format!("{}: ", path.display())).unwrap().to_owned()
}

#[tokio::test]
async fn missing_folders_are_created() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("not/there/image.db");
    SqliteStore::open(&path).unwrap().genesis().await.unwrap();
    SqliteStore::open(&path).unwrap().object(&id("system")).await.unwrap();
}

#[test]
fn a_newer_schema_is_refused() {
    let image = SqliteImage::empty();
    drop(image.open());
    Connection::open(image.path()).unwrap().pragma_update(None, "user_version", 99).unwrap();
    assert_eq!(
        refusal(&image.path()),
        "the image has schema version 99 and this aura knows 4; use a newer aura"
    );
}

#[test]
fn what_is_no_image_is_refused_and_left_alone() {
    let image = SqliteImage::empty();
    let text = "not a database\n".repeat(100);
    fs::write(image.path(), &text).unwrap();
    assert_eq!(
        refusal(&image.path()),
        "the file is not an image; move it away or name another one (file is not a database)"
    );
    assert_eq!(fs::read_to_string(image.path()).unwrap(), text);

    fs::remove_file(image.path()).unwrap();
    Connection::open(image.path()).unwrap().execute_batch("CREATE TABLE theirs (x)").unwrap();
    let before = fs::read(image.path()).unwrap();
    assert_eq!(
        refusal(&image.path()),
        "the file is the database of another program; move it away or name another one"
    );
    assert_eq!(fs::read(image.path()).unwrap(), before);

    let folder = image.path().with_file_name("folder");
    fs::create_dir(&folder).unwrap();
    assert!(refusal(&folder).starts_with("the image cannot be opened for writing; let this user write"));
    let below_a_file = image.path().join("image.db");
    assert!(refusal(&below_a_file).starts_with("its folder cannot be created"));
}

#[test]
fn an_image_locked_by_another_program_is_refused() {
    let image = SqliteImage::empty();
    drop(image.open());
    let other = Connection::open(image.path()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert!(
        refusal(&image.path()).starts_with("another program holds the image locked; stop it and try again")
    );
}

#[test]
fn a_read_only_image_is_refused() {
    let image = SqliteImage::empty();
    drop(image.open());
    let mut permissions = fs::metadata(image.path()).unwrap().permissions();
    permissions.set_readonly(true);
    fs::set_permissions(image.path(), permissions).unwrap();
    if fs::OpenOptions::new().write(true).open(image.path()).is_ok() {
        return; // The superuser writes to read-only files.
    }
    assert_eq!(refusal(&image.path()), "the file is read-only; let this user write to it");
}

#[tokio::test]
async fn an_image_of_the_first_schema_is_taken_over() {
    let image = SqliteImage::empty();
    let messages = [message("a"), message("b")];
    let old = Connection::open(image.path()).unwrap();
    old.execute_batch(include_str!("../../../host/src/store/sqlite/migrations/0001_living_image.sql"))
        .unwrap();
    old.execute_batch("PRAGMA application_id = 0x41555241; PRAGMA user_version = 1").unwrap();
    for (message, key) in messages.iter().zip([Some("key"), None]) {
        let (id, record) = (message.message_id.to_string(), serde_json::to_string(message).unwrap());
        let sql = "INSERT INTO Messages (id, idempotency_key, target, status, record) VALUES (?1, ?2, 'a', 'accepted', ?3)";
        old.execute(sql, (id, key, record)).unwrap();
    }
    // Records of that time held digests of the attributes, and neither what was inherited nor what was sent.
    let digest = "0".repeat(64);
    let record = format!(
        r#"{{"invocation_id":"0196d8f0-0000-7000-8000-000000000001","message_id":"{}","parent":null,
        "receiver":"UvmObjects/b","receiver_rev":"1","source_object_id":"UvmObjects/a","method_name":"greet",
        "method_version":1,"source_digest":"{digest}","attributes_before":"{digest}","args":[1.50],"kwargs":{{}},
        "seed":7,"time":5,"quota":{{"fuel":1,"wall_ms":2,"memory_bytes":3,"output_bytes":4}},
        "guest_digest":"{digest}","config_digest":"{digest}",
        "outcome":{{"returned":{{"result":1e2,"attributes_after":"{digest}"}}}},
        "output":"","fuel_used":9,"peak_memory_bytes":10}}"#,
        messages[0].message_id
    );
    let sql = "INSERT INTO Invocations (id, record) VALUES ('0196d8f0-0000-7000-8000-000000000001', ?1)";
    old.execute(sql, [record]).unwrap();
    drop(old);
    let store = image.open();
    let filter =
        InvocationFilter { method: Some((id("a"), name("greet"))), limit: 9, ..InvocationFilter::default() };
    let [run] = &store.invocations(&filter).await.unwrap().items[..] else { panic!("one record") };
    assert_eq!(store.invocation(run.invocation_id).await.unwrap().as_ref(), Some(run));
    assert_eq!(
        (&run.attributes_before, &run.inherited),
        (&Content::Kept(Digest::parse(&digest).unwrap()), &None)
    );
    let lease = join(&store, "one").await;
    assert_eq!(store.take_over(&lease).await.unwrap(), 2);
    assert_eq!(store.unfinished(&lease.server).await.unwrap(), messages);
    let again = store.accept(&message("c"), Some("key"), &lease).await.unwrap();
    assert!(matches!(again, Accepted::Before(before) if before == messages[0]));
}

/// The files as a crash would leave them hold everything that was answered.
#[tokio::test]
async fn an_accepted_message_is_in_the_files() {
    let (image, crashed) = (SqliteImage::empty(), SqliteImage::empty());
    let store = image.open();
    let message = message("a");
    let lease = join(&store, "one").await;
    accept(&store, &lease, &message).await;
    for suffix in ["", "-wal"] {
        let file = |image: &SqliteImage| format!("{}{suffix}", image.path().display());
        fs::copy(file(&image), file(&crashed)).unwrap();
    }
    assert_eq!(crashed.open().unfinished(&lease.server).await.unwrap(), [message]);
}

#[test]
fn threads_outside_the_runtime_can_use_the_store() {
    let runtime = Runtime::new().unwrap();
    let image = SqliteImage::empty();
    let store = image.open();
    let use_it = |handle: Handle| {
        handle.block_on(store.genesis()).unwrap();
        assert_eq!(handle.block_on(store.objects(None, 9)).unwrap().items.len(), 2);
    };
    std::thread::scope(|scope| scope.spawn(|| use_it(runtime.handle().clone())).join().unwrap());
}

/// The receiver and 999 prototypes are searched.
#[tokio::test]
async fn a_search_ends_after_a_thousand_objects() {
    let image = SqliteImage::empty();
    let store = image.open();
    Connection::open(image.path())
        .unwrap()
        .execute_batch(
            "WITH RECURSIVE counter (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counter LIMIT 1100)
             INSERT INTO UvmObjects (number, key, rev, attributes) SELECT n, n, 1, '{}' FROM counter;
             INSERT INTO PrototypeLinks (object, position, prototype)
             SELECT number, 0, number + 1 FROM UvmObjects WHERE number < 1100",
        )
        .unwrap();
    store.install(install("1100", "greet", "return 1", None)).await.unwrap();
    assert_eq!(resolved(&store, "101", "greet").await, Some(("return 1".to_owned(), id("1100"))));
    let refused = store.resolve(&id("100"), &name("greet")).await;
    assert!(matches!(refused, Err(StoreError::LineageTooLong(key)) if key == id("100")));
}
