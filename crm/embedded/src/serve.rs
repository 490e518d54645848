//! The hub's shell: one task that reads what clients send, asks the [`Hub`], and writes what it says. It decides nothing
//! but how many bytes may wait.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::future::Future;
use std::io::{self, ErrorKind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::net::{UnixListener, UnixStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, Sleep};
use tracing::{debug, info, warn};

use crate::frame::{Decoder, ToClient, ToHub};
use crate::hub::MAX_NODES;
use crate::{ClientId, Command, Config, Event, Hub, ListenError, Listening, SocketPath, listen};

/// Connections at once: a daemon and a presence for each node, the same again for those that reconnect while their old
/// connection is still being closed, and some for operators.
const MAX_CLIENTS: usize = 4 * MAX_NODES + 64;

/// A client is behind when more waits for it than two of the largest messages, beside what the kernel holds.
const BEHIND_BYTES: usize = 2 * engine::MAX_PAYLOAD;

/// It has caught up at half of that. So the slowest client that is kept reads half a mebibyte in a token time.
const CAUGHT_UP_BYTES: usize = BEHIND_BYTES / 2;

/// Read from one client before the next has its turn. With [`BEHIND_BYTES`] it bounds what can wait for a client: a
/// client is found to be behind after each turn, and then nobody is read from.
const TURN_BYTES: usize = 64 * 1024;

/// Connections that were closed for a reason are told once each, by who and why: a daemon that is refused asks again and
/// again. Beyond so many the record of them begins anew.
const MAX_TOLD: usize = 1000;

/// Why a hub ended that should not have.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// It did not begin.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The system gave no runtime, signals or socket. Clients there were are disconnected.
    #[error("running the hub")]
    Run(#[from] io::Error),
}

/// Runs a hub until TERM, INT or the request `stop`; then removes its socket. For a program's main: makes its own runtime.
pub fn run_hub(socket: &SocketPath, config: &Config) -> Result<(), HubError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let shutdown = async move {
            tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
        };
        let listening = listen(socket)?;
        Ok(serve(listening, config, shutdown).await?)
    })
}

/// Serves clients until `shutdown` is done or an operator asks to stop. The socket is removed in the end.
pub async fn serve(listening: Listening, config: &Config, shutdown: impl Future<Output = ()>) -> io::Result<()> {
    info!(socket = %listening.path(), token_ms = config.token().as_millis() as u64, "the hub listens");
    let mut shell = Shell {
        listener: UnixListener::from_std(listening.listener()?)?,
        hub: Hub::new(config),
        connections: BTreeMap::new(),
        told: BTreeSet::new(),
        last_client: 0,
        buffer: vec![0; TURN_BYTES].into(),
        uid: nix::unistd::geteuid().as_raw(),
        started: Instant::now(),
        timer: Box::pin(tokio::time::sleep(Duration::ZERO)),
        stop: false,
    };
    let mut shutdown = pin!(shutdown);
    while !shell.stop {
        tokio::select! {
            () = &mut shutdown => break,
            () = std::future::poll_fn(|context| shell.turn(context)) => {}
        }
    }
    info!(socket = %listening.path(), "the hub ends");
    Ok(())
}

struct Connection {
    stream: UnixStream,
    /// Its process and user.
    who: String,
    decoder: Decoder,
    /// Frames to write, the first of them written up to `written`.
    waiting: VecDeque<Arc<[u8]>>,
    waiting_bytes: usize,
    written: usize,
    behind: bool,
    /// It can no longer be written to. What it said before that is still to be read, its last message maybe.
    deaf: bool,
    /// It has said who it is, and so is held back while somebody is behind.
    greeted: bool,
}

struct Shell {
    listener: UnixListener,
    hub: Hub,
    connections: BTreeMap<ClientId, Connection>,
    /// Who was sent away for what, as it was told.
    told: BTreeSet<String>,
    last_client: u64,
    buffer: Box<[u8]>,
    uid: u32,
    started: Instant,
    timer: Pin<Box<Sleep>>,
    stop: bool,
}

