//! An action in a process of its own, watched by one that touches nothing that could hang: a process that is stuck in
//! the kernel cannot even be killed, and whoever waits for its end waits for ever. What the action does is the agent's.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::unistd::{ForkResult, dup2_stderr, dup2_stdin, dup2_stdout, fork, getppid, pipe2};
use ocf::{ExitCode, Failure, Outcome};

use crate::bounded::Deadline;

/// Carries out the work in a process of its own, and passes its log lines on. Gives up at the deadline.
///
/// Call it while this process has one thread.
pub fn run(deadline: Deadline, work: impl FnOnce() -> Outcome) -> Outcome {
    supervise(deadline, work)
        .unwrap_or_else(|error| failed(Failure::error(format!("doing the action in a process of its own: {error}"))))
}

fn supervise(deadline: Deadline, work: impl FnOnce() -> Outcome) -> io::Result<Outcome> {
    let (answer, answers) = pipe2(OFlag::O_CLOEXEC)?;
    let (log, logs) = pipe2(OFlag::O_CLOEXEC)?;
    let us = nix::unistd::getpid();
    // SAFETY: this process has one thread, so the child finds every lock free.
    #[allow(unsafe_code)]
    let side = unsafe { fork() }?;
    match side {
        ForkResult::Child => {
            drop((answer, log));
            // Whoever kills us means the action.
            let _ = set_pdeathsig(Signal::SIGKILL);
            if getppid() == us && let_go(&logs).is_ok() {
                drop(logs);
                let _ = File::from(answers).write_all(&encode(&work()));
            }
            std::process::exit(0)
        }
        ForkResult::Parent { .. } => {
            drop((answers, logs));
            listen(&answer, &log, deadline)
        }
    }
}

/// Holds nothing of the caller's open: whoever reads our output to its end would wait for one that is stuck.
fn let_go(logs: &OwnedFd) -> io::Result<()> {
    dup2_stdin(File::open("/dev/null")?)?;
    dup2_stdout(logs)?;
    Ok(dup2_stderr(logs)?)
}

/// Reads the answer, and passes on what is logged until it is there.
fn listen(answer: &OwnedFd, log: &OwnedFd, deadline: Deadline) -> io::Result<Outcome> {
    let mut bytes = Vec::new();
    let mut logging = true;
    loop {
        let mut ask = vec![PollFd::new(answer.as_fd(), PollFlags::POLLIN)];
        if logging {
            ask.push(PollFd::new(log.as_fd(), PollFlags::POLLIN));
        }
        let wait = PollTimeout::try_from(deadline.left().min(Duration::from_secs(3600))).unwrap_or(PollTimeout::MAX);
        match poll(&mut ask, wait) {
            Ok(0) if deadline.is_over() => return Ok(failed(given_up())),
            Ok(0) | Err(Errno::EINTR) => continue,
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        let ready: Vec<bool> = ask.iter().map(|one| one.any().unwrap_or(false)).collect();
        if ready.get(1) == Some(&true) {
            logging = pass_on(log)?;
        }
        if ready[0] {
            let mut piece = [0; 4096];
            let length = nix::unistd::read(answer, &mut piece)?;
            bytes.extend(&piece[..length]);
            if let Some(outcome) = decode(&bytes) {
                // A thread that is stuck keeps the log open, so its end is not waited for.
                while logging && is_readable(log) {
                    logging = pass_on(log)?;
                }
                return Ok(outcome);
            }
            if length == 0 {
                return Ok(failed(Failure::error("the process that did the action was killed before it could answer")));
            }
        }
    }
}

fn given_up() -> Failure {
    Failure::error(
        "the action did not come back in time and is stuck in the kernel: the device or the server behind the file system \
         does not answer",
    )
}

fn failed(failure: Failure) -> Outcome {
    Outcome { code: failure.code, output: String::new(), reason: Some(failure.reason) }
}

/// Passes one piece of the log on; false at its end.
fn pass_on(log: &OwnedFd) -> io::Result<bool> {
    let mut piece = [0; 4096];
    let length = nix::unistd::read(log, &mut piece)?;
    let _ = io::stderr().write_all(&piece[..length]);
    Ok(length > 0)
}

fn is_readable(log: &OwnedFd) -> bool {
    let mut ask = [PollFd::new(log.as_fd(), PollFlags::POLLIN)];
    poll(&mut ask, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
}

/// Exit code, whether there is a reason, the lengths of both texts, the texts.
fn encode(outcome: &Outcome) -> Vec<u8> {
    let reason = outcome.reason.as_deref().unwrap_or("");
    let mut bytes = vec![outcome.code.code(), u8::from(outcome.reason.is_some())];
    for text in [&outcome.output, reason] {
        bytes.extend((text.len() as u64).to_ne_bytes());
    }
    bytes.extend(outcome.output.as_bytes());
    bytes.extend(reason.as_bytes());
    bytes
}

/// `None` while it is not whole.
fn decode(bytes: &[u8]) -> Option<Outcome> {
    let mut rest = bytes;
    let mut fixed = [0; 18];
    rest.read_exact(&mut fixed).ok()?;
    let length = |at: usize| u64::from_ne_bytes(fixed[at..at + 8].try_into().expect("8 bytes")) as usize;
    let (output, rest) = rest.split_at_checked(length(2))?;
    let (reason, _) = rest.split_at_checked(length(10))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Some(Outcome {
        code: ExitCode::from_code(i32::from(fixed[0]))?,
        output: text(output),
        reason: (fixed[1] == 1).then(|| text(reason)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_comes_back_when_it_is_whole() {
        for reason in [None, Some("why".to_owned()), Some(String::new())] {
            let outcome = Outcome { code: ExitCode::NotRunning, output: "what\n".into(), reason };
            let bytes = encode(&outcome);
            assert_eq!(decode(&bytes), Some(outcome));
            for length in 0..bytes.len() {
                assert_eq!(decode(&bytes[..length]), None);
            }
        }
    }
}
