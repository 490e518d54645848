//! The ledger: a service that writes numbered records to a file on the shared disk, and acknowledges each when it is on
//! the disk; with its OCF agent, `ocf:lab:Ledger`. Both are this program, called by another name.
//!
//! A client sends `NUMBER`, a line each, and gets `ok NUMBER`; or `gap LAST` when the number does not follow the last one
//! on the disk: a record that was acknowledged before is lost. A number that is there already is acknowledged again and
//! not written again, so that a client that has heard nothing may repeat itself. What the records say about a cluster
//! is `recorder.rs`'s to judge.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, gethostname, setsid};
use ocf::{ActionMetadata, Agent, Context, Environment, Failure, Metadata, Parameter, Status};

use crate::sandbox::LAB;

/// The agent's name, by which this program is called as one.
const NAME: &str = "Ledger";

/// First argument of the server process.
const SERVE: &str = "lab-ledger";

/// What the server says once it listens.
const READY: &str = "ready";

/// Between two looks whether a process is gone.
const LOOK: Duration = Duration::from_millis(2);

/// A stop may take so long; the agent's own metadata advise twice that.
const PATIENCE: Duration = Duration::from_secs(8);

/// A client that sends a longer line sends no number.
const LINE_BYTES: u64 = 64;

/// Puts the agent into an OCF root.
pub fn install(root: &Path) -> Result<()> {
    let program = Path::new(LAB).join("lab-program");
    // A copy: where the original lies, the nodes may have something mounted.
    fs::copy("/proc/self/exe", &program).with_context(|| format!("making {}", program.display()))?;
    let provider = root.join("resource.d/lab");
    fs::create_dir_all(&provider).with_context(|| format!("making {}", provider.display()))?;
    symlink(&program, provider.join(NAME)).context("linking the ledger's agent")
}

/// If this process was started to be the agent or the server, is that.
pub fn take_part(arguments: &[String]) -> Option<ExitCode> {
    let called = Path::new(arguments.first()?).file_name()?;
    match arguments {
        [_, action] if called == NAME => Some(run_agent(action)),
        [_, part, port, file, pid_file] if part == SERVE => {
            let served = serve(port, Path::new(file), Path::new(pid_file));
            Some(served.map_or_else(
                |error| {
                    println!("{error:#}");
                    ExitCode::FAILURE
                },
                |()| ExitCode::SUCCESS,
            ))
        }
        _ => None,
    }
}

fn run_agent(action: &str) -> ExitCode {
    let variables =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    match Environment::parse(variables, action) {
        Ok(environment) => {
            let outcome = ocf::run(&Ledger, environment, &mut |line| println!("{line}"));
            if let Some(reason) = &outcome.reason {
                eprintln!("{}{}", ocf::EXIT_REASON_PREFIX, reason.replace('\n', " "));
            }
            print!("{}", outcome.output);
            ExitCode::from(outcome.code.code())
        }
        Err(error) => {
            eprintln!("{}{error}", ocf::EXIT_REASON_PREFIX);
            ExitCode::from(ocf::ExitCode::InvalidParameter.code())
        }
    }
}

struct Ledger;

impl Agent for Ledger {
    fn metadata(&self) -> Metadata {
        let text = "Writes numbered records to a file and acknowledges each when it is on the disk. For the lab.";
        Metadata {
            name: NAME.into(),
            version: "1.0".into(),
            ocf_version: Some("1.0".into()),
            shortdesc: "Writes numbered records to a file".into(),
            longdesc: text.into(),
            parameters: vec![
                Parameter::new("port", "integer", "TCP port", "The port to listen on.").required(),
                Parameter::new("file", "string", "File", "The file that the records go to.").required(),
            ],
            actions: vec![
                ActionMetadata::new("start", "20s"),
                ActionMetadata::new("stop", "20s"),
                ActionMetadata::new("monitor", "20s").every("10s", "0"),
                ActionMetadata::new("meta-data", "5s"),
            ],
            ..Metadata::default()
        }
    }

    fn start(&self, call: &Context) -> Result<(), Failure> {
        let server = Server::of(call)?;
        if server.pid().is_some() {
            return Ok(());
        }
        server.spawn().map_err(|error| Failure::error(format!("{error:#}")))
    }

    fn stop(&self, call: &Context) -> Result<(), Failure> {
        let server = Server::of(call)?;
        let Some(pid) = server.pid() else { return Ok(()) };
        // Gone already is as good.
        let _ = kill(pid, Signal::SIGKILL);
        let until = Instant::now() + PATIENCE;
        while !is_gone(pid) {
            if Instant::now() > until {
                return Err(Failure::error(format!("the server, process {pid}, does not end")));
            }
            thread::sleep(LOOK);
        }
        let _ = fs::remove_file(&server.pid_file);
        Ok(())
    }

    fn monitor(&self, call: &Context) -> Result<Status, Failure> {
        let server = Server::of(call)?;
        if server.pid().is_none() {
            return Ok(Status::Stopped);
        }
        let to = SocketAddr::from((Ipv4Addr::LOCALHOST, server.port));
        match TcpStream::connect_timeout(&to, PATIENCE) {
            Ok(_) => Ok(Status::Running),
            Err(error) => Err(Failure::error(format!("asking the ledger on {to}: {error}"))),
        }
    }

    fn validate(&self, call: &Context) -> Result<(), Failure> {
        Server::of(call).map(drop)
    }
}

struct Server {
    port: u16,
    file: PathBuf,
    pid_file: PathBuf,
}

impl Server {
    fn of(call: &Context) -> Result<Self, Failure> {
        let port = call.required("port")?.parse().map_err(|_| call.wrong("port", "a TCP port from 1 to 65535"))?;
        let file = PathBuf::from(call.required("file")?);
        Ok(Self { port, file, pid_file: PathBuf::from(format!("/run/{NAME}-{port}.pid")) })
    }

