//! A daemon's end of the engine: a thread that talks to Corosync and comes back after each loss.
//!
//! A daemon's messages belong to the membership it has seen. So each carries the number of the connection whose
//! membership its sender saw last, and a thread that has reconnected in between drops it: the sender will find `Lost`
//! among its events and knows that what it sent before may not have been delivered.

use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use engine::{Engine, Event, Host, SendError};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tokio::sync::{mpsc, oneshot};

use crate::find::Found;
use crate::frame::MAX_MESSAGE;
use crate::session::{End, HANG_WAIT, Session};

/// Messages taken from the daemon and not yet sent: enough for a burst, and few enough that `Busy` is felt early.
const SEND_QUEUE: usize = 64;

/// Events read and not yet taken by the daemon. When it is full we stop reading.
const EVENT_QUEUE: usize = 256;

/// Corosync's libraries put a megabyte on the stack for each read, and a little more beside it.
const STACK: usize = 4 * 1024 * 1024;

/// The first wait before we try to connect again; doubled up to the last. A Corosync that was restarted is found at
/// once, one that is away is not pestered.
const FIRST_WAIT: Duration = Duration::from_millis(20);
const LAST_WAIT: Duration = Duration::from_secs(1);

/// How long leaving may take: sending what was given before, and Corosync's farewell.
const LEAVE_WAIT: Duration = Duration::from_secs(3);

/// A daemon's end of Corosync.
#[derive(Debug)]
pub struct Client {
    me: Host,
    messages: SyncSender<(u64, Vec<u8>)>,
    events: mpsc::Receiver<(u64, Event)>,
    wake: UnixStream,
    /// The thread waits for room among the events.
    full: Arc<AtomicBool>,
    /// How many events the daemon has taken.
    taken: Arc<AtomicU64>,
    /// The daemon leaves.
    left: Arc<AtomicBool>,
    /// The connection whose membership the daemon has seen; none when it has seen that it is lost.
    seen: Option<u64>,
    done: oneshot::Receiver<()>,
}

impl Client {
    /// Connects as the node that was found, and goes on trying. Whether it works is told as an event: a membership, or
    /// `Lost` with the reason.
    ///
    /// # Errors
    /// When the system gives no thread or no descriptors.
    pub fn connect(found: &Found, cluster: &str) -> std::io::Result<Client> {
        let (messages, outgoing) = sync_channel(SEND_QUEUE);
        let (incoming, events) = mpsc::channel(EVENT_QUEUE);
        let (wake, woken) = UnixStream::pair()?;
        wake.set_nonblocking(true)?;
        woken.set_nonblocking(true)?;
        let (full, left) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let taken = Arc::new(AtomicU64::new(0));
        let (ended, done) = oneshot::channel();
        let task = Task {
            me: found.me.clone(),
            cluster: cluster.to_owned(),
            number: 0,
            connection: 0,
            messages: outgoing,
            events: incoming,
            woken,
            full: full.clone(),
            left: left.clone(),
            untaken: Untaken::new(taken.clone()),
        };
        let run = move || {
            task.run();
            // Nobody may be waiting for it.
            let _ = ended.send(());
        };
        std::thread::Builder::new().name("corosync".into()).stack_size(STACK).spawn(run)?;
        Ok(Client { me: found.me.clone(), messages, events, wake, full, taken, left, seen: None, done })
    }

    /// The next event; the engine's own way is [`Engine::poll_event`].
    pub async fn event(&mut self) -> Event {
        std::future::poll_fn(|context| self.poll_event(context)).await
    }

    /// Leaves: what was sent before is given to Corosync (bounded), then the others see that this daemon went.
    pub async fn leave(mut self) {
        self.left.store(true, Ordering::Release);
        self.wake();
        // Whether it ended in time or not, there is nothing left to do here.
        let _ = tokio::time::timeout(LEAVE_WAIT, &mut self.done).await;
    }

