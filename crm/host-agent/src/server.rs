//! The service: connections are few and short, each call is authorised and logged, and nothing is done but what
//! `wire::host::Call` lists.

use core::net::IpAddr;
use std::collections::BTreeMap;
use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use rustls::crypto::ring;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use tracing::{info, warn};
use wire::host::{Answer, Call, Content, Denied, Envelope, MAX_LINE, PROTOCOL, Unit};

use crate::about::{about, host_name};
use crate::identity::Identity;
use crate::paths::Paths;
use crate::throttle::Throttle;
use crate::tokens::{self, Tokens};
use crate::{disk, keepalived, operation, pam, probe, qdevice, qnetd, units};

/// Connections at a time: each is a thread. A cluster's commands need one each.
const MAX_CONNECTIONS: usize = 64;
/// And from one address, so that one cannot take them all.
const MAX_FROM_ONE: usize = 16;
/// A reload takes a moment on each node.
const RELOAD_TIME: Duration = Duration::from_secs(20);
/// How soon Corosync is asked again: a new membership takes about a token's time.
const RELOAD_AGAIN: Duration = Duration::from_millis(500);
/// A pause after `accept` failed, as it does without free descriptors: else it would fail as fast as it can be called.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long callers may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// To say what they want, handshake included.
    pub request: Duration,
    /// To take the answer.
    pub answer: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { request: Duration::from_secs(10), answer: Duration::from_secs(10) }
    }
}

/// Serves until the process ends.
///
/// # Errors
/// When TLS cannot be set up with this identity.
pub fn serve(listener: &TcpListener, paths: &Paths, identity: Identity, limits: Limits) -> anyhow::Result<()> {
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .context("setting TLS up")?
        .with_no_client_auth()
        .with_single_cert(vec![identity.certificate], identity.key)
        .context("the certificate and the key do not belong together")?;
    let agent = Arc::new(Agent {
        paths: paths.clone(),
        config: Arc::new(config),
        limits,
        started: Instant::now(),
        throttle: Mutex::default(),
        callers: Mutex::default(),
    });
    loop {
        let (stream, address) = match listener.accept() {
            Ok(accepted) => accepted,
            Err(error) => {
                warn!("accepting a connection: {error}");
                std::thread::sleep(ACCEPT_PAUSE);
                continue;
            }
        };
        let address = address.ip().to_canonical();
        let Some(place) = agent.place_for(address) else { continue };
        let agent = agent.clone();
        let thread = std::thread::Builder::new().name("caller".into()).spawn(move || {
            agent.attend(stream, address);
            drop(place);
        });
        if let Err(error) = thread {
            warn!("no thread for a caller: {error}");
        }
    }
}

struct Agent {
    paths: Paths,
    config: Arc<ServerConfig>,
    limits: Limits,
    started: Instant,
    throttle: Mutex<Throttle>,
    callers: Mutex<BTreeMap<IpAddr, usize>>,
}

/// A caller's place among the connections; free again when dropped.
struct Place {
    agent: Arc<Agent>,
    address: IpAddr,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut callers = self.agent.callers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = callers.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                callers.remove(&self.address);
            }
        }
    }
}

impl Agent {
    /// A place, if there is one: else the connection is closed without a word, which costs least.
    fn place_for(self: &Arc<Agent>, address: IpAddr) -> Option<Place> {
        let mut callers = self.callers.lock().unwrap_or_else(PoisonError::into_inner);
        if callers.values().sum::<usize>() >= MAX_CONNECTIONS {
            return None;
        }
        let count = callers.entry(address).or_default();
        if *count >= MAX_FROM_ONE {
            return None;
        }
        *count += 1;
        Some(Place { agent: self.clone(), address })
    }

    fn attend(&self, stream: TcpStream, address: IpAddr) {
        let Ok(connection) = ServerConnection::new(self.config.clone()) else { return };
        let timed = Timed { stream, until: Instant::now() + self.limits.request };
        let mut tls = StreamOwned::new(connection, timed);
        let envelope = match read(&mut tls) {
            Ok(envelope) => envelope,
            Err(error) => {
                // Port scanners and load balancers' checks come all the time: no warning.
                info!(%address, "no call: {error:#}");
                let reason = format!("no call was understood: {error:#}");
                self.give(&mut tls, &Answer::Refused { why: Denied::Garbled, reason });
                return;
            }
        };
        let answer = self.answer(address, envelope);
        self.give(&mut tls, &answer);
    }

    fn give(&self, tls: &mut StreamOwned<ServerConnection, Timed>, answer: &Answer) {
        tls.sock.until = Instant::now() + self.limits.answer;
        let Ok(mut line) = serde_json::to_vec(answer) else { return };
        line.push(b'\n');
        // A caller that has gone needs no answer; what was done is logged.
        let _ = tls.write_all(&line).and_then(|()| {
            tls.conn.send_close_notify();
            tls.flush()
        });
    }

