//! `cargo xtask lab`: a cluster on this machine, one fault after the other, and whether all was as it must be.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use lab::cluster::EngineKind;
use lab::demo::MAX_NODES;
use lab::trials::{Options, TRIALS};
use lab::{ring, sandbox};

use crate::{build, demo};

/// Options of the trials.
#[derive(clap::Args, Clone)]
pub struct Arguments {
    /// Only these trials [default: all that the cluster allows]
    #[arg(value_name = "TRIAL")]
    trials: Vec<String>,
    /// What the nodes run on: corosync or embedded [default: corosync where it is installed]
    #[arg(long, value_name = "ENGINE")]
    engine: Option<EngineKind>,
    /// How many nodes
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u64).range(2..=MAX_NODES as u64))]
    nodes: u64,
    /// Give two nodes a quorum device, Debian's corosync-qnetd, on a host of its own
    #[arg(long)]
    device: bool,
    /// Milliseconds of silence after which the engine counts a node as lost
    #[arg(long, value_name = "MS", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(10..=60_000))]
    token: u64,
    /// Where chance begins
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// For how many seconds the trial `daemons` kills daemons
    #[arg(long, value_name = "SECONDS", default_value_t = 15, value_parser = clap::value_parser!(u64).range(1..=3600))]
    kill: u64,
    /// Print the outcomes as JSON on standard output, and everything else on standard error
    #[arg(long)]
    json: bool,
    /// Tell everything that happens
    #[arg(long)]
    verbose: bool,
    /// Build the programs with optimisation, as for production
    #[arg(long)]
    release: bool,
    /// Set by the lab itself
    #[arg(long, hide = true)]
    programs: Option<PathBuf>,
}

/// What `--help` says below the options.
pub fn explanation() -> String {
    let trials = TRIALS.iter().map(|trial| format!("  {:<20} {}\n", trial.name, trial.about)).collect::<String>();
    format!(
        "Trials, in the order in which they are held on one cluster:\n{trials}\nAfter each the cluster must be at rest, \
         with everything running once; no two nodes may have held the same address or file system at once; every record \
         that was acknowledged to a client must be on the shared disk, once and in order.\n\nExit code: 0 if all was as \
         it must be, 2 for wrong usage, 130 for Ctrl-C, 1 otherwise."
    )
}

impl Arguments {
    fn options(&self) -> Options {
        Options {
            trials: self.trials.clone(),
            engine: self.engine.unwrap_or_else(best_engine),
            nodes: usize::try_from(self.nodes).unwrap_or(MAX_NODES),
            device: self.device,
            token_ms: self.token,
            seed: self.seed,
            kill_s: self.kill,
            json: self.json,
            verbose: self.verbose,
            programs: self.programs.clone().unwrap_or_default(),
        }
    }
}

/// Corosync where it is installed: what more than one machine needs.
fn best_engine() -> EngineKind {
    if ring::is_installed() { EngineKind::Corosync } else { EngineKind::Embedded }
}

/// Builds the programs and tries them in namespaces of their own.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let options = arguments.options();
    if let Err(error) = options.check().and_then(|()| demo::check_engine(options.engine)) {
        eprintln!("error: {error:#}");
        return Ok(ExitCode::from(2));
    }
    let programs = build::programs(arguments.release)?;
    let words = std::env::args().skip_while(|word| word != "lab").skip(1);
    let own = ["trials-stage".to_owned(), "--programs".to_owned(), programs.display().to_string()];
    sandbox::run(&own.into_iter().chain(words).collect::<Vec<_>>())
}

/// The other half, as process 1 of those namespaces.
pub fn stage(arguments: &Arguments) -> Result<ExitCode> {
    Ok(if lab::trials::run(&arguments.options())? { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
