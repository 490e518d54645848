//! The client: in a namespace of its own it asks the service through its address, again and again, and keeps the times
//! of good answers. The longest silence between two of them is what users of the service feel.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sched::{CloneFlags, unshare};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::clock::{self, ms_between};
use crate::network::{self, Address, Namespace};

/// How often it asks. Each question is a new connection, and does not wait for the one before.
pub const EVERY: Duration = Duration::from_millis(5);

/// How long it waits for an answer. Far more than any answer needs, so that a slow moment is no failure; and short
/// enough that questions into the silence do not pile up (50 of them).
const PATIENCE: Duration = Duration::from_millis(250);

/// More of an answer than this is not read: the lab's own are a line.
const ANSWER_BYTES: u64 = 4096;

/// Half an hour of questions; a lab that is kept up longer forgets the older half.
const MAX_ANSWERS: usize = 360_000;

const CABLE: &str = "port0";

/// What the client asks.
#[derive(Clone, Debug)]
pub struct Question {
    /// The virtual address, and the service's port.
    pub to: SocketAddr,
    /// What a good answer says. Without a service, any sign of life is one: a connection, or a refusal of it.
    pub expected: Option<String>,
}

/// What the client has heard.
#[derive(Clone, Default, Debug)]
pub struct Heard {
    /// When good answers came, in microseconds of the common clock, in order.
    pub answers_us: Vec<u64>,
    /// How many questions were asked.
    pub asked: u64,
    /// How many answers said something else than they should.
    pub wrong: u64,
    /// When the last one of those came, and what it said.
    pub last_wrong: Option<(u64, String)>,
    /// How many questions in a row had a good answer, up to the last one.
    pub in_a_row: u64,
    /// Why the last question had no good answer.
    pub trouble: Option<String>,
}

/// Two answers and nothing between them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Silence {
    /// The last answer before it.
    pub from_us: u64,
    /// The first answer after it, or the moment until which there was none.
    pub to_us: u64,
    /// Whether there was an answer after it.
    pub has_ended: bool,
}

impl Silence {
    /// How long it was.
    pub fn ms(self) -> f64 {
        clock::ms_between(self.from_us, self.to_us)
    }
}

impl Heard {
    /// The longest silence that reached beyond `since_us` and began before `before_us`; the one that goes on at `now_us`
    /// counts too.
    pub fn longest_silence(&self, since_us: u64, before_us: u64, now_us: u64) -> Option<Silence> {
        let pairs =
            self.answers_us.windows(2).map(|pair| Silence { from_us: pair[0], to_us: pair[1], has_ended: true });
        let last = self.answers_us.last().map(|last| Silence { from_us: *last, to_us: now_us, has_ended: false });
        let within = pairs.chain(last).filter(|silence| silence.to_us > since_us && silence.from_us < before_us);
        within.max_by_key(|silence| silence.to_us.saturating_sub(silence.from_us))
    }

    /// How many good answers came since a moment.
    pub fn answers_since(&self, since_us: u64) -> usize {
        self.answers_us.len() - self.answers_us.partition_point(|at| *at < since_us)
    }
}

/// A running client.
pub struct Client {
    heard: Arc<Mutex<Heard>>,
    namespace: Namespace,
}

impl Client {
    /// Starts asking from `address`.
    pub fn start(address: Address, question: Question) -> Result<Self> {
        let heard = Arc::new(Mutex::new(Heard::default()));
        let (made, namespace) = mpsc::channel();
        let (connect, connected) = mpsc::channel::<()>();
        let record = Arc::clone(&heard);
        thread::Builder::new()
            .name("client".to_owned())
            .spawn(move || {
                let mine = unshare(CloneFlags::CLONE_NEWNET).context("making the client's network namespace");
                let mine = mine.and_then(|()| Namespace::of_this_thread());
                let failed = mine.is_err();
                if made.send(mine).is_err() || failed || connected.recv().is_err() {
                    return;
                }
                let ended = network::configure("eth0", address).and_then(|()| ask(&question, &record));
                if let Err(error) = ended {
                    lock(&record).trouble = Some(format!("the client cannot ask: {error:#}"));
                }
            })
            .context("starting the client")?;
        let namespace = namespace.recv().context("starting the client")??;
        network::connect(network::LAN, CABLE, "eth0", &namespace)?;
        connect.send(()).context("starting the client")?;
        Ok(Self { heard, namespace })
    }

