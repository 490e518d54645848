//! The result of an operation and how it is judged by the OCF contract.
//! When a result is reported, and when it is dropped, lies with the machine.

use std::sync::Arc;

use ocf::ExitCode;

use crate::{End, Operation, Output};

/// How far an operation came, with Pacemaker's numbers (`op-status` in the CIB).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// The agent ran to its end; `rc` says what it found.
    Done,
    /// It was taken back before it gave a result.
    Cancelled,
    /// The agent did not end in time.
    Timeout,
    /// The agent does not know this action.
    NotSupported,
    /// The agent could not be run or was ended by a signal.
    Error,
    /// There is no such agent here.
    NotInstalled,
}

impl Status {
    /// The number that stands for it in `op-status`.
    pub fn number(self) -> i32 {
        match self {
            Status::Done => 0,
            Status::Cancelled => 1,
            Status::Timeout => 2,
            Status::NotSupported => 3,
            Status::Error => 4,
            Status::NotInstalled => 7,
        }
    }
}

/// What became of an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The operation as it was given.
    pub operation: Arc<Operation>,
    /// How far it came.
    pub status: Status,
    /// The OCF exit code.
    pub rc: i32,
    /// Why, in words for the operator; empty when there is nothing to say.
    pub exit_reason: String,
    /// How long it waited: for the resource to be free and for the limit.
    pub queued_ms: u64,
    /// How long the agent ran.
    pub ran_ms: u64,
    /// The executor's number for the operation. It grows with each one given and stays the same over
    /// the runs of a recurring one.
    pub call_id: u32,
}

/// A result without the operation it belongs to: what is compared to see whether a recurring
/// operation has news.
#[derive(Debug, Clone)]
pub(crate) struct Verdict {
    pub status: Status,
    pub rc: i32,
    pub exit_reason: String,
    /// What was seen beside it. It differs each time, and makes no news.
    pub evidence: String,
}

impl Verdict {
    pub(crate) fn new(status: Status, rc: ExitCode, exit_reason: impl Into<String>) -> Self {
        Verdict { status, rc: rc.code().into(), exit_reason: exit_reason.into(), evidence: String::new() }
    }

    /// Whether it says what the other said.
    pub(crate) fn is_no_news(&self, other: &Verdict) -> bool {
        (self.status, self.rc, &self.exit_reason) == (other.status, other.rc, &other.exit_reason)
    }

    /// The reason, and what was seen.
    pub(crate) fn words(self) -> String {
        match self.evidence.as_str() {
            "" => self.exit_reason,
            evidence => format!("{}; {evidence}", self.exit_reason),
        }
    }

    pub(crate) fn done(rc: ExitCode) -> Self {
        Verdict::new(Status::Done, rc, "")
    }
}

/// Judges a run that ended before its timeout.
pub(crate) fn judge(operation: &Operation, end: &End) -> Verdict {
    match end {
        End::Exited { code, output } if operation.agent.class == "stonith" => judge_fence_agent(*code, output),
        End::Exited { code, output } => judge_exit(*code, output),
        End::InitScript { code, output } => judge_init_script(&operation.action, *code, output),
        End::Signalled { signal, output } => {
            let reason = ocf::exit_reason(&output.stderr);
            let reason = reason.map_or_else(|| format!("the agent was ended by signal {signal}"), str::to_owned);
            Verdict::new(Status::Error, ExitCode::Error, reason)
        }
        End::NotStarted { reason, missing: true } => {
            Verdict::new(Status::NotInstalled, ExitCode::NotInstalled, reason.as_str())
        }
        End::NotStarted { reason, missing: false } => Verdict::new(Status::Error, ExitCode::Error, reason.as_str()),
    }
}

fn judge_exit(code: i32, output: &Output) -> Verdict {
    let reason = ocf::exit_reason(&output.stderr).map(str::to_owned);
    match ExitCode::from_code(code) {
        Some(known) => Verdict::new(Status::Done, known, reason.unwrap_or_default()),
        // OCF: a code the contract does not know says no more than that something went wrong.
        None => {
            let said = || format!("the agent exited with code {code}, which the OCF contract does not know");
            Verdict::new(Status::Done, ExitCode::Error, reason.unwrap_or_else(said))
        }
    }
}

/// LSB: `status` has exit codes of its own; those of all other actions are OCF's from 0 to 7, which took them over.
fn judge_init_script(action: &str, code: i32, output: &Output) -> Verdict {
    let known = match (matches!(action, "monitor" | "status"), code) {
        (true, 0) => Some(ExitCode::Ok),
        // 1 and 2: dead, and its file of process or lock is still there. 3: not running.
        (true, 1..=3) => Some(ExitCode::NotRunning),
        // Of those reserved for the application, the two that scripts use alike: not installed, no permission.
        (true, 150) => Some(ExitCode::NotInstalled),
        (true, 151) => Some(ExitCode::InsufficientPrivileges),
        (false, 0..=7) => ExitCode::from_code(code),
        _ => None,
    };
    let line = output.stderr.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or_default().to_owned();
    match known {
        Some(ExitCode::Ok) => Verdict::done(ExitCode::Ok),
        Some(known) => Verdict::new(Status::Done, known, line),
        None => {
            let said = if line.is_empty() { line } else { format!(": {line}") };
            Verdict::new(Status::Done, ExitCode::Error, format!("the init script exited with code {code}{said}"))
        }
    }
}

/// The fence-agent protocol knows success and failure only, and says why on its last line.
fn judge_fence_agent(code: i32, output: &Output) -> Verdict {
    if code == 0 {
        return Verdict::done(ExitCode::Ok);
    }
    let line = output.stderr.lines().map(str::trim).rfind(|line| !line.is_empty());
    let reason = line.map_or_else(|| format!("the fence agent exited with code {code}"), str::to_owned);
    Verdict::new(Status::Error, ExitCode::Error, reason)
}
