//! This node's copy of the CIB, and how it stays the same as the others'.
//!
//! Every write is a message in total order, so members who hold the same CIB once hold the same for good. When someone
//! new is among the members they *meet*: each says what it holds, all choose the same winner, and who holds something
//! else takes the winner's. Writes that are delivered during a meeting are held back and applied after it.
//!
//! ```text
//!   Membership with someone new ─► Hello from each ─► all the same? ──────────────────────────────► in step
//!                                                  └► the winner sends Chunks ─► Taken by all others ─┘
//! ```
//!
//! A winner that dies midway ends the meeting with its membership, and the next one begins anew. To members of protocol 1,
//! who know no pieces, the CIB goes as one `State`.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use cib::{Applied, Cib, Refused, Write};
use engine::{Membership, NodeId};
use wire::{Again, Chunk, Hello, Origin, State, Taken};

use crate::transfer::{self, Fit, Transfer};

/// A write that was delivered.
#[derive(Clone, Debug)]
pub struct Delivered {
    /// Who sent it.
    pub from: NodeId,
    /// Who of its side waits for it.
    pub origin: Origin,
    /// What is written.
    pub write: Write,
}

/// What became of a write here, and so everywhere.
#[derive(Debug)]
pub struct Settled {
    /// The write.
    pub delivered: Delivered,
    /// What it changed, or why nothing.
    pub outcome: Result<Applied, Refused>,
}

/// What a meeting asks of this node.
#[derive(Debug)]
pub enum Step {
    /// Tell the others what we hold.
    Hello(Hello),
    /// Tell the others what counts from here on, to members of protocol 1.
    State(State),
    /// Tell them a piece of it.
    Chunk(Chunk),
    /// Tell the others that this node has all of it.
    Taken(Taken),
    /// Tell the others that a piece did not fit.
    Again(Again),
    /// The members hold the same CIB now.
    InStep {
        /// One of them was in a running cluster before.
        running: bool,
        /// What each has under way.
        under_way: Vec<(NodeId, Vec<wire::RunOrder>)>,
        /// Our own configuration, if another's was taken in its place and something is lost by that.
        set_aside: Option<Arc<Cib>>,
        /// Another's was taken.
        taken: bool,
    },
    /// The others are another cluster, or hold what we cannot read: we cannot stay.
    Leave {
        /// Why, and what to do.
        reason: String,
    },
}

#[derive(Debug)]
struct Meeting {
    key: String,
    hellos: BTreeMap<NodeId, Hello>,
    /// All have spoken; whose CIB it is going to be.
    winner: Option<NodeId>,
    /// The winner's CIB on its way to those who hold another.
    transfer: Option<Transfer>,
}

/// Writes that are held back while members meet: at a thousand a second, more than a minute's. A meeting takes far less.
const MAX_HELD_BACK: usize = 100_000;

/// One node's copy of the CIB.
#[derive(Debug)]
pub struct Replica {
    me: NodeId,
    cluster: String,
    incarnation: String,
    cib: Arc<Cib>,
    view: Membership,
    meeting: Option<Meeting>,
    held_back: VecDeque<Delivered>,
    /// In step with all members at least once.
    met: bool,
    /// Whether most of the nodes were members, with quorum, before the membership that is met about now.
    quorate_before: bool,
}

impl Replica {
    /// A copy that has met nobody yet.
    pub fn new(me: NodeId, cluster: &str, incarnation: &str, cib: Cib) -> Self {
        Replica {
            me,
            cluster: cluster.to_owned(),
            incarnation: incarnation.to_owned(),
            cib: Arc::new(cib),
            view: Membership::default(),
            meeting: None,
            held_back: VecDeque::new(),
            met: false,
            quorate_before: false,
        }
    }

    /// The CIB as it is now.
    pub fn cib(&self) -> &Arc<Cib> {
        &self.cib
    }

    /// Nothing is going on: it holds no more memory than it needs. A CIB that somebody reads stays as it is.
    pub fn rest(&mut self) {
        if let Some(cib) = Arc::get_mut(&mut self.cib) {
            cib.rest();
        }
    }

    /// Whether all members are known to hold the same.
    pub fn in_step(&self) -> bool {
        self.met && self.meeting.is_none()
    }

    /// Who is here changed. Gives the writes that were held back for a meeting that is over by this, and our part in
    /// a new one if there is one. `running`: our cluster acts, this is no cold start.
    pub fn membership(
        &mut self,
        view: &Membership,
        running: bool,
        under_way: Vec<wire::RunOrder>,
    ) -> (Vec<Settled>, Option<Step>) {
        let joined = view.members.iter().any(|member| !self.view.members.contains(member));
        if self.meeting.is_none() {
            self.quorate_before = has_majority(&self.view);
        }
        self.view = view.clone();
        if !joined && self.meeting.is_none() {
            return (Vec::new(), None);
        }
        self.meeting = None;
        let settled = self.release();
        let key = view.members.iter().map(|m| format!("{}@{}", m.id, m.since)).collect::<Vec<_>>().join(",");
        let version = self.cib.version();
        let hello = Hello {
            protocol: wire::PROTOCOL,
            cluster: self.cluster.clone(),
            incarnation: self.incarnation.clone(),
            meeting: key.clone(),
            version: (version.admin_epoch, version.epoch, version.num_updates),
            digest: self.cib.digest(),
            running,
            quorate: self.quorate_before,
            under_way,
            attributes: Vec::new(),
            cut: false,
        };
        self.meeting = Some(Meeting { key, hellos: BTreeMap::new(), winner: None, transfer: None });
        (settled, Some(Step::Hello(hello)))
    }

