//! Talking to the daemon of this machine: one request, one reply, a line each. What is asked, and what is made of the
//! answer, is the commands' affair.

use std::ffi::OsString;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use clap::{Arg, ArgMatches};
use wire::request::{MAX_LINE, from_line, to_line};
use wire::write::WriteForm;
use wire::{QueryWhat, Reply, Request, Status, Why};

/// Where the daemon listens unless told otherwise.
pub const DEFAULT_SOCKET: &str = "/run/systole/systoled.sock";
/// How long a reply may take. A write waits for the disks of a majority; a daemon that needs longer hangs.
const REPLY_WAIT: Duration = Duration::from_secs(60);

/// The option that names the socket; it belongs to every command.
pub fn socket_argument() -> Arg {
    Arg::new("socket")
        .long("socket")
        .value_name("PATH")
        .env("SYSTOLE_SOCKET")
        .default_value(DEFAULT_SOCKET)
        .value_parser(clap::value_parser!(OsString))
        .global(true)
        .help("Socket of the daemon (systoled) on this machine")
}

/// A version of the CIB: `admin_epoch`, `epoch`, `num_updates`.
pub type Version = (u64, u64, u64);

/// A connection to the daemon.
#[derive(Debug)]
pub struct Client {
    path: PathBuf,
    stream: BufReader<UnixStream>,
}

impl Client {
    /// Connects to the socket that the arguments name.
    ///
    /// # Errors
    /// When nobody listens there; the message says what to do.
    pub fn from_arguments(arguments: &ArgMatches) -> anyhow::Result<Client> {
        let path = arguments.get_one::<OsString>("socket").expect("the socket has a default");
        Client::connect(Path::new(path))
    }

    /// Connects to a socket.
    ///
    /// # Errors
    /// When nobody listens there; the message says what to do.
    pub fn connect(path: &Path) -> anyhow::Result<Client> {
        let stream = UnixStream::connect(path).map_err(|error| unreachable(path, &error))?;
        let limited =
            stream.set_read_timeout(Some(REPLY_WAIT)).and_then(|()| stream.set_write_timeout(Some(REPLY_WAIT)));
        limited.with_context(|| format!("setting up the connection to {}", path.display()))?;
        Ok(Client { path: path.to_owned(), stream: BufReader::new(stream) })
    }

    /// Asks for the state of the cluster.
    ///
    /// # Errors
    /// When the connection breaks, or the daemon cannot say.
    pub fn status(&mut self) -> anyhow::Result<Status> {
        match self.ask(&Request::Status)? {
            Reply::Status(status) => Ok(*status),
            Reply::Refused { reason, .. } => bail!("systoled does not tell the cluster's state: {reason}"),
            other => Err(self.senseless(&other)),
        }
    }

    /// Writes; the inner error is the daemon's reason to refuse, and then nothing was written.
    ///
    /// # Errors
    /// When the connection breaks, or the change cannot be relied on: whether it was made is not known then.
    pub fn write(&mut self, write: WriteForm, force: bool) -> anyhow::Result<Result<Version, String>> {
        let asked = self.ask(&Request::Write { write, force });
        match asked.context("waiting for the change; `systole status` shows whether it was made")? {
            Reply::Written { version } => Ok(Ok(version)),
            Reply::Refused { why: Why::NotDurable, reason } => bail!(reason),
            Reply::Refused { reason, .. } => Ok(Err(reason)),
            other => Err(self.senseless(&other)),
        }
    }

    /// Asks for the elements that an XPath finds, or for a section: as XML or as paths.
    ///
    /// # Errors
    /// When the connection breaks, or the XPath is none.
    pub fn query(
        &mut self,
        section: Option<&str>,
        xpath: Option<&str>,
        what: QueryWhat,
    ) -> anyhow::Result<(Vec<String>, Version)> {
        let (section, xpath) = (section.map(str::to_owned), xpath.map(str::to_owned));
        match self.ask(&Request::Query { section, xpath, what })? {
            Reply::Found { items, version } => Ok((items, version)),
            Reply::Refused { reason, .. } => bail!("systoled does not look for it: {reason}"),
            other => Err(self.senseless(&other)),
        }
    }

