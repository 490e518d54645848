//! One connection to Corosync: it reads what is told, carries out what [`Group`] decides, and waits. All in one thread.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, RawFd};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use engine::Host;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;
use tokio::sync::mpsc::error::TrySendError;

use crate::client::{Message, Task};
use crate::cmap::{Cmap, Map};
use crate::cpg::{Cpg, Told};
use crate::error::{Error, Result};
use crate::frame::PART;
use crate::group::{self, Command, Event, Group};
use crate::quorum::{Quorum, Verdict, Votequorum};
use crate::ring::{Process, Votes};
use crate::status::Status;

/// The group's name. One for all clusters: whoever is of another must be met to be refused.
const GROUP: &str = "systole";

/// Events taken from Corosync in a turn, so that sending and the quorum get theirs in a flood.
const EVENTS_PER_TURN: usize = 64;

/// Messages given to Corosync in a turn, for the same reason.
const MESSAGES_PER_TURN: usize = 64;

/// How soon we try again what Corosync was too busy for. A turn of the token takes as long, and at a cut all wait for it.
const BUSY_WAIT: Duration = Duration::from_micros(500);

/// How long Corosync may be too busy to let us join: as long as it works on a membership, a quorum device included.
const JOIN_WAIT: Duration = Duration::from_secs(40);

/// How long the daemon may leave events untaken. Then it hangs, and the others must know.
const STALL_WAIT: Duration = Duration::from_secs(5);

/// How long a daemon may take none of the few events that wait for it. It hangs as well, but nothing piles up to show it;
/// long work of its own, such as reading a CIB of hundreds of megabytes, takes less.
pub(crate) const HANG_WAIT: Duration = Duration::from_secs(15);

/// How long we stay to send what was given to us before we were told to leave.
const LEAVE_WAIT: Duration = Duration::from_secs(1);

/// When a node of several has been alone in its ring for so long, the operator is told what that may come from.
const ALONE_WAIT: Duration = Duration::from_secs(10);

/// Why a session ended.
pub enum End {
    /// The daemon leaves.
    Left,
    /// Corosync is gone, or we cannot be a member.
    Lost(String),
}

/// A connection.
pub struct Session {
    me: Host,
    cpg: Cpg,
    quorum: Quorum,
    votequorum: Votequorum,
    map: Cmap,
    group: Group,
    verdict: Option<Verdict>,
    /// Events for which the daemon's queue has no room. While there are some, nothing more is read.
    waiting: VecDeque<engine::Event>,
    waiting_since: Instant,
    /// Corosync was too busy; when we try again.
    busy_until: Option<Instant>,
    /// We are alone in our ring; when that is told.
    alone_at: Option<Instant>,
    ready: Ready,
    clock: Instant,
}

/// Where there is something to read.
#[derive(Clone, Copy, Debug)]
struct Ready {
    quorum: bool,
    votes: bool,
    group: bool,
}

impl Session {
    /// Connects and joins.
    pub fn open(task: &mut Task) -> std::result::Result<Session, String> {
        Self::join(task).map_err(|error| error.to_string())
    }

    fn join(task: &mut Task) -> Result<Session> {
        let mut cpg = Cpg::connect()?;
        let local = cpg.local()?;
        if local != task.me.id {
            return Err(Error::Unusable(format!(
                "this node is now node {local}, and was {} when this daemon was started: restart the daemon",
                task.me.id
            )));
        }
        if cpg.longest()? < PART + 64 {
            return Err(Error::Unusable(format!(
                "corosync takes messages of {} bytes at most, and we need {PART}",
                cpg.longest()?
            )));
        }
        let mut quorum = Quorum::connect()?;
        if !quorum.is_provided() {
            return Err(Error::Unusable("corosync has no provider of quorum any more: see corosync.conf".into()));
        }
        let mut votequorum = Votequorum::connect()?;
        let map = Cmap::connect(Map::Configuration)?;
        quorum.track()?;
        votequorum.track()?;
        let until = Instant::now() + JOIN_WAIT;
        loop {
            match cpg.join(GROUP) {
                Err(error) if error.is_try_again() && Instant::now() < until && !task.is_left() => {
                    std::thread::sleep(BUSY_WAIT);
                }
                joined => break joined?,
            }
        }
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let group = Group::new(group::Settings {
            me: Process { node: task.me.id, pid: std::process::id() },
            name: task.me.name.clone(),
            cluster: task.cluster.clone(),
            version: env!("CARGO_PKG_VERSION").into(),
            // Differs at each connection, and from other nodes' with their numbers: that is all it is for.
            nonce: since.subsec_nanos().rotate_left(7) ^ std::process::id().rotate_left(20) ^ task.me.id.0,
            started: u32::try_from(since.as_secs()).unwrap_or(u32::MAX),
            number: task.number,
            now: Duration::ZERO,
        });
        Ok(Session {
            me: task.me.clone(),
            cpg,
            quorum,
            votequorum,
            map,
            group,
            verdict: None,
            waiting: VecDeque::new(),
            waiting_since: Instant::now(),
            busy_until: None,
            alone_at: None,
            ready: Ready { quorum: true, votes: true, group: true },
            clock: Instant::now(),
        })
    }

