//! Builds the programs that a demonstration runs.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// Directory of programs that are built already; for tests, which build them once.
pub const PROGRAMS: &str = "SYSTOLE_BIN_DIR";

/// Why this machine gives no namespaces; for tests that cannot do without.
pub const NO_NAMESPACES: &str = "SYSTOLE_NO_NAMESPACES";

/// The programs, and the packages that they come from.
const NEEDED: [(&str, &str); 4] = [
    ("systoled", "daemon"),
    ("systole", "cli"),
    ("systole-agents", "resource-agents"),
    ("systole-fence-agents", "fence-agents"),
];

/// The directory with the programs: the one that is named in the environment, or what cargo builds now.
pub fn programs(release: bool) -> Result<PathBuf> {
    if let Some(named) = env::var_os(PROGRAMS).filter(|named| !named.is_empty()) {
        let directory = PathBuf::from(named);
        let missing: Vec<&str> =
            NEEDED.iter().map(|(program, _)| *program).filter(|program| !directory.join(program).is_file()).collect();
        if !missing.is_empty() {
            bail!(
                "{PROGRAMS} is {}, but {} not there: build them (`cargo build --workspace`), or unset the variable",
                directory.display(),
                if missing.len() == 1 { format!("{} is", missing[0]) } else { format!("{} are", missing.join(", ")) }
            );
        }
        return directory.canonicalize().with_context(|| format!("finding {}", directory.display()));
    }
    let mut build = cargo();
    build.args(["build", "--quiet"]);
    for (_, package) in NEEDED {
        build.args(["--package", package]);
    }
    if release {
        build.arg("--release");
    }
    let mut building = build.spawn().context("starting cargo")?;
    // Built already, as a rule: then there is nothing to say.
    let patience = Instant::now() + Duration::from_secs(1);
    while Instant::now() < patience && building.try_wait().context("waiting for cargo")?.is_none() {
        thread::sleep(Duration::from_millis(5));
    }
    if building.try_wait().context("waiting for cargo")?.is_none() {
        eprintln!("building the programs (the first time this takes minutes) …");
    }
    let status = building.wait().context("waiting for cargo")?;
    if !status.success() {
        bail!("the programs could not be built: see above");
    }
    // This program lies in TARGET/debug or TARGET/release.
    let own = env::current_exe().context("finding this program's own file")?;
    let target =
        own.parent().and_then(Path::parent).context("this program does not lie in cargo's target directory")?;
    Ok(target.join(if release { "release" } else { "debug" }))
}

/// The cargo that runs us, in the workspace's root.
pub fn cargo() -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root());
    cargo
}

/// The workspace's root.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("this crate lies two levels below the root")
}

/// Runs a command; its failure is an error.
pub fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("starting {}", command.get_program().display()))?;
    if !status.success() {
        bail!("{} failed ({status})", command.get_program().display());
    }
    Ok(())
}
