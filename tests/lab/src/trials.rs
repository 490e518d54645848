//! Trials: one cluster, one fault after the other, and after each the same questions, asked from outside.
//!
//! After every trial the cluster must be at rest again, with everything running once; no two nodes may have held the
//! same address or file system at once; every record that was acknowledged must be on the disk, once and in order; no
//! answer may have been wrong; no program may have panicked. What a trial asks beyond that, it says itself.

mod clocks;
mod course;
mod daemons;
mod disks;
mod loss;
mod members;
mod orders;
mod pairs;
mod quorum;
mod walk;
mod watchdog;

use std::io::{self, Write as _};
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use serde::Serialize;

use crate::adapt;
use crate::clock::{self, ms_between};
use crate::cluster::{EngineKind, Ground};
use crate::disk;
use crate::field::Field;
use crate::receipt::tenth;
use crate::ring;
use crate::sandbox;
use crate::scene::Scene;
use crate::story::{Page, Storyteller};

use course::Course;

/// The configuration of the trials: a file system, an address, a service and a ledger in a group, and a second address.
const CONFIGURATION: &str = include_str!("trials/cib.xml");

/// A trial.
pub struct Trial {
    /// Its name on the command line.
    pub name: &'static str,
    /// What happens, and what must come of it.
    pub about: &'static str,
    /// What it cannot be tried without.
    needs: Needs,
    run: fn(&Course) -> Result<()>,
}

/// What a trial cannot be tried without.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Needs {
    Nothing,
    /// A majority that is left when one node is gone, the active one or another.
    Majority,
    ThreeNodes,
    FiveNodes,
    /// Three nodes on Corosync.
    Corosync,
    /// Two nodes of which one is enough.
    TwoNodes,
    /// Two nodes with a quorum device.
    Device,
}

/// All trials, in the order in which they are held.
pub const TRIALS: &[Trial] = &[
    Trial {
        name: "crash",
        about: "the active node, which does not coordinate, loses power: its services come up elsewhere",
        needs: Needs::Nothing,
        run: loss::crash,
    },
    Trial {
        name: "crash-coordinator",
        about: "the active node loses power, and coordinated",
        needs: Needs::Nothing,
        run: loss::crash_coordinator,
    },
    Trial {
        name: "crash-bystander",
        about: "a node that does not serve the client loses power: the client does not notice",
        needs: Needs::ThreeNodes,
        run: loss::crash_bystander,
    },
    Trial {
        name: "isolate",
        about: "the active node is cut off and lives on: it is fenced before its services come up elsewhere",
        needs: Needs::Majority,
        run: loss::isolate,
    },
    Trial {
        name: "isolate-unfenced",
        about: "a node is cut off where fencing is disabled: it gives up what it has; when healed it joins again",
        needs: Needs::ThreeNodes,
        run: loss::isolate_unfenced,
    },
    Trial {
        name: "split",
        about: "two nodes do not hear each other: the one that serves the client fences the other, and serves on",
        needs: Needs::TwoNodes,
        run: pairs::split,
    },
    Trial {
        name: "alone",
        about: "one of two nodes is switched on alone: it starts nothing before the other one is there (wait_for_all)",
        needs: Needs::TwoNodes,
        run: pairs::alone,
    },
    Trial {
        name: "alone-with-device",
        about: "one of two nodes is switched on alone, and the quorum device votes for it: it fences the other and starts",
        needs: Needs::Device,
        run: pairs::alone_with_device,
    },
    Trial {
        name: "device-lost",
        about: "the quorum device loses power, and gets it back: nothing happens",
        needs: Needs::Device,
        run: pairs::device_lost,
    },
    Trial {
        name: "link-loss",
        about: "one of two links is cut: nothing happens",
        needs: Needs::Corosync,
        run: loss::link_loss,
    },
    Trial {
        name: "two-of-five",
        about: "of five nodes two lose power at once, the active one among them",
        needs: Needs::FiveNodes,
        run: loss::two_of_five,
    },
    Trial {
        name: "leave",
        about: "the active node shuts down: its services move away first, nobody is fenced",
        needs: Needs::Nothing,
        run: loss::leave,
    },
    Trial {
        name: "fail",
        about: "the address is deleted behind its agent's back: it comes back on the same node",
        needs: Needs::Nothing,
        run: orders::fail,
    },
    Trial {
        name: "fail-service",
        about: "the ledger is killed: it comes back on the same node, and has its records",
        needs: Needs::Nothing,
        run: orders::fail_service,
    },
    Trial {
        name: "move",
        about: "the services are moved to another node, and stay there",
        needs: Needs::Nothing,
        run: orders::move_away,
    },
    Trial {
        name: "standby",
        about: "the active node is put on standby, and taken back",
        needs: Needs::Nothing,
        run: orders::standby,
    },
    Trial {
        name: "walk",
        about: "the cluster is emptied and furnished anew in pcs's words; then the services move on each kind of failure",
        needs: Needs::ThreeNodes,
        run: walk::walk,
    },
    Trial {
        name: "clock",
        about: "the wall clocks of nodes jump by hours and years: nothing happens",
        needs: Needs::Nothing,
        run: clocks::jump,
    },
    Trial {
        name: "remove",
        about: "a node is taken out of Corosync and of the configuration, and comes in again",
        needs: Needs::Corosync,
        run: members::remove,
    },
    Trial {
        name: "watchdog",
        about: "the active node's daemon stands still where nothing fences: its watchdog resets it before others start anything",
        needs: Needs::ThreeNodes,
        run: watchdog::bites,
    },
    Trial {
        name: "watchdog-spares",
        about: "the active node is cut off where nothing fences: it stops everything in time, and is not reset",
        needs: Needs::ThreeNodes,
        run: watchdog::spares,
    },
    Trial {
        name: "quorum",
        about: "all nodes but the active one lose power: it stops everything, until they are back",
        needs: Needs::ThreeNodes,
        run: quorum::lost_and_regained,
    },
    Trial {
        name: "power",
        about: "all nodes lose power at once, right after a change of the configuration: it is there again",
        needs: Needs::Nothing,
        run: quorum::power,
    },
    Trial {
        name: "daemons",
        about: "daemons are killed at random for a while: nothing is stopped, started or fenced",
        needs: Needs::Nothing,
        run: daemons::killed_at_random,
    },
    Trial {
        name: "corosync",
        about: "Corosync of the active node is killed: the others fence it and take over",
        needs: Needs::Corosync,
        run: daemons::corosync_killed,
    },
    Trial {
        name: "corosync-everywhere",
        about: "Corosync is killed on all nodes at once, and started again: everything stops, and comes back",
        needs: Needs::Corosync,
        run: daemons::corosync_killed_everywhere,
    },
    Trial {
        name: "disk",
        about: "the disks that hold the configuration are full, one first, then all; then the power fails",
        needs: Needs::ThreeNodes,
        run: disks::full,
    },
];

