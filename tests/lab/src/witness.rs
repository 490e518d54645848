//! The witness: sees from outside which node holds which address and file system, and when.
//!
//! One thread listens to the kernel for all nodes, so that what happened one after the other is seen in that order. It
//! asks nobody in the cluster. A node that is off holds nothing; that it is off, `node.rs` says.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::net::IpAddr;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;

use anyhow::{Context, Result};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::clock;
use crate::holdings::{Holdings, Thing};
use crate::netlink::{Listener, News};
use crate::network::Namespace;
use crate::story::Storyteller;

/// A handle on the witness; clones speak to the same one.
#[derive(Clone)]
pub struct Witness {
    orders: mpsc::Sender<Order>,
    bell: Arc<UnixStream>,
    holdings: Arc<Mutex<Holdings>>,
}

enum Order {
    Watch { node: String, news: Listener, mounts: File },
    WatchClient { news: Listener },
    LetGoOfMounts { node: String, done: mpsc::Sender<()> },
    Forget { node: String, done: mpsc::Sender<()> },
}

impl Witness {
    /// Starts watching for these addresses and mount points.
    pub fn start(addresses: Vec<IpAddr>, directories: Vec<PathBuf>, story: Storyteller) -> Result<Self> {
        let (orders, received) = mpsc::channel();
        let (bell, ear) = UnixStream::pair().context("starting the witness")?;
        // A bell that nobody hears in time is still ringing.
        bell.set_nonblocking(true).context("starting the witness")?;
        ear.set_nonblocking(true).context("starting the witness")?;
        let holdings = Arc::new(Mutex::new(Holdings::default()));
        let watching = Watching {
            addresses,
            directories,
            story,
            orders: received,
            ear,
            nodes: BTreeMap::new(),
            client: None,
            announced: BTreeMap::new(),
            holdings: Arc::clone(&holdings),
        };
        thread::Builder::new()
            .name("witness".to_owned())
            .spawn(move || watching.run())
            .context("starting the witness")?;
        Ok(Self { orders, bell: Arc::new(bell), holdings })
    }

    /// Begins to watch a node, before its programs run.
    pub fn watch_node(&self, node: &str, pid: u32) -> Result<()> {
        let news = Namespace::of_process(pid)?.inside(Listener::open)?;
        let path = format!("/proc/{pid}/mountinfo");
        let mounts = File::open(&path).with_context(|| format!("opening {path}"))?;
        self.order(Order::Watch { node: node.to_owned(), news, mounts });
        Ok(())
    }

    /// Begins to watch where the addresses lead, as the client in that namespace sees it.
    pub fn watch_client(&self, namespace: &Namespace) -> Result<()> {
        let news = namespace.inside(Listener::open)?;
        self.order(Order::WatchClient { news });
        Ok(())
    }

    /// Stops looking at a node's mounts, as who looks at them keeps them alive; its address is still watched.
    pub fn let_go_of_mounts(&self, node: &str) {
        self.order_and_wait(|done| Order::LetGoOfMounts { node: node.to_owned(), done });
    }

    /// The node is off: it holds nothing from now on.
    pub fn forget_node(&self, node: &str) {
        self.order_and_wait(|done| Order::Forget { node: node.to_owned(), done });
    }

    /// What was held when, so far.
    pub fn holdings(&self) -> Holdings {
        self.holdings.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn order(&self, order: Order) {
        // The witness ends with the process: whoever sends to it later has nothing to lose.
        let _ = self.orders.send(order);
        let _ = (&*self.bell).write(b".");
    }

    fn order_and_wait(&self, order: impl FnOnce(mpsc::Sender<()>) -> Order) {
        let (done, answer) = mpsc::channel();
        self.order(order(done));
        let _ = answer.recv();
    }
}

/// The witness itself.
struct Watching {
    addresses: Vec<IpAddr>,
    directories: Vec<PathBuf>,
    story: Storyteller,
    orders: mpsc::Receiver<Order>,
    ear: UnixStream,
    nodes: BTreeMap<String, Watched>,
    client: Option<Listener>,
    announced: BTreeMap<IpAddr, Vec<u8>>,
    holdings: Arc<Mutex<Holdings>>,
}

struct Watched {
    news: Listener,
    mounts: Option<File>,
    /// The mounts have changed since they were read. The kernel says so once, to whoever polls first.
    is_stale: bool,
}

/// What was seen at one look, each node's in the order in which it happened.
#[derive(Default)]
struct Sights {
    changes: Vec<Change>,
    led: Vec<(IpAddr, Vec<u8>)>,
}

/// A node has something from now on, or has it no more.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Change {
    thing: Thing,
    node: String,
    is_held: bool,
}

