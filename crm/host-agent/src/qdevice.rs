//! The certificates with which the nodes of a cluster and QNetd know each other: made by Corosync's own
//! `corosync-qdevice-net-certutil` out of the way of those in force, and carried between hosts as one text, so that they
//! are laid, put in force and taken back like any other file. All nodes have the same.
//!
//! ```text
//! a node                          QNetd's host
//!   request  ──── request ────►     sign
//!   keys     ◄── certificate ──
//!     └── one text, a line a file: `NAME DIGITS`; laid on all nodes
//! ```

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use wire::host::{Content, hexadecimal};

use crate::disk::{self, Lock};
use crate::paths::{Paths, folder};
use crate::units::run;

/// The files that count, those that must be there first. What else the tool leaves is of no use once it is done.
const FILES: [&str; 5] = ["cert9.db", "key4.db", "pkcs11.txt", "pwdfile.txt", "qdevice-net-node.p12"];
/// So many of them have to be there.
const NEEDED: usize = 3;
/// What the tool leaves besides.
const LEFT_OVER: [&str; 3] = ["noise.txt", "serial.txt", "qdevice-net-node.crq"];
/// No file of the database is larger: with a key and two certificates they have 50 KiB.
const MAX_FILE: usize = 100 << 10;
/// A key of 2,048 bits takes a second, and more on a small machine that lacks chance.
const MAKE_TIME: Duration = Duration::from_secs(50);
/// X.509 ends a common name there.
const MAX_CLUSTER: usize = 64;
/// The program.
const CERTUTIL: &str = "corosync-qdevice-net-certutil";

/// Makes a key for this cluster, and gives the request that QNetd's host has to sign. A request that was never signed is
/// dropped.
///
/// # Errors
/// When the name cannot stand in a certificate, the tool is not installed, or it fails.
pub fn request(paths: &Paths, cluster: &str, authority: &[u8]) -> anyhow::Result<Vec<u8>> {
    check_cluster(cluster)?;
    let _lock = Lock::take(paths)?;
    let making = paths.making();
    remove_all(&making)?;
    disk::folder_for_root(&making)?;
    let given = given(paths);
    disk::write(&given, authority, 0o600)?;
    let made = aside(paths, &[&["-i", "-c", &given.to_string_lossy()], &["-r", "-n", cluster]]);
    disk::remove(&given)?;
    made?;
    let made = making.join("net/nssdb/qdevice-net-node.crq");
    disk::read(&made, MAX_FILE)?.with_context(|| format!("{CERTUTIL} made no {}", made.display()))
}

/// Takes the signed certificate in, and gives the database as one text. It stays here no longer.
///
/// # Errors
/// When no request was made here before, or the certificate does not belong to it.
pub fn keys(paths: &Paths, certificate: &[u8]) -> anyhow::Result<Vec<u8>> {
    let _lock = Lock::take(paths)?;
    let making = paths.making();
    ensure!(making.exists(), "no key for a quorum device was made here: run the command again from its start");
    let given = given(paths);
    disk::write(&given, certificate, 0o600)?;
    let made = aside(paths, &[&["-M", "-c", &given.to_string_lossy()]]);
    disk::remove(&given)?;
    made?;
    let text = read(&making.join("net/nssdb"))?.with_context(|| format!("{CERTUTIL} made no database"))?;
    remove_all(&making)?;
    Ok(text)
}

/// What comes from QNetd's host, for the tool to read.
fn given(paths: &Paths) -> std::path::PathBuf {
    paths.state.join("qdevice.given")
}

/// Runs the tool on a database of its own. It knows one place alone, so that place is another one for it: a mount that
/// is seen by this thread and what it starts.
fn aside(paths: &Paths, lines: &[&[&str]]) -> anyhow::Result<()> {
    let place = paths.qdevice();
    disk::folder_for_root(&place)?;
    let making = paths.making();
    let work = || {
        unshare(CloneFlags::CLONE_NEWNS).context("making a mount that nobody else sees")?;
        let none = None::<&Path>;
        mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).context("keeping mounts to ourselves")?;
        mount(Some(&making), &place, none, MsFlags::MS_BIND, none)
            .with_context(|| format!("showing {} as {}", making.display(), place.display()))?;
        for line in lines {
            let said = run(CERTUTIL, line, MAKE_TIME).context("apt-get install corosync-qdevice")?;
            ensure!(said.success, "{CERTUTIL} {}: {}", line[0], said.text.replace('\n', " | "));
        }
        Ok(())
    };
    // A thread that has left the others' mounts cannot come back, so it ends with its work.
    std::thread::scope(|scope| match scope.spawn(work).join() {
        Ok(done) => done,
        Err(_) => bail!("making certificates failed"),
    })
}

/// A cluster's name that can stand in a certificate, and as a part of a file's name.
///
/// # Errors
/// When it cannot.
pub fn check_cluster(name: &str) -> anyhow::Result<()> {
    let fit = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '.' | '_');
    ensure!(
        !name.is_empty() && name.len() <= MAX_CLUSTER && name.chars().all(fit),
        "for a quorum device the cluster needs a name of 1 to {MAX_CLUSTER} letters, digits, dots, dashes and underlines, \
         as its certificate is made out to it: `systole cluster rename`"
    );
    Ok(())
}

