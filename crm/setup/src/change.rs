//! One change on all hosts, or on none: files are laid everywhere before they are put in force anywhere, what runs is
//! compared with what is wanted, and whatever goes wrong takes all of it back. A machine: it says what to ask which
//! host, and is told what they answered.
//!
//! ```text
//! stage ─► before ─► activate ─► reload ─► after ─► verify ─► settle
//!   └─────────┴──────────┴─────────┴─────────┴────────┴─► undo what was done, last first; after a reload, the old
//!                                                         configuration as a newer version, for that is all it takes
//! ```
//!
//! Where the command itself ends in the middle, hosts keep what they hold of the operation, and [`rest`] says how the
//! next command goes on: nothing was put in force before everything was laid, and nothing was settled before everything
//! was in force.

use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};

use wire::host::{About, Answer, Call, Deed, NewFile, Pending, Task, UnitAct, Whole};

/// How often hosts are asked whether they run what is wanted, and how long between: a membership of many nodes takes a
/// token's time to form, which is seconds.
const LOOKS: u32 = 60;
const BETWEEN_LOOKS: Duration = Duration::from_millis(500);
/// The same where a quorum device has to vote: it connects, waits for the others of its cluster, and is asked at most
/// each ten seconds.
const LOOKS_FOR_DEVICE: u32 = 240;
/// How often a host is asked to take back what it holds.
const UNDO_TRIES: u32 = 3;

/// Something that is done on a host besides files, and how it is taken back.
#[derive(Clone, PartialEq, Debug)]
pub struct Act {
    /// The host.
    pub host: String,
    /// What is asked.
    pub call: Call,
    /// What takes it back, if anything does.
    pub back: Option<Call>,
}

/// What the hosts' engines must say at the end.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Expect {
    /// The hosts whose engine runs.
    pub hosts: Vec<String>,
    /// The version that each runs with.
    pub version: Option<u64>,
    /// The nodes that each has as members.
    pub members: Vec<String>,
    /// Whether each has the votes of a quorum device, or none is registered; nothing when that is no matter.
    pub device: Option<bool>,
}

/// A change.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Plan {
    /// The operation's name.
    pub operation: String,
    /// The files of each host.
    pub files: Vec<(String, Vec<NewFile>)>,
    /// Acts once all files are laid, one group after the other.
    pub before: Vec<Vec<Act>>,
    /// The host that lets all engines read their file again.
    pub reload: Option<String>,
    /// Acts once all files are in force, one group after the other.
    pub after: Vec<Vec<Act>>,
    /// What must be so then.
    pub expect: Option<Expect>,
    /// What takes a reload back: the old configuration as a newer version.
    pub back: Option<Box<Plan>>,
}

impl Plan {
    /// What every host keeps of it, so that any later command can finish it.
    fn whole(&self) -> Whole {
        let task = |act: &Act| Some(Task { host: act.host.clone(), deed: Deed::of(&act.call)? });
        Whole {
            hosts: self.files.iter().map(|(host, _)| host.clone()).collect(),
            then: self.after.iter().map(|group| group.iter().filter_map(task).collect()).collect(),
        }
    }
}

/// What to do next.
#[derive(Clone, PartialEq, Debug)]
pub enum Step {
    /// Ask these, all at once, and say what came.
    Ask(Vec<(String, Call)>),
    /// Wait, then ask for the next step.
    Pause(Duration),
    /// It is over.
    Done(Outcome),
}

/// How it ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// In force everywhere. What is left to say: hosts that could not put their backup away.
    Made(Vec<String>),
    /// Not made; why, and hosts on which it could not be taken back. With none of those, all is as it was.
    NotMade {
        /// Why.
        reason: String,
        /// What is left of it, a sentence for each host.
        left: Vec<String>,
    },
}

#[derive(Clone, Debug)]
enum Phase {
    Stage,
    Act(Queue),
    Activate,
    Reload,
    Look(u32),
    Settle,
    /// What was done after the files were in force.
    TakeBack(Queue),
    Undo(u32),
    Back(Box<Change>),
    /// And what was done before: services need the files that they were stopped with.
    TakeBackRest(Queue),
    Over(Outcome),
}

