#![forbid(unsafe_code)]
//! What we ask of a cluster engine: who is here, whether they may act, and messages in one order for all.
//!
//! An engine promises *virtual synchrony*: all members of a membership see the same events in the same order, a
//! [`Membership`] stands at the same place between the messages for all who are in it, and a message is delivered to
//! its sender too. Whoever was away for however short a time is announced as away first and as back after it, so that all
//! who meet know that they meet. Everything above rests on that and on nothing else. Which engine it is — `corosync`, `embedded`,
//! the simulator's — nobody above knows.

use std::fmt;
use std::task::{Context, Poll};

/// The largest payload an engine must carry. Corosync's is 1,047,552 bytes; whoever sends more cuts it up.
pub const MAX_PAYLOAD: usize = 512 * 1024;

/// A node's number in the cluster engine's configuration; never 0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct NodeId(pub u32);

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A host that the engine sees, whether or not our daemon runs on it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Host {
    /// Its number.
    pub id: NodeId,
    /// Its name.
    pub name: String,
}

/// A daemon of ours in the process group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Member {
    /// The node it runs on.
    pub id: NodeId,
    /// Place in the order of joining: who has been here longest has the smallest. The same for all who see it.
    pub since: u64,
}

/// Who is here now: always the full sets, never a difference.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Membership {
    /// Grows with each membership that this node sees.
    pub number: u64,
    /// Hosts that the engine can reach, ourselves included, by id. A host without a member is up but has no daemon.
    pub hosts: Vec<Host>,
    /// Our daemons among them, by id.
    pub members: Vec<Member>,
    /// Whether the hosts have quorum. An engine that learns of membership and quorum apart says *not quorate* between.
    pub quorate: bool,
    /// Votes present.
    pub votes: u32,
    /// Votes of the whole cluster.
    pub expected_votes: u32,
}

impl Membership {
    /// The member that coordinates: longest here, ties by the lowest id. All members compute the same.
    pub fn eldest(&self) -> Option<NodeId> {
        self.members.iter().min_by_key(|member| (member.since, member.id)).map(|member| member.id)
    }

    /// Whether a daemon of ours runs on that node.
    pub fn has_member(&self, id: NodeId) -> bool {
        self.members.iter().any(|member| member.id == id)
    }

    /// Whether the engine sees that host.
    pub fn has_host(&self, id: NodeId) -> bool {
        self.hosts.iter().any(|host| host.id == id)
    }
}

/// What an engine tells.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// Members, hosts or quorum changed.
    Membership(Membership),
    /// A message, in the order that is the same for all.
    Delivered {
        /// Who sent it.
        from: NodeId,
        /// Its bytes.
        payload: Vec<u8>,
    },
    /// The engine is gone. Nobody is here any more as far as we know; a `Membership` follows when it is back.
    Lost {
        /// What happened, in words.
        reason: String,
    },
}

/// Why a message was not taken. It was not sent, not even in part.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SendError {
    /// Flow control: try again when the engine has told something.
    #[error("the cluster engine is busy")]
    Busy,
    /// Larger than [`MAX_PAYLOAD`].
    #[error("a message of {0} bytes is longer than an engine carries ({MAX_PAYLOAD})")]
    TooLong(usize),
    /// There is no engine at the moment.
    #[error("there is no connection to the cluster engine")]
    Lost,
}

/// A cluster engine. It reconnects by itself; between [`Event::Lost`] and the next membership nothing can be sent.
pub trait Engine {
    /// This node, by number and name.
    fn me(&self) -> Host;

    /// Multicasts to all members, ourselves included. Never blocks.
    fn send(&mut self, payload: Vec<u8>) -> Result<(), SendError>;

    /// The next event, if there is one; registers the waker if not.
    fn poll_event(&mut self, context: &mut Context<'_>) -> Poll<Event>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_eldest_coordinates_and_ties_go_to_the_lowest_id() {
        let member = |id, since| Member { id: NodeId(id), since };
        let of = |members| Membership { members, ..Membership::default() }.eldest();
        assert_eq!(of(vec![member(1, 9), member(2, 3), member(3, 4)]), Some(NodeId(2)));
        assert_eq!(of(vec![member(1, 9), member(2, 9)]), Some(NodeId(1)));
        assert_eq!(of(vec![]), None);
    }
}
