//! A node's pid 1, or a service's: keeps its presence at the hub if there is one, runs the daemon and starts it again when it dies, reaps what is left.
//! What the daemon does is the daemon's.
//!
//! Synchronous and single-threaded, for it must be small and must not fail: everything it waits for — signals, the hub
//! going away, the time to start again — is one `poll`. Call it before anything makes a thread, since signals that are
//! to arrive at its descriptor must be blocked in all of them.

use std::collections::VecDeque;
use std::ffi::{CString, OsString};
use std::fmt;
use std::os::fd::AsFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use embedded::{Identity, Presence, SocketPath};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::spawn::{PosixSpawnAttr, PosixSpawnFileActions, PosixSpawnFlags, posix_spawn};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use tracing::{info, warn};

/// The wait before the hub is asked again for our presence: a hub that is restarted is back within it, and a hub that
/// is gone for long is not pestered.
const PRESENCE_WAIT: Duration = Duration::from_secs(1);

/// Where this host's presence is held: at the hub of the embedded engine.
#[derive(Clone, Debug)]
pub struct At {
    /// Where the hub listens.
    pub socket: SocketPath,
    /// This node.
    pub identity: Identity,
}

/// What to run, and where the hub is.
#[derive(Clone, Debug)]
pub struct Supervise {
    /// The hub; none on Corosync, which is its host's presence itself.
    pub hub: Option<At>,
    /// The daemon's program: as a rule the one that is running.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// How often it is started again.
    pub bounds: Bounds,
}

/// How often a daemon that dies is started again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounds {
    /// So many times …
    pub restarts: usize,
    /// … within so long; the next death ends the supervisor, and with it the node, so that its resources may move.
    pub window: Duration,
    /// The wait before each start again.
    pub wait: Duration,
}

impl Default for Bounds {
    /// Five times a minute: a daemon that dies of something passing gets over it, one that cannot work at all is known
    /// within seconds. A fifth of a second between keeps a daemon that cannot start from taking a processor, and is
    /// short beside the time its resources can go unwatched.
    fn default() -> Bounds {
        Bounds { restarts: 5, window: Duration::from_secs(60), wait: Duration::from_millis(200) }
    }
}

/// Runs the daemon until it ends cleanly, or is told to end and does, or dies too often (an error). Gives the exit code
/// to end with: the daemon's. The presence is given up last, so that the hub sees the daemon leave before the host.
pub fn supervise(what: &Supervise) -> anyhow::Result<u8> {
    let mut signals = SigSet::empty();
    [Signal::SIGCHLD, Signal::SIGTERM, Signal::SIGINT].into_iter().for_each(|signal| signals.add(signal));
    signals.thread_block().context("blocking signals")?;
    let signals = SignalFd::with_flags(&signals, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)
        .context("making a descriptor for signals")?;
    let mut supervisor = Supervisor {
        what,
        signals,
        presence: None,
        presence_at: what.hub.as_ref().map(|_| Instant::now()),
        presence_error: String::new(),
        daemon: None,
        start_at: Some(Instant::now()),
        deaths: VecDeque::new(),
        stopping: false,
    };
    loop {
        if let Some(code) = supervisor.turn()? {
            return Ok(code);
        }
    }
}

/// How a daemon ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    Exited(u8),
    Killed(Signal),
    NotStarted(Errno),
}

impl End {
    /// The exit code that tells of it, as a shell would give it.
    fn code(self) -> u8 {
        match self {
            End::Exited(code) => code,
            // Linux has 64 signals, so the sum fits.
            End::Killed(signal) => 128 + signal as u8,
            End::NotStarted(_) => 127,
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            End::Exited(code) => write!(f, "it ended with exit code {code}"),
            End::Killed(signal) => write!(f, "it was ended by {signal}"),
            End::NotStarted(error) => write!(f, "it could not be started: {error}"),
        }
    }
}

struct Supervisor<'a> {
    what: &'a Supervise,
    signals: SignalFd,
    presence: Option<Presence>,
    /// When to ask for our presence; none while it is held, or nobody is to be asked.
    presence_at: Option<Instant>,
    /// Why it is not held, so that each reason is logged once.
    presence_error: String,
    daemon: Option<Pid>,
    /// When to start the daemon; none while it runs.
    start_at: Option<Instant>,
    /// When the daemon died within the window, the oldest first. Never more than the bound.
    deaths: VecDeque<Instant>,
    /// We were told to end; the daemon is not started again.
    stopping: bool,
}

