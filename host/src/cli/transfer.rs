//! `aura export` and `aura import`: an image as JSON lines, by way of the store itself.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, IsTerminal as _, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use indicatif::ProgressBar;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::draft::{self, Draft};
use super::failure::Failure;
use super::folder::DataFolder;
use super::lines::{Amount, Lines, LinesError, write_entry, write_header};
use super::parts;
use super::term::{bytes_bar, count, print, spin, spinner, tell, unless_interrupted};
use crate::config::Config;
use crate::object::{Digest, Fault, Invocation, Method};
use crate::sandbox::{Sandbox, Verdict, Workers};
use crate::store::{Entry, Imported, Store, StoreError};

/// Entries on their way between store and file.
const AHEAD: usize = 16;
/// How often the number of entries is shown.
const SHOWN: u64 = 1_000;

#[derive(Args)]
pub struct Export {
    /// The file to write; `-` writes to stdout
    #[arg(default_value = "-")]
    file: PathBuf,
    /// Replace the file if it is there already
    #[arg(long)]
    force: bool,
}

#[derive(Args)]
pub struct Import {
    /// The file to read; `-` reads from stdin
    file: PathBuf,
}

pub async fn export(config: &Config, options: Export) -> Result<(), Failure> {
    let store = parts::image(config).await?;
    if options.file == Path::new("-") {
        let sent = write(&*store, io::stdout().lock()).await.map_err(|failure| match failure {
            WriteFailure::Told(failure) => failure,
            WriteFailure::Io(error) if error.kind() == io::ErrorKind::BrokenPipe => Failure::Told(0),
            WriteFailure::Io(error) => Failure::Failed(format!("Cannot write to stdout: {error}")),
        })?;
        tell(&format!("Exported {}.", Amount(&sent)));
        return Ok(());
    }
    let draft = Draft::of(&options.file, options.force)?;
    let sent = unless_interrupted(async {
        let file = draft.create().map_err(|error| draft.cannot(&error))?;
        write(&*store, file).await.map_err(|failure| match failure {
            WriteFailure::Told(failure) => failure,
            WriteFailure::Io(error) => draft.cannot(&error),
        })
    })
    .await?;
    draft.keep()?;
    print(&format!("Exported {} to {}.", Amount(&sent), options.file.display()))
}

enum WriteFailure {
    Io(io::Error),
    Told(Failure),
}

impl From<io::Error> for WriteFailure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Writes all that the store sends.
async fn write(store: &dyn Store, to: impl Write) -> Result<Imported, WriteFailure> {
    let (sender, mut receiver) = mpsc::channel(AHEAD);
    let receive = async {
        let bar = io::stderr().is_terminal().then(spinner);
        let mut to = BufWriter::new(to);
        write_header(&mut to)?;
        let mut entries = 0;
        let mut end = None;
        while let Some(entry) = receiver.recv().await {
            write_entry(&mut to, &entry)?;
            entries += 1;
            if let Some(bar) = bar.as_ref().filter(|_| entries % SHOWN == 0) {
                spin(bar, &count(entries, "entry", "entries"));
            }
            if let Entry::End(sent) = entry {
                end = Some(sent);
            }
        }
        to.flush()?;
        if let Some(bar) = bar {
            bar.finish_and_clear();
        }
        // Behind a failed write the store has nobody to send to.
        drop(receiver);
        Ok::<_, io::Error>(end)
    };
    let (exported, end) = tokio::join!(store.export(sender), receive);
    let end = end?;
    exported.map_err(|error| WriteFailure::Told(error.into()))?;
    end.ok_or_else(|| WriteFailure::Told(Failure::Failed("The store broke the export off.".to_owned())))
}

