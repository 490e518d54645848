//! What must hold for every sequence of events, whatever callers, users and agents do.
//! What single events lead to is shown by the scripts.

use std::collections::BTreeMap;
use std::time::Duration;

use fencer::{
    Action, Command, DESCRIBE_RUNS, Device, Errand, ErrandEnd, Event, Fencer, HISTORY_LENGTH, KILL_GRACE, Level,
    MAX_REQUESTS, RunId, Target, TargetMatch,
};
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Deed {
    Configure { devices: Vec<(usize, Vec<usize>)>, levels: Vec<(usize, u32, Vec<usize>)> },
    Fence { node: usize, action: usize, device_timeout: u64, timeout: u64, seed: u64 },
    End { which: usize, code: i32, stdout: usize },
    EndUnknown { run: u64 },
    Peers { others: Vec<usize> },
    Errand { node: usize, device: usize, action: usize },
    Answer { number: u64, end: usize },
    Wait { seconds: u64 },
}

const DEVICES: [&str; 4] = ["a", "b", "c", "d"];
const NODES: [&str; 3] = ["node1", "node2", "node3"];
const ACTIONS: [Action; 3] = [Action::Reboot, Action::Off, Action::On];
const PARAMETERS: [(&str, &str); 14] = [
    ("pcmk_host_list", "node1 node2"),
    ("pcmk_host_map", "node1:1;node3:7,8"),
    ("pcmk_host_map", ":;=;;node2"),
    ("pcmk_host_check", "status"),
    ("pcmk_host_check", "none"),
    ("pcmk_host_check", "dynamic-list"),
    ("pcmk_delay_base", "node1:3s"),
    ("pcmk_delay_max", "7s"),
    ("pcmk_action_limit", "2"),
    ("pcmk_action_limit", "-1"),
    ("pcmk_reboot_retries", "4294967295"),
    ("pcmk_reboot_timeout", "5s"),
    ("pcmk_list_timeout", "99999999999999999999"),
    ("pcmk_host_argument", "none"),
];

fn deed() -> impl Strategy<Value = Deed> {
    let device = (0..4usize, prop::collection::vec(0..PARAMETERS.len(), 0..4));
    let level = (0..5usize, 0..4u32, prop::collection::vec(0..4usize, 0..3));
    prop_oneof![
        2 => (prop::collection::vec(device, 0..5), prop::collection::vec(level, 0..4))
            .prop_map(|(devices, levels)| Deed::Configure { devices, levels }),
        6 => (0..3usize, 0..3usize, 1..20u64, 1..60u64, any::<u64>()).prop_map(
            |(node, action, device_timeout, timeout, seed)| Deed::Fence { node, action, device_timeout, timeout, seed }
        ),
        10 => (any::<usize>(), prop::sample::select(vec![0, 0, 1, 2, 127, -9]), 0..3usize)
            .prop_map(|(which, code, stdout)| Deed::End { which, code, stdout }),
        1 => any::<u64>().prop_map(|run| Deed::EndUnknown { run }),
        1 => prop::collection::vec(0..3usize, 0..3).prop_map(|others| Deed::Peers { others }),
        2 => (0..3usize, 0..4usize, 0..3usize)
            .prop_map(|(node, device, action)| Deed::Errand { node, device, action }),
        2 => (0..8u64, 0..3usize).prop_map(|(number, end)| Deed::Answer { number, end }),
        5 => (0..30u64).prop_map(|seconds| Deed::Wait { seconds }),
    ]
}

struct Process {
    device: String,
    options: BTreeMap<String, String>,
    killed_at: Option<Duration>,
}

/// The shell of the machine under test, with a memory of everything it was told to do.
#[derive(Default)]
struct World {
    fencer: Fencer,
    now: Duration,
    limits: BTreeMap<String, usize>,
    processes: BTreeMap<RunId, Process>,
    requests: BTreeMap<u64, (String, Duration)>,
    answers: BTreeMap<u64, usize>,
    /// What other nodes do for us, by number: who, against whom, with which device.
    errands: BTreeMap<u64, (String, String, String)>,
    /// What we do for others, and how often we said how it went.
    owed: BTreeMap<u64, usize>,
    /// The nodes against which an agent succeeded, and the device.
    hits: Vec<(String, String)>,
}