    fn wake(&mut self) {
        // When there is no room for the byte, there are enough of them.
        let _ = self.wake.write(&[0]);
    }
}

impl Engine for Client {
    fn me(&self) -> Host {
        self.me.clone()
    }

    fn send(&mut self, payload: Vec<u8>) -> Result<(), SendError> {
        if payload.len() > MAX_MESSAGE {
            return Err(SendError::TooLong(payload.len()));
        }
        let connection = self.seen.ok_or(SendError::Lost)?;
        self.messages.try_send((connection, payload)).map_err(|error| match error {
            TrySendError::Full(_) => SendError::Busy,
            TrySendError::Disconnected(_) => SendError::Lost,
        })?;
        self.wake();
        Ok(())
    }

    fn poll_event(&mut self, context: &mut Context<'_>) -> Poll<Event> {
        let polled = self.events.poll_recv(context);
        match polled {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Some((connection, event))) => {
                self.taken.fetch_add(1, Ordering::Relaxed);
                fence(Ordering::SeqCst);
                if self.full.swap(false, Ordering::SeqCst) {
                    self.wake();
                }
                self.seen = (!matches!(event, Event::Lost { .. })).then_some(connection);
                Poll::Ready(event)
            }
            // The thread ends before us only by a fault of its own; nothing will come any more.
            Poll::Ready(None) => match self.seen.take() {
                Some(_) => Poll::Ready(Event::Lost { reason: "the engine's thread has ended".into() }),
                None => Poll::Pending,
            },
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.left.store(true, Ordering::Release);
        self.wake();
    }
}

/// What the thread keeps over its connections.
pub(crate) struct Task {
    pub(crate) me: Host,
    pub(crate) cluster: String,
    /// The number of the last membership told, so that numbers grow over connections.
    pub(crate) number: u64,
    /// Connections are counted; only messages for the present one are sent.
    connection: u64,
    messages: Receiver<(u64, Vec<u8>)>,
    events: mpsc::Sender<(u64, Event)>,
    woken: UnixStream,
    full: Arc<AtomicBool>,
    left: Arc<AtomicBool>,
    untaken: Untaken,
}

/// Whether the daemon takes what it is told.
#[derive(Debug)]
pub(crate) struct Untaken {
    told: u64,
    /// Counted by the daemon.
    taken: Arc<AtomicU64>,
    /// What it had taken when we last looked, and since when that is so.
    seen: (u64, Instant),
}

impl Untaken {
    fn new(taken: Arc<AtomicU64>) -> Untaken {
        Untaken { told: 0, taken, seen: (0, Instant::now()) }
    }

    /// For how long the daemon has taken nothing though there is something.
    fn since(&mut self, now: Instant) -> Duration {
        let taken = self.taken.load(Ordering::Relaxed);
        if taken != self.seen.0 || taken >= self.told {
            self.seen = (taken, now);
        }
        now.saturating_duration_since(self.seen.1)
    }
}

/// What the daemon has for us.
pub(crate) enum Message {
    /// A payload to send.
    Payload(Vec<u8>),
    /// Nothing at the moment.
    None,
    /// It leaves.
    Left,
}

impl Task {
    fn run(mut self) {
        let mut wait = FIRST_WAIT;
        let mut told = String::new();
        while !self.is_left() {
            // Who hangs is no member. It is one again when it takes what it was told.
            if self.untaken_for() >= HANG_WAIT {
                self.pause(LAST_WAIT);
                continue;
            }
            self.connection += 1;
            let begun = Instant::now();
            let reason = match Session::open(&mut self) {
                Err(reason) => reason,
                Ok(session) => match session.run(&mut self) {
                    End::Left => return,
                    End::Lost(reason) => reason,
                },
            };
            let lived = begun.elapsed() > LAST_WAIT;
            if lived {
                (wait, told) = (FIRST_WAIT, String::new());
            }
            // Each loss is told, and each new reason why we are still not back: once.
            if told != reason {
                told.clone_from(&reason);
                if self.events.blocking_send((self.connection, Event::Lost { reason })).is_err() {
                    return;
                }
                self.untaken.told += 1;
            }
            self.pause(wait);
            wait = (wait * 2).min(LAST_WAIT);
        }
    }

