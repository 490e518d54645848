//! All that this engine decides: from what Corosync tells, who is a member, since when, with which quorum, and what is
//! delivered in which membership. Connections, threads and the clock are the shell's.
//!
//! The reasoning stands in the crate's guide. In short: each change of the ring or of the group is a *cut*. At a cut
//! each process reports what it knows; when the last of them has reported, all have the same reports at the same place
//! in the order, call the same roll, and tell the same membership. What was delivered since the cut is held back until
//! then and comes after it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use engine::{Membership, NodeId};

use crate::frame::{Frame, Here};
use crate::parts::{Assembly, Outbox};
use crate::ring::{Left, Process, Ring, Votes};

mod cut;
mod said;
mod silence;

/// How long a process may take to report at a cut. One that lives takes a millisecond, on a loaded host some hundred;
/// the others wait for it meanwhile, so this is also how long one that hangs can hold them up.
pub const REPORT_WAIT: Duration = Duration::from_secs(5);

/// How long a cut may stay open before we give the connection up: the reports themselves do not get through then.
pub const CUT_WAIT: Duration = Duration::from_secs(20);

/// How often a member that has nothing to say says that it is there. Five in a [`SILENCE`].
pub const ALIVE: Duration = Duration::from_secs(1);

/// How long a member may be silent. Its host is up, or Corosync would say so: it is the daemon that hangs.
pub const SILENCE: Duration = Duration::from_secs(5);

/// What may be held back at a cut. Nobody sends payloads while one is open, so it is what was under way when it came:
/// no more than Corosync's queues hold.
const MAX_HELD: usize = 64 * 1024 * 1024;

/// Strangers are logged once each, and so many at most before the record of them begins anew.
const MAX_NOTED: usize = 1000;

/// Who we are.
#[derive(Clone, Debug)]
pub struct Settings {
    /// This process.
    pub me: Process,
    /// This node's name.
    pub name: String,
    /// The cluster's name.
    pub cluster: String,
    /// The program's version.
    pub version: String,
    /// A number by chance, another one for each connection.
    pub nonce: u32,
    /// When this process was started, in seconds since 1970.
    pub started: u32,
    /// The number of the last membership told, so that numbers grow over connections.
    pub number: u64,
    /// The time now.
    pub now: Duration,
}

/// What happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// The ring is another one, or it is the one we joined in.
    Ring {
        /// The ring.
        ring: Ring,
        /// Its hosts.
        hosts: Vec<NodeId>,
    },
    /// Processes came or went.
    Members {
        /// All that are in the group now.
        members: Vec<Process>,
        /// Those that went, some of which may be among the members again.
        left: Vec<Left>,
    },
    /// A message was delivered.
    Message {
        /// Who sent it.
        from: Process,
        /// Its bytes.
        bytes: Vec<u8>,
    },
    /// What the quorum services say now.
    Votes(Votes),
    /// The names of nodes, as `corosync.conf` has them.
    Names(BTreeMap<NodeId, String>),
    /// The daemon sends a payload.
    Send(Vec<u8>),
    /// The deadline has come.
    Timeout,
}

/// What to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// Tell the daemon.
    Tell(engine::Event),
    /// Log, as a warning, for it is about somebody who is not as they should be.
    Warn {
        /// What kind of thing it is.
        event: &'static str,
        /// What it is.
        message: String,
    },
    /// Leave the group and begin anew.
    Leave {
        /// Why.
        reason: String,
    },
}

/// What was told to the daemon.
#[derive(Clone, Debug)]
struct Told {
    members: BTreeMap<Process, u64>,
    membership: Membership,
}

/// What is the next to be sent.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Next {
    Here,
    Absent,
    Payload,
    Alive,
}

/// One connection's state.
#[derive(Debug)]
pub struct Group {
    settings: Settings,
    now: Duration,
    ring: Option<Ring>,
    hosts: BTreeSet<NodeId>,
    names: BTreeMap<NodeId, String>,
    processes: BTreeSet<Process>,
    /// In the group, but none of us.
    strangers: BTreeSet<Process>,
    noted: BTreeSet<(Process, &'static str)>,
    votes: Option<Votes>,

    /// The cut we are at, and what was reported at it.
    cut: u64,
    reports: BTreeMap<Process, Here>,
    /// When the cut was made; none when its roll was called.
    open_since: Option<Duration>,
    /// When those who have not reported are called absent.
    absent_at: Duration,
    /// What we reported at this cut.
    reported: Option<Votes>,
    held: Vec<(Process, Vec<u8>)>,
    held_bytes: usize,

    lineage: u64,
    since: u64,
    highest: u32,
    told: Option<Told>,
    /// Members of what was told that went away since, with their hosts or without.
    gone: BTreeMap<Process, bool>,
    /// How much was heard of each process, and when lastly.
    heard: BTreeMap<Process, (u64, Duration)>,
    spoke: Duration,

    assembly: Assembly,
    outbox: Outbox,
    absent: VecDeque<Frame>,
    next: Option<Next>,
    number: u64,
    left: bool,
    commands: VecDeque<Command>,
}

impl Group {
    /// A connection that has heard nothing yet.
    pub fn new(settings: Settings) -> Group {
        Group {
            now: settings.now,
            ring: None,
            hosts: BTreeSet::new(),
            names: BTreeMap::new(),
            processes: BTreeSet::new(),
            strangers: BTreeSet::new(),
            noted: BTreeSet::new(),
            votes: None,
            cut: 0,
            reports: BTreeMap::new(),
            // That we are in is the first thing told, and waited for like a report.
            open_since: Some(settings.now),
            absent_at: settings.now + REPORT_WAIT,
            reported: None,
            held: Vec::new(),
            held_bytes: 0,
            lineage: hash([u64::from(settings.me.node.0), u64::from(settings.me.pid), u64::from(settings.nonce)]),
            since: 0,
            highest: 0,
            told: None,
            gone: BTreeMap::new(),
            heard: BTreeMap::new(),
            spoke: Duration::ZERO,
            assembly: Assembly::default(),
            outbox: Outbox::default(),
            absent: VecDeque::new(),
            next: None,
            number: settings.number,
            left: false,
            commands: VecDeque::new(),
            settings,
        }
    }

