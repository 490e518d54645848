//! What an operator may ask of a hub: the words, the answer, and asking from a program without tokio.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use engine::{Host, NodeId};

use crate::SocketPath;
use crate::blocking::{self, GreetError};
use crate::frame::{PROTOCOL, ToClient, ToHub};
use crate::hub::MAX_NODES;

/// What may be asked. Its text form is what goes over the socket, what the command line takes and what tests write.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Request {
    /// `partition 1,2|3`: cut the nodes into these sides; nodes not named are one side more.
    Partition(Vec<BTreeSet<NodeId>>),
    /// `heal`: join all sides again.
    Heal,
    /// `status`: who is here.
    Status,
    /// `expected-votes 3`: how many votes the cluster has; absent nodes are forgotten.
    ExpectedVotes(u32),
    /// `stop`: end the hub. Every daemon loses its engine.
    Stop,
}

/// Why a text is not a request.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RequestError {
    /// No such word, or too many or too few of them.
    #[error(
        "{0:?} is not a request to the hub: expected `partition 1,2|3`, `heal`, `status`, `expected-votes N` or `stop`"
    )]
    Unknown(String),
    /// A side without nodes, or a word that is not a node id.
    #[error("{0:?} is not a list of node ids: expected numbers from 1 on with commas between, as in `partition 1,2|3`")]
    Side(String),
    /// A node cannot be on two sides.
    #[error("node {0} is named twice: each node can be on one side only")]
    Twice(NodeId),
    /// More nodes than a hub will know.
    #[error(
        "a partition of more than {MAX_NODES} nodes: name those of one side only, the others are a side of their own"
    )]
    TooMany,
}

impl FromStr for Request {
    type Err = RequestError;

    fn from_str(text: &str) -> Result<Request, RequestError> {
        let unknown = || RequestError::Unknown(text.chars().take(80).collect());
        let mut words = text.split_whitespace();
        let request = match (words.next(), words.next()) {
            (Some("partition"), Some(sides)) => Request::Partition(parse_sides(sides)?),
            (Some("heal"), None) => Request::Heal,
            (Some("status"), None) => Request::Status,
            (Some("expected-votes"), Some(votes)) => Request::ExpectedVotes(votes.parse().map_err(|_| unknown())?),
            (Some("stop"), None) => Request::Stop,
            _ => return Err(unknown()),
        };
        if words.next().is_some() { Err(unknown()) } else { Ok(request) }
    }
}

fn parse_sides(text: &str) -> Result<Vec<BTreeSet<NodeId>>, RequestError> {
    let mut all = BTreeSet::new();
    let mut sides = Vec::new();
    for side in text.split('|') {
        let mut ids = BTreeSet::new();
        for word in side.split(',') {
            let id: u32 = word.parse().map_err(|_| RequestError::Side(side.chars().take(80).collect()))?;
            if id == 0 {
                return Err(RequestError::Side(side.chars().take(80).collect()));
            }
            if !all.insert(id) {
                return Err(RequestError::Twice(NodeId(id)));
            }
            if all.len() > MAX_NODES {
                return Err(RequestError::TooMany);
            }
            ids.insert(NodeId(id));
        }
        sides.push(ids);
    }
    Ok(sides)
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Request::Partition(sides) => {
                let side = |ids: &BTreeSet<NodeId>| ids.iter().map(NodeId::to_string).collect::<Vec<_>>().join(",");
                write!(f, "partition {}", sides.iter().map(side).collect::<Vec<_>>().join("|"))
            }
            Request::Heal => f.write_str("heal"),
            Request::Status => f.write_str("status"),
            Request::ExpectedVotes(votes) => write!(f, "expected-votes {votes}"),
            Request::Stop => f.write_str("stop"),
        }
    }
}

/// What the hub answers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reply {
    /// It was done.
    Done,
    /// Who is here.
    Status(Status),
    /// Nothing was done, and why.
    Refused(String),
}

/// Who is here, as the hub sees it: over all sides of a partition.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Status {
    /// Votes of the whole cluster.
    pub expected_votes: u32,
    /// Every node known, those that are down included, by id.
    pub nodes: Vec<NodeStatus>,
}

/// One node in a [`Status`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NodeStatus {
    /// Its number and its name (the last it had, when it is down).
    pub host: Host,
    /// Its votes.
    pub votes: u32,
    /// Whether the host is up: a daemon or a presence of it is connected.
    pub up: bool,
    /// The order in which its daemon joined; none when it has no daemon.
    pub since: Option<u64>,
    /// The side of the partition it is on; all are on side 0 when there is none.
    pub side: u32,
    /// Whether its side has quorum.
    pub quorate: bool,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "expected votes: {}", self.expected_votes)?;
        for node in &self.nodes {
            let NodeStatus { host: Host { id, name }, votes, up, since, side, quorate } = node;
            let state = match (up, since) {
                (false, _) => "down".to_owned(),
                (true, None) => "up, no daemon".to_owned(),
                (true, Some(since)) => format!("member since {since}"),
            };
            let quorum = if *quorate { "quorate" } else { "no quorum" };
            let side = if *up { format!(", side {side}, {quorum}") } else { String::new() };
            writeln!(f, "node {id} {name}: {state}, votes {votes}{side}")?;
        }
        Ok(())
    }
}

/// Why a hub could not be asked. Whether it did what was asked is not known after [`GreetError::Lost`].
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The hub could not be reached, or went away before it answered.
    #[error(transparent)]
    Greet(#[from] GreetError),
    /// It spoke, but did not answer the question.
    #[error("the hub at {socket} gave no answer to {request:?} but something else: are hub and tool of one version?")]
    Unexpected {
        /// Where it listens.
        socket: SocketPath,
        /// What it was asked.
        request: String,
    },
}

/// Asks a hub, and waits for its answer (bounded). For programs without tokio.
pub fn control(socket: &SocketPath, request: &Request) -> Result<Reply, ControlError> {
    let frame = ToHub::Control { protocol: PROTOCOL, request: request.to_string() };
    match blocking::greet(socket, &frame)? {
        (_, ToClient::Reply(reply)) => Ok(reply),
        (_, ToClient::Refused { reason }) => Ok(Reply::Refused(reason)),
        _ => Err(ControlError::Unexpected { socket: socket.clone(), request: request.to_string() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read_and_written_alike() {
        for text in ["partition 1,2|3", "partition 4", "heal", "status", "expected-votes 5", "stop"] {
            assert_eq!(text.parse::<Request>().map(|request| request.to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn what_is_not_a_request_says_what_was_expected() {
        for (text, expected) in [
            ("", "expected `partition"),
            ("heal now", "expected `partition"),
            ("partition 1 2", "expected `partition"),
            ("expected-votes few", "expected-votes N"),
            ("partition 1,|2", "expected numbers"),
            ("partition 0|1", "expected numbers"),
            ("partition a|b", "expected numbers"),
            ("partition 1,2|2", "node 2 is named twice"),
            (
                &format!("partition {}", (1..200).map(|id| id.to_string()).collect::<Vec<_>>().join(",")),
                "more than 128",
            ),
        ] {
            let error = text.parse::<Request>().expect_err(text).to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
