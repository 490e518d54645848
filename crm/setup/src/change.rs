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

use wire::host::{About, Answer, Call, NewFile, Pending, UnitAct};

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
                    let stage = |files: &Vec<NewFile>| Call::Stage {
                        operation: self.plan.operation.clone(),
                        files: files.clone(),
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
    },
    /// It was not: it is taken back.
    Undo {
        /// The operation.
        operation: String,
        /// The hosts that still hold it.
        hosts: Vec<String>,
    },
}

/// Operations that hosts hold, and how they end.
pub fn rest(hosts: &BTreeMap<String, About>) -> Vec<Rest> {
    let mut operations: BTreeMap<&str, Vec<(&String, &Pending)>> = BTreeMap::new();
    for (host, about) in hosts {
        if let Some(pending) = &about.pending {
            operations.entry(&pending.operation).or_default().push((host, pending));
        }
    }
    let end = |(operation, held): (&str, Vec<(&String, &Pending)>)| {
        let hosts = held.iter().map(|(host, _)| (*host).clone()).collect();
        let operation = operation.to_owned();
        match held.iter().all(|(_, pending)| pending.active) {
            true => Rest::Finish { operation, hosts },
            false => Rest::Undo { operation, hosts },
        }
    };
    operations.into_iter().map(end).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::host::{Content, Denied, Engine, EngineDevice, EngineNode, HostFile, Unit};

    /// What an operation holds: new, old, whether it is in force.
    type Held = (u8, u8, bool);

    /// Hosts that hold one file each, with a fault at the n-th call if wanted.
    #[derive(Default)]
    struct World {
        hosts: BTreeMap<String, (u8, Option<Held>)>,
        running: BTreeMap<String, u8>,
        started: Vec<String>,
        stopped: bool,
        /// corosync-qdevice, which cannot be started without its file.
        device_stopped: bool,
        device: Option<EngineDevice>,
        calls: usize,
        fails_at: Option<usize>,
        /// The failing call is done all the same, and only its answer is lost.
        answer_lost: bool,
        dead: bool,
    }

    impl World {
        fn ask(&mut self, host: &str, call: &Call) -> Result<Answer, String> {
            self.calls += 1;
            if self.fails_at == Some(self.calls) {
                if self.answer_lost {
                    self.perform(host, call);
                }
                return Err("no answer".into());
            }
            self.perform(host, call);
            match call {
                Call::About => Ok(self.about(host)),
                _ => Ok(Answer::Done),
            }
        }

        fn perform(&mut self, host: &str, call: &Call) {
            let held = self.hosts.get_mut(host).unwrap();
            match call {
                Call::Stage { files, .. } => {
                    let new = files[0].content.as_ref().unwrap().0[0];
                    held.1 = Some((new, held.0, false));
                }
                Call::Activate { .. } => {
                    if let Some((new, _, active)) = &mut held.1 {
                        *active = true;
                        held.0 = *new;
                    }
                }
                Call::Undo { .. } => {
                    if let Some((_, old, true)) = held.1 {
                        held.0 = old;
                    }
                    held.1 = None;
                }
                Call::Settle { .. } => held.1 = None,
                Call::Reload => {
                    for (host, (file, _)) in &self.hosts {
                        self.running.insert(host.clone(), *file);
                    }
                }
                Call::Unit { unit: Unit::Corosync, act } => {
                    self.stopped = *act == UnitAct::Stop;
                    assert!(self.stopped || held.0 != 2, "started with the new file");
                }
                Call::Unit { unit: Unit::Qdevice, act } => {
                    self.device_stopped = *act == UnitAct::Stop;
                    assert!(self.device_stopped || held.0 != 2 && self.running[host] != 2, "started with the new file");
                }
                Call::Unit { act: UnitAct::Start, .. } => self.started.push(host.into()),
                Call::Unit { .. } => self.started.retain(|one| one != host),
                _ => {}
            }
        }

        fn about(&self, host: &str) -> Answer {
            let nodes = self.hosts.keys().enumerate().map(|(at, name)| EngineNode {
                id: at as u32 + 1,
                name: Some(name.clone()),
                member: true,
                votes: None,
                links: Vec::new(),
            });
            let engine = Engine {
                cluster: None,
                config_version: Some(u64::from(self.running[host])),
                token: None,
                me: 1,
                quorate: true,
                nodes: nodes.collect(),
                votes: None,
                device: self.device.clone(),
            };
            Answer::About(Box::new(About { engine: Some(engine), ..nothing(host) }))
        }

        fn run(&mut self, plan: &Plan) -> Outcome {
            let mut change = Change::new(plan.clone());
            for _ in 0..1000 {
                match change.step() {
                    Step::Ask(asked) => {
                        let answers = asked.iter().map(|(host, call)| (host.clone(), self.ask(host, call))).collect();
                        if self.dead && self.fails_at.is_some_and(|at| self.calls >= at) {
                            return Outcome::Made(vec!["the command was killed".into()]);
                        }
                        change.told(answers);
                    }
                    Step::Pause(_) => {}
                    Step::Done(outcome) => return outcome,
                }
            }
            panic!("it does not end");
        }
    }

    fn nothing(host: &str) -> About {
        About {
            host: host.into(),
            systole: String::new(),
            corosync: None,
            addresses: Vec::new(),
            clock: 0,
            files: Vec::new(),
            units: Vec::new(),
            engine: None,
            pending: None,
            remembers: false,
            clock_kept: None,
            free: Vec::new(),
            resolved: Vec::new(),
        }
    }

    fn world() -> World {
        let names = ["a", "b", "c"];
        World {
            hosts: names.iter().map(|name| (name.to_string(), (1, None))).collect(),
            running: names.iter().map(|name| (name.to_string(), 1)).collect(),
            ..World::default()
        }
    }

    fn plan(version: u8) -> Plan {
        let hosts = ["a", "b", "c"].map(str::to_owned);
        let file = |version| NewFile { file: HostFile::CorosyncConf, content: Some(Content(vec![version])) };
        let files = |version| hosts.iter().map(|host| (host.clone(), vec![file(version)])).collect();
        let start = |host: &String| Act {
            host: host.clone(),
            call: Call::Unit { unit: Unit::Systoled, act: UnitAct::Start },
            back: Some(Call::Unit { unit: Unit::Systoled, act: UnitAct::Stop }),
        };
        let expect = |version| {
            Some(Expect { hosts: hosts.to_vec(), version: Some(version), members: hosts.to_vec(), device: None })
        };
        let back = Plan {
            operation: "back".into(),
            files: files(version + 1),
            reload: Some("a".into()),
            expect: expect(u64::from(version) + 1),
            ..Plan::default()
        };
        Plan {
            operation: "one".into(),
            files: files(version),
            reload: Some("a".into()),
            before: vec![vec![Act {
                host: "c".into(),
                call: Call::Unit { unit: Unit::Corosync, act: UnitAct::Stop },
                back: Some(Call::Unit { unit: Unit::Corosync, act: UnitAct::Start }),
            }]],
            after: vec![hosts[..1].iter().map(start).collect(), hosts[1..].iter().map(start).collect()],
            expect: expect(u64::from(version)),
            back: Some(Box::new(back)),
        }
    }

    #[test]
    fn a_change_is_made_everywhere() {
        let mut world = world();
        assert_eq!(world.run(&plan(2)), Outcome::Made(Vec::new()));
        assert!(world.hosts.values().all(|held| *held == (2, None)), "{:?}", world.hosts);
        assert!(world.running.values().all(|version| *version == 2));
        assert_eq!(world.started, ["a", "b", "c"]);
    }

    /// Whatever single call fails, done or not: all hosts hold the same in the end, and run it.
    #[test]
    fn a_fault_anywhere_leaves_all_hosts_alike() {
        let mut undisturbed = world();
        undisturbed.run(&plan(2));
        for answer_lost in [false, true] {
            for fails_at in 1..=undisturbed.calls {
                let mut world = World { fails_at: Some(fails_at), answer_lost, ..world() };
                let outcome = world.run(&plan(2));
                let files: Vec<u8> = world.hosts.values().map(|held| held.0).collect();
                assert!(files.iter().all(|file| *file == files[0]), "fault at {fails_at}: {files:?}, {outcome:?}");
                assert!(
                    world.running.values().all(|version| *version == files[0]),
                    "fault at {fails_at}: files {files:?}, running {:?}, {outcome:?}",
                    world.running
                );
                match outcome {
                    Outcome::Made(_) => assert_eq!((files[0], world.started.len()), (2, 3), "fault at {fails_at}"),
                    Outcome::NotMade { left, reason } => {
                        assert!(
                            files[0] != 2 && world.started.is_empty(),
                            "fault at {fails_at}: {world:?}",
                            world = world.started
                        );
                        assert!(!world.stopped, "fault at {fails_at}: started again");
                        assert!(left.is_empty(), "fault at {fails_at}: {left:?}");
                        assert!(reason.contains("no answer"), "{reason}");
                    }
                }
            }
        }
    }

    /// The command is killed after any call; the next one goes on from what the hosts hold.
    #[test]
    fn a_command_that_was_killed_is_finished_or_undone() {
        let mut undisturbed = world();
        undisturbed.run(&plan(2));
        for fails_at in 1..=undisturbed.calls {
            let mut world = World { fails_at: Some(fails_at), answer_lost: true, dead: true, ..world() };
            world.run(&plan(2));
            world.fails_at = None;
            let abouts = world.hosts.iter().map(|(host, held)| {
                let pending = held.1.map(|(_, _, active)| Pending { operation: "one".into(), active });
                (host.clone(), About { pending, ..nothing(host) })
            });
            for rest in rest(&abouts.collect()) {
                let (hosts, call, reload) = match rest {
                    Rest::Finish { operation, hosts } => (hosts, Call::Settle { operation }, true),
                    Rest::Undo { operation, hosts } => (hosts, Call::Undo { operation }, false),
                };
                for host in &hosts {
                    if reload {
                        world.ask(host, &Call::Reload).unwrap();
                    }
                    world.ask(host, &call).unwrap();
                }
            }
            let files: Vec<u8> = world.hosts.values().map(|held| held.0).collect();
            assert!(files.iter().all(|file| *file == files[0]), "killed at {fails_at}: {files:?}");
            assert!(world.hosts.values().all(|held| held.1.is_none()), "killed at {fails_at}");
            assert!(world.running.values().all(|version| *version == files[0]), "killed at {fails_at}: {files:?}");
        }
    }

    #[test]
    fn what_hosts_run_is_compared_with_what_is_wanted() {
        let mut world = world();
        let (hosts, members) = (vec!["a".into()], vec!["a".into(), "x".into()]);
        let expect = Expect { hosts, version: Some(3), members, device: None };
        let outcome = world.run(&Plan { expect: Some(expect), ..plan(2) });
        let Outcome::NotMade { reason, .. } = outcome else { panic!("{outcome:?}") };
        assert_eq!(reason, "a runs with version 2 of the configuration, not 3; a does not have x as members");
        assert!(world.hosts.values().all(|held| held.0 == 3), "the old configuration as a newer version");
    }

    /// As when a quorum device is removed: its service ends only once the engine knows nothing of it any more.
    #[test]
    fn what_is_stopped_last_is_started_again_when_its_files_are_back() {
        let stop = |host: &str| Act {
            host: host.into(),
            call: Call::Unit { unit: Unit::Qdevice, act: UnitAct::Stop },
            back: Some(Call::Unit { unit: Unit::Qdevice, act: UnitAct::Start }),
        };
        let mut plan = plan(2);
        plan.after = vec![vec![stop("a")], vec![stop("b")]];
        let mut undisturbed = world();
        undisturbed.run(&plan);
        assert!(undisturbed.device_stopped);
        for fails_at in 1..=undisturbed.calls {
            let mut world = World { fails_at: Some(fails_at), answer_lost: true, ..world() };
            if let Outcome::NotMade { left, .. } = world.run(&plan) {
                assert!(!world.device_stopped && left.is_empty(), "fault at {fails_at}: {left:?}");
            }
        }
    }

    #[test]
    fn a_quorum_device_has_to_vote_or_to_be_gone() {
        let told = |device: Option<(bool, bool)>, expected: bool| {
            let device = device.map(|(alive, casts)| EngineDevice { votes: 1, alive, casts });
            let mut world = World { device, ..world() };
            let (answer, expect) = (
                world.ask("a", &Call::About),
                Expect { hosts: vec!["a".into()], device: Some(expected), ..Expect::default() },
            );
            missing(&expect, &vec![("a".into(), answer)]).concat()
        };
        assert_eq!(told(Some((true, true)), true), "");
        assert_eq!(told(None, false), "");
        assert!(told(None, true).contains("no quorum device is registered"));
        assert!(told(Some((true, false)), true).contains("does not give it its votes"));
        assert!(told(Some((false, false)), false).contains("still has the quorum device"));
    }

    #[test]
    fn a_refusal_says_who_and_why() {
        let answers = vec![
            ("a".to_owned(), Ok(Answer::Done)),
            ("b".to_owned(), Ok(Answer::Refused { why: Denied::Failed, reason: "disk full".into() })),
        ];
        let mut change = Change::new(plan(2));
        change.step();
        change.told(answers);
        while let Step::Ask(asked) = change.step() {
            change.told(asked.into_iter().map(|(host, _)| (host, Ok(Answer::Done))).collect());
        }
        let Step::Done(Outcome::NotMade { reason, .. }) = change.step() else { panic!("{change:?}") };
        assert_eq!(reason, "b: disk full");
    }
}
