//! A small cluster that the commands are tried on, and a daemon that plays a part written before.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixListener;
use std::thread::{self, JoinHandle};

use ::cib::Document;
use wire::request::{from_line, to_line};
use wire::{Reply, Request, Status};

use crate::client::Client;
use crate::cluster::View;

/// Three nodes, the third in standby; a service, a group whose second member failed, a stopped one, a clone.
pub const CLUSTER: &str = include_str!("tests/cluster.xml");

/// It as a view.
pub fn cluster() -> View {
    View::new(Document::parse(CLUSTER).unwrap())
}

/// The location constraints of a document: id, resource, role, node and score, a line each.
pub fn constraints(document: &Document) -> String {
    let constraints = document.descend(&["configuration", "constraints"]).unwrap();
    let line = |constraint| {
        ["id", "rsc", "role", "node", "score"].map(|name| document.attribute(constraint, name).unwrap_or("-")).join(" ")
    };
    document.children_named(constraints, "rsc_location").map(line).collect::<Vec<_>>().join("\n")
}

/// What a daemon says of it.
pub fn status() -> Status {
    Status {
        node: "one".into(),
        program: "0.1.0".into(),
        cluster: "demo".into(),
        members: vec!["one".into(), "two".into(), "three".into()],
        hosts_only: Vec::new(),
        coordinator: Some("one".into()),
        quorate: true,
        votes: 3,
        expected_votes: 3,
        synced: true,
        quiet: true,
        under_way: Vec::new(),
        cib: CLUSTER.into(),
        version: (0, 12, 5),
        restricted: None,
    }
}

/// A daemon that answers the requests of one connection with the replies it was given, then closes it.
pub struct Daemon {
    directory: tempfile::TempDir,
    thread: JoinHandle<Vec<Request>>,
}

impl Daemon {
    /// It listens at once.
    pub fn with(replies: Vec<Reply>) -> Daemon {
        let directory = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(directory.path().join("socket")).unwrap();
        let thread = thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let mut asked = Vec::new();
            for reply in replies {
                let Some(Ok(line)) = lines.next() else { break };
                asked.push(from_line(&line).unwrap());
                (&stream).write_all(to_line(&reply).as_bytes()).unwrap();
            }
            asked
        });
        Daemon { directory, thread }
    }

    /// Where it listens.
    pub fn socket(&self) -> std::path::PathBuf {
        self.directory.path().join("socket")
    }

    /// A connection to it; there can be one.
    pub fn client(&self) -> Client {
        Client::connect(&self.socket()).unwrap()
    }

    /// What it was asked.
    pub fn asked(self) -> Vec<Request> {
        self.thread.join().unwrap()
    }
}
