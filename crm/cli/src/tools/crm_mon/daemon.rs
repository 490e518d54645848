//! `crm_mon --daemonize`: it writes a page again and again while nobody looks, as the agent ClusterMon has it. Its parent
//! writes down who it is and goes, so that the agent finds it as soon as it has been started.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use super::Options;
use crate::tools::call::Call;
use crate::tools::status::{self, Failure};

/// Set for the process that stays.
const STAYS: &str = "SYSTOLE_CRM_MON_STAYS";

/// Whether this is the process that is to be left behind.
pub fn stays(call: &Call) -> bool {
    call.variable(STAYS).is_some()
}

/// Leaves a process behind that goes on, in a process group of its own: whoever ends the agent's does not end it.
///
/// # Errors
/// When it would have nowhere to write, one runs already, or it cannot be started.
pub fn leave_behind(call: &Call, options: &Options) -> Result<u8, Failure> {
    if options.file().is_none() {
        let message = "--daemonize requires --output-to or --as-html, with the name of a file".to_owned();
        return Err(Failure::new(status::USAGE, message));
    }
    if let Some(path) = &options.pid_file
        && let Some(pid) = running(path)
    {
        let message = format!("process {pid} runs already, as {} says; end it first", path.display());
        return Err(Failure::new(status::ERROR, message));
    }
    let failed = |error| Failure::new(status::ERROR, format!("leaving a process behind: {error}"));
    let program = std::env::current_exe().map_err(failed)?;
    let (name, arguments) = call.arguments.split_first().expect("a tool is called by a name");
    let mut child = Command::new(program);
    child.arg0(name).args(arguments).env(STAYS, "1").process_group(0);
    let child = child.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().map_err(failed)?;
    if let Some(path) = &options.pid_file {
        fs::write(path, format!("{:>8}\n", child.id())).map_err(|error| Failure::cannot_create(path, &error))?;
    }
    Ok(status::OK)
}

/// The process that a file names, if there is such a process.
fn running(path: &Path) -> Option<u32> {
    let pid: u32 = fs::read_to_string(path).ok()?.trim().parse().ok()?;
    Path::new(&format!("/proc/{pid}")).exists().then_some(pid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_process_that_is_there_runs() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pid");
        assert_eq!(running(&path), None);
        for (text, expected) in [("nonsense", None), ("4294967295", None), ("", None)] {
            fs::write(&path, text).unwrap();
            assert_eq!(running(&path), expected, "{text}");
        }
        fs::write(&path, format!(" {}\n", std::process::id())).unwrap();
        assert_eq!(running(&path), Some(std::process::id()));
    }
}
