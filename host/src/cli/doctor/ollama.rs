//! What Ollama tells of itself. Nothing is loaded or changed by asking.

use std::time::Duration;

use crate::mind::ollama::library::{Library, LibraryError};
use crate::mind::ollama::models::{Loaded, Model, Models};
use crate::object::Timestamp;

const PATIENCE: Duration = Duration::from_secs(10);

pub struct Ollama {
    pub library: Library,
    pub version: String,
    pub models: Result<Models, LibraryError>,
    pub loaded: Vec<Loaded>,
    /// What its clock said, and this machine's at that moment.
    pub times: Option<(Timestamp, Timestamp)>,
}

impl Ollama {
    /// None: it does not answer.
    pub async fn look(base: &str) -> Option<Self> {
        let library = Library::new(base, PATIENCE).ok()?;
        let (version, time) = library.version().await.ok()?;
        let times = time.map(|theirs| (theirs, Timestamp::now()));
        let models = library.models().await;
        let loaded = library.loaded().await.unwrap_or_default();
        Some(Self { library, version, models, loaded, times })
    }

    /// The model of that name, if it is listed.
    pub fn model(&self, name: &str) -> Option<&Model> {
        self.models.as_ref().ok()?.get(name)
    }
}
