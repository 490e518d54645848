//! fence_demo against a power server of the test's own, called as a cluster and as a person call it.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

/// The hosts and whether they are on, with every question that came.
#[derive(Default)]
struct Outlets {
    on: BTreeMap<String, bool>,
    heard: Vec<String>,
}

/// A server with the hosts n1 and n2, and `stuck`, which never goes off, and `mute`, about which it never answers.
fn power_server(directory: &Path) -> (PathBuf, Arc<Mutex<Outlets>>) {
    let socket = directory.join("power");
    let listener = UnixListener::bind(&socket).unwrap();
    let outlets = Arc::new(Mutex::new(Outlets::default()));
    outlets.lock().unwrap().on.extend([("n1".to_owned(), true), ("n2".to_owned(), true)]);
    let shared = Arc::clone(&outlets);
    thread::spawn(move || {
        let mut kept = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut line = String::new();
            BufReader::new(&stream).read_line(&mut line).unwrap();
            match answer(&mut shared.lock().unwrap(), line.trim()) {
                Some(answer) => writeln!(stream, "{answer}").unwrap(),
                None => kept.push(stream),
            }
        }
    });
    (socket, outlets)
}

fn answer(outlets: &mut Outlets, line: &str) -> Option<String> {
    outlets.heard.push(line.to_owned());
    let (action, host) = line.split_once(' ').unwrap_or((line, ""));
    Some(match (action, host) {
        ("list", "") => format!("OK {}", outlets.on.keys().cloned().collect::<Vec<_>>().join(" ")),
        (_, "mute") => return None,
        (_, "stuck") => "ERROR stuck is still alive".into(),
        (_, "strange") => "MAYBE".into(),
        _ => match (action, outlets.on.get_mut(host)) {
            (_, None) => format!("ERROR there is no host {host}"),
            ("status", Some(on)) => format!("OK {}", if *on { "on" } else { "off" }),
            ("off" | "on", Some(on)) => {
                *on = action == "on";
                "OK".into()
            }
            _ => "ERROR what?".into(),
        },
    })
}

/// Runs the agent with these options on standard input; returns exit status, output and error.
fn run(socket: &Path, options: &str) -> (i32, String, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_systole-fence-agents"))
        .arg("fence_demo")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = format!("socket={}\n{}\n", socket.display(), options.replace(' ', "\n"));
    child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn what_it_answers() {
    let directory = tempfile::tempdir().unwrap();
    let (socket, outlets) = power_server(directory.path());
    let cases = [
        ("action=monitor", 0, "", ""),
        ("action=list", 0, "n1,\nn2,\n", ""),
        ("action=validate-all", 0, "", ""),
        ("action=status port=n1", 0, "Status: ON\n", ""),
        ("action=off port=n1 nodename=n1 unknown=1", 0, "", ""),
        ("action=status plug=n1", 2, "Status: OFF\n", ""),
        ("action=on nodename=n1", 0, "", ""),
        ("action=status plug=n1", 0, "Status: ON\n", ""),
        ("plug=n2", 0, "", ""),
        ("action=off", 1, "", "no host is named"),
        ("action=off plug=n9", 1, "", "there is no host n9"),
        ("action=off plug=stuck", 1, "", "still alive"),
        ("action=reboot plug=stuck", 1, "", "still alive"),
        ("action=off plug=strange", 1, "", "expected OK or ERROR"),
        ("action=off plug=mute power_timeout=50ms", 1, "", "no answer in 50ms"),
        ("action=off plug=n1 socket=/no/such/socket", 1, "", "/no/such/socket"),
        ("action=off plug=n1 socket=", 1, "", "no socket is named"),
        ("action=dance", 1, "", "unknown action"),
    ];
    for (options, code, output, error) in cases {
        let (found, said, complained) = run(&socket, options);
        assert_eq!((found, said.as_str()), (code, output), "{options}: {complained}");
        assert!(complained.contains(error) && complained.is_empty() == error.is_empty(), "{options}: {complained}");
    }
    let heard = outlets.lock().unwrap().heard.clone();
    assert!(heard.windows(2).any(|pair| pair == ["off n2", "on n2"]), "a reboot is an off and then an on: {heard:?}");
    assert!(!heard.contains(&"on stuck".to_owned()), "what is not off is not switched on: {heard:?}");
}

#[test]
fn as_a_person_calls_it() {
    let directory = tempfile::tempdir().unwrap();
    let (socket, _) = power_server(directory.path());
    let program = env!("CARGO_BIN_EXE_systole-fence-agents");
    assert!(Command::new(program).arg("install").arg(directory.path()).status().unwrap().success());
    assert!(Command::new(program).arg("install").arg(directory.path()).status().unwrap().success());
    let link = directory.path().join("fence_demo");
    let output = Command::new(&link).args(["--action", "metadata"]).output().unwrap();
    let metadata = ocf::Metadata::parse(&String::from_utf8(output.stdout).unwrap()).unwrap();
    assert_eq!(metadata.name, "fence_demo");
    assert!(metadata.parameter("plug").is_some() && metadata.actions_named("off").next().is_some());
    let option = format!("--socket={}", socket.display());
    let status = |arguments: &[&str]| Command::new(&link).arg(&option).args(arguments).output().unwrap().status.code();
    assert_eq!(status(&["-o", "off", "-n", "n1"]), Some(0));
    assert_eq!(status(&["--action=status", "--plug=n1"]), Some(2));
    assert_eq!(status(&["--explode"]), Some(1));

    std::fs::remove_file(&link).unwrap();
    std::fs::write(&link, "someone else's").unwrap();
    let output = Command::new(program).arg("install").arg(directory.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("not ours"));
}