impl Shell {
    /// One turn over everything that is ready. Pending when nothing was.
    fn turn(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let mut busy = self.accept(context);
        let clients: Vec<ClientId> = self.connections.keys().copied().collect();
        for id in clients {
            if self.read(id, context) {
                busy = true;
                self.carry_out();
                self.note_waiting();
            }
        }
        busy |= self.write(context);
        self.note_waiting();
        self.carry_out();
        // The clock is looked at last: after a stall, answers that came in time are read before anyone is judged.
        busy |= self.look_at_the_clock(context);
        self.carry_out();
        if busy || self.stop { Poll::Ready(()) } else { Poll::Pending }
    }

    fn tell(&mut self, event: Event) {
        self.hub.handle(self.started.elapsed(), event);
    }

    fn accept(&mut self, context: &mut Context<'_>) -> bool {
        let stream = match self.listener.poll_accept(context) {
            Poll::Pending => return false,
            Poll::Ready(Ok((stream, _))) => stream,
            Poll::Ready(Err(error)) => {
                // Most likely no descriptors are left. The listener stays; whoever waits is taken when some are.
                warn!(%error, "a connection could not be taken");
                return false;
            }
        };
        let who = match stream.peer_cred() {
            Ok(peer) if peer.uid() == 0 || peer.uid() == self.uid => {
                let process = peer.pid().map_or_else(|| "a process".to_owned(), |pid| format!("process {pid}"));
                format!("{process} of user {}", peer.uid())
            }
            Ok(peer) => {
                let reason = format!("only root and user id {} may connect, not {}", self.uid, peer.uid());
                warn!(uid = peer.uid(), pid = peer.pid(), "refused: {reason}");
                let _ = stream.try_write(&ToClient::Refused { reason }.encode());
                return true;
            }
            Err(error) => {
                warn!(%error, "a connection without credentials is dropped");
                return true;
            }
        };
        if self.connections.len() >= MAX_CLIENTS {
            let reason = format!("the hub has {MAX_CLIENTS} connections and takes no more");
            warn!("refused: {reason}");
            let _ = stream.try_write(&ToClient::Refused { reason }.encode());
            return true;
        }
        self.last_client += 1;
        let client = ClientId(self.last_client);
        let connection = Connection {
            stream,
            who,
            decoder: Decoder::default(),
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            written: 0,
            behind: false,
            deaf: false,
            greeted: false,
        };
        self.connections.insert(client, connection);
        self.tell(Event::Connected { client });
        true
    }

    /// Reads one client's turn; whether there was anything.
    fn read(&mut self, client: ClientId, context: &mut Context<'_>) -> bool {
        let takes_messages = self.hub.takes_messages();
        let Some(connection) = self.connections.get_mut(&client) else { return false };
        if connection.greeted && !takes_messages {
            return false;
        }
        match connection.read(&mut self.buffer, context) {
            Poll::Pending => return false,
            Poll::Ready(Ok(0)) => self.closed(client, "closed by the client"),
            Poll::Ready(Ok(count)) => {
                connection.decoder.feed(&self.buffer[..count]);
                self.decode(client);
            }
            Poll::Ready(Err(error)) => self.closed(client, &error.to_string()),
        }
        true
    }

    /// Tells the hub every whole frame that a client has sent.
    fn decode(&mut self, client: ClientId) {
        while let Some(connection) = self.connections.get_mut(&client) {
            match connection.decoder.take(ToHub::decode) {
                Ok(None) => return,
                Ok(Some(frame)) => {
                    connection.greeted = true;
                    self.tell(Event::Received { client, frame });
                }
                Err(error) => {
                    self.tell(Event::Garbage { client, what: error.to_string() });
                    return;
                }
            }
        }
    }

    fn closed(&mut self, client: ClientId, why: &str) {
        debug!(client = client.0, why, "connection ended");
        self.connections.remove(&client);
        self.tell(Event::Closed { client });
    }

    /// Writes what can be written; whether anything was.
    fn write(&mut self, context: &mut Context<'_>) -> bool {
        let mut busy = false;
        for connection in self.connections.values_mut() {
            busy |= connection.write(context).unwrap_or_else(|_| connection.become_deaf());
        }
        busy
    }

