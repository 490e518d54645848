//! The first word to a hub and its answer, for programs without tokio: a supervisor, a command. What is said is theirs.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::SocketPath;
use crate::frame::{Decoder, FrameError, ToClient, ToHub};

/// A hub answers within a millisecond; one that takes this long hangs, and whoever waits should hear of it.
const ANSWER_WAIT: Duration = Duration::from_secs(5);

/// Why a hub did not answer.
#[derive(Debug, thiserror::Error)]
pub enum GreetError {
    /// Nobody listens there, or we may not connect. Nothing was asked.
    #[error("connecting to the hub at {socket}: is `systoled hub --socket {socket}` running?")]
    Connect {
        /// Where it should listen.
        socket: SocketPath,
        /// What the system says.
        source: io::Error,
    },
    /// The connection ended, or no answer came within five seconds.
    #[error("waiting for the answer of the hub at {socket}")]
    Lost {
        /// Where it listens.
        socket: SocketPath,
        /// What the system says.
        source: io::Error,
    },
    /// What listens there is no hub, or one of another version.
    #[error("the hub at {socket} does not speak our language")]
    Frame {
        /// Where it listens.
        socket: SocketPath,
        /// What is wrong with what it said.
        source: FrameError,
    },
}

/// Connects, says one frame and reads one.
pub fn greet(socket: &SocketPath, frame: &ToHub) -> Result<(UnixStream, ToClient), GreetError> {
    let mut stream =
        UnixStream::connect(socket).map_err(|source| GreetError::Connect { socket: socket.clone(), source })?;
    let lost = |source| GreetError::Lost { socket: socket.clone(), source };
    stream.set_read_timeout(Some(ANSWER_WAIT)).map_err(lost)?;
    stream.set_write_timeout(Some(ANSWER_WAIT)).map_err(lost)?;
    // A hub that refuses us may have closed its end already; its reason is still there to read.
    if let Err(error) = stream.write_all(&frame.encode())
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        return Err(lost(error));
    }
    let mut decoder = Decoder::default();
    let mut buffer = [0; 4096];
    loop {
        match decoder.take(ToClient::decode) {
            Ok(Some(answer)) => return Ok((stream, answer)),
            Ok(None) => {}
            Err(source) => return Err(GreetError::Frame { socket: socket.clone(), source }),
        }
        let count = stream.read(&mut buffer).map_err(lost)?;
        if count == 0 {
            return Err(lost(io::ErrorKind::UnexpectedEof.into()));
        }
        decoder.feed(&buffer[..count]);
    }
}
