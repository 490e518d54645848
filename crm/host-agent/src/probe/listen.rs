//! The side that gives packets back.

use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsFd as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use wire::host::Listens;

use super::{MAX_ADDRESSES, MAX_PACKET, MAX_SESSIONS, Packet, address, check_session, socket};
use crate::about::clock;

/// What is left unread for the moment does not keep others waiting.
const AT_ONCE: usize = 64;
/// How often it is looked whether the time is over.
const LOOK: u16 = 100;

/// A session that listens.
struct Session {
    word: String,
    end: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

/// Those that listen now, or did a moment ago.
static SESSIONS: Mutex<Vec<Session>> = Mutex::new(Vec::new());

fn sessions() -> MutexGuard<'static, Vec<Session>> {
    SESSIONS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ends a session, so that its ports are free again when this returns. One that is over already is no error.
///
/// # Errors
/// When that is no session's word.
pub fn end(session: &str) -> anyhow::Result<()> {
    check_session(session, 1)?;
    let over: Vec<Session> = sessions().extract_if(.., |one| one.word == session).collect();
    for one in over {
        one.end.store(true, Ordering::SeqCst);
        // A thread that panicked has let its ports go as well.
        let _ = one.thread.join();
    }
    Ok(())
}

/// Gives back what comes at these addresses, on a thread of its own, for so long. A port that somebody else holds, as
/// Corosync does its own, is replaced by one that is free.
///
/// # Errors
/// When too much is wished, or too many sessions are under way.
pub fn listen(session: &str, seconds: u32, at: &[(String, u16)]) -> anyhow::Result<Vec<Listens>> {
    check_session(session, seconds)?;
    ensure!(at.len() <= MAX_ADDRESSES, "a host listens at at most {MAX_ADDRESSES} addresses");
    let mut all = sessions();
    all.retain(|one| !one.thread.is_finished());
    ensure!(all.len() < MAX_SESSIONS, "{MAX_SESSIONS} probes are under way on this host: wait for their end");
    let (mut sockets, mut listens) = (Vec::new(), Vec::new());
    for (text, wished) in at {
        let bound = open(text, *wished);
        let port = bound.as_ref().ok().and_then(|socket| Some(socket.local_addr().ok()?.port()));
        let reason = bound.as_ref().err().map(|error| format!("{error:#}"));
        listens.push(Listens { address: text.clone(), wished: *wished, port, reason });
        sockets.extend(bound.ok());
    }
    let (word, until) = (session.to_owned(), Instant::now() + Duration::from_secs(u64::from(seconds)));
    let end = Arc::new(AtomicBool::new(false));
    let (asked, ended) = (word.clone(), end.clone());
    let thread = std::thread::Builder::new()
        .name("probes".into())
        .spawn(move || give_back(&sockets, &asked, until, &ended))
        .context("starting a thread for probes")?;
    all.push(Session { word, end, thread });
    Ok(listens)
}

fn open(text: &str, port: u16) -> anyhow::Result<UdpSocket> {
    let ip = address(text)?;
    let busy = |error: &std::io::Error| error.kind() == std::io::ErrorKind::AddrInUse;
    let opened = match socket(SocketAddr::new(ip, port)) {
        Err(error) if busy(&error) => socket(SocketAddr::new(ip, 0)),
        opened => opened,
    };
    opened.with_context(|| format!("listening at {text}"))
}

fn give_back(sockets: &[UdpSocket], session: &str, until: Instant, ended: &AtomicBool) {
    let mut packet = vec![0; MAX_PACKET];
    while Instant::now() < until && !ended.load(Ordering::SeqCst) && !sockets.is_empty() {
        let mut waits: Vec<PollFd<'_>> =
            sockets.iter().map(|socket| PollFd::new(socket.as_fd(), PollFlags::POLLIN)).collect();
        if poll(&mut waits, PollTimeout::from(LOOK)).is_err() {
            continue;
        }
        for socket in sockets {
            for _ in 0..AT_ONCE {
                let Ok((length, from)) = socket.recv_from(&mut packet) else { break };
                if Packet::answer(&mut packet[..length], session, clock()) {
                    // An answer that cannot be sent is one that is lost, and counted as that by who waits for it.
                    let _ = socket.send_to(&packet[..length], from);
                }
            }
        }
    }
}
