//! A monitor that is served says what one in a process of its own says.

use std::io::Write as _;
use std::process::{Command, Stdio};

use ocf::{Environment, served};

const PROGRAM: &str = env!("CARGO_BIN_EXE_systole-agents");

#[test]
fn what_the_process_inherited_counts_for_all_calls() {
    // Where state files lie is told by the environment of the resource manager, not by the call.
    let directory = tempfile::tempdir().unwrap();
    let environment = Environment::new("a", "systole", "Dummy", "monitor");
    for (action, expected) in [("stop", "7\n"), ("start", "0\n"), ("stop", "7\n")] {
        let mut own = Command::new(PROGRAM);
        own.args(["Dummy", action]).env("HA_RSCTMP", directory.path()).envs(environment.variables());
        assert!(own.env("OCF_RESKEY_CRM_meta_name", action).status().unwrap().success());
        let mut server = Command::new(PROGRAM);
        server.args(["Dummy", "serve"]).env("HA_RSCTMP", directory.path()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut server = server.spawn().unwrap();
        server.stdin.take().unwrap().write_all(served::call("Dummy", &environment).as_bytes()).unwrap();
        let output = server.wait_with_output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), expected, "after {action}");
    }
}
