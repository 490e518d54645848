//! TcpFile: a small TCP service that answers each connection with the content of a file. For demonstrations and tests
//! of a service that depends on a file system and an address. It opens the file anew for each answer, and holds
//! nothing of the file system between two.

use std::fs;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use ocf::{ActionMetadata, Agent, Context, Failure, Metadata, Parameter, Status};

use crate::bounded::{Deadline, within};
use crate::run_directory::{Level, log, run_file};
use crate::startable::startable;

/// The agent.
pub struct TcpFile;

/// First argument of the server process.
pub const SERVE: &str = "--serve";

/// What the server says on its standard output once it listens.
const READY: &str = "ready";
/// An answer is a line or a page; more than this of a file is not sent.
const ANSWER_BYTES: u64 = 1 << 20;
/// Answers being given at once. Reading a file that hangs keeps one; beyond this, clients are told so.
const CONNECTIONS: usize = 64;
/// A client that does not take its answer in this time is left.
const CLIENT_WAIT: Duration = Duration::from_secs(5);
/// Between two looks whether a process that was told to end is gone.
const LOOK_AGAIN: Duration = Duration::from_millis(2);

impl Agent for TcpFile {
    fn metadata(&self) -> Metadata {
        Metadata {
            name: "TcpFile".into(),
            version: "1.0".into(),
            ocf_version: Some("1.0".into()),
            shortdesc: "Answers TCP connections with the content of a file".into(),
            longdesc: "A small TCP service for demonstrations and tests. Each connection is answered with the current content \
                       of a file and a newline, and closed; if the file cannot be read, with a line that begins with ERR and \
                       says why, which monitor takes for a failure."
                .into(),
            parameters: vec![
                Parameter::new("port", "integer", "TCP port", "The port to listen on.").required(),
                Parameter::new("ip", "string", "IP address", "The address to listen on; 0.0.0.0 for every IPv4 address of this host.")
                    .default_value("0.0.0.0"),
                Parameter::new("file", "string", "File", "The file whose content is the answer, by its absolute path.").required(),
            ],
            actions: vec![
                ActionMetadata::new("start", "20s"),
                ActionMetadata::new("stop", "20s"),
                ActionMetadata::new("monitor", "20s").every("10s", "0"),
                ActionMetadata::new("meta-data", "5s"),
                ActionMetadata::new("validate-all", "20s"),
            ],
            ..Metadata::default()
        }
    }

    fn start(&self, call: &Context) -> Result<(), Failure> {
        let settings = Settings::read(call)?;
        if settings.server().is_some() {
            return settings.ask(Deadline::of(call));
        }
        let deadline = Deadline::of(call);
        settings.spawn(deadline)?;
        settings.ask(deadline).inspect_err(|_| {
            // A start that failed leaves nothing behind.
            let _ = settings.end(deadline);
        })
    }

    fn stop(&self, call: &Context) -> Result<(), Failure> {
        startable(Settings::read(call))?.map_or(Ok(()), |settings| settings.end(Deadline::of(call)))
    }

    fn monitor(&self, call: &Context) -> Result<Status, Failure> {
        let settings = Settings::read(call)?;
        if settings.server().is_none() {
            return Ok(Status::Stopped);
        }
        settings.ask(Deadline::of(call)).map(|()| Status::Running)
    }

    fn validate(&self, call: &Context) -> Result<(), Failure> {
        Settings::read(call).map(drop)
    }
}

struct Settings {
    listen: SocketAddr,
    file: PathBuf,
    pid_file: PathBuf,
}

impl Settings {
    fn read(call: &Context) -> Result<Settings, Failure> {
        let port = call.required("port")?.parse().ok().filter(|port: &u16| *port > 0);
        let port = port.ok_or_else(|| call.wrong("port", "a TCP port from 1 to 65535"))?;
        let ip: IpAddr = call.parameter("ip").parse().map_err(|_| call.wrong("ip", "an IPv4 or IPv6 address"))?;
        let file = PathBuf::from(call.required("file")?);
        if !file.is_absolute() {
            return Err(call.wrong("file", "an absolute path"));
        }
        Ok(Settings { listen: SocketAddr::new(ip, port), file, pid_file: run_file(call, "TcpFile", "pid") })
    }

