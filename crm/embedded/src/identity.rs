//! Who a node is: number, name and votes, checked once. Whether it may join is for the hub to say.

use engine::{Host, NodeId};

/// Votes of one node at most, so that no sum of them can overflow.
pub const MAX_VOTES: u32 = 1000;

/// A name is at most as long as Linux lets a host's name be long in DNS.
pub const MAX_NAME: usize = 255;

/// What a daemon says of itself when it joins.
///
/// Invariant: the number is not 0, the name is a word of 1 to 255 bytes, votes are at most 1000.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identity {
    host: Host,
    votes: u32,
}

/// Why a node cannot be called so. Nothing was done.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BadIdentity {
    /// Engines keep 0 for "no node".
    #[error("node id 0 means no node: give each node a number from 1 on")]
    Zero,
    /// Names are shown in tables and read in commands.
    #[error("{0:?} cannot be a node's name: expected 1 to {MAX_NAME} bytes without blanks or control characters")]
    Name(String),
    /// More than any cluster needs.
    #[error("{0} votes for one node are too many: expected 0 to {MAX_VOTES}")]
    Votes(u32),
}

impl Identity {
    /// A node by number, name and votes.
    pub fn new(id: NodeId, name: &str, votes: u32) -> Result<Identity, BadIdentity> {
        if id.0 == 0 {
            return Err(BadIdentity::Zero);
        }
        let word = !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c.is_control());
        if !word || name.len() > MAX_NAME {
            return Err(BadIdentity::Name(name.chars().take(MAX_NAME).collect()));
        }
        if votes > MAX_VOTES {
            return Err(BadIdentity::Votes(votes));
        }
        Ok(Identity { host: Host { id, name: name.to_owned() }, votes })
    }

    /// Its number and name.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Its votes.
    pub fn votes(&self) -> u32 {
        self.votes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_checked_once() {
        let new = |id, name: &str, votes| Identity::new(NodeId(id), name, votes);
        assert!(new(1, "node-1.example", 1).is_ok());
        assert_eq!(new(0, "a", 1), Err(BadIdentity::Zero));
        assert!(matches!(new(1, "", 1), Err(BadIdentity::Name(_))));
        assert!(matches!(new(1, "a b", 1), Err(BadIdentity::Name(_))));
        assert!(matches!(new(1, &"x".repeat(256), 1), Err(BadIdentity::Name(_))));
        assert_eq!(new(1, "a", 1001), Err(BadIdentity::Votes(1001)));
    }
}
