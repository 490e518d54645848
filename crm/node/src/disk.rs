//! What of the configuration is on this node's disk, what is on its way there, and what has to be tried again.

use std::time::Duration;

use cib::{Author, Lifetime, Patch, Write};
use controller::{Level, Note};
use store::{Change, Entry, Files, Store};
use wire::{Kept, Message, Reply, Why};

use crate::event::{Command, Now};
use crate::fencing;
use crate::machine::Node;

/// After the disk failed, when it is tried again: someone has to make room first, and each attempt writes a whole
/// configuration.
const RETRY: Duration = Duration::from_secs(5);

/// This node's disk, as far as the machine knows it.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    /// The number of what was last given to it.
    given: u64,
    /// The number of the last whole configuration: what was there before belongs to another line of versions.
    whole: u64,
    /// What was last given to it; none when only a whole configuration will do.
    last: Option<(u64, u64)>,
    /// What is known to be there.
    held: Option<(u64, u64)>,
    /// It failed; when it is tried again.
    retry_at: Option<Duration>,
}

impl Disk {
    /// When something is to be done.
    pub fn deadline(&self) -> Option<Duration> {
        self.retry_at
    }
}

impl Node {
    fn configuration(&self) -> (u64, u64) {
        store::segment::configuration(self.replica.cib())
    }

    /// A write has changed the configuration.
    pub(crate) fn configuration_changed(&mut self, now: Now, author: Author, patch: Patch) {
        if fencing::is_concerned(&patch) {
            self.tell_fencer(now);
        }
        let to = self.configuration();
        match self.disk.last {
            Some(from) => self.persist(Entry::Change(Change { from, to, author, patch })),
            None => self.persist_whole(),
        }
    }

    /// Members are in step, perhaps with another configuration than this node had.
    pub(crate) fn configuration_agreed(&mut self, now: Now, taken: bool) {
        self.tell_fencer(now);
        let at = self.configuration();
        if taken || self.disk.last != Some(at) {
            self.persist_whole();
        } else if self.disk.held == Some(at) {
            // Those who came meanwhile do not know.
            self.send(&Message::Held { admin_epoch: at.0, epoch: at.1 });
        }
    }

    fn persist_whole(&mut self) {
        self.disk.whole = self.disk.given + 1;
        self.disk.held = None;
        self.persist(Entry::Whole(self.replica.cib().clone()));
    }

    fn persist(&mut self, entry: Entry) {
        self.disk.given += 1;
        self.disk.last = Some(self.configuration());
        self.out.push_back(Command::Persist { number: self.disk.given, entry });
    }

    /// The disk has taken all up to that number, or could not.
    pub(crate) fn persisted(&mut self, now: Now, number: u64, at: (u64, u64), error: Option<String>) {
        match error {
            None if number >= self.disk.whole => {
                if self.disk.retry_at.is_some() && number == self.disk.given {
                    self.disk.retry_at = None;
                    self.note(Note::new(Level::Info, "disk", "the configuration is on the disk again"));
                }
                self.disk.held = Some(at);
                self.send(&Message::Held { admin_epoch: at.0, epoch: at.1 });
            }
            // Of a line of versions that has been left since.
            None => {}
            Some(error) => {
                self.disk.last = None;
                self.send(&Message::NotHeld { admin_epoch: at.0, epoch: at.1, reason: error.clone() });
                if self.disk.retry_at.is_none() {
                    let text = format!(
                        "the configuration could not be written to disk: {error}; it is kept in memory and by the others, \
                         and tried again every {} seconds",
                        RETRY.as_secs()
                    );
                    self.note(Note::new(Level::Error, "disk", text));
                }
                self.disk.retry_at = Some(now.monotonic + RETRY);
            }
        }
    }

    /// Time has passed.
    pub(crate) fn retry_disk(&mut self, now: Now) {
        if self.disk.retry_at.is_some_and(|at| at <= now.monotonic) {
            self.disk.retry_at = Some(now.monotonic + RETRY);
            if self.disk.last.is_none() {
                self.persist_whole();
            }
        }
    }
}

/// Whether a write is one that disks are asked to hold.
pub(crate) fn is_of_configuration(write: &Write) -> bool {
    matches!(
        write,
        Write::Configure { .. }
            | Write::Replace { .. }
            | Write::Edit { .. }
            | Write::Attribute { lifetime: Lifetime::Permanent, .. }
    )
}

/// Who made a write, as its history is to say it; the cluster itself where nobody is named.
pub(crate) fn author(write: &Write, host: &str, unix: i64) -> Author {
    match write {
        Write::Configure { author, .. }
        | Write::Replace { author, .. }
        | Write::Edit { author, .. }
        | Write::Attribute { author, .. }
            if *author != Author::default() =>
        {
            author.clone()
        }
        _ => Author { user: "hacluster".into(), host: host.into(), command: "systoled".into(), at: unix },
    }
}

/// What a tool is told of the history that a store keeps: all changes, or one configuration.
pub fn history<F: Files>(store: &mut Store<F>, version: Option<(u64, u64)>) -> Reply {
    let answer = match version {
        None => store.history().map(|changes| Reply::History(changes.into_iter().map(kept).collect())),
        Some(version) => store.configuration(version).map(|found| match found {
            Some(cib) => Reply::Configuration { xml: cib.document().to_xml() },
            None => Reply::Refused {
                why: Why::NotFound,
                reason: format!(
                    "this node does not keep version {}.{}; `systole config history` lists what it keeps",
                    version.0, version.1
                ),
            },
        }),
    };
    answer.unwrap_or_else(|error| Reply::refused(format!("reading the history: {error}")))
}

fn kept(change: Change) -> Kept {
    let Change { from, to, author, patch } = change;
    Kept { from, to, author: author.into(), patch: patch.changes.into_iter().map(Into::into).collect() }
}