    /// Works until the connection ends.
    pub fn run(mut self, task: &mut Task) -> End {
        let end = loop {
            match self.turn(task) {
                Ok(None) => {}
                Ok(Some(end)) => break end,
                Err(error) => break End::Lost(error.to_string()),
            }
        };
        task.number = self.group.number();
        if matches!(end, End::Left) {
            self.send_the_rest();
        }
        end
    }

    fn turn(&mut self, task: &mut Task) -> Result<Option<End>> {
        // Quorum first: a report at a cut needs its word, and is not made twice if it is there already.
        self.hear_quorum()?;
        if self.ready.group && self.waiting.is_empty() {
            self.ready.group = self.hear_group()?;
        }
        let now = self.clock.elapsed();
        if self.group.deadline().is_some_and(|deadline| deadline <= now) {
            self.group.handle(now, Event::Timeout);
        }
        self.tell_if_alone();
        if let Some(end) = self.carry_out(task) {
            return Ok(Some(end));
        }
        while self.group.takes_payloads() {
            match task.take() {
                Message::None => break,
                Message::Left => return Ok(Some(End::Left)),
                Message::Payload(payload) => {
                    self.group.handle(self.clock.elapsed(), Event::Send(payload));
                    self.send()?;
                }
            }
        }
        if task.is_left() {
            return Ok(Some(End::Left));
        }
        self.send()?;
        self.wait(task)?;
        Ok(None)
    }

    fn hear_quorum(&mut self) -> Result<()> {
        let Ready { quorum, votes, .. } = self.ready;
        let news = if quorum { self.quorum.dispatch()? } else { None };
        if votes {
            self.votequorum.dispatch()?;
        }
        self.verdict = news.or(self.verdict);
        if let Some(Verdict { ring, quorate }) = self.verdict
            && (news.is_some() || votes)
        {
            let known = self.votequorum.node(self.me.id)?;
            let votes = Votes { ring, quorate, votes: known.total, expected: known.expected };
            self.group.handle(self.clock.elapsed(), Event::Votes(votes));
        }
        Ok(())
    }

    /// Whether there may be more to hear.
    fn hear_group(&mut self) -> Result<bool> {
        let mut told = Vec::new();
        let more = self.cpg.dispatch(EVENTS_PER_TURN, &mut told);
        let now = self.clock.elapsed();
        for told in told {
            let event = match told {
                Told::Message { from, bytes } => Event::Message { from, bytes },
                Told::Members { members, left } => Event::Members { members, left },
                Told::Ring { ring, hosts } => {
                    let nodes = self.map.nodes()?;
                    let alone = hosts == [self.me.id] && nodes.len() > 1;
                    self.alone_at = alone.then(|| Instant::now() + ALONE_WAIT);
                    self.group.handle(now, Event::Names(crate::find::names(&nodes)));
                    Event::Ring { ring, hosts }
                }
            };
            self.group.handle(now, event);
        }
        more
    }

    /// Carries out what was decided, and gives the daemon as many events as it has room for.
    fn carry_out(&mut self, task: &mut Task) -> Option<End> {
        let mut left = None;
        while let Some(command) = self.group.poll() {
            match command {
                Command::Tell(event) => {
                    if self.waiting.is_empty() {
                        self.waiting_since = Instant::now();
                    }
                    self.waiting.push_back(event);
                }
                Command::Warn { event, message } => tracing::warn!(node = self.me.name, event, "{message}"),
                Command::Leave { reason } => left = Some(End::Lost(reason)),
            }
        }
        while let Some(event) = self.waiting.pop_front() {
            match task.tell(event) {
                Ok(()) => self.waiting_since = Instant::now(),
                Err(TrySendError::Closed(_)) => return Some(End::Left),
                Err(TrySendError::Full(event)) => {
                    self.waiting.push_front(event);
                    break;
                }
            }
        }
        if !self.waiting.is_empty() && self.waiting_since.elapsed() >= STALL_WAIT {
            left = left.or(Some(End::Lost(format!("this daemon took no events for {STALL_WAIT:?}"))));
        }
        if task.untaken_for() >= HANG_WAIT {
            left = left.or(Some(End::Lost(format!("this daemon took no events for {HANG_WAIT:?}"))));
        }
        left
    }