    /// Waits, and drops what was sent on the connection that was lost.
    fn pause(&mut self, wait: Duration) {
        let until = Instant::now() + wait;
        loop {
            while self.messages.try_recv().is_ok() {}
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || self.is_left() {
                return;
            }
            let timeout = PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX);
            // An interruption only makes the turn shorter.
            let _ = poll(&mut [PollFd::new(self.woken.as_fd(), PollFlags::POLLIN)], timeout);
            self.rest();
        }
    }

    /// Whether the daemon leaves.
    pub(crate) fn is_left(&self) -> bool {
        self.left.load(Ordering::Acquire)
    }

    /// What the daemon wants to be sent.
    pub(crate) fn take(&mut self) -> Message {
        loop {
            match self.messages.try_recv() {
                Ok((connection, payload)) if connection == self.connection => return Message::Payload(payload),
                Ok(_of_a_lost_connection) => {}
                Err(TryRecvError::Empty) => return Message::None,
                Err(TryRecvError::Disconnected) => return Message::Left,
            }
        }
    }

    /// Tells the daemon, if there is room. If not, we are woken when there is.
    pub(crate) fn tell(&mut self, event: Event) -> Result<(), mpsc::error::TrySendError<Event>> {
        let told = self.try_tell(event);
        if told.is_ok() {
            // Before the count, so that what has been told for a moment is never taken for old.
            self.untaken.since(Instant::now());
            self.untaken.told += 1;
        }
        told
    }

    /// For how long the daemon has taken nothing though there is something.
    pub(crate) fn untaken_for(&mut self) -> Duration {
        self.untaken.since(Instant::now())
    }

    fn try_tell(&mut self, event: Event) -> Result<(), mpsc::error::TrySendError<Event>> {
        let without = |error| match error {
            mpsc::error::TrySendError::Full((_, event)) => mpsc::error::TrySendError::Full(event),
            mpsc::error::TrySendError::Closed((_, event)) => mpsc::error::TrySendError::Closed(event),
        };
        match self.events.try_send((self.connection, event)) {
            Err(mpsc::error::TrySendError::Full((connection, event))) => {
                // Asked for before we look again, so that room that is made in between is not missed. The fences of both
                // sides keep each from looking before the other can see what it wrote.
                self.full.store(true, Ordering::SeqCst);
                fence(Ordering::SeqCst);
                self.events.try_send((connection, event)).map_err(without)
            }
            told => told.map_err(without),
        }
    }

    /// Readable when the daemon has something for us.
    pub(crate) fn woken(&self) -> &UnixStream {
        &self.woken
    }

    /// Takes back that we were woken.
    pub(crate) fn rest(&self) {
        let mut bytes = [0; 256];
        loop {
            match (&self.woken).read(&mut bytes) {
                Ok(count) if count == bytes.len() => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                _ => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_daemon_that_takes_nothing_is_seen_however_little_it_was_told() {
        let taken = Arc::new(AtomicU64::new(0));
        let mut untaken = Untaken::new(taken.clone());
        let begun = Instant::now();
        let at = |seconds| begun + Duration::from_secs(seconds);
        assert_eq!(untaken.since(at(10)), Duration::ZERO, "there is nothing to take");
        untaken.told = 2;
        assert_eq!(untaken.since(at(14)), Duration::from_secs(4));
        taken.store(1, Ordering::Relaxed);
        assert_eq!(untaken.since(at(15)), Duration::ZERO, "it took one");
        assert_eq!(untaken.since(at(40)), Duration::from_secs(25));
        taken.store(2, Ordering::Relaxed);
        assert_eq!(untaken.since(at(41)), Duration::ZERO);
        assert_eq!(untaken.since(at(99)), Duration::ZERO);
    }
}
