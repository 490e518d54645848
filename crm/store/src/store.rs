//! Who writes the segments, and finds what they hold after whatever happened.

use std::io;
use std::sync::Arc;

use cib::{Cib, file, patch};

use crate::files::Files;
use crate::record::{self, Change};
use crate::segment::{self, Segment, configuration, same};

/// So many changes are kept at least, and can be looked at and undone.
pub const KEPT: usize = 100;
/// All segments but the newest two together take no more than this; with configurations of many megabytes that
/// change whole each time, fewer are kept.
const MAX_BYTES: usize = 64 * 1024 * 1024;
/// Records may grow to this before a new segment begins, however small the configuration: a segment costs two flushes
/// more than a record.
const MIN_RECORDS: usize = 256 * 1024;
/// What earlier releases wrote: read when there is no segment.
const EARLIER: [&str; 3] = ["cib.xml", "cib.xml.new", "cib.xml.old"];
/// A segment that is being made.
const MAKING: &str = ".new";

/// What is to be put on the disk.
#[derive(Clone, Debug)]
pub enum Entry {
    /// A change of what is there, or on its way there.
    Change(Change),
    /// A whole configuration, whatever is there: the first one, another member's, or all of it after a failure.
    Whole(Arc<Cib>),
}

impl Entry {
    /// `admin_epoch`, `epoch` of the configuration that is on the disk once this is.
    pub fn configuration(&self) -> (u64, u64) {
        match self {
            Entry::Change(change) => change.to,
            Entry::Whole(cib) => segment::configuration(cib),
        }
    }
}

/// Why something is not on the disk. What was there before still is.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file system did not do it.
    #[error("{doing}: {source}")]
    Files {
        /// What was tried.
        doing: String,
        /// What came of it.
        source: io::Error,
    },
    /// A change does not follow on what is there. The whole configuration has to be given.
    #[error("a change from {from} does not follow on {there}, which is on the disk; the whole configuration is needed")]
    Gap {
        /// What it follows on.
        from: String,
        /// What is there.
        there: String,
    },
    /// Nothing that was found is whole.
    #[error(
        "no good configuration is left: {0}; restore the directory from a backup, or empty it to join as a new node"
    )]
    NothingGood(String),
}

/// What was found on the disk.
#[derive(Debug, Default)]
pub struct Found {
    /// The newest good configuration.
    pub cib: Option<Cib>,
    /// What was wrong with others, in sentences.
    pub problems: Vec<String>,
}

/// The configuration on a disk.
#[derive(Debug)]
pub struct Store<F> {
    files: F,
    /// The newest segment; 0 when there is none.
    number: u64,
    /// Bytes of its first part, and of its records.
    sizes: (usize, usize),
    /// What was put last, whether or not the disk took it: what a new segment begins with.
    newest: Option<Cib>,
    /// The newest segment cannot be appended to: there is none, its end is torn, or the disk failed.
    closed: bool,
}

impl<F: Files> Store<F> {
    /// Finds what is there. Files that are no good are kept under another name, and spoken of.
    pub fn open(mut files: F) -> Result<(Self, Found), Error> {
        let names = doing("listing the directory of the configuration", files.list())?;
        let mut found = Found::default();
        let mut numbers: Vec<u64> = names.iter().filter_map(|name| segment::number(name)).collect();
        numbers.sort_unstable();
        let mut store = Store { files, number: 0, sizes: (0, 0), newest: None, closed: true };
        store.number = numbers.last().copied().unwrap_or(0);
        for name in names.iter().filter(|name| name.starts_with("history-") && name.ends_with(MAKING)) {
            // It was being made when the power went; nothing in it was acknowledged.
            let _ = store.files.remove(name);
        }
        for number in numbers.into_iter().rev() {
            let name = segment::name(number);
            let bytes = doing(&format!("reading {name}"), store.files.read(&name))?;
            match Segment::decode(&bytes) {
                Ok(segment) => {
                    let (cib, fitted) = segment.after(usize::MAX);
                    let whole = fitted == segment.changes.len();
                    if segment.hole || !whole {
                        found.problems.push(format!(
                            "{name} is damaged behind version {}; what came after it is taken from the other members",
                            record::version(configuration(&cib))
                        ));
                    }
                    store.sizes = (segment.base_bytes, segment.good - segment.base_bytes);
                    store.closed = number != store.number || segment.good != bytes.len() || !whole;
                    store.newest = Some(cib.clone());
                    found.cib = Some(cib);
                    return Ok((store, found));
                }
                Err(error) => {
                    let kept = format!("damaged-{name}");
                    found.problems.push(format!("{name} is damaged ({error}); it is kept as {kept}"));
                    doing(&format!("keeping {name} as {kept}"), store.files.rename(&name, &kept))?;
                }
            }
        }
        store.earlier(&names, &mut found)?;
        if found.cib.is_none() && !found.problems.is_empty() {
            return Err(Error::NothingGood(found.problems.join("; ")));
        }
        store.newest = found.cib.clone();
        Ok((store, found))
    }

