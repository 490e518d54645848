//! The exit statuses of the contract, with their names and what they mean. What follows from one, the executor decides.

use std::fmt;

/// Exit status of an agent, OCF resource agent API 1.1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ExitCode {
    /// 0: the action was successful; for a monitor: running (a promotable one: unpromoted).
    Ok,
    /// 1: something went wrong; trying again may help.
    Error,
    /// 2: the agent was called the wrong way, or a parameter makes no sense on this host.
    InvalidParameter,
    /// 3: the agent does not know this action.
    Unimplemented,
    /// 4: the agent may not do this, here.
    InsufficientPrivileges,
    /// 5: a program or file that is needed is not on this host.
    NotInstalled,
    /// 6: the configuration is wrong, on whatever host.
    NotConfigured,
    /// 7: cleanly stopped.
    NotRunning,
    /// 8: running, and promoted.
    RunningPromoted,
    /// 9: it was promoted, and failed.
    FailedPromoted,
    /// 190: running, but something is about to go wrong or serves less well.
    Degraded,
    /// 191: promoted, and degraded as 190 says.
    DegradedPromoted,
}

/// Every exit status of the contract: code, short text, the constant's name in shell agents, meaning.
const TABLE: [(ExitCode, u8, &str, &str, &str); 12] = [
    (ExitCode::Ok, 0, "ok", "OCF_SUCCESS", "the action was successful"),
    (ExitCode::Error, 1, "error", "OCF_ERR_GENERIC", "the action failed; trying again may help"),
    (ExitCode::InvalidParameter, 2, "invalid parameter", "OCF_ERR_ARGS", "a parameter makes no sense on this host"),
    (
        ExitCode::Unimplemented,
        3,
        "unimplemented feature",
        "OCF_ERR_UNIMPLEMENTED",
        "the agent does not know this action",
    ),
    (ExitCode::InsufficientPrivileges, 4, "insufficient privileges", "OCF_ERR_PERM", "the agent may not do this here"),
    (ExitCode::NotInstalled, 5, "not installed", "OCF_ERR_INSTALLED", "something that is needed is not on this host"),
    (
        ExitCode::NotConfigured,
        6,
        "not configured",
        "OCF_ERR_CONFIGURED",
        "the configuration is wrong, on whatever host",
    ),
    (ExitCode::NotRunning, 7, "not running", "OCF_NOT_RUNNING", "the resource is cleanly stopped"),
    (ExitCode::RunningPromoted, 8, "promoted", "OCF_RUNNING_MASTER", "the resource runs and is promoted"),
    (ExitCode::FailedPromoted, 9, "promoted (failed)", "OCF_FAILED_MASTER", "the resource was promoted and failed"),
    (
        ExitCode::Degraded,
        190,
        "degraded",
        "OCF_DEGRADED",
        "the resource runs, but is about to fail or serves less well",
    ),
    (
        ExitCode::DegradedPromoted,
        191,
        "promoted (degraded)",
        "OCF_DEGRADED_MASTER",
        "the resource runs and is promoted, but is about to fail or serves less well",
    ),
];

impl ExitCode {
    /// Every exit status, in the order of the codes.
    pub fn all() -> impl Iterator<Item = ExitCode> {
        TABLE.iter().map(|row| row.0)
    }

    /// The exit status with this code; `None` for a code that the contract does not know.
    pub fn from_code(code: i32) -> Option<ExitCode> {
        TABLE.iter().find(|row| i32::from(row.1) == code).map(|row| row.0)
    }

    /// The code, as a process returns it.
    pub fn code(self) -> u8 {
        self.row().1
    }

    /// Short text, as Pacemaker's tools print it: `not running`.
    pub fn name(self) -> &'static str {
        self.row().2
    }

    /// The name shell agents have for it: `OCF_NOT_RUNNING`.
    pub fn constant(self) -> &'static str {
        self.row().3
    }

    /// What it says, as half a sentence.
    pub fn meaning(self) -> &'static str {
        self.row().4
    }

    /// Does a monitor with this result say that the resource is active (and has not failed)?
    pub fn is_active(self) -> bool {
        matches!(self, Self::Ok | Self::RunningPromoted | Self::Degraded | Self::DegradedPromoted)
    }

    fn row(self) -> &'static (ExitCode, u8, &'static str, &'static str, &'static str) {
        TABLE.iter().find(|row| row.0 == self).expect("the table has every variant; a test counts them")
    }
}

impl fmt::Display for ExitCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name(), self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_holds_each_code_once_and_both_ways() {
        let codes: Vec<u8> = ExitCode::all().map(ExitCode::code).collect();
        assert_eq!(codes, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 190, 191]);
        for code in ExitCode::all() {
            assert_eq!(ExitCode::from_code(i32::from(code.code())), Some(code));
            assert!(code.constant().starts_with("OCF_"));
        }
        assert_eq!([10, -1, 189, 192, 256].map(ExitCode::from_code), [None; 5]);
        assert_eq!(ExitCode::NotRunning.to_string(), "not running (7)");
    }
}