    /// Gives Corosync what is to be sent, until it is too busy.
    fn send(&mut self) -> Result<()> {
        if self.busy_until.is_some_and(|until| Instant::now() < until) {
            return Ok(());
        }
        self.busy_until = None;
        for _ in 0..MESSAGES_PER_TURN {
            let Some(bytes) = self.group.frame() else { return Ok(()) };
            match self.cpg.multicast(&bytes) {
                Ok(()) => self.group.sent(),
                Err(error) if error.is_try_again() => {
                    self.busy_until = Some(Instant::now() + BUSY_WAIT);
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
        // There may be more, and it is its turn after the others'.
        self.busy_until = Some(Instant::now());
        Ok(())
    }

    fn send_the_rest(&mut self) {
        let until = Instant::now() + LEAVE_WAIT;
        while !self.group.has_sent_all() && Instant::now() < until {
            // An error means that nothing can be sent any more. Events are read, as a long payload waits for its return.
            if self.hear_group().is_err() || self.send().is_err() {
                return;
            }
            while self.group.poll().is_some() {}
            std::thread::sleep(BUSY_WAIT);
        }
    }

    /// Waits for Corosync, for the daemon, or until something is due.
    fn wait(&mut self, task: &Task) -> Result<()> {
        let deadline = self.group.deadline().map(|deadline| self.clock + deadline);
        let stalled = (!self.waiting.is_empty()).then(|| self.waiting_since + STALL_WAIT);
        let more = (self.ready.group && self.waiting.is_empty()).then(Instant::now);
        let due = [deadline, stalled, self.busy_until, self.alone_at, more].into_iter().flatten().min();
        let timeout = due.map(|due| TimeSpec::from_duration(due.saturating_duration_since(Instant::now())));
        let mut descriptors = [
            PollFd::new(borrow(self, self.quorum.descriptor()?), PollFlags::POLLIN),
            PollFd::new(borrow(self, self.votequorum.descriptor()?), PollFlags::POLLIN),
            PollFd::new(task.woken().as_fd(), PollFlags::POLLIN),
            PollFd::new(borrow(self, self.cpg.descriptor()?), PollFlags::POLLIN),
        ];
        // While the daemon has no room we do not read, and so must not be woken by what we would not read.
        let count = if self.waiting.is_empty() { 4 } else { 3 };
        match ppoll(&mut descriptors[..count], timeout, None) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(Error::Unusable(format!("waiting for corosync: {error}"))),
        }
        let gone = PollFlags::POLLHUP | PollFlags::POLLERR | PollFlags::POLLNVAL;
        let events = descriptors.each_ref().map(|one| one.revents().unwrap_or(PollFlags::empty()));
        let [quorum, votes, _, group] = events.map(|events| !events.is_empty());
        if events[..count].iter().any(|events| events.intersects(gone)) {
            // What it said before it ended is not worth reading: whoever is left decides without us.
            return Err(Error::Unusable("corosync has ended".into()));
        }
        self.ready = Ready { quorum, votes, group: group || self.ready.group };
        task.rest();
        Ok(())
    }

    /// An authkey that differs from the others', a wrong address and a firewall all show as this and nothing else.
    fn tell_if_alone(&mut self) {
        if self.alone_at.is_none_or(|at| Instant::now() < at) {
            return;
        }
        self.alone_at = None;
        let Ok(status) = Status::read() else { return };
        let others = status.nodes.iter().filter(|node| node.id != self.me.id);
        let others: Vec<String> = others
            .map(|node| {
                let name = node.name.clone().unwrap_or_else(|| format!("node{}", node.id));
                let link = if node.reachable == Some(true) { "a link is connected" } else { "no link is connected" };
                format!("{name} ({link})")
            })
            .collect();
        tracing::warn!(
            node = self.me.name,
            event = "alone",
            "corosync here sees no other node for {ALONE_WAIT:?}: {}; either theirs does not run, or the network is cut, \
             or /etc/corosync/authkey or the node list differs: compare `md5sum /etc/corosync/authkey` on all nodes",
            others.join(", ")
        );
    }
}

/// A descriptor that one of a session's connections owns.
fn borrow(_owner: &Session, descriptor: RawFd) -> BorrowedFd<'_> {
    // SAFETY: the connection keeps it open for as long as the session lives, which the lifetime says.
    #[allow(unsafe_code)]
    unsafe {
        BorrowedFd::borrow_raw(descriptor)
    }
}
