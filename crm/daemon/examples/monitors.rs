//! What many recurring monitors cost on a real node: a daemon of its own on this machine, with so many resources of the
//! agent Dummy, each asked at its interval; processor time of the daemon and of all its agents.
//!
//! ```text
//! cargo build --release -p daemon -p resource-agents --bins && cargo run --release -p daemon --example monitors
//! cargo run --release -p daemon --example monitors -- --count 200 --ocf-root /usr/lib/ocf --provider heartbeat
//! ```
//!
//! The second line asks Debian's agent of the same name, a shell script, in place of our own. At the end one resource is
//! taken away behind the cluster's back: that this is seen shows that monitors ran.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use clap::Parser;
use wire::request::{from_line, to_line};
use wire::{Reply, Request, Status};

/// How long all resources may take to be started.
const START: Duration = Duration::from_secs(1_200);
/// The kernel counts processor time in hundredths of a second.
const TICKS_PER_SECOND: f64 = 100.0;

#[derive(Parser)]
struct Options {
    /// How many resources
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    count: u32,
    /// Seconds between two monitors of one resource
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    interval: u64,
    /// For how many seconds it is measured
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    seconds: u64,
    /// Where agents lie [default: our own, linked below a temporary directory]
    #[arg(long)]
    ocf_root: Option<PathBuf>,
    /// Whose agent Dummy
    #[arg(long, default_value = "systole")]
    provider: String,
}

/// Processes that end with the measurement.
struct Node {
    children: Vec<Child>,
    socket: PathBuf,
}