    /// The files of earlier releases: the newest of those that are whole.
    fn earlier(&mut self, names: &[String], found: &mut Found) -> Result<(), Error> {
        for name in EARLIER.into_iter().filter(|name| names.iter().any(|there| there == name)) {
            let bytes = doing(&format!("reading {name}"), self.files.read(name))?;
            match file::decode(&bytes) {
                Ok(cib) if found.cib.as_ref().is_none_or(|best| best.version() < cib.version()) => {
                    found.cib = Some(segment::without_status(&cib));
                }
                Ok(_) => {}
                Err(_) if name.ends_with(MAKING) => {}
                Err(error) => found.problems.push(format!("{name} is damaged ({error}) and left alone")),
            }
        }
        Ok(())
    }

    /// Puts these on the disk, in this order. When it returns they are there, whatever happens next; gives
    /// `admin_epoch` and `epoch` of the last. On an error they may be there or not, and what was there before is.
    pub fn put(&mut self, entries: &[Entry]) -> Result<(u64, u64), Error> {
        // What a new segment begins with, if one has to begin: so the changes stand behind it as records.
        let mut base = if self.closed || self.grown() { self.newest.clone() } else { None };
        let (mut bytes, mut gap) = (Vec::new(), None);
        for entry in entries {
            match entry {
                Entry::Change(change) => gap = self.follow(change, &mut bytes).err(),
                Entry::Whole(cib) => {
                    let cib = segment::without_status(cib);
                    gap = None;
                    if self.newest.as_ref().is_none_or(|newest| !same(newest, &cib)) {
                        base = Some(cib.clone());
                        bytes.clear();
                        self.newest = Some(cib);
                        self.closed = true;
                    }
                }
            }
        }
        if let Some(gap) = gap {
            return Err(gap);
        }
        if let Some(base) = base {
            self.begin(&base)?;
        }
        if !bytes.is_empty() {
            self.append(&bytes)?;
        }
        Ok(self.newest.as_ref().map_or((0, 0), configuration))
    }

    /// Makes a change in memory as it will be read from the disk.
    fn follow(&mut self, change: &Change, bytes: &mut Vec<u8>) -> Result<(), Error> {
        let there = self.newest.as_ref().map(configuration);
        let gap = || Error::Gap {
            from: record::version(change.from),
            there: there.map_or_else(|| "nothing".to_owned(), record::version),
        };
        let Some(newest) = self.newest.take().filter(|newest| configuration(newest) == change.from) else {
            self.closed = true;
            return Err(gap());
        };
        let record = record::encode(change);
        let mut document = newest.into_document();
        // What is read back is what counts. Where it is not the same, the whole is needed.
        let read = record::next(&record).filter(|(read, _)| read.to == change.to);
        let fits = read.is_some_and(|(read, _)| patch::apply(&mut document, &read.patch).is_ok());
        let cib = Cib::new(document).ok().filter(|cib| fits && configuration(cib) == change.to);
        let Some(cib) = cib else {
            self.closed = true;
            return Err(gap());
        };
        self.newest = Some(cib);
        bytes.extend(record);
        Ok(())
    }

    /// Whether the records outweigh what they belong to, so that a new segment costs no more than
    /// a constant for each byte that was written.
    fn grown(&self) -> bool {
        self.sizes.1 > MIN_RECORDS.max(self.sizes.0 * 2)
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let name = segment::name(self.number);
        let done = self.files.append(&name, bytes).and_then(|()| self.files.sync(&name));
        match doing(&format!("writing a change to {name}"), done) {
            Ok(()) => {
                self.sizes.1 += bytes.len();
                Ok(())
            }
            Err(error) => {
                // After a failed flush nobody knows what is in the file and what is only in memory.
                self.closed = true;
                Err(error)
            }
        }
    }

