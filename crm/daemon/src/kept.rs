//! Files that keep what a node remembers for people: the history of fencing, and failovers. What stands in them is the
//! machine's.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// Such a file.
#[derive(Clone, Debug)]
pub struct Kept {
    path: PathBuf,
    what: &'static str,
}

impl Kept {
    /// The history of fencing, in that directory.
    pub fn fencings(directory: &Path) -> Self {
        Kept { path: directory.join("fence-history.json"), what: "the history of fencing" }
    }

    /// Failovers, in that directory.
    pub fn failovers(directory: &Path) -> Self {
        Kept { path: directory.join("failovers.json"), what: "the failovers" }
    }

    /// What was kept; nothing when there is none.
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
            .with_context(|| format!("keeping {} as {}", self.what, self.path.display()))
    }
}