impl Sights {
    fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.led.is_empty()
    }
}

/// Puts changes that count as one moment in order: first what was held before is let go of, then come the others, each
/// node's as they happened. So who let go in this moment does not meet who took hold in it; and who did both, on a machine
/// so busy that nobody looked between the two, ends as it did.
fn in_order(mut changes: Vec<Change>, holdings: &Holdings) -> Vec<Change> {
    let mut first = Vec::new();
    let mut met: BTreeSet<(Thing, String)> = BTreeSet::new();
    changes.retain(|change| {
        let is_first = met.insert((change.thing.clone(), change.node.clone()));
        let ends = is_first && !change.is_held && holdings.is_held(&change.thing, &change.node);
        if ends {
            first.push(change.clone());
        }
        !ends
    });
    first.append(&mut changes);
    first
}

impl Watching {
    fn run(mut self) {
        loop {
            if let Err(error) = self.wait() {
                self.story.lab(format!("the witness cannot look any more: {error:#}"));
                return;
            }
            // Looking again until nothing is new, then one moment for all of it: an end that was seen after a
            // beginning, only because it was looked for earlier, must not count as both at once.
            let mut sights = Sights::default();
            loop {
                let more = self.look();
                if more.is_empty() {
                    break;
                }
                sights.changes.extend(more.changes);
                sights.led.extend(more.led);
            }
            self.note(sights);
            let mut bytes = [0; 64];
            while matches!((&self.ear).read(&mut bytes), Ok(length) if length > 0) {}
            while let Ok(order) = self.orders.try_recv() {
                self.obey(order);
            }
        }
    }

    /// Waits until the kernel or someone in the lab has something to say.
    fn wait(&mut self) -> Result<()> {
        let mut waited = vec![PollFd::new(self.ear.as_fd(), PollFlags::POLLIN)];
        waited.extend(self.client.iter().map(|client| PollFd::new(client.as_fd(), PollFlags::POLLIN)));
        waited.extend(self.nodes.values().map(|watched| PollFd::new(watched.news.as_fd(), PollFlags::POLLIN)));
        let first_mounts = waited.len();
        let mounts = self.nodes.values().filter_map(|watched| watched.mounts.as_ref());
        waited.extend(mounts.map(|mounts| PollFd::new(mounts.as_fd(), PollFlags::POLLPRI)));
        match poll(&mut waited, PollTimeout::NONE) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(error).context("waiting for news"),
        }
        let changed: Vec<bool> = waited[first_mounts..].iter().map(|polled| polled.any().unwrap_or(true)).collect();
        let watched = self.nodes.values_mut().filter(|watched| watched.mounts.is_some());
        for (watched, changed) in watched.zip(changed) {
            watched.is_stale |= changed;
        }
        Ok(())
    }

    /// Looks everywhere once, without waiting.
    fn look(&mut self) -> Sights {
        let mut sights = Sights::default();
        let holdings = self.holdings.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for (node, watched) in &mut self.nodes {
            for news in watched.news.read().unwrap_or_default() {
                let (ip, is_held) = match news {
                    News::AddressAdded(ip) => (ip, true),
                    News::AddressDeleted(ip) => (ip, false),
                    News::Neighbour(..) => continue,
                };
                if self.addresses.contains(&ip) {
                    sights.changes.push(Change { thing: Thing::Address(ip), node: node.clone(), is_held });
                }
            }
            let Some(mounts) = &mut watched.mounts else { continue };
            if !has_changed(mounts) && !watched.is_stale {
                continue;
            }
            watched.is_stale = false;
            let Ok(points) = mount_points(mounts) else { continue };
            for directory in &self.directories {
                let thing = Thing::FileSystem(directory.clone());
                let is_held = points.iter().any(|point| point == directory);
                if is_held != holdings.is_held(&thing, node) {
                    sights.changes.push(Change { thing, node: node.clone(), is_held });
                }
            }
        }
        for news in self.client.as_mut().and_then(|client| client.read().ok()).unwrap_or_default() {
            if let News::Neighbour(ip, hardware) = news
                && self.addresses.contains(&ip)
            {
                sights.led.push((ip, hardware));
            }
        }
        sights
    }

    fn note(&mut self, sights: Sights) {
        let at = clock::now_us();
        let mut holdings = self.holdings.lock().unwrap_or_else(PoisonError::into_inner);
        for Change { thing, node, is_held } in in_order(sights.changes, &holdings) {
            if is_held && holdings.hold(&thing, &node, at) {
                self.story.held(at, &node, &thing);
            } else if !is_held && holdings.release(&thing, &node, at) {
                self.story.released(at, &node, &thing);
            }
        }
        for (ip, hardware) in sights.led {
            if self.announced.insert(ip, hardware.clone()).is_none_or(|known| known != hardware) {
                self.story.announced(at, ip);
            }
        }
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Watch { node, news, mounts } => {
                self.nodes.insert(node, Watched { news, mounts: Some(mounts), is_stale: true });
            }
            Order::WatchClient { news } => self.client = Some(news),
            Order::LetGoOfMounts { node, done } => {
                if let Some(watched) = self.nodes.get_mut(&node) {
                    watched.mounts = None;
                }
                let _ = done.send(());
            }
            Order::Forget { node, done } => {
                self.nodes.remove(&node);
                let at = clock::now_us();
                let released = self.holdings.lock().unwrap_or_else(PoisonError::into_inner).release_all(&node, at);
                for thing in released {
                    self.story.released(at, &node, &thing);
                }
                let _ = done.send(());
            }
        }
    }
}