    fn answer(&self, address: IpAddr, envelope: Envelope) -> Answer {
        let refused = |why, reason: String| Answer::Refused { why, reason };
        if envelope.protocol > PROTOCOL {
            let reason =
                format!("the caller speaks protocol {}, this host {PROTOCOL}: upgrade Systole here", envelope.protocol);
            return refused(Denied::Garbled, reason);
        }
        let now = self.started.elapsed();
        let wait = self.throttle.lock().unwrap_or_else(PoisonError::into_inner).wait(address, now);
        if let Some(wait) = wait {
            let reason = format!("too many wrong tokens came from {address}: try again in {} s", wait.as_secs() + 1);
            return refused(Denied::Later, reason);
        }
        let name = call_name(&envelope.call);
        let by = match self.authorise(&envelope) {
            Ok(Some(by)) => by,
            Ok(None) => {
                let count = self.throttle.lock().unwrap_or_else(PoisonError::into_inner).wrong(address, now);
                warn!(%address, call = name, wrong_tries = count, "refused: a token or a password that is not known here");
                let reason = match envelope.call {
                    Call::Login { .. } => {
                        "the user or the password is wrong, or the user is not in the group haclient on that host"
                    }
                    _ => {
                        "the token is not known on that host: it was used before, is too old, or was revoked; make a new \
                         one there with `systole host-agent token`"
                    }
                };
                return refused(Denied::Token, reason.into());
            }
            Err(error) => return refused(Denied::Failed, format!("{error:#}")),
        };
        let result = self.perform(envelope.call, &by);
        match &result {
            Ok(_) => info!(%address, by, call = name, "done"),
            Err(error) => warn!(%address, by, call = name, "failed: {error:#}"),
        }
        result.unwrap_or_else(|error| refused(Denied::Failed, format!("{error:#}")))
    }

    /// Who calls; nobody if the token is wrong.
    fn authorise(&self, envelope: &Envelope) -> anyhow::Result<Option<String>> {
        let tokens = Tokens::load(&self.paths)?;
        match (&envelope.call, &envelope.access) {
            // Whether the join token is right is seen when it is traded; a guess counts as one.
            (Call::Enroll { token, by }, _) => {
                Ok(tokens.has_join(token, crate::about::clock() / 1000).then(|| by.clone()))
            }
            (Call::Login { user, password, by }, _) => {
                Ok(pam::knows(user, &password.0)?.then(|| format!("{user}@{by}")))
            }
            (_, Some(access)) => Ok(tokens.caller(access).map(|access| access.by.clone())),
            (_, None) => Ok(None),
        }
    }

    fn perform(&self, call: Call, caller: &str) -> anyhow::Result<Answer> {
        let paths = &self.paths;
        match call {
            Call::Enroll { token, by } => {
                let access = tokens::new()?;
                let now = crate::about::clock() / 1000;
                let traded = Tokens::change(paths, |tokens| tokens.trade(&token, &access, &by, now))?;
                ensure!(traded, "the token was used in this moment by someone else");
                return Ok(Answer::Enrolled { access, host: host_name() });
            }
            Call::Login { .. } => {
                let access = tokens::new()?;
                let now = crate::about::clock() / 1000;
                Tokens::change(paths, |tokens| tokens.add_access(&access, caller, now))?;
                return Ok(Answer::Enrolled { access, host: host_name() });
            }
            Call::About => return Ok(Answer::About(Box::new(about(paths)?))),
            Call::Read { file } => {
                let content = operation::read(paths, file)?.map(Content);
                return Ok(Answer::File { content });
            }
            Call::QnetdSetup => qnetd::set_up(paths)?,
            Call::QnetdAuthority => {
                return Ok(Answer::File { content: qnetd::authority(paths)?.map(Content) });
            }
            Call::QnetdSign { cluster, request } => {
                return Ok(Answer::File { content: Some(Content(qnetd::sign(paths, &cluster, &request.0)?)) });
            }
            Call::QdeviceRequest { cluster, authority } => {
                return Ok(Answer::File { content: Some(Content(qdevice::request(paths, &cluster, &authority.0)?)) });
            }
            Call::QdeviceKeys { certificate } => {
                return Ok(Answer::File { content: Some(Content(qdevice::keys(paths, &certificate.0)?)) });
            }
            Call::Stage { operation, files, whole } => operation::stage(paths, &operation, &files, &whole)?,
            Call::Activate { operation } => operation::activate(paths, &operation)?,
            Call::Undo { operation } => operation::undo(paths, &operation)?,
            Call::Settle { operation } => operation::settle(paths, &operation)?,
            Call::Unit { unit, act } => units::act(unit, act)?,
            Call::Reload => reload()?,
            Call::Keepalived { node, act } => return keepalived::act(&node, act),
            Call::Forget => forget(paths)?,
            Call::ProbeEnd { session } => probe::end(&session)?,
            Call::ProbeListen { session, seconds, at } => {
                return Ok(Answer::Listens(probe::listen(&session, seconds, &at)?));
            }
            Call::Probe { session, seconds, rate, to } => {
                return Ok(Answer::Probed(Box::new(probe::ask(&session, seconds, rate, &to, &crate::about::clock)?)));
            }
        }
        Ok(Answer::Done)
    }
}

