//! Where the hub listens: a path, never an address. Refusing addresses here keeps everyone else from thinking of them.

use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Linux keeps a socket's path in 108 bytes, the closing zero included.
const MAX_PATH: usize = 107;

/// The path of a Unix socket.
///
/// Invariant: begins with `/`, `./` or `../` and fits into a socket's address.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SocketPath(PathBuf);

/// Why something is not the path of a socket.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BadSocket {
    /// An address of a network, or a bare word that could be one.
    #[error(
        "{0:?} is not the path of a socket: the embedded engine joins nodes of one machine only; give a path such as \
         /run/systole/hub.socket, and use Corosync as the engine for nodes on several machines"
    )]
    NotAPath(String),
    /// The kernel would cut it off.
    #[error("{0:?} is too long for the path of a socket ({len} bytes, at most {MAX_PATH}): choose a shorter one", len = .0.len())]
    TooLong(String),
}

impl FromStr for SocketPath {
    type Err = BadSocket;

    fn from_str(text: &str) -> Result<SocketPath, BadSocket> {
        if !["/", "./", "../"].iter().any(|start| text.starts_with(start)) || text.contains('\0') {
            return Err(BadSocket::NotAPath(text.to_owned()));
        }
        if text.len() > MAX_PATH {
            return Err(BadSocket::TooLong(text.to_owned()));
        }
        Ok(SocketPath(PathBuf::from(text)))
    }
}

impl AsRef<Path> for SocketPath {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

impl std::fmt::Display for SocketPath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.display().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_other_machines_are_refused() {
        for address in ["10.0.0.1:5405", "[fe80::1]:5405", "tcp://host:1", "node2", "", "\0abstract", "/a\0b"] {
            let error = address.parse::<SocketPath>().expect_err(address);
            assert!(error.to_string().contains("Corosync"), "{error}");
        }
        assert_eq!("/run/a:1".parse::<SocketPath>().map(|path| path.to_string()), Ok("/run/a:1".into()));
        let long = format!("/{}", "x".repeat(MAX_PATH));
        assert!(long.parse::<SocketPath>().expect_err("too long").to_string().contains("108 bytes"));
    }
}