/// Groups of acts, still to be done.
type Queue = VecDeque<Vec<Act>>;

/// A change on its way.
#[derive(Clone, Debug)]
pub struct Change {
    plan: Plan,
    phase: Phase,
    /// Whether files were put in force.
    active: bool,
    reloaded: bool,
    /// Acts that were done before the files were in force, and after.
    before: Vec<Act>,
    after: Vec<Act>,
    failure: Option<String>,
    left: Vec<String>,
    paused: bool,
}

/// What hosts answered.
pub type Answers = Vec<(String, Result<Answer, String>)>;

impl Change {
    /// A change that is about to begin.
    pub fn new(plan: Plan) -> Change {
        Change {
            plan,
            phase: Phase::Stage,
            active: false,
            reloaded: false,
            before: Vec::new(),
            after: Vec::new(),
            failure: None,
            left: Vec::new(),
            paused: false,
        }
    }

    /// What is being done, for people who wait.
    pub fn doing(&self) -> &'static str {
        match &self.phase {
            Phase::Stage => "laying the files on all hosts and checking them there",
            Phase::Act(_) => "starting and stopping services",
            Phase::Activate => "putting the files in force",
            Phase::Reload => "letting Corosync read its file again",
            Phase::Look(_) => "waiting until every node runs it",
            Phase::Settle => "keeping the old files as a backup",
            Phase::TakeBack(_) | Phase::Undo(_) | Phase::Back(_) | Phase::TakeBackRest(_) => "taking everything back",
            Phase::Over(_) => "done",
        }
    }

    /// What to do next.
    pub fn step(&mut self) -> Step {
        loop {
            match &mut self.phase {
                Phase::Stage => {
                    let whole = self.plan.whole();
                    let stage = |files: &Vec<NewFile>| Call::Stage {
                        operation: self.plan.operation.clone(),
                        files: files.clone(),
                        whole: whole.clone(),
                    };
                    return Step::Ask(
                        self.plan.files.iter().map(|(host, files)| (host.clone(), stage(files))).collect(),
                    );
                }
                Phase::Act(queue) | Phase::TakeBack(queue) | Phase::TakeBackRest(queue) => match queue.front() {
                    Some(group) if !group.is_empty() => {
                        return Step::Ask(group.iter().map(|act| (act.host.clone(), act.call.clone())).collect());
                    }
                    Some(_) => {
                        queue.pop_front();
                    }
                    None => self.after_acts(),
                },
                Phase::Activate => return self.ask_all(|operation| Call::Activate { operation }),
                Phase::Reload => match self.plan.reload.clone() {
                    Some(host) => return Step::Ask(vec![(host, Call::Reload)]),
                    None => self.phase = Phase::Act(self.plan.after.clone().into()),
                },
                Phase::Look(looks) => {
                    let Some(expect) = &self.plan.expect else {
                        self.phase = Phase::Settle;
                        continue;
                    };
                    if *looks > 0 && !self.paused {
                        self.paused = true;
                        return Step::Pause(BETWEEN_LOOKS);
                    }
                    self.paused = false;
                    return Step::Ask(expect.hosts.iter().map(|host| (host.clone(), Call::About)).collect());
                }
                Phase::Settle => return self.ask_all(|operation| Call::Settle { operation }),
                Phase::Undo(_) => return self.ask_all(|operation| Call::Undo { operation }),
                Phase::Back(change) => match change.step() {
                    Step::Done(outcome) => {
                        if let Outcome::NotMade { reason, left } = outcome {
                            self.left.push(format!("the engines may still run the new configuration: {reason}"));
                            self.left.extend(left);
                        }
                        self.phase = Phase::TakeBackRest(taken_back(&self.before));
                    }
                    step => return step,
                },
                Phase::Over(outcome) => return Step::Done(outcome.clone()),
            }
        }
    }

    /// Takes in what the hosts of the last [`Step::Ask`] answered.
    pub fn told(&mut self, answers: Answers) {
        if let Phase::Back(change) = &mut self.phase {
            return change.told(answers);
        }
        let failures = failures(&answers);
        match &mut self.phase {
            Phase::Stage if failures.is_empty() => self.phase = Phase::Act(self.plan.before.clone().into()),
            Phase::Activate if failures.is_empty() => self.phase = Phase::Reload,
            Phase::Activate => {
                self.fail(failures.join("; "));
            }
            Phase::Reload => {
                self.reloaded = true;
                match failures.is_empty() {
                    true => self.phase = Phase::Act(self.plan.after.clone().into()),
                    false => self.fail(failures.join("; ")),
                }
            }
            Phase::Act(queue) => {
                // An act whose answer did not come may have been done.
                let done = queue.pop_front().unwrap_or_default();
                if self.active {
                    self.after.extend(done)
                } else {
                    self.before.extend(done)
                }
                if !failures.is_empty() {
                    self.fail(failures.join("; "));
                }
            }
            Phase::Look(looks) => {
                *looks += 1;
                let looks = *looks;
                let expect = self.plan.expect.as_ref();
                let most = if expect.is_some_and(|expect| expect.device.is_some()) { LOOKS_FOR_DEVICE } else { LOOKS };
                let missing = expect.map_or(Vec::new(), |expect| missing(expect, &answers));
                if missing.is_empty() {
                    self.phase = Phase::Settle;
                } else if looks >= most {
                    self.fail(missing.join("; "));
                }
            }
            Phase::Settle => {
                self.phase = Phase::Over(Outcome::Made(failures));
            }
            Phase::TakeBack(queue) | Phase::TakeBackRest(queue) => {
                queue.pop_front();
                self.left.extend(failures);
            }
            Phase::Undo(tries) => {
                *tries += 1;
                if failures.is_empty() || *tries >= UNDO_TRIES {
                    self.left.extend(failures);
                    self.after_undo();
                }
            }
            Phase::Stage => self.fail(failures.join("; ")),
            Phase::Back(_) | Phase::Over(_) => {}
        }
    }

    fn ask_all(&self, call: impl Fn(String) -> Call) -> Step {
        let ask = |(host, _): &(String, Vec<NewFile>)| (host.clone(), call(self.plan.operation.clone()));
        Step::Ask(self.plan.files.iter().map(ask).collect())
    }

    /// All acts of a phase are done.
    fn after_acts(&mut self) {
        self.phase = match self.phase {
            Phase::TakeBackRest(_) => return self.over(),
            Phase::TakeBack(_) => Phase::Undo(0),
            _ if self.active => Phase::Look(0),
            _ => {
                self.active = true;
                Phase::Activate
            }
        };
    }

    /// Everything is taken back, what was done last first. What runs again needs the old files, and the engine with
    /// them, so it comes last.
    fn fail(&mut self, reason: String) {
        self.failure = Some(reason);
        let (starts, rest): (Vec<Act>, Vec<Act>) = self.after.drain(..).partition(starts_again);
        self.before.extend(starts);
        self.phase = Phase::TakeBack(taken_back(&rest));
    }

    fn after_undo(&mut self) {
        self.phase = match self.plan.back.take() {
            Some(back) if self.reloaded => Phase::Back(Box::new(Change::new(*back))),
            _ => Phase::TakeBackRest(taken_back(&self.before)),
        };
    }

    fn over(&mut self) {
        let reason = self.failure.take().unwrap_or_default();
        self.phase = Phase::Over(Outcome::NotMade { reason, left: core::mem::take(&mut self.left) });
    }
}

