//! The directory that keeps the configuration, and the thread that writes there. What is written in which order is the
//! store's.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use cib::Cib;
use node::{ClientId, Event};
use store::{Entry, Files, Found, Store};
use tokio::sync::mpsc;
use wire::Reply;

/// Changes that wait for the disk: more than all clients of a large cluster may have under way. When it is full all the
/// same, the disk has stood still for long, and the node gives the whole configuration later.
const WAITING: usize = 8192;

/// Files of a directory.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    /// The file that was appended to last: the next time it need not be opened again.
    open: Option<(String, File)>,
}

impl Directory {
    /// Opens the directory, makes it if it is not there.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn new(path: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(path).with_context(|| {
            format!("making the directory {} for the configuration (--state names another)", path.display())
        })?;
        Ok(Directory { path: path.to_owned(), open: None })
    }

    fn file(&mut self, name: &str) -> io::Result<&mut File> {
        if self.open.as_ref().is_none_or(|(open, _)| open != name) {
            let file = OpenOptions::new().append(true).open(self.path.join(name))?;
            self.open = Some((name.to_owned(), file));
        }
        match &mut self.open {
            Some((_, file)) => Ok(file),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

impl Files for Directory {
    fn list(&mut self) -> io::Result<Vec<String>> {
        fs::read_dir(&self.path)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    }

    fn read(&mut self, name: &str) -> io::Result<Vec<u8>> {
        fs::read(self.path.join(name))
    }

    fn create(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.open = None;
        fs::write(self.path.join(name), bytes)
    }

    fn append(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.file(name)?.write_all(bytes)
    }

    fn sync(&mut self, name: &str) -> io::Result<()> {
        // The length of a file is flushed with its bytes; its times need not be.
        self.file(name)?.sync_data()
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        self.open = None;
        fs::rename(self.path.join(from), self.path.join(to))
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        self.open = None;
        fs::remove_file(self.path.join(name))
    }

    fn sync_names(&mut self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }
}

/// What the writing thread is asked for.
#[derive(Debug)]
enum Order {
    Put { number: u64, entry: Entry },
    SetAside(std::sync::Arc<Cib>),
    History { client: ClientId, version: Option<(u64, u64)> },
}

/// What the writing thread tells.
#[derive(Debug)]
pub enum Told {
    /// For the machine.
    Event(Event),
    /// For a tool.
    Reply(ClientId, Reply),
    /// For the operator: where a configuration is kept, or why it is not.
    SetAside(Result<String, String>),
}

/// The thread that writes. It ends when this is dropped.
#[derive(Debug)]
pub struct Writer {
    orders: mpsc::Sender<Order>,
}

impl Writer {
    /// Finds what is on the disk, and starts the thread.
    ///
    /// # Errors
    /// When the directory cannot be read, or holds nothing good.
    pub fn start(path: &Path, told: mpsc::Sender<Told>) -> anyhow::Result<(Writer, Found)> {
        let opened = Store::open(Directory::new(path)?);
        let (store, found) = opened.with_context(|| format!("reading the configuration in {}", path.display()))?;
        let (orders, taken) = mpsc::channel(WAITING);
        let path = path.to_owned();
        std::thread::Builder::new()
            .name("disk".to_owned())
            .spawn(move || serve(store, &path, taken, &told))
            .context("starting the thread that writes the configuration")?;
        Ok((Writer { orders }, found))
    }

    /// Puts it on the disk, behind what was given before. The answer comes as an event; at once when there is no room.
    pub fn put(&self, number: u64, entry: Entry) -> Option<Event> {
        let error = "the disk is far behind".to_owned();
        let configuration = entry.configuration();
        let full = |_| Event::Persisted { number, configuration, error: Some(error) };
        self.orders.try_send(Order::Put { number, entry }).err().map(full)
    }

    /// Keeps a configuration that does not count any more. Says why not when there is no room.
    pub fn set_aside(&self, cib: std::sync::Arc<Cib>) -> Option<&'static str> {
        self.orders.try_send(Order::SetAside(cib)).err().map(|_| "the disk is far behind")
    }

    /// Reads the history for a tool.
    pub fn history(&self, client: ClientId, version: Option<(u64, u64)>) -> Option<Reply> {
        let full = |_| Reply::refused("the disk of this node is far behind; try again");
        self.orders.try_send(Order::History { client, version }).err().map(full)
    }
}

/// What has come together is written together: one flush for all of it.
fn serve(mut store: Store<Directory>, path: &Path, mut orders: mpsc::Receiver<Order>, told: &mpsc::Sender<Told>) {
    while let Some(first) = orders.blocking_recv() {
        let (mut entries, mut last, mut wanted) = (Vec::new(), 0, (0, 0));
        let mut other = None;
        let mut next = Some(first);
        while let Some(order) = next {
            match order {
                Order::Put { number, entry } => {
                    wanted = entry.configuration();
                    entries.push(entry);
                    last = number;
                    next = orders.try_recv().ok();
                }
                order => {
                    other = Some(order);
                    next = None;
                }
            }
        }
        if !entries.is_empty() {
            let event = match store.put(&entries) {
                Ok(configuration) => Event::Persisted { number: last, configuration, error: None },
                Err(error) => {
                    let error = Some(format!("{:#}", anyhow::Error::from(error)));
                    Event::Persisted { number: last, configuration: wanted, error }
                }
            };
            if told.blocking_send(Told::Event(event)).is_err() {
                return;
            }
        }
        let answer = match other {
            Some(Order::History { client, version }) => Told::Reply(client, node::history(&mut store, version)),
            Some(Order::SetAside(cib)) => {
                let unix = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64);
                let kept = store.set_aside(&cib, unix).map(|name| path.join(name).display().to_string());
                Told::SetAside(kept.map_err(|error| format!("{:#}", anyhow::Error::from(error))))
            }
            Some(Order::Put { .. }) | None => continue,
        };
        if told.blocking_send(answer).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use store::{Change, segment};

    fn change(cib: &mut Cib, value: &str) -> Entry {
        let from = segment::configuration(cib);
        let write = cib::Write::Node { id: "1".into(), uname: value.into() };
        let patch = cib.apply(&write).unwrap().patch;
        Entry::Change(Change { from, to: segment::configuration(cib), author: cib::Author::default(), patch })
    }

    #[test]
    fn what_was_put_is_found_again() {
        let directory = tempfile::tempdir().unwrap();
        let open = || Store::open(Directory::new(directory.path()).unwrap()).unwrap();
        let mut cib = Cib::fresh("test");
        let (mut store, found) = open();
        assert!(found.cib.is_none());
        store.put(&[Entry::Whole(Arc::new(cib.clone()))]).unwrap();
        for round in 0..20 {
            store.put(&[change(&mut cib, &format!("n{round}"))]).unwrap();
        }
        drop(store);
        let (mut store, found) = open();
        assert!(found.problems.is_empty() && segment::same(&found.cib.unwrap(), &cib));
        assert_eq!(store.history().unwrap().len(), 20);
    }

    #[test]
    fn a_file_cut_anywhere_gives_what_was_whole() {
        let directory = tempfile::tempdir().unwrap();
        let open = || Store::open(Directory::new(directory.path()).unwrap());
        let mut cib = Cib::fresh("test");
        let mut store = open().unwrap().0;
        store.put(&[Entry::Whole(Arc::new(cib.clone()))]).unwrap();
        let path = directory.path().join(segment::name(1));
        let base = fs::read(&path).unwrap().len();
        store.put(&[change(&mut cib, "a")]).unwrap();
        let one = fs::read(&path).unwrap().len();
        store.put(&[change(&mut cib, "b")]).unwrap();
        let whole = fs::read(&path).unwrap();
        for length in base..=whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            let epoch = open().unwrap().1.cib.unwrap().version().epoch;
            let expected = if length == whole.len() { 2 } else { u64::from(length >= one) };
            assert_eq!(epoch, expected, "cut after {length} bytes");
        }
    }

    /// A real file system that is full, where we may mount one.
    #[test]
    fn a_full_disk_loses_nothing() {
        use nix::mount::{MsFlags, mount};
        use nix::sched::{CloneFlags, unshare};
        let private = std::thread::spawn(|| {
            let directory = tempfile::tempdir().unwrap();
            let nothing = None::<&str>;
            let mounted = unshare(CloneFlags::CLONE_NEWNS)
                .and_then(|()| mount(nothing, "/", nothing, MsFlags::MS_REC | MsFlags::MS_PRIVATE, nothing))
                .and_then(|()| {
                    mount(Some("none"), directory.path(), Some("tmpfs"), MsFlags::empty(), Some("size=64k"))
                });
            if mounted.is_err() {
                assert!(!nix::unistd::geteuid().is_root(), "root may mount: {mounted:?}");
                return;
            }
            let open = || Store::open(Directory::new(directory.path()).unwrap()).unwrap();
            let mut cib = Cib::fresh("test");
            let mut store = open().0;
            let mut safe = store.put(&[Entry::Whole(Arc::new(cib.clone()))]).unwrap();
            let mut failed = 0;
            for round in 0..200 {
                match store.put(&[change(&mut cib, &format!("{round}-{}", "x".repeat(900)))]) {
                    Ok(at) => safe = at,
                    Err(_) => failed += 1,
                }
            }
            assert!(failed > 0, "64 KiB are full");
            drop(store);
            let (mut store, found) = open();
            let there = segment::configuration(&found.cib.unwrap());
            assert!(there >= safe, "{there:?} is there, {safe:?} was safe");
            // Someone makes room.
            mount(nothing, directory.path(), nothing, MsFlags::MS_REMOUNT, Some("size=4m")).unwrap();
            let at = store.put(&[Entry::Whole(Arc::new(cib.clone()))]).unwrap();
            assert_eq!(at, segment::configuration(&cib));
        });
        private.join().unwrap();
    }
}
