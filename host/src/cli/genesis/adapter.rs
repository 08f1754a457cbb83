//! The files of an adapter, opened within the data folder: no path leads out of it.

use std::io::{self, Read, Seek as _};
use std::path::Path;

use cap_std::ambient_authority;
use cap_std::fs::{Dir, File};
use futures::Stream;
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncReadExt as _;

use crate::mind::ollama::shown::Shown;

/// What an adapter is as safetensors.
const SAFETENSORS: [&str; 2] = ["adapter_config.json", "adapter_model.safetensors"];
/// What Ollama is told that a GGUF file is named, so that it takes it for one.
const GGUF: &str = "adapter.gguf";
const MAGIC: &[u8] = b"GGUF";
/// Bytes that are read, or sent, at once.
const PIECE: usize = 256 * 1024;

pub struct Adapter {
    pub files: Vec<AdapterFile>,
}

pub struct AdapterFile {
    pub name: &'static str,
    pub length: u64,
    /// SHA-256 in hexadecimal.
    pub digest: String,
    file: File,
}

/// The adapter at `path` in the data folder, if there is anything.
pub async fn find(data: &Path, path: &Path) -> Result<Option<Adapter>, String> {
    let (data, path) = (data.to_owned(), path.to_owned());
    let found = tokio::task::spawn_blocking(move || read(&data, &path)).await;
    found.map_err(|error| format!("the adapter could not be read: {error}"))?
}

fn read(data: &Path, path: &Path) -> Result<Option<Adapter>, String> {
    let shown = data.join(path);
    let cannot = |error: io::Error| format!("{} cannot be read ({error})", shown.display());
    let data = Dir::open_ambient_dir(data, ambient_authority()).map_err(cannot)?;
    let there = match data.metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        there => there.map_err(cannot)?,
    };
    if there.is_dir() {
        let folder = data.open_dir(path).map_err(cannot)?;
        let file = |name: &'static str| {
            if !folder.metadata(name).is_ok_and(|there| there.is_file()) {
                return Err(format!("{} has no file {name}, which an adapter needs", shown.display()));
            }
            folder.open(name).and_then(|file| digested(name, file)).map_err(cannot)
        };
        let files = SAFETENSORS.into_iter().map(file).collect::<Result<_, _>>()?;
        return Ok(Some(Adapter { files }));
    }
    if !there.is_file() {
        return Err(format!("{} is neither a file nor a folder", shown.display()));
    }
    let mut file = data.open(path).map_err(cannot)?;
    let mut magic = Vec::new();
    file.by_ref().take(MAGIC.len() as u64).read_to_end(&mut magic).map_err(cannot)?;
    if magic != MAGIC {
        return Err(format!("{} is no GGUF file; safetensors need a folder of their own", shown.display()));
    }
    Ok(Some(Adapter { files: vec![digested(GGUF, file).map_err(cannot)?] }))
}

fn digested(name: &'static str, mut file: File) -> io::Result<AdapterFile> {
    file.rewind()?;
    let (mut hash, mut piece, mut length) = (Sha256::new(), vec![0; PIECE], 0);
    loop {
        let read = file.read(&mut piece)?;
        if read == 0 {
            break;
        }
        hash.update(&piece[..read]);
        length += read as u64;
    }
    file.rewind()?;
    Ok(AdapterFile { name, length, digest: format!("{:x}", hash.finalize()), file })
}

impl Adapter {
    /// Whether a model has this adapter.
    pub fn is_in(&self, shown: &Shown) -> bool {
        match self.note() {
            None => self.files.iter().all(|file| shown.adapters.contains(&file.digest)),
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