    /// What it has heard so far.
    pub fn heard(&self) -> Heard {
        lock(&self.heard).clone()
    }

    /// Whether so many questions in a row had a good answer, the last of them not longer ago than this.
    pub fn is_answered(&self, in_a_row: u64, fresh: Duration) -> bool {
        let heard = lock(&self.heard);
        let last_us = heard.answers_us.last().copied().unwrap_or(0);
        heard.in_a_row >= in_a_row && ms_between(last_us, clock::now_us()) <= fresh.as_secs_f64() * 1000.0
    }

    /// Its network namespace.
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }
}

fn lock(heard: &Mutex<Heard>) -> MutexGuard<'_, Heard> {
    heard.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Asks forever. On one thread, as it alone is in the client's namespace.
fn ask(question: &Question, record: &Arc<Mutex<Heard>>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting the client")?;
    let question = Arc::new(question.clone());
    runtime.block_on(async {
        let mut clock = interval(EVERY);
        clock.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            clock.tick().await;
            lock(record).asked += 1;
            let (question, record) = (Arc::clone(&question), Arc::clone(record));
            tokio::spawn(async move {
                let answer = timeout(PATIENCE, once(&question)).await;
                note(&question, answer, &mut lock(&record));
            });
        }
    })
}

/// One question: what was answered, `None` for a bare sign of life.
async fn once(question: &Question) -> io::Result<Option<String>> {
    let connected = TcpStream::connect(question.to).await;
    if question.expected.is_none() {
        return match connected {
            Err(error) if error.kind() != io::ErrorKind::ConnectionRefused => Err(error),
            _ => Ok(None),
        };
    }
    let mut answer = Vec::new();
    connected?.take(ANSWER_BYTES).read_to_end(&mut answer).await?;
    Ok(Some(String::from_utf8_lossy(&answer).into_owned()))
}

fn note(
    question: &Question,
    answer: Result<io::Result<Option<String>>, tokio::time::error::Elapsed>,
    heard: &mut Heard,
) {
    let row = std::mem::take(&mut heard.in_a_row);
    match answer {
        Ok(Ok(answer)) if answer.as_deref().map(str::trim) == question.expected.as_deref().map(str::trim) => {
            if heard.answers_us.len() >= MAX_ANSWERS {
                heard.answers_us.drain(..MAX_ANSWERS / 2);
            }
            heard.answers_us.push(clock::now_us());
            heard.in_a_row = row + 1;
        }
        // A service that is just being stopped closes its connections.
        Ok(Ok(Some(answer))) if answer.is_empty() => heard.trouble = Some(format!("asking {}: no answer", question.to)),
        // TcpFile says so when it has no answer to give, as on a machine so busy that questions pile up at it: that is
        // none, and not a wrong one.
        Ok(Ok(Some(answer))) if answer.starts_with("ERR ") => {
            heard.trouble = Some(format!("asking {}: {}", question.to, answer.trim()));
        }
        Ok(Ok(answer)) => {
            heard.wrong += 1;
            let text = match answer {
                Some(answer) => format!("the service says {:?}", answer.trim().chars().take(120).collect::<String>()),
                None => "a sign of life where an answer was expected".to_owned(),
            };
            heard.last_wrong = Some((clock::now_us(), text.clone()));
            heard.trouble = Some(text);
        }
        Ok(Err(error)) => heard.trouble = Some(format!("asking {}: {error}", question.to)),
        Err(_) => heard.trouble = Some(format!("asking {}: no answer within {PATIENCE:?}", question.to)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_silence_ends_after_the_fault() {
        let heard = Heard { answers_us: vec![0, 900, 1_000, 1_300, 1_310, 1_500], ..Heard::default() };
        for (since, before, now, expected) in [
            (0, 9_999, 1_501, (0, 900, true)),
            (900, 9_999, 1_501, (1_000, 1_300, true)),
            (1_305, 9_999, 1_501, (1_310, 1_500, true)),
            (1_305, 9_999, 2_000, (1_500, 2_000, false)),
            (1_305, 1_400, 2_000, (1_310, 1_500, true)),
        ] {
            let found =
                heard.longest_silence(since, before, now).map(|found| (found.from_us, found.to_us, found.has_ended));
            assert_eq!(found, Some(expected), "since {since}, now {now}");
        }
        assert_eq!(heard.answers_since(1_300), 3);
        assert_eq!(Heard::default().longest_silence(0, 9, 9), None);
    }
}
