//! The nodes' watchdogs: each resets its node when it was armed and is not fed in time, as a board's own does. A daemon
//! feeds its watchdog by writing to a file; when it may do so is the daemon's to decide.

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use crate::cluster::Cluster;
use crate::node::Node;

/// The watchdog's file in a node's `/run`: what was armed before a reboot is not armed after it.
pub const FILE: &str = "watchdog";

/// Unfed for so long, a node is reset: the default of `systoled`.
pub const TIMEOUT: Duration = Duration::from_secs(5);

/// Between two looks: what a watchdog bites late by.
const LOOK: Duration = Duration::from_millis(50);

/// What a daemon leaves that disarms its watchdog, as the kernel has it.
const DISARMED: &str = "V";

/// Begins to look after them, until the cluster is gone.
pub fn guard(cluster: &Arc<Cluster>) -> Result<()> {
    let cluster = Arc::downgrade(cluster);
    let guard = move || watch(&cluster);
    thread::Builder::new().name("watchdogs".to_owned()).spawn(guard).context("starting the watchdogs").map(drop)
}

/// What one watchdog knows.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Watched {
    /// What it was fed last, and when.
    fed: Option<(String, Instant)>,
}

impl Watched {
    /// Takes in what lies in its file. Says whether it bites.
    fn bites(&mut self, found: Option<String>, now: Instant) -> bool {
        match found.filter(|text| !text.is_empty() && text != DISARMED) {
            None => self.fed = None,
            Some(text) if self.fed.as_ref().is_none_or(|(last, _)| *last != text) => self.fed = Some((text, now)),
            Some(_) => {}
        }
        self.fed.as_ref().is_some_and(|(_, at)| now.saturating_duration_since(*at) >= TIMEOUT)
    }
}

fn watch(cluster: &Weak<Cluster>) {
    let mut watched: Vec<Watched> = Vec::new();
    loop {
        thread::sleep(LOOK);
        let Some(cluster) = cluster.upgrade() else { return };
        watched.resize(cluster.nodes().len(), Watched::default());
        for (node, watched) in cluster.nodes().iter().zip(&mut watched) {
            let found = node.is_on().then(|| fs::read_to_string(file(node)).ok()).flatten();
            if watched.bites(found, Instant::now()) && cluster.are_watchdogs_connected() {
                *watched = Watched::default();
                reset(&cluster, node);
            }
        }
    }
}

/// The node boots when it is switched on: a host that hangs in its firmware is the one that others must wait for.
fn reset(cluster: &Arc<Cluster>, node: &Arc<Node>) {
    match node.switch_off() {
        Ok(()) => cluster.story().lab(format!("the watchdog of {} was not fed, and resets it", node.name())),
        Err(error) => cluster.story().lab(format!("the watchdog of {} cannot reset it: {error:#}", node.name())),
    }
}

fn file(node: &Node) -> PathBuf {
    node.run_directory().join(FILE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_was_armed_and_is_not_fed_bites() {
        let begin = Instant::now();
        let text = |text: &str| Some(text.to_owned());
        let mut watched = Watched::default();
        for (second, found, expected) in [
            (0, None, false),
            (9, None, false),
            (10, text("fed 1\n"), false),
            (14, text("fed 1\n"), false),
            (15, text("fed 2\n"), false),
            (19, text("fed 2\n"), false),
            (20, text("fed 2\n"), true),
            (21, text("V"), false),
            (99, text("V"), false),
            (100, text("fed 3\n"), false),
        ] {
            assert_eq!(watched.bites(found, begin + Duration::from_secs(second)), expected, "after {second} s");
        }
    }
}
