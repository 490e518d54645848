//! A host's part of a move from keepalived: done by this host's own `systole migrate keepalived`, with nothing from afar
//! among its words but the host's name.

use std::io::Read as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use wire::host::{Answer, Content, KeepalivedAct, MAX_LINE};

use crate::hosts::is_name;

/// This program, also while it is being replaced by a newer one.
const PROGRAM: &str = "/proc/self/exe";
/// The longest that a part of a move takes: it waits for one that is at work, for keepalived to end, and for its
/// addresses, half a minute each at most.
const TIME: Duration = Duration::from_secs(200);
/// The largest tar: two digits a byte, and the rest of the answer, are a line.
const TAR_MAX: usize = MAX_LINE / 2 - 1_024;
/// What is kept of its complaints.
const COMPLAINTS_MAX: u64 = 16 << 10;
/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(10);

/// Does it.
///
/// # Errors
/// With what the command said.
pub fn act(node: &str, act: KeepalivedAct) -> anyhow::Result<Answer> {
    ensure!(is_name(node), "{node:?} is no name of a host");
    let words: &[&str] = match act {
        KeepalivedAct::Collect => &["collect", "-"],
        KeepalivedAct::Adopt => &["adopt"],
        KeepalivedAct::AdoptClassic => &["adopt", "--classic"],
        KeepalivedAct::Rollback => &["rollback"],
    };
    let said = run(&[&["migrate", "keepalived"], words, &["--node", node]].concat())?;
    if act != KeepalivedAct::Collect {
        return Ok(Answer::Said { text: String::from_utf8_lossy(&said).trim().to_owned() });
    }
    ensure!(
        said.len() <= TAR_MAX,
        "what its keepalived names has more than {} KiB: make the tar there, `systole migrate keepalived collect FILE`, \
         and reach the host by --over",
        TAR_MAX >> 10
    );
    Ok(Answer::File { content: Some(Content(said)) })
}

/// This program with other words, to its end; what it printed.
fn run(words: &[&str]) -> anyhow::Result<Vec<u8>> {
    let mut child = Command::new(PROGRAM)
        .arg0("systole")
        .args(words)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("running this program for keepalived")?;
    // Each on a thread of its own, so that a full pipe stops nobody.
    let out = child.stdout.take().context("its output is a pipe")?;
    let err = child.stderr.take().context("its complaints are a pipe")?;
    let out = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        out.take(TAR_MAX as u64 + 1).read_to_end(&mut bytes).map(|_| bytes)
    });
    let err = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        err.take(COMPLAINTS_MAX).read_to_end(&mut bytes).map(|_| bytes)
    });
    let success = ended(&mut child)?;
    let bytes = |thread: std::thread::JoinHandle<std::io::Result<Vec<u8>>>| thread.join().ok()?.ok();
    let (out, err) = (bytes(out), bytes(err).unwrap_or_default());
    // A tar that is too long ends the pipe before the program: that is told by its length.
    let out = out.context("reading what it printed")?;
    ensure!(
        success || out.len() > TAR_MAX,
        "{}",
        String::from_utf8_lossy(&err).trim().trim_start_matches("systole migrate: ")
    );
    Ok(out)
}

fn ended(child: &mut Child) -> anyhow::Result<bool> {
    let end = Instant::now() + TIME;
    loop {
        if let Some(status) = child.try_wait().context("waiting for it")? {
            return Ok(status.success());
        }
        if Instant::now() >= end {
            let _ = child.kill();
            let _ = child.wait();
            bail!("it took longer than {} s and was ended; given again, it goes on where it was", TIME.as_secs());
        }
        std::thread::sleep(LOOK);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_name_is_refused_before_anything_runs() {
        for name in ["", "-x", "a b", "../a", "--help"] {
            assert!(act(name, KeepalivedAct::Collect).unwrap_err().to_string().contains("is no name"), "{name}");
        }
    }
}
