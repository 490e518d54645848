//! The agents of one node: what truly runs there, and processes that change it or look at it. What the cluster
//! believes of all this is of no account here.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use executor::{End, Operation, Output};
use node::Process;
use ocf::{ActionMetadata, Metadata, Parameter};

use crate::engine::Life;
use crate::random::Random;

/// The true state of a resource on a node. One that is not listed is stopped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// It runs, and does what it should.
    Running,
    /// It runs, and is the one of its kind that is promoted.
    Promoted,
    /// Part of it is there: it does not do what it should, and must be stopped before it runs elsewhere.
    Failed,
}

/// What goes wrong with the next run of an action.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trouble {
    /// It fails and changes nothing.
    Fails,
    /// It fails half-way.
    FailsHalfWay,
    /// It does what it should and says that it failed.
    SaysItFailed,
    /// It hangs before it has done anything, until it is told to end.
    Hangs,
    /// It does what it should and then hangs, and only KILL ends it.
    HangsStubbornly,
    /// It takes nearly as long as it may.
    Slow,
    /// It says that all is well, and has done nothing. A stop and a demotion do not lie so: no cluster could help it.
    SaysAllIsWell,
    /// A monitor says that what runs is stopped.
    SaysItIsGone,
}

impl Trouble {
    /// All of them.
    pub const ALL: [Trouble; 8] = [
        Trouble::Fails,
        Trouble::FailsHalfWay,
        Trouble::SaysItFailed,
        Trouble::Hangs,
        Trouble::HangsStubbornly,
        Trouble::Slow,
        Trouble::SaysAllIsWell,
        Trouble::SaysItIsGone,
    ];
}

/// What a process does at the moment it does it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Effect {
    /// A resource comes to be in that state; `None` is stopped.
    Becomes(String, Option<State>),
    /// The power of a host is switched: off, and on again if so.
    Power {
        /// The name of the host.
        target: String,
        /// It comes up again.
        on_again: bool,
    },
}

/// What a process is for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Job {
    /// An operation of a resource.
    Operation {
        /// The resource, without an instance's number.
        resource: String,
        /// The action.
        action: String,
        /// 0 for one that runs once.
        interval_ms: u32,
    },
    /// Cutting off a host of that name.
    Fence(String),
    /// Cutting off a host of that name, by a device that says so and does nothing.
    Lie(String),
    /// A question to a fence device.
    Ask,
}

/// A process.
#[derive(Clone, Debug)]
pub struct Running {
    /// Which daemon started it. The process outlives it.
    pub life: Life,
    /// What the daemon calls it.
    pub process: Process,
    /// What it is for.
    pub job: Job,
    /// What it still has to do.
    pub effect: Option<Effect>,
    /// TERM does not end it.
    pub stubborn: bool,
    /// How it ends by itself; `None` for one that says what it sees when it ends.
    pub end: Option<End>,
}

/// When a process acts and when it ends by itself; a process that hangs has no end.
#[derive(Clone, Debug)]
pub struct Course {
    /// The process.
    pub running: Running,
    /// After how long it has its effect.
    pub acts: Option<Duration>,
    /// After how long it ends.
    pub ends: Option<Duration>,
}

/// What runs on one node.
#[derive(Debug, Default)]
pub struct Agents {
    states: BTreeMap<String, State>,
    /// Processes by number.
    pub processes: BTreeMap<u64, Running>,
    /// What goes wrong next, by resource and action.
    pub troubles: BTreeMap<(String, String), VecDeque<Trouble>>,
}

impl Agents {
    /// The true state of a resource here.
    pub fn state(&self, resource: &str) -> Option<State> {
        self.states.get(resource).copied()
    }

    /// All that is here.
    pub fn present(&self) -> impl Iterator<Item = &str> {
        self.states.keys().map(String::as_str)
    }

    /// All that is promoted here.
    pub fn promoted(&self) -> impl Iterator<Item = &str> {
        self.states.iter().filter(|(_, state)| **state == State::Promoted).map(|(name, _)| name.as_str())
    }

    /// A resource comes to be in a state.
    pub fn set(&mut self, resource: &str, state: Option<State>) {
        match state {
            Some(state) => drop(self.states.insert(resource.to_owned(), state)),
            None => drop(self.states.remove(resource)),
        }
    }

    /// The power is gone, and everything with it.
    pub fn power_lost(&mut self) {
        self.states.clear();
        self.processes.clear();
    }

    /// Ends what an earlier daemon left at work, as a daemon does before it joins. Whether one did not obey: it is killed
    /// when this is asked again, and may have its effect until then.
    pub fn end_leftovers(&mut self) -> bool {
        self.processes.retain(|_, one| one.stubborn);
        self.processes.values_mut().for_each(|one| one.stubborn = false);
        !self.processes.is_empty()
    }