/// Whether a service runs again once this is taken back.
fn starts_again(act: &Act) -> bool {
    matches!(act.back, Some(Call::Unit { act: UnitAct::Start, .. }))
}

/// What takes acts back, one after the other, the last one first.
fn taken_back(acts: &[Act]) -> Queue {
    let back = |act: &Act| Some(vec![Act { call: act.back.clone()?, back: None, host: act.host.clone() }]);
    acts.iter().rev().filter_map(back).collect()
}

fn failures(answers: &Answers) -> Vec<String> {
    let failure = |(host, answer): &(String, Result<Answer, String>)| match answer {
        Err(reason) | Ok(Answer::Refused { reason, .. }) => Some(format!("{host}: {reason}")),
        Ok(_) => None,
    };
    answers.iter().filter_map(failure).collect()
}

/// What the hosts say otherwise than expected.
fn missing(expect: &Expect, answers: &Answers) -> Vec<String> {
    let mut missing = failures(answers);
    for (host, answer) in answers {
        let Ok(Answer::About(about)) = answer else { continue };
        let Some(engine) = &about.engine else {
            missing.push(format!("{host}: its Corosync does not answer"));
            continue;
        };
        if expect.version.is_some() && engine.config_version != expect.version {
            let runs = engine.config_version.map_or("none".into(), |version| version.to_string());
            missing.push(format!(
                "{host} runs with version {runs} of the configuration, not {}",
                expect.version.unwrap_or(0)
            ));
        }
        let is_member =
            |name: &&String| engine.nodes.iter().any(|node| node.member && node.name.as_ref() == Some(name));
        let absent: Vec<&str> = expect.members.iter().filter(|name| !is_member(name)).map(String::as_str).collect();
        if !absent.is_empty() {
            missing.push(format!("{host} does not have {} as members", absent.join(", ")));
        }
        match (expect.device, &engine.device) {
            (Some(true), None) => missing.push(format!("{host}: no quorum device is registered with its Corosync")),
            (Some(true), Some(device)) if !device.casts => missing.push(format!(
                "{host}: the quorum device does not give it its votes; `corosync-qdevice-tool -s -v` there says more"
            )),
            (Some(false), Some(_)) => missing.push(format!("{host}: its Corosync still has the quorum device")),
            _ => {}
        }
    }
    missing
}

