//! What happens inside of a node before the cluster's programs run there: it becomes a machine of its own.
//!
//! Two small programs, each this one started again, as each step needs a process without threads: the *board* owns the
//! node's namespaces and stays as long as the node is on; *init* is process 1 of the node, furnishes it, and becomes
//! the program that the node is there for.

use std::fs;
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, anyhow, bail};
use nix::mount::MsFlags;
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::unistd::{read, sethostname};
use serde::{Deserialize, Serialize};

use crate::ledger;
use crate::network::{self, Address};
use crate::sandbox;
use crate::services::{self, Service};
use crate::writes;

/// First argument of a process that is to be a node's board.
pub const BOARD: &str = "lab-board";
/// First argument of a process that is to be a node's init.
pub const INIT: &str = "lab-init";

/// What a node is made of; goes from the stage to the board and to init as an argument.
#[derive(Serialize, Deserialize, Clone, Debug)]
pub struct Plan {
    /// The node's name, which becomes its host name.
    pub name: String,
    /// Its links to the others; the first one is the clients' as well.
    pub links: Vec<Link>,
    /// The directory that becomes its `/run`.
    pub run: String,
    /// Directories of its own, which outlive its power: what is shown, and where.
    pub disks: Vec<(String, String)>,
    /// Directories that are empty whenever it is switched on, as memory is.
    pub memory: Vec<String>,
    /// What it runs.
    pub work: Work,
}

/// A network interface of a node.
#[derive(Serialize, Deserialize, Clone, Debug)]
pub struct Link {
    /// What it is called.
    pub interface: String,
    /// Its address, as `ADDRESS/PREFIX`.
    pub address: String,
}

/// What a node runs.
#[derive(Serialize, Deserialize, Clone, Debug)]
pub enum Work {
    /// Process 1 becomes this program.
    Become(Vec<String>),
    /// Process 1 looks after these.
    LookAfter(Vec<Service>),
}

/// If this process was started to be a part of a node, is that part; `None` if it was not.
///
/// To be called first thing in `main`, by every program that uses the lab.
pub fn take_part() -> Option<ExitCode> {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(code) = ledger::take_part(&arguments) {
        return Some(code);
    }
    if let Some(code) = writes::take_part(&arguments) {
        return Some(code);
    }
    let (part, plan) = match arguments.as_slice() {
        [_, part, plan] => (part.as_str(), plan),
        _ => return None,
    };
    let result = match part {
        BOARD => board(plan),
        INIT => init(plan),
        _ => return None,
    };
    Some(result.unwrap_or_else(|error| {
        eprintln!("{part}: {error:#}");
        ExitCode::FAILURE
    }))
}

/// Makes the namespaces and stays until the node's process 1 is dead and reaped, and with it every process there.
fn board(plan: &str) -> Result<ExitCode> {
    let read: Plan = serde_json::from_str(plan).context("reading the node's plan")?;
    let namespaces =
        CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWUTS | CloneFlags::CLONE_NEWIPC | CloneFlags::CLONE_NEWPID;
    unshare(namespaces).context("making the node's namespaces")?;
    sethostname(&read.name).context("naming the node")?;
    let mut init = Command::new("/proc/self/exe")
        .arg0("systole-lab-init")
        .args([INIT, plan])
        .spawn()
        .context("starting the node's process 1")?;
    println!("pid {}", init.id());
    init.wait().context("waiting for the node's process 1")?;
    Ok(ExitCode::SUCCESS)
}

/// Furnishes the node, waits for its cable, and becomes the program it is there for.
fn init(plan: &str) -> Result<ExitCode> {
    let plan: Plan = serde_json::from_str(plan).context("reading the node's plan")?;
    set_pdeathsig(Signal::SIGKILL).context("tying process 1 to its board")?;
    unshare(CloneFlags::CLONE_NEWNS).context("making the node's mount namespace")?;
    sandbox::remount("/", None, MsFlags::MS_REC | MsFlags::MS_PRIVATE).context("making the node's mounts private")?;
    sandbox::mount_proc()?;
    // The node's own /run, with the lab's directory still in it.
    let inner = Path::new(&plan.run).join("lab");
    fs::create_dir_all(&inner).with_context(|| format!("making {}", inner.display()))?;
    sandbox::bind(sandbox::LAB, &inner)?;
    sandbox::bind(&plan.run, "/run")?;
    for (source, target) in &plan.disks {
        sandbox::bind(source, target)?;
    }
    for target in &plan.memory {
        sandbox::tmpfs(target, "1777")?;
    }

    println!("furnished");
    if read_line()? != "connected" {
        bail!("the node was given up before it had its cable");
    }
    for link in &plan.links {
        network::configure(&link.interface, parse_address(&link.address)?)?;
    }
    match &plan.work {
        Work::Become(command) => {
            let (program, arguments) = command.split_first().context("the node has nothing to run")?;
            Err(anyhow!(Command::new(program).args(arguments).exec()).context(format!("starting {program}")))
        }
        Work::LookAfter(services) => services::run(services),
    }
}

/// The first line of standard input, byte by byte: what comes after it is for others to read.
fn read_line() -> Result<String> {
    let mut line = Vec::new();
    loop {
        let mut byte = [0];
        let length = read(io::stdin().as_fd(), &mut byte).context("waiting for the node's cable")?;
        if length == 0 || byte == *b"\n" {
            return Ok(String::from_utf8_lossy(&line).into_owned());
        }
        line.extend(byte);
    }
}

fn parse_address(text: &str) -> Result<Address> {
    let (ip, prefix) = text.split_once('/').context("the node's address has no prefix")?;
    Ok(Address {
        ip: ip.parse().context("reading the node's address")?,
        prefix: prefix.parse().context("reading the prefix")?,
    })
}
