//! A node on a host of its own, whose process 1 is systemd: units as resources, from the configuration to the history.

mod programs;
#[path = "../../../crm/daemon/tests/node/small.rs"]
mod small;

use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use lab::bare::{self, Host, Networks};
use programs::{has_namespaces, programs};
use small::Small;

/// The monitor's interval. What is known sooner was not polled for.
const INTERVAL: Duration = Duration::from_secs(60);
/// Where this program and the daemon lie inside: the directory that cargo builds in may not be on the machine's root.
const INSIDE: &str = "/usr/bin/node-with-units";
const SYSTOLED: &str = "/usr/sbin/systoled";

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("--list") => ExitCode::SUCCESS,
        Some("inside") => inside(),
        _ => match outside() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{error:#}");
                ExitCode::FAILURE
            }
        },
    }
}

fn outside() -> Result<()> {
    if !has_namespaces() {
        return Ok(());
    }
    if let Some(why) = bare::refusal(&[]) {
        println!("not tested: a node with units of systemd ({why})");
        return Ok(());
    }
    let own = std::env::current_exe().context("finding this program's own file")?;
    let systoled = programs().join("systoled");
    let networks = Networks::make()?;
    let mut host = Host::boot(&networks, 1, &[(&own, INSIDE), (&systoled, SYSTOLED)])?;
    host.booted()?;
    let variable = format!("SYSTOLED={SYSTOLED}");
    let status = host.command("env", &[&variable, INSIDE, "inside"]).status().context("running nsenter")?;
    ensure!(status.success(), "inside: {status}");
    Ok(())
}

/// An init script as LSB has it.
const LEGACY: &str = r#"#!/bin/sh
case "$1" in
start) : > /run/legacy ;;
stop) rm -f /run/legacy ;;
status) [ -e /run/legacy ] || exit 3 ;;
*) exit 2 ;;
esac
"#;

/// What systemctl prints, for whom nothing here is responsible.
fn systemctl(arguments: &[&str]) -> String {
    let output = Command::new("systemctl").args(arguments).output().expect("systemctl is there");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn resource(id: &str, class: &str, unit: &str) -> String {
    format!(
        "<primitive id=\"{id}\" class=\"{class}\" type=\"{unit}\"><operations><op id=\"{id}-m\" name=\"monitor\" \
         interval=\"{}s\" timeout=\"20s\"/></operations></primitive>",
        INTERVAL.as_secs()
    )
}

fn inside() -> ExitCode {
    for (name, service) in [
        ("web", "ExecStart=/bin/sleep infinity\nRestart=always"),
        ("either", "ExecStart=/bin/sleep infinity"),
        ("bad", "Type=oneshot\nRemainAfterExit=yes\nExecStart=/bin/sh -c 'exit 3'"),
    ] {
        fs::write(format!("/etc/systemd/system/{name}.service"), format!("[Service]\n{service}\n")).unwrap();
    }
    systemctl(&["daemon-reload"]);
    let mut small = Small::new(1);
    small.program("init.d/legacy", LEGACY);
    let resources = [
        resource("web", "systemd", "web"),
        resource("either", "service", "either"),
        resource("old", "lsb", "legacy"),
        resource("bad", "systemd", "bad"),
    ];
    small.configure(&resources.concat(), "");
    small.start("a", 1);
    small.until("units are started", || {
        (systemctl(&["is-active", "web"]) == "active" && systemctl(&["is-active", "either"]) == "active").then_some(())
    });
    small.until("the init script is run", || Path::new("/run/legacy").exists().then_some(()));
    small.until("why one cannot be is in the history", || {
        small.status("a")?.cib.contains("its main process exited with status 3").then_some(())
    });
    small.quiet("a", 1);

    let process = || systemctl(&["show", "--value", "--property", "MainPID", "web"]);
    let before = process();
    let killed = Instant::now();
    systemctl(&["kill", "--signal=KILL", "web"]);
    let failed = "web.service has failed: its main process was ended by signal 9";
    small.until("the cluster knows", || small.read("a.log").contains(failed).then_some(()));
    small.until("it is recovered", || {
        let recovered = systemctl(&["is-active", "web"]) == "active" && !["0", &before].contains(&process().as_str());
        recovered.then_some(())
    });
    assert!(killed.elapsed() < INTERVAL, "it was known by a poll");
    println!("recovered after {} ms", killed.elapsed().as_millis());

    // A daemon that dies takes no unit along, and the next one finds it.
    small.quiet("a", 1);
    let before = process();
    small.kill("a");
    small.start("a", 1);
    small.quiet("a", 1);
    assert_eq!((systemctl(&["is-active", "web"]).as_str(), process()), ("active", before));

    small.ask("a", &wire::Request::StopCluster);
    small.until("the node has gone", || small.status("a").is_none().then_some(()));
    for unit in ["web", "either"] {
        assert_eq!(systemctl(&["is-active", unit]), "inactive", "{unit}");
        assert!(!Path::new(&format!("/run/systemd/system/{unit}.service.d")).exists(), "{unit} is systemd's own again");
    }
    assert!(!Path::new("/run/legacy").exists());
    println!("test result: ok. 1 passed; 0 failed");
    ExitCode::SUCCESS
}
