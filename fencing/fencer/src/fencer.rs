//! The machine: takes requests, moves each from step to step, runs agents one at a time for each device
//! and gives up on those that hang. What a step is lies in `topology`, where an operation stands in
//! `operation`.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::agents::{Agent, DESCRIBE_RUNS};
use crate::capability::{Capability, Listing, capability};
use crate::errands::ErrandEnd;
use crate::history::{History, Record};
use crate::operation::{Asker, Next, Operation, Question, Request, Stage};
use crate::parameters::words;
use crate::topology::{Step, Topology, WATCHDOG, all_that_fit, single};
use crate::{Action, Command, Device, Event, Failure, Level, RunId, Success};

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
    pub(crate) now: Duration,
    /// This node's name, once it is known.
    pub(crate) me: String,
    /// The other members.
    pub(crate) others: Vec<String>,
    pub(crate) devices: BTreeMap<String, Device>,
    pub(crate) agents: BTreeMap<String, Agent>,
    pub(crate) next_describe: u64,
    topology: Topology,
    problems: Vec<String>,
    lists: BTreeMap<String, Listing>,
    pub(crate) operations: BTreeMap<u64, Operation>,
    next_operation: u64,
    runs: BTreeMap<RunId, Run>,
    next_run: u64,
    pub(crate) next_errand: u64,
    history: History,
    pub(crate) commands: VecDeque<Command>,
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