    /// The server of this resource, if it lives. A process that merely has its number is none.
    fn server(&self) -> Option<Pid> {
        let pid: i32 = fs::read_to_string(&self.pid_file).ok()?.trim().parse().ok().filter(|pid| *pid > 1)?;
        let pid_file = self.pid_file.to_str()?;
        let arguments = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let mut words = arguments.split(|byte| *byte == 0);
        let ours = words.any(|word| word == SERVE.as_bytes()) && words.any(|word| word == pid_file.as_bytes());
        ours.then(|| Pid::from_raw(pid))
    }

    fn spawn(&self, deadline: Deadline) -> Result<(), Failure> {
        let failed = |what: &str| Failure::error(format!("starting the server on {}: {what}", self.listen));
        if let Some(directory) = self.pid_file.parent() {
            fs::create_dir_all(directory)
                .map_err(|error| failed(&format!("creating the directory {}: {error}", directory.display())))?;
        }
        let mut child = std::env::current_exe()
            .and_then(|program| {
                Command::new(program)
                    .arg(SERVE)
                    .arg(self.listen.to_string())
                    .args([&self.file, &self.pid_file])
                    .env_clear()
                    .current_dir("/")
                    .stdin(Stdio::null())
                    .stdout(Stdio::piped())
                    .stderr(Stdio::null())
                    .spawn()
            })
            .map_err(|error| failed(&error.to_string()))?;
        let output = child.stdout.take().ok_or_else(|| failed("its output is not connected"))?;
        let said = within(deadline.left(), move || {
            let mut line = String::new();
            BufReader::new(output).read_line(&mut line).map(|_| line)
        });
        match said {
            Some(Ok(line)) if line.trim() == READY => Ok(()),
            Some(Ok(line)) => {
                let _ = child.wait();
                Err(failed(line.trim()))
            }
            Some(Err(error)) => Err(failed(&error.to_string())),
            None => {
                let _ = child.kill();
                Err(failed("it did not listen in time"))
            }
        }
    }

    /// Asks the service as a client does.
    fn ask(&self, deadline: Deadline) -> Result<(), Failure> {
        let ip = match self.listen.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
            ip => ip,
        };
        let address = SocketAddr::new(ip, self.listen.port());
        let failed = |error: io::Error| Failure::error(format!("asking the service on {address}: {error}"));
        let wait = deadline.left().max(Duration::from_millis(1));
        let mut connection = TcpStream::connect_timeout(&address, wait).map_err(failed)?;
        connection.set_read_timeout(Some(deadline.left().max(Duration::from_millis(1)))).map_err(failed)?;
        let mut answer = Vec::new();
        connection.read_to_end(&mut answer).map_err(failed)?;
        if answer.is_empty() {
            return Err(Failure::error(format!("the service on {address} closed the connection without an answer")));
        }
        match String::from_utf8_lossy(&answer).strip_prefix("ERR ") {
            Some(why) => Err(Failure::error(format!("the service on {address} has no answer to give: {}", why.trim()))),
            None => Ok(()),
        }
    }

    /// Ends the server: TERM for half of the time, then KILL; returns when it is gone.
    fn end(&self, deadline: Deadline) -> Result<(), Failure> {
        let Some(pid) = self.server() else { return self.forget() };
        for (signal, until) in [(Signal::SIGTERM, deadline.half()), (Signal::SIGKILL, deadline)] {
            if kill(pid, signal) == Err(nix::errno::Errno::EPERM) {
                return Err(Failure::error(format!(
                    "ending the server, process {pid}: not permitted; run the agent as root"
                )));
            }
            while !until.is_over() {
                if is_gone(pid) {
                    return self.forget();
                }
                thread::sleep(LOOK_AGAIN);
            }
            log(Level::Warning, &format!("the server, process {pid}, is still there after {signal}"));
        }
        Err(Failure::error(format!("the server, process {pid}, could not be ended, not even with SIGKILL")))
    }

    fn forget(&self) -> Result<(), Failure> {
        match fs::remove_file(&self.pid_file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Failure::error(format!("removing {}: {error}", self.pid_file.display())))
            }
            _ => Ok(()),
        }
    }
}

