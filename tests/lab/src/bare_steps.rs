//! What trials on bare hosts have in common: the programs under test at their places, hosts that are enrolled, and
//! patience.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use crate::bare::{Host, Networks};

/// Generous, as machines that test are busy.
const PATIENCE: Duration = Duration::from_secs(180);
/// How often it is looked.
const LOOK: Duration = Duration::from_millis(200);

/// Where the programs under test are.
///
/// # Errors
/// When this program lies nowhere.
pub fn programs() -> Result<PathBuf> {
    if let Some(named) = std::env::var_os("SYSTOLE_BIN_DIR").filter(|named| !named.is_empty()) {
        return Ok(named.into());
    }
    let own = std::env::current_exe().context("finding this program's own file")?;
    Ok(own.parent().and_then(Path::parent).context("this program lies nowhere")?.to_owned())
}

/// Boots so many hosts with the programs under test and their units, and starts their host agents.
///
/// # Errors
/// When one does not boot.
pub fn boot(networks: &Networks, count: u8) -> Result<Vec<Host>> {
    let programs = programs()?;
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crm");
    let (systole, systoled) = (programs.join("systole"), programs.join("systoled"));
    let (agent, daemon) =
        (source.join("host-agent/systemd/systole-host-agent.service"), source.join("daemon/systemd/systoled.service"));
    let places: [(&Path, &str); 4] = [
        (&systole, "/usr/bin/systole"),
        (&systoled, "/usr/sbin/systoled"),
        (&agent, "/lib/systemd/system/systole-host-agent.service"),
        (&daemon, "/lib/systemd/system/systoled.service"),
    ];
    let mut hosts = (1..=count).map(|number| Host::boot(networks, number, &places)).collect::<Result<Vec<_>>>()?;
    hosts.iter_mut().try_for_each(Host::booted)?;
    for host in &hosts {
        host.say("systemctl enable --now systole-host-agent.service")?;
    }
    Ok(hosts)
}

/// One token a host, given to the first.
///
/// # Errors
/// When one is not taken.
pub fn enroll(hosts: &[Host]) -> Result<()> {
    let first = &hosts[0];
    first.say("systole host auth node1 addr=10.77.0.1")?;
    for host in &hosts[1..] {
        let token = host.say("systole host-agent token")?;
        let number = host.name.trim_start_matches("node");
        first.say(&format!("systole host auth {} addr=10.77.0.{number} --token {}", host.name, token.trim()))?;
    }
    Ok(())
}

/// Runs a line that has to fail, and to say this.
///
/// # Errors
/// When it does not.
pub fn refused(host: &Host, line: &str, why: &str) -> Result<()> {
    let output = host.run(line)?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(!output.status.success() && said.contains(why), "on {}: {line}: {}: {said}", host.name, output.status);
    Ok(())
}

/// Waits until something holds.
///
/// # Errors
/// With what it said last, when it never does.
pub fn until(what: &str, mut holds: impl FnMut() -> Result<()>) -> Result<()> {
    let end = Instant::now() + PATIENCE;
    loop {
        match holds() {
            Err(error) if Instant::now() > end => return Err(error.context(what.to_owned())),
            Err(_) => thread::sleep(LOOK),
            Ok(()) => return Ok(()),
        }
    }
}

/// Waits until so many nodes are members with quorum.
///
/// # Errors
/// When they never are.
pub fn healthy(host: &Host, nodes: usize) -> Result<()> {
    until("all nodes are members with quorum", || {
        let status = host.say("systole cluster status")?;
        ensure!(status.matches("with quorum").count() == nodes, "{status}");
        Ok(())
    })
}
