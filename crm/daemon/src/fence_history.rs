//! The file that keeps the history of fencing. What stands in it is the machine's.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

const NAME: &str = "fence-history.json";

/// The file.
#[derive(Clone, Debug)]
pub struct FenceHistory {
    path: PathBuf,
}

impl FenceHistory {
    /// The file in that directory.
    pub fn new(directory: &Path) -> Self {
        FenceHistory { path: directory.join(NAME) }
    }

    /// The history as it was kept; nothing when there is none.
    pub fn read(&self) -> String {
        fs::read_to_string(&self.path).unwrap_or_default()
    }

    /// Keeps it. It is for people, so it is not waited for until it is safely on disk.
    ///
    /// # Errors
    /// When the disk does not take it; the one before is still there.
    pub fn keep(&self, text: &str) -> anyhow::Result<()> {
        let new = self.path.with_extension("new");
        fs::write(&new, text)
            .and_then(|()| fs::rename(&new, &self.path))
            .with_context(|| format!("keeping the history of fencing as {}", self.path.display()))
    }
}
