//! Files that are put in force together and can be taken back: laid beside those in force and checked, put in force,
//! then settled or undone. One operation at a time. All of it stands on the disk, so that an operation that was
//! interrupted anywhere, by the loss of this host too, can be finished or undone by whoever asks.
//!
//! ```text
//! STATE/operation/name      the operation
//! STATE/operation/whole     what it is on all hosts together
//! STATE/operation/FILE.new  what is to be in force; FILE.gone when the file goes away
//! STATE/operation/active    the files are in force, or on their way
//! STATE/operation/FILE.old  what was in force; FILE.none when there was no file
//! ```

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use corosync_conf::{Conf, Facts, Severity, edit, lint};
use wire::host::{Content, HostFile, NewFile, Pending, Whole};

use crate::disk::{self, Lock};
use crate::paths::Paths;
use crate::qdevice;
use crate::units::run;

/// No file that a host takes or gives is larger: the certificates of a quorum device are 170 KiB of text.
const MAX_FILE: usize = 256 << 10;
/// The longest name of an operation.
const MAX_NAME: usize = 64;
/// What an operation is on all hosts together: a few words for each service of each node.
const MAX_WHOLE: usize = 64 << 10;
/// Backups that are kept; the oldest goes.
const MAX_BACKUPS: usize = 50;
/// `corosync -t` reads one file and looks its names up.
const CHECK_TIME: Duration = Duration::from_secs(20);

/// The operation that is neither settled nor undone.
///
/// # Errors
/// When the disk cannot be read.
pub fn pending(paths: &Paths) -> anyhow::Result<Option<Pending>> {
    let folder = paths.operation();
    let Some(name) = disk::read(&folder.join("name"), MAX_NAME)? else { return Ok(None) };
    let operation = String::from_utf8_lossy(&name).into_owned();
    let whole = match disk::read(&folder.join("whole"), MAX_WHOLE)? {
        Some(bytes) => serde_json::from_slice(&bytes).context("reading what an operation is on all hosts together")?,
        None => Whole::default(),
    };
    Ok(Some(Pending { operation, active: folder.join("active").exists(), whole }))
}

/// The operation that was settled last: the newest backup has its name behind its date.
pub fn settled(paths: &Paths) -> Option<String> {
    let entries = fs::read_dir(paths.backups()).ok()?;
    let newest = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).max()?;
    Some(newest.split_once('-')?.1.to_owned())
}

/// Lays files and checks them. What another operation laid and did not put in force is dropped.
///
/// # Errors
/// When another operation's files are in force, a file is not fit, or the disk refuses. Nothing is laid then.
pub fn stage(paths: &Paths, operation: &str, files: &[NewFile], whole: &Whole) -> anyhow::Result<()> {
    let fit = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '.' | '_');
    ensure!(
        !operation.is_empty() && operation.len() <= MAX_NAME && operation.chars().all(fit),
        "an operation's name is at most {MAX_NAME} letters, digits, dots, dashes and underlines"
    );
    let whole = serde_json::to_vec(whole).context("writing what an operation is on all hosts together")?;
    ensure!(whole.len() <= MAX_WHOLE, "an operation with more to do than fits in {MAX_WHOLE} bytes");
    let _lock = Lock::take(paths)?;
    if let Some(before) = pending(paths)?.filter(|before| before.active) {
        if before.operation == operation {
            return Ok(());
        }
        bail!("operation {} is in force here and neither settled nor undone: run its command again", before.operation);
    }
    remove_folder(&paths.operation())?;
    // Made under another name, so that half of it never looks like the whole.
    let making = paths.state.join("operation.making");
    remove_folder(&making)?;
    disk::folder_for_root(&making)?;
    // corosync.conf last, as its check looks at the others.
    let (last, first): (Vec<&NewFile>, Vec<&NewFile>) =
        files.iter().partition(|new| new.file == HostFile::CorosyncConf);
    let laid = first.into_iter().chain(last).try_for_each(|new| lay(paths, &making, new)).and_then(|()| {
        disk::write(&making.join("whole"), &whole, 0o600)?;
        disk::write(&making.join("name"), operation.as_bytes(), 0o600)?;
        fs::rename(&making, paths.operation()).context("laying files")
    });
    if laid.is_err() {
        // The error is what counts; the folder is removed before the next attempt in any case.
        let _ = remove_folder(&making);
    }
    laid
}

