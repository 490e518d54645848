//! `cargo xtask writes`: writes to the configuration, Systole's and Pacemaker's, on the same hosts in the same run.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, bail};
use lab::writes::{self, Measurement};

use crate::build;

/// Options of the measurement.
#[derive(clap::Args)]
pub struct Arguments {
    /// How many resources are configured; may be given several times [default: 0 and 300]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=5000))]
    resources: Vec<u32>,
    /// For how many seconds each kind of client writes
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Leave Pacemaker out
    #[arg(long)]
    alone: bool,
    /// Measure programs without optimisation, which are built faster
    #[arg(long)]
    debug: bool,
}

/// Measures and prints.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    if let Some(why) = writes::refusal(arguments.alone) {
        bail!("{why}");
    }
    let resources = match arguments.resources.as_slice() {
        [] => vec![0, 300],
        given => given.iter().map(|count| *count as usize).collect(),
    };
    writes::run(&Measurement {
        programs: build::programs(!arguments.debug)?,
        resources,
        span: Duration::from_secs(arguments.seconds),
        is_alone: arguments.alone,
    })?;
    Ok(ExitCode::SUCCESS)
}
