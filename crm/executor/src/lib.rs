#![forbid(unsafe_code)]
//! The queue of operations on this node, recurring ones included: a machine without I/O or clock.
//!
//! The shell hands in what happened as an [`Event`] with the time, calls [`Executor::poll`] until it
//! gives nothing more, carries each [`Command`] out, and sends [`Event::Timeout`] at
//! [`Executor::deadline`]. Time is the [`Duration`](std::time::Duration) since any fixed moment.
//!
//! Each resource has a queue and at most one process. A process that does not end in time is looked at, asked to
//! end, then killed, and if even that fails its resource stays busy while what waits behind it is answered as
//! failed. A recurring operation is due an interval after its last end, and told when it has news; many of them are
//! spread over their intervals. Beside a monitor its agent may watch, and give the monitor's result as soon as there
//! is one.
//!
//! ```
//! use std::time::Duration;
//! use executor::{Agent, Command, End, Event, Executor, Operation, Output};
//!
//! let mut executor = Executor::new(4, 1);
//! let agent = Agent { class: "ocf".into(), provider: Some("heartbeat".into()), kind: "IPaddr2".into() };
//! executor.handle(Duration::ZERO, Event::Run(Operation {
//!     id: 1,
//!     resource: "vip".into(),
//!     agent,
//!     action: "start".into(),
//!     interval_ms: 0,
//!     timeout_ms: 20_000,
//!     start_delay_ms: 0,
//!     parameters: [("ip".to_owned(), "192.0.2.7".to_owned())].into(),
//!     target_rc: 0,
//! }));
//! let Some(Command::Spawn { run, .. }) = executor.poll() else { panic!() };
//! assert_eq!(executor.deadline(), Some(Duration::from_secs(20)));
//! let end = End::Exited { code: 0, output: Output::default() };
//! executor.handle(Duration::from_millis(30), Event::Ended { run, end });
//! let Some(Command::Report(outcome)) = executor.poll() else { panic!() };
//! assert_eq!((outcome.rc, outcome.ran_ms), (0, 30));
//! ```

mod device;
mod executor;
mod lane;
mod operation;
mod outcome;
mod recurrence;
mod watch;

use std::sync::Arc;

pub use executor::{Executor, KILL_GRACE, LOOK_GRACE, MAX_OPERATIONS_PER_RESOURCE, RecurringView, RunView, TERM_GRACE};
pub use operation::{Agent, DEFAULT_TIMEOUT, End, Operation, Output, RunId, Signal};
pub use outcome::{Outcome, Status};
pub use recurrence::SPREAD_FROM;
pub use watch::{WATCH_STARTS, WATCH_STARTS_WITHIN, WATCHED_POLL_LIMIT, WATCHED_TURNS};

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Carry this operation out. It is answered by at least one [`Command::Report`].
    Run(Operation),
    /// Take a recurring operation back. It is answered by one [`Command::Cancelled`].
    Cancel(Cancel),
    /// The resource is no longer looked after here: its recurring operations and its queue go.
    Forget {
        /// The resource's name.
        resource: String,
    },
    /// A process ended, or could not be started.
    Ended {
        /// Which.
        run: RunId,
        /// How.
        end: End,
    },
    /// The answer to [`Command::Examine`].
    Examined {
        /// Which.
        run: RunId,
        /// What was seen, in words for the operator; nothing when nothing could be.
        evidence: String,
    },
    /// The agent that [`Command::Watch`] started has said that it watches, and that all is well.
    Watching {
        /// Which.
        run: RunId,
    },
    /// The time of [`Executor::deadline`] has come.
    Timeout,
    /// The node is shutting down: no new recurring operations from here on.
    Drain,
}

/// A recurring operation to take back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cancel {
    /// The caller's number for the cancellation itself.
    pub id: u64,
    /// The resource of the operation.
    pub resource: String,
    /// Its action.
    pub action: String,
    /// Its interval.
    pub interval_ms: u32,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Run the agent as a process group of its own and send [`Event::Ended`] when it is gone.
    /// For class `stonith`, `start` and `monitor` are both the fence agent's `monitor` action.
    Spawn {
        /// The number to give back.
        run: RunId,
        /// What to run.
        operation: Arc<Operation>,
    },
    /// Have the agent of a recurring operation watch beside it, as a process group of its own: send
    /// [`Event::Watching`] when it does and [`Event::Ended`] when it is gone. An agent that knows no watching, or a
    /// class that has none, has [`End::NotStarted`], missing.
    Watch {
        /// The number to give back.
        run: RunId,
        /// Whose environment it gets.
        operation: Arc<Operation>,
    },
    /// A run did not end in time: look at its processes and its host, and send [`Event::Examined`]. Only then, or when that
    /// takes longer than [`LOOK_GRACE`], it is asked to end.
    Examine {
        /// Which run.
        run: RunId,
    },
    /// A monitor did not end in time, and is asked a second time before that counts. For the operator.
    AskedAgain {
        /// The operation.
        operation: Arc<Operation>,
        /// What is known of the first time.
        reason: String,
    },
    /// Send a signal to the whole process group of a run.
    Signal {
        /// Which run.
        run: RunId,
        /// Which signal.
        signal: Signal,
    },
    /// Tell the caller what became of an operation: always once, and for a recurring one again each
    /// time its result differs from the last one told.
    Report(Outcome),
    /// Tell the caller that a cancellation is done, also when there was nothing to cancel.
    Cancelled {
        /// The cancellation.
        cancel: Cancel,
        /// Whether there was such an operation.
        found: bool,
    },
}