    /// Takes in what happened at `now`, the time since any fixed moment.
    pub fn handle(&mut self, now: Duration, event: Event) {
        self.now = now;
        if self.left {
            return;
        }
        match event {
            Event::Ring { ring, hosts } => self.ring_changed(ring, hosts),
            Event::Members { members, left } => self.members_changed(members, left),
            Event::Message { from, bytes } => self.message(from, &bytes),
            Event::Votes(votes) => self.votes = Some(votes),
            Event::Names(names) => self.names = names,
            Event::Send(payload) => self.outbox.push(payload),
            Event::Timeout => self.look_at_the_clock(),
        }
    }

    /// What to do next; call until there is nothing.
    pub fn poll(&mut self) -> Option<Command> {
        self.commands.pop_front()
    }

    /// When to be sent [`Event::Timeout`].
    pub fn deadline(&self) -> Option<Duration> {
        if self.left {
            return None;
        }
        match self.open_since {
            Some(since) => Some(self.absent_at.min(since + CUT_WAIT)),
            None if self.told.is_none() => None,
            None => Some((self.spoke + ALIVE).min(self.silent_at().unwrap_or(Duration::MAX))),
        }
    }

    /// Whether payloads are taken from the daemon: not while a cut is open, and not more than one ahead of what was
    /// sent. Who sends is held up, and nothing piles up here.
    pub fn takes_payloads(&self) -> bool {
        !self.left && self.open_since.is_none() && self.outbox.is_empty()
    }

    /// Whether all that was taken from the daemon has been sent.
    pub fn has_sent_all(&self) -> bool {
        self.outbox.is_empty()
    }

    /// The number of the last membership told.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The next bytes to multicast. Not more than asked for is made, so that what waits can still be thought better of;
    /// [`Self::sent`] when they were sent.
    pub fn frame(&mut self) -> Option<Vec<u8>> {
        self.next = None;
        if self.left {
            return None;
        }
        let (next, frame) = if let Some(here) = self.owed_report() {
            (Next::Here, Frame::Here(here))
        } else if let Some(absent) = self.next_absent() {
            (Next::Absent, absent)
        } else if self.open_since.is_some() || self.told.is_none() {
            return None;
        } else if let Some(frame) = self.outbox.peek() {
            (Next::Payload, frame)
        } else if self.spoke + ALIVE <= self.now {
            (Next::Alive, Frame::Alive)
        } else {
            return None;
        };
        self.next = Some(next);
        Some(frame.encode())
    }

    /// What [`Self::frame`] gave was sent.
    pub fn sent(&mut self) {
        self.spoke = self.now;
        match self.next.take() {
            Some(Next::Here) => self.reported = self.votes,
            Some(Next::Absent) => drop(self.absent.pop_front()),
            Some(Next::Payload) => self.outbox.sent(),
            Some(Next::Alive) | None => {}
        }
    }

    /// What we have to report at this cut and have not yet: once we know the ring, are in the group, and the quorum
    /// services have spoken of this very ring; and again when they say something else of it.
    fn owed_report(&self) -> Option<Here> {
        let (ring, votes) = (self.ring?, self.votes?);
        if votes.ring != ring || self.reported == Some(votes) || !self.processes.contains(&self.settings.me) {
            return None;
        }
        Some(Here {
            cut: self.cut,
            lineage: self.lineage,
            since: self.since,
            highest: self.highest,
            started: self.settings.started,
            nonce: self.settings.nonce,
            quorate: votes.quorate,
            votes: votes.votes,
            expected: votes.expected,
            name: self.settings.name.clone(),
            cluster: self.settings.cluster.clone(),
            version: self.settings.version.clone(),
            strangers: self.strangers.iter().copied().collect(),
        })
    }

    fn leave(&mut self, reason: String) {
        self.left = true;
        self.commands.push_back(Command::Leave { reason });
    }
}

/// FNV-1a over numbers: it must be the same in all versions and on all machines, and nobody chooses its input.
fn hash(numbers: impl IntoIterator<Item = u64>) -> u64 {
    let bytes = numbers.into_iter().flat_map(u64::to_be_bytes);
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
