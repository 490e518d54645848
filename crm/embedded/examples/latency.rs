//! Measures the time from sending a message to its own delivery, with three nodes and a hub as processes of their own.
//!
//! `cargo run --release -p embedded --example latency`

use std::process::{Child, Command, ExitCode};
use std::time::{Duration, Instant};

use embedded::{Client, Config, Identity, SocketPath};
use engine::{Engine, Event, NodeId};

const ROUNDS: usize = 20_000;
const SLOW_ROUNDS: usize = 200;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let done = match &arguments[1..] {
        [role, socket] if role == "hub" => {
            let socket = socket.parse().expect("a path of ours");
            embedded::run_hub(&socket, &Config::default()).map_err(|error| error.to_string())
        }
        [role, socket, id] if role == "node" => listen(socket, id.parse().expect("a number of ours")),
        [] => measure(),
        _ => Err("usage: latency".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("latency: {error}");
            ExitCode::FAILURE
        }
    }
}

fn client(socket: &str, id: u32) -> Client {
    let socket: SocketPath = socket.parse().expect("a path of ours");
    Client::connect(socket, Identity::new(NodeId(id), &format!("node{id}"), 1).expect("a node"))
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(future)
}

/// A node that only hears, until the hub is gone.
fn listen(socket: &str, id: u32) -> Result<(), String> {
    block_on(async {
        let mut client = client(socket, id);
        let mut joined = false;
        loop {
            match client.event().await {
                Event::Membership(_) => joined = true,
                Event::Lost { .. } if joined => return Ok(()),
                _ => {}
            }
        }
    })
}

/// Processes that we started; ended and waited for whichever way we go.
struct Children(Vec<Child>);

impl Drop for Children {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn measure() -> Result<(), String> {
    let directory = tempfile::tempdir().map_err(|error| format!("making a directory: {error}"))?;
    let socket = directory.path().join("hub").display().to_string();
    let program = std::env::current_exe().map_err(|error| format!("finding ourselves: {error}"))?;
    let start = |arguments: &[&str]| {
        Command::new(&program).args(arguments).spawn().map_err(|error| format!("starting a process: {error}"))
    };
    let _children =
        Children(vec![start(&["hub", &socket])?, start(&["node", &socket, "2"])?, start(&["node", &socket, "3"])?]);
    block_on(async {
        let mut client = client(&socket, 1);
        loop {
            match client.event().await {
                Event::Membership(membership) if membership.members.len() == 3 => break,
                _ => {}
            }
        }
        for size in [64, 4096, 65_536, engine::MAX_PAYLOAD] {
            let rounds = ROUNDS.min(200_000_000 / size / 4);
            report(&format!("{size} bytes"), round_trips(&mut client, size, rounds, Duration::ZERO).await?);
        }
        let times = round_trips(&mut client, 64, SLOW_ROUNDS, Duration::from_millis(20)).await?;
        report("64 bytes, one in 20 ms", times);
        Ok(())
    })
}

async fn round_trips(client: &mut Client, size: usize, rounds: usize, rest: Duration) -> Result<Vec<Duration>, String> {
    let mut times = Vec::new();
    for _ in 0..rounds {
        if !rest.is_zero() {
            tokio::time::sleep(rest).await;
        }
        let start = Instant::now();
        client.send(vec![1; size]).map_err(|error| error.to_string())?;
        match client.event().await {
            Event::Delivered { .. } => times.push(start.elapsed()),
            other => return Err(format!("{other:?} came instead of the message")),
        }
    }
    Ok(times)
}

fn report(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let at = |percent: usize| times[(times.len() - 1) * percent / 100];
    println!("{what}: p50 {:?}, p90 {:?}, p99 {:?} of {} round trips", at(50), at(90), at(99), times.len());
}
