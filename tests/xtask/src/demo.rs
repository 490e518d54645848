//! `cargo xtask demo`: a cluster on this machine, a fault, a receipt.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser as _};
use lab::cluster::EngineKind;
use lab::demo::{MAX_NODES, Options};
use lab::fault::{FAULTS, Fault};
use lab::{ring, sandbox};

use crate::build;

/// What `--help` says below the options.
pub const EXPLANATION: &str = "\
Each node is a real systoled in network, mount, pid and uts namespaces of its own; a bridge joins them. A client in a \
namespace of its own asks the service through its virtual address every 5 ms. A witness sees from outside which node \
holds the address and the file system. Nothing outside of the command's own namespaces is changed, so any number of \
demonstrations can run beside each other, and nothing is left behind however they end.

DIR holds a `cib.xml` as pcs writes it: at least one ocf:heartbeat:IPaddr2; as a rule in a group with an \
ocf:heartbeat:Filesystem and an ocf:systole:TcpFile that serves a file from it. The nodes' network is that of the first \
address. Fence devices and disks are replaced by the lab's, in a copy; each such change is told.

As root the shared disk is an image with ext4 on loop devices. Without root everything runs in a user namespace, and \
the shared disk is a bind-mounted directory.

quorum-loss: all nodes but the active one lose power. With no-quorum-policy=stop (the default) the service must stop \
and stay stopped; a second later the other nodes are switched on again, and it must come back. The outage is from the \
last answer before to the first one after. With another policy the service must go on.

daemon: the active node's systoled is killed with SIGKILL, and its supervisor starts it again. Nothing of the service may \
be stopped, started or fenced; the new daemon must find out what runs.

leave: the active node's process 1 gets SIGTERM. The service moves away first, nothing is fenced, and when the node has \
gone off it boots again.

Exit code: 0 if the service came back and was never active twice, 2 for wrong usage, 130 for Ctrl-C, 1 otherwise.";

/// Options of the demonstration.
#[derive(clap::Args, Clone)]
pub struct Arguments {
    /// Directory with the configuration, `cib.xml` [default: examples/file-vip]
    #[arg(value_name = "DIR")]
    directory: Option<PathBuf>,
    /// How many nodes [default: as many as the configuration names, at least 3]
    #[arg(long, value_name = "N", value_parser = nodes)]
    nodes: Option<usize>,
    /// What the nodes run on: the embedded engine, or Corosync, as on more than one machine
    #[arg(long, value_name = "ENGINE", default_value_t = EngineKind::Embedded)]
    engine: EngineKind,
    /// What goes wrong
    #[arg(long, value_name = "FAULT", default_value = "crash", value_parser = faults())]
    fault: Fault,
    /// Print the receipt as JSON on standard output, and everything else on standard error
    #[arg(long)]
    json: bool,
    /// Leave the cluster up until Ctrl-C, and say how to look into it
    #[arg(long)]
    keep: bool,
    /// Start this node first, so that it coordinates [default: the first one]
    #[arg(long, value_name = "NODE")]
    coordinator: Option<String>,
    /// Milliseconds of silence after which the engine counts a daemon as lost
    #[arg(long, value_name = "MS", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(10..=60_000))]
    token: u64,
    /// Before the fault, measure for so many seconds what the daemons need when nothing happens
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3600))]
    idle: Option<u64>,
    /// Build the programs with optimisation, as for production
    #[arg(long)]
    release: bool,
    /// Set by the lab itself
    #[arg(long, hide = true)]
    programs: Option<PathBuf>,
}

fn faults() -> impl clap::builder::TypedValueParser<Value = Fault> {
    let names = FAULTS.map(|(name, _, help)| PossibleValue::new(name).help(help));
    PossibleValuesParser::new(names).try_map(|name| name.parse::<Fault>())
}

fn nodes(text: &str) -> Result<usize, String> {
    // Two nodes have no majority without one of them, so there is nothing to show with fewer than three.
    let count: Option<usize> = text.parse().ok();
    count.filter(|count| (3..=MAX_NODES).contains(count)).ok_or_else(|| {
        format!("expected a number from 3 to {MAX_NODES}: with fewer than 3 the loss of one is the loss of quorum")
    })
}

impl Arguments {
    fn options(&self) -> Result<Options> {
        Ok(Options {
            directory: self.directory.clone().unwrap_or_else(|| build::root().join("examples/file-vip")),
            nodes: self.nodes,
            engine: self.engine,
            fault: self.fault,
            json: self.json,
            keep: self.keep,
            coordinator: self.coordinator.clone(),
            idle: self.idle.map(Duration::from_secs),
            token_ms: self.token,
            programs: self.programs.clone().unwrap_or_default(),
        })
    }
}

/// Whether the engine is here.
pub fn check_engine(engine: EngineKind) -> Result<()> {
    if engine == EngineKind::Corosync && !ring::is_installed() {
        bail!("Corosync is not installed here: `apt-get install corosync`, or --engine embedded");
    }
    Ok(())
}

/// Builds the programs and shows them in namespaces of their own.
pub fn run(arguments: Arguments) -> Result<ExitCode> {
    let options = arguments.options()?;
    if !options.directory.join("cib.xml").is_file() {
        eprintln!(
            "error: there is no configuration {}: expected a directory with a cib.xml, such as examples/file-vip",
            options.directory.join("cib.xml").display()
        );
        return Ok(ExitCode::from(2));
    }
    options.check()?;
    check_engine(options.engine)?;
    let programs = build::programs(arguments.release)?;
    let words = std::env::args().skip_while(|word| word != "demo").skip(1);
    let own = ["stage".to_owned(), "--programs".to_owned(), programs.display().to_string()];
    sandbox::run(&own.into_iter().chain(words).collect::<Vec<_>>())
}

/// The other half, as process 1 of those namespaces.
pub fn stage(arguments: Arguments) -> Result<ExitCode> {
    let good = lab::demo::run(&arguments.options()?).context("the demonstration failed")?;
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
