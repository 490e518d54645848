//! Watchers: agents that stay beside a recurring monitor and end with its result; for units of systemd its signals do the
//! same. When one is started, and what its end means, is the executor's affair.

use std::process::Stdio;

use executor::{End, Operation, Output, Signal};
use node::{Event, Process};
use systemd::{Systemd, UnitName};
use tokio::io::AsyncReadExt as _;
use tokio::process::Command;
use tokio::sync::mpsc;

use crate::leftovers::Leftovers;
use crate::metadata::Descriptions;
use crate::processes::{self, Agents, Asked, keep};

/// The action, as agents announce it beside those of the contract.
const WATCH: &str = "watch";
/// The line by which an agent says that it watches, and that all is well.
const WATCHING: &str = "watching";
/// Of what an agent prints, so much is read.
const PRINTED: u64 = 64 * 1024;

/// What a watcher needs of the daemon.
#[derive(Clone, Debug)]
pub struct Watchers {
    /// Where agents lie.
    pub agents: Agents,
    /// What they say of themselves.
    pub descriptions: Descriptions,
    /// Where those at work are noted.
    pub leftovers: Leftovers,
    /// Whom to tell.
    pub events: mpsc::Sender<Event>,
}

impl Watchers {
    /// Starts one; `Watching` and `Ended` come as they happen, the latter also where nothing can be watched.
    pub fn start(&self, process: Process, operation: &Operation) -> Asked {
        let (asked, told) = Asked::new();
        let (watchers, operation) = (self.clone(), operation.clone());
        tokio::spawn(async move {
            let end = match operation.agent.class.as_str() {
                "systemd" => watchers.unit(process, &operation.agent.kind, told).await,
                _ => watchers.agent(process, &operation, told).await,
            };
            // The daemon is gone when nobody takes it.
            let _ = watchers.events.send(Event::Ended { process, end }).await;
        });
        asked
    }

    async fn unit(&self, process: Process, kind: &str, mut told: mpsc::Receiver<Signal>) -> End {
        let Some(unit) = UnitName::new(kind) else { return unknown() };
        let systemd: &Systemd = &self.agents.systemd;
        let armed = async || drop(self.events.send(Event::Watching { process }).await);
        tokio::select! {
            answer = systemd.watch(&unit, armed) => crate::units::answered(answer),
            _ = told.recv() => End::Signalled { signal: 15, output: Output::default() },
        }
    }

    async fn agent(&self, process: Process, operation: &Operation, mut told: mpsc::Receiver<Signal>) -> End {
        let described = tokio::select! {
            described = self.descriptions.describe(&self.agents, &operation.agent) => described,
            _ = told.recv() => return End::Signalled { signal: 15, output: Output::default() },
        };
        if !described.is_ok_and(|metadata| metadata.extra_actions.iter().any(|action| action == WATCH)) {
            return unknown();
        }
        let command = processes::resource_agent(&self.agents, operation, WATCH);
        match command {
            Ok(command) => self.run(process, command, told).await,
            Err(end) => end,
        }
    }

    async fn run(&self, process: Process, mut command: Command, mut told: mpsc::Receiver<Signal>) -> End {
        // As long as its standard input is open, there is somebody who wants to know.
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).current_dir("/").process_group(0);
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) => return processes::not_started(command.as_std().get_program().as_ref(), &error),
        };
        let group = child.id().and_then(|id| i32::try_from(id).ok()).unwrap_or(0);
        self.leftovers.begun(group);
        let mut stdin = child.stdin.take();
        let (mut stdout, mut stderr) = (child.stdout.take().map(|stdout| stdout.take(PRINTED)), child.stderr.take());
        let (mut printed, mut said) = (Vec::new(), Vec::new());
        let mut is_armed = false;
        let reading = async {
            let armed = async {
                let Some(stdout) = &mut stdout else { return };
                while let Ok(1..) = stdout.read_buf(&mut printed).await {
                    if !is_armed && says_watching(&printed) {
                        is_armed = true;
                        let _ = self.events.send(Event::Watching { process }).await;
                    }
                }
            };
            tokio::join!(armed, keep(&mut stderr, &mut said));
            std::future::pending::<()>().await
        };
        let status = {
            tokio::pin!(reading);
            loop {
                tokio::select! {
                    status = child.wait() => break status,
                    () = &mut reading => unreachable!("it waits for ever at its end"),
                    signal = told.recv() => {
                        drop(stdin.take());
                        // Without anybody who could say more, it is told the last thing there is to say.
                        processes::signal(group, signal.unwrap_or(Signal::Kill));
                    }
                }
            }
        };
        self.leftovers.ended(group);
        // It may have watched and seen something before anybody here had the time to read what it said: that counts.
        processes::drained(stdout.and_then(|stream| stream.into_inner().into_owned_fd().ok()), &mut printed);
        if !is_armed && says_watching(&printed) {
            let _ = self.events.send(Event::Watching { process }).await;
        }
        processes::drained(stderr.and_then(|stream| stream.into_owned_fd().ok()), &mut said);
        processes::ended(status, Output { stdout: String::new(), stderr: String::from_utf8_lossy(&said).into_owned() })
    }
}

fn says_watching(printed: &[u8]) -> bool {
    String::from_utf8_lossy(printed).lines().any(|line| line.trim() == WATCHING)
}

fn unknown() -> End {
    End::NotStarted { reason: "the agent knows no watching".into(), missing: true }
}
