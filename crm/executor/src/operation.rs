//! What the executor is asked to do and what comes back from the process: values only.
//! How a result is judged lies in `outcome`.

use std::collections::BTreeMap;
use std::time::Duration;

/// What an operation with a timeout of zero gets: Pacemaker's default of 20 s, so that no wait is
/// without an end.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(20);

/// The operation's meta attribute `ask-again`: slow is not dead.
const ASK_AGAIN: &str = "CRM_meta_ask_again";

/// The agent of a resource, as the CIB names it: `class:provider:kind`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Agent {
    /// `ocf`, `stonith`, `systemd`, ….
    pub class: String,
    /// The provider, which only `ocf` has.
    pub provider: Option<String>,
    /// The agent's own name (`type` in the CIB): `IPaddr2`, `fence_ipmilan`.
    pub kind: String,
}

impl std::fmt::Display for Agent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.provider {
            Some(provider) => write!(f, "{}:{provider}:{}", self.class, self.kind),
            None => write!(f, "{}:{}", self.class, self.kind),
        }
    }
}

/// One operation with everything resolved: the executor looks nothing up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// The caller's number for it. Unique among all operations and cancellations the caller gives.
    pub id: u64,
    /// The resource's (instance's) name. Operations of one name never overlap.
    pub resource: String,
    /// Who carries it out.
    pub agent: Agent,
    /// `start`, `stop`, `monitor`, `promote`, ….
    pub action: String,
    /// Zero for an operation that runs once, otherwise the pause between two runs.
    pub interval_ms: u32,
    /// How long one run may take; zero stands for [`DEFAULT_TIMEOUT`].
    pub timeout_ms: u32,
    /// How long a recurring operation waits before its first run.
    pub start_delay_ms: u32,
    /// Instance parameters under their own names, and the `CRM_meta_*` ones.
    pub parameters: BTreeMap<String, String>,
    /// The exit code that whoever planned it expects; handed back untouched.
    pub target_rc: i32,
}

impl Operation {
    /// Whether it is run again and again until it is cancelled.
    pub fn is_recurring(&self) -> bool {
        self.interval_ms > 0
    }

    /// How long one run may take.
    pub fn timeout(&self) -> Duration {
        match self.timeout_ms {
            0 => DEFAULT_TIMEOUT,
            timeout_ms => Duration::from_millis(timeout_ms.into()),
        }
    }

    /// Who goes first when the limit binds: what changes a resource before what asks after it, and what
    /// somebody waits for before what comes again anyway.
    pub(crate) fn rank(&self) -> u8 {
        match self {
            recurring if recurring.is_recurring() => 2,
            probe if probe.is_probe() => 1,
            _ => 0,
        }
    }

    /// Whether it is asked a second time, when it does not end in time, before that counts.
    pub(crate) fn asks_again(&self) -> bool {
        let value = self.parameters.get(ASK_AGAIN).and_then(|value| ocf::boolean(value));
        self.is_recurring() && self.action == "monitor" && value == Some(true)
    }

    /// Whether it only asks, once, what state the resource is in.
    pub fn is_probe(&self) -> bool {
        self.action == "monitor" && self.interval_ms == 0
    }
}

/// One process of one operation. A recurring operation has a new one for each run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RunId(pub u64);

/// What a process wrote. The shell bounds both texts before it hands them in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Output {
    /// Standard output.
    pub stdout: String,
    /// Standard error, where `ocf-exit-reason:` is looked for.
    pub stderr: String,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// The process exited by itself.
    Exited {
        /// Its exit code.
        code: i32,
        /// What it wrote.
        output: Output,
    },
    /// An init script exited by itself: LSB's table says what its exit code means, not OCF's.
    InitScript {
        /// Its exit code.
        code: i32,
        /// What it wrote.
        output: Output,
    },
    /// The process was ended by a signal.
    Signalled {
        /// The signal's number.
        signal: i32,
        /// What it wrote.
        output: Output,
    },
    /// There never was a process.
    NotStarted {
        /// Why, in words for the operator.
        reason: String,
        /// Whether the cause is that the agent does not exist.
        missing: bool,
    },
}

/// A signal for the whole process group of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// `SIGTERM`: end in good order.
    Term,
    /// `SIGKILL`: the time for good order has passed.
    Kill,
}
