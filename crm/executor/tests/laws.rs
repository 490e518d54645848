//! What must hold for every sequence of events, whatever callers and agents do.
//! What single events lead to is shown by the scripts.

use std::collections::BTreeMap;
use std::time::Duration;

use executor::{
    Agent, Cancel, Command, End, Event, Executor, MAX_OPERATIONS_PER_RESOURCE, Operation, Outcome, Output, RunId,
};
use proptest::prelude::*;

const LIMIT: usize = 2;

#[derive(Debug, Clone)]
enum Deed {
    Run { resource: usize, action: usize, interval: usize, class: usize, start_delay_ms: u32 },
    Cancel { resource: usize, action: usize, interval: usize },
    Forget { resource: usize },
    End { which: usize, how: usize },
    EndWatcher { which: usize, how: usize },
    Watching { which: usize },
    EndUnknown { run: u64 },
    Wait { milliseconds: u64 },
    Timeout,
    Drain,
}

const RESOURCES: [&str; 3] = ["vip", "fs", "web"];
const ACTIONS: [&str; 5] = ["start", "stop", "monitor", "promote", "migrate_to"];
const INTERVALS_MS: [u32; 4] = [0, 0, 1_000, 5_000];
const CLASSES: [&str; 5] = ["ocf", "ocf", "ocf", "stonith", "systemd"];

fn deed() -> impl Strategy<Value = Deed> {
    let run = (0..3usize, 0..5usize, 0..4usize, 0..5usize, prop::sample::select(vec![0u32, 0, 700]));
    prop_oneof![
        8 => run.prop_map(|(resource, action, interval, class, start_delay_ms)| {
            Deed::Run { resource, action, interval, class, start_delay_ms }
        }),
        2 => (0..3usize, 0..5usize, 0..4usize)
            .prop_map(|(resource, action, interval)| Deed::Cancel { resource, action, interval }),
        1 => (0..3usize).prop_map(|resource| Deed::Forget { resource }),
        8 => (any::<usize>(), 0..6usize).prop_map(|(which, how)| Deed::End { which, how }),
        2 => (any::<usize>(), 0..6usize).prop_map(|(which, how)| Deed::EndWatcher { which, how }),
        2 => any::<usize>().prop_map(|which| Deed::Watching { which }),
        1 => any::<u64>().prop_map(|run| Deed::EndUnknown { run }),
        6 => (0..8_000u64).prop_map(|milliseconds| Deed::Wait { milliseconds }),
        1 => Just(Deed::Timeout),
        1 => prop::bool::weighted(0.1).prop_map(|drain| if drain { Deed::Drain } else { Deed::Timeout }),
    ]
}

/// The shell of the machine under test, with a memory of everything it was told to do.
struct World {
    executor: Executor,
    now: Duration,
    next_id: u64,
    processes: BTreeMap<RunId, String>,
    watchers: BTreeMap<RunId, String>,
    given: BTreeMap<u64, bool>,
    cancelled: BTreeMap<u64, usize>,
    reports: BTreeMap<u64, Vec<Outcome>>,
}

impl World {
    fn new() -> Self {
        World {
            executor: Executor::new(LIMIT, 1),
            now: Duration::ZERO,
            next_id: 1,
            processes: BTreeMap::new(),
            watchers: BTreeMap::new(),
            given: BTreeMap::new(),
            cancelled: BTreeMap::new(),
            reports: BTreeMap::new(),
        }
    }

    fn take_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    fn carry_out(&mut self, deed: Deed) {
        match deed {
            Deed::Run { resource, action, interval, class, start_delay_ms } => {
                let operation = Operation {
                    id: self.take_id(),
                    resource: RESOURCES[resource].into(),
                    agent: Agent { class: CLASSES[class].into(), provider: None, kind: "Dummy".into() },
                    action: ACTIONS[action].into(),
                    interval_ms: INTERVALS_MS[interval],
                    timeout_ms: 1_500,
                    start_delay_ms,
                    parameters: BTreeMap::new(),
                    target_rc: 0,
                };
                self.given.insert(operation.id, operation.is_recurring());
                self.handle(Event::Run(operation));
            }
            Deed::Cancel { resource, action, interval } => {
                let id = self.take_id();
                self.cancelled.insert(id, 0);
                self.handle(Event::Cancel(Cancel {
                    id,
                    resource: RESOURCES[resource].into(),
                    action: ACTIONS[action].into(),
                    interval_ms: INTERVALS_MS[interval],
                }));
            }
            Deed::Forget { resource } => self.handle(Event::Forget { resource: RESOURCES[resource].into() }),
            Deed::End { which, how } => {
                let run = self.processes.keys().nth(which % self.processes.len().max(1)).copied();
                if let Some(run) = run {
                    self.end(run, how);
                }
            }
            Deed::EndWatcher { which, how } => {
                if let Some(run) = self.watchers.keys().nth(which % self.watchers.len().max(1)).copied() {
                    self.watchers.remove(&run);
                    self.handle(Event::Ended { run, end: end(how) });
                }
            }
            Deed::Watching { which } => {
                if let Some(run) = self.watchers.keys().nth(which % self.watchers.len().max(1)).copied() {
                    self.handle(Event::Watching { run });
                }
            }
            Deed::EndUnknown { run } if self.watchers.contains_key(&RunId(run)) => {}
            Deed::EndUnknown { run } if self.processes.contains_key(&RunId(run)) => {}
            Deed::EndUnknown { run } => self.handle(Event::Ended { run: RunId(run), end: end(0) }),
            Deed::Wait { milliseconds } => self.wait(Duration::from_millis(milliseconds)),
            Deed::Timeout => self.handle(Event::Timeout),
            Deed::Drain => self.handle(Event::Drain),
        }
    }

