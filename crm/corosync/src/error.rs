//! What Corosync's libraries answer when they do not do what they were asked.

use crate::library::Name;

/// A result of one of Corosync's functions.
pub type Result<T> = std::result::Result<T, Error>;

/// Why Corosync did not do it. Nothing was changed by a call that failed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Error {
    /// A library is not installed, or is of another ABI.
    #[error(
        "Corosync's library {library} cannot be loaded: install the package {package} (apt install {package}); the \
         loader says: {reason}",
        package = library.package
    )]
    Library {
        /// Which one.
        library: Name,
        /// What the loader says.
        reason: String,
    },
    /// More than one is missing, as on a machine where Corosync was never installed.
    #[error("Corosync's libraries are not installed: apt install corosync {}", packages.join(" "))]
    Libraries {
        /// Debian's packages of them.
        packages: Vec<&'static str>,
    },
    /// A call was refused.
    #[error("{call}: {} ({code})", meaning(*code))]
    Call {
        /// Which call.
        call: &'static str,
        /// Corosync's number for it.
        code: u32,
    },
    /// Something that would not fit into Corosync's structures.
    #[error("{0:?} is not a name that Corosync takes: expected {1} bytes at most and no zero byte")]
    BadName(String, usize),
    /// It ended, or is not as it was when this daemon was started.
    #[error("{0}")]
    Unusable(String),
    /// An answer that makes no sense.
    #[error("Corosync's answer makes no sense: {0}")]
    Answer(String),
}

impl Error {
    /// Corosync is busy with a membership change, or its queue is full: the same call works later.
    pub fn is_try_again(&self) -> bool {
        matches!(self, Error::Call { code: TRY_AGAIN, .. })
    }

    /// The thing asked for is not there.
    pub fn is_not_exist(&self) -> bool {
        matches!(self, Error::Call { code: NOT_EXIST, .. })
    }
}

pub(crate) const OK: u32 = 1;
pub(crate) const TRY_AGAIN: u32 = 6;
pub(crate) const NOT_EXIST: u32 = 12;
pub(crate) const NO_SECTIONS: u32 = 27;

/// A call's code as a result.
pub(crate) fn check(call: &'static str, code: u32) -> Result<()> {
    if code == OK { Ok(()) } else { Err(Error::Call { call, code }) }
}

/// What a code means to an operator.
fn meaning(code: u32) -> &'static str {
    match code {
        2 => "the connection to corosync failed: is it running?",
        3 => "corosync is of another version than its library",
        5 => "corosync did not answer in time",
        TRY_AGAIN => "corosync is busy, or is not running",
        7 => "corosync found an argument invalid",
        8 | 15 | 18 => "corosync is out of memory or space",
        9 => "the connection to corosync is closed",
        11 | 100 => "corosync does not let this user in: run as root, or allow the user in /etc/corosync/uidgid.d",
        NOT_EXIST => "there is no such thing",
        14 => "it is there already",
        19 => "corosync does not support it",
        20 => "corosync does not allow it now",
        _ => "corosync refused it",
    }
}
