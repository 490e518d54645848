//! The machine: takes requests, moves each from step to step, runs agents one at a time for each device
//! and gives up on those that hang. What a step is lies in `topology`, where an operation stands in
//! `operation`.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::history::{History, Record};
use crate::operation::{Next, Operation, Question, Request, Stage};
use crate::parameters::{HostCheck, words};
use crate::topology::{Topology, single};
use crate::{Action, Command, Device, Event, Failure, Level, RunId, Success, Target};

/// How long an agent may take to say whether it knows a node, unless `pcmk_list_timeout` or
/// `pcmk_status_timeout` says otherwise. A device that does not even answer that is no use, and the
/// next one waits for its turn.
pub const QUESTION_TIMEOUT: Duration = Duration::from_secs(20);

/// How long the answer of an agent's `list` action holds. Pacemaker asks again after a minute too.
pub const LIST_AGE: Duration = Duration::from_secs(60);

/// How long a killed agent counts as using its device. A process that can die has died by then; one
/// that hangs in the kernel must not keep the device from fencing another node.
pub const KILL_GRACE: Duration = Duration::from_secs(5);

/// How many requests may be unanswered at once: every node of the largest cluster, several times over.
pub const MAX_REQUESTS: usize = 256;

/// How much of an agent's last line goes into a reason, in characters: a line on a terminal or two.
const REASON_LENGTH: usize = 200;

/// The fence devices of a cluster, and the requests under way. See the crate's guide.
#[derive(Debug, Default)]
pub struct Fencer {
    now: Duration,
    devices: BTreeMap<String, Device>,
    topology: Topology,
    problems: Vec<String>,
    lists: BTreeMap<String, Listing>,
    operations: BTreeMap<u64, Operation>,
    next_operation: u64,
    runs: BTreeMap<RunId, Run>,
    next_run: u64,
    history: History,
    commands: VecDeque<Command>,
}

/// A process of a fence agent.
#[derive(Debug)]
struct Run {
    device: String,
    /// Who waits for it; nobody once it was given up.
    operation: Option<u64>,
    until: Duration,
    allowed: Duration,
}

/// What a device's `list` action said.
#[derive(Debug)]
struct Listing {
    at: Duration,
    /// The nodes; `None` when the agent could not say.
    hosts: Option<Vec<String>>,
}

/// How an agent's run went, as far as an operation cares.
enum RunEnd {
    Succeeded { stdout: String },
    Failed { code: i32, reason: String },
    TimedOut { reason: String },
}

/// Whether a device can fence a target.
enum Capability {
    Yes,
    No(String),
    Unknown(Question),
}

/// A fencing operation under way, for displays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ActiveView<'a> {
    /// Whom.
    pub target: &'a str,
    /// What is to be done.
    pub action: Action,
    /// Since when.
    pub since: Duration,
    /// The device whose turn it is.
    pub device: Option<&'a str>,
}

impl Fencer {
    /// A fencer that knows no device yet.
    pub fn new() -> Self {
        Fencer::default()
    }

    /// Takes an event in. Never blocks, never fails.
    pub fn handle(&mut self, now: Duration, event: Event) {
        self.now = self.now.max(now);
        match event {
            Event::Configure { devices, levels } => self.configure(devices, levels),
            Event::Fence { request, target, action, device_timeout, timeout, seed } => {
                self.fence(request, target, action, device_timeout, timeout, seed);
            }
            Event::Ended { run, code, stdout, stderr } => self.ended(run, code, stdout, &stderr),
            Event::Timeout => self.timeout(),
        }
    }

    /// The next thing to do; call until it gives `None`.
    pub fn poll(&mut self) -> Option<Command> {
        if self.commands.is_empty() {
            let ids: Vec<u64> = self.operations.keys().copied().collect();
            for id in ids {
                self.advance(id);
            }
        }
        self.commands.pop_front()
    }

    /// When to send [`Event::Timeout`].
    pub fn deadline(&self) -> Option<Duration> {
        let requests = self.operations.values().flat_map(|operation| &operation.requests).map(|request| request.until);
        let delays = self.operations.values().filter_map(|operation| match operation.stage {
            Stage::Delaying { until } => Some(until),
            _ => None,
        });
        requests.chain(delays).chain(self.runs.values().map(|run| run.until)).min()
    }

    /// The last operations that are over, oldest first.
    pub fn history(&self) -> impl DoubleEndedIterator<Item = &Record> {
        self.history.iter()
    }

