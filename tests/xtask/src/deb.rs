//! `cargo xtask deb`: the Debian package. What the programs say of themselves (manual pages, completions, links) they
//! write first; the recipe stands in `crm/cli/Cargo.toml`, where cargo-deb reads it too.

mod pack;
mod recipe;
mod staged;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result};

use crate::build;
use recipe::Recipe;

/// What comes below the help.
pub const EXPLANATION: &str = "\
It needs dpkg-deb and gzip, which Debian has. Once --stage has run, cargo-deb builds the same package from the same recipe:

  cargo xtask deb --stage && cargo deb -p cli --no-build

To install it: apt-get install ./target/debian/systole_*.deb. That starts nothing, and stops nothing that runs.";

/// Options of the package.
#[derive(clap::Args)]
pub struct Arguments {
    /// Programs that are built already, in this directory [default: they are built, with optimisation]
    #[arg(long, value_name = "DIR")]
    programs: Option<PathBuf>,
    /// Where to put the package [default: target/debian]
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Compress less, and sooner
    #[arg(long)]
    fast: bool,
    /// Only write what the programs say of themselves, for cargo-deb
    #[arg(long, conflicts_with_all = ["output", "fast"])]
    stage: bool,
}

/// Builds it, and says where it is.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let programs = match &arguments.programs {
        Some(named) => named.canonicalize().with_context(|| format!("finding {}", named.display()))?,
        None => build::programs(true)?,
    };
    let staged = programs.join("debian");
    staged::write(&programs, &staged)?;
    if arguments.stage {
        println!("{} is there: cargo deb -p cli --no-build", staged.display());
        return Ok(ExitCode::SUCCESS);
    }
    let output = match &arguments.output {
        Some(output) => output.clone(),
        None => programs.parent().context("the programs lie nowhere")?.join("debian"),
    };
    let recipe = Recipe::read(&build::root().join("crm/cli"), &programs)?;
    let package = pack::pack(&recipe, &output, arguments.fast)?;
    println!("{}", package.display());
    Ok(ExitCode::SUCCESS)
}

/// Runs a program and gives what it printed.
fn ask(program: &Path, arguments: &[&str]) -> Result<Vec<u8>> {
    let output = Command::new(program).args(arguments).output();
    let output = output.with_context(|| format!("starting {}", program.display()))?;
    anyhow::ensure!(
        output.status.success(),
        "{} {}: {}: {}",
        program.display(),
        arguments.join(" "),
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(output.stdout)
}