    /// A member said what it holds.
    pub fn hello(&mut self, from: NodeId, hello: Hello) -> Vec<Step> {
        let Some(meeting) = &mut self.meeting else { return Vec::new() };
        if hello.meeting != meeting.key || meeting.winner.is_some() {
            return Vec::new();
        }
        meeting.hellos.insert(from, hello);
        if !self.view.members.iter().all(|member| meeting.hellos.contains_key(&member.id)) {
            return Vec::new();
        }
        let Some((winner, best)) = choose(&meeting.hellos) else { return Vec::new() };
        meeting.winner = Some(winner);
        if best.cluster != self.cluster {
            let reason = format!(
                "the members of this process group are the cluster \"{}\", this node is configured for \"{}\"; \
                 give it the same name or another engine",
                best.cluster, self.cluster
            );
            return vec![Step::Leave { reason }];
        }
        let agreed = meeting.hellos.values().all(|hello| hello.digest == best.digest && hello.version == best.version);
        if agreed {
            return vec![self.finish(None, false)];
        }
        if meeting.hellos.values().all(|hello| hello.protocol > wire::FIRST_PROTOCOL) {
            let needs = |hello: &Hello| hello.digest != best.digest || hello.version != best.version;
            let needed_by = meeting.hellos.iter().filter(|(_, hello)| needs(hello)).map(|(id, _)| *id).collect();
            let text = if winner == self.me { self.cib.document().to_xml() } else { String::new() };
            let transfer = meeting.transfer.insert(Transfer::new(needed_by, text));
            let first = if winner == self.me { transfer.first(&meeting.key) } else { Vec::new() };
            return first.into_iter().map(Step::Chunk).collect();
        }
        if winner == self.me {
            return vec![Step::State(State { meeting: meeting.key.clone(), text: self.cib.document().to_xml() })];
        }
        Vec::new()
    }

    /// The winner said what counts. Gives our next steps; the writes held back come from [`Self::release`].
    pub fn state(&mut self, from: NodeId, state: &State) -> Vec<Step> {
        let Some(meeting) = &self.meeting else { return Vec::new() };
        if meeting.winner != Some(from) || meeting.key != state.meeting {
            return Vec::new();
        }
        if from == self.me {
            return vec![self.finish(None, false)];
        }
        match Cib::parse(&state.text) {
            Ok(cib) => vec![self.adopt(cib)],
            Err(error) => vec![Step::Leave { reason: format!("the CIB of node {from} cannot be read here: {error}") }],
        }
    }

    /// Another's CIB takes the place of ours.
    fn adopt(&mut self, cib: Cib) -> Step {
        let running = self.meeting.as_ref().and_then(|meeting| meeting.hellos.get(&self.me)).is_some_and(|h| h.running);
        let mine = std::mem::replace(&mut self.cib, Arc::new(cib));
        let (old, new) = (configuration_version(&mine), configuration_version(&self.cib));
        // A daemon that starts with an older file has lost nothing: it was behind.
        let set_aside = (old > new || (running && old != new)).then_some(mine);
        self.finish(set_aside, true)
    }

    /// The transfer of the meeting at hand, if that is what is spoken of.
    fn transfer(&mut self, meeting: &str, attempt: u32) -> Option<&mut Transfer> {
        let now = self.meeting.as_mut().filter(|now| now.key == meeting)?;
        now.transfer.as_mut().filter(|transfer| transfer.attempt == attempt)
    }

    /// A piece of the winner's CIB.
    pub fn chunk(&mut self, from: NodeId, chunk: &Chunk) -> Vec<Step> {
        let me = self.me;
        if self.meeting.as_ref().is_none_or(|meeting| meeting.winner != Some(from)) {
            return Vec::new();
        }
        let Some(transfer) = self.transfer(&chunk.meeting, chunk.attempt) else { return Vec::new() };
        if from == me {
            return transfer.after(&chunk.meeting, chunk.index).map(Step::Chunk).into_iter().collect();
        }
        if !transfer.is_for(me) {
            return Vec::new();
        }
        let (meeting, attempt) = (chunk.meeting.clone(), chunk.attempt);
        match transfer.take(chunk) {
            Fit::Waits => Vec::new(),
            Fit::Whole => vec![Step::Taken(Taken { meeting, attempt })],
            Fit::Not(reason) if attempt + 1 >= transfer::ATTEMPTS => {
                vec![Step::Leave { reason: format!("the CIB of node {from} cannot be taken here: {reason}") }]
            }
            Fit::Not(reason) => vec![Step::Again(Again { meeting, attempt, reason })],
        }
    }

