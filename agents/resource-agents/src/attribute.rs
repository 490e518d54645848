//! The cluster's own tools, as agents call them to set node attributes and promotion scores. Whichever resource manager
//! started the agent, its tools are found where shell agents look for them.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use ocf::{Context, Failure};

use crate::run_directory::{Level, log};

/// Runs a tool, such as `attrd_updater`, and waits for it.
pub fn run_tool(call: &Context, name: &str, arguments: &[&str]) -> Result<(), Failure> {
    let program = program(call, name);
    let output = Command::new(&program).args(arguments).stdin(Stdio::null()).output().map_err(|error| {
        let what = format!("running {}: {error}", program.display());
        match error.kind() {
            std::io::ErrorKind::NotFound => {
                Failure::not_installed(format!("{what}; the resource manager's tools must be in HA_SBIN_DIR or PATH"))
            }
            _ => Failure::error(what),
        }
    })?;
    match output.status.success() {
        true => Ok(()),
        false => Err(Failure::error(format!(
            "{name} {}: {}; {}",
            arguments.join(" "),
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        ))),
    }
}

fn program(call: &Context, name: &str) -> PathBuf {
    let directory = call.environment.extra.get("HA_SBIN_DIR").map_or("", String::as_str);
    let given = PathBuf::from(directory).join(name);
    // Without a slash it is looked for in PATH.
    if !directory.is_empty() && given.is_file() { given } else { PathBuf::from(name) }
}

/// Says how much this instance would like to be promoted; `None` takes that back. That nobody hears it is no reason to
/// fail what the instance does itself.
pub fn promotion_score(call: &Context, score: Option<i32>) {
    let text = score.map(|score| score.to_string());
    let words = text.as_deref().map_or(vec!["--promotion", "-D"], |score| vec!["--promotion", "-v", score]);
    if let Err(failure) = run_tool(call, "crm_attribute", &words) {
        log(Level::Warning, &failure.reason);
    }
}