/// Lets Corosync read its file again. While its members change it takes nothing and says so; a node that was lost in the
/// middle of an operation is such a change, so it is asked again for a while.
fn reload() -> anyhow::Result<()> {
    let end = Instant::now() + RELOAD_TIME;
    loop {
        let said = units::run("corosync-cfgtool", &["-R"], RELOAD_TIME)?;
        if said.success {
            return Ok(());
        }
        let later = said.text.contains("CS_ERR_TRY_AGAIN") && Instant::now() < end;
        ensure!(later, "corosync-cfgtool -R: {}", said.text.replace('\n', " "));
        std::thread::sleep(RELOAD_AGAIN);
    }
}

/// Moves a cluster's memory aside.
fn forget(paths: &Paths) -> anyhow::Result<()> {
    let running =
        units::states().into_iter().find(|state| state.active && matches!(state.unit, Unit::Corosync | Unit::Systoled));
    if let Some(state) = running {
        anyhow::bail!("{} runs: stop it first", state.unit.name());
    }
    let stamp = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
    for folder in &paths.memory {
        let Ok(meta) = std::fs::metadata(folder) else { continue };
        let mut aside = folder.clone().into_os_string();
        aside.push(format!(".before-{stamp}"));
        disk::move_entries(folder, aside.as_ref(), meta.permissions())?;
    }
    Ok(())
}

fn read(tls: &mut StreamOwned<ServerConnection, Timed>) -> anyhow::Result<Envelope> {
    let mut line = Vec::new();
    BufReader::new(tls.take(MAX_LINE as u64 + 1)).read_until(b'\n', &mut line)?;
    ensure!(line.len() <= MAX_LINE, "more than {MAX_LINE} bytes");
    ensure!(line.ends_with(b"\n"), "the connection ended before the call did");
    Ok(serde_json::from_slice(&line)?)
}

/// The call without what it carries, for the log.
fn call_name(call: &Call) -> String {
    match call {
        Call::Enroll { .. } => "enroll".into(),
        Call::Login { user, .. } => format!("log in as {user:?}"),
        Call::About => "about".into(),
        Call::Stage { operation, files, .. } => {
            let files: Vec<&str> = files.iter().map(|new| new.file.called()).collect();
            format!("stage {operation:?}: {}", files.join(", "))
        }
        Call::Activate { operation } => format!("activate {operation:?}"),
        Call::Undo { operation } => format!("undo {operation:?}"),
        Call::Settle { operation } => format!("settle {operation:?}"),
        Call::Read { file } => format!("read the {}", file.called()),
        Call::Unit { unit, act } => format!("{} {}", act.word(), unit.name()),
        Call::Reload => "reload".into(),
        Call::QnetdSetup => "set QNetd up".into(),
        Call::QnetdAuthority => "read the certificate of QNetd's authority".into(),
        Call::QnetdSign { cluster, .. } => format!("sign the certificate of cluster {cluster:?}"),
        Call::QdeviceRequest { cluster, .. } => format!("make a key for the quorum device of cluster {cluster:?}"),
        Call::QdeviceKeys { .. } => "give the key for the quorum device".into(),
        Call::Keepalived { node, act } => format!("migrate keepalived, {act:?} as {node:?}"),
        Call::Forget => "forget".into(),
        Call::ProbeListen { at, .. } => format!("answer probes at {} addresses", at.len()),
        Call::ProbeEnd { .. } => "answer probes no more".into(),
        Call::Probe { to, .. } => format!("probe {} addresses", to.len()),
    }
}

/// A connection that is over at a certain time, whatever comes.
pub(crate) struct Timed {
    pub(crate) stream: TcpStream,
    pub(crate) until: Instant,
}

impl Timed {
    fn left(&self) -> io::Result<Option<Duration>> {
        match self.until.saturating_duration_since(Instant::now()) {
            Duration::ZERO => Err(io::ErrorKind::TimedOut.into()),
            left => Ok(Some(left)),
        }
    }
}

impl Read for Timed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(self.left()?)?;
        self.stream.read(buffer)
    }
}

impl Write for Timed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(self.left()?)?;
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}
