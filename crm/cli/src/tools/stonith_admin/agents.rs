//! Fence agents on this machine, run by hand: which there are, what they say of themselves, whether options are good.
//! Options go to standard input, as the cluster gives them; an agent that says too much or hangs is cut short.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Where fence agents are; `SYSTOLE_FENCE_AGENTS` names another directory, as `systoled --fence-agents` does.
const DIRECTORY: &str = "/usr/sbin";
/// What of an agent's output is kept: metadata is a tenth of it at most.
const OUTPUT_KEPT: u64 = 256 * 1024;
/// How often we look whether an agent has ended.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How an agent ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ended {
    /// Its exit status; negative when it could not be run or was ended.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error, or why it could not be run.
    pub err: String,
}

/// Where agents are looked for.
pub fn directory(named: Option<&str>) -> PathBuf {
    named.map_or_else(|| DIRECTORY.into(), PathBuf::from)
}

/// The agents that are installed.
pub fn installed(directory: &std::path::Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let is_program =
        |path: PathBuf| fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0);
    let mut names: Vec<String> = entries
        .filter_map(Result::ok)
        .filter(|entry| is_program(entry.path()))
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.starts_with("fence_"))
        .collect();
    names.sort_unstable();
    names
}

/// Runs an action of an agent; `None` when there is no such agent.
pub fn run(
    directory: &std::path::Path,
    agent: &str,
    action: &str,
    options: &BTreeMap<String, String>,
    timeout: Duration,
) -> Option<Ended> {
    let path = directory.join(agent);
    if agent.is_empty() || agent.starts_with('.') || agent.contains('/') || !path.is_file() {
        return None;
    }
    let mut command = Command::new(&path);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).current_dir("/").process_group(0);
    let failed = |error: std::io::Error| Ended { code: -1, out: String::new(), err: format!("starting it: {error}") };
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => return Some(failed(error)),
    };
    let mut input = format!("action={action}\n");
    let sound = |text: &str| !text.contains('\n');
    for (name, value) in options.iter().filter(|(name, value)| sound(name) && sound(value)) {
        input += &format!("{name}={value}\n");
    }
    if let Some(mut stdin) = child.stdin.take() {
        // In a thread: an agent that reads nothing must not stop us.
        thread::spawn(move || drop(stdin.write_all(input.as_bytes())));
    }
    let (out, err) = (reader(child.stdout.take()), reader(child.stderr.take()));
    let end = Instant::now() + timeout;
    let code = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status.code().unwrap_or_else(|| -status.signal().unwrap_or(1)),
            Ok(None) if Instant::now() >= end => {
                kill_group(child.id());
                // It was killed; whatever it still says is not awaited.
                let _ = child.wait();
                return Some(Ended { code: -62, out: String::new(), err: "it took too long".into() });
            }
            Ok(None) => thread::sleep(LOOK_EVERY),
            Err(error) => return Some(failed(error)),
        }
    };
    Some(Ended { code, out: text(out), err: text(err) })
}

/// Ends the agent with all that it started.
fn kill_group(id: u32) {
    let _ = Command::new("kill").args(["-KILL", "--", &format!("-{id}")]).stderr(Stdio::null()).status();
}

fn reader(stream: Option<impl Read + Send + 'static>) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut stream) = stream {
            let _ = stream.by_ref().take(OUTPUT_KEPT).read_to_end(&mut bytes);
            // The rest is read and dropped, so that the agent does not wait.
            let _ = std::io::copy(&mut stream, &mut std::io::sink());
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// What was read; a child that the agent left behind with its output open is not waited for.
fn text(reader: thread::JoinHandle<String>) -> String {
    let end = Instant::now() + LOOK_EVERY * 25;
    while !reader.is_finished() && Instant::now() < end {
        thread::sleep(LOOK_EVERY);
    }
    if reader.is_finished() { reader.join().unwrap_or_default() } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agent(script: &str) -> (tempfile::TempDir, BTreeMap<String, String>) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("fence_x");
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        (directory, [("ip".to_owned(), "h".to_owned())].into())
    }

    #[test]
    fn options_go_to_standard_input_and_output_is_bounded() {
        let (directory, options) = agent("cat; echo oops >&2; head -c 3000000 /dev/zero; exit 3");
        assert_eq!(installed(directory.path()), ["fence_x"]);
        let ended = run(directory.path(), "fence_x", "validate-all", &options, Duration::from_secs(20)).unwrap();
        assert!(ended.out.starts_with("action=validate-all\nip=h\n") && ended.out.len() == OUTPUT_KEPT as usize);
        assert_eq!((ended.code, ended.err.as_str()), (3, "oops\n"));
        for none in ["fence_y", "../fence_x", ""] {
            assert_eq!(run(directory.path(), none, "off", &options, Duration::from_secs(1)), None);
        }
    }

    #[test]
    fn an_agent_that_hangs_is_ended_with_its_children() {
        let (directory, options) = agent("sleep 1000 & wait");
        let begun = Instant::now();
        let ended = run(directory.path(), "fence_x", "off", &options, Duration::from_millis(100)).unwrap();
        assert!(ended.code < 0 && begun.elapsed() < Duration::from_secs(100), "{ended:?}");
    }
}