    /// The operations under way, in the order they were asked for.
    pub fn active(&self) -> impl Iterator<Item = ActiveView<'_>> {
        self.operations.values().map(|operation| ActiveView {
            target: &operation.target.name,
            action: operation.action,
            since: operation.started,
            device: operation.current().map(|step| step.device.as_str()),
        })
    }

    /// What is wrong with the configuration, in words for the operator.
    pub fn problems(&self) -> &[String] {
        &self.problems
    }

    // What the caller asks for.

    fn configure(&mut self, devices: Vec<Device>, levels: Vec<Level>) {
        let devices = devices.into_iter().map(|device| (device.name.clone(), device)).collect();
        let former = std::mem::replace(&mut self.devices, devices);
        // What is known of a device holds as long as it is what it was: what its agent listed, and that
        // it is for a node. It must not cut another one off because a port was given away meanwhile.
        let devices = &self.devices;
        let unchanged = |name: &str| devices.get(name).is_some_and(|device| former.get(name) == Some(device));
        self.lists.retain(|name, _| unchanged(name));
        for operation in self.operations.values_mut().filter(|operation| operation.run().is_none()) {
            if operation.current().is_some_and(|step| !unchanged(&step.device)) {
                operation.choose_again();
            }
        }
        (self.topology, self.problems) = Topology::new(levels);
        for level in self.topology.levels() {
            if level.devices.is_empty() {
                self.problems.push(format!("fencing level {} names no device", level.index));
            }
            for device in level.devices.iter().filter(|device| !self.devices.contains_key(*device)) {
                self.problems.push(format!("fencing level {} names {device}, which is no fence device", level.index));
            }
        }
    }

    fn fence(
        &mut self,
        request: u64,
        target: Target,
        action: Action,
        device_timeout: Duration,
        timeout: Duration,
        seed: u64,
    ) {
        let mut waiting = self.operations.values().flat_map(|operation| &operation.requests);
        if waiting.any(|waiting| waiting.id == request) {
            // The same request told twice; its answer is on the way.
            return;
        }
        let waiting = self.operations.values().map(|operation| operation.requests.len()).sum::<usize>();
        if waiting >= MAX_REQUESTS {
            let reason = format!("{MAX_REQUESTS} fencing requests are waiting already; try again when some are done");
            return self.commands.push_back(Command::Done { request, result: Err(Failure { reason }) });
        }
        let answer_to = Request { id: request, since: self.now, until: self.now.saturating_add(timeout) };
        let same = |operation: &&mut Operation| operation.action == action && operation.target.name == target.name;
        if let Some(operation) = self.operations.values_mut().find(same) {
            operation.requests.push(answer_to);
            return;
        }
        let mut routes = self.topology.routes(&target, action);
        if routes.is_empty() {
            routes = single(self.devices.keys(), action);
        }
        let mut operation = Operation::new(answer_to, target, action, routes);
        (operation.seed, operation.device_timeout) = (seed, device_timeout);
        self.operations.insert(self.next_operation, operation);
        self.next_operation += 1;
    }

    // Going on.

    /// Moves an operation on until it waits for something.
    fn advance(&mut self, id: u64) {
        while let Some(operation) = self.operations.get_mut(&id) {
            if operation.run().is_some() {
                // It is waited for even if its device is no longer configured: what an agent did to the
                // target is a fact.
                return;
            }
            let Some(step) = operation.current().cloned() else {
                // No device at all, or a level without devices.
                let next = operation.step_unfit("it names no device");
                self.go_on(id, next);
                continue;
            };
            let Some(device) = self.devices.get(&step.device) else {
                let next = operation.step_unfit("is not configured");
                self.go_on(id, next);
                continue;
            };
            match operation.stage {
                Stage::Asking { .. } | Stage::Running { .. } => return,
                Stage::Choosing => {
                    let listing = self.lists.get(&step.device).filter(|listing| self.now < listing.at + LIST_AGE);
                    let capability = match step.afterwards {
                        true => Capability::Yes,
                        false => capability(device, operation, listing),
                    };
                    match capability {
                        Capability::Yes => {
                            let delay = match step.action {
                                Action::On => Duration::ZERO,
                                Action::Off | Action::Reboot => device.delay(&operation.target.name, operation.seed),
                            };
                            operation.stage = Stage::Delaying { until: self.now.saturating_add(delay) };
                        }
                        Capability::No(reason) => {
                            let next = operation.step_unfit(&reason);
                            self.go_on(id, next);
                        }
                        Capability::Unknown(question) => {
                            if !self.ask(id, &step.device, question) {
                                return;
                            }
                        }
                    }
                }
                Stage::Delaying { until } if self.now < until => return,
                Stage::Delaying { .. } => operation.stage = Stage::Ready { tries: 0, spent: Duration::ZERO },
                Stage::Ready { tries, spent } => {
                    if !self.attempt(id, &step.device, step.action, tries, spent) {
                        return;
                    }
                }
            }
        }
    }

    fn go_on(&mut self, id: u64, next: Next) {
        if let Next::Over(result) = next {
            self.over(id, result);
        }
    }

    fn over(&mut self, id: u64, result: Result<Success, Failure>) {
        let Some(operation) = self.operations.remove(&id) else { return };
        for request in operation.requests {
            self.commands.push_back(Command::Done { request: request.id, result: result.clone() });
        }
        self.history.push(Record {
            target: operation.target.name,
            action: operation.action,
            started: operation.started,
            ended: self.now,
            result,
        });
    }

    /// Asks an agent whether it knows the target; false when its device is not free.
    fn ask(&mut self, id: u64, name: &str, question: Question) -> bool {
        let (device, operation) = (&self.devices[name], &self.operations[&id]);
        let target = match question {
            Question::List => None,
            Question::Status => Some(&operation.target),
        };
        let options = device.options(question.word(), target);
        let allowed = device.timeout(question.word()).unwrap_or(QUESTION_TIMEOUT);
        let Some(run) = self.spawn(id, name, options, allowed) else { return false };
        self.operations.get_mut(&id).expect("it was there above").stage = Stage::Asking { run, question };
        true
    }

    /// Runs an agent against the target; false when its device is not free.
    fn attempt(&mut self, id: u64, name: &str, action: Action, tries: u32, spent: Duration) -> bool {
        let (device, operation) = (&self.devices[name], &self.operations[&id]);
        let options = device.options(action.word(), Some(&operation.target));
        let budget = device.timeout(action.word()).unwrap_or(operation.device_timeout);
        // Never less than a repetition is promised, should the timeout be made shorter between two tries.
        let allowed = budget.saturating_sub(spent).max(budget * 3 / 10);
        let Some(run) = self.spawn(id, name, options, allowed) else { return false };
        let stage = Stage::Running { run, tries: tries + 1, spent, since: self.now };
        self.operations.get_mut(&id).expect("it was there above").stage = stage;
        true
    }

    fn spawn(
        &mut self,
        operation: u64,
        name: &str,
        options: BTreeMap<String, String>,
        allowed: Duration,
    ) -> Option<RunId> {
        let device = &self.devices[name];
        let busy = self.runs.values().filter(|run| run.device == name).count();
        if device.action_limit().is_some_and(|limit| busy >= limit) {
            return None;
        }
        let run = RunId(self.next_run + 1);
        self.next_run += 1;
        let until = self.now.saturating_add(allowed);
        self.runs.insert(run, Run { device: name.into(), operation: Some(operation), until, allowed });
        self.commands.push_back(Command::Spawn { run, device: name.into(), agent: device.agent.clone(), options });
        Some(run)
    }

    // Agents that end, and agents that do not.

    fn ended(&mut self, run: RunId, code: i32, stdout: String, stderr: &str) {
        // The end of a run that was given up is nobody's, but its device is free now.
        let Some(Run { device, operation: Some(id), .. }) = self.runs.remove(&run) else { return };
        let end = match code {
            0 => RunEnd::Succeeded { stdout },
            code => RunEnd::Failed { code, reason: said(code, stderr) },
        };
        self.run_over(id, &device, end);
    }

    fn timeout(&mut self) {
        let ids: Vec<u64> = self.operations.keys().copied().collect();
        for id in ids {
            self.answer_late(id);
        }
        let hanging: Vec<RunId> =
            self.runs.iter().filter(|(_, run)| run.until <= self.now).map(|(id, _)| *id).collect();
        for run in hanging {
            match self.give_up(run) {
                Some((id, device, allowed)) => {
                    let reason = format!("did not end within {}", time(allowed));
                    self.run_over(id, &device, RunEnd::TimedOut { reason });
                }
                // It was killed a while ago.
                None => drop(self.runs.remove(&run)),
            }
        }
    }

    /// Answers the requests whose time is over. The operation goes on for the others; without any it ends.
    fn answer_late(&mut self, id: u64) {
        let now = self.now;
        let Some(operation) = self.operations.get_mut(&id) else { return };
        let (late, left): (Vec<Request>, _) = operation.requests.iter().partition(|request| request.until <= now);
        let Some(last) = late.last() else { return };
        if left.is_empty() {
            let (run, result) = (operation.run(), operation.over_late(last));
            if let Some(run) = run {
                self.give_up(run);
            }
            return self.over(id, result);
        }
        operation.requests = left;
        for request in &late {
            self.commands.push_back(Command::Done { request: request.id, result: operation.over_late(request) });
        }
    }

    /// Kills an agent; whoever waited for it is told, once.
    fn give_up(&mut self, run: RunId) -> Option<(u64, String, Duration)> {
        let known = self.runs.get_mut(&run)?;
        let id = known.operation.take()?;
        known.until = self.now.saturating_add(KILL_GRACE);
        self.commands.push_back(Command::Kill { run });
        Some((id, known.device.clone(), known.allowed))
    }

    fn run_over(&mut self, id: u64, name: &str, end: RunEnd) {
        let Some(operation) = self.operations.get_mut(&id) else { return };
        match operation.stage {
            Stage::Asking { question: Question::List, .. } => {
                operation.stage = Stage::Choosing;
                let hosts = match end {
                    RunEnd::Succeeded { stdout } => Some(words(&stdout).into_iter().map(str::to_owned).collect()),
                    RunEnd::Failed { .. } | RunEnd::TimedOut { .. } => None,
                };
                self.lists.insert(name.into(), Listing { at: self.now, hosts });
            }
            Stage::Asking { question: Question::Status, .. } => {
                operation.stage = Stage::Choosing;
                operation.known = Some(match end {
                    // Fence agents: 0 is on, 2 is off. Either way the device knows the node.
                    RunEnd::Succeeded { .. } | RunEnd::Failed { code: 2, .. } => Ok(()),
                    RunEnd::Failed { reason, .. } | RunEnd::TimedOut { reason } => Err(reason),
                });
            }
            Stage::Running { tries, spent, since, .. } => {
                let next = match end {
                    RunEnd::Succeeded { .. } => operation.step_succeeded(),
                    RunEnd::TimedOut { reason } => operation.step_failed(&reason),
                    RunEnd::Failed { reason, .. } => {
                        let step = operation.current().expect("a running operation has a step");
                        let device = self.devices.get(&step.device);
                        let spent = spent + self.now.saturating_sub(since);
                        if device.is_some_and(|device| may_retry(device, operation, step.action, tries, spent)) {
                            operation.stage = Stage::Ready { tries, spent };
                            return;
                        }
                        let tries = if tries > 1 { format!(" ({tries} tries)") } else { String::new() };
                        operation.step_failed(&format!("{reason}{tries}"))
                    }
                };
                self.go_on(id, next);
            }
            stage => unreachable!("an operation waits for a run only while asking or running: {stage:?}"),
        }
    }
}