fn lay(paths: &Paths, folder: &Path, new: &NewFile) -> anyhow::Result<()> {
    let Some(Content(bytes)) = &new.content else {
        return disk::write(&named(folder, new.file, "gone"), b"", 0o600);
    };
    ensure!(bytes.len() <= MAX_FILE, "the {} has more than {MAX_FILE} bytes", new.file.called());
    let path = named(folder, new.file, "new");
    disk::write(&path, bytes, Paths::mode(new.file))?;
    match new.file {
        HostFile::CorosyncConf => check_conf(folder, &path, bytes),
        HostFile::Authkey => {
            ensure!(bytes.len() >= 128, "a shared key has at least 128 bytes; this one has {}", bytes.len());
            Ok(())
        }
        HostFile::Hosts => {
            let text = String::from_utf8_lossy(bytes);
            crate::hosts::Hosts::parse(&text).map(|_| ()).map_err(anyhow::Error::msg)
        }
        HostFile::QdeviceKeys => qdevice::unpack(bytes).map(|_| ()),
    }
    .with_context(|| format!("the {} is not fit for {}", new.file.called(), paths.file(new.file).display()))
}

/// Our own rules, which know more, and then Corosync's own check, which has the last word: on this host, where names
/// are looked up and addresses are compared.
fn check_conf(folder: &Path, path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let text = std::str::from_utf8(bytes).context("it is no text")?;
    let conf = Conf::parse(text);
    let errors = lint(&conf, &Facts::default()).into_iter().filter(|finding| finding.severity == Severity::Error);
    let errors: Vec<String> = errors
        .map(|finding| {
            let line = finding.span.map_or(String::new(), |span| format!("line {}: ", conf.position(span.start).0));
            format!("{line}{}: {}", finding.message, finding.remedy)
        })
        .collect();
    ensure!(errors.is_empty(), "{}", errors.join("; "));
    // It wants the key as well: the one that is laid with the file, if one is.
    let key = named(folder, HostFile::Authkey, "new");
    let checked = folder.join("checked");
    if key.exists() {
        let with_key = edit::set(&conf, &["totem", "keyfile"], &key.to_string_lossy())?;
        disk::write(&checked, with_key.text().as_bytes(), 0o600)?;
    }
    let file = if key.exists() { &checked } else { path };
    let said = run("corosync", &["-t", "-c", &file.to_string_lossy()], CHECK_TIME)?;
    disk::remove(&checked)?;
    ensure!(said.success, "corosync -t refuses it: {}", said.text);
    Ok(())
}

/// Puts in force what the operation laid.
///
/// # Errors
/// When the operation is not the one that was laid, or the disk refuses: then it has to be undone, or done again.
pub fn activate(paths: &Paths, operation: &str) -> anyhow::Result<()> {
    let _lock = Lock::take(paths)?;
    let folder = paths.operation();
    let Some(pending) = pending(paths)?.filter(|pending| pending.operation == operation) else {
        bail!("no files of operation {operation} are laid here");
    };
    let files: Vec<HostFile> = laid(&folder);
    if !pending.active {
        for file in &files {
            let (old, none) = (named(&folder, *file, "old"), named(&folder, *file, "none"));
            match read(paths, *file)? {
                Some(bytes) => disk::write(&old, &bytes, mode(&paths.file(*file), *file))?,
                None => disk::write(&none, b"", 0o600)?,
            }
        }
        disk::write(&folder.join("active"), b"", 0o600)?;
    }
    for file in files {
        let path = paths.file(file);
        let mode = if path.exists() { mode(&path, file) } else { Paths::mode(file) };
        put(paths, file, disk::read(&named(&folder, file, "new"), MAX_FILE)?, mode)?;
    }
    Ok(())
}

/// A file in force.
///
/// # Errors
/// When it is there and cannot be read.
pub fn read(paths: &Paths, file: HostFile) -> anyhow::Result<Option<Vec<u8>>> {
    match file {
        HostFile::QdeviceKeys => qdevice::read(&paths.file(file)),
        _ => disk::read(&paths.file(file), MAX_FILE),
    }
}