    /// Asks anything. What the commands ask most has a function of its own.
    ///
    /// # Errors
    /// When the connection breaks, or what comes back is no reply.
    pub fn ask(&mut self, request: &Request) -> anyhow::Result<Reply> {
        let path = self.path.display().to_string();
        let line = to_line(request);
        self.stream.get_mut().write_all(line.as_bytes()).map_err(|error| broken(&path, &error))?;
        let mut reply = Vec::new();
        let mut bounded = (&mut self.stream).take(MAX_LINE as u64);
        bounded.read_until(b'\n', &mut reply).map_err(|error| broken(&path, &error))?;
        if !reply.ends_with(b"\n") {
            bail!("systoled at {path} closed the connection before it answered; its log says why");
        }
        let reply = String::from_utf8(reply).context("reading the daemon's reply")?;
        from_line(&reply).map_err(|error| {
            anyhow!("what answers at {path} does not speak as systoled {} does: {error}", env!("CARGO_PKG_VERSION"))
        })
    }

    fn senseless(&self, reply: &Reply) -> anyhow::Error {
        let what = match reply {
            Reply::Status(_) => "a status",
            Reply::Stonith(_) => "something about fencing",
            Reply::Written { .. } => "\"written\"",
            Reply::Refused { .. } => "a refusal",
            Reply::Attributes(_) => "attributes",
            Reply::Found { .. } => "what it found",
            Reply::History(_) => "a history",
            Reply::Failovers(_) => "failovers",
            Reply::Configuration { .. } => "a configuration",
            Reply::Records(_) => "what happened",
            Reply::Plan(_) => "a plan",
            Reply::Done => "\"done\"",
        };
        anyhow!(
            "systoled at {} answered {what} to another question; are both of the same release?",
            self.path.display()
        )
    }
}

fn broken(path: &str, error: &io::Error) -> anyhow::Error {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            anyhow!("systoled at {path} did not answer within {} seconds; look into its log", REPLY_WAIT.as_secs())
        }
        _ => anyhow!("the connection to systoled at {path} broke: {error}"),
    }
}

/// Why there is no connection, and what to type.
fn unreachable(path: &Path, error: &io::Error) -> anyhow::Error {
    let shown = path.display();
    let remedy = "start it with `systoled run --id N`, or name its socket with --socket PATH or SYSTOLE_SOCKET; \
                  `systole simulate FILE` needs no daemon";
    let is_socket = || path.metadata().map(|metadata| metadata.file_type().is_socket());
    match error.kind() {
        io::ErrorKind::NotFound => anyhow!("systoled is not running here: there is no socket {shown}; {remedy}"),
        io::ErrorKind::PermissionDenied => anyhow!(
            "the socket {shown} may be opened by root and by the group haclient only; use sudo, or join that group"
        ),
        _ if is_socket().is_ok_and(|socket| !socket) => {
            anyhow!("{shown} is no socket; {remedy}")
        }
        io::ErrorKind::ConnectionRefused => {
            anyhow!("systoled is not running here: nobody listens on {shown}; {remedy}")
        }
        _ => anyhow!("connecting to systoled at {shown}: {error}; {remedy}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(path: &Path) -> String {
        Client::connect(path).unwrap_err().to_string()
    }

    #[test]
    fn a_socket_nobody_listens_on_is_named_with_the_remedy() {
        let directory = tempfile::tempdir().unwrap();
        let missing = directory.path().join("missing");
        let dead = directory.path().join("dead");
        drop(std::os::unix::net::UnixListener::bind(&dead).unwrap());
        let file = directory.path().join("file");
        std::fs::write(&file, "").unwrap();
        for (path, words) in [(&missing, "there is no socket"), (&dead, "nobody listens"), (&file, "is no socket")] {
            let text = refusal(path);
            assert!(text.contains(words) && text.contains(&path.display().to_string()), "{text}");
            assert!(text.contains("systoled run") && text.contains("--socket"), "{text}");
        }
    }
}