    /// A member has all of it. When all have it, it counts.
    pub fn taken(&mut self, from: NodeId, taken: &Taken) -> Vec<Step> {
        let me = self.me;
        let Some(transfer) = self.transfer(&taken.meeting, taken.attempt) else { return Vec::new() };
        if !transfer.taken_by(from) {
            return Vec::new();
        }
        let needed = transfer.is_for(me);
        let whole = self.meeting.as_mut().and_then(|meeting| meeting.transfer.take()).and_then(Transfer::into_whole);
        match whole {
            Some(cib) if needed => vec![self.adopt(cib)],
            None if needed => {
                vec![Step::Leave { reason: "the others go on with a CIB that has not come whole to this node".into() }]
            }
            _ => vec![self.finish(None, false)],
        }
    }

    /// A piece did not fit somewhere: all begin anew.
    pub fn again(&mut self, again: &Again) -> Vec<Step> {
        let sends = self.meeting.as_ref().is_some_and(|meeting| meeting.winner == Some(self.me));
        let Some(transfer) = self.transfer(&again.meeting, again.attempt) else { return Vec::new() };
        transfer.again();
        if !sends || transfer.attempt >= transfer::ATTEMPTS {
            // Who asked so often leaves, and the next meeting is without it.
            return Vec::new();
        }
        transfer.first(&again.meeting).into_iter().map(Step::Chunk).collect()
    }

    /// Whether more is held back than can be: the meeting does not come to an end.
    pub fn is_stuck(&self) -> bool {
        self.held_back.len() > MAX_HELD_BACK
    }

    fn finish(&mut self, set_aside: Option<Arc<Cib>>, taken: bool) -> Step {
        let meeting = self.meeting.take();
        let counts = meeting.as_ref().and_then(|meeting| meeting.hellos.get(&meeting.winner?)).cloned();
        let hellos = meeting.map(|meeting| meeting.hellos).unwrap_or_default();
        // Those who held something else were apart: what they run is unknown, whatever this CIB says of it. Who has only
        // just started had no part in anything; the coordinator sees that it joined anew.
        let apart = |hello: &Hello| hello.running && counts.as_ref().is_some_and(|c| c.digest != hello.digest);
        for node in hellos.iter().filter(|(_, hello)| apart(hello)) {
            let joined = Write::Joined { node: node.0.to_string() };
            // It is refused only for a node without a name.
            let _ = Arc::make_mut(&mut self.cib).apply(&joined);
        }
        let running = hellos.values().any(|hello| hello.running);
        self.met = true;
        let under_way = hellos.into_iter().map(|(node, hello)| (node, hello.under_way)).collect();
        Step::InStep { running, under_way, set_aside, taken }
    }

    /// A write was delivered: applied now, or held back if members are meeting.
    pub fn write(&mut self, delivered: Delivered) -> Option<Settled> {
        if self.meeting.is_some() {
            self.held_back.push_back(delivered);
            return None;
        }
        Some(self.apply(delivered))
    }

    /// Applies what was held back, once the meeting is over.
    pub fn release(&mut self) -> Vec<Settled> {
        if self.meeting.is_some() {
            return Vec::new();
        }
        let held = std::mem::take(&mut self.held_back);
        held.into_iter().map(|delivered| self.apply(delivered)).collect()
    }

    fn apply(&mut self, delivered: Delivered) -> Settled {
        let outcome = Arc::make_mut(&mut self.cib).apply(&delivered.write);
        Settled { delivered, outcome }
    }

    /// Says on the CIB's root what is true of this moment and no part of its version: quorum, and who coordinates.
    pub fn mark(&mut self, name: &str, value: &str) {
        if self.cib.document().attribute(self.cib.document().root(), name) != Some(value) {
            Arc::make_mut(&mut self.cib).set_root(name, value);
        }
    }
}

/// The part of a version that counts what people wrote.
fn configuration_version(cib: &Cib) -> (u64, u64) {
    let version = cib.version();
    (version.admin_epoch, version.epoch)
}

/// Most of the nodes are here with their daemons, and so at least one that holds whatever was acknowledged. Quorum
/// alone does not say that: hosts vote before their daemons have come, and one of two nodes may have it.
pub(crate) fn has_majority(view: &Membership) -> bool {
    view.quorate && view.members.len() * 2 > view.expected_votes as usize
}

/// Whose CIB counts: of the side that was running with most of the nodes, then the newest configuration, then of a side
/// that was running, then the newest status; ties by digest and by the lowest id. All members choose the same.
///
/// A running side without most of the nodes has no say over a newer configuration: what was acknowledged is on the disks
/// of others, and they may be the ones that come now.
fn choose(hellos: &BTreeMap<NodeId, Hello>) -> Option<(NodeId, Hello)> {
    hellos
        .iter()
        .max_by_key(|(id, hello)| {
            let (admin_epoch, epoch, num_updates) = hello.version;
            let majority = hello.running && hello.quorate;
            let worth = (majority, (admin_epoch, epoch), hello.running, num_updates, hello.digest.clone());
            (worth, std::cmp::Reverse(**id))
        })
        .map(|(id, hello)| (*id, hello.clone()))
}
