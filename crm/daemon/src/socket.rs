//! The socket for tools: one request a line, one reply a line. Who may open it, the file's permissions say: root, and
//! members of the group `haclient` if there is such a group.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{Group, chown};
use node::ClientId;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc, oneshot};
use wire::request::{from_line, to_line};
use wire::{Reply, Request, Why};

use crate::callers::Names;

/// The group whose members may use the tools, as Pacemaker has it.
const GROUP: &str = "haclient";
/// Tools connected at once; more wait. A status display every second on each of many screens stays far below.
const MAX_CLIENTS: usize = 256;
/// The longest request: a whole configuration for `apply` (57 MB is the largest measured for 100 nodes).
const MAX_REQUEST: u64 = 128 * 1024 * 1024;
/// What a tool may cost, that is broken or means ill.
#[derive(Clone, Copy, Debug)]
struct Limits {
    /// Requests and replies up to here, in bytes, are taken as they come: with [`MAX_CLIENTS`] of them a daemon stays small.
    small: u64,
    /// The longest request, in bytes.
    request: u64,
    /// What longer requests and replies may hold together, in KiB. Who comes then waits for room.
    large_kib: u32,
    /// How long the rest of a longer request may take.
    read_wait: Duration,
    /// A tool that does not take its reply for so long is cut off.
    write_wait: Duration,
}

const LIMITS: Limits = Limits {
    small: 1024 * 1024,
    request: MAX_REQUEST,
    // Four of the longest requests.
    large_kib: 512 * 1024,
    read_wait: Duration::from_secs(60),
    write_wait: Duration::from_secs(30),
};

impl Limits {
    /// What so many bytes take of [`Self::large_kib`].
    fn kib(&self, bytes: u64) -> u32 {
        u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX).min(self.large_kib)
    }
}

/// Replies to those who wait, by connection.
pub type Waiting = BTreeMap<ClientId, oneshot::Sender<Reply>>;

/// A request, with the way its reply goes back.
pub type Asked = (ClientId, Request, oneshot::Sender<Reply>);

/// What comes from tools.
#[derive(Debug)]
pub enum FromTool {
    /// A connection began, of somebody who is neither root nor the daemon's own user.
    Came(ClientId, acl::Who),
    /// A request.
    Asked(Asked),
    /// The connection ended.
    Gone(ClientId),
}

/// The socket; its file goes away with it.
#[derive(Debug)]
pub struct Socket {
    listener: UnixListener,
    path: PathBuf,
}

impl Drop for Socket {
    fn drop(&mut self) {
        // Nothing is lost if it stays: the next daemon sees that nobody listens.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Listens. A socket on which nobody listens any more is replaced.
pub fn listen(path: &Path) -> anyhow::Result<Socket> {
    let doing = || format!("listening for tools on {} (--socket names another)", path.display());
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory).with_context(doing)?;
    }
    if std::os::unix::net::UnixStream::connect(path).is_ok() {
        bail!(
            "another systoled listens on {}: stop it first, or give this one its own --socket and --state",
            path.display()
        );
    }
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error).with_context(doing),
        _ => {}
    }
    let before = umask(Mode::from_bits_truncate(0o177));
    let listener = UnixListener::bind(path).with_context(doing);
    umask(before);
    let listener = listener?;
    if let Ok(Some(group)) = Group::from_name(GROUP)
        && chown(path, None, Some(group.gid)).is_ok()
    {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660)).with_context(doing)?;
    }
    Ok(Socket { listener, path: path.to_owned() })
}

impl Socket {
    /// Takes connections for as long as it lives.
    pub async fn serve(self, to: mpsc::Sender<FromTool>) {
        self.serve_within(LIMITS, to).await;
    }

