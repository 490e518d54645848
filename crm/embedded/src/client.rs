//! A daemon's connection to the hub, as an [`Engine`]: a task that talks to the socket and comes back after each loss.
//!
//! A daemon's messages belong to the membership it has seen. So each carries the number of the connection whose
//! membership its sender saw last, and a task that has reconnected in between drops it: the sender will find `Lost`
//! among its events and knows that what it sent before may not have been delivered.

use std::io::{self, ErrorKind};
use std::task::{Context, Poll};
use std::time::Duration;

use engine::{Engine, Event, Host, MAX_PAYLOAD, Membership, SendError};
use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};

use crate::frame::{Decoder, PROTOCOL, ToClient, ToHub};
use crate::{Identity, SocketPath};

/// Messages taken from the daemon and not yet written: enough for a burst, and few enough that `Busy` is felt early.
const SEND_QUEUE: usize = 64;

/// Events read and not yet taken by the daemon. When it is full we stop reading, and the hub takes us for behind.
const EVENT_QUEUE: usize = 256;

/// Bytes we keep to write before we take no more messages: two of the largest.
const WRITE_BYTES: usize = 2 * MAX_PAYLOAD;

/// The first wait before we try to connect again; doubled up to the last. A hub that was restarted is found at once, one
/// that is away is not pestered.
const FIRST_WAIT: Duration = Duration::from_millis(20);
const LAST_WAIT: Duration = Duration::from_secs(1);

/// How long a hub may take to welcome us. It takes a millisecond; one that takes this long hangs.
const WELCOME_WAIT: Duration = Duration::from_secs(5);

/// A hub that says nothing for so many token times hangs: it pings four times in each.
const SILENT_TOKENS: u32 = 4;

/// How long we stay to write what was sent before we were told to leave.
const LEAVE_WAIT: Duration = Duration::from_secs(1);

/// A daemon's end of the embedded engine.
#[derive(Debug)]
pub struct Client {
    me: Host,
    messages: mpsc::Sender<Message>,
    events: mpsc::Receiver<(u64, Event)>,
    /// The connection whose membership the daemon has seen; none when it has seen that it is lost.
    seen: Option<u64>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Message {
    connection: u64,
    frame: Vec<u8>,
}

impl Client {
    /// Connects as a member, and goes on trying. Whether it works is told as an event: a membership, or `Lost` with the
    /// reason. To be called within a tokio runtime.
    pub fn connect(socket: SocketPath, identity: Identity) -> Client {
        let me = identity.host().clone();
        let (messages, outgoing) = mpsc::channel(SEND_QUEUE);
        let (incoming, events) = mpsc::channel(EVENT_QUEUE);
        let task = Task { socket, identity, messages: outgoing, events: incoming, connection: 0, last_number: 0 };
        Client { me, messages, events, seen: None, task: tokio::spawn(task.run()) }
    }

    /// The next event; the engine's own way is [`Engine::poll_event`].
    pub async fn event(&mut self) -> Event {
        std::future::poll_fn(|context| self.poll_event(context)).await
    }

    /// Leaves: what was sent is written (bounded), then the hub sees that this daemon went.
    pub async fn leave(self) {
        let Client { messages, events, task, .. } = self;
        drop((messages, events));
        // The task ends by itself; that it panicked or the runtime ends leaves nothing to be done here.
        let _ = task.await;
    }
}

impl Engine for Client {
    fn me(&self) -> Host {
        self.me.clone()
    }

    fn send(&mut self, payload: Vec<u8>) -> Result<(), SendError> {
        if payload.len() > MAX_PAYLOAD {
            return Err(SendError::TooLong(payload.len()));
        }
        let connection = self.seen.ok_or(SendError::Lost)?;
        let frame = ToHub::Send { payload }.encode();
        self.messages.try_send(Message { connection, frame }).map_err(|error| match error {
            TrySendError::Full(_) => SendError::Busy,
            TrySendError::Closed(_) => SendError::Lost,
        })
    }

