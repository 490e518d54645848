//! What the programs say of themselves: manual pages, completions, and the names that they are found by.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use super::ask;
use crate::build;

/// Where a link of an agent leads, from /usr/lib/ocf/resource.d/systole.
const AGENTS: &str = "../../../systole/systole-agents";
/// Where a link of a tool leads, from /usr/lib/systole/tools.
const TOOLS: &str = "../../../bin/systole";

/// Writes all of it anew into a directory.
pub fn write(programs: &Path, directory: &Path) -> Result<()> {
    if directory.exists() {
        fs::remove_dir_all(directory).with_context(|| format!("removing {}", directory.display()))?;
    }
    let systole = programs.join("systole");
    let manuals = [("man1", systole.clone(), vec!["man", "--dir"]), ("man8", programs.join("systoled"), vec!["man"])];
    for (section, program, mut words) in manuals {
        let pages = directory.join(section);
        fs::create_dir_all(&pages).with_context(|| format!("making {}", pages.display()))?;
        let place = pages.to_string_lossy();
        words.push(&place);
        ask(&program, &words)?;
        compress(&pages)?;
    }
    for shell in ["bash", "zsh", "fish"] {
        fs::write(directory.join(format!("systole.{shell}")), ask(&systole, &["completions", shell])?)?;
    }
    let agents = String::from_utf8(ask(&programs.join("systole-agents"), &["list"])?)?;
    links(&directory.join("agents"), agents.lines(), AGENTS)?;
    let tools = String::from_utf8(ask(&systole, &["tools", "list"])?)?;
    links(&directory.join("tools"), tools.lines().filter_map(|line| line.split_whitespace().next()), TOOLS)
}

/// Pages are read compressed. No name and no time in them: the same pages are the same files.
fn compress(directory: &Path) -> Result<()> {
    let pages = fs::read_dir(directory)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    ensure!(!pages.is_empty(), "no manual pages were written to {}", directory.display());
    build::run(Command::new("gzip").args(["-9", "-n", "--"]).args(pages))
}

fn links<'n>(directory: &Path, names: impl Iterator<Item = &'n str>, target: &str) -> Result<()> {
    fs::create_dir_all(directory)?;
    for name in names {
        symlink(target, directory.join(name)).with_context(|| format!("linking {name}"))?;
    }
    Ok(())
}
