//! Failovers: the receipt of each, as members keep it, and what a probe tells of the silence that its service had.

use serde::{Deserialize, Serialize};

use crate::attribute::{AttributeChange, Update};

/// Private attributes of this prefix are reports of probes.
pub const PROBE: &str = "probe-";

/// A failover as one member saw it. Times are milliseconds since it was noticed.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Failover {
    /// When it was noticed, in Unix seconds.
    pub at: i64,
    /// What was noticed, in the order in which it was.
    pub causes: Vec<Cause>,
    /// The last lost node was known to be dead.
    pub fenced_ms: Option<u64>,
    /// The last resource was stopped.
    pub stopped_ms: Option<u64>,
    /// The last resource was started or promoted.
    pub started_ms: Option<u64>,
    /// The last address was started: its agent tells the link before it says that it is done.
    pub announced_ms: Option<u64>,
    /// What was started, as `resource on node`.
    pub started: Vec<String>,
    /// What probes saw, one entry for a target.
    pub seen: Vec<Silence>,
    /// Nothing more is expected to happen.
    pub is_over: bool,
}

/// Why there was one.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Cause {
    /// A node was lost, or left.
    Lost {
        /// The node.
        node: String,
    },
    /// An operation failed.
    Failed {
        /// The operation.
        operation: String,
        /// Its resource.
        resource: String,
        /// Where.
        node: String,
    },
    /// A resource was stopped without either.
    Stopped {
        /// The resource.
        resource: String,
        /// Where.
        node: String,
    },
}

/// What a client saw of it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Silence {
    /// Whom it asked.
    pub target: String,
    /// How long there was no answer.
    pub silent_ms: u64,
    /// When the first answer came, since the failover was noticed: before, where the client was served again sooner.
    pub first_answer_ms: i64,
    /// Whether locks were kept, where that was tried.
    pub locks_kept: Option<bool>,
}

impl Failover {
    /// The first answer after it, at the client that waited longest.
    pub fn first_answer_ms(&self) -> Option<i64> {
        self.seen.iter().map(|seen| seen.first_answer_ms).max()
    }

    /// Whether all locks were kept, where that was tried.
    pub fn locks_kept(&self) -> Option<bool> {
        self.seen.iter().filter_map(|seen| seen.locks_kept).reduce(|all, one| all && one)
    }
}

/// A probe's report: times are of its own clock alone, so that no two clocks need to agree.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Seen {
    /// Whom it asks.
    pub target: String,
    /// How long there was no answer.
    pub silent_ms: u64,
    /// How long ago the first answer came.
    pub age_ms: u64,
    /// Whether locks were kept, where that is tried.
    pub locks: Option<bool>,
}

impl Seen {
    /// The name of the attribute that tells it.
    pub fn attribute(&self) -> String {
        let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_') { c } else { '-' };
        format!("{PROBE}{}", self.target.chars().map(plain).collect::<String>())
    }

    /// The attribute's value.
    pub fn value(&self) -> String {
        let locks = match self.locks {
            None => "-",
            Some(true) => "kept",
            Some(false) => "lost",
        };
        format!("{} {} {locks} {}", self.silent_ms, self.age_ms, self.target)
    }

    /// The report that an update is; `None` if it is none.
    pub fn reported(update: &Update) -> Option<Seen> {
        match &update.change {
            AttributeChange::Set(value) => Seen::read(&update.name, value).filter(|_| update.private),
            _ => None,
        }
    }

    /// Reads an attribute; `None` if it is no report.
    pub fn read(name: &str, value: &str) -> Option<Seen> {
        name.strip_prefix(PROBE)?;
        let mut words = value.splitn(4, ' ');
        let mut number = || words.next()?.parse().ok();
        let (silent_ms, age_ms) = (number()?, number()?);
        let locks = match words.next()? {
            "-" => None,
            "kept" => Some(true),
            "lost" => Some(false),
            _ => return None,
        };
        Some(Seen { target: words.next()?.to_owned(), silent_ms, age_ms, locks })
    }
}

/// Failovers as they are kept on disk.
pub fn failovers_to_text(failovers: &[Failover]) -> String {
    serde_json::to_string(failovers).expect("failovers hold only text and numbers")
}

/// Reads them back; what cannot be read are none.
pub fn failovers_from_text(text: &str) -> Vec<Failover> {
    serde_json::from_str(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_comes_through_an_attribute() {
        for (target, locks) in
            [("tcp:[2001:db8::7]:80", None), ("lock:/mnt/a file", Some(true)), ("lock:/x", Some(false))]
        {
            let seen = Seen { target: target.into(), silent_ms: 827, age_ms: 3, locks };
            assert_eq!(Seen::read(&seen.attribute(), &seen.value()), Some(seen));
        }
        let seen = Seen { target: "tcp:[::1]:80".into(), silent_ms: 1, age_ms: 0, locks: None };
        assert_eq!(seen.attribute(), "probe-tcp----1--80");
        for (name, value) in [
            ("color", "1 2 - x"),
            ("probe-x", ""),
            ("probe-x", "1 2 -"),
            ("probe-x", "1 two - x"),
            ("probe-x", "1 2 maybe x"),
        ] {
            assert_eq!(Seen::read(name, value), None, "{name}={value}");
        }
    }

    #[test]
    fn failovers_come_back_from_disk() {
        let seen = |target: &str, first, locks| Silence {
            target: target.into(),
            silent_ms: 9,
            first_answer_ms: first,
            locks_kept: locks,
        };
        let failover = Failover {
            at: 7,
            causes: vec![Cause::Lost { node: "a".into() }],
            seen: vec![seen("x", -3, None), seen("y", 40, Some(true)), seen("z", 4, Some(false))],
            ..Failover::default()
        };
        assert_eq!((failover.first_answer_ms(), failover.locks_kept()), (Some(40), Some(false)));
        assert_eq!(failovers_from_text(&failovers_to_text(std::slice::from_ref(&failover))), [failover]);
        assert!(failovers_from_text("garbage").is_empty());
    }
}
