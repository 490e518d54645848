//! Asking a node's daemon how it sees the cluster, from outside of the node; as a tool does, over its socket.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use wire::request::{from_line, to_line};
use wire::{Reply, Request, Status};

use crate::cluster::{CONTROL, program};
use crate::node::Node;

/// A daemon that is just starting or being killed does not answer; it is asked again anyway.
const PATIENCE: Duration = Duration::from_secs(2);

/// Where a node's daemon listens, seen from outside of the node.
pub fn socket(node: &Node) -> PathBuf {
    node.run_directory().join(CONTROL)
}

/// The command that talks to a node's daemon, from outside of the node.
pub fn tool(node: &Node) -> Command {
    let mut command = Command::new(program("systole"));
    command.arg("--socket").arg(socket(node)).stdin(Stdio::null());
    command
}

/// The real command, speaking to the daemon of a node; gives what it printed.
pub fn systole(node: &Node, arguments: &[&str]) -> Result<String> {
    printed(tool(node).args(arguments), arguments)
}

/// The same for a classic tool, which has no options of ours: its name, then its own.
pub fn classic(node: &Node, arguments: &[&str]) -> Result<String> {
    let mut command = Command::new(program("systole"));
    printed(command.args(arguments).env("SYSTOLE_SOCKET", socket(node)).stdin(Stdio::null()), arguments)
}

fn printed(command: &mut Command, arguments: &[&str]) -> Result<String> {
    let output = command.output().context("running systole")?;
    if !output.status.success() {
        bail!("systole {} failed: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// How a node's daemon sees the cluster; `None` when it does not answer.
pub fn status(node: &Node) -> Option<Status> {
    let mut stream = UnixStream::connect(socket(node)).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.set_write_timeout(Some(PATIENCE)).ok()?;
    stream.write_all(to_line(&Request::Status).as_bytes()).ok()?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).ok()?;
    match from_line(&line).ok()? {
        Reply::Status(status) => Some(*status),
        _ => None,
    }
}