/// Puts one in force, or takes it away.
fn put(paths: &Paths, file: HostFile, bytes: Option<Vec<u8>>, mode: u32) -> anyhow::Result<()> {
    let path = paths.file(file);
    match bytes {
        Some(bytes) if file == HostFile::QdeviceKeys => qdevice::write(&path, &bytes),
        Some(bytes) => disk::write(&path, &bytes, mode),
        None if file == HostFile::QdeviceKeys => qdevice::remove(&path),
        None => disk::remove(&path),
    }
}

/// Puts back what was in force before, or drops what was laid. Without such an operation there is nothing to do.
///
/// # Errors
/// When the disk refuses.
pub fn undo(paths: &Paths, operation: &str) -> anyhow::Result<()> {
    let _lock = Lock::take(paths)?;
    let folder = paths.operation();
    let Some(pending) = pending(paths)?.filter(|pending| pending.operation == operation) else { return Ok(()) };
    if pending.active {
        for file in laid(&folder) {
            let old = named(&folder, file, "old");
            let before = disk::read(&old, MAX_FILE)?;
            // What was never put in force, as the disk refused it, needs no disk to be taken back.
            if read(paths, file)? != before {
                put(paths, file, before, mode(&old, file))?;
            }
        }
    }
    remove_folder(&folder)
}