pub async fn import(config: &Config, options: Import) -> Result<(), Failure> {
    let from = open(&options.file)?;
    let shown = from.shown.clone();
    // What is no export is refused before there is an image.
    let lines = parts::blocking(move || Lines::begin(from.reader))
        .await?
        .map_err(|error| from_file(&shown, &error))?;
    let folder = DataFolder::open(&config.data)?;
    let serving = folder.serve()?;
    if let Some(other) = serving.others().first() {
        return Err(Failure::Failed(format!(
            "The folder {} is served by {other}. Stop that one, or choose another folder with --data.",
            config.data.display()
        )));
    }
    let auditor = Auditor::new(config).await?;
    let store = parts::store(config, &folder).await?;
    let (sender, receiver) = mpsc::channel(AHEAD);
    let reading = parts::blocking(move || read(lines, auditor, &sender));
    let (imported, read) = tokio::join!(store.import(receiver), reading);
    if let Some(bar) = from.bar {
        bar.finish_and_clear();
    }
    let (line, read) = read?;
    // What is wrong in the file is the cause of what is wrong with the import.
    read.map_err(|error| from_file(&shown, &error))?;
    let imported = imported.map_err(|error| match error {
        StoreError::ImportFailed(what) => {
            Failure::Failed(format!("{shown}, line {line} or a little before: {what}. Nothing is imported."))
        }
        StoreError::NotEmpty => Failure::Failed(format!(
            "The image {} has content already. Choose another folder with --data, or another database with DB_NAME.",
            parts::place(config, &folder)
        )),
        error => error.into(),
    })?;
    print(&format!("Imported {}.", Amount(&imported)))
}

struct Source {
    shown: String,
    reader: Box<dyn BufRead + Send>,
    bar: Option<ProgressBar>,
}

fn open(path: &Path) -> Result<Source, Failure> {
    if path == Path::new("-") {
        let reader = Box::new(BufReader::new(io::stdin()));
        return Ok(Source { shown: "stdin".to_owned(), reader, bar: None });
    }
    let shown = path.display().to_string();
    let file: File =
        draft::open(path).map_err(|error| Failure::Usage(format!("{shown}: {error}")))?.into_std();
    let length = file.metadata().map_or(0, |metadata| metadata.len());
    let bar = io::stderr().is_terminal().then(|| bytes_bar(length));
    let read: Box<dyn Read + Send> = match &bar {
        Some(bar) => Box::new(bar.wrap_read(file)),
        None => Box::new(file),
    };
    Ok(Source { shown, reader: Box::new(BufReader::with_capacity(1 << 20, read)), bar })
}

/// Reads methods as the audit does: what comes from a file is as foreign as what the mind writes.
struct Auditor {
    sandbox: Arc<dyn Sandbox>,
    workers: Workers,
    runtime: Handle,
    /// Bodies that were accepted.
    accepted: HashSet<Digest>,
}

impl Auditor {
    async fn new(config: &Config) -> Result<Self, Failure> {
        let (sandbox, workers) = (parts::sandbox(config).await?, parts::workers()?);
        Ok(Self { sandbox, workers, runtime: Handle::current(), accepted: HashSet::new() })
    }

    /// What is wrong with an entry. Blocks.
    fn check(&mut self, entry: &Entry) -> Result<(), String> {
        let (source, shown) = match entry {
            Entry::Method(Method { object, name, version, source, .. }) => {
                (source, format!("version {version} of '{name}' of {object}"))
            }
            Entry::Invocation(Invocation { invocation_id, source: Some(source), .. }) => {
                (source, format!("the body of run {invocation_id}"))
            }
            _ => return Ok(()),
        };
        if !self.accepted.insert(source.digest()) {
            return Ok(());
        }
        let (sandbox, body) = (Arc::clone(&self.sandbox), source.clone());
        let audit = self.runtime.block_on(self.workers.run(move || sandbox.audit(&body)));
        let why = match audit.map(|audit| audit.map(|audit| audit.verdict)) {
            Some(Ok(Verdict::Accepted)) => return Ok(()),
            Some(Ok(Verdict::Rejected(findings))) => Fault::audit_rejected(findings).message,
            Some(Err(fault)) => fault.message,
            None => "the audit ended unexpectedly".to_owned(),
        };
        Err(format!("{shown} is refused by the audit: {}", why.replace(".\n", "; ").trim_end_matches('.')))
    }
}

/// Sends all entries to a store; the line that was read last, and what is wrong with the file.
fn read(
    mut lines: Lines<impl BufRead>,
    mut auditor: Auditor,
    to: &mpsc::Sender<Entry>,
) -> (u64, Result<(), LinesError>) {
    loop {
        let entry = match lines.next_entry() {
            Ok(entry) => entry,
            Err(error) => return (lines.line(), Err(error)),
        };
        if let Err(what) = auditor.check(&entry) {
            let line = lines.line();
            return (line, Err(LinesError::Line { line, what }));
        }
        let last = matches!(entry, Entry::End(_));
        // A store that takes no more says why.
        if to.blocking_send(entry).is_err() || last {
            return (lines.line(), Ok(()));
        }
    }
}

fn from_file(shown: &str, error: &LinesError) -> Failure {
    Failure::Failed(format!("{shown}, {error}. Nothing is imported."))
}
