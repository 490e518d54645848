//! The watchdog for real: the kernel's own, softdog. A daemon that ends in good order leaves none armed; one whose loop turns
//! keeps its host alive; one that stands still does not, and the kernel resets the host. That it does, only who looks from
//! outside can see: xtask waits for it.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// The daemon in the guest.
const SYSTOLED: &str = "/opt/systole/systoled";
const DEVICE: &str = "/dev/watchdog";
/// What the kernel says of the device.
const STATE: &str = "/sys/class/watchdog/watchdog0/state";
/// An emulated processor may take seconds for what takes milliseconds: a daemon that lives must not be late.
const TIMEOUT: Duration = Duration::from_secs(15);
/// For what comes when a daemon starts or ends.
const PATIENCE: Duration = Duration::from_secs(120);
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// The words after which nothing but the reset may come; xtask waits for them.
const STANDS_STILL: &str = "watchdog: the daemon stands still";

const CIB: &str = r#"<cib validate-with="pacemaker-3.9" epoch="1" num_updates="0" admin_epoch="0"><configuration><crm_config>
<cluster_property_set id="o"><nvpair id="o-1" name="stonith-enabled" value="false"/></cluster_property_set></crm_config>
<nodes/><resources/><constraints/></configuration><status/></cib>
"#;

/// Tries it. Does not return when all is as it should be.
pub fn run() -> Result<ExitCode> {
    let loaded = Command::new("modprobe").arg("softdog").status().context("starting modprobe")?;
    ensure!(loaded.success(), "the guest's kernel has no softdog ({loaded})");
    until("the watchdog", || Path::new(DEVICE).exists())?;
    fs::write("/run/cib.xml", CIB).context("writing a configuration")?;
    let _hub = start(&["hub", "--expected-votes", "1", "--socket", "/run/hub.sock"], "/run/hub.log")?;
    until("the hub", || Path::new("/run/hub.sock").exists())?;

    let mut daemon = start_node()?;
    kill(pid(&daemon), Signal::SIGTERM).context("ending the daemon")?;
    let ended = daemon.wait().context("waiting for the daemon")?;
    ensure!(ended.success(), "the daemon ended with {ended}: {}", log());
    until("a watchdog that is not armed any more", || !is_armed())?;
    println!("watchdog: a daemon that ends in good order leaves none armed");

    let mut daemon = start_node()?;
    let begin = Instant::now();
    while begin.elapsed() < 3 * TIMEOUT {
        ensure!(daemon.try_wait().context("looking at the daemon")?.is_none(), "the daemon has ended: {}", log());
        ensure!(is_armed(), "the watchdog is not armed while the daemon runs: {}", log());
        thread::sleep(LOOK_AGAIN);
    }
    println!("watchdog: fed for {} s, three times what it waits", begin.elapsed().as_secs());

    println!("{STANDS_STILL}");
    kill(pid(&daemon), Signal::SIGSTOP).context("stopping the daemon")?;
    thread::sleep(PATIENCE);
    bail!("a daemon that stands still for {} s was not the end of its host", PATIENCE.as_secs());
}

/// A node, once its watchdog is armed and it has been at work for a while.
fn start_node() -> Result<Child> {
    let timeout = TIMEOUT.as_secs().to_string();
    let words = ["run", "--name", "node1", "--id", "1", "--engine", "/run/hub.sock", "--cib", "/run/cib.xml"];
    let more = ["--state", "/run/state", "--socket", "/run/node.sock", "--watchdog", DEVICE];
    let daemon = start(&[&words[..], &more, &["--watchdog-timeout", &timeout]].concat(), "/run/node.log")?;
    until("an armed watchdog", is_armed)?;
    until("a node that answers", || Path::new("/run/node.sock").exists())?;
    Ok(daemon)
}

fn start(words: &[&str], log: &str) -> Result<Child> {
    let log = File::create(log).with_context(|| format!("making {log}"))?;
    let mut command = Command::new(SYSTOLED);
    command.args(words).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    command.spawn().with_context(|| format!("starting {SYSTOLED}"))
}

fn pid(child: &Child) -> Pid {
    Pid::from_raw(child.id().cast_signed())
}

fn is_armed() -> bool {
    fs::read_to_string(STATE).is_ok_and(|state| state.trim() == "active")
}

fn log() -> String {
    fs::read_to_string("/run/node.log").unwrap_or_default()
}

fn until(what: &str, mut holds: impl FnMut() -> bool) -> Result<()> {
    let begin = Instant::now();
    while !holds() {
        ensure!(begin.elapsed() < PATIENCE, "waited in vain for {what}: {}", log());
        thread::sleep(LOOK_AGAIN);
    }
    Ok(())
}
