//! A client that holds a lock and writes numbered records, each on the server's disk before the next one.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use lab::clock;

use crate::mount::{self, GO_ON, Protocol, WORDS};

/// Bytes of a record: its number and a newline.
pub const RECORD: usize = 12;
/// Between two records.
const EVERY: Duration = Duration::from_millis(10);
/// For looking again whether the clients are to go on.
const PATIENCE: Duration = Duration::from_millis(100);

/// A record's text.
pub fn record(number: u64) -> String {
    format!("{number:011}\n")
}

/// Writes until it is told to stop. Its words: a line `NUMBER TIME` for each record that was acknowledged.
pub fn run(protocol: Protocol, server: &str) -> Result<ExitCode> {
    let path = Path::new(WORDS).join(protocol.records());
    let mut words = File::create(&path).with_context(|| format!("making {}", path.display()))?;
    if let Err(error) = write(protocol, server, &mut words) {
        writeln!(words, "error {error:#}").context("telling of an error")?;
    }
    // Process 1 of a node: the lab ends it.
    loop {
        thread::park();
    }
}

fn write(protocol: Protocol, server: &str, words: &mut File) -> Result<()> {
    mount::start_helpers()?;
    let directory = mount::mount(server, protocol)?;
    let held = File::create(directory.join(protocol.lock())).context("making the file to lock")?;
    if !mount::lock(&held)? {
        bail!("somebody else has the lock");
    }
    let records = File::create(directory.join(protocol.records())).context("making the file for records")?;
    writeln!(words, "begun").context("telling")?;
    for number in 0u64.. {
        if !fs::exists(GO_ON).unwrap_or(false) {
            break;
        }
        records.write_all_at(record(number).as_bytes(), number * RECORD as u64).context("writing a record")?;
        records.sync_data().context("having a record on the disk")?;
        writeln!(words, "{number} {}", clock::now_us()).context("telling")?;
        thread::sleep(EVERY);
    }
    drop((records, held));
    thread::sleep(PATIENCE);
    nix::mount::umount(&directory).context("unmounting")?;
    writeln!(words, "end").context("telling")
}
