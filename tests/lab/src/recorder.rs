//! The recorder: a client that writes numbered records through the service to the shared disk, one after another, and
//! knows which were acknowledged. Afterwards none of those may be lost, and none may be there twice.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::clock;
use crate::network::Namespace;

/// Between two records: often enough that some are on their way at any fault, seldom enough to leave the machine alone.
const EVERY: Duration = Duration::from_millis(20);

/// How long it waits for a connection or an acknowledgement before it repeats itself.
const PATIENCE: Duration = Duration::from_millis(500);

/// What became of the records.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Records {
    /// The last one that was acknowledged.
    pub acknowledged: u64,
    /// When that one was asked for, in microseconds of the common clock.
    pub asked_us: u64,
    /// How often one was repeated because no acknowledgement had come.
    pub repeated: u64,
    /// What the service said that it may never say: a record that it had acknowledged is not there.
    pub lost: Vec<String>,
    /// Why the last record was not acknowledged at once.
    pub trouble: Option<String>,
}

/// A running recorder.
pub struct Recorder {
    records: Arc<Mutex<Records>>,
}

impl Recorder {
    /// Starts writing from a client's namespace.
    pub fn start(client: &Namespace, to: SocketAddr) -> Result<Self> {
        let records = Arc::new(Mutex::new(Records::default()));
        let shared = Arc::clone(&records);
        // A thread is in the namespace of the one that started it.
        client.inside(move || {
            thread::Builder::new().name("recorder".to_owned()).spawn(move || write(to, &shared)).context("starting it")
        })?;
        Ok(Self { records })
    }

    /// What became of the records so far.
    pub fn records(&self) -> Records {
        lock(&self.records).clone()
    }
}

fn lock(records: &Mutex<Records>) -> MutexGuard<'_, Records> {
    records.lock().unwrap_or_else(PoisonError::into_inner)
}

fn write(to: SocketAddr, records: &Mutex<Records>) {
    let mut connection = None;
    loop {
        thread::sleep(EVERY);
        let (number, asked_us) = (lock(records).acknowledged + 1, clock::now_us());
        let answer = match connection.take().map_or_else(|| connect(to), Ok) {
            Ok(mut open) => ask(&mut open, number).inspect(|_| connection = Some(open)),
            Err(error) => Err(error),
        };
        let mut records = lock(records);
        match answer {
            Ok(answer) if answer == format!("ok {number}") => {
                (records.acknowledged, records.asked_us) = (number, asked_us);
            }
            Ok(answer) if answer.starts_with("gap") => {
                let text = format!("record {} was acknowledged, and now the service says {answer:?}", number - 1);
                // It says so every time from here on; the first few are enough.
                if records.lost.len() < 5 {
                    records.lost.push(text);
                }
            }
            Ok(answer) => {
                records.trouble = Some(format!("the service answers {answer:?} to record {number}"));
                connection = None;
            }
            Err(error) => {
                records.repeated += 1;
                records.trouble = Some(format!("record {number}: {error}"));
            }
        }
    }
}

fn connect(to: SocketAddr) -> io::Result<BufReader<TcpStream>> {
    let stream = TcpStream::connect_timeout(&to, PATIENCE)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(BufReader::new(stream))
}

fn ask(connection: &mut BufReader<TcpStream>, number: u64) -> io::Result<String> {
    writeln!(connection.get_mut(), "{number}")?;
    let mut answer = String::new();
    match connection.read_line(&mut answer)? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(answer.trim_end().to_owned()),
    }
}
