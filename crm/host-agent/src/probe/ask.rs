//! The side that sends packets, and measures what comes back.

use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _, UdpSocket};
use std::os::fd::AsFd as _;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use wire::host::{ProbeTarget, Probed, ProbedPath};

use super::pause::Pauses;
use super::{MAX_PACKET, MAX_RATE, MAX_TARGETS, Packet, address, check_session, headers, socket};

/// What comes later is lost: a token of Corosync's is a second.
const LATE: Duration = Duration::from_secs(1);
/// Each length is tried so often, and so long is waited for it: what a switch drops once, it may pass the next time.
const TRIES: usize = 3;
const TRY_TIME: Duration = Duration::from_millis(150);
/// A host agent that does not answer by then is not reached.
const AGENT_TIME: Duration = Duration::from_secs(2);
/// What Corosync puts into a packet: headers, a digest, and the message that tells the token.
const USUAL: usize = 256;

/// One place that is asked.
struct Asked {
    path: ProbedPath,
    socket: Option<UdpSocket>,
    headers: usize,
    /// When each packet was sent, by its number.
    sent: Vec<Instant>,
    last_us: Option<u64>,
    largest: Largest,
}

/// The search for the largest packet that comes back.
struct Largest {
    passes: Option<usize>,
    fails: usize,
    came: bool,
}

/// Numbers of packets that look for the largest begin here.
const TRIALS: u64 = 1 << 40;

/// What every network takes; where not even this comes back, nothing does.
const LEAST_USUAL: usize = 576;
/// What most take.
const ETHERNET: usize = 1500;

impl Largest {
    /// The next length to try; nothing once it is known. What networks commonly have comes first, so that the search is
    /// short where it is that.
    fn next(&self) -> Option<usize> {
        let between = |passes: usize| (passes + 1 < self.fails).then_some((passes + self.fails) / 2);
        match self.passes {
            None => (self.fails > LEAST_USUAL).then_some(LEAST_USUAL),
            Some(MAX_PACKET) => None,
            Some(_) if self.fails > MAX_PACKET => Some(MAX_PACKET),
            Some(passes) if passes < ETHERNET && self.fails > ETHERNET => Some(ETHERNET),
            Some(ETHERNET) if self.fails > ETHERNET + 1 => Some(ETHERNET + 1),
            Some(passes) => between(passes),
        }
    }
}

/// Asks all of these for so long, at this rate each.
///
/// # Errors
/// When too much is wished.
pub fn ask(
    session: &str,
    seconds: u32,
    rate: u32,
    to: &[ProbeTarget],
    clock: &dyn Fn() -> u64,
) -> anyhow::Result<Probed> {
    check_session(session, seconds)?;
    ensure!((1..=MAX_RATE).contains(&rate), "expected a rate of 1 to {MAX_RATE} packets a second, not {rate}");
    ensure!(to.len() <= MAX_TARGETS, "at most {MAX_TARGETS} addresses are probed by one host");
    let agents = reach_agents(to);
    let mut all: Vec<Asked> = to.iter().zip(agents).map(|(target, agent)| begin(target, agent)).collect();
    look_for_largest(&mut all, session);
    let pauses = Pauses::watch();
    let start = Instant::now();
    let (end, between) = (start + Duration::from_secs(u64::from(seconds)), Duration::from_secs(1) / rate);
    let mut due = start;
    while due < end {
        for asked in &mut all {
            asked.send(session);
        }
        due += between;
        // Who was kept from running sends no bursts afterwards.
        due = due.max(Instant::now());
        receive(&mut all, session, due.min(end), clock);
    }
    let pause_us = pauses.end();
    receive(&mut all, session, Instant::now() + LATE, clock);
    Ok(Probed { paths: all.into_iter().map(|asked| asked.path).collect(), pause_us })
}

/// Whether each host agent can be reached, all at once.
fn reach_agents(to: &[ProbeTarget]) -> Vec<Option<bool>> {
    let reach = |agent: &str| {
        let mut found = agent.to_socket_addrs().ok().into_iter().flatten();
        found.any(|address| TcpStream::connect_timeout(&address, AGENT_TIME).is_ok())
    };
    std::thread::scope(|scope| {
        let asked: Vec<_> =
            to.iter().map(|target| target.agent.as_deref().map(|agent| scope.spawn(move || reach(agent)))).collect();
        asked.into_iter().map(|thread| Some(thread?.join().unwrap_or(false))).collect()
    })
}

