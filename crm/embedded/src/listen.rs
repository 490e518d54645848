//! Taking a socket's path for a hub: never from a hub that lives, always from one that is dead; and giving it back.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};

use crate::SocketPath;

/// A socket that listens. Its path is removed when this is dropped, if it is still ours.
#[derive(Debug)]
pub struct Listening {
    listener: UnixListener,
    path: SocketPath,
    /// Device and inode of the socket, to know it from one that somebody else put there later.
    file: (u64, u64),
}

/// Why a hub cannot listen. Nothing was changed, except that a dead hub's socket may be gone after [`ListenError::Bind`].
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// One hub is enough; two would split the cluster.
    #[error(
        "a hub{} listens on {path} already: use that one, end it with the request `stop`, or choose another --socket \
         for a second cluster", pid.map_or(String::new(), |pid| format!(" (process {pid})"))
    )]
    InUse {
        /// Where.
        path: SocketPath,
        /// Which process, if the system tells.
        pid: Option<i32>,
    },
    /// We replace dead sockets and nothing else.
    #[error("{0} exists and is no socket: remove it, or choose another --socket")]
    NotASocket(SocketPath),
    /// We make no directories: their owner and rights are the administrator's choice.
    #[error("the directory {directory} for the socket cannot be used: create it with `mkdir -p -m 0700 {directory}`")]
    Directory {
        /// Which.
        directory: String,
        /// What the system says.
        source: io::Error,
    },
    /// The socket could not be looked at, made or given its rights.
    #[error("listening on {path}")]
    Bind {
        /// Where.
        path: SocketPath,
        /// What the system says.
        source: io::Error,
    },
}

/// Begins to listen. Only root and our own user may connect.
pub fn listen(path: &SocketPath) -> Result<Listening, ListenError> {
    // Two hubs that find the same dead socket must not both replace it: the directory is locked while we look and bind.
    let _lock = lock_directory(path)?;
    let bind = |source| ListenError::Bind { path: path.clone(), source };
    match fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => return Err(ListenError::NotASocket(path.clone())),
        Ok(_) => match UnixStream::connect(path) {
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => fs::remove_file(path).map_err(bind)?,
            // Whatever else it answers, somebody is there: even a hub whose queue is full.
            Err(_) => return Err(ListenError::InUse { path: path.clone(), pid: None }),
            Ok(stream) => {
                let pid = getsockopt(&stream, PeerCredentials).ok().map(|peer| peer.pid()).filter(|pid| *pid > 0);
                return Err(ListenError::InUse { path: path.clone(), pid });
            }
        },
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(bind(error)),
    }
    let listener = UnixListener::bind(path).map_err(bind)?;
    let made = fs::symlink_metadata(path).map_err(bind)?;
    let listening = Listening { listener, path: path.clone(), file: (made.dev(), made.ino()) };
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(bind)?;
    listening.listener.set_nonblocking(true).map_err(bind)?;
    Ok(listening)
}

fn lock_directory(path: &SocketPath) -> Result<Flock<File>, ListenError> {
    let directory: PathBuf = path.as_ref().parent().unwrap_or(Path::new("/")).to_owned();
    let failed = |source| ListenError::Directory { directory: directory.display().to_string(), source };
    let file = File::open(&directory).map_err(failed)?;
    Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, error)| failed(error.into()))
}

impl Listening {
    /// A second handle of the listening socket, for the one who accepts.
    pub(crate) fn listener(&self) -> io::Result<UnixListener> {
        self.listener.try_clone()
    }

    /// Where it listens.
    pub fn path(&self) -> &SocketPath {
        &self.path
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let ours = fs::symlink_metadata(&self.path).is_ok_and(|found| (found.dev(), found.ino()) == self.file);
        if ours && let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(socket = %self.path, %error, "the socket could not be removed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_directory(directory: &Path, name: &str) -> SocketPath {
        directory.join(name).to_str().expect("a temporary directory's name").parse().expect("a path")
    }

    #[test]
    fn a_dead_socket_is_replaced_and_a_living_one_is_not() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = in_directory(directory.path(), "hub");
        drop(UnixListener::bind(&path).expect("a socket nobody listens on"));
        let first = listen(&path).expect("the dead socket is replaced");
        assert_eq!(fs::metadata(&path).expect("the socket").permissions().mode() & 0o777, 0o600);
        let second = listen(&path).expect_err("one hub is enough").to_string();
        assert!(second.contains(&format!("(process {})", std::process::id())), "{second}");
        drop(first);
        assert!(!path.as_ref().exists());
    }

    #[test]
    fn another_ones_socket_is_left_alone() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = in_directory(directory.path(), "hub");
        let first = listen(&path).expect("listening");
        fs::rename(&path, directory.path().join("elsewhere")).expect("renamed");
        let _other = UnixListener::bind(&path).expect("another one");
        drop(first);
        assert!(path.as_ref().exists());
    }

    #[test]
    fn what_is_in_the_way_is_named() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = in_directory(directory.path(), "file");
        fs::write(&file, "precious").expect("a file");
        assert!(matches!(listen(&file), Err(ListenError::NotASocket(_))));
        assert_eq!(fs::read_to_string(&file).expect("still there"), "precious");
        let missing = listen(&in_directory(directory.path(), "none/hub")).expect_err("no directory");
        assert!(missing.to_string().contains("mkdir"), "{missing}");
    }
}
