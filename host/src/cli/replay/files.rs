//! Exported runs: files and folders of them, such as a repository keeps to be checked against a new guest.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::path::{Path, PathBuf};

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use serde::Serialize;

use super::{Replayer, hint_at_other_guests, print_report};
use crate::cli::Output;
use crate::cli::draft;
use crate::cli::failure::Failure;
use crate::cli::term::{count, print, print_json};
use crate::config::Config;
use crate::object::{Digest, Fault};
use crate::replay::{Case, FixtureError, Reason, Report, Scope, Verdict, Word, read_fixture};
use crate::sandbox::Verdict as Audited;

/// How fixtures in a folder are named.
const SUFFIX: &str = ".replay.json";

/// How deep folders are searched, and the most fixtures that one command takes.
const MAX_DEPTH: usize = 16;
const MAX_FIXTURES: usize = 100_000;

#[derive(Serialize)]
struct Checked {
    file: String,
    /// Such as `greet of UvmObjects/system, version 2`.
    method: String,
    #[serde(flatten)]
    report: Report,
}

#[derive(Default, Serialize)]
struct Found {
    identical: u64,
    diverged: u64,
    not_replayable: u64,
    /// Files that are no fixtures.
    unreadable: u64,
    /// Methods that behave differently.
    methods: BTreeSet<String>,
    fixtures: Vec<Checked>,
}

pub async fn replay(config: &Config, paths: &[PathBuf], scope: Scope, output: Output) -> Result<(), Failure> {
    let mut files = Vec::new();
    for path in paths {
        collect(path, MAX_DEPTH, &mut files)?;
    }
    let mut fixtures = Fixtures { replayer: Replayer::new(config, scope).await?, audited: HashMap::new() };
    let mut found = Found::default();
    for file in files {
        let shown = file.display().to_string();
        match read(&file) {
            Ok(case) => {
                let method = method(&case);
                let report = Report::from(&fixtures.replay(case).await?);
                if !output.json {
                    print_report(&report, &format!("{shown}, {method}"))?;
                }
                found.add(Checked { file: shown, method, report });
            }
            Err(error) => {
                super::super::tell(&format!("{shown}: {error}."));
                found.unreadable += 1;
            }
        }
    }
    if output.json {
        print_json(&found)?;
    } else {
        tell(&found, scope)?;
    }
    let all_well = found.diverged + found.not_replayable + found.unreadable == 0;
    if all_well { Ok(()) } else { Err(Failure::Told(1)) }
}

/// The fixtures that a path names, those of a folder in the order of their names.
fn collect(path: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let cannot = |error: io::Error| Failure::Usage(format!("{}: {error}", path.display()));
    if !path.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    let folder = Dir::open_ambient_dir(path, ambient_authority()).map_err(cannot)?;
    let mut entries = Vec::new();
    for entry in folder.entries().map_err(cannot)? {
        let entry = entry.map_err(cannot)?;
        entries.push((entry.file_name(), entry.file_type().map_err(cannot)?.is_dir()));
    }
    entries.sort();
    let before = files.len();
    for (name, is_folder) in entries {
        if is_folder && depth > 0 {
            collect(&path.join(name), depth - 1, files)?;
        } else if !is_folder && name.to_string_lossy().ends_with(SUFFIX) {
            files.push(path.join(name));
        }
        if files.len() > MAX_FIXTURES {
            return Err(Failure::Usage(format!("There are more than {MAX_FIXTURES} fixtures; name fewer.")));
        }
    }
    if depth == MAX_DEPTH && files.len() == before {
        return Err(Failure::Usage(format!("There is no fixture (*{SUFFIX}) in {}.", path.display())));
    }
    Ok(())
}

fn read(path: &Path) -> Result<Case, FixtureError> {
    // Others may never end.
    if !path.metadata()?.is_file() {
        return Err(FixtureError::Foreign("it is not a file".to_owned()));
    }
    read_fixture(io::BufReader::with_capacity(1 << 20, draft::open(path)?))
}

fn method(case: &Case) -> String {
    let record = &case.invocation;
    format!("{} of {}, version {}", record.method_name, record.source_object_id, record.method_version)
}

struct Fixtures {
    replayer: Replayer,
    /// What the audit says of bodies: what comes from a file is as foreign as what the mind writes.
    audited: HashMap<Digest, Option<String>>,
}

impl Fixtures {
    async fn replay(&mut self, case: Case) -> Result<Verdict, Failure> {
        match self.refusal(&case).await? {
            Some(text) => Ok(Verdict::NotReplayable(Reason::Refused(text))),
            None => self.replayer.replay(case).await,
        }
    }

    async fn refusal(&mut self, case: &Case) -> Result<Option<String>, Failure> {
        let digest = case.source.digest();
        if let Some(known) = self.audited.get(&digest) {
            return Ok(known.clone());
        }
        let (sandbox, source) = (std::sync::Arc::clone(&self.replayer.sandbox), case.source.clone());
        let audit = self.replayer.workers.run(move || sandbox.audit(&source)).await;
        let audit = audit.ok_or_else(|| Failure::Failed("The audit ended without a verdict.".into()))??;
        let refusal = match audit.verdict {
            Audited::Accepted => None,
            Audited::Rejected(findings) => Some(Fault::audit_rejected(findings).message),
        };
        self.audited.insert(digest, refusal.clone());
        Ok(refusal)
    }
}

impl Found {
    fn add(&mut self, checked: Checked) {
        match checked.report.verdict {
            Word::Identical => self.identical += 1,
            Word::Diverged => {
                self.diverged += 1;
                self.methods.insert(checked.method.clone());
            }
            Word::NotReplayable => self.not_replayable += 1,
        }
        self.fixtures.push(checked);
    }
}

fn tell(found: &Found, scope: Scope) -> Result<(), Failure> {
    let Found { identical, diverged, not_replayable, unreadable, methods, fixtures } = found;
    let mut parts = vec![format!("{identical} identical")];
    for (number, what) in
        [(diverged, "diverged"), (not_replayable, "not replayable"), (unreadable, "unreadable")]
    {
        if *number > 0 {
            parts.push(format!("{number} {what}"));
        }
    }
    let all = identical + diverged + not_replayable + unreadable;
    print(&format!("{}: {}.", count(all, "fixture", "fixtures"), parts.join(", ")))?;
    if !methods.is_empty() {
        let list: Vec<&str> = methods.iter().map(String::as_str).collect();
        let number = count(methods.len() as u64, "method behaves", "methods behave");
        print(&format!("{number} differently: {}.", list.join("; ")))?;
    }
    let of_another = |checked: &Checked| checked.report.reason.as_deref() == Some("other_guest");
    if scope == Scope::Exact && fixtures.iter().any(of_another) {
        hint_at_other_guests()?;
    }
    Ok(())
}
