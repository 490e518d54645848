//! `cargo xtask test`: builds everything, passes all tests, says how many.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result, bail};
use nix::unistd::geteuid;

use crate::build;

/// What the tests need besides Rust: a program and the Debian package that it comes in.
const NEEDED: [(&[&str], &str); 1] = [(&["/usr/sbin/mkfs.ext4", "/sbin/mkfs.ext4"], "e2fsprogs")];

/// Options of the tests.
#[derive(clap::Args)]
pub struct Arguments {
    /// Test only this package of the workspace
    #[arg(long, short, value_name = "NAME")]
    package: Option<String>,
    /// Run only tests whose name contains this
    #[arg(value_name = "FILTER")]
    filter: Option<String>,
}

/// Runs them.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    install_packages()?;
    build::run(build::cargo().args(["build", "--workspace"])).context("building the workspace")?;
    let own = std::env::current_exe().context("finding this program's own file")?;
    let programs = own.parent().context("this program lies nowhere")?;

    let mut tests = build::cargo();
    tests.args(["test", "--no-fail-fast"]).env(build::PROGRAMS, programs).stdout(Stdio::piped());
    match &arguments.package {
        Some(package) => tests.args(["--package", package]),
        None => tests.arg("--workspace"),
    };
    tests.args(&arguments.filter);
    let mut running = tests.spawn().context("starting the tests")?;
    let mut sum = Sum::default();
    let output = running.stdout.take().context("the tests were started without a pipe")?;
    for line in BufReader::new(output).lines() {
        let line = line.context("reading the tests' output")?;
        println!("{line}");
        sum.add(&line);
    }
    let status = running.wait().context("waiting for the tests")?;
    println!("\n{} passed, {} failed", sum.passed, sum.failed);
    if !status.success() && sum.failed == 0 {
        bail!("the tests could not all be built or run: see above");
    }
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// How the tests went, over all programs of tests.
#[derive(Default, PartialEq, Debug)]
struct Sum {
    passed: usize,
    failed: usize,
}

impl Sum {
    /// Counts a line such as `test result: ok. 12 passed; 0 failed; 0 ignored; …`.
    fn add(&mut self, line: &str) {
        let Some((_, counts)) = line.strip_prefix("test result: ").and_then(|result| result.split_once(". ")) else {
            return;
        };
        for count in counts.split("; ") {
            match count.split_once(' ') {
                Some((number, "passed")) => self.passed += number.parse().unwrap_or(0),
                Some((number, "failed")) => self.failed += number.parse().unwrap_or(0),
                _ => {}
            }
        }
    }
}

/// Installs what is missing as root; names it otherwise.
fn install_packages() -> Result<()> {
    let missing: Vec<&str> = NEEDED
        .iter()
        .filter(|(programs, _)| !programs.iter().any(|program| Path::new(program).exists()))
        .map(|(_, package)| *package)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let command = format!("apt-get install -y {}", missing.join(" "));
    if !geteuid().is_root() {
        bail!("the tests need packages that are not here; as root: {command}");
    }
    println!("{command}");
    let install = || {
        let mut apt = Command::new("apt-get");
        apt.args(["install", "-y"]).args(&missing).env("DEBIAN_FRONTEND", "noninteractive");
        build::run(&mut apt)
    };
    // On a machine that was just set up there are no package lists yet.
    install().or_else(|_| {
        build::run(Command::new("apt-get").arg("update"))?;
        install()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_summed_up() {
        let mut sum = Sum::default();
        for line in [
            "running 3 tests",
            "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s",
            "test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s",
            "test result: nonsense",
        ] {
            sum.add(line);
        }
        assert_eq!(sum, Sum { passed: 13, failed: 2 });
    }
}
