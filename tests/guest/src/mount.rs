//! What every NFS client here does first: its helpers, and the mount. And the lock that is fought for.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::str::FromStr;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};

/// What the example exports.
pub const EXPORT: &str = "/srv/nfs/data";
/// The clients' words for the stage; a file for each of them.
pub const WORDS: &str = "/run/lab/nfs";
/// While this file is there, clients go on.
pub const GO_ON: &str = "/run/lab/nfs/go-on";
/// The server comes up while clients try.
const MOUNT_WAIT: Duration = Duration::from_secs(120);
const TRY_AGAIN: Duration = Duration::from_millis(500);

/// A version of NFS that is tried.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Protocol {
    /// NFSv3, with locks by the lock manager.
    V3,
    /// NFSv4.2.
    V4,
}

impl Protocol {
    /// All of them.
    pub const ALL: [Protocol; 2] = [Protocol::V3, Protocol::V4];

    /// As `mount` has it.
    pub fn version(self) -> &'static str {
        match self {
            Protocol::V3 => "3",
            Protocol::V4 => "4.2",
        }
    }

    /// The file with the records, as the server and every client sees it.
    pub fn records(self) -> String {
        format!("records-{}", self.version())
    }

    /// The file that is locked.
    pub fn lock(self) -> String {
        format!("lock-{}", self.version())
    }
}

impl FromStr for Protocol {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let known = Protocol::ALL.into_iter().find(|protocol| protocol.version() == text);
        known.with_context(|| format!("{text:?} is no version of NFS that is tried here"))
    }
}

/// Starts what an NFSv3 client needs for its locks.
pub fn start_helpers() -> Result<()> {
    for (program, words) in [("rpcbind", &[][..]), ("rpc.statd", &["--no-notify"])] {
        let status = Command::new(program).args(words).stdin(Stdio::null()).status();
        let status = status.with_context(|| format!("starting {program}"))?;
        if !status.success() {
            bail!("{program} does not start ({status})");
        }
    }
    Ok(())
}

/// Mounts the export, as soon as the server is there.
pub fn mount(server: &str, protocol: Protocol) -> Result<PathBuf> {
    let point = Path::new("/mnt").join(protocol.version());
    std::fs::create_dir_all(&point).with_context(|| format!("making {}", point.display()))?;
    let options = format!("vers={},proto=tcp,hard", protocol.version());
    let end = Instant::now() + MOUNT_WAIT;
    loop {
        let output = Command::new("mount")
            .args(["-t", "nfs", "-o", &options, &format!("{server}:{EXPORT}")])
            .arg(&point)
            .stdin(Stdio::null())
            .output()
            .context("starting mount")?;
        if output.status.success() {
            return Ok(point);
        }
        if Instant::now() >= end {
            bail!("mounting with {options}: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        thread::sleep(TRY_AGAIN);
    }
}

/// Tries to lock the whole file, without waiting for who has it. Says whether it has it now.
pub fn lock(file: &File) -> Result<bool> {
    let whole = libc_flock();
    match fcntl(file, FcntlArg::F_SETLK(&whole)) {
        Ok(_) => Ok(true),
        Err(Errno::EAGAIN | Errno::EACCES) => Ok(false),
        Err(error) => Err(error).context("locking"),
    }
}

fn libc_flock() -> nix::libc::flock {
    nix::libc::flock {
        l_type: nix::libc::F_WRLCK as i16,
        l_whence: nix::libc::SEEK_SET as i16,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    }
}