/// How an agent's run went, as far as an operation cares.
enum RunEnd {
    Succeeded { stdout: String },
    Failed { code: i32, reason: String },
    TimedOut { reason: String },
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
            Event::Peers { me, others } => self.peers(me, others),
            Event::Fence { request, target, action, device_timeout, timeout, delay, watchdog, seed } => {
                let asker = Asker::Caller(request);
                let answer_to = Request { asker, since: self.now, until: self.now.saturating_add(timeout) };
                let mut operation = Operation::new(answer_to, target, action, Vec::new());
                (operation.seed, operation.device_timeout) = (seed, device_timeout);
                (operation.delay, operation.watchdog) = (delay, watchdog);
                self.fence(request, operation);
            }
            Event::Errand { from, number, errand } => self.errand(from, number, errand),
            Event::ErrandEnded { from, number, end } => self.errand_ended(&from, number, end),
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
            Stage::Delaying { until } | Stage::Away { until, .. } => Some(until),
            _ => None,
        });
        let asked = self.agents.values().filter_map(|agent| match agent {
            Agent::Asked { until, .. } => Some(*until),
            _ => None,
        });
        requests.chain(delays).chain(asked).chain(self.runs.values().map(|run| run.until)).min()
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

    /// The devices, by name.
    pub fn devices(&self) -> impl Iterator<Item = &Device> {
        self.devices.values()
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
        let free = |operation: &&mut Operation| operation.run().is_none() && operation.away.is_none();
        for operation in self.operations.values_mut().filter(free) {
            if operation.current().is_some_and(|step| !unchanged(&step.device)) {
                operation.choose_again();
            }
        }
        self.ask_agents();
        (self.topology, self.problems) = Topology::new(levels);
        for level in self.topology.levels() {
            if level.devices.is_empty() {
                self.problems.push(format!("fencing level {} names no device", level.index));
            }
            let known = |device: &&String| self.devices.contains_key(*device) || *device == WATCHDOG;
            for device in level.devices.iter().filter(|device| !known(device)) {
                self.problems.push(format!("fencing level {} names {device}, which is no fence device", level.index));
            }
        }
    }

    fn fence(&mut self, request: u64, mut operation: Operation) {
        let mut waiting = self.operations.values().flat_map(|operation| &operation.requests);
        if waiting.any(|waiting| waiting.asker == Asker::Caller(request)) {
            // The same request told twice; its answer is on the way.
            return;
        }
        let waiting = self.operations.values().map(|operation| operation.requests.len()).sum::<usize>();
        if waiting >= MAX_REQUESTS {
            let reason = format!("{MAX_REQUESTS} fencing requests are waiting already; try again when some are done");
            return self.commands.push_back(Command::Done { request, result: Err(Failure { reason }) });
        }
        let same = |other: &&mut Operation| {
            !other.errand && other.action == operation.action && other.target.name == operation.target.name
        };
        if let Some(other) = self.operations.values_mut().find(same) {
            other.requests.append(&mut operation.requests);
            return;
        }
        operation.unrouted = true;
        self.add(operation);
    }

    pub(crate) fn add(&mut self, operation: Operation) {
        self.operations.insert(self.next_operation, operation);
        self.next_operation += 1;
    }

    /// Finds the routes of an operation; false while agents have still to say what they can do.
    fn route(&mut self, id: u64) -> bool {
        let operation = &self.operations[&id];
        let (target, action) = (&operation.target, operation.action);
        let mut routes = self.topology.routes(target, action);
        if routes.is_empty() {
            let mut devices: Vec<&Device> = self.devices.values().collect();
            devices.sort_by_key(|device| std::cmp::Reverse(device.priority()));
            let mut names = devices.iter().map(|device| device.name.as_str());
            if action == Action::On {
                if devices.iter().any(|device| self.is_being_asked(&device.agent)) {
                    return false;
                }
                let lets_in = |device: &&&Device| self.agent(&device.agent).is_some_and(|agent| agent.automatic);
                let let_in: Vec<&str> = devices.iter().filter(lets_in).map(|device| device.name.as_str()).collect();
                if !let_in.is_empty() {
                    routes.push(all_that_fit(let_in.into_iter(), action));
                }
            }
            if routes.is_empty() {
                routes = single(&mut names, action);
            }
            if action != Action::On && operation.watchdog.is_ok() && !self.devices.contains_key(WATCHDOG) {
                routes.extend(single([WATCHDOG].into_iter(), action));
            }
        }
        let operation = self.operations.get_mut(&id).expect("it was there above");
        (operation.routes, operation.unrouted) = (routes, false);
        true
    }

    // Going on.

    /// Moves an operation on until it waits for something.
    fn advance(&mut self, id: u64) {
        while let Some(operation) = self.operations.get_mut(&id) {
            if operation.run().is_some() || operation.away.is_some() {
                // It is waited for even if its device is no longer configured: what an agent did to the
                // target is a fact.
                return;
            }
            if operation.unrouted {
                if !self.route(id) {
                    return;
                }
                continue;
            }
            let Some(step) = operation.current().cloned() else {
                // No device at all, or a level without devices.
                let next = operation.step_unfit("it names no device");
                self.go_on(id, next);
                continue;
            };
            if step.device == WATCHDOG && !self.devices.contains_key(WATCHDOG) {
                if !self.watch_out(id, step.action) {
                    return;
                }
                continue;
            }
            if !self.devices.contains_key(&step.device) {
                let next = operation.step_unfit("is not configured");
                self.go_on(id, next);
                continue;
            }
            match operation.stage {
                Stage::Asking { .. } | Stage::Running { .. } | Stage::Away { .. } => return,
                Stage::Choosing => {
                    if !self.choose(id, &step) {
                        return;
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

    /// Whether the current step's device is for the target, and may be used here; false while that is being asked.
    fn choose(&mut self, id: u64, step: &Step) -> bool {
        let (device, operation) = (&self.devices[&step.device], &self.operations[&id]);
        if self.is_being_asked(&device.agent) {
            return false;
        }
        let agent = self.agent(&device.agent);
        if let Err(reason) = self.may_do(operation, step, agent) {
            self.cannot(id, false, &reason);
            return true;
        }
        let listing = self.lists.get(&step.device).filter(|listing| self.now < listing.at + LIST_AGE);
        let capability = match step.afterwards {
            true => Capability::Yes,
            false => capability(device, operation, agent, listing),
        };
        let delays = step.action != Action::On && !operation.errand;
        let own = if delays { device.delay(&operation.target.name, operation.seed) } else { Duration::ZERO };
        let operation = self.operations.get_mut(&id).expect("it was there above");
        match capability {
            Capability::Yes => {
                let delay = std::mem::take(&mut operation.delay).saturating_add(own);
                operation.stage = Stage::Delaying { until: self.now.saturating_add(delay) };
            }
            Capability::No { reason, everywhere: true } => {
                let next = operation.step_unfit(&reason);
                self.go_on(id, next);
            }
            Capability::No { reason, everywhere: false } => self.cannot(id, false, &reason),
            Capability::Unknown(question) => return self.ask(id, &step.device, question),
        }
        true
    }

    /// Waits until the target's own watchdog has ended it: since the fencing was asked for, for it was lost before.
    /// False while it waits.
    fn watch_out(&mut self, id: u64, action: Action) -> bool {
        let now = self.now;
        let Some(operation) = self.operations.get_mut(&id) else { return false };
        let next = match (&operation.watchdog, operation.stage) {
            _ if action == Action::On => operation.step_unfit("switches nothing on"),
            (Err(reason), _) => {
                let reason = format!("cannot be relied on: {reason}");
                operation.step_unfit(&reason)
            }
            (Ok(_), Stage::Delaying { until }) if now < until => return false,
            (Ok(_), Stage::Delaying { .. }) => operation.step_succeeded(),
            (Ok(wait), _) => {
                operation.stage = Stage::Delaying { until: operation.started.saturating_add(*wait) };
                return true;
            }
        };
        self.go_on(id, next);
        true
    }

    pub(crate) fn go_on(&mut self, id: u64, next: Next) {
        if let Next::Over(result) = next {
            self.over(id, result);
        }
    }

    fn over(&mut self, id: u64, result: Result<Success, Failure>) {
        let Some(operation) = self.operations.remove(&id) else { return };
        let attempted = operation.has_attempted();
        for request in operation.requests {
            self.answer(request.asker, attempted, &result);
        }
        if operation.errand {
            // It is the history of the node whose errand it was.
            return;
        }
        self.history.push(Record {
            target: operation.target.name,
            action: operation.action,
            started: operation.started,
            ended: self.now,
            result,
        });
    }

    fn answer(&mut self, asker: Asker, attempted: bool, result: &Result<Success, Failure>) {
        self.commands.push_back(match asker {
            Asker::Caller(request) => Command::Done { request, result: result.clone() },
            Asker::Peer(to, number) => {
                let end = match result {
                    Ok(_) => ErrandEnd::Done,
                    Err(failure) if attempted => ErrandEnd::Failed(failure.reason.clone()),
                    Err(failure) => ErrandEnd::Unfit(failure.reason.clone()),
                };
                Command::ErrandEnded { to, number, end }
            }
        });
    }

    /// Asks an agent whether it knows the target; false when its device is not free.
    fn ask(&mut self, id: u64, name: &str, question: Question) -> bool {
        let (device, operation) = (&self.devices[name], &self.operations[&id]);
        let target = match question {
            Question::List => None,
            Question::Status => Some(&operation.target),
        };
        let options = device.options(question.word(), target, self.agent(&device.agent));
        let allowed = device.timeout(question.word()).unwrap_or(QUESTION_TIMEOUT);
        let Some(run) = self.spawn(id, name, options, allowed) else { return false };
        self.operations.get_mut(&id).expect("it was there above").stage = Stage::Asking { run, question };
        true
    }

    /// Runs an agent against the target; false when its device is not free.
    fn attempt(&mut self, id: u64, name: &str, action: Action, tries: u32, spent: Duration) -> bool {
        let (device, operation) = (&self.devices[name], &self.operations[&id]);
        let agent = self.agent(&device.agent);
        // Not every agent can reboot: off is what fencing is for.
        let cannot = |word| !device.renames(word) && agent.is_some_and(|agent| !agent.has(word));
        let action = if action == Action::Reboot && cannot("reboot") { Action::Off } else { action };
        let options = device.options(action.word(), Some(&operation.target), agent);
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
        if run.0 >= DESCRIBE_RUNS {
            return self.described(run, code, &stdout);
        }
        // The end of a run that was given up is nobody's, but its device is free now.
        let Some(Run { device, operation: Some(id), .. }) = self.runs.remove(&run) else { return };
        let end = match code {
            0 => RunEnd::Succeeded { stdout },
            code => RunEnd::Failed { code, reason: said(code, stderr) },
        };
        self.run_over(id, &device, end);
    }

    fn timeout(&mut self) {
        self.silence();
        self.late_errands();
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
        let (late, left): (Vec<Request>, _) =
            operation.requests.iter().cloned().partition(|request| request.until <= now);
        let Some(last) = late.last() else { return };
        if left.is_empty() {
            let (run, result) = (operation.run(), operation.over_late(last));
            if let Some(run) = run {
                self.give_up(run);
            }
            return self.over(id, result);
        }
        operation.requests = left;
        let ends: Vec<_> = late.iter().map(|request| (request.asker.clone(), operation.over_late(request))).collect();
        for (asker, result) in ends {
            self.answer(asker, true, &result);
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
                    RunEnd::TimedOut { reason } => return self.cannot(id, true, &reason),
                    RunEnd::Failed { reason, .. } => {
                        let step = operation.current().expect("a running operation has a step");
                        let device = self.devices.get(&step.device);
                        let spent = spent + self.now.saturating_sub(since);
                        if device.is_some_and(|device| may_retry(device, operation, step.action, tries, spent)) {
                            operation.stage = Stage::Ready { tries, spent };
                            return;
                        }
                        let tries = if tries > 1 { format!(" ({tries} tries)") } else { String::new() };
                        return self.cannot(id, true, &format!("{reason}{tries}"));
                    }
                };
                self.go_on(id, next);
            }
            stage => unreachable!("an operation waits for a run only while asking or running: {stage:?}"),
        }
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
    match stderr.lines().map(plain).rfind(|line| !line.is_empty()) {
        Some(line) => format!("exited with {code}: {line}"),
        None => format!("exited with {code}"),
    }
}

/// What an agent or another node said, fit for a terminal and a log.
pub(crate) fn plain(text: &str) -> String {
    let text: String = text.chars().filter(|character| !character.is_control()).take(REASON_LENGTH).collect();
    text.trim().to_owned()
}

/// A length of time for messages.
pub(crate) fn time(duration: Duration) -> String {
    match duration.as_millis() {
        whole if whole % 1000 == 0 => format!("{} s", whole / 1000),
        other => format!("{other} ms"),
    }
}
