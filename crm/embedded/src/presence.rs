//! Holding a node's presence: what its pid 1 does, so that the host is up while its daemon is not. No tokio is needed.
//!
//! The hub says nothing to a presence after its welcome. That the connection is gone shows as its descriptor becoming
//! readable, which is all a supervisor has to poll for.

use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use crate::blocking::{self, GreetError};
use crate::frame::{PROTOCOL, ToClient, ToHub};
use crate::{Identity, SocketPath};

/// A held presence; dropping it gives it up.
#[derive(Debug)]
pub struct Presence {
    stream: UnixStream,
}

/// Why a presence is not held.
#[derive(Debug, thiserror::Error)]
pub enum PresenceError {
    /// The hub could not be reached, or went away.
    #[error(transparent)]
    Greet(#[from] GreetError),
    /// The hub does not take this node; asking again helps only after its reason is gone.
    #[error("the hub at {socket} refused this node's presence: {reason}")]
    Refused {
        /// Where it listens.
        socket: SocketPath,
        /// What it says.
        reason: String,
    },
    /// It spoke, but said neither yes nor no.
    #[error("the hub at {socket} answered something else than asked: are hub and supervisor of one version?")]
    Unexpected {
        /// Where it listens.
        socket: SocketPath,
    },
}

/// Takes up a node's presence. Waits for the hub's answer (bounded).
pub fn presence(socket: &SocketPath, identity: &Identity) -> Result<Presence, PresenceError> {
    let frame = ToHub::Presence { protocol: PROTOCOL, host: identity.host().clone() };
    match blocking::greet(socket, &frame)? {
        (stream, ToClient::Welcome { .. }) => {
            let lost = |source| GreetError::Lost { socket: socket.clone(), source };
            stream.set_nonblocking(true).map_err(lost)?;
            Ok(Presence { stream })
        }
        (_, ToClient::Refused { reason }) => Err(PresenceError::Refused { socket: socket.clone(), reason }),
        _ => Err(PresenceError::Unexpected { socket: socket.clone() }),
    }
}

impl Presence {
    /// Whether it is still held. Never blocks; ask when the descriptor is readable.
    pub fn is_held(&mut self) -> bool {
        match self.stream.read(&mut [0; 64]) {
            Ok(count) => count > 0,
            Err(error) => matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::Interrupted),
        }
    }
}

impl AsFd for Presence {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}
