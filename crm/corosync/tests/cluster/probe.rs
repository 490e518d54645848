//! A program on a node that uses the engine: it writes a line for each event, and does what it reads. And its
//! counterpart, which keeps those lines for the test.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use corosync::{Client, MAX_MESSAGE};
use engine::{Engine as _, Event, Membership, SendError};
use tokio::sync::mpsc;

use crate::nodes::{Node, wait_for};

/// What the program does: `send COUNT BYTES`, and ends with its input.
pub fn be(cluster: &str) {
    // Corosync may still be starting.
    let mut found = corosync::find();
    wait_for("Corosync", || {
        found = corosync::find();
        found.as_ref().map_err(|error| eprintln!("{error}")).is_ok()
    });
    let found = found.expect("it was found");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (commands, mut read) = mpsc::channel::<(usize, usize)>(16);
    std::thread::spawn(move || {
        for line in std::io::stdin().lines() {
            let line = line.expect("the test writes text");
            let mut words = line.split(' ').skip(1).map(|word| word.parse().expect("a number"));
            let (Some(count), Some(bytes)) = (words.next(), words.next()) else { panic!("{line:?} is no command") };
            commands.blocking_send((count, bytes)).expect("we read them");
        }
    });
    runtime.block_on(async {
        let mut client = Client::connect(&found, cluster).expect("a thread");
        let (mut left, mut bytes, mut number) = (0, 0, 0_u64);
        loop {
            // A few at a time: who only sends and never listens counts as one that hangs.
            let mut busy = false;
            for _ in 0..left.min(8) {
                match client.send(payload(found.me.id.0, number, bytes)) {
                    Ok(()) => (left, number) = (left - 1, number + 1),
                    Err(SendError::Busy) => {
                        busy = true;
                        break;
                    }
                    Err(error) => {
                        println!("failed {error}");
                        left = 0;
                        break;
                    }
                }
            }
            tokio::select! {
                event = client.event() => println!("{}", line(&event)),
                command = read.recv(), if left == 0 => match command {
                    Some(command) => (left, bytes) = command,
                    None => break,
                },
                // Busy, and nothing is told: as the daemon does it.
                () = tokio::time::sleep(Duration::from_millis(if busy { 5 } else { 0 })), if left > 0 => {}
            }
        }
        client.leave().await;
    });
}

/// The clock that all processes of a machine share, whatever their namespaces.
pub fn microseconds() -> i64 {
    let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC).expect("Linux has this clock");
    now.tv_sec() * 1_000_000 + now.tv_nsec() / 1_000
}

/// Bytes that say who sent them and which they are, and every so often how many came before. Made without looking at each
/// byte: programs for tests are not optimised, and on a busy machine a daemon that calculates for long counts as hanging.
fn payload(node: u32, number: u64, bytes: usize) -> Vec<u8> {
    const EVERY: usize = 4096;
    assert!(bytes <= MAX_MESSAGE, "the test sends what an engine carries");
    let mut payload = vec![number.to_le_bytes()[0]; bytes];
    for (place, block) in payload.chunks_exact_mut(EVERY).enumerate() {
        block[..size_of::<usize>()].copy_from_slice(&place.to_le_bytes());
    }
    let head = format!("{node}:{number} ");
    let length = head.len().min(bytes);
    payload[..length].copy_from_slice(&head.as_bytes()[..length]);
    payload
}

fn line(event: &Event) -> String {
    match event {
        Event::Membership(Membership { number, hosts, members, quorate, votes, expected_votes }) => {
            let members: Vec<String> = members.iter().map(|member| format!("{}@{}", member.id, member.since)).collect();
            let hosts: Vec<&str> = hosts.iter().map(|host| host.name.as_str()).collect();
            let quorum = if *quorate { "quorate" } else { "no-quorum" };
            format!(
                "members {} hosts {} {quorum} {votes}/{expected_votes} at {} #{number}",
                members.join(","),
                hosts.join(","),
                microseconds()
            )
        }
        Event::Delivered { from, payload } => {
            let head: String = String::from_utf8_lossy(&payload[..payload.len().min(12)]).into_owned();
            let name = head.split(' ').next().unwrap_or_default();
            let number = name.split_once(':').and_then(|(_, number)| number.parse().ok());
            let sent = number.map(|number| self::payload(from.0, number, payload.len()));
            let is_whole = if sent.as_ref() == Some(payload) { "whole" } else { "broken" };
            format!("message {from} {name} {} {is_whole}", payload.len())
        }
        Event::Lost { reason } => format!("lost {reason}"),
    }
}

/// A membership as a test wants to see it: places in the order of joining as ranks, votes and number left out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct View {
    pub members: Vec<u32>,
    pub places: BTreeMap<u32, u64>,
    pub hosts: String,
    pub quorate: bool,
}

