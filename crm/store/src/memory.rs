//! A disk in memory that keeps no more than a real one promises: a crash leaves of what was not flushed whatever it
//! likes. It can be full, and fail or die at any one operation.

use std::collections::BTreeMap;
use std::io::{Error, ErrorKind, Result};

use crate::files::Files;

/// How an operation fails.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Failure {
    /// It gives an error, done in part; the next ones work.
    Once,
    /// Nothing works from then on, until [`MemoryFiles::crash`].
    Dies,
}

#[derive(Clone, Debug, Default)]
struct Bytes {
    now: Vec<u8>,
    /// Of which so many are safe.
    safe: usize,
}

#[derive(Clone, Debug)]
enum Naming {
    Create(String, usize),
    Rename(String, String),
    Remove(String),
}

/// The directory.
#[derive(Clone, Debug, Default)]
pub struct MemoryFiles {
    bytes: Vec<Bytes>,
    names: BTreeMap<String, usize>,
    safe_names: BTreeMap<String, usize>,
    /// What was done to names since they were safe.
    naming: Vec<Naming>,
    /// Writing gives an error: the disk is full.
    pub full: bool,
    /// The failure that is to come, and after how many operations more.
    pub failure: Option<(u64, Failure)>,
    dead: bool,
    /// Operations that change anything, so far.
    pub operations: u64,
    /// Flushes so far.
    pub flushes: u64,
}

impl MemoryFiles {
    /// The power goes, and comes back. `choose(n)` gives a number below n: how much is left of what was not safe.
    pub fn crash(&mut self, mut choose: impl FnMut(usize) -> usize) {
        let kept = choose(self.naming.len() + 1);
        let mut names = std::mem::take(&mut self.safe_names);
        for naming in self.naming.drain(..).take(kept) {
            rename(&mut names, &naming);
        }
        for bytes in &mut self.bytes {
            let left = choose(bytes.now.len() - bytes.safe + 1);
            bytes.now.truncate(bytes.safe + left);
            bytes.safe = bytes.now.len();
        }
        self.safe_names = names.clone();
        self.names = names;
        self.dead = false;
        self.failure = None;
    }

    /// Only the daemon is gone: what it wrote is there, flushed or not.
    pub fn daemon_dies(&mut self) {
        self.dead = false;
        self.failure = None;
    }

    /// Counts an operation; an error if it is to fail. `writes`: it needs room.
    fn step(&mut self, writes: bool) -> Result<()> {
        let gone = || Error::other("the disk is gone");
        if self.dead {
            return Err(gone());
        }
        self.operations += 1;
        if let Some((left, failure)) = &mut self.failure {
            if *left == 0 {
                self.dead = *failure == Failure::Dies;
                self.failure = None;
                return Err(gone());
            }
            *left -= 1;
        }
        match self.full && writes {
            true => Err(Error::new(ErrorKind::StorageFull, "no space left on device")),
            false => Ok(()),
        }
    }

    fn file(&mut self, name: &str) -> Result<&mut Bytes> {
        let index = *self.names.get(name).ok_or_else(|| Error::new(ErrorKind::NotFound, name.to_owned()))?;
        Ok(&mut self.bytes[index])
    }

    fn name(&mut self, naming: Naming) {
        rename(&mut self.names, &naming);
        self.naming.push(naming);
    }
}

fn rename(names: &mut BTreeMap<String, usize>, naming: &Naming) {
    match naming {
        Naming::Create(name, index) => drop(names.insert(name.clone(), *index)),
        Naming::Remove(name) => drop(names.remove(name)),
        Naming::Rename(from, to) => {
            if let Some(index) = names.remove(from) {
                names.insert(to.clone(), index);
            }
        }
    }
}

impl Files for MemoryFiles {
    fn list(&mut self) -> Result<Vec<String>> {
        Ok(self.names.keys().cloned().collect())
    }

    fn read(&mut self, name: &str) -> Result<Vec<u8>> {
        Ok(self.file(name)?.now.clone())
    }

    fn create(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        let done = self.step(true);
        // A failure may leave the file, and half of what was to be in it.
        let some = if done.is_ok() { bytes } else { &bytes[..bytes.len() / 2] };
        self.bytes.push(Bytes { now: some.to_vec(), safe: 0 });
        self.name(Naming::Create(name.to_owned(), self.bytes.len() - 1));
        done
    }

    fn append(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        let done = self.step(true);
        let some = if done.is_ok() { bytes } else { &bytes[..bytes.len() / 2] };
        self.file(name)?.now.extend_from_slice(some);
        done
    }

    fn sync(&mut self, name: &str) -> Result<()> {
        self.step(false)?;
        self.flushes += 1;
        let file = self.file(name)?;
        file.safe = file.now.len();
        Ok(())
    }

    fn rename(&mut self, from: &str, to: &str) -> Result<()> {
        self.step(false)?;
        self.file(from)?;
        self.name(Naming::Rename(from.to_owned(), to.to_owned()));
        Ok(())
    }

    fn remove(&mut self, name: &str) -> Result<()> {
        self.step(false)?;
        self.file(name)?;
        self.name(Naming::Remove(name.to_owned()));
        Ok(())
    }

    fn sync_names(&mut self) -> Result<()> {
        self.step(false)?;
        self.flushes += 1;
        self.safe_names = self.names.clone();
        self.naming.clear();
        Ok(())
    }
}
