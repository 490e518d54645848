//! A hub as a program runs it: TERM ends it and its socket is gone; a second one on the same socket does not begin.
//! Alone in its file, since signals belong to the whole test program.

use std::time::{Duration, Instant};

use embedded::{Config, HubError, ListenError, Request, SocketPath};
use nix::sys::signal::{Signal, kill};
use nix::unistd::getpid;

#[test]
fn a_hub_ends_with_term_and_leaves_nothing() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let socket: SocketPath = directory.path().join("hub").to_str().expect("a name").parse().expect("a path");
    let path = socket.clone();
    let hub = std::thread::spawn(move || embedded::run_hub(&path, &Config::default()));
    let start = Instant::now();
    while embedded::control(&socket, &Request::Status).is_err() {
        assert!(start.elapsed() < Duration::from_secs(20), "the hub never answers");
        std::thread::sleep(Duration::from_millis(2));
    }
    let second = embedded::run_hub(&socket, &Config::default());
    assert!(matches!(second, Err(HubError::Listen(ListenError::InUse { .. }))));
    kill(getpid(), Signal::SIGTERM).expect("a signal to ourselves");
    hub.join().expect("no panic").expect("a clean end");
    assert_eq!(std::fs::read_dir(directory.path()).expect("the directory").count(), 0);
}
