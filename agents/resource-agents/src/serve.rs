//! The action `serve`: monitors of agents that only ask the kernel, answered one after the other by one process. What a
//! call and an answer look like is said in [`ocf::served`].

use std::fs;
use std::io::{self, BufRead, Write};
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread;

use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use ocf::{Environment, ExitCode, Outcome, served};

use crate::agent;
use crate::program::inherited;

/// Answers calls until there are no more.
///
/// # Errors
/// When what comes is no call, or nobody takes the answers.
pub fn serve(mut calls: impl BufRead, mut answers: impl Write) -> io::Result<()> {
    let mut worker = Worker::start();
    while let Some(call) = served::read_call(&mut calls)? {
        let Answer { outcome, is_last } = worker.ask(call);
        if is_last {
            worker = Worker::start();
        }
        answers.write_all(served::answer(&outcome).as_bytes())?;
        answers.flush()?;
        // Processes that were left to work on, as those that announce an address, end by and by.
        while waitpid(None, Some(WaitPidFlag::WNOHANG)).is_ok_and(|status| status != WaitStatus::StillAlive) {}
    }
    Ok(())
}

type Call = (String, served::Variables);

struct Answer {
    outcome: Outcome,
    /// The thread takes no more.
    is_last: bool,
}

/// A thread that carries out calls. It ends with an agent that panics or that leaves it in another network namespace, so
/// that the next call finds all as a process of its own would.
struct Worker {
    calls: mpsc::Sender<Call>,
    answers: mpsc::Receiver<Answer>,
}

impl Worker {
    fn start() -> Worker {
        let ((calls, called), (answered, answers)) = (mpsc::channel::<Call>(), mpsc::channel());
        thread::spawn(move || {
            let home = network();
            for (name, variables) in called {
                let outcome = monitor(&name, variables);
                let is_last = network() != home;
                if answered.send(Answer { outcome, is_last }).is_err() || is_last {
                    return;
                }
            }
        });
        Worker { calls, answers }
    }

    fn ask(&self, call: Call) -> Answer {
        let asked = self.calls.send(call).ok();
        asked.and_then(|()| self.answers.recv().ok()).unwrap_or_else(|| Answer { outcome: ended(), is_last: true })
    }
}

/// The network namespace that this thread is in.
fn network() -> Option<PathBuf> {
    fs::read_link("/proc/thread-self/ns/net").ok()
}

fn monitor(name: &str, variables: served::Variables) -> Outcome {
    let refused = |code, reason| Outcome { code, output: String::new(), reason: Some(reason) };
    let Some(agent) = agent(name).filter(|agent| served::is_served(*agent)) else {
        return refused(ExitCode::Unimplemented, format!("monitors of {name:?} are not served"));
    };
    // As a process of its own would find it: what was inherited, and over that what the call says.
    match Environment::parse(inherited().chain(variables), "monitor") {
        Ok(environment) => ocf::run(agent, environment, &mut |_| {}),
        Err(error) => refused(ExitCode::InvalidParameter, error.to_string()),
    }
}

fn ended() -> Outcome {
    Outcome {
        code: ExitCode::Error,
        output: String::new(),
        reason: Some("the agent ended by a mistake of its own".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_answered_in_their_order() {
        let directory = tempfile::tempdir().unwrap();
        let state = directory.path().join("there");
        std::fs::write(&state, "").unwrap();
        let mut calls = String::new();
        for (kind, path) in [
            ("Dummy", state.as_path()),
            ("Dummy", &directory.path().join("not there")),
            ("Filesystem", &state),
            ("Nothing", &state),
        ] {
            let mut environment = Environment::new("a", "systole", kind, "monitor");
            environment.interval_ms = 10_000;
            environment.parameters.insert("state".into(), path.display().to_string());
            calls += &served::call(kind, &environment);
        }
        let mut wrong = Environment::new("a", "systole", "Dummy", "monitor");
        wrong.extra.insert("OCF_CHECK_LEVEL".into(), "deep".into());
        calls += &served::call("Dummy", &wrong);
        let mut answers = Vec::new();
        serve(calls.as_bytes(), &mut answers).unwrap();
        let answers = String::from_utf8(answers).unwrap();
        let codes: Vec<&str> = answers.lines().map(|line| line.split(' ').next().unwrap_or_default()).collect();
        assert_eq!(codes, ["0", "7", "3", "3", "2"], "{answers}");
        assert!(serve(&b"Dummy\nOCF_"[..], &mut Vec::new()).is_err());
    }
}
