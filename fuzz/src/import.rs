//! The lines of an export.

use std::collections::HashSet;

use aura::cli::lines::{Lines, LinesError, write_entry, write_header};
use aura::store::Entry;

pub fn read(bytes: &[u8]) -> bool {
    let (entries, end) = entries(bytes);
    let mut written = Vec::new();
    write_header(&mut written).expect("memory takes all");
    for entry in &entries {
        write_entry(&mut written, entry).expect("memory takes all");
    }
    let (again, ends) = self::entries(&written);
    assert_eq!(again, entries, "what is written is read");
    let is_whole = matches!(entries.last(), Some(Entry::End(_)));
    assert_eq!((end.is_ok(), ends.is_ok()), (is_whole, is_whole), "{end:?}, then {ends:?}");
    promises(&entries);
    is_whole
}

/// All entries up to the end, or to the first that is wrong.
fn entries(bytes: &[u8]) -> (Vec<Entry>, Result<(), LinesError>) {
    let mut entries = Vec::new();
    let mut read = || {
        let mut lines = Lines::begin(bytes)?;
        loop {
            let entry = lines.next_entry()?;
            let is_last = matches!(entry, Entry::End(_));
            entries.push(entry);
            if is_last {
                return Ok(());
            }
        }
    };
    let end = read();
    (entries, end)
}

fn promises(entries: &[Entry]) {
    let mut objects = HashSet::new();
    for entry in entries {
        match entry {
            Entry::Object { id, attributes } => {
                assert!(attributes.is_object(), "attributes that are no object");
                assert!(objects.insert(id), "an object twice");
            }
            Entry::Method(method) => {
                assert!(objects.contains(&method.object), "a method of nobody");
                assert_eq!(method.quota.check(), Ok(()));
            }
            Entry::Message { message, .. } => assert!(message.args.is_array() && message.kwargs.is_object()),
            Entry::Invocation(run) => assert!(run.quota.is_possible(), "a quota that no run has"),
            Entry::Account { account, .. } => assert_eq!(account.check(), Ok(())),
            Entry::Prototypes { object, prototypes } => {
                assert!(prototypes.iter().chain([object]).all(|id| objects.contains(id)));
            }
            Entry::Content(_) => {}
            Entry::End(counted) => assert_eq!(counted.objects, objects.len() as u64),
        }
    }
}
