//! A node's disk: the real store on files that lose what was not flushed when the power goes.

use cib::Cib;
use store::memory::{Failure, MemoryFiles};
use store::{Entry, Store};
use wire::Reply;

use crate::random::Random;

/// A write to the disk takes some ten operations at most, so a crash within one lets less than that be done.
const OPERATIONS: usize = 10;

/// A disk.
#[derive(Debug)]
pub struct Disk {
    store: Store<MemoryFiles>,
    /// What is being written, and the number of the last of it.
    writing: Option<(u64, Vec<Entry>)>,
    /// What comes after it, together.
    wanted: Option<(u64, Vec<Entry>)>,
    /// Writing fails: the disk is full.
    pub full: bool,
}

/// The number of what was written, its `admin_epoch` and `epoch`, and why it was not if it was not.
pub type Written = (u64, (u64, u64), Option<String>);

impl Disk {
    /// A disk with this configuration on it.
    pub fn with(cib: &Cib) -> Self {
        let (mut store, _) = Store::open(MemoryFiles::default()).expect("an empty disk can be read");
        store.put(&[Entry::Whole(std::sync::Arc::new(cib.clone()))]).expect("an empty disk has room");
        Disk { store, writing: None, wanted: None, full: false }
    }

    /// What a daemon that starts finds.
    ///
    /// # Panics
    /// When there is nothing good, or something damaged: a crash never does that, and the store never lets it happen.
    pub fn load(&mut self) -> Cib {
        let empty = Store::open(MemoryFiles::default()).expect("an empty disk can be read").0;
        let files = std::mem::replace(&mut self.store, empty).into_files();
        let (store, found) = Store::open(files).expect("the last good segment stays until the next one is whole");
        assert_eq!(found.problems, Vec::<String>::new(), "a crash damages nothing that was flushed");
        self.store = store;
        found.cib.expect("the first configuration was flushed before the world began")
    }

    /// A daemon wants this to be there. Whether writing begins now.
    pub fn persist(&mut self, number: u64, entry: Entry) -> bool {
        if self.writing.is_some() {
            let wanted = self.wanted.get_or_insert_default();
            wanted.0 = number;
            wanted.1.push(entry);
            return false;
        }
        self.writing = Some((number, vec![entry]));
        true
    }

    /// What was being written is there, or could not be.
    pub fn written(&mut self) -> Option<Written> {
        let (number, entries) = self.writing.take()?;
        self.store.files().full = self.full;
        let wanted = entries.last().map_or((0, 0), Entry::configuration);
        Some(match self.store.put(&entries) {
            Ok(configuration) => (number, configuration, None),
            Err(error) => (number, wanted, Some(error.to_string())),
        })
    }

    /// Whether something is to be written next.
    pub fn writes_on(&mut self) -> bool {
        self.writing = self.wanted.take();
        self.writing.is_some()
    }

    /// The daemon or the whole node is gone in this instant, perhaps in the middle of a write.
    pub fn crash(&mut self, random: &mut Random) {
        self.wanted = None;
        let files = self.store.files();
        files.full = self.full;
        if let Some((_, entries)) = self.writing.take() {
            files.failure = Some((random.below(OPERATIONS) as u64, Failure::Dies));
            // How far it came is seen by who looks next.
            let _ = self.store.put(&entries);
        }
        self.store.files().crash(|bound| random.below(bound));
    }

    /// What the history answers.
    pub fn history(&mut self, version: Option<(u64, u64)>) -> Reply {
        node::history(&mut self.store, version)
    }
}
