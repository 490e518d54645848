//! The supervisor as a process of its own, with a shell in the daemon's place and a real hub. The test program runs
//! itself as the supervisor, since signals and children belong to a whole process.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use daemon::supervise::{At, Bounds, Supervise, supervise};
use embedded::{Config, Identity, NodeStatus, Reply, Request, SocketPath};
use engine::NodeId;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// How long anything here may take before the test fails; all of it takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(20);

/// In the place of a hub's socket: there is none.
const NO_HUB: &str = "none";

type Case = fn(&Path);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, role, socket, script] = &arguments[..]
        && role == "as-supervisor"
    {
        return as_supervisor(socket, script);
    }
    let cases: [(&str, Case); 7] = [
        ("a clean end is the end", a_clean_end_is_the_end),
        ("an unclean end is followed by a new start", an_unclean_end_is_followed_by_a_new_start),
        ("too many deaths end the supervisor", too_many_deaths_end_the_supervisor),
        ("a signal is passed on and its answer awaited", a_signal_is_passed_on_and_its_answer_awaited),
        ("what is left over is reaped", what_is_left_over_is_reaped),
        ("where there is no hub nobody is asked for", where_there_is_no_hub_nobody_is_asked_for),
        ("the presence is held and taken up again", the_presence_is_held_and_taken_up_again),
    ];
    for (name, case) in cases {
        let directory = tempfile::tempdir().expect("a temporary directory");
        case(directory.path());
        println!("test supervise: {name} ... ok");
    }
    ExitCode::SUCCESS
}

fn as_supervisor(socket: &str, script: &str) -> ExitCode {
    // Orphans come to us as they come to pid 1.
    nix::sys::prctl::set_child_subreaper(true).expect("being a reaper");
    let what = Supervise {
        // As on Corosync.
        hub: (socket != NO_HUB).then(|| At { socket: socket.parse().expect("a path"), identity: identity() }),
        program: "/bin/sh".into(),
        arguments: vec!["-c".into(), script.into()],
        bounds: Bounds { restarts: 2, window: PATIENCE, wait: Duration::from_millis(1) },
    };
    match supervise(&what) {
        Ok(code) => code.into(),
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::from(99)
        }
    }
}

fn identity() -> Identity {
    Identity::new(NodeId(1), "alpha", 1).expect("a node")
}

fn socket(directory: &Path) -> SocketPath {
    directory.join("hub").to_str().expect("a name").parse().expect("a path")
}

struct Supervisor {
    child: Child,
    output: BufReader<std::process::ChildStdout>,
}

/// Starts a supervisor of a shell that runs `script` in the directory.
fn start(directory: &Path, script: &str) -> Supervisor {
    start_at(&socket(directory).to_string(), directory, script)
}

fn start_at(hub: &str, directory: &Path, script: &str) -> Supervisor {
    let mut child = Command::new(std::env::current_exe().expect("ourselves"))
        .args(["as-supervisor", hub, script])
        .current_dir(directory)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a supervisor");
    let output = BufReader::new(child.stdout.take().expect("piped"));
    Supervisor { child, output }
}

impl Supervisor {
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("a line of output");
        line.trim().to_owned()
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id() as i32), signal).expect("the supervisor runs");
    }

    /// Its exit code and what it wrote to stderr.
    fn end(mut self) -> (Option<i32>, String) {
        let status = self.child.wait().expect("our child");
        let mut errors = String::new();
        self.child.stderr.take().expect("piped").read_to_string(&mut errors).expect("text");
        (status.code(), errors)
    }
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < PATIENCE, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn a_clean_end_is_the_end(directory: &Path) {
    let (code, errors) = start(directory, "echo once >> runs; exit 0").end();
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    assert_eq!(std::fs::read_to_string(directory.join("runs")).expect("it ran"), "once\n");
}

fn an_unclean_end_is_followed_by_a_new_start(directory: &Path) {
    let script = "if [ -e second ]; then exit 0; fi; touch second; kill -KILL $$";
    assert_eq!(start(directory, script).end().0, Some(0));
}

fn too_many_deaths_end_the_supervisor(directory: &Path) {
    let (code, errors) = start(directory, "echo run >> runs; exit 7").end();
    assert_eq!(code, Some(99));
    assert!(errors.contains("died 3 times") && errors.contains("exit code 7"), "{errors}");
    assert_eq!(std::fs::read_to_string(directory.join("runs")).expect("it ran").lines().count(), 3);
}

fn a_signal_is_passed_on_and_its_answer_awaited(directory: &Path) {
    for (signal, name) in [(Signal::SIGTERM, "TERM"), (Signal::SIGINT, "INT")] {
        let script = format!("trap 'echo {name}; exit 3' {name}; echo ready; while :; do sleep 0.01; done");
        let mut supervisor = start(directory, &script);
        assert_eq!(supervisor.line(), "ready");
        supervisor.signal(signal);
        assert_eq!(supervisor.line(), name);
        // Unclean, but we asked for it: it is not started again, and the code is passed on.
        assert_eq!(supervisor.end().0, Some(3));
    }
}

fn what_is_left_over_is_reaped(directory: &Path) {
    let script = "trap 'exit 0' TERM; (sh -c 'echo $$' &); while :; do sleep 0.01; done";
    let mut supervisor = start(directory, script);
    let orphan = supervisor.line();
    until("the orphan is reaped", || !Path::new("/proc").join(&orphan).exists());
    supervisor.signal(Signal::SIGTERM);
    assert_eq!(supervisor.end().0, Some(0));
}

fn where_there_is_no_hub_nobody_is_asked_for(directory: &Path) {
    let second = "trap 'exit 0' TERM; echo ready; while :; do sleep 0.01; done";
    let script = format!("if [ -e second ]; then {second}; fi; touch second; kill -KILL $$");
    let mut supervisor = start_at(NO_HUB, directory, &script);
    assert_eq!(supervisor.line(), "ready", "a daemon that dies is started again");
    supervisor.signal(Signal::SIGTERM);
    assert_eq!(supervisor.end().0, Some(0));
}

fn the_presence_is_held_and_taken_up_again(directory: &Path) {
    let socket = socket(directory);
    let mut supervisor = start(directory, "trap 'exit 0' TERM; echo ready; while :; do sleep 0.01; done");
    assert_eq!(supervisor.line(), "ready", "the daemon is started whether or not there is a hub");
    for _ in 0..2 {
        let hub = run_hub(&socket);
        until("the host is up", || is_up(&socket) == Some(true));
        embedded::control(&socket, &Request::Stop).expect("the hub stops");
        hub.join().expect("the hub ends");
    }
    let hub = run_hub(&socket);
    until("the host is up again", || is_up(&socket) == Some(true));
    supervisor.signal(Signal::SIGTERM);
    assert_eq!(supervisor.end().0, Some(0));
    until("the host is down", || is_up(&socket) == Some(false));
    embedded::control(&socket, &Request::Stop).expect("the hub stops");
    hub.join().expect("the hub ends");
}

fn run_hub(socket: &SocketPath) -> std::thread::JoinHandle<()> {
    let listening = embedded::listen(socket).expect("the hub listens");
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let served = runtime.block_on(embedded::serve(listening, &Config::default(), std::future::pending()));
        served.expect("the hub runs");
    })
}

fn is_up(socket: &SocketPath) -> Option<bool> {
    let Reply::Status(status) = embedded::control(socket, &Request::Status).expect("the hub answers") else {
        panic!("a status was asked for")
    };
    let [NodeStatus { up, .. }] = &status.nodes[..] else { return None };
    Some(*up)
}