fn begin(target: &ProbeTarget, agent: Option<bool>) -> Asked {
    let opened = address(&target.address).and_then(|ip| {
        let any: std::net::IpAddr =
            if ip.is_ipv4() { std::net::Ipv4Addr::UNSPECIFIED.into() } else { std::net::Ipv6Addr::UNSPECIFIED.into() };
        let socket = socket(SocketAddr::new(any, 0)).context("opening a socket")?;
        socket
            .connect(SocketAddr::new(ip, target.port))
            .with_context(|| format!("no way leads to {}", target.address))?;
        Ok((socket, headers(ip)))
    });
    let reason = opened.as_ref().err().map(|error| format!("{error:#}"));
    let headers = opened.as_ref().map_or(0, |(_, headers)| *headers);
    Asked {
        path: ProbedPath { host: target.host.clone(), link: target.link, agent, reason, ..ProbedPath::default() },
        socket: opened.ok().map(|(socket, _)| socket),
        headers,
        sent: Vec::new(),
        last_us: None,
        largest: Largest { passes: None, fails: MAX_PACKET + 1, came: false },
    }
}

impl Asked {
    fn send(&mut self, session: &str) {
        let Some(socket) = &self.socket else { return };
        let number = self.sent.len() as u64;
        self.sent.push(Instant::now());
        self.path.sent += 1;
        // One that cannot be sent is lost; a full buffer is what a flooded network is.
        let _ = socket.send(&Packet::question(session, number, USUAL));
    }

    /// Takes in what has come.
    fn take(&mut self, session: &str, clock: &dyn Fn() -> u64) {
        let Some(socket) = &self.socket else { return };
        let mut bytes = vec![0; MAX_PACKET];
        while let Ok(length) = socket.recv(&mut bytes) {
            let now = Instant::now();
            let Some(packet) = Packet::read(&bytes[..length], session) else { continue };
            if packet.number >= TRIALS {
                let tried = usize::try_from(packet.number - TRIALS).unwrap_or(usize::MAX);
                self.largest.came |= tried == length + self.headers;
                continue;
            }
            let Some(sent) = usize::try_from(packet.number).ok().and_then(|number| self.sent.get(number)) else {
                continue;
            };
            let trip = now.saturating_duration_since(*sent);
            if trip > LATE {
                continue;
            }
            let us = u64::try_from(trip.as_micros()).unwrap_or(u64::MAX).max(1);
            let path = &mut self.path;
            path.came += 1;
            path.total_us += us;
            path.most_us = path.most_us.max(us);
            path.jitter_us += self.last_us.map_or(0, |last| last.abs_diff(us));
            self.last_us = Some(us);
            if path.least_us == 0 || us < path.least_us {
                path.least_us = us;
                // When it answered, half the way was over.
                let here = i64::try_from(clock()).unwrap_or(0) - i64::try_from(us / 2000).unwrap_or(0);
                path.clock_ms = Some(i64::try_from(packet.clock).unwrap_or(i64::MAX).saturating_sub(here));
            }
        }
    }
}

/// Takes in what comes until then.
fn receive(all: &mut [Asked], session: &str, until: Instant, clock: &dyn Fn() -> u64) {
    loop {
        let left = until.saturating_duration_since(Instant::now());
        // The kernel waits whole milliseconds; what is left of one is waited for in the next.
        let wait = PollTimeout::try_from(left).unwrap_or(PollTimeout::ZERO);
        let sockets = all.iter().filter_map(|asked| asked.socket.as_ref());
        let mut waits: Vec<PollFd<'_>> = sockets.map(|socket| PollFd::new(socket.as_fd(), PollFlags::POLLIN)).collect();
        // Interrupted or not, what has come is taken in.
        let _ = poll(&mut waits, wait);
        for asked in all.iter_mut() {
            asked.take(session, clock);
        }
        if left < Duration::from_millis(1) {
            return std::thread::sleep(left);
        }
    }
}

/// The largest packet that comes back from each, all at the same time.
fn look_for_largest(all: &mut [Asked], session: &str) {
    loop {
        let lengths: Vec<Option<usize>> =
            all.iter().map(|asked| asked.socket.as_ref().and_then(|_| asked.largest.next())).collect();
        if lengths.iter().all(Option::is_none) {
            break;
        }
        all.iter_mut().for_each(|asked| asked.largest.came = false);
        for _ in 0..TRIES {
            for (asked, length) in all.iter().zip(&lengths) {
                let (Some(length), Some(socket), false) = (length, &asked.socket, asked.largest.came) else { continue };
                let number = TRIALS + *length as u64;
                // Longer than this host's own network takes is refused at once, which is an answer.
                let _ = socket.send(&Packet::question(session, number, length.saturating_sub(asked.headers)));
            }
            let end = Instant::now() + TRY_TIME;
            while Instant::now() < end
                && all.iter().zip(&lengths).any(|(asked, length)| length.is_some() && !asked.largest.came)
            {
                receive(all, session, Instant::now() + Duration::from_millis(5), &|| 0);
            }
        }
        for (asked, length) in all.iter_mut().zip(&lengths) {
            match length {
                Some(length) if asked.largest.came => asked.largest.passes = Some(*length),
                Some(length) => asked.largest.fails = *length,
                None => {}
            }
        }
    }
    for asked in all {
        asked.path.mtu = asked.largest.passes.and_then(|length| u32::try_from(length).ok());
    }
}
