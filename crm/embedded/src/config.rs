//! What a hub is started with. Where it listens is for its caller.

use std::time::Duration;

/// Below this, a machine that is busy for a moment would cost a node its place.
const MIN_TOKEN: Duration = Duration::from_millis(50);

/// Above this, a node that hangs would keep its services from everyone for longer than anybody waits.
const MAX_TOKEN: Duration = Duration::from_secs(600);

/// What a hub is started with.
///
/// Invariant: the token time is between 50 ms and ten minutes, expected votes are not 0.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Config {
    token: Duration,
    expected_votes: Option<u32>,
}

/// Why a hub cannot be started so.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BadConfig {
    /// Too short to live with, or too long to be of use.
    #[error("a token time of {0:?} is out of range: expected {MIN_TOKEN:?} to {MAX_TOKEN:?}")]
    Token(Duration),
    /// Nobody could ever have quorum.
    #[error("0 expected votes are too few: give the votes of all nodes in sum, or leave them to be learned")]
    NoVotes,
}

impl Config {
    /// With the token time and the votes of the whole cluster. A member that is silent for a token time is taken out;
    /// a new connection has as long to say who it is, and a client may be behind with reading for as long. Without
    /// expected votes the hub learns them as nodes join.
    pub fn new(token: Duration, expected_votes: Option<u32>) -> Result<Config, BadConfig> {
        if !(MIN_TOKEN..=MAX_TOKEN).contains(&token) {
            return Err(BadConfig::Token(token));
        }
        if expected_votes == Some(0) {
            return Err(BadConfig::NoVotes);
        }
        Ok(Config { token, expected_votes })
    }

    /// The token time.
    pub fn token(&self) -> Duration {
        self.token
    }

    /// Votes of the whole cluster, if they are not to be learned.
    pub fn expected_votes(&self) -> Option<u32> {
        self.expected_votes
    }
}

impl Default for Config {
    /// A second, as Corosync has it; votes are learned.
    fn default() -> Config {
        Config { token: Duration::from_secs(1), expected_votes: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_hub_could_work_with_is_refused() {
        assert_eq!(Config::new(Duration::from_secs(1), None), Ok(Config::default()));
        assert!(matches!(Config::new(Duration::ZERO, None), Err(BadConfig::Token(_))));
        assert!(matches!(Config::new(Duration::from_secs(601), None), Err(BadConfig::Token(_))));
        assert_eq!(Config::new(Duration::from_secs(1), Some(0)), Err(BadConfig::NoVotes));
    }
}