    fn poll_event(&mut self, context: &mut Context<'_>) -> Poll<Event> {
        match self.events.poll_recv(context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Some((connection, event))) => {
                self.seen = (!matches!(event, Event::Lost { .. })).then_some(connection);
                Poll::Ready(event)
            }
            // The task ends before us only with the runtime; nothing will come any more.
            Poll::Ready(None) => match self.seen.take() {
                Some(_) => Poll::Ready(Event::Lost { reason: "the engine's task has ended".into() }),
                None => Poll::Pending,
            },
        }
    }
}

struct Task {
    socket: SocketPath,
    identity: Identity,
    messages: mpsc::Receiver<Message>,
    events: mpsc::Sender<(u64, Event)>,
    /// Connections are counted; only messages for the present one are written.
    connection: u64,
    /// The number of the last membership told, so that numbers grow even over a restart of the hub.
    last_number: u64,
}

/// Why a session ended.
enum End {
    /// The daemon leaves.
    Left,
    /// The hub is gone, or does not want us.
    Lost(String),
}

impl Task {
    async fn run(mut self) {
        let mut wait = FIRST_WAIT;
        let mut told = String::new();
        loop {
            self.connection += 1;
            let reason = match self.join().await {
                Err(reason) => reason,
                Ok(session) => {
                    (wait, told) = (FIRST_WAIT, String::new());
                    match session.run(&mut self).await {
                        End::Left => return,
                        End::Lost(reason) => reason,
                    }
                }
            };
            // Each loss is told, and each new reason why we are still not back: once.
            if told != reason {
                told.clone_from(&reason);
                if self.events.send((self.connection, Event::Lost { reason })).await.is_err() {
                    return;
                }
            }
            if self.rest(wait).await.is_break() {
                return;
            }
            wait = (wait * 2).min(LAST_WAIT);
        }
    }

    /// Waits, and drops what was sent on the connection that was lost. Breaks when the daemon leaves.
    async fn rest(&mut self, wait: Duration) -> std::ops::ControlFlow<()> {
        let until = Instant::now() + wait;
        loop {
            tokio::select! {
                () = sleep_until(until) => return std::ops::ControlFlow::Continue(()),
                message = self.messages.recv() => if message.is_none() { return std::ops::ControlFlow::Break(()) }
            }
        }
    }

    async fn join(&self) -> Result<Session, String> {
        let Task { socket, identity, .. } = self;
        let stream = UnixStream::connect(socket).await;
        let stream = stream.map_err(|error| format!("connecting to the hub at {socket}: {error}"))?;
        let frame = ToHub::Member { protocol: PROTOCOL, host: identity.host().clone(), votes: identity.votes() };
        let mut session = Session {
            stream,
            decoder: Decoder::default(),
            write: frame.encode(),
            buffer: vec![0; 64 * 1024].into(),
            silence: WELCOME_WAIT,
            heard: Instant::now(),
            waiting: None,
        };
        match timeout(WELCOME_WAIT, session.welcome()).await {
            Err(_) => Err(format!("the hub at {socket} did not answer within {WELCOME_WAIT:?}")),
            Ok(Err(error)) => Err(format!("joining at the hub at {socket}: {error}")),
            Ok(Ok(ToClient::Welcome { token_ms })) => {
                session.silence = Duration::from_millis(u64::from(token_ms)) * SILENT_TOKENS;
                Ok(session)
            }
            Ok(Ok(ToClient::Refused { reason })) => Err(format!("the hub at {socket} refused us: {reason}")),
            Ok(Ok(_)) => Err(format!("the hub at {socket} spoke before it welcomed us")),
        }
    }
}

/// One connection that was welcomed.
struct Session {
    stream: UnixStream,
    decoder: Decoder,
    write: Vec<u8>,
    buffer: Box<[u8]>,
    silence: Duration,
    heard: Instant,
    /// An event for which the daemon's queue has no room. While there is one, nothing more is read.
    waiting: Option<Event>,
}

impl Session {
    /// The hub's first word.
    async fn welcome(&mut self) -> io::Result<ToClient> {
        loop {
            self.write_some();
            if let Some(frame) = self.decoder.take(ToClient::decode).map_err(invalid)? {
                return Ok(frame);
            }
            self.stream.ready(self.interest()).await?;
            self.read_some()?;
        }
    }