/// The database of a folder as one text; nothing when there is none.
///
/// # Errors
/// When a file cannot be read.
pub fn read(folder: &Path) -> anyhow::Result<Option<Vec<u8>>> {
    let mut text = String::new();
    for (at, name) in FILES.into_iter().enumerate() {
        match disk::read(&folder.join(name), MAX_FILE)? {
            Some(bytes) => text += &format!("{name} {}\n", hexadecimal(&bytes)),
            None if at < NEEDED => return Ok(None),
            None => {}
        }
    }
    Ok(Some(text.into_bytes()))
}

/// A text's files, each of which may stand there once.
///
/// # Errors
/// When a line is none, or a file is missing.
pub fn unpack(text: &[u8]) -> anyhow::Result<Vec<(&'static str, Vec<u8>)>> {
    let text = std::str::from_utf8(text).context("it is no text")?;
    let mut files: Vec<(&'static str, Vec<u8>)> = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let (name, digits) = line.split_once(' ').unwrap_or((line, ""));
        let known = FILES.into_iter().find(|known| *known == name);
        let Some(known) = known.filter(|known| files.iter().all(|(other, _)| other != known)) else {
            bail!("line {}: expected one of {}, each once", at + 1, FILES.join(", "));
        };
        let Content(bytes) =
            Content::try_from(digits.to_owned()).with_context(|| format!("line {}, {known}", at + 1))?;
        ensure!(bytes.len() <= MAX_FILE, "line {}: {known} has more than {MAX_FILE} bytes", at + 1);
        files.push((known, bytes));
    }
    for needed in &FILES[..NEEDED] {
        ensure!(files.iter().any(|(name, _)| name == needed), "{needed} is missing");
    }
    Ok(files)
}

/// Puts a text's files in force; corosync-qdevice reads them when it starts.
///
/// # Errors
/// When the text is none, or the disk refuses.
pub fn write(folder: &Path, text: &[u8]) -> anyhow::Result<()> {
    let files = unpack(text)?;
    disk::folder_for_root(folder)?;
    for name in FILES {
        match files.iter().find(|(given, _)| *given == name) {
            Some((_, bytes)) => disk::write(&folder.join(name), bytes, 0o600)?,
            None => disk::remove(&folder.join(name))?,
        }
    }
    Ok(())
}

/// Takes the database away.
///
/// # Errors
/// When the disk refuses.
pub fn remove(path: &Path) -> anyhow::Result<()> {
    for name in FILES.into_iter().chain(LEFT_OVER) {
        disk::remove(&path.join(name))?;
    }
    // What somebody else put there stays, and its folder with it; the tool refuses only a database.
    let _ = fs::remove_dir(path).and_then(|()| fs::remove_dir(folder(path)));
    Ok(())
}

fn remove_all(path: &Path) -> anyhow::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("removing {}", path.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_travels_as_one_text_and_back() {
        let folder = tempfile::tempdir().unwrap();
        let (one, other) = (folder.path().join("one"), folder.path().join("other/net/nssdb"));
        fs::create_dir(&one).unwrap();
        assert_eq!(read(&one).unwrap(), None);
        for (at, name) in FILES[..4].iter().enumerate() {
            fs::write(one.join(name), vec![at as u8; at * 10]).unwrap();
        }
        fs::write(one.join("noise.txt"), "x").unwrap();
        let text = read(&one).unwrap().unwrap();
        write(&other, &text).unwrap();
        assert_eq!(read(&other).unwrap().unwrap(), text);
        assert_eq!(fs::read(other.join("key4.db")).unwrap(), [1; 10]);
        assert_eq!(fs::read_dir(&other).unwrap().count(), 4, "noise stays where it is");
        remove(&other).unwrap();
        assert!(!other.exists());
        remove(&one).unwrap();
        remove(&one).unwrap();
        assert_eq!(read(&one).unwrap(), None);
    }

    #[test]
    fn a_text_that_is_none_is_refused() {
        let whole = "cert9.db 00\nkey4.db 00\npkcs11.txt 00\n";
        assert_eq!(unpack(whole.as_bytes()).unwrap().len(), 3);
        for (text, why) in [
            ("", "cert9.db is missing"),
            ("cert9.db 00\n", "key4.db is missing"),
            ("../cert9.db 00\n", "line 1: expected one of cert9.db"),
            ("cert9.db 00\ncert9.db 00\n", "line 2: expected one of"),
            ("cert9.db 0\n", "line 1, cert9.db"),
            ("/etc/shadow\n", "line 1: expected one of"),
        ] {
            let error = unpack(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
        assert!(unpack(&[0xff]).is_err());
        let large = format!("cert9.db {}\n", "00".repeat(MAX_FILE + 1));
        assert!(unpack(large.as_bytes()).unwrap_err().to_string().contains("more than"));
    }

    #[test]
    fn names_that_cannot_stand_in_a_certificate_are_refused() {
        assert!(check_cluster("hacl-1.a_b").is_ok());
        for name in ["", "a,b", "a/b", "a b", "ä", &"a".repeat(65)] {
            assert!(check_cluster(name).is_err(), "{name}");
        }
    }
}