impl Drop for Node {
    fn drop(&mut self) {
        for child in self.children.iter_mut().rev() {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let scratch = tempfile::tempdir().context("making a directory")?;
    let node = start(&options, scratch.path())?;
    let begun = Instant::now();
    until(START, "all resources to be started", || {
        let status = node.status()?;
        let started = status.cib.matches("operation=\"monitor\"").count();
        Ok(status.synced && status.quiet && started >= options.count as usize)
    })?;
    println!("{} resources are started after {:.0} s", options.count, begun.elapsed().as_secs_f64());
    // Once around, so that what is asked of each agent only once has been asked.
    std::thread::sleep(Duration::from_secs(options.interval));

    let daemon = node.children.last().map_or(0, Child::id);
    let (before, at) = (cpu(daemon), Instant::now());
    std::thread::sleep(Duration::from_secs(options.seconds));
    let (after, span) = (cpu(daemon), at.elapsed().as_secs_f64());
    let (own, agents) = (after.0 - before.0, after.1 - before.1);
    println!(
        "{} monitors at {} s, over {span:.0} s: {:.2} s of CPU (systoled {own:.2} s, agents {agents:.2} s), {:.2} % of one core",
        options.count,
        options.interval,
        own + agents,
        (own + agents) / span * 100.0
    );

    fs::remove_file(scratch.path().join("state/r0")).context("taking one resource away")?;
    let taken = Instant::now();
    until(Duration::from_secs(options.interval * 2 + 60), "a failure to be seen", || {
        Ok(node.status()?.cib.contains("fail-count-r0"))
    })?;
    println!("a resource that was taken away was missed after {:.1} s", taken.elapsed().as_secs_f64());
    Ok(())
}

fn until(limit: Duration, what: &str, mut is_so: impl FnMut() -> anyhow::Result<bool>) -> anyhow::Result<()> {
    let begun = Instant::now();
    while begun.elapsed() < limit {
        // A daemon that begins does not listen yet.
        if is_so().unwrap_or(false) {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(500));
    }
    bail!("waited {} s in vain for {what}", limit.as_secs())
}

fn start(options: &Options, directory: &Path) -> anyhow::Result<Node> {
    let program = std::env::current_exe()?;
    let programs = program.parent().and_then(Path::parent).context("looking for systoled")?;
    let path = |name: &str| directory.join(name);
    for name in ["run", "state", "ocf"] {
        fs::create_dir_all(path(name)).with_context(|| format!("making {}", path(name).display()))?;
    }
    let ocf_root = match &options.ocf_root {
        Some(root) => root.clone(),
        None => {
            let install = Command::new(programs.join("systole-agents")).arg("install").arg(path("ocf")).output();
            let install = install.context("starting systole-agents; build it first")?;
            if !install.status.success() {
                bail!("installing agents: {}", String::from_utf8_lossy(&install.stderr).trim());
            }
            path("ocf")
        }
    };
    fs::write(path("cib.xml"), configuration(options, &path("state")))?;
    let mut node = Node { children: Vec::new(), socket: path("node.sock") };
    let mut spawn = |command: &mut Command| -> anyhow::Result<()> {
        let child = command.stderr(Stdio::null()).spawn();
        node.children.push(child.context("starting systoled; build it first")?);
        Ok(())
    };
    let systoled = programs.join("systoled");
    spawn(Command::new(&systoled).args(["hub", "--expected-votes", "1", "--socket"]).arg(path("hub.sock")))?;
    let mut run = Command::new(&systoled);
    run.args(["run", "--name", "n1", "--id", "1"]).env("HA_RSCTMP", path("run"));
    for (option, value) in [
        ("--engine", path("hub.sock")),
        ("--cib", path("cib.xml")),
        ("--state", path("daemon")),
        ("--socket", path("node.sock")),
        ("--ocf-root", ocf_root),
    ] {
        run.arg(option).arg(value);
    }
    spawn(&mut run)?;
    Ok(node)
}

fn configuration(options: &Options, state: &Path) -> String {
    let (provider, interval, state) = (&options.provider, options.interval, state.display());
    let primitive = |n: u32| {
        format!(
            "<primitive id=\"r{n}\" class=\"ocf\" provider=\"{provider}\" type=\"Dummy\"><instance_attributes id=\"r{n}-i\">\
             <nvpair id=\"r{n}-s\" name=\"state\" value=\"{state}/r{n}\"/></instance_attributes><operations>\
             <op id=\"r{n}-m\" name=\"monitor\" interval=\"{interval}s\" timeout=\"60s\"/></operations></primitive>"
        )
    };
    let primitives: String = (0..options.count).map(primitive).collect();
    format!(
        "<cib validate-with=\"pacemaker-3.7\"><configuration><crm_config><cluster_property_set id=\"o\">\
         <nvpair id=\"o-f\" name=\"stonith-enabled\" value=\"false\"/><nvpair id=\"o-d\" name=\"dc-deadtime\" value=\"1s\"/>\
         <nvpair id=\"o-p\" name=\"enable-startup-probes\" value=\"false\"/></cluster_property_set></crm_config><nodes/>\
         <resources>{primitives}</resources><constraints/></configuration><status/></cib>"
    )
}

impl Node {
    fn status(&self) -> anyhow::Result<Status> {
        let mut stream = BufReader::new(UnixStream::connect(&self.socket)?);
        stream.get_mut().write_all(to_line(&Request::Status).as_bytes())?;
        let mut line = String::new();
        stream.read_line(&mut line)?;
        match from_line(&line).map_err(anyhow::Error::msg)? {
            Reply::Status(status) => Ok(*status),
            other => bail!("systoled answered {other:?}"),
        }
    }
}

/// Seconds of processor time: of the daemon itself, and of all processes below it with those that have ended.
fn cpu(daemon: u32) -> (f64, f64) {
    let mut processes = BTreeMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
        // The name in front stands in parentheses and may hold anything.
        let Some((_, rest)) = stat.rsplit_once(") ") else { continue };
        let fields: Vec<u64> = rest.split(' ').map(|field| field.parse().unwrap_or(0)).collect();
        // proc(5), counted from the state, which is field 3: parent 4, utime 14, stime 15, cutime 16, cstime 17.
        if let [_, parent, _, _, _, _, _, _, _, _, _, user, system, children_user, children_system, ..] = fields[..] {
            processes.insert(pid, (parent as u32, user + system, children_user + children_system));
        }
    }
    let is_below = |mut pid: u32| loop {
        match processes.get(&pid) {
            Some((parent, ..)) if *parent == daemon => return true,
            Some((parent, ..)) if *parent > 1 => pid = *parent,
            _ => return false,
        }
    };
    let own = processes.get(&daemon).copied().unwrap_or_default();
    let below: u64 = processes.iter().filter(|(pid, _)| is_below(**pid)).map(|(_, (_, own, ended))| own + ended).sum();
    (own.1 as f64 / TICKS_PER_SECOND, (own.2 + below) as f64 / TICKS_PER_SECOND)
}