    /// Whether processes of that daemon run that somebody waits for: all but repetitions.
    pub fn busy(&self, life: Life) -> bool {
        let awaited = |one: &Running| !matches!(one.job, Job::Operation { interval_ms: 1.., .. });
        self.processes.values().any(|one| one.life == life && awaited(one))
    }

    /// What will come of an operation that is started now.
    pub fn operate(&mut self, life: Life, process: Process, operation: &Operation, random: &mut Random) -> Course {
        let name = instance(&operation.resource).to_owned();
        // Probes tell the truth: where the first look at a node lies, nobody can promise anything.
        let trouble = match operation.is_probe() {
            true => None,
            false => self.troubles.get_mut(&(name.clone(), operation.action.clone())).and_then(VecDeque::pop_front),
        };
        let is_device = operation.agent.class == "stonith";
        let effect = match operation.action.as_str() {
            _ if is_device => None,
            "start" => Some(Effect::Becomes(name.clone(), Some(State::Running))),
            "stop" => Some(Effect::Becomes(name.clone(), None)),
            "promote" => Some(Effect::Becomes(name.clone(), Some(State::Promoted))),
            "demote" => Some(Effect::Becomes(name.clone(), Some(State::Running))),
            _ => None,
        };
        let looks = operation.action == "monitor" && !is_device;
        let (low, high) = if operation.action == "monitor" { (5, 400) } else { (20, 4_000) };
        let length = random.mostly_short(low, high);
        let job = Job::Operation {
            resource: name.clone(),
            action: operation.action.clone(),
            interval_ms: operation.interval_ms,
        };
        let end = (!looks).then(|| exited(0, ""));
        let mut course = Course {
            running: Running { life, process, job, effect, stubborn: false, end },
            acts: Some(length / 2),
            ends: Some(length),
        };
        let failed = Some(exited(1, "the simulated agent was told to fail"));
        let running = &mut course.running;
        match trouble {
            None => {}
            Some(Trouble::Fails) => (running.effect, running.end) = (None, failed),
            Some(Trouble::FailsHalfWay) => {
                let half = running.effect.is_some();
                running.effect = half.then_some(Effect::Becomes(name, Some(State::Failed)));
                running.end = failed;
            }
            Some(Trouble::SaysItFailed) => running.end = failed,
            Some(Trouble::Hangs) => (course.acts, course.ends) = (None, None),
            Some(Trouble::HangsStubbornly) => {
                running.stubborn = true;
                course.ends = None;
            }
            Some(Trouble::SaysAllIsWell) if matches!(operation.action.as_str(), "stop" | "demote") => {
                (running.effect, running.end) = (None, failed);
            }
            Some(Trouble::SaysAllIsWell) => {
                (running.effect, running.end) = (None, Some(exited(operation.target_rc, "")));
            }
            Some(Trouble::SaysItIsGone) if looks => running.end = Some(exited(7, "")),
            Some(Trouble::SaysItIsGone) => {}
            Some(Trouble::Slow) => course.ends = Some(operation.timeout().mul_f64(0.9)),
        }
        course
    }

    /// What a process that ends now says of itself.
    pub fn end_of(&self, running: &Running) -> End {
        match (&running.end, &running.job) {
            (Some(end), _) => end.clone(),
            (None, Job::Operation { resource, .. }) => exited(self.monitored(resource), ""),
            (None, _) => exited(0, ""),
        }
    }

    // OCF: monitor gives 0 for what runs, 8 when promoted, 7 for what is cleanly stopped, 1 for what is broken.
    fn monitored(&self, name: &str) -> i32 {
        match self.state(name) {
            Some(State::Running) => 0,
            Some(State::Promoted) => 8,
            Some(State::Failed) => 1,
            None => 7,
        }
    }
}

/// A resource's name without the number of its instance: an anonymous clone's instances on one node are one.
pub fn instance(name: &str) -> &str {
    match name.rsplit_once(':') {
        Some((name, number)) if number.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => name,
    }
}

/// What the judges call a resource in the promoted role: there is to be one at a time.
pub fn promoted(resource: &str) -> String {
    format!("{resource} (promoted)")
}

/// What all agents of this world say of themselves: that they can take in another `mode` while they run.
pub fn metadata() -> Arc<Metadata> {
    let mode = Parameter { reloadable: true, ..Parameter::new("mode", "string", "Mode", "A mode.") };
    let actions = vec![ActionMetadata::new("reload-agent", "20s")];
    Arc::new(Metadata { ocf_version: Some("1.1".into()), parameters: vec![mode], actions, ..Metadata::default() })
}

/// A process that exited by itself.
pub fn exited(code: i32, reason: &str) -> End {
    let stderr = if reason.is_empty() { String::new() } else { format!("ocf-exit-reason:{reason}\n") };
    End::Exited { code, output: Output { stdout: String::new(), stderr } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_goes_by_its_resource() {
        assert_eq!(instance("web"), "web");
        assert_eq!(instance("web:12"), "web");
        assert_eq!(instance("web:blue"), "web:blue");
    }
}
