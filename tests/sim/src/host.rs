//! One simulated host: its power, its disk, what runs on it, and its daemon when it has one.

use std::collections::BTreeSet;
use std::time::Duration;

use engine::{Host, NodeId};
use executor::Signal;
use node::{Node, Now, Process};

use crate::agents::{Agents, Effect, State, promoted};
use crate::disk::Disk;
use crate::engine::Life;

/// What the clocks say when a run begins, in seconds since 1970.
pub const EPOCH: i64 = 1_800_000_000;

/// How long a disk takes at most to write something down, in milliseconds, when nothing is wrong with it.
pub const DISK_MS: u64 = 400;

/// A host, or its daemon, stands still.
#[derive(Clone, Copy, Debug)]
pub struct Paused {
    /// When it goes on.
    pub until: Duration,
    /// The whole host stands still, not only its daemon.
    pub whole: bool,
}

/// A daemon that runs.
#[derive(Debug)]
pub struct Daemon {
    /// Which start of which daemon.
    pub life: Life,
    /// When it was started: its monotonic clock began then.
    pub started: Duration,
    /// The machine under test.
    pub node: Node,
    /// When it wants to be told the time.
    pub wake: Option<Duration>,
    /// The membership it was given last, and a hash of what it was given since.
    pub given: (u64, u64),
    /// The place in the order of what it was given last.
    pub place: u64,
    /// Turns within one instant of time.
    pub turns: (Duration, u32),
}

/// A host.
#[derive(Debug)]
pub struct SimHost {
    /// Its number and name.
    pub me: Host,
    /// It has power.
    pub powered: bool,
    /// Grows each time the power goes: what was begun before ends there.
    pub boot: u32,
    /// Its daemon.
    pub daemon: Option<Daemon>,
    /// What is on its disk.
    pub disk: Disk,
    /// What runs on it.
    pub agents: Agents,
    /// When a daemon that ends by itself is started again; `None`: not before somebody does.
    pub daemon_returns: Option<Duration>,
    /// When its watchdog was fed last; `None` while that is not armed.
    pub fed: Option<Duration>,
    /// How far its wall clock is off, in seconds.
    pub skew: i64,
    /// It stands still.
    pub paused: Option<Paused>,
    /// The newest protocol that its daemons speak.
    pub protocol: u32,
    /// How long its disk takes at most to write something down, in milliseconds.
    pub disk_ms: u64,
}

impl SimHost {
    /// A host without power.
    pub fn new(me: Host, disk: Disk, skew: i64) -> Self {
        SimHost {
            me,
            powered: false,
            boot: 0,
            daemon: None,
            disk,
            agents: Agents::default(),
            daemon_returns: None,
            fed: None,
            skew,
            paused: None,
            protocol: wire::PROTOCOL,
            disk_ms: DISK_MS,
        }
    }

    /// Its number.
    pub fn id(&self) -> NodeId {
        self.me.id
    }

    /// Both clocks as its daemon sees them.
    pub fn clocks(&self, now: Duration) -> Now {
        let started = self.daemon.as_ref().map_or(Duration::ZERO, |daemon| daemon.started);
        Now { monotonic: now.saturating_sub(started), unix: EPOCH + self.skew + now.as_secs() as i64 }
    }

    /// The process of this daemon by the name it has for it.
    pub fn process(&self, life: Life, process: Process) -> Option<u64> {
        let found = self.agents.processes.iter().find(|(_, one)| one.life == life && one.process == process);
        found.map(|(pid, _)| *pid)
    }

    /// What is there, and what is being started: what the host holds if the power goes now.
    pub fn holds(&self) -> BTreeSet<String> {
        let present = self.agents.present().map(str::to_owned);
        let promoted_now = self.agents.promoted().map(promoted);
        let coming = self.agents.processes.values().filter_map(|one| match &one.effect {
            Some(Effect::Becomes(resource, Some(State::Promoted))) => Some(promoted(resource)),
            Some(Effect::Becomes(resource, Some(_))) => Some(resource.clone()),
            _ => None,
        });
        present.chain(promoted_now).chain(coming).collect()
    }
}

/// A process was signalled: how it ends by that, if it does.
pub fn ended_by(signal: Signal, stubborn: bool) -> Option<executor::End> {
    let signal = match signal {
        Signal::Term if stubborn => return None,
        Signal::Term => 15,
        Signal::Kill => 9,
    };
    Some(executor::End::Signalled { signal, output: executor::Output::default() })
}
