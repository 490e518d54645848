//! A change among hosts that fail at any call, and what becomes of it.

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
    /// The command is killed after this call.
    killed_at: Option<usize>,
    settled: Vec<String>,
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
            Call::Settle { operation } => {
                held.1 = None;
                // What takes a change back is an operation of its own.
                if operation == "one" {
                    self.settled.push(host.into());
                }
            }
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
            mtus: Vec::new(),
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
                    let at = self.killed_at.or(self.fails_at.filter(|_| self.dead));
                    if at.is_some_and(|at| self.calls >= at) {
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
        ..About::default()
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
    let expect =
        |version| Some(Expect { hosts: hosts.to_vec(), version: Some(version), members: hosts.to_vec(), device: None });
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

impl World {
    /// What the next command does first.
    fn go_on(&mut self) {
        (self.fails_at, self.killed_at) = (None, None);
        let abouts = self.hosts.iter().map(|(host, held)| {
            let whole = plan(2).whole();
            let pending = held.1.map(|(_, _, active)| Pending { operation: "one".into(), active, whole });
            let settled = self.settled.contains(host).then(|| "one".to_owned());
            (host.clone(), About { pending, settled, ..nothing(host) })
        });
        for rest in rest(&abouts.collect()) {
            let (hosts, call, then) = match rest {
                Rest::Finish { operation, hosts, then } => {
                    self.ask("a", &Call::Reload).unwrap();
                    (hosts, Call::Settle { operation }, then)
                }
                Rest::Undo { operation, hosts } => (hosts, Call::Undo { operation }, Vec::new()),
            };
            for task in then.iter().flatten() {
                self.ask(&task.host, &task.deed.call()).unwrap();
            }
            for host in &hosts {
                self.ask(host, &call).unwrap();
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
        world.go_on();
        let files: Vec<u8> = world.hosts.values().map(|held| held.0).collect();
        assert!(files.iter().all(|file| *file == files[0]), "killed at {fails_at}: {files:?}");
        assert!(world.hosts.values().all(|held| held.1.is_none()), "killed at {fails_at}");
        assert!(world.running.values().all(|version| *version == files[0]), "killed at {fails_at}: {files:?}");
        // What the command does last is done as well, or nothing is.
        let started: std::collections::BTreeSet<&String> = world.started.iter().collect();
        assert_eq!(started.len(), if files[0] == 2 { 3 } else { 0 }, "killed at {fails_at}");
    }
}

/// A call fails, and the command is killed while it takes everything back.
#[test]
fn a_command_that_was_killed_while_it_took_back_leaves_no_mixture() {
    let mut undisturbed = world();
    undisturbed.run(&plan(2));
    for fails_at in 1..=undisturbed.calls {
        let mut failed = World { fails_at: Some(fails_at), ..world() };
        failed.run(&plan(2));
        for killed_at in fails_at + 1..=failed.calls {
            let mut world = World { fails_at: Some(fails_at), killed_at: Some(killed_at), ..world() };
            world.run(&plan(2));
            world.go_on();
            let files: Vec<u8> = world.hosts.values().map(|held| held.0).collect();
            // With the old file as a newer version on its way, which is an operation like this one.
            let is_one = files.iter().all(|file| *file == files[0]);
            assert!(is_one || !files.contains(&2), "failed at {fails_at}, killed at {killed_at}: {files:?}");
            assert!(world.hosts.values().all(|held| held.1.is_none()), "failed at {fails_at}, killed at {killed_at}");
        }
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