/// Whether a device can fence the target, as far as is known.
fn capability(device: &Device, operation: &Operation, listing: Option<&Listing>) -> Capability {
    let node = &operation.target.name;
    let by_status = || match &operation.known {
        Some(Ok(())) => Capability::Yes,
        Some(Err(reason)) => Capability::No(format!("is not known to be for the node: its status action {reason}")),
        None => Capability::Unknown(Question::Status),
    };
    match device.host_check() {
        HostCheck::Any => Capability::Yes,
        HostCheck::StaticList => {
            let hosts = device.static_hosts();
            match hosts.iter().any(|host| host.eq_ignore_ascii_case(node)) {
                true => Capability::Yes,
                false if hosts.is_empty() => Capability::No("names no node".into()),
                false => Capability::No(format!("is for {} only", hosts.join(" "))),
            }
        }
        HostCheck::Status => by_status(),
        HostCheck::DynamicList => match listing {
            None => Capability::Unknown(Question::List),
            // An agent without a list may know its node all the same.
            Some(Listing { hosts: None, .. }) => by_status(),
            Some(Listing { hosts: Some(hosts), .. }) => {
                let port = device.port(node);
                match hosts.iter().any(|host| host.eq_ignore_ascii_case(port)) {
                    true => Capability::Yes,
                    false => Capability::No("does not list the node".into()),
                }
            }
        },
    }
}

/// A failed attempt is repeated while there are tries left and a good part of the time: what begins
/// with less than three tenths of it would only be cut short.
fn may_retry(device: &Device, operation: &Operation, action: Action, tries: u32, spent: Duration) -> bool {
    let budget = device.timeout(action.word()).unwrap_or(operation.device_timeout);
    tries < device.tries(action.word()) && spent.as_millis() * 10 < budget.as_millis() * 7
}

/// The end of an agent in words: its code and its last line.
fn said(code: i32, stderr: &str) -> String {
    match stderr.lines().map(str::trim).rfind(|line| !line.is_empty()) {
        Some(line) => format!("exited with {code}: {}", line.chars().take(REASON_LENGTH).collect::<String>()),
        None => format!("exited with {code}"),
    }
}

/// A length of time for messages.
pub(crate) fn time(duration: Duration) -> String {
    match duration.as_millis() {
        whole if whole % 1000 == 0 => format!("{} s", whole / 1000),
        other => format!("{other} ms"),
    }
}
