#![forbid(unsafe_code)]
//! Fencing as a machine: which devices can cut a node off, in what order they are tried, history.
//!
//! It knows nothing of resources and plans: it is asked to cut a node off, by whatever route works.
//! The shell hands in an [`Event`] with the time, calls [`Fencer::poll`] until it gives nothing more,
//! carries each [`Command`] out and sends [`Event::Timeout`] at [`Fencer::deadline`]. Time is the
//! [`Duration`] since any fixed moment.
//!
//! A request becomes an operation with routes: the topology's levels for the target, or each device for
//! itself. When a device's turn comes, it is found out whether it is for the target; then its delay
//! passes, and its agent is run until it succeeds or may not be repeated. The first route whose steps all
//! succeed is the answer. A step that this node cannot do, or not for this target, is an errand for another member.
//!
//! ```
//! use std::time::Duration;
//! use fencer::{Action, Command, Device, Event, Fencer, Target};
//!
//! let mut fencer = Fencer::new();
//! let parameters = [("pcmk_host_map".to_owned(), "node1:4".to_owned())].into();
//! let device = Device { name: "pdu".into(), agent: "fence_apc".into(), parameters, allowed_here: true };
//! fencer.handle(Duration::ZERO, Event::Configure { devices: vec![device], levels: vec![] });
//! fencer.handle(Duration::ZERO, Event::Fence {
//!     request: 1,
//!     target: Target { name: "node1".into(), id: None, attributes: Default::default() },
//!     action: Action::Reboot,
//!     device_timeout: Duration::from_secs(60),
//!     timeout: Duration::from_secs(120),
//!     delay: Duration::ZERO,
//!     watchdog: Err("nobody relies on a watchdog".into()),
//!     seed: 0,
//! });
//! // First the agent is asked what it can do.
//! let Some(Command::Spawn { run, options, .. }) = fencer.poll() else { panic!() };
//! assert_eq!(options["action"], "metadata");
//! let said = r#"<parameter name="port"/><action name="off"/><action name="reboot"/>"#;
//! let ended = Event::Ended { run, code: 0, stdout: said.into(), stderr: String::new() };
//! fencer.handle(Duration::from_secs(1), ended);
//! let Some(Command::Spawn { run, agent, options, .. }) = fencer.poll() else { panic!() };
//! assert_eq!((agent.as_str(), options["port"].as_str()), ("fence_apc", "4"));
//! let ended = Event::Ended { run, code: 0, stdout: String::new(), stderr: String::new() };
//! fencer.handle(Duration::from_secs(3), ended);
//! assert!(matches!(fencer.poll(), Some(Command::Done { request: 1, result: Ok(_) })));
//! ```

mod agents;
mod capability;
mod errands;
mod fencer;
mod history;
mod metadata;
mod operation;
mod parameters;
mod request;
mod topology;

use std::collections::BTreeMap;
use std::time::Duration;

pub use agents::{DESCRIBE_RUNS, DESCRIBE_TIMEOUT};
pub use errands::{Errand, ErrandEnd, MAX_ERRANDS};
pub use fencer::{ActiveView, Fencer, KILL_GRACE, LIST_AGE, MAX_REQUESTS, QUESTION_TIMEOUT};
pub use history::{HISTORY_LENGTH, Record};
pub use metadata::AgentInfo;
pub use request::{Action, Device, Failure, Level, Success, Target, TargetMatch};
pub use topology::{LEVELS, WATCHDOG};

/// One process of a fence agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RunId(pub u64);

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The whole configuration of fencing, each time it changes.
    Configure {
        /// Every device this node may use.
        devices: Vec<Device>,
        /// The topology; empty when there is none.
        levels: Vec<Level>,
    },
    /// Who is here to do what this node cannot.
    Peers {
        /// This node's name.
        me: String,
        /// The other members, in the order to ask them.
        others: Vec<String>,
    },
    /// Fence a node. It is answered by one [`Command::Done`].
    Fence {
        /// The caller's number for the request, unique among those not yet answered.
        request: u64,
        /// Whom.
        target: Target,
        /// What to do.
        action: Action,
        /// How long one device may take unless it has a `pcmk_<action>_timeout` (`stonith-timeout`).
        device_timeout: Duration,
        /// How long the whole request may take, over all devices.
        timeout: Duration,
        /// How long to wait before anything is done to the target (`priority-fencing-delay`).
        delay: Duration,
        /// After how long the target's own watchdog has certainly ended it, or why nobody can rely on that.
        watchdog: Result<Duration, String>,
        /// Where the chance in `pcmk_delay_max` comes from.
        seed: u64,
    },
    /// Another node wants this one to do a step. It is answered by one [`Command::ErrandEnded`].
    Errand {
        /// Who wants it.
        from: String,
        /// The number to give back.
        number: u64,
        /// What is to be done.
        errand: Errand,
    },
    /// What became of an errand of ours.
    ErrandEnded {
        /// Who did it.
        from: String,
        /// Our number for it.
        number: u64,
        /// How it went.
        end: ErrandEnd,
    },
    /// A fence agent ended. One that could not be started counts as ended with code 127 and the
    /// reason on `stderr`; one ended by a signal as 128 and the signal.
    Ended {
        /// Which.
        run: RunId,
        /// Its exit code.
        code: i32,
        /// What it wrote, bounded by the shell.
        stdout: String,
        /// What it wrote on standard error, bounded by the shell.
        stderr: String,
    },
    /// The time of [`Fencer::deadline`] has come.
    Timeout,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Run a fence agent as a process group of its own, with `options` as `name=value` lines on its
    /// standard input, and send [`Event::Ended`] when it is gone.
    Spawn {
        /// The number to give back.
        run: RunId,
        /// The device's name, for logs; that of the agent when it is only asked what it can do.
        device: String,
        /// The agent.
        agent: String,
        /// What to write to it, `action` included.
        options: BTreeMap<String, String>,
    },
    /// Kill the whole process group of a run.
    Kill {
        /// Which run.
        run: RunId,
    },
    /// Let another node do a step.
    Errand {
        /// Who is to do it.
        to: String,
        /// The number to give back.
        number: u64,
        /// What is to be done.
        errand: Errand,
    },
    /// Tell another node what became of its errand.
    ErrandEnded {
        /// Whose it was.
        to: String,
        /// The number that it gave.
        number: u64,
        /// How it went.
        end: ErrandEnd,
    },
    /// A request is answered.
    Done {
        /// Which.
        request: u64,
        /// How it went.
        result: Result<Success, Failure>,
    },
}
