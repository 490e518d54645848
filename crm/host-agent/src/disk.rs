//! Files that are never half written, and a lock for all who change the agent's own.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use anyhow::Context as _;
use nix::fcntl::{Flock, FlockArg};

use crate::paths::{Paths, folder};

/// Writes a file whole or not at all: beside its place, flushed, then renamed, and the folder flushed.
///
/// # Errors
/// When it cannot be written. What was there is then as it was.
pub fn write(path: &Path, bytes: &[u8], mode: u32) -> anyhow::Result<()> {
    let mut new = path.to_owned().into_os_string();
    new.push(".systole-new");
    let new = Path::new(&new);
    let attempt = || -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(new)?;
        file.set_permissions(fs::Permissions::from_mode(mode))?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(new, path)?;
        File::open(folder(path))?.sync_all()
    };
    attempt().map_err(|error| {
        // What is left of the attempt; its failure changes nothing.
        let _ = fs::remove_file(new);
        anyhow::Error::new(error).context(format!("writing {}", path.display()))
    })
}

/// The file's bytes; nothing when there is none.
///
/// # Errors
/// When it is there and cannot be read, or is larger than `limit`.
pub fn read(path: &Path, limit: usize) -> anyhow::Result<Option<Vec<u8>>> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        // A file where a folder of the path should be hides nothing.
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(error).with_context(|| format!("reading {}", path.display())),
    };
    anyhow::ensure!(bytes.len() <= limit, "{} has more than {limit} bytes", path.display());
    Ok(Some(bytes))
}

/// Removes a file; one that is not there is no error.
///
/// # Errors
/// When it is there and stays.
pub fn remove(path: &Path) -> anyhow::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("removing {}", path.display()))
        }
        _ => Ok(()),
    }
}

/// Moves all that is in a folder into a new one with these permissions. The folder itself stays: it may be a mount, or
/// lie on an overlay, where it could not be renamed.
///
/// # Errors
/// When something cannot be moved; what was moved before stays moved.
pub fn move_entries(from: &Path, to: &Path, permissions: fs::Permissions) -> anyhow::Result<()> {
    let moving = |what: &Path| format!("moving {} aside", what.display());
    fs::create_dir(to).with_context(|| format!("making {}", to.display()))?;
    fs::set_permissions(to, permissions).with_context(|| format!("making {}", to.display()))?;
    for entry in fs::read_dir(from).with_context(|| moving(from))? {
        let entry = entry.with_context(|| moving(from))?;
        let (old, new) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type().with_context(|| moving(&old))?;
        match fs::rename(&old, &new) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::CrossesDevices && kind.is_dir() => {
                let permissions = entry.metadata().with_context(|| moving(&old))?.permissions();
                move_entries(&old, &new, permissions)?;
                fs::remove_dir(&old).with_context(|| moving(&old))?;
            }
            Err(error) if error.kind() == io::ErrorKind::CrossesDevices && kind.is_file() => {
                fs::copy(&old, &new).with_context(|| moving(&old))?;
                fs::remove_file(&old).with_context(|| moving(&old))?;
            }
            Err(error) => return Err(error).with_context(|| moving(&old)),
        }
    }
    Ok(())
}

/// Makes a folder for root's eyes only, with those above it.
///
/// # Errors
/// When it cannot be made.
pub fn folder_for_root(path: &Path) -> anyhow::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path).with_context(|| format!("making {}", path.display()))
}

/// Held while the agent's own files are read and changed; given back when dropped.
pub struct Lock {
    _file: Flock<File>,
}

impl Lock {
    /// Waits for the lock. Whoever holds it does nothing but read and write small files.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn take(paths: &Paths) -> anyhow::Result<Lock> {
        folder_for_root(&paths.state)?;
        let path = paths.lock();
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
        let file = file.with_context(|| format!("opening {}", path.display()))?;
        let file = Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, error)| error).context("locking")?;
        Ok(Lock { _file: file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_a_folder_is_moved_and_the_folder_stays() {
        let folder = tempfile::tempdir().unwrap();
        // Another file system where the machine has one: there nothing can be renamed.
        for place in [folder.path(), Path::new("/dev/shm")] {
            let Ok(other) = tempfile::tempdir_in(place) else { continue };
            let from = tempfile::tempdir().unwrap();
            fs::create_dir(from.path().join("inner")).unwrap();
            fs::write(from.path().join("inner/a"), "1").unwrap();
            fs::write(from.path().join("b"), "2").unwrap();
            let to = other.path().join("aside");
            move_entries(from.path(), &to, fs::Permissions::from_mode(0o750)).unwrap();
            assert_eq!(fs::read_to_string(to.join("inner/a")).unwrap(), "1");
            assert_eq!(fs::read_to_string(to.join("b")).unwrap(), "2");
            assert_eq!(fs::read_dir(from.path()).unwrap().count(), 0);
            assert_eq!(fs::metadata(&to).unwrap().permissions().mode() & 0o777, 0o750);
        }
    }

    #[test]
    fn a_file_is_written_whole_or_stays_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        write(&path, b"one", 0o600).unwrap();
        write(&path, b"two", 0o400).unwrap();
        assert_eq!(read(&path, 3).unwrap().unwrap(), b"two");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o400);
        assert!(read(&path, 2).is_err(), "too large");
        assert!(write(&folder.path().join("none/a"), b"x", 0o600).is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
        remove(&path).unwrap();
        remove(&path).unwrap();
        assert_eq!(read(&path, 3).unwrap(), None);
        write(&path, b"x", 0o600).unwrap();
        assert_eq!(read(&path.join("below"), 3).unwrap(), None);
    }
}