impl World {
    fn carry_out(&mut self, deed: Deed) {
        match deed {
            Deed::Configure { devices, levels } => self.configure(devices, levels),
            Deed::Fence { node, action, device_timeout, timeout, seed } => {
                let request = self.requests.len() as u64;
                let attributes = [("rack".to_owned(), "7".to_owned())].into();
                let target = Target { name: NODES[node].into(), id: Some(node as u32), attributes };
                let timeout = Duration::from_secs(timeout);
                self.requests.insert(request, (NODES[node].into(), self.now + timeout));
                self.handle(Event::Fence {
                    request,
                    target,
                    action: ACTIONS[action],
                    device_timeout: Duration::from_secs(device_timeout),
                    timeout,
                    delay: Duration::ZERO,
                    watchdog: Err("none is armed".into()),
                    seed,
                });
            }
            Deed::End { which, code, stdout } => {
                let run = self.processes.keys().nth(which % self.processes.len().max(1)).copied();
                if let Some(run) = run {
                    self.end(
                        run,
                        code,
                        ["<action name='on' automatic='1' on_target='1'/>", "node1,on\nnode2,off\n", "\u{1f525} ,;\n"]
                            [stdout],
                    );
                }
            }
            Deed::EndUnknown { run } if self.processes.contains_key(&RunId(run)) => {}
            Deed::EndUnknown { run } => {
                self.handle(Event::Ended { run: RunId(run), code: 0, stdout: String::new(), stderr: String::new() })
            }
            Deed::Peers { others } => {
                let others = others.into_iter().map(|node| NODES[node].to_owned()).collect();
                self.handle(Event::Peers { me: "node1".into(), others });
            }
            Deed::Errand { node, device, action } => {
                let number = self.owed.len() as u64;
                self.owed.insert(number, 0);
                let target = Target { name: NODES[node].into(), id: None, attributes: BTreeMap::new() };
                let device_timeout = Duration::from_secs(9);
                let errand = Errand { device: DEVICES[device].into(), target, action: ACTIONS[action], device_timeout };
                self.handle(Event::Errand { from: "node9".into(), number, errand });
            }
            Deed::Answer { number, end } => {
                let known = self.errands.remove(&number);
                let from = known.as_ref().map_or("node3".into(), |(to, ..)| to.clone());
                let end = match (end, known) {
                    (0, Some((_, node, device))) => {
                        self.hits.push((node, device));
                        ErrandEnd::Done
                    }
                    (1, _) => ErrandEnd::Unfit("not \u{7} here".into()),
                    _ => ErrandEnd::Failed("no".into()),
                };
                self.handle(Event::ErrandEnded { from, number, end });
            }
            Deed::Wait { seconds } => self.wait(Duration::from_secs(seconds)),
        }
    }

    fn configure(&mut self, devices: Vec<(usize, Vec<usize>)>, levels: Vec<(usize, u32, Vec<usize>)>) {
        let devices: Vec<Device> = devices
            .into_iter()
            .map(|(name, parameters)| Device {
                name: DEVICES[name].into(),
                agent: "fence_test".into(),
                parameters: parameters
                    .into_iter()
                    .map(|at| (PARAMETERS[at].0.into(), PARAMETERS[at].1.into()))
                    .collect(),
                allowed_here: true,
            })
            .collect();
        for device in &devices {
            let limit = match device.parameters.get("pcmk_action_limit").map(String::as_str) {
                Some("-1") => usize::MAX,
                Some("2") => 2,
                _ => 1,
            };
            self.limits.insert(device.name.clone(), limit);
        }
        let levels = levels.into_iter().map(|(target, index, devices)| Level {
            target: match target {
                0 => TargetMatch::Pattern("node[12]".into()),
                1 => TargetMatch::Pattern("(".into()),
                2 => TargetMatch::Attribute { name: "rack".into(), value: "7".into() },
                node => TargetMatch::Node(NODES[node - 3].into()),
            },
            index,
            devices: devices.into_iter().map(|device| DEVICES[device].into()).collect(),
        });
        self.handle(Event::Configure { devices, levels: levels.collect() });
    }