fn has_changed(mounts: &File) -> bool {
    let mut asked = [PollFd::new(mounts.as_fd(), PollFlags::POLLPRI)];
    matches!(poll(&mut asked, PollTimeout::ZERO), Ok(1))
}

/// Where something is mounted, from a `/proc/PID/mountinfo`.
fn mount_points(mountinfo: &mut File) -> io::Result<Vec<PathBuf>> {
    let mut text = String::new();
    mountinfo.rewind()?;
    mountinfo.read_to_string(&mut text)?;
    Ok(text.lines().filter_map(|line| line.split(' ').nth(4)).map(unescape).collect())
}

/// The kernel writes space, tab, newline and backslash as three octal digits.
fn unescape(text: &str) -> PathBuf {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        plain.push_str(&rest[..at]);
        let code = rest.get(at + 1..at + 4).and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match code {
            Some(code) => {
                plain.push(char::from(code));
                rest = &rest[at + 4..];
            }
            None => {
                plain.push('\\');
                rest = &rest[at + 1..];
            }
        }
    }
    plain.push_str(rest);
    Path::new(&plain).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is seen in one moment, as `node+` and `node-`, and who has it then.
    #[test]
    fn what_is_seen_late_ends_as_it_did() {
        let thing = Thing::Address("10.0.0.1".parse().unwrap());
        for (seen, holder, told) in [
            ("b+ a-", "b", "a- b+"),
            ("a- a+", "a", "a- a+"),
            ("b+ b- a-", "", "a- b+ b-"),
            ("b+ b- c+ a-", "c", "a- b+ b- c+"),
            ("a- a+ a- b+", "b", "a- a+ a- b+"),
        ] {
            let mut holdings = Holdings::default();
            holdings.hold(&thing, "a", 1);
            let change =
                |word: &str| Change { thing: thing.clone(), node: word[..1].to_owned(), is_held: word.ends_with('+') };
            let changes = in_order(seen.split(' ').map(change).collect(), &holdings);
            let words: Vec<String> =
                changes.iter().map(|one| format!("{}{}", one.node, if one.is_held { "+" } else { "-" })).collect();
            assert_eq!(words.join(" "), told, "{seen}");
            for Change { thing, node, is_held } in changes {
                assert!(if is_held { holdings.hold(&thing, &node, 2) } else { holdings.release(&thing, &node, 2) });
            }
            assert_eq!(holdings.holders(&thing).collect::<String>(), holder, "{seen}");
            assert_eq!(holdings.overlaps(9), [], "{seen}");
        }
    }

    #[test]
    fn mount_points_are_unescaped() {
        for (text, expected) in
            [("/srv/a", "/srv/a"), ("/srv/a\\040b", "/srv/a b"), ("/x\\1", "/x\\1"), ("\\134", "\\")]
        {
            assert_eq!(unescape(text), Path::new(expected));
        }
    }
}