/// What is to be tried.
#[derive(Clone, Debug)]
pub struct Options {
    /// Names of the trials; all that the cluster allows when empty.
    pub trials: Vec<String>,
    /// What the nodes run on.
    pub engine: EngineKind,
    /// How many nodes.
    pub nodes: usize,
    /// Whether two nodes have a quorum device.
    pub device: bool,
    /// After how many milliseconds of silence the engine counts a node as lost.
    pub token_ms: u64,
    /// Where chance begins.
    pub seed: u64,
    /// How long daemons are killed, in seconds.
    pub kill_s: u64,
    /// The outcomes for programs.
    pub json: bool,
    /// Tell everything that happens.
    pub verbose: bool,
    /// Where the programs under test are.
    pub programs: PathBuf,
}

/// How a trial went.
#[derive(Serialize, Clone, Debug, Default)]
pub struct Outcome {
    /// Its name.
    pub trial: &'static str,
    /// Whether all was as it must be; absent when it was not tried.
    pub passed: Option<bool>,
    /// Why it was not tried, or what was not as it must be.
    pub reason: Option<String>,
    /// How long it took, until the cluster was at rest again.
    pub seconds: f64,
    /// The client's longest silence.
    pub outage_ms: Option<f64>,
    /// From the first membership without the lost node, as a survivor logs it, to the client's next answer.
    pub after_membership_ms: Option<f64>,
    /// Records that were acknowledged so far.
    pub records: u64,
}

impl Outcome {
    fn not_tried(trial: &Trial, why: &str) -> Self {
        Self { trial: trial.name, reason: Some(why.to_owned()), ..Self::default() }
    }

    /// For people.
    pub fn to_text(&self) -> String {
        let verdict = match self.passed {
            Some(true) => "passed",
            Some(false) => "FAILED",
            None => "not tried",
        };
        let ms = |what: &str, ms: Option<f64>| ms.map_or_else(String::new, |ms| format!(", {what} {ms:.0} ms"));
        let figures = match self.passed {
            Some(true) => format!(
                "{:.1} s{}{}, {} records",
                self.seconds,
                ms("outage", self.outage_ms),
                ms("after membership", self.after_membership_ms),
                self.records
            ),
            _ => self.reason.clone().unwrap_or_default(),
        };
        format!("{verdict:<9}  {:<20} {figures}", self.trial)
    }
}

impl Options {
    /// What can be checked before anything is built or started.
    pub fn check(&self) -> Result<()> {
        for name in &self.trials {
            if !TRIALS.iter().any(|trial| trial.name == name) {
                let known: Vec<&str> = TRIALS.iter().map(|trial| trial.name).collect();
                bail!("there is no trial {name:?}: expected {}", known.join(", "));
            }
        }
        if self.nodes < 3 && self.engine != EngineKind::Corosync {
            bail!("two nodes need --engine corosync: the embedded engine's quorum is most of them, which is both");
        }
        if self.device && (self.nodes != 2 || !ring::is_device_installed()) {
            bail!("a quorum device needs --nodes 2, and corosync-qdevice and corosync-qnetd installed");
        }
        Ok(())
    }

