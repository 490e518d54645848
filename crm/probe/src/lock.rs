//! A lock that one process holds and another must not get: the lock of a file on NFS is kept through a failover if it is
//! refused to everybody else all the time.

use std::fs::File;
use std::io;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;

/// What came of trying to take a lock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tried {
    /// Somebody else has it.
    Refused,
    /// It was free. It is given back at once.
    Got,
}

/// Takes the lock of a whole file, which is made if it is not there; it is held until the value is dropped.
///
/// # Errors
/// When it cannot be made or locked, or somebody else has the lock.
pub fn hold(file: &Path) -> io::Result<File> {
    let file = File::options().create(true).append(true).open(file)?;
    if set(&file, libc::F_WRLCK)? {
        Ok(file)
    } else {
        Err(io::Error::new(io::ErrorKind::WouldBlock, "somebody else has the lock"))
    }
}

/// Tries to take the lock. On NFS this waits for as long as the server does not answer.
pub fn attempt(file: &Path) -> io::Result<Tried> {
    let file = File::options().append(true).open(file)?;
    if !set(&file, libc::F_WRLCK)? {
        return Ok(Tried::Refused);
    }
    set(&file, libc::F_UNLCK)?;
    Ok(Tried::Got)
}

/// Says whether it was done; false when somebody else has the lock.
fn set(file: &File, kind: libc::c_int) -> io::Result<bool> {
    let whole = libc::flock { l_type: kind as i16, l_whence: libc::SEEK_SET as i16, l_start: 0, l_len: 0, l_pid: 0 };
    match fcntl(file, FcntlArg::F_SETLK(&whole)) {
        Ok(_) => Ok(true),
        Err(Errno::EAGAIN | Errno::EACCES) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
