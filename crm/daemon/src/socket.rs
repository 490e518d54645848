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

/// The group whose members may use the tools, as Pacemaker has it.
const GROUP: &str = "haclient";
/// Tools connected at once; more wait. A status display every second on each of many screens stays far below.
const MAX_CLIENTS: usize = 256;
/// The longest request: a whole configuration for `apply` (57 MB is the largest measured for 100 nodes).
const MAX_REQUEST: u64 = 128 * 1024 * 1024;
/// A tool that does not take its reply for so long is cut off.
const WRITE_WAIT: Duration = Duration::from_secs(30);

/// Replies to those who wait, by connection.
pub type Waiting = BTreeMap<ClientId, oneshot::Sender<Reply>>;

/// A request, with the way its reply goes back.
pub type Asked = (ClientId, Request, oneshot::Sender<Reply>);

/// What comes from tools.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "requests are the rule, and few wait at a time")]
pub enum FromTool {
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
        let room = Arc::new(Semaphore::new(MAX_CLIENTS));
        let mut next = 0;
        loop {
            let Ok(permit) = room.clone().acquire_owned().await else { return };
            let Ok((stream, _)) = self.listener.accept().await else {
                // Out of descriptors, as a rule: others must end before more can come.
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            next += 1;
            let (client, to) = (ClientId(next), to.clone());
            tokio::spawn(async move {
                talk(client, stream, &to).await;
                let _ = to.send(FromTool::Gone(client)).await;
                drop(permit);
            });
        }
    }
}

async fn talk(client: ClientId, stream: UnixStream, to: &mpsc::Sender<FromTool>) {
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::new(read);
    loop {
        let mut line = Vec::new();
        match (&mut read).take(MAX_REQUEST).read_until(b'\n', &mut line).await {
            Ok(1..) => {}
            _ => return,
        }
        let whole = line.ends_with(b"\n");
        let request = if whole {
            std::str::from_utf8(&line).map_err(|error| error.to_string()).and_then(from_line::<Request>)
        } else {
            Err(format!("expected a line of at most {MAX_REQUEST} bytes with its newline"))
        };
        let reply = match request {
            Ok(request) => {
                let (answer, answered) = oneshot::channel();
                if to.send(FromTool::Asked((client, request, answer))).await.is_err() {
                    return;
                }
                let Ok(reply) = answered.await else { return };
                reply
            }
            Err(reason) => Reply::Refused { why: Why::Invalid, reason },
        };
        let reply = to_line(&reply);
        match tokio::time::timeout(WRITE_WAIT, write.write_all(reply.as_bytes())).await {
            Ok(Ok(())) if whole => {}
            _ => return,
        }
    }
}
