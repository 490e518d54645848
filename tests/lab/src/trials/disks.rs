//! The disks that hold the configuration are full.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use super::course::Course;
use super::quorum::all_off_and_on;
use crate::clock;
use crate::cluster::state_directory;

/// So long a change may go unanswered that cannot be kept; who asks for it gives up then.
const UNANSWERED: Duration = Duration::from_secs(8);

/// The disk of one node is full, then those of all, then there is room again, and then the power fails: whatever was
/// acknowledged must be there.
pub fn full(course: &Course) -> Result<()> {
    let active = course.active()?;
    course.strike(&active);
    let nodes = course.cluster().nodes();
    let (first, second) = (clock::now_us().to_string(), (clock::now_us() + 1).to_string());
    fill(active.name())?;
    course.set_property(&active, "lab-first", &first).context("a majority has room, so it must be acknowledged")?;
    for node in nodes {
        fill(node.name())?;
    }
    let is_acknowledged = try_to_set(course, &second)?;
    course.nothing_was_stopped().context("full disks are no reason")?;
    course.nobody_was_fenced()?;
    for node in nodes {
        let path = filler(node.name());
        fs::remove_file(&path).with_context(|| format!("removing {}", path.display()))?;
    }
    let third = (clock::now_us() + 2).to_string();
    course.set_property(&active, "lab-third", &third).context("there is room again")?;
    all_off_and_on(course)?;
    course.field().rest()?;
    for node in nodes {
        for (name, value, expected) in
            [("lab-first", &first, true), ("lab-second", &second, is_acknowledged), ("lab-third", &third, true)]
        {
            let found = course.property(node, name)?;
            ensure!(
                !expected || found.as_ref() == Some(value),
                "{} has lost the acknowledged change of {name}: it holds {found:?}",
                node.name()
            );
        }
    }
    Ok(())
}

/// Asks for a change that nobody has room for. Says whether it was acknowledged all the same.
fn try_to_set(course: &Course, value: &str) -> Result<bool> {
    let mut command = course.property_command(&*course.active()?, "lab-second", value)?;
    let null = || File::create("/dev/null").context("opening /dev/null");
    let mut asking = command.stdout(null()?).stderr(null()?).spawn().context("running systole")?;
    let until = Instant::now() + UNANSWERED;
    while Instant::now() < until {
        if let Some(status) = asking.try_wait().context("waiting for systole")? {
            return Ok(status.success());
        }
        course.let_pass(Duration::from_millis(20));
    }
    asking.kill().context("giving up")?;
    asking.wait().context("giving up")?;
    Ok(false)
}

fn filler(node: &str) -> PathBuf {
    state_directory(node).join("filler")
}

/// Fills a node's disk to the last byte.
fn fill(node: &str) -> Result<()> {
    let path = filler(node);
    let mut file = File::create(&path).with_context(|| format!("making {}", path.display()))?;
    let block = [0; 4096];
    loop {
        match file.write(&block) {
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::StorageFull => return Ok(()),
            Err(error) => return Err(error).with_context(|| format!("filling {}", path.display())),
        }
    }
}
