//! Agents that a killed daemon left behind. One that is still at work could finish its start after the new daemon has
//! looked what runs, and then there would be a second copy: so they are ended before this daemon joins the others.
//!
//! Each agent has a file named after its process group, with the time its process began: a number that another
//! process has by now is left alone. Services that agents have started are no agents, and run on.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use executor::Signal;

use crate::processes::signal;

/// How long an agent has to end after TERM, before KILL: as for one that takes too long.
const TERM_WAIT: Duration = Duration::from_secs(2);
/// How long after KILL: one that is still there hangs in the kernel.
const KILL_WAIT: Duration = Duration::from_secs(5);
/// How often it is looked.
const LOOK: Duration = Duration::from_millis(20);

/// The directory with a file for each agent at work.
#[derive(Clone, Debug)]
pub struct Leftovers {
    directory: PathBuf,
}

impl Leftovers {
    /// Opens the directory, makes it if it is not there.
    pub fn open(directory: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(directory)
            .with_context(|| format!("making the directory {} for agents at work", directory.display()))?;
        Ok(Leftovers { directory: directory.to_owned() })
    }

    /// An agent is at work. A note that cannot be made costs safety after a crash of ours, not the operation now.
    pub fn begun(&self, group: i32) {
        if let Some(began) = began(group) {
            let _ = fs::write(self.file(group), began);
        }
    }

    /// It has ended.
    pub fn ended(&self, group: i32) {
        let _ = fs::remove_file(self.file(group));
    }

    /// Ends what an earlier daemon left behind; gives how many there were.
    ///
    /// # Errors
    /// When one cannot be ended: the node must not join, for nobody knows what that agent will have done.
    pub fn end_all(&self) -> anyhow::Result<usize> {
        let groups = self.groups()?;
        let left = groups.iter().filter(|group| self.is_at_work(**group)).count();
        for (what, wait) in [(Signal::Term, TERM_WAIT), (Signal::Kill, KILL_WAIT)] {
            let alive: Vec<i32> = groups.iter().copied().filter(|group| self.is_at_work(*group)).collect();
            alive.iter().for_each(|group| signal(*group, what));
            let until = Instant::now() + wait;
            while alive.iter().any(|group| self.is_at_work(*group)) && Instant::now() < until {
                thread::sleep(LOOK);
            }
        }
        if let Some(group) = groups.iter().find(|group| self.is_at_work(**group)) {
            bail!(
                "the agent of process {group}, which an earlier daemon started, cannot be ended: it hangs in the kernel, \
                 as a rule on a device that is gone; free the device or restart this host"
            );
        }
        groups.iter().for_each(|group| self.ended(*group));
        Ok(left)
    }

    fn groups(&self) -> anyhow::Result<Vec<i32>> {
        let doing = || format!("looking for agents of an earlier daemon in {}", self.directory.display());
        let entries = fs::read_dir(&self.directory).with_context(doing)?;
        Ok(entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect())
    }

    fn is_at_work(&self, group: i32) -> bool {
        let noted = fs::read_to_string(self.file(group)).ok();
        noted.is_some() && noted == began(group)
    }

    fn file(&self, group: i32) -> PathBuf {
        self.directory.join(group.to_string())
    }
}

/// When a process began, in the kernel's ticks since boot; `None` when it is gone or only waits to be reaped.
fn began(process: i32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // proc(5): the name is in parentheses and may hold any; behind it the state is field 3, the start field 22.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    (!matches!(state, "Z" | "X")).then(|| fields.nth(18).map(str::to_owned))?
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::CommandExt as _;
    use std::process::Command;

    #[test]
    fn an_agent_that_was_left_behind_is_ended_and_nobody_else() {
        let directory = tempfile::tempdir().unwrap();
        let leftovers = Leftovers::open(directory.path()).unwrap();
        let sleep = || Command::new("sleep").arg("1000").process_group(0).spawn().unwrap();
        let (mut agent, mut other) = (sleep(), sleep());
        leftovers.begun(agent.id() as i32);
        // The same number, noted for a process that began at another time.
        fs::write(leftovers.file(other.id() as i32), "1").unwrap();
        assert_eq!(leftovers.end_all().unwrap(), 1);
        assert!(!agent.wait().unwrap().success(), "it was ended");
        assert!(other.try_wait().unwrap().is_none(), "it runs on");
        other.kill().unwrap();
        other.wait().unwrap();
        assert_eq!(leftovers.end_all().unwrap(), 0);
    }
}