    /// Its process, if it lives. A process that merely has its number is none.
    fn pid(&self) -> Option<Pid> {
        let pid: i32 = fs::read_to_string(&self.pid_file).ok()?.trim().parse().ok()?;
        let words = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        words.split(|byte| *byte == 0).any(|word| word == SERVE.as_bytes()).then(|| Pid::from_raw(pid))
    }

    fn spawn(&self) -> Result<()> {
        let mut child = Command::new("/proc/self/exe")
            .args([SERVE, &self.port.to_string()])
            .args([&self.file, &self.pid_file])
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("starting the server")?;
        let output = child.stdout.take().context("its output is not connected")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line).context("waiting for the server")?;
        if line.trim() != READY {
            let _ = child.wait();
            bail!("the server does not start: {}", line.trim());
        }
        Ok(())
    }
}

fn is_gone(pid: Pid) -> bool {
    // The state follows the name, which is in parentheses and may contain anything.
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .map_or(true, |stat| stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with(['Z', 'X'])))
}

/// The records and the last of them.
struct Book {
    file: File,
    last: u64,
    who: String,
}

fn serve(port: &str, file: &Path, pid_file: &Path) -> Result<()> {
    setsid().context("starting a session")?;
    let port: u16 = port.parse().context("reading the port")?;
    let (last, complete) = read_book(file)?;
    let book = OpenOptions::new()
        .create(true)
        .append(true)
        .open(file)
        .with_context(|| format!("opening {}", file.display()))?;
    // What a loss of power has torn was never acknowledged.
    book.set_len(complete).context("cutting off a torn record")?;
    let host = gethostname().context("asking for the host's name")?;
    let who = format!("{} {}", host.to_string_lossy(), std::process::id());
    let book = Arc::new(Mutex::new(Book { file: book, last, who }));
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).with_context(|| format!("listening on {port}"))?;
    fs::write(pid_file, std::process::id().to_string()).context("writing the pid file")?;
    println!("{READY}");
    if let Ok(null) = OpenOptions::new().write(true).open("/dev/null") {
        // So that whoever reads the agent's output sees its end.
        let _ = nix::unistd::dup2_stdout(&null);
    }
    for client in listener.incoming().flatten() {
        let book = Arc::clone(&book);
        let _ = thread::Builder::new().spawn(move || attend(client, &book));
    }
    Ok(())
}

fn attend(client: TcpStream, book: &Mutex<Book>) {
    let Ok(mut reply) = client.try_clone() else { return };
    let _ = reply.set_nodelay(true);
    let mut lines = BufReader::new(client);
    loop {
        let mut line = String::new();
        match (&mut lines).take(LINE_BYTES).read_line(&mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        let answer = match line.trim().parse() {
            Ok(number) => book.lock().unwrap_or_else(PoisonError::into_inner).enter(number),
            Err(_) => format!("error {:?} is no number", line.trim()),
        };
        if writeln!(reply, "{answer}").is_err() {
            return;
        }
    }
}

impl Book {
    fn enter(&mut self, number: u64) -> String {
        if number > self.last + 1 {
            return format!("gap {}", self.last);
        }
        if number == self.last + 1 {
            let record = format!("{number} {}\n", self.who);
            if let Err(error) = self.file.write_all(record.as_bytes()).and_then(|()| self.file.sync_data()) {
                return format!("error {error}");
            }
            self.last = number;
        }
        format!("ok {number}")
    }
}

/// The last record of a book, and how many bytes of it are whole lines.
fn read_book(path: &Path) -> Result<(u64, u64)> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok((0, 0)),
        Err(error) => return Err(error).with_context(|| format!("reading {}", path.display())),
    };
    let complete = text.rfind('\n').map_or(0, |end| end + 1);
    Ok((check(&text[..complete])?, complete as u64))
}

/// Checks that a book has each number from 1 on once and in order; gives the last one.
pub fn check(text: &str) -> Result<u64> {
    let mut last = 0;
    for line in text.lines() {
        let number: Option<u64> = line.split(' ').next().and_then(|word| word.parse().ok());
        match number {
            Some(number) if number == last + 1 => last = number,
            Some(number) if number <= last => bail!("record {number} is there twice: again as {line:?} after {last}"),
            _ => bail!("after record {last} comes {line:?}"),
        }
    }
    Ok(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lost_and_doubled_records_are_found() {
        for (book, expected) in [
            ("", Ok(0)),
            ("1 a 7\n2 a 7\n3 b 9\n", Ok(3)),
            ("1 a 7\n3 b 9\n", Err("after record 1 comes \"3 b 9\"")),
            ("1 a 7\n2 a 7\n2 b 9\n", Err("record 2 is there twice: again as \"2 b 9\" after 2")),
            ("1 a 7\n\0\0\n", Err("after record 1 comes \"\\0\\0\"")),
        ] {
            assert_eq!(check(book).map_err(|error| error.to_string()), expected.map_err(str::to_owned));
        }
    }

    #[test]
    fn a_record_is_written_once_and_in_order() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("book");
        let file = OpenOptions::new().create(true).append(true).open(&path).unwrap();
        let mut book = Book { file, last: 0, who: "a 7".to_owned() };
        let answers: Vec<String> = [1, 2, 2, 4, 3].map(|number| book.enter(number)).into();
        assert_eq!(answers, ["ok 1", "ok 2", "ok 2", "gap 2", "ok 3"]);
        fs::write(&path, [fs::read(&path).unwrap(), b"4 torn".to_vec()].concat()).unwrap();
        assert_eq!(read_book(&path).unwrap(), (3, 18));
    }
}
