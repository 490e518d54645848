//! Programs that an agent calls: found where administrators' programs are, given a time, their words kept. Which program
//! with which arguments is left to the agents.

use std::ffi::OsStr;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use ocf::Failure;

use crate::bounded::Deadline;

/// A resource manager's `PATH` may lack the administrators' directories.
const DIRECTORIES: [&str; 6] = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];
/// Between two looks whether a program has ended. Most take a few milliseconds.
const LOOK_AGAIN: Duration = Duration::from_millis(2);
/// More of what a program says is not kept: it is for a log line, or a table of a few thousand lines.
const KEPT_BYTES: u64 = 4 << 20;
/// A program that ended may have left one at work that holds its output open; what was said is there by then.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// What a program did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ran {
    /// Its exit status; `None` when a signal ended it.
    pub code: Option<i32>,
    /// What it wrote to its standard output.
    pub output: String,
    /// What it wrote to its standard error.
    pub errors: String,
}

impl Ran {
    /// Did it end with 0?
    pub fn is_good(&self) -> bool {
        self.code == Some(0)
    }

    /// What it said, in one line: errors, or else its output, or else how it ended.
    pub fn words(&self) -> String {
        let said = [&self.errors, &self.output].map(|text| text.trim().replace('\n', "; "));
        match (said.into_iter().find(|text| !text.is_empty()), self.code) {
            (Some(said), _) => said,
            (None, Some(code)) => format!("it ended with {code} and said nothing"),
            (None, None) => "a signal ended it".to_owned(),
        }
    }
}

/// The program with this name, if it is on this host.
pub fn find(name: &str) -> Option<PathBuf> {
    if name.contains('/') {
        return Some(PathBuf::from(name)).filter(|path| is_program(path));
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let named = std::env::split_paths(&path).filter(|directory| directory.is_absolute());
    let all = named.chain(DIRECTORIES.iter().map(PathBuf::from));
    all.map(|directory| directory.join(name)).find(|path| is_program(path))
}

fn is_program(path: &Path) -> bool {
    nix::unistd::access(path, nix::unistd::AccessFlags::X_OK).is_ok() && path.is_file()
}

/// The program, or the failure that says which package has it.
pub fn need(name: &str, package: &str) -> Result<PathBuf, Failure> {
    find(name).ok_or_else(|| {
        Failure::not_installed(format!("the program {name} is not on this host: install the package {package}"))
    })
}

/// Runs a program to its end, or to the deadline; then it is killed, and that is the failure.
pub fn run(program: &Path, arguments: &[impl AsRef<OsStr>], deadline: Deadline) -> Result<Ran, Failure> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null());
    finish(command, program, deadline)
}

/// Runs what was made ready, likewise.
pub fn finish(mut command: Command, program: &Path, deadline: Deadline) -> Result<Ran, Failure> {
    let name = program.display();
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| Failure::error(format!("starting {name}: {error}")))?;
    let output = gather(child.stdout.take());
    let errors = gather(child.stderr.take());
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if deadline.is_over() => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(Failure::error(format!("{name} did not come to an end in time, and was killed")));
            }
            Ok(None) => thread::sleep(LOOK_AGAIN),
            Err(error) => return Err(Failure::error(format!("waiting for {name}: {error}"))),
        }
    };
    Ok(Ran { code: status.code(), output: output.text(), errors: errors.text() })
}

/// What comes out of a pipe, read by a thread of its own.
struct Gathered {
    bytes: Arc<Mutex<Vec<u8>>>,
    end: mpsc::Receiver<()>,
}

fn gather(pipe: Option<impl Read + Send + 'static>) -> Gathered {
    let bytes = Arc::new(Mutex::new(Vec::new()));
    let (ended, end) = mpsc::channel();
    if let Some(pipe) = pipe {
        let kept = Arc::clone(&bytes);
        thread::spawn(move || {
            let mut pipe = pipe.take(KEPT_BYTES);
            let mut piece = [0; 4096];
            while let Ok(length @ 1..) = pipe.read(&mut piece) {
                kept.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&piece[..length]);
            }
            // Nobody may wait for it any more.
            let _ = ended.send(());
        });
    }
    Gathered { bytes, end }
}

impl Gathered {
    fn text(self) -> String {
        let _ = self.end.recv_timeout(LAST_WORDS);
        String::from_utf8_lossy(&self.bytes.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn within(limit: Duration) -> Deadline {
        let call = ocf::Context::new(ocf::Environment::new("x", "systole", "x", "start"), ocf::Metadata::default());
        Deadline::of(&call).at_most(limit)
    }

    #[test]
    fn words_and_ends_of_programs() {
        let shell = find("sh").unwrap();
        let long = within(Duration::from_secs(60));
        let ran = run(&shell, &["-c", "echo one; echo two >&2; exit 3"], long).unwrap();
        assert_eq!((ran.code, ran.output.as_str(), ran.words().as_str()), (Some(3), "one\n", "two"));
        assert_eq!(run(&shell, &["-c", "exit 4"], long).unwrap().words(), "it ended with 4 and said nothing");
        // What it leaves at work may keep the pipe; the answer does not wait for it.
        let ran = run(&shell, &["-c", "sleep 5 & echo $!"], long).unwrap();
        let left: i32 = ran.output.trim().parse().unwrap();
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(left), nix::sys::signal::Signal::SIGKILL).unwrap();
        let late = run(&shell, &["-c", "exec sleep 600"], within(Duration::from_millis(20))).unwrap_err();
        assert!(late.reason.contains("did not come to an end"), "{late}");
        assert!(find("no-such-program").is_none() && find("/etc/passwd").is_none());
    }
}
