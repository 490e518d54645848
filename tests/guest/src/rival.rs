//! A client that tries to take the locks of the others. As long as they hold them it must be refused.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use lab::clock;

use crate::mount::{self, GO_ON, Protocol, WORDS};

/// Between two tries.
const EVERY: Duration = Duration::from_millis(200);

/// Tries until it is told to stop. Its words: `refused TIME` and `got TIME`, in a file for each lock.
pub fn run(server: &str) -> Result<ExitCode> {
    mount::start_helpers()?;
    for protocol in Protocol::ALL {
        let server = server.to_owned();
        thread::spawn(move || {
            let path = Path::new(WORDS).join(protocol.lock());
            let Ok(mut words) = File::create(&path) else { return };
            if let Err(error) = fight(protocol, &server, &mut words) {
                // Nobody is left to tell of an error here; the missing end is one.
                let _ = writeln!(words, "error {error:#}");
            }
        });
    }
    loop {
        thread::park();
    }
}

fn fight(protocol: Protocol, server: &str, words: &mut File) -> Result<()> {
    let file = mount::mount(server, protocol)?.join(protocol.lock());
    // The other client says so when it has the lock.
    let theirs = Path::new(WORDS).join(protocol.records());
    while !fs::read_to_string(&theirs).is_ok_and(|words| words.starts_with("begun")) {
        thread::sleep(EVERY);
    }
    let file = File::options().write(true).open(&file).context("opening the file to lock")?;
    while fs::exists(GO_ON).unwrap_or(false) {
        let got = mount::lock(&file)?;
        writeln!(words, "{} {}", if got { "got" } else { "refused" }, clock::now_us()).context("telling")?;
        if got {
            break;
        }
        thread::sleep(EVERY);
    }
    Ok(())
}
