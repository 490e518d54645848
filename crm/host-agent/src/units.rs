//! Services, through systemctl, and programs that are asked something: never a shell, never an argument from afar, and
//! none that is waited for without end.

use std::io::Read as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use wire::host::{Unit, UnitAct, UnitState};

/// The longest wait for a service to start or stop: systemd itself gives up after 90 s, and asks again before it kills.
const JOB_TIME: Duration = Duration::from_secs(200);
/// The longest wait for an answer that needs no work.
const ASK_TIME: Duration = Duration::from_secs(20);
/// What is kept of a program's words.
const MAX_WORDS: u64 = 16 << 10;
/// How long a program's last words may take after its end on a busy host. A daemon that it left behind may hold the pipe
/// for ever, so it is not waited for without end.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// How often a program is looked at.
const LOOK: Duration = Duration::from_millis(10);

/// What a program said.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Said {
    /// Whether it ended with status 0.
    pub success: bool,
    /// Its words, trimmed.
    pub text: String,
}

/// Runs a program to its end; it is killed when the time is over.
///
/// # Errors
/// When it is not installed, cannot be run, or takes too long.
pub fn run(program: &str, arguments: &[&str], time: Duration) -> anyhow::Result<Said> {
    hear(program, arguments, time, MAX_WORDS)
}

/// The same, with so many of its words kept.
///
/// # Errors
/// As [`run`].
pub fn hear(program: &str, arguments: &[&str], time: Duration, most: u64) -> anyhow::Result<Said> {
    let (mut reader, writer) = std::io::pipe().context("making a pipe")?;
    let mut child = Command::new(program)
        .args(arguments)
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stdout(writer.try_clone().context("making a pipe")?)
        .stderr(writer)
        .spawn()
        .with_context(|| format!("running {program}: is it installed?"))?;
    // Read on a thread of its own, so that neither a full pipe nor a child of the child that holds it stops us.
    let words = std::thread::spawn(move || {
        let mut words = Vec::new();
        // Words that cannot be read are left out; the exit status is what counts.
        let _ = reader.by_ref().take(most).read_to_end(&mut words);
        let _ = std::io::copy(&mut reader, &mut std::io::sink());
        words
    });
    let end = Instant::now() + time;
    let status = loop {
        if let Some(status) = child.try_wait().context("waiting")? {
            break status;
        }
        if Instant::now() >= end {
            // It may have ended by itself in this moment.
            let _ = child.kill();
            let _ = child.wait();
            anyhow::bail!("{program} {} took longer than {} s", arguments.join(" "), time.as_secs());
        }
        std::thread::sleep(LOOK);
    };
    let patience = Instant::now() + LAST_WORDS;
    while !words.is_finished() && Instant::now() < patience {
        std::thread::sleep(LOOK);
    }
    let words = if words.is_finished() { words.join().unwrap_or_default() } else { Vec::new() };
    Ok(Said { success: status.success(), text: String::from_utf8_lossy(&words).trim().to_owned() })
}

/// Starts, stops, enables or disables a service.
///
/// # Errors
/// When systemd refuses, or the service fails; with the last lines it logged.
pub fn act(unit: Unit, act: UnitAct) -> anyhow::Result<()> {
    let said = run("systemctl", &[act.word(), unit.name()], JOB_TIME)?;
    if said.success {
        return Ok(());
    }
    let log =
        run("journalctl", &["--no-pager", "--quiet", "--lines=5", "--output=cat", "--unit", unit.name()], ASK_TIME);
    let log = log.map_or(String::new(), |log| log.text);
    let log = if log.is_empty() { log } else { format!("; it logged: {}", log.replace('\n', " | ")) };
    ensure!(false, "systemctl {} {}: {}{log}", act.word(), unit.name(), said.text.replace('\n', " "));
    Ok(())
}

/// The services that this host has.
pub fn states() -> Vec<UnitState> {
    // Of a unit that is not there, `show` says `LoadState=not-found`.
    let state = |unit: Unit| {
        let shown =
            run("systemctl", &["show", "--property=LoadState,ActiveState,UnitFileState", unit.name()], ASK_TIME);
        let text = shown.ok().filter(|said| said.success)?.text;
        let is = |line: &str| text.lines().any(|one| one == line);
        if !is("LoadState=loaded") {
            return None;
        }
        let active = is("ActiveState=active") || is("ActiveState=activating") || is("ActiveState=reloading");
        Some(UnitState { unit, active, enabled: is("UnitFileState=enabled") })
    };
    Unit::ALL.into_iter().filter_map(state).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_heard_and_waited_for_so_long() {
        let said = run("sh", &["-c", "echo out; echo err >&2; exit 3"], ASK_TIME).unwrap();
        assert!(!said.success);
        assert_eq!(said.text, "out\nerr");
        let error = run("sleep", &["1000"], Duration::from_millis(50)).unwrap_err().to_string();
        assert!(error.contains("sleep 1000 took longer"), "{error}");
        assert!(run("no-such-program", &[], ASK_TIME).unwrap_err().to_string().contains("is it installed?"));
        let long = run("sh", &["-c", "head -c 1000000 /dev/zero | tr '\\0' x"], ASK_TIME).unwrap();
        assert_eq!(long.text.len() as u64, MAX_WORDS);
    }
}