    fn allows(&self, trial: &Trial) -> Result<(), &'static str> {
        let are_two = self.nodes < 3;
        match trial.needs {
            Needs::Majority if are_two && !self.device => Err("needs --nodes 3, or --device"),
            Needs::ThreeNodes if are_two => Err("needs --nodes 3"),
            Needs::Corosync if are_two || self.engine != EngineKind::Corosync => {
                Err("needs --nodes 3 --engine corosync")
            }
            Needs::FiveNodes if self.nodes < 5 => Err("needs --nodes 5"),
            Needs::TwoNodes if !are_two || self.device => Err("needs --nodes 2"),
            Needs::Device if !self.device => Err("needs --nodes 2 --device"),
            _ => Ok(()),
        }
    }
}

/// Holds the trials, in a process that [`sandbox::run`] has started. Says whether all was as it must be.
pub fn run(options: &Options) -> Result<bool> {
    options.check()?;
    let mut scene = Scene::parse("trials/cib.xml", CONFIGURATION)?;
    adapt::set_nodes(&mut scene, Some(options.nodes));
    if options.nodes == 2 {
        pairs::prefer_who_serves(&mut scene.cib)?;
    }
    let privilege = sandbox::enter(&options.programs, &adapt::writable_directories(&scene)?)?;
    let (disks, why) = disk::kind(privilege);
    let adapted = adapt::set_hardware(&mut scene, disks)?;
    let answer = format!("served from the shared disk, trial {}", clock::now_us());
    for wanted in &adapted.disks {
        disk::make(wanted, disks, &answer)?;
    }
    let story = Storyteller::new(if options.json { Page::Stderr } else { Page::Stdout });
    story.heading(&format!("{} nodes on the engine {}, seed {}", options.nodes, options.engine, options.seed));
    for change in why.into_iter().chain(adapted.changes) {
        story.say(&format!("  - {change}"));
    }
    if options.verbose {
        story.begin(clock::now_us());
    }
    let ground = Ground {
        engine: options.engine,
        token_ms: options.token_ms,
        coordinator: None,
        has_device: options.device,
        is_for_trials: true,
    };
    let field = Field::build(scene, &ground, &answer, story)?;
    field.wait_for_service()?;

    let outcomes = hold(options, &field);
    if options.json {
        let outcomes = serde_json::to_string_pretty(&outcomes).context("writing the outcomes")?;
        writeln!(io::stdout(), "{outcomes}").context("printing the outcomes")?;
    }
    Ok(outcomes.iter().all(|outcome| outcome.passed != Some(false)))
}

fn hold(options: &Options, field: &Field) -> Vec<Outcome> {
    let wanted = |trial: &&Trial| options.trials.is_empty() || options.trials.iter().any(|name| name == trial.name);
    let mut outcomes: Vec<Outcome> = Vec::new();
    for trial in TRIALS.iter().filter(wanted) {
        let outcome = match options.allows(trial) {
            Err(why) => Outcome::not_tried(trial, why),
            // What an earlier one has broken says nothing about this one.
            Ok(()) if outcomes.iter().any(|earlier| earlier.passed == Some(false)) => {
                Outcome::not_tried(trial, "an earlier trial failed")
            }
            Ok(()) => try_one(options, field, trial),
        };
        field.story.say(&outcome.to_text());
        outcomes.push(outcome);
    }
    outcomes
}

fn try_one(options: &Options, field: &Field, trial: &Trial) -> Outcome {
    let course = Course::begin(field, options);
    field.story.lab(format!("trial {}: {}", trial.name, trial.about));
    let result = (trial.run)(&course).and_then(|()| course.judge());
    let ended_us = clock::now_us();
    if result.is_err() && !options.verbose {
        field.story.tell_again(course.began_us());
    }
    Outcome {
        trial: trial.name,
        passed: Some(result.is_ok()),
        reason: result.err().map(|error| format!("{error:#}")),
        seconds: ms_between(course.began_us(), ended_us) / 1000.0,
        outage_ms: course.outage_ms().map(tenth),
        after_membership_ms: course.after_membership_ms().map(tenth),
        records: field.recorder.as_ref().map_or(0, |recorder| recorder.records().acknowledged),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_has_what_the_trials_need() {
        let mut scene = Scene::parse("trials/cib.xml", CONFIGURATION).unwrap();
        adapt::set_nodes(&mut scene, Some(5));
        assert_eq!(scene.nodes.len(), 5);
        assert_eq!((scene.vips.len(), scene.subject.as_str()), (2, "storage"));
        assert_eq!(scene.ledger.unwrap().port, 7000);
        assert!(scene.fences && scene.stops_without_quorum);
    }

    #[test]
    fn names_are_there_once() {
        let mut names: Vec<&str> = TRIALS.iter().map(|trial| trial.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), TRIALS.len());
    }
}