    /// Begins a segment.
    fn begin(&mut self, cib: &Cib) -> Result<(), Error> {
        self.closed = true;
        let number = self.number + 1;
        let name = segment::name(number);
        let making = format!("{name}{MAKING}");
        let bytes = file::encode(cib).into_bytes();
        let done = self
            .files
            .create(&making, &bytes)
            .and_then(|()| self.files.sync(&making))
            .and_then(|()| self.files.rename(&making, &name))
            .and_then(|()| {
                // From here on there is a file of that number, if only perhaps.
                self.number = number;
                self.files.sync_names()
            });
        if let Err(error) = doing(&format!("writing the configuration to {making}"), done) {
            // Room for the next attempt, on a disk that is full.
            let _ = self.files.remove(&making);
            return Err(error);
        }
        self.sizes = (bytes.len(), 0);
        self.closed = false;
        // The records of a segment are bounded, and so is what their changes leave behind in memory until here.
        if let Some(newest) = self.newest.take() {
            self.newest = Some(segment::without_status(&newest));
        }
        self.prune();
        Ok(())
    }

    /// Takes old segments away. What cannot be taken away now is the next time.
    fn prune(&mut self) {
        let Ok(names) = self.files.list() else { return };
        let mut numbers: Vec<u64> = names.iter().filter_map(|name| segment::number(name)).collect();
        numbers.sort_unstable();
        let (mut changes, mut total) = (0, 0);
        for (index, number) in numbers.into_iter().rev().enumerate() {
            let name = segment::name(number);
            if index > 1 && (changes >= KEPT || total > MAX_BYTES) {
                let _ = self.files.remove(&name);
                continue;
            }
            let Ok(bytes) = self.files.read(&name) else { continue };
            if index > 1 {
                total += bytes.len();
            }
            // The whole that it begins with is a configuration of its own.
            changes += 1 + Segment::decode(&bytes).map_or(0, |segment| segment.changes.len());
        }
    }

    /// The changes that are kept, oldest first. Where a whole configuration came in the place of another, what
    /// differs between the two.
    pub fn history(&mut self) -> Result<Vec<Change>, Error> {
        let mut all: Vec<Change> = Vec::new();
        let mut last: Option<Cib> = None;
        for segment in self.segments()? {
            if let Some(last) = last.filter(|last| !same(last, &segment.base)) {
                all.push(jump(&last, &segment.base));
            }
            all.extend(segment.changes.iter().cloned());
            last = Some(segment.after(usize::MAX).0);
        }
        Ok(all)
    }

    /// The configuration of that version, if it is kept; the newest where several had the same number.
    pub fn configuration(&mut self, version: (u64, u64)) -> Result<Option<Cib>, Error> {
        for segment in self.segments()?.iter().rev() {
            let position = segment.changes.iter().rposition(|change| change.to == version);
            let count = match position {
                Some(position) => position + 1,
                None if configuration(&segment.base) == version => 0,
                None => continue,
            };
            let (cib, fitted) = segment.after(count);
            if fitted == count {
                return Ok(Some(cib));
            }
        }
        Ok(None)
    }

    fn segments(&mut self) -> Result<Vec<Segment>, Error> {
        let names = doing("listing the directory of the configuration", self.files.list())?;
        let mut numbers: Vec<u64> = names.iter().filter_map(|name| segment::number(name)).collect();
        numbers.sort_unstable();
        let mut segments = Vec::new();
        for number in numbers {
            let name = segment::name(number);
            let bytes = doing(&format!("reading {name}"), self.files.read(&name))?;
            // One that is damaged is missing in the history, no more.
            segments.extend(Segment::decode(&bytes));
        }
        Ok(segments)
    }

    /// Keeps a configuration that does not count any more, under a name with the time. Gives the name.
    pub fn set_aside(&mut self, cib: &Cib, unix: i64) -> Result<String, Error> {
        let name = format!("cib-{unix}.set-aside.xml");
        let bytes = file::encode(cib).into_bytes();
        let done = self
            .files
            .create(&name, &bytes)
            .and_then(|()| self.files.sync(&name))
            .and_then(|()| self.files.sync_names());
        doing(&format!("keeping a configuration as {name}"), done)?;
        Ok(name)
    }

    /// The files: for a disk that is broken on purpose.
    pub fn files(&mut self) -> &mut F {
        &mut self.files
    }

    /// The daemon is gone; the files stay.
    pub fn into_files(self) -> F {
        self.files
    }
}

/// What differs between a configuration and the whole one that took its place.
fn jump(old: &Cib, new: &Cib) -> Change {
    let root = |name: &str| new.document().attribute(new.document().root(), name).unwrap_or_default().to_owned();
    Change {
        from: configuration(old),
        to: configuration(new),
        author: cib::Author {
            user: root("update-user"),
            host: root("update-origin"),
            command: "taken whole from the other members".into(),
            at: 0,
        },
        patch: patch::diff(old.document(), new.document()),
    }
}

fn doing<T>(what: &str, done: io::Result<T>) -> Result<T, Error> {
    done.map_err(|source| Error::Files { doing: what.to_owned(), source })
}