    fn end(&mut self, run: RunId, how: usize) {
        self.processes.remove(&run);
        self.handle(Event::Ended { run, end: end(how) });
    }

    fn wait(&mut self, time: Duration) {
        let to = self.now + time;
        while let Some(deadline) = self.executor.deadline().filter(|deadline| *deadline <= to) {
            self.now = self.now.max(deadline);
            self.handle(Event::Timeout);
            assert!(self.executor.deadline().is_none_or(|next| next > self.now), "the same moment is asked for again");
        }
        self.now = to;
    }

    fn handle(&mut self, event: Event) {
        self.executor.handle(self.now, event);
        while let Some(command) = self.executor.poll() {
            match command {
                Command::Spawn { run, operation } => {
                    let busy = self.processes.values().any(|resource| *resource == operation.resource);
                    assert!(!busy, "a second process for {}", operation.resource);
                    assert!(self.processes.insert(run, operation.resource.clone()).is_none(), "{run:?} twice");
                }
                Command::Watch { run, operation } => {
                    assert!(!self.processes.contains_key(&run), "{run:?} twice");
                    assert!(self.watchers.insert(run, operation.resource.clone()).is_none(), "{run:?} twice");
                }
                Command::Examine { run } => {
                    assert!(self.processes.contains_key(&run), "nobody is to be looked at");
                    self.executor
                        .handle(self.now, Event::Examined { run, evidence: format!("seen at {:?}", self.now) });
                }
                Command::AskedAgain { .. } => {}
                Command::Signal { run, .. } => {
                    let known = self.processes.contains_key(&run) || self.watchers.contains_key(&run);
                    assert!(known, "a signal for nobody");
                }
                Command::Report(outcome) => self.reports.entry(outcome.operation.id).or_default().push(outcome),
                Command::Cancelled { cancel, .. } => *self.cancelled.get_mut(&cancel.id).expect("it was given") += 1,
            }
        }
        let working = self.executor.in_flight().filter(|run| !run.stuck).count();
        assert!(working <= LIMIT, "{working} agents at once");
        assert_eq!(self.executor.in_flight().count(), self.processes.len());
    }

    /// Lets everything come to its end.
    fn settle(&mut self) {
        for _ in 0..4 * MAX_OPERATIONS_PER_RESOURCE * RESOURCES.len() {
            while let Some(run) = self.processes.keys().next().copied() {
                self.end(run, 0);
            }
            self.wait(Duration::from_millis(100));
        }
    }

    fn check(&self) {
        for (id, recurring) in &self.given {
            let reports = self.reports.get(id).map_or(&[][..], Vec::as_slice);
            assert!(!reports.is_empty(), "operation {id} was never reported");
            assert!(*recurring || reports.len() == 1, "operation {id} was reported {} times", reports.len());
            for pair in reports.windows(2) {
                let news = |outcome: &Outcome| (outcome.status, outcome.rc, outcome.exit_reason.clone());
                assert_ne!(news(&pair[0]), news(&pair[1]), "operation {id} was reported without news");
                assert_eq!(pair[0].call_id, pair[1].call_id);
            }
        }
        assert!(self.cancelled.values().all(|answers| *answers == 1), "{:?}", self.cancelled);
    }
}

fn end(how: usize) -> End {
    let output = Output { stdout: String::new(), stderr: "ocf-exit-reason:because".into() };
    match how {
        0 => End::Exited { code: 0, output },
        1 => End::Exited { code: 7, output },
        2 => End::Exited { code: -300, output },
        3 => End::Signalled { signal: 9, output },
        4 => End::NotStarted { reason: "no agent".into(), missing: true },
        _ => End::NotStarted { reason: "no memory".into(), missing: false },
    }
}

proptest! {
    #[test]
    fn every_operation_is_answered_and_none_overlaps(deeds in prop::collection::vec(deed(), 0..200)) {
        let mut world = World::new();
        for deed in deeds {
            world.carry_out(deed);
        }
        world.settle();
        world.check();
    }
}

#[test]
fn a_caller_gone_wrong_meets_the_bound() {
    let mut world = World::new();
    for _ in 0..MAX_OPERATIONS_PER_RESOURCE + 10 {
        world.carry_out(Deed::Run { resource: 0, action: 0, interval: 0, class: 0, start_delay_ms: 0 });
    }
    let refused: Vec<_> = world.reports.values().flatten().collect();
    // One runs and does not count.
    assert_eq!(refused.len(), 9);
    assert!(refused[0].exit_reason.starts_with("vip already has 64 operations"), "{}", refused[0].exit_reason);
    world.settle();
    world.check();
}