/// The operation is over; what was in force before it is kept as a backup with its date.
///
/// # Errors
/// When its files are not in force, or the disk refuses.
pub fn settle(paths: &Paths, operation: &str) -> anyhow::Result<()> {
    let _lock = Lock::take(paths)?;
    let folder = paths.operation();
    let Some(pending) = pending(paths)?.filter(|pending| pending.operation == operation) else { return Ok(()) };
    ensure!(pending.active, "operation {operation} is not in force here");
    disk::folder_for_root(&paths.backups())?;
    let kept = paths.backups().join(format!("{}-{operation}", jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ")));
    remove_folder(&kept)?;
    fs::rename(&folder, &kept).context("keeping what was in force")?;
    prune(&paths.backups())
}

/// Folders of backups begin with their date, so the oldest is the first by name.
fn prune(backups: &Path) -> anyhow::Result<()> {
    let entries = fs::read_dir(backups).context("looking at the backups")?;
    let mut folders: Vec<PathBuf> = entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
    folders.sort();
    let surplus = folders.len().saturating_sub(MAX_BACKUPS);
    folders[..surplus].iter().try_for_each(|folder| remove_folder(folder))
}

fn named(folder: &Path, file: HostFile, what: &str) -> PathBuf {
    folder.join(format!("{file:?}.{what}"))
}

fn laid(folder: &Path) -> Vec<HostFile> {
    let is_laid = |file: &HostFile| named(folder, *file, "new").exists() || named(folder, *file, "gone").exists();
    HostFile::ALL.into_iter().filter(is_laid).collect()
}

fn mode(path: &Path, file: HostFile) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    fs::metadata(path).map_or(Paths::mode(file), |meta| meta.permissions().mode() & 0o7777)
}

fn remove_folder(path: &Path) -> anyhow::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("removing {}", path.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Place {
        _folder: tempfile::TempDir,
        paths: Paths,
    }

    fn place() -> Place {
        let folder = tempfile::tempdir().unwrap();
        let paths =
            Paths { state: folder.path().join("state"), corosync: folder.path().join("corosync"), memory: Vec::new() };
        fs::create_dir(&paths.corosync).unwrap();
        Place { _folder: folder, paths }
    }

    fn key(byte: u8) -> Vec<NewFile> {
        vec![NewFile { file: HostFile::Authkey, content: Some(Content(vec![byte; 128])) }]
    }

    fn whole() -> Whole {
        let deed = wire::host::Deed::Forget;
        Whole { hosts: vec!["a".into()], then: vec![vec![wire::host::Task { host: "a".into(), deed }]] }
    }

    fn laid_by(paths: &Paths, operation: &str, files: &[NewFile]) -> anyhow::Result<()> {
        stage(paths, operation, files, &whole())
    }

    fn in_force(paths: &Paths) -> Option<u8> {
        fs::read(paths.file(HostFile::Authkey)).ok().map(|bytes| bytes[0])
    }

    #[test]
    fn files_are_laid_put_in_force_and_taken_back() {
        let Place { paths, _folder } = &place();
        laid_by(paths, "one", &key(1)).unwrap();
        assert_eq!(in_force(paths), None, "laid only");
        assert_eq!(pending(paths).unwrap(), Some(Pending { operation: "one".into(), active: false, whole: whole() }));
        activate(paths, "one").unwrap();
        activate(paths, "one").unwrap();
        assert_eq!(in_force(paths), Some(1));
        assert_eq!(mode(&paths.file(HostFile::Authkey), HostFile::Authkey), 0o400);
        assert_eq!(settled(paths), None);
        settle(paths, "one").unwrap();
        settle(paths, "one").unwrap();
        assert_eq!(pending(paths).unwrap(), None);
        assert_eq!(settled(paths).as_deref(), Some("one"));

        laid_by(paths, "two", &key(2)).unwrap();
        activate(paths, "two").unwrap();
        assert_eq!(in_force(paths), Some(2));
        undo(paths, "two").unwrap();
        undo(paths, "two").unwrap();
        assert_eq!(in_force(paths), Some(1));

        laid_by(paths, "three", &[NewFile { file: HostFile::Authkey, content: None }]).unwrap();
        activate(paths, "three").unwrap();
        assert_eq!(in_force(paths), None);
        undo(paths, "three").unwrap();
        assert_eq!(in_force(paths), Some(1));
    }

    #[test]
    fn one_operation_at_a_time_and_the_first_wins_once_it_is_in_force() {
        let Place { paths, _folder } = &place();
        laid_by(paths, "one", &key(1)).unwrap();
        laid_by(paths, "two", &key(2)).unwrap();
        let error = activate(paths, "one").unwrap_err().to_string();
        assert!(error.contains("no files of operation one"), "{error}");
        assert!(settle(paths, "two").is_err(), "not in force");
        activate(paths, "two").unwrap();
        let error = laid_by(paths, "one", &key(1)).unwrap_err().to_string();
        assert!(error.contains("operation two is in force here"), "{error}");
        undo(paths, "one").unwrap();
        assert_eq!(in_force(paths), Some(2), "another's operation is not undone");
    }

    #[test]
    fn what_was_interrupted_on_the_way_can_be_finished_or_undone() {
        let Place { paths, _folder } = &place();
        laid_by(paths, "one", &key(1)).unwrap();
        activate(paths, "one").unwrap();
        settle(paths, "one").unwrap();
        laid_by(paths, "two", &key(2)).unwrap();
        // As after a loss of power with the old file kept and the new one not yet in force.
        let folder = paths.operation();
        fs::copy(paths.file(HostFile::Authkey), named(&folder, HostFile::Authkey, "old")).unwrap();
        fs::write(folder.join("active"), "").unwrap();
        activate(paths, "two").unwrap();
        assert_eq!(in_force(paths), Some(2));
        undo(paths, "two").unwrap();
        assert_eq!(in_force(paths), Some(1));
        assert_eq!(fs::read_dir(paths.backups()).unwrap().count(), 1);
    }

    #[test]
    fn what_is_not_fit_is_not_laid() {
        let Place { paths, _folder } = &place();
        let conf = |text: &str| {
            let content = Some(Content(text.as_bytes().to_vec()));
            vec![NewFile { file: HostFile::CorosyncConf, content }]
        };
        let told = |files: &[NewFile]| format!("{:#}", laid_by(paths, "one", files).unwrap_err());
        assert!(
            told(&conf("totem {\n version: 3\n}\n")).contains("line 2"),
            "{}",
            told(&conf("totem {\n version: 3\n}\n"))
        );
        assert!(
            told(&[NewFile { file: HostFile::Authkey, content: Some(Content(vec![1])) }])
                .contains("at least 128 bytes")
        );
        assert!(laid_by(paths, "../x", &key(1)).is_err());
        assert!(laid_by(paths, "", &key(1)).is_err());
        assert_eq!(pending(paths).unwrap(), None);
        assert_eq!(fs::read_dir(&paths.state).unwrap().count(), 1, "the lock alone");
    }
}