    async fn run(mut self, task: &mut Task) -> End {
        // Numbers of a hub that was restarted begin anew; ours go on from where they were.
        let mut ahead = None;
        loop {
            if let Err(reason) = self.take_frames(task, &mut ahead) {
                return End::Lost(reason);
            }
            self.write_some();
            let silent_at = self.heard + self.silence;
            tokio::select! {
                ready = self.stream.ready(self.interest()), if self.wants_socket() => {
                    if let Err(error) = ready.and_then(|_| self.read_some()) {
                        return End::Lost(last_words(&error));
                    }
                }
                message = task.messages.recv(), if self.write.len() < WRITE_BYTES => match message {
                    Some(message) if message.connection == task.connection => self.write.extend(message.frame),
                    Some(_of_a_lost_connection) => {}
                    None => return self.leave().await,
                },
                permit = task.events.reserve(), if self.waiting.is_some() => {
                    // Without a permit the daemon takes no events any more, and is about to leave.
                    if let (Ok(permit), Some(event)) = (permit, self.waiting.take()) {
                        permit.send((task.connection, event));
                    }
                }
                () = sleep_until(silent_at), if self.waiting.is_none() => {
                    // Should it be us who slept, what the hub said in the meantime is still to be read.
                    if let Err(error) = self.read_some() {
                        return End::Lost(last_words(&error));
                    }
                    if self.heard + self.silence <= Instant::now() {
                        return End::Lost(format!("the hub was not heard for {} ms", self.silence.as_millis()));
                    }
                }
            }
        }
    }

    /// Tells what has arrived, as far as the daemon's queue has room.
    fn take_frames(&mut self, task: &mut Task, ahead: &mut Option<u64>) -> Result<(), String> {
        while self.waiting.is_none() {
            let frame = self.decoder.take(ToClient::decode).map_err(|error| format!("the hub sent {error}"))?;
            let event = match frame {
                None => break,
                Some(ToClient::Ping) => {
                    self.write.extend(ToHub::Pong.encode());
                    continue;
                }
                Some(ToClient::Membership(membership)) => {
                    let ahead = *ahead.get_or_insert((task.last_number + 1).saturating_sub(membership.number));
                    task.last_number = membership.number + ahead;
                    Event::Membership(Membership { number: task.last_number, ..membership })
                }
                Some(ToClient::Delivered { from, payload }) => Event::Delivered { from, payload },
                Some(ToClient::Removed { reason }) => return Err(format!("the hub took us out: {reason}")),
                Some(_) => return Err("the hub said what it never says to a member".into()),
            };
            match task.events.try_send((task.connection, event)) {
                Ok(()) | Err(TrySendError::Closed(_)) => {}
                Err(TrySendError::Full((_, event))) => self.waiting = Some(event),
            }
        }
        Ok(())
    }

    fn wants_socket(&self) -> bool {
        self.waiting.is_none() || !self.write.is_empty()
    }

    fn interest(&self) -> Interest {
        match (self.waiting.is_none(), self.write.is_empty()) {
            (true, true) => Interest::READABLE,
            (true, false) => Interest::READABLE | Interest::WRITABLE,
            (false, _) => Interest::WRITABLE,
        }
    }

    fn read_some(&mut self) -> io::Result<()> {
        if self.waiting.is_some() {
            return Ok(());
        }
        match self.stream.try_read(&mut self.buffer) {
            Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                self.heard = Instant::now();
                self.decoder.feed(&self.buffer[..count]);
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Writes what the kernel takes. An error is not told here: the hub may have said why before it closed, so reading
    /// goes on to its end and finds the reason there.
    fn write_some(&mut self) {
        while !self.write.is_empty() {
            match self.stream.try_write(&self.write) {
                Ok(count) => drop(self.write.drain(..count)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => self.write.clear(),
            }
        }
    }

    async fn leave(mut self) -> End {
        let write_all = async {
            while !self.write.is_empty() && self.stream.ready(Interest::WRITABLE).await.is_ok() {
                self.write_some();
            }
        };
        let _ = timeout(LEAVE_WAIT, write_all).await;
        End::Left
    }
}

fn last_words(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset => "the hub closed the connection".into(),
        _ => format!("the connection to the hub failed: {error}"),
    }
}

fn invalid(error: crate::frame::FrameError) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, error)
}