    fn end(&mut self, run: RunId, code: i32, stdout: &str) {
        let process = self.processes.remove(&run).expect("the caller picked one that is there");
        if let (0, Some(node)) = (code, process.options.get("nodename")) {
            self.hits.push((node.clone(), process.device));
        }
        self.handle(Event::Ended { run, code, stdout: stdout.into(), stderr: "Failed: for a reason\n".into() });
    }

    fn wait(&mut self, time: Duration) {
        let to = self.now + time;
        while let Some(deadline) = self.fencer.deadline().filter(|deadline| *deadline <= to) {
            self.now = self.now.max(deadline);
            self.handle(Event::Timeout);
            assert!(self.fencer.deadline().is_none_or(|next| next > self.now), "the same moment is asked for again");
        }
        self.now = to;
        for (request, (_, until)) in &self.requests {
            assert!(self.answers.contains_key(request) || *until > self.now, "request {request} is late");
        }
    }

    fn handle(&mut self, event: Event) {
        self.fencer.handle(self.now, event);
        while let Some(command) = self.fencer.poll() {
            match command {
                Command::Spawn { run, agent, .. } if run.0 >= DESCRIBE_RUNS => {
                    self.processes.insert(run, Process { device: agent, options: BTreeMap::new(), killed_at: None });
                }
                Command::Errand { to, number, errand } => {
                    assert!(errand.action == Action::On || errand.target.name != to, "{to} is to cut itself off");
                    assert!(self.errands.insert(number, (to, errand.target.name, errand.device)).is_none());
                }
                Command::ErrandEnded { number, .. } => *self.owed.get_mut(&number).expect("it was ours") += 1,
                Command::Spawn { run, device, options, .. } => {
                    // A killed one that does not go away counts for a while only.
                    let counts = |process: &&Process| {
                        process.device == device && process.killed_at.is_none_or(|at| self.now < at + KILL_GRACE)
                    };
                    let busy = self.processes.values().filter(counts).count();
                    assert!(busy < self.limits[&device], "{busy} agents at once for {device}");
                    assert!(options.contains_key("action"));
                    self.processes.insert(run, Process { device, options, killed_at: None });
                }
                Command::Kill { run } => {
                    let process = self.processes.get_mut(&run).expect("only what runs is killed");
                    assert!(process.killed_at.replace(self.now).is_none(), "{run:?} was killed twice");
                }
                Command::Done { request, result } => {
                    *self.answers.entry(request).or_default() += 1;
                    let node = &self.requests[&request].0;
                    if let Ok(success) = result {
                        for device in success.devices {
                            assert!(self.hits.contains(&(node.clone(), device)), "nobody fenced {node}");
                        }
                    }
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn every_request_is_answered_once_and_truly(deeds in prop::collection::vec(deed(), 0..150)) {
        let mut world = World::default();
        for deed in deeds {
            world.carry_out(deed);
        }
        world.wait(Duration::from_secs(3600));
        prop_assert_eq!(world.answers.len(), world.requests.len());
        prop_assert!(world.answers.values().all(|answers| *answers == 1));
        prop_assert!(world.owed.values().all(|answers| *answers == 1), "{:?}", world.owed);
        prop_assert!(world.fencer.active().next().is_none());
        prop_assert!(world.fencer.deadline().is_none());
    }
}

#[test]
fn requests_and_history_are_bounded() {
    let mut world = World::default();
    for _ in 0..HISTORY_LENGTH + 10 {
        world.carry_out(Deed::Fence { node: 0, action: 0, device_timeout: 10, timeout: 10, seed: 0 });
    }
    assert_eq!(world.fencer.history().count(), HISTORY_LENGTH);
    world.configure(vec![(0, vec![4])], Vec::new());
    let before = world.answers.len();
    for _ in 0..MAX_REQUESTS + 10 {
        world.carry_out(Deed::Fence { node: 0, action: 0, device_timeout: 10, timeout: 10, seed: 0 });
    }
    assert_eq!(world.answers.len() - before, 10);
}
