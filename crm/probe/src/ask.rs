//! Questions at their time, each a task of its own that waits for no other, and answers as they come.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use crate::echo::Echo;
use crate::lock::{self, Tried};
use crate::record::Event;
use crate::rpc;
use crate::target::Target;

/// Questions to one target that wait for their answers. More of them say no more about the service.
const IN_FLIGHT: usize = 512;
/// The version that is asked for; a server that has only another one answers as well.
const NFS_VERSION: u32 = 4;
/// How often a lock is tried: each try is two calls of the server.
const LOCK_EVERY: Duration = Duration::from_millis(200);

/// How often to ask, and how long to wait.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Between two questions.
    pub every: Duration,
    /// For an answer.
    pub patience: Duration,
}

/// What happened, when, to which target.
pub type Happened = (usize, u64, Event);

/// Microseconds since 1970.
pub fn now_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// Asks a target until nobody wants to hear it any more.
///
/// # Errors
/// When questions of this kind cannot be asked on this host at all.
pub async fn ask(number: usize, target: Target, pace: Pace, tell: mpsc::Sender<Happened>) -> io::Result<()> {
    match target {
        Target::Tcp(to) => connections(number, to, false, pace, tell).await,
        Target::Nfs(to) => connections(number, to, true, pace, tell).await,
        Target::Icmp(to) => {
            let echo = Echo::open(to, std::process::id() as u16)?;
            echoes(number, echo, pace, tell).await
        }
        Target::Lock(file) => locks(number, file, tell).await,
    }
}

async fn connections(
    number: usize,
    to: SocketAddr,
    is_nfs: bool,
    pace: Pace,
    tell: mpsc::Sender<Happened>,
) -> io::Result<()> {
    let places = std::sync::Arc::new(tokio::sync::Semaphore::new(IN_FLIGHT));
    let mut ticks = interval(pace.every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        ticks.tick().await;
        let Ok(place) = std::sync::Arc::clone(&places).try_acquire_owned() else { continue };
        if tell.send((number, now_us(), Event::Asked)).await.is_err() {
            return Ok(());
        }
        let tell = tell.clone();
        tokio::spawn(async move {
            let question = async {
                let stream = TcpStream::connect(to).await?;
                if is_nfs { null(stream).await } else { Ok(()) }
            };
            let event = match timeout(pace.patience, question).await {
                Ok(Ok(())) => Event::Answered,
                Ok(Err(error)) => Event::Failed(error.to_string()),
                Err(_) => Event::Failed(format!("no answer within {} ms", pace.patience.as_millis())),
            };
            drop(place);
            // Who does not listen any more needs no answer.
            let _ = tell.send((number, now_us(), event)).await;
        });
    }
}

/// Asks an NFS server for a sign of life.
async fn null(mut stream: TcpStream) -> io::Result<()> {
    stream.write_all(&rpc::question(NFS_VERSION)).await?;
    let mut answer = [0; rpc::ANSWER];
    stream.read_exact(&mut answer).await?;
    rpc::answer(&answer).map_err(io::Error::other)
}

async fn echoes(number: usize, echo: Echo, pace: Pace, tell: mpsc::Sender<Happened>) -> io::Result<()> {
    let mut ticks = interval(pace.every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let (mut question, mut last_heard) = (0u16, Instant::now());
    loop {
        let event = tokio::select! {
            _ = ticks.tick() => {
                question = question.wrapping_add(1);
                let asked = echo.ask(question).await;
                if tell.send((number, now_us(), Event::Asked)).await.is_err() {
                    return Ok(());
                }
                match asked {
                    Err(error) => Event::Failed(error.to_string()),
                    Ok(()) if last_heard.elapsed() > pace.patience => {
                        Event::Failed(format!("no answer within {} ms", pace.patience.as_millis()))
                    }
                    Ok(()) => continue,
                }
            }
            heard = echo.hear() => match heard {
                Ok(None) => continue,
                Ok(Some(_)) => {
                    last_heard = Instant::now();
                    Event::Answered
                }
                Err(error) => Event::Failed(error.to_string()),
            },
        };
        if tell.send((number, now_us(), event)).await.is_err() {
            return Ok(());
        }
    }
}

async fn locks(number: usize, file: PathBuf, tell: mpsc::Sender<Happened>) -> io::Result<()> {
    let mut ticks = interval(LOCK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        ticks.tick().await;
        if tell.send((number, now_us(), Event::Asked)).await.is_err() {
            return Ok(());
        }
        let file = file.clone();
        // The kernel waits for the server; this thread with it, and nobody else.
        let tried = tokio::task::spawn_blocking(move || lock::attempt(&file)).await;
        let event = match tried.map_err(io::Error::other).flatten() {
            Ok(Tried::Refused) => Event::Answered,
            Ok(Tried::Got) => Event::Lost,
            Err(error) => Event::Failed(error.to_string()),
        };
        if tell.send((number, now_us(), event)).await.is_err() {
            return Ok(());
        }
    }
}
