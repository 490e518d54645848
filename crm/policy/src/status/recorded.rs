//! An entry of a history as it is written. Every entry is asked for the same attributes, so they are read in one walk
//! along it; what they mean is in `operation`.

use cib::Element;
use smallvec::SmallVec;

use crate::engine::{Engine, integer};
use crate::status::history::decode_key;

/// The attributes every entry is asked for, in the order of the fields of [`Recorded`].
pub(crate) const ATTRIBUTES: [&str; 11] = [
    "id",
    "operation",
    "operation_key",
    "transition-key",
    "interval",
    "rc-code",
    "op-status",
    "on_node",
    "call-id",
    "last-rc-change",
    "transition-magic",
];

/// The entries of one resource on one node; few have more than a start and a monitor.
pub(crate) type Operations<'a> = SmallVec<[Recorded<'a>; 2]>;

/// An entry as it is written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Recorded<'a> {
    pub xml: Element,
    pub id: Option<&'a str>,
    pub task: Option<&'a str>,
    operation_key: Option<&'a str>,
    transition_key: Option<&'a str>,
    interval: Option<&'a str>,
    pub exit_text: Option<&'a str>,
    pub status_text: Option<&'a str>,
    pub on_node: Option<&'a str>,
    call_id: Option<&'a str>,
    changed: Option<&'a str>,
    pub magic: Option<&'a str>,
}

impl<'a> Engine<'a> {
    pub fn recorded(&self, xml: Element) -> Recorded<'a> {
        let values = self.doc.values(xml, &self.names.entry);
        let [id, task, operation_key, transition_key, interval, exit_text, status_text, ..] = values;
        let [.., on_node, call_id, changed, magic] = values;
        Recorded {
            xml,
            id,
            task,
            operation_key,
            transition_key,
            interval,
            exit_text,
            status_text,
            on_node,
            call_id,
            changed,
            magic,
        }
    }
}

impl<'a> Recorded<'a> {
    /// The exit status of the agent.
    pub fn exit(&self) -> Option<i64> {
        self.exit_text.and_then(integer)
    }

    /// How the execution ended.
    pub fn status(&self) -> Option<i64> {
        self.status_text.and_then(integer)
    }

    /// The interval in milliseconds; 0 if it says none.
    pub fn interval(&self) -> i64 {
        self.interval.and_then(integer).unwrap_or(0)
    }

    /// The number of its call on its node; −1 if it has none, as what is pending.
    pub fn call(&self) -> i64 {
        self.call_id.and_then(integer).unwrap_or(-1)
    }

    /// When its result changed last; −1 if it does not say.
    pub fn changed(&self) -> i64 {
        self.changed.and_then(integer).unwrap_or(-1)
    }

    /// The key of its operation; entries of old have it as their id.
    pub fn key(&self) -> &'a str {
        self.operation_key.filter(|key| !key.is_empty()).or(self.id).unwrap_or_default()
    }

    /// The exit status that was expected: part of the transition key; −1 for entries of old.
    pub fn expected(&self) -> i64 {
        self.transition_key.and_then(decode_key).map_or(-1, |(_, _, target, _)| target)
    }
}
