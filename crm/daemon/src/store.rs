//! The configuration on disk: written whole, to a new file that takes the old one's place once it is safely there.
//!
//! Three names, so that at every instant a good one exists: `cib.xml`, `cib.xml.new` while it is written, and
//! `cib.xml.old`, the one before. What a file holds is checked by its digest; the newest that is good counts.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail};
use cib::{Cib, file};

const CURRENT: &str = "cib.xml";
const NEW: &str = "cib.xml.new";
const FENCE_HISTORY: &str = "fence-history.json";
const OLD: &str = "cib.xml.old";

/// The directory that keeps a node's configuration.
#[derive(Clone, Debug)]
pub struct Store {
    directory: PathBuf,
}

/// What was found on disk.
#[derive(Debug, Default)]
pub struct Found {
    /// The newest good configuration.
    pub cib: Option<Cib>,
    /// What was wrong with others, in sentences.
    pub problems: Vec<String>,
}

impl Store {
    /// Opens the directory, makes it if it is not there.
    pub fn open(directory: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(directory).with_context(|| {
            format!("making the directory {} for the configuration (--state names another)", directory.display())
        })?;
        Ok(Store { directory: directory.to_owned() })
    }

    /// Reads what is there. Files that are no good are kept under another name and spoken of.
    pub fn load(&self) -> anyhow::Result<Found> {
        let mut found = Found::default();
        for name in [CURRENT, NEW, OLD] {
            let path = self.directory.join(name);
            let bytes = match fs::read(&path) {
                Ok(bytes) => bytes,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => {
                    return Err(error).with_context(|| format!("reading the configuration {}", path.display()));
                }
            };
            match file::decode(&bytes) {
                Ok(cib) => {
                    if found.cib.as_ref().is_none_or(|best| best.version() < cib.version()) {
                        found.cib = Some(cib);
                    }
                }
                // A file that was being written when the power went is no loss: it was acknowledged to nobody.
                Err(_) if name == NEW => {}
                Err(error) => {
                    let kept = self.dated("damaged");
                    found.problems.push(format!(
                        "{} is damaged ({error}); it is kept as {} and the last good one is used",
                        path.display(),
                        kept.display()
                    ));
                    fs::rename(&path, &kept).with_context(|| format!("keeping the damaged {}", path.display()))?;
                }
            }
        }
        if found.cib.is_none() && !found.problems.is_empty() {
            bail!(
                "no good configuration is left in {}: {}; restore cib.xml from a backup or another node, or remove the \
                 files to join as a new node",
                self.directory.display(),
                found.problems.join("; ")
            );
        }
        Ok(found)
    }

    /// Puts the configuration on disk. When it returns it is there, whatever happens next; on an error the last one
    /// still is.
    pub fn save(&self, cib: &Cib) -> anyhow::Result<()> {
        let (new, current, old) = (self.directory.join(NEW), self.directory.join(CURRENT), self.directory.join(OLD));
        let doing = || format!("writing the configuration to {}", new.display());
        let mut file = File::create(&new).with_context(doing)?;
        file.write_all(file::encode(cib).as_bytes()).with_context(doing)?;
        file.sync_all().with_context(doing)?;
        match fs::rename(&current, &old) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("keeping {} as {}", current.display(), old.display()));
            }
            _ => {}
        }
        fs::rename(&new, &current).with_context(|| format!("moving {} in place", new.display()))?;
        self.sync()
    }

    /// Keeps a configuration that does not count any more, under a name with the time. Gives the name.
    pub fn set_aside(&self, cib: &Cib) -> anyhow::Result<PathBuf> {
        let path = self.dated("set-aside");
        fs::write(&path, file::encode(cib))
            .with_context(|| format!("keeping a configuration as {}", path.display()))?;
        self.sync()?;
        Ok(path)
    }

    /// The history of fencing as it was kept; nothing when there is none.
    pub fn fence_history(&self) -> String {
        fs::read_to_string(self.directory.join(FENCE_HISTORY)).unwrap_or_default()
    }

    /// Keeps the history of fencing. It is for people, so it is not waited for until it is safely on disk.
    ///
    /// # Errors
    /// When the disk does not take it; the one before is still there.
    pub fn keep_fence_history(&self, text: &str) -> anyhow::Result<()> {
        let path = self.directory.join(FENCE_HISTORY);
        let new = path.with_extension("new");
        fs::write(&new, text)
            .and_then(|()| fs::rename(&new, &path))
            .with_context(|| format!("keeping the history of fencing as {}", path.display()))
    }

    fn dated(&self, why: &str) -> PathBuf {
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        self.directory.join(format!("cib-{seconds}.{why}.xml"))
    }

    fn sync(&self) -> anyhow::Result<()> {
        File::open(&self.directory)
            .and_then(|directory| directory.sync_all())
            .with_context(|| format!("syncing {}", self.directory.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cib(epoch: u64) -> Cib {
        Cib::parse(&format!(r#"<cib admin_epoch="0" epoch="{epoch}" num_updates="0"><configuration/></cib>"#)).unwrap()
    }

    fn epoch(store: &Store) -> u64 {
        store.load().unwrap().cib.unwrap().version().epoch
    }

    #[test]
    fn a_torn_file_is_seen_and_the_last_good_one_counts() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path()).unwrap();
        assert!(store.load().unwrap().cib.is_none());
        store.save(&cib(1)).unwrap();
        store.save(&cib(2)).unwrap();
        assert_eq!(epoch(&store), 2);
        let current = directory.path().join(CURRENT);
        let whole = fs::read(&current).unwrap();
        for length in 0..whole.len() {
            fs::write(&current, &whole[..length]).unwrap();
            let found = store.load().unwrap();
            assert_eq!((found.cib.unwrap().version().epoch, found.problems.len()), (1, 1), "torn after {length} bytes");
        }
    }

    #[test]
    fn an_interrupted_write_loses_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path()).unwrap();
        store.save(&cib(1)).unwrap();
        // Half a new file; and the instant between the two renames.
        fs::write(directory.path().join(NEW), "<cib").unwrap();
        assert_eq!(epoch(&store), 1);
        fs::rename(directory.path().join(CURRENT), directory.path().join(OLD)).unwrap();
        assert_eq!(epoch(&store), 1);
    }

    #[test]
    fn nothing_good_is_an_error_and_not_an_empty_cluster() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path()).unwrap();
        fs::write(directory.path().join(CURRENT), "garbage").unwrap();
        assert!(store.load().unwrap_err().to_string().contains("no good configuration is left"));
    }
}
