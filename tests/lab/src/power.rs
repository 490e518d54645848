//! The power switch of the nodes: a server on a Unix socket that fence agents ask, a line a question.
//!
//! `off NODE`, `on NODE`, `reboot NODE`, `status NODE`, `list`, `monitor`. It answers `OK …`, or `ERROR` and why; `OK` to
//! `off` and `reboot` comes when the node is dead: every process reaped, nothing reaches its network, nothing mounted.
//! `OK` to `on` comes at once, as power is there at once; the node takes a while to boot.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::cluster::Cluster;

/// A question is two words; who sends more is not answered.
const MAX_QUESTION: u64 = 256;

/// How long a question may take to arrive.
const PATIENCE: Duration = Duration::from_secs(5);

/// A machine needs a while to boot. Long enough that what follows the fault and what follows the boot can be told
/// apart in the story, short enough to wait for.
pub const BOOT: Duration = Duration::from_millis(1500);

/// Starts answering at `socket`, until the process ends.
pub fn serve(socket: &Path, cluster: &Arc<Cluster>) -> Result<()> {
    let listener = UnixListener::bind(socket).with_context(|| format!("making the socket {}", socket.display()))?;
    fs::set_permissions(socket, fs::Permissions::from_mode(0o600))
        .with_context(|| format!("closing {} to others", socket.display()))?;
    let cluster = Arc::downgrade(cluster);
    thread::Builder::new()
        .name("power".to_owned())
        .spawn(move || {
            for stream in listener.incoming().flatten() {
                let cluster = Weak::clone(&cluster);
                // One that cannot be served closes its connection, which its asker sees.
                let _ = thread::Builder::new().spawn(move || answer(stream, &cluster));
            }
        })
        .context("starting the power switch")?;
    Ok(())
}

fn answer(mut stream: UnixStream, cluster: &Weak<Cluster>) {
    let Some(cluster) = cluster.upgrade() else { return };
    let mut question = String::new();
    if stream.set_read_timeout(Some(PATIENCE)).is_err() {
        return;
    }
    let reader = match stream.try_clone() {
        Ok(reader) => reader,
        Err(_) => return,
    };
    let reply = match BufReader::new(reader.take(MAX_QUESTION)).read_line(&mut question) {
        Ok(_) => obey(question.trim(), &cluster).unwrap_or_else(|error| format!("ERROR {error:#}")),
        Err(error) => format!("ERROR the question did not arrive: {error}"),
    };
    // An asker that is gone does not need its answer.
    let _ = writeln!(stream, "{}", reply.replace('\n', " "));
}

fn obey(question: &str, cluster: &Arc<Cluster>) -> Result<String> {
    let words: Vec<&str> = question.split_whitespace().collect();
    if cluster.is_switch_dead() {
        return Ok("ERROR the power switch itself has no power".to_owned());
    }
    let node = |name: &str| cluster.node(name).with_context(|| format!("there is no node {name:?} here"));
    Ok(match words[..] {
        ["monitor"] => "OK".to_owned(),
        ["list"] => format!("OK {}", cluster.names().join(" ")),
        ["status", name] => format!("OK {}", if node(name)?.is_on() { "on" } else { "off" }),
        ["on", name] => {
            let node = node(name)?;
            if !node.is_on() {
                cluster.boot_later(node, BOOT);
            }
            format!("OK {name} boots")
        }
        ["off", name] => {
            node(name)?.switch_off()?;
            cluster.story().lab(format!("the power switch has cut {name} off"));
            format!("OK {name} is off")
        }
        ["reboot", name] => {
            let node = node(name)?;
            node.switch_off()?;
            cluster.story().lab(format!("the power switch has cut {name} off, and will switch it on again"));
            cluster.boot_later(node, BOOT);
            format!("OK {name} is off and boots")
        }
        _ => format!(
            "ERROR {question:?} is no question: expected off, on, reboot or status with a node, list or monitor"
        ),
    })
}