fn view(line: &str) -> Option<View> {
    let words: Vec<&str> = line.split(' ').collect();
    let ["members", members, "hosts", hosts, quorum, ..] = words[..] else { return None };
    let place = |text: &str| {
        let (id, since) = text.split_once('@')?;
        Some((id.parse().ok()?, since.parse().ok()?))
    };
    let places: BTreeMap<u32, u64> = members.split(',').filter_map(place).collect();
    let members = places.keys().copied().collect();
    Some(View { members, places, hosts: hosts.to_owned(), quorate: quorum == "quorate" })
}

/// A probe that runs on a node.
pub struct Probe {
    pub id: u32,
    child: Child,
    input: Option<ChildStdin>,
    lines: Arc<Mutex<Vec<String>>>,
    errors: Arc<Mutex<Vec<String>>>,
}

fn collect(from: impl std::io::Read + Send + 'static) -> Arc<Mutex<Vec<String>>> {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let to = lines.clone();
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            to.lock().expect("nobody panics with it").push(line);
        }
    });
    lines
}

impl Probe {
    /// Starts one for this cluster.
    pub fn start(node: &Node, cluster: &str) -> Probe {
        Self::with(node, &["probe", cluster])
    }

    /// Starts this program on the node with these arguments.
    pub fn with(node: &Node, arguments: &[&str]) -> Probe {
        let program = std::env::current_exe().expect("we run");
        let mut command = node.inside(program);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("nsenter");
        let lines = collect(child.stdout.take().expect("piped"));
        let errors = collect(child.stderr.take().expect("piped"));
        Probe { id: node.id, input: child.stdin.take(), child, lines, errors }
    }

    /// Lets it send so many messages of so many bytes.
    pub fn send(&mut self, count: usize, bytes: usize) {
        let input = self.input.as_mut().expect("it was not stopped");
        writeln!(input, "send {count} {bytes}").expect("it reads");
    }

    /// Lets it leave, and waits until it has.
    pub fn stop(mut self) {
        drop(self.input.take());
        self.child.wait().expect("ours");
    }

    /// Kills it.
    pub fn kill(&mut self) {
        self.signal(nix::sys::signal::Signal::SIGKILL);
        // nsenter stops with a child that is stopped, and would stay so.
        let _ = self.child.kill();
        self.child.wait().expect("ours");
    }

    /// Sends it a signal, if it still runs. It is nsenter's child, as that forks to enter a process namespace.
    pub fn signal(&self, signal: nix::sys::signal::Signal) {
        let nsenter = self.child.id();
        let children = std::fs::read_to_string(format!("/proc/{nsenter}/task/{nsenter}/children")).unwrap_or_default();
        if let Ok(pid) = children.trim().parse() {
            nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), signal).expect("nsenter has not reaped it");
        }
    }

    /// All it has written.
    pub fn lines(&self) -> Vec<String> {
        self.lines.lock().expect("nobody panics with it").clone()
    }

    /// All it has logged.
    pub fn errors(&self) -> Vec<String> {
        self.errors.lock().expect("nobody panics with it").clone()
    }

    /// The memberships told.
    pub fn views(&self) -> Vec<View> {
        self.lines().iter().filter_map(|line| view(line)).collect()
    }

    /// Messages delivered, as lines.
    pub fn messages(&self) -> Vec<String> {
        self.lines().into_iter().filter(|line| line.starts_with("message ")).collect()
    }

    /// Waits until the last thing told is a membership of these, with or without quorum.
    pub fn wait_members(&self, members: &[u32], quorate: bool) -> View {
        self.wait("a membership", |probe| {
            let last = probe.views().last().cloned();
            let lost = probe.lines().iter().rposition(|line| line.starts_with("lost"));
            let told = probe.lines().iter().rposition(|line| line.starts_with("members"));
            last.is_some_and(|view| view.members == members && view.quorate == quorate) && told > lost
        });
        self.views().pop().expect("it was just there")
    }

    /// Waits until something holds of it.
    pub fn wait(&self, what: &str, is: impl Fn(&Probe) -> bool) {
        let said = || format!("{what} on n{}: {:#?} {:#?}", self.id, tail(&self.lines()), tail(&self.errors()));
        let until = std::time::Instant::now() + crate::nodes::PATIENCE;
        wait_for(what, || {
            assert!(std::time::Instant::now() < until - Duration::from_secs(1), "{}", said());
            is(self)
        });
    }
}

fn tail(lines: &[String]) -> Vec<String> {
    lines[lines.len().saturating_sub(8)..].to_vec()
}

impl Drop for Probe {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("n{} was told {:#?} and logged {:#?}", self.id, tail(&self.lines()), tail(&self.errors()));
        }
        // It may have been waited for before.
        if matches!(self.child.try_wait(), Ok(None)) {
            self.kill();
        }
    }
}
