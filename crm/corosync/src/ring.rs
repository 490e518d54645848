//! Rings and processes: how Corosync names a membership of hosts, and who is in a process group.

use std::fmt;

use engine::NodeId;

/// A membership of hosts, named by Corosync. Rings that follow one another have growing sequence numbers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Ring {
    /// Grows with each membership.
    pub sequence: u64,
    /// The host with the lowest number in it.
    pub leader: u32,
}

impl fmt::Display for Ring {
    /// As Corosync's tools write it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}.{:x}", self.leader, self.sequence)
    }
}

/// A process in the group. Its number is reused by the system, so it names a process only while that is a member.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Process {
    /// The host it runs on.
    pub node: NodeId,
    /// Its number there.
    pub pid: u32,
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {} on node {}", self.pid, self.node)
    }
}

/// Who went, and how.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Left {
    /// The process.
    pub process: Process,
    /// Its host went; else it was the process alone.
    pub host_down: bool,
}

/// What Corosync's quorum services say.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Votes {
    /// The ring this is said of.
    pub ring: Ring,
    /// Whether its hosts have quorum.
    pub quorate: bool,
    /// Votes present, a quorum device's included.
    pub votes: u32,
    /// Votes of the whole cluster.
    pub expected: u32,
}
