//! The files of an adapter, opened within the data folder: no path leads out of it.

use std::io::{self, Read, Seek as _};
use std::path::Path;

use cap_std::ambient_authority;
use cap_std::fs::{Dir, File};
use futures::Stream;
use thiserror::Error;
use tokio::io::AsyncReadExt as _;

use crate::mind::ollama::shown::Shown;
use crate::object::Digest;

/// What an adapter is as safetensors.
const SAFETENSORS: [&str; 2] = ["adapter_config.json", "adapter_model.safetensors"];
/// What Ollama is told that a GGUF file is named, so that it takes it for one.
const GGUF: &str = "adapter.gguf";
const MAGIC: &[u8] = b"GGUF";
/// Bytes that are sent at once.
const PIECE: usize = 256 * 1024;

/// Why what is there is not an adapter that can be used.
#[derive(Debug, Error)]
pub enum AdapterError {
    #[error("{0} cannot be read ({1})")]
    Unreadable(String, io::Error),
    #[error("{0} has no file {1}, which an adapter needs")]
    Incomplete(String, &'static str),
    #[error("{0} is neither a file nor a folder")]
    Neither(String),
    #[error("{0} is no GGUF file; safetensors need a folder of their own")]
    NotGguf(String),
}

pub struct Adapter {
    pub files: Vec<AdapterFile>,
}

pub struct AdapterFile {
    pub name: &'static str,
    pub length: u64,
    pub digest: Digest,
    file: File,
}

/// The adapter at `path` in the data folder, if there is anything.
pub async fn find(data: &Path, path: &Path) -> Result<Option<Adapter>, AdapterError> {
    let shown = data.join(path).display().to_string();
    let (data, path) = (data.to_owned(), path.to_owned());
    let found = tokio::task::spawn_blocking(move || read(&data, &path)).await;
    found.map_err(|error| AdapterError::Unreadable(shown, error.into()))?
}

fn read(data: &Path, path: &Path) -> Result<Option<Adapter>, AdapterError> {
    let shown = || data.join(path).display().to_string();
    let cannot = |error| AdapterError::Unreadable(shown(), error);
    let folder = Dir::open_ambient_dir(data, ambient_authority()).map_err(cannot)?;
    let there = match folder.metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        there => there.map_err(cannot)?,
    };
    if there.is_dir() {
        let folder = folder.open_dir(path).map_err(cannot)?;
        let file = |name: &'static str| {
            if !folder.metadata(name).is_ok_and(|there| there.is_file()) {
                return Err(AdapterError::Incomplete(shown(), name));
            }
            folder.open(name).and_then(|file| digested(name, file)).map_err(cannot)
        };
        let files = SAFETENSORS.into_iter().map(file).collect::<Result<_, _>>()?;
        return Ok(Some(Adapter { files }));
    }
    if !there.is_file() {
        return Err(AdapterError::Neither(shown()));
    }
    let mut file = folder.open(path).map_err(cannot)?;
    let mut magic = Vec::new();
    file.by_ref().take(MAGIC.len() as u64).read_to_end(&mut magic).map_err(cannot)?;
    if magic != MAGIC {
        return Err(AdapterError::NotGguf(shown()));
    }
    Ok(Some(Adapter { files: vec![digested(GGUF, file).map_err(cannot)?] }))
}

fn digested(name: &'static str, mut file: File) -> io::Result<AdapterFile> {
    file.rewind()?;
    let (digest, length) = Digest::read(&mut file)?;
    file.rewind()?;
    Ok(AdapterFile { name, length, digest, file })
}

impl Adapter {
    /// Whether a model has this adapter.
    pub fn is_in(&self, shown: &Shown) -> bool {
        match self.note() {
            None => {
                self.files.iter().all(|file| shown.adapters.iter().any(|known| known == file.digest.as_str()))
            }
            Some(note) => !shown.adapters.is_empty() && shown.license.lines().any(|line| line == note),
        }
    }

    /// What the model carries among its licenses so that the adapter is known again: Ollama keeps safetensors in a form
    /// of its own, with another digest.
    pub fn note(&self) -> Option<String> {
        let [first, second] = self.files.as_slice() else { return None };
        Some(format!(
            "Adapter: {} sha256:{}, {} sha256:{}",
            first.name, first.digest, second.name, second.digest
        ))
    }
}

impl AdapterFile {
    /// What is in it, piece by piece: as many bytes as were counted.
    pub fn pieces(self) -> impl Stream<Item = io::Result<Vec<u8>>> + Send + 'static {
        let file = tokio::fs::File::from_std(self.file.into_std()).take(self.length);
        futures::stream::try_unfold(file, |mut file| async move {
            let mut piece = Vec::with_capacity(PIECE);
            let read = file.read_buf(&mut piece).await?;
            Ok((read > 0).then_some((piece, file)))
        })
    }
}
