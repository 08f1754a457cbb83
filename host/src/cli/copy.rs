//! `aura copy`: the image as a file that can be served in its place.

use std::io::{self, IsTerminal as _};
use std::path::PathBuf;

use clap::Args;

use super::draft::Draft;
use super::failure::Failure;
use super::parts;
use super::term::{bytes_bar, print, unless_interrupted};
use crate::config::{Config, StoreConfig};
use crate::store::sqlite::SqliteStore;

#[derive(Args)]
pub struct Options {
    /// The file to write
    file: PathBuf,
    /// Replace the file if it is there already
    #[arg(long)]
    force: bool,
}

pub async fn copy(config: &Config, options: Options) -> Result<(), Failure> {
    if matches!(config.store, StoreConfig::Arango(_)) {
        return Err(Failure::Usage(
            "`aura copy` is for AURA_STORE=sqlite. Use `aura export`, or ArangoDB's own Hot Backup."
                .to_owned(),
        ));
    }
    let image = parts::image_file(config)?;
    let draft = Draft::of(&options.file, options.force)?;
    let to = draft.path();
    draft.create().map_err(|error| draft.cannot(&error))?;
    let bar = io::stderr().is_terminal().then(|| bytes_bar(0));
    let moving = bar.clone();
    let copying = parts::blocking(move || {
        SqliteStore::copy(&image, &to, &mut |done, all| {
            if let Some(bar) = &moving {
                bar.set_length(all);
                bar.set_position(done);
            }
        })
    });
    unless_interrupted(async { Ok(copying.await??) }).await?;
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    draft.keep()?;
    print(&format!("Copied the image to {}. It is sound.", options.file.display()))
}