    async fn serve_within(self, limits: Limits, to: mpsc::Sender<FromTool>) {
        let room = Arc::new(Semaphore::new(MAX_CLIENTS));
        let large = Arc::new(Semaphore::new(limits.large_kib as usize));
        let names = Names::default();
        let mut next = 0;
        loop {
            let Ok(permit) = room.clone().acquire_owned().await else { return };
            let Ok((stream, _)) = self.listener.accept().await else {
                // Out of descriptors, as a rule: others must end before more can come.
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            next += 1;
            let (client, to, large, names) = (ClientId(next), to.clone(), large.clone(), names.clone());
            tokio::spawn(async move {
                let who = peer(&stream);
                if let Some(caller) = names.of(&stream).await
                    && to.send(FromTool::Came(client, caller)).await.is_err()
                {
                    return;
                }
                if let Err(trouble) = talk(client, stream, &to, limits, &large).await {
                    tracing::warn!(event = "client", "{who} {trouble}; its connection is closed");
                }
                let _ = to.send(FromTool::Gone(client)).await;
                drop(permit);
            });
        }
    }
}

/// Who is at the other end.
fn peer(stream: &UnixStream) -> String {
    match stream.peer_cred() {
        Ok(peer) => {
            let process = peer.pid().map_or_else(|| "a process".to_owned(), |pid| format!("process {pid}"));
            format!("{process} of user {}", peer.uid())
        }
        Err(_) => "a tool".to_owned(),
    }
}

/// Talks with a tool until it goes. An error says what is wrong with it.
async fn talk(
    client: ClientId,
    stream: UnixStream,
    to: &mpsc::Sender<FromTool>,
    limits: Limits,
    large: &Semaphore,
) -> Result<(), String> {
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::new(read);
    loop {
        let mut line = Vec::new();
        match (&mut read).take(limits.small).read_until(b'\n', &mut line).await {
            Ok(1..) => {}
            _ => return Ok(()),
        }
        let mut room = None;
        if !line.ends_with(b"\n") && line.len() as u64 == limits.small {
            room = large.acquire_many(limits.kib(limits.request)).await.ok();
            let mut rest = (&mut read).take(limits.request - limits.small);
            match tokio::time::timeout(limits.read_wait, rest.read_until(b'\n', &mut line)).await {
                Ok(Ok(_)) => {}
                Ok(Err(_)) => return Ok(()),
                Err(_) => return Err(format!("stopped in the middle of a request, after {} bytes", line.len())),
            }
        }
        let whole = line.ends_with(b"\n");
        let too_long = format!("sent more than {} bytes without the end of a request", limits.request);
        let request = if whole {
            std::str::from_utf8(&line).map_err(|error| error.to_string()).and_then(from_line::<Request>)
        } else {
            Err(format!("expected a line of at most {} bytes with its newline", limits.request))
        };
        let is_too_long = line.len() as u64 == limits.request && !whole;
        drop(line);
        let reply = match request {
            Ok(request) => {
                let (answer, answered) = oneshot::channel();
                if to.send(FromTool::Asked((client, request, answer))).await.is_err() {
                    return Ok(());
                }
                let Ok(reply) = answered.await else { return Ok(()) };
                reply
            }
            Err(reason) => Reply::Refused { why: Why::Invalid, reason },
        };
        let reply = to_line(&reply);
        drop(room);
        let length = reply.len() as u64;
        let _room = match length > limits.small {
            true => large.acquire_many(limits.kib(length)).await.ok(),
            false => None,
        };
        match tokio::time::timeout(limits.write_wait, write.write_all(reply.as_bytes())).await {
            Ok(Ok(())) if whole => {}
            Ok(_) if is_too_long => return Err(too_long),
            Ok(_) => return Ok(()),
            Err(_) => return Err(format!("did not take its reply of {length} bytes")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead as _, Read as _, Write as _};

    const SMALL: Limits = Limits {
        small: 1024,
        request: 64 * 1024,
        large_kib: 64,
        read_wait: Duration::from_millis(200),
        write_wait: Duration::from_millis(200),
    };
    /// How long anything here may take before a test fails.
    const PATIENCE: Duration = Duration::from_secs(20);

    /// Tools that talk to a daemon which answers each question with so many bytes; gives the connections that ended.
    fn tools(bytes: usize, count: usize, tools: impl FnOnce(&Path) + Send + 'static) -> Vec<ClientId> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let socket = listen(&path).unwrap();
            let (to, mut from) = mpsc::channel(4);
            let serving = tokio::spawn(socket.serve_within(SMALL, to));
            let told = std::thread::spawn(move || tools(&path));
            let mut gone = Vec::new();
            while gone.len() < count {
                match tokio::time::timeout(PATIENCE, from.recv()).await.expect("all tools end").unwrap() {
                    FromTool::Asked((_, _, answer)) => drop(answer.send(Reply::refused("x".repeat(bytes)))),
                    FromTool::Came(..) => {}
                    FromTool::Gone(client) => gone.push(client),
                }
            }
            serving.abort();
            told.join().unwrap();
            gone
        })
    }

    fn connect(path: &Path) -> std::os::unix::net::UnixStream {
        let stream = std::os::unix::net::UnixStream::connect(path).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    fn ask(path: &Path, question: &str) -> String {
        let mut stream = connect(path);
        stream.write_all(question.as_bytes()).unwrap();
        let mut line = String::new();
        std::io::BufReader::new(&stream).read_line(&mut line).unwrap();
        line
    }

    #[test]
    fn who_sends_without_end_is_refused_and_the_next_one_served() {
        tools(1, 2, |path| {
            let mut stream = connect(path);
            // The daemon closes before all of it is through.
            let mut sent = 0;
            while sent < 16 * 1024 * 1024 {
                match stream.write(&[b'x'; 4096]) {
                    Ok(count) => sent += count,
                    Err(_) => break,
                }
            }
            assert!(sent < 1024 * 1024, "{sent} bytes were taken");
            let mut reply = String::new();
            // What it said is lost where the connection was reset.
            if stream.read_to_string(&mut reply).is_ok() && !reply.is_empty() {
                assert!(reply.contains("at most 65536 bytes"), "{reply}");
            }
            assert!(ask(path, "\"Status\"\n").contains("Refused"));
        });
    }

    #[test]
    fn who_stops_in_the_middle_or_does_not_read_holds_up_nobody_for_ever() {
        let gone = tools(1024 * 1024, 3, |path| {
            let mut half = connect(path);
            half.write_all(&[b'x'; 2048]).unwrap();
            let mut deaf = connect(path);
            deaf.write_all(b"\"Status\"\n").unwrap();
            // It waits for the room that the others have, and gets it.
            assert!(ask(path, "\"Status\"\n").contains("xxx"));
            drop((half, deaf));
        });
        assert_eq!(gone.len(), 3);
    }

    #[test]
    fn what_is_no_question_is_refused_and_the_next_one_answered() {
        tools(1, 1, |path| {
            let mut stream = connect(path);
            stream.write_all(b"hello\n\xff\xfe\n{}\n\"Status\"\n").unwrap();
            let lines: Vec<String> = std::io::BufReader::new(&stream).lines().take(4).map(Result::unwrap).collect();
            assert!(lines[..3].iter().all(|line| line.contains("Invalid")), "{lines:?}");
            assert!(lines[3].contains("Other"), "{lines:?}");
        });
    }
}