    /// Tells the hub who fell behind and who caught up.
    fn note_waiting(&mut self) {
        let mut events = Vec::new();
        for (&client, connection) in &mut self.connections {
            if !connection.behind && connection.waiting_bytes > BEHIND_BYTES {
                connection.behind = true;
                events.push(Event::Behind { client });
            } else if connection.behind && connection.waiting_bytes <= CAUGHT_UP_BYTES {
                connection.behind = false;
                events.push(Event::CaughtUp { client });
            }
        }
        events.into_iter().for_each(|event| self.tell(event));
    }

    fn look_at_the_clock(&mut self, context: &mut Context<'_>) -> bool {
        let Some(deadline) = self.hub.deadline() else { return false };
        let deadline = self.started + deadline;
        if self.timer.deadline() != deadline {
            self.timer.as_mut().reset(deadline);
        }
        if self.timer.as_mut().poll(context).is_pending() {
            return false;
        }
        self.tell(Event::Timeout);
        true
    }

    fn carry_out(&mut self) {
        while let Some(command) = self.hub.poll() {
            match command {
                Command::Send { to, frame } => self.send(&to, &frame),
                Command::Close { client, reason } => {
                    match reason {
                        Some(reason) => self.tell_closed(client, &reason),
                        None => debug!(client = client.0, "connection closed"),
                    }
                    if let Some(mut connection) = self.connections.remove(&client) {
                        connection.write_now();
                    }
                }
                Command::Stop => self.stop = true,
            }
        }
    }

    /// Says whom the hub sends away and why, once.
    fn tell_closed(&mut self, client: ClientId, reason: &str) {
        let who = self.connections.get(&client).map_or("a client", |connection| &*connection.who);
        if self.told.len() >= MAX_TOLD {
            self.told.clear();
        }
        let what = format!("the connection of {who} is closed: {reason}");
        if !self.told.contains(&what) {
            warn!("{what}");
            self.told.insert(what);
        }
    }

    fn send(&mut self, to: &[ClientId], frame: &ToClient) {
        if let ToClient::Membership(membership) = frame {
            let members: Vec<u32> = membership.members.iter().map(|member| member.id.0).collect();
            let hosts: Vec<u32> = membership.hosts.iter().map(|host| host.id.0).collect();
            let (number, votes, expected_votes) = (membership.number, membership.votes, membership.expected_votes);
            info!(number, ?hosts, ?members, votes, expected_votes, quorate = membership.quorate, "membership");
        }
        let bytes: Arc<[u8]> = frame.encode().into();
        for client in to {
            if let Some(connection) = self.connections.get_mut(client).filter(|connection| !connection.deaf) {
                connection.waiting_bytes += bytes.len();
                connection.waiting.push_back(Arc::clone(&bytes));
            }
        }
    }
}

impl Connection {
    fn read(&mut self, buffer: &mut [u8], context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        loop {
            std::task::ready!(self.stream.poll_read_ready(context))?;
            match self.stream.try_read(buffer) {
                // It was not ready after all; ask again, so that the waker is registered.
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                read => return Poll::Ready(read),
            }
        }
    }

    /// Writes until the kernel takes no more; whether anything was written.
    fn write(&mut self, context: &mut Context<'_>) -> io::Result<bool> {
        let mut wrote = false;
        while !self.waiting.is_empty() {
            match self.stream.poll_write_ready(context) {
                Poll::Pending => break,
                Poll::Ready(ready) => ready?,
            }
            wrote |= self.write_some()?;
        }
        Ok(wrote)
    }

    /// Writing failed, as a rule because the client has gone. Reading will find its end. Something happened: true.
    fn become_deaf(&mut self) -> bool {
        self.deaf = true;
        self.waiting.clear();
        (self.waiting_bytes, self.written) = (0, 0);
        true
    }

    /// The last words to a client that is closed; what the kernel does not take at once is lost with it.
    fn write_now(&mut self) {
        while !self.waiting.is_empty() && self.write_some().is_ok_and(|wrote| wrote) {}
    }

    fn write_some(&mut self) -> io::Result<bool> {
        let Some(first) = self.waiting.front() else { return Ok(false) };
        match self.stream.try_write(&first[self.written..]) {
            Ok(count) => {
                self.written += count;
                self.waiting_bytes -= count;
                if self.written == first.len() {
                    self.waiting.pop_front();
                    self.written = 0;
                }
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        }
    }
}