/// What to do with an operation that was left half-way.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Rest {
    /// It was in force everywhere: it is made, and settled.
    Finish {
        /// The operation.
        operation: String,
        /// The hosts that still hold it.
        hosts: Vec<String>,
        /// What it does with its files in force, some or all of which may be done.
        then: Vec<Vec<Task>>,
    },
    /// It was not: it is taken back.
    Undo {
        /// The operation.
        operation: String,
        /// The hosts that still hold it.
        hosts: Vec<String>,
    },
}

/// Operations that these hosts hold, and how they end. All hosts of an operation have to be among them.
pub fn rest(hosts: &BTreeMap<String, About>) -> Vec<Rest> {
    let mut operations: BTreeMap<&str, Vec<(&String, &Pending)>> = BTreeMap::new();
    for (host, about) in hosts {
        if let Some(pending) = &about.pending {
            operations.entry(&pending.operation).or_default().push((host, pending));
        }
    }
    let end = |(operation, held): (&str, Vec<(&String, &Pending)>)| {
        // Who does not hold it has settled it, when it is in force everywhere; or was never given it, or has taken it back.
        let whole = &held[0].1.whole;
        let holds = |host: &String| held.iter().any(|(holder, _)| *holder == host);
        let has_settled =
            |host: &String| hosts.get(host).is_some_and(|about| about.settled.as_deref() == Some(operation));
        let others_have = whole.hosts.iter().all(|host| holds(host) || has_settled(host));
        let hosts = held.iter().map(|(host, _)| (*host).clone()).collect();
        let operation = operation.to_owned();
        match others_have && held.iter().all(|(_, pending)| pending.active) {
            true => Rest::Finish { operation, hosts, then: whole.then.clone() },
            false => Rest::Undo { operation, hosts },
        }
    };
    operations.into_iter().map(end).collect()
}

/// Hosts that hold a part of the operations of these, and are not among them.
pub fn others_concerned(hosts: &BTreeMap<String, About>) -> Vec<String> {
    let pending = hosts.values().filter_map(|about| about.pending.as_ref());
    let named: std::collections::BTreeSet<&String> = pending.flat_map(|pending| &pending.whole.hosts).collect();
    named.into_iter().filter(|host| !hosts.contains_key(*host)).cloned().collect()
}

#[cfg(test)]
mod tests;
