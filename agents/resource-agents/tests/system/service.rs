//! TcpFile and Dummy as a resource manager finds and calls them.

use std::fs;
use std::process::Command;

use crate::space::{Space, processes_with, until};

#[test]
fn the_service_answers_with_the_file_and_ends_with_stop() {
    let space = Space::new();
    let file = space.path("page").display().to_string();
    let pid_file = space.path("run/TcpFile-test.pid").display().to_string();
    let parameters = format!("port=8080 file={file}");
    let ask = || space.run("exec bash -c 'cat </dev/tcp/127.0.0.1/8080'");
    let servers = || processes_with(&["--serve", &pid_file]);
    space.expect(7, &format!("TcpFile monitor {parameters}"));
    space.expect(0, &format!("TcpFile stop {parameters}"));

    space.refuse(1, &format!("TcpFile start {parameters}"), &["no answer to give", "page"]);
    assert_eq!(servers(), [], "a start that failed leaves no server");

    fs::write(&file, "one").unwrap();
    for _ in 0..2 {
        space.expect(0, &format!("TcpFile start {parameters}"));
        space.expect(0, &format!("TcpFile monitor {parameters}"));
    }
    assert_eq!(servers().len(), 1);
    assert_eq!(ask(), "one\n");
    fs::write(&file, "two").unwrap();
    assert_eq!(ask(), "two\n");
    let held = fs::read_dir(format!("/proc/{}/fd", servers()[0])).unwrap().flatten();
    let held: Vec<_> = held.filter_map(|fd| fs::read_link(fd.path()).ok()).collect();
    assert!(!held.iter().any(|path| path.starts_with(space.directory.path())), "{held:?}");

    space.refuse(1, &format!("TcpFile start {parameters} OCF_RESOURCE_INSTANCE=second"), &["listening on", "in use"]);
    fs::remove_file(&file).unwrap();
    assert!(ask().starts_with("ERR reading"));
    space.refuse(1, &format!("TcpFile monitor {parameters}"), &["no answer to give"]);

    for _ in 0..2 {
        space.expect(0, &format!("TcpFile stop {parameters}"));
        space.expect(7, &format!("TcpFile monitor {parameters}"));
    }
    assert_eq!(servers(), []);
    assert_eq!(fs::read_dir(space.path("run")).unwrap().count(), 0, "no pid file is left");
    space.refuse(6, &format!("TcpFile start file={file} port=0"), &["parameter port"]);
    space.refuse(6, "TcpFile validate-all port=80 file=page", &["parameter file", "absolute"]);
}

#[test]
fn a_server_that_was_killed_is_stopped() {
    let space = Space::new();
    fs::write(space.path("page"), "one").unwrap();
    let parameters = format!("port=8080 file={}", space.path("page").display());
    space.expect(0, &format!("TcpFile start {parameters}"));
    let pid_file = space.path("run/TcpFile-test.pid").display().to_string();
    let server = processes_with(&["--serve", &pid_file])[0];
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(server), nix::sys::signal::Signal::SIGKILL).unwrap();
    until("the server's end", || processes_with(&["--serve", &pid_file]).is_empty());
    space.expect(7, &format!("TcpFile monitor {parameters}"));
    space.expect(0, &format!("TcpFile start {parameters}"));
    space.expect(0, &format!("TcpFile stop {parameters}"));
}

#[test]
fn dummy_remembers() {
    let space = Space::new();
    for action in ["stop", "monitor 7", "start", "start", "monitor 0", "reload", "stop", "monitor 7", "stop"] {
        let (action, code) = action.split_once(' ').unwrap_or((action, "0"));
        space.expect(code.parse().unwrap(), &format!("Dummy {action}"));
    }
    space.refuse(3, "Dummy dance", &["does not know the action"]);
    space.refuse(2, "Dummy start OCF_RA_VERSION_MAJOR=2", &["OCF_RA_VERSION_MAJOR"]);
}

#[test]
fn a_link_with_the_agents_name_is_the_agent() {
    let root = tempfile::tempdir().unwrap();
    let program = env!("CARGO_BIN_EXE_systole-agents");
    let run = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).env("HA_RSCTMP", root.path().join("run")).output().unwrap();
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr),
        )
    };
    let root_text = root.path().display().to_string();
    let (code, said) = run(program, &["install", &root_text, "--heartbeat"]);
    assert_eq!(code, Some(0), "{said}");
    let (_, list) = run(program, &["list"]);
    for name in list.lines() {
        let link = root.path().join("resource.d/heartbeat").join(name).display().to_string();
        let (code, metadata) = run(&link, &["meta-data"]);
        assert_eq!(code, Some(0), "{metadata}");
        assert_eq!(ocf::Metadata::parse(&metadata).unwrap().name, name);
    }
    let dummy = root.path().join("resource.d/systole/Dummy").display().to_string();
    assert_eq!(run(&dummy, &["monitor"]).0, Some(7));
    assert_eq!(run(&dummy, &["start"]).0, Some(0));
    assert_eq!(run(program, &["Dummy", "monitor"]).0, Some(0));
    assert_eq!(run(program, &["NoSuch", "monitor"]).0, Some(2));
    assert_eq!(run(program, &[]).0, Some(2));
}