/// Is the process gone? One that is dead and only waits for its parent to notice holds nothing any more.
fn is_gone(pid: Pid) -> bool {
    match fs::read_to_string(format!("/proc/{pid}/stat")) {
        Err(_) => true,
        // The state follows the name, which is in parentheses and may contain anything.
        Ok(stat) => stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with(['Z', 'X'])),
    }
}

/// The server process: arguments are the address to listen on, the file, the pid file.
pub fn serve_command(arguments: &[String]) -> ExitCode {
    let [listen, file, pid_file] = arguments else {
        let _ = writeln!(io::stdout(), "expected an address, a file and a pid file");
        return ExitCode::from(2);
    };
    match serve(listen, Path::new(file), Path::new(pid_file)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            let _ = writeln!(io::stdout(), "{message}");
            ExitCode::FAILURE
        }
    }
}

fn serve(listen: &str, file: &Path, pid_file: &Path) -> Result<(), String> {
    // A session of its own: whoever ends the agent's process group does not mean the service.
    nix::unistd::setsid().map_err(|error| format!("starting a session: {error}"))?;
    let listen: SocketAddr = listen.parse().map_err(|_| format!("{listen:?} is no address with a port"))?;
    let listener = TcpListener::bind(listen).map_err(|error| format!("listening on {listen}: {error}"))?;
    let new = pid_file.with_extension("pid.new");
    fs::write(&new, format!("{}\n", std::process::id()))
        .and_then(|()| fs::rename(&new, pid_file))
        .map_err(|error| format!("writing {}: {error}", pid_file.display()))?;
    let _ = writeln!(io::stdout(), "{READY}");
    release_output();

    let busy = Arc::new(AtomicUsize::new(0));
    for connection in listener.incoming() {
        let Ok(connection) = connection else {
            // Out of descriptors or memory: the next moment may be better.
            thread::sleep(LOOK_AGAIN);
            continue;
        };
        if busy.fetch_add(1, Ordering::SeqCst) >= CONNECTIONS {
            answer(connection, b"ERR too many connections at once\n");
            busy.fetch_sub(1, Ordering::SeqCst);
            continue;
        }
        let (file, count) = (file.to_owned(), Arc::clone(&busy));
        let spawned = thread::Builder::new().spawn(move || {
            answer(connection, &content(&file));
            count.fetch_sub(1, Ordering::SeqCst);
        });
        if spawned.is_err() {
            busy.fetch_sub(1, Ordering::SeqCst);
        }
    }
    Ok(())
}

/// Lets go of the agent's pipe, so that whoever reads the agent's output sees its end.
fn release_output() {
    if let Ok(null) = fs::OpenOptions::new().write(true).open("/dev/null") {
        let _ = nix::unistd::dup2_stdout(&null);
    }
}

fn content(file: &Path) -> Vec<u8> {
    let mut out = Vec::new();
    let read = fs::File::open(file).and_then(|file| file.take(ANSWER_BYTES).read_to_end(&mut out));
    if let Err(error) = read {
        out = format!("ERR reading {}: {error}", file.display()).into_bytes();
    }
    out.push(b'\n');
    out
}

fn answer(mut connection: TcpStream, answer: &[u8]) {
    let _ = connection.set_write_timeout(Some(CLIENT_WAIT));
    if connection.write_all(answer).is_ok() {
        let _ = connection.shutdown(Shutdown::Write);
    }
}
