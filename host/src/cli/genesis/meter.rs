//! How far a model is, on stderr: a bar on a terminal, else a line now and then.

use std::collections::HashMap;
use std::io::{self, IsTerminal as _};
use std::time::Duration;

use indicatif::{BinaryBytes, ProgressBar, ProgressStyle};

use crate::cli::term::{printable, tell};
use crate::mind::ollama::library::{Layer, Step};

/// Layers of one model whose bytes are added up.
const MAX_LAYERS: usize = 1_024;
/// From how many bytes on there are lines for every tenth of a layer.
const LONG: u64 = 1 << 20;

pub struct Meter {
    name: String,
    bar: Option<ProgressBar>,
    status: String,
    layers: HashMap<String, Layer>,
    /// Of the layer that is on its way.
    tenths: u64,
}

impl Meter {
    pub fn of(name: &str) -> Self {
        let bar = io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::no_length().with_prefix(printable(name).into_owned());
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        Self { name: name.to_owned(), bar, status: String::new(), layers: HashMap::new(), tenths: 0 }
    }

    /// Shows a line of Ollama's account.
    pub fn step(&mut self, step: &Step) {
        match &step.layer {
            None => self.status(&step.status),
            Some(layer) => self.layer(&step.status, layer.clone()),
        }
    }

    /// Shows that a file is being sent.
    pub fn sent(&mut self, file: &str, completed: u64, total: u64) {
        let layer = Layer { digest: file.to_owned(), completed, total };
        self.layer(&format!("sending {file}"), layer);
    }

    fn status(&mut self, status: &str) {
        if status == self.status {
            return;
        }
        status.clone_into(&mut self.status);
        match &self.bar {
            None => tell(&format!("{}: {status}", self.name)),
            Some(bar) => {
                styled(bar, "{spinner} {prefix}: {wide_msg}");
                bar.set_message(printable(status).into_owned());
            }
        }
    }

    fn layer(&mut self, status: &str, layer: Layer) {
        let begins = status != self.status;
        status.clone_into(&mut self.status);
        match &self.bar {
            None => self.tenths(begins, &layer),
            Some(bar) => {
                if begins {
                    styled(
                        bar,
                        "{spinner} {prefix} {wide_bar} {binary_bytes} of {binary_total_bytes}, {eta} left",
                    );
                }
                if self.layers.len() < MAX_LAYERS || self.layers.contains_key(&layer.digest) {
                    self.layers.insert(layer.digest.clone(), layer);
                }
                let sum =
                    |bytes: fn(&Layer) -> u64| self.layers.values().map(bytes).fold(0, u64::saturating_add);
                bar.set_length(sum(|layer| layer.total));
                bar.set_position(sum(|layer| layer.completed.min(layer.total)));
                if begins {
                    // What was there before says nothing of how quick the rest will be.
                    bar.reset_eta();
                }
            }
        }
    }

    fn tenths(&mut self, begins: bool, layer: &Layer) {
        let total = BinaryBytes(layer.total);
        if begins {
            tell(&format!("{}: {} ({total})", self.name, self.status));
            self.tenths = 0;
        }
        let tenths = layer.completed.min(layer.total) / (layer.total / 10).max(1);
        if layer.total >= LONG && tenths > self.tenths {
            tell(&format!("{}: {} % of {total}", self.name, tenths.min(10) * 10));
            self.tenths = tenths;
        }
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn styled(bar: &ProgressBar, template: &str) {
    // The templates are constants; without them the bar would still move.
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
}