impl Supervisor<'_> {
    /// Does what is due, then waits for what comes next. Gives the exit code when all is done.
    fn turn(&mut self) -> anyhow::Result<Option<u8>> {
        let now = Instant::now();
        if self.presence_at.is_some_and(|at| at <= now) {
            self.take_presence();
        }
        if self.start_at.is_some_and(|at| at <= now) {
            self.start_at = None;
            match self.start() {
                Ok(pid) => {
                    info!(pid = pid.as_raw(), program = %self.what.program.display(), "the daemon was started");
                    self.daemon = Some(pid);
                }
                Err(error) => return self.daemon_ended(End::NotStarted(error)),
            }
        }
        self.wait()?;
        if self.presence.as_mut().is_some_and(|presence| !presence.is_held()) {
            warn!("the hub is gone; its presence is asked for again");
            self.presence = None;
            self.presence_at = Some(Instant::now());
        }
        self.take_signals()?;
        match self.reap()? {
            Some(end) => self.daemon_ended(end),
            // Told to end between two runs of the daemon: there is nothing to wait for.
            None if self.stopping && self.daemon.is_none() => Ok(Some(0)),
            None => Ok(None),
        }
    }

    fn take_presence(&mut self) {
        let Some(At { socket, identity }) = &self.what.hub else {
            self.presence_at = None;
            return;
        };
        match embedded::presence(socket, identity) {
            Ok(presence) => {
                info!(socket = %socket, "this node's presence is held");
                (self.presence, self.presence_at) = (Some(presence), None);
                self.presence_error.clear();
            }
            Err(error) => {
                let error = format!("{:#}", anyhow::Error::from(error));
                if error != self.presence_error {
                    warn!("this node's presence is not held: {error}");
                    self.presence_error = error;
                }
                self.presence_at = Some(Instant::now() + PRESENCE_WAIT);
            }
        }
    }

    fn start(&self) -> Result<Pid, Errno> {
        // The daemon begins with no signal blocked and none ignored, whatever was done to ours.
        let mut attributes = PosixSpawnAttr::init()?;
        attributes.set_flags(PosixSpawnFlags::POSIX_SPAWN_SETSIGMASK | PosixSpawnFlags::POSIX_SPAWN_SETSIGDEF)?;
        attributes.set_sigmask(&SigSet::empty())?;
        attributes.set_sigdefault(&SigSet::all())?;
        let text = |text: OsString| CString::new(text.into_vec()).map_err(|_| Errno::EINVAL);
        let program = self.what.program.clone().into_os_string();
        let arguments = std::iter::once(program).chain(self.what.arguments.iter().cloned());
        let arguments = arguments.map(text).collect::<Result<Vec<_>, _>>()?;
        let variable = |(name, value): (OsString, OsString)| {
            CString::new([name.as_bytes(), b"=", value.as_bytes()].concat()).map_err(|_| Errno::EINVAL)
        };
        let environment = std::env::vars_os().map(variable).collect::<Result<Vec<_>, _>>()?;
        let files = PosixSpawnFileActions::init()?;
        posix_spawn(&self.what.program, &files, &attributes, &arguments, &environment)
    }

    /// Waits for a signal, for the hub to go away, or until something is due.
    fn wait(&self) -> anyhow::Result<()> {
        let due = self.presence_at.into_iter().chain(self.start_at).min();
        let timeout = match due.map(|due| due.saturating_duration_since(Instant::now())) {
            None => PollTimeout::NONE,
            // Rounded up, so that we do not come back a little early again and again.
            Some(left) => PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX),
        };
        let mut descriptors = vec![PollFd::new(self.signals.as_fd(), PollFlags::POLLIN)];
        descriptors.extend(self.presence.as_ref().map(|presence| PollFd::new(presence.as_fd(), PollFlags::POLLIN)));
        match poll(&mut descriptors, timeout) {
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(error) => Err(error).context("waiting for signals"),
        }
    }

    fn take_signals(&mut self) -> anyhow::Result<()> {
        while let Some(taken) = self.signals.read_signal().context("reading signals")? {
            let number = i32::try_from(taken.ssi_signo).context("reading signals")?;
            let signal = Signal::try_from(number).context("reading signals")?;
            if signal == Signal::SIGCHLD {
                continue;
            }
            info!(%signal, "we are told to end");
            self.stopping = true;
            self.start_at = None;
            if let Some(daemon) = self.daemon {
                // It may have died already; then it is reaped next.
                let _ = kill(daemon, signal);
            }
        }
        Ok(())
    }

    /// Reaps all that have ended, strangers that were left to us included. Gives the daemon's end, if it is among them.
    fn reap(&mut self) -> anyhow::Result<Option<End>> {
        let mut daemon_end = None;
        loop {
            let (pid, end) = match waitpid(None::<Pid>, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::Exited(pid, code)) => (pid, End::Exited(code.to_le_bytes()[0])),
                Ok(WaitStatus::Signaled(pid, signal, _)) => (pid, End::Killed(signal)),
                Ok(WaitStatus::StillAlive) | Err(Errno::ECHILD) => return Ok(daemon_end),
                Ok(_) | Err(Errno::EINTR) => continue,
                Err(error) => return Err(error).context("reaping processes"),
            };
            if self.daemon == Some(pid) {
                self.daemon = None;
                daemon_end = Some(end);
            }
        }
    }

    fn daemon_ended(&mut self, end: End) -> anyhow::Result<Option<u8>> {
        if self.stopping || end == End::Exited(0) {
            info!("the daemon has ended: {end}");
            return Ok(Some(end.code()));
        }
        let Bounds { restarts, window, wait } = self.what.bounds;
        let now = Instant::now();
        self.deaths.retain(|death| now.saturating_duration_since(*death) < window);
        if self.deaths.len() >= restarts {
            let times = restarts + 1;
            let error = anyhow::anyhow!("the daemon died {times} times within {window:?}, lastly: {end}");
            return Err(error.context("giving the node up; see what the daemon logged before it died"));
        }
        self.deaths.push_back(now);
        warn!(deaths = self.deaths.len(), "the daemon died and is started again: {end}");
        self.start_at = Some(now + wait);
        Ok(None)
    }
}
