//! A node's disk: what was put on it safely, what is on its way, and what a crash leaves of that.

use std::sync::Arc;

use cib::Cib;

use crate::random::Random;

/// A disk.
#[derive(Debug, Default)]
pub struct Disk {
    /// What is safely there.
    good: Option<String>,
    /// A file that was being written when the power went: a part of it.
    torn: Option<String>,
    /// What is being written.
    writing: Option<Arc<Cib>>,
    /// What comes after it; only the newest.
    wanted: Option<Arc<Cib>>,
    /// Writing fails: the disk is full.
    pub full: bool,
}

/// `admin_epoch` and `epoch` of what was written, and why it was not if it was not.
pub type Written = ((u64, u64), Option<String>);

impl Disk {
    /// A disk with this configuration on it.
    pub fn with(cib: &Cib) -> Self {
        Disk { good: Some(encode(cib)), ..Disk::default() }
    }

    /// What a daemon that starts finds: the newest that is whole.
    ///
    /// # Panics
    /// When there is nothing whole: the disk never lets that happen, whatever crashes.
    pub fn load(&self) -> Cib {
        let found = [&self.good, &self.torn].into_iter().flatten().filter_map(|text| decode(text));
        found.max_by_key(Cib::version).expect("the last good file is never touched before the next one is whole")
    }

    /// A daemon wants this to be there. Whether writing begins now.
    pub fn persist(&mut self, cib: Arc<Cib>) -> bool {
        if self.writing.is_some() {
            self.wanted = Some(cib);
            return false;
        }
        self.writing = Some(cib);
        true
    }

    /// What was being written is there, or could not be.
    pub fn written(&mut self) -> Option<Written> {
        let cib = self.writing.take()?;
        let version = cib.version();
        let error = self.full.then(|| "no space left on device".to_owned());
        if error.is_none() {
            self.good = Some(encode(&cib));
            self.torn = None;
        }
        Some(((version.admin_epoch, version.epoch), error))
    }

    /// Whether something is to be written next.
    pub fn writes_on(&mut self) -> bool {
        self.writing = self.wanted.take();
        self.writing.is_some()
    }

    /// The daemon or the whole node is gone in this instant.
    pub fn crash(&mut self, random: &mut Random) {
        self.wanted = None;
        let Some(cib) = self.writing.take() else { return };
        let text = encode(&cib);
        match random.below(3) {
            0 => {}
            1 if !self.full => self.good = Some(text),
            _ => self.torn = Some(text.chars().take(random.below(text.len())).collect()),
        }
    }
}

fn encode(cib: &Cib) -> String {
    cib::file::encode(cib)
}

fn decode(text: &str) -> Option<Cib> {
    cib::file::decode(text.as_bytes()).ok()
}
