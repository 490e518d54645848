//! One fencing operation: the routes that are left, where it stands on the one it is on, and what was
//! tried, in words. The machine in `fencer` starts the agents and moves it on.

use std::collections::VecDeque;
use std::time::Duration;

use crate::topology::{Route, Step};
use crate::{Action, Failure, RunId, Success, Target};

/// Where an operation stands with the device of its current step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Whether the device is for the target is to be looked at.
    Choosing,
    /// The agent is being asked that.
    Asking { run: RunId, question: Question },
    /// It is, and the delay of the device passes.
    Delaying { until: Duration },
    /// The agent is to be run as soon as the device is free; earlier tries took `spent`.
    Ready { tries: u32, spent: Duration },
    /// The agent runs.
    Running { run: RunId, tries: u32, spent: Duration, since: Duration },
    /// Another node does it.
    Away { number: u64, until: Duration },
}

/// What an agent can be asked about a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Question {
    /// Which nodes it knows.
    List,
    /// Whether it knows this one.
    Status,
}

impl Question {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Question::List => "list",
            Question::Status => "status",
        }
    }
}

/// Who wants an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Asker {
    /// The caller, by its number for the request.
    Caller(u64),
    /// Another node, by its number for the errand.
    Peer(String, u64),
}

/// Somebody who waits for an operation.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub asker: Asker,
    pub since: Duration,
    /// When it must be answered.
    pub until: Duration,
}

/// One fencing operation, for all requests that want the same.
#[derive(Debug)]
pub(crate) struct Operation {
    pub requests: Vec<Request>,
    pub target: Target,
    pub action: Action,
    pub seed: u64,
    pub device_timeout: Duration,
    /// What is still to be waited before anything is done to the target.
    pub delay: Duration,
    pub watchdog: Result<Duration, String>,
    /// An errand of another node: what this one cannot do is not passed on.
    pub errand: bool,
    /// The way is still to be found, once all agents have said what they can do.
    pub unrouted: bool,
    /// Who else may do the current step; unknown until somebody is needed.
    pub peers: Option<VecDeque<String>>,
    /// The one who does it now.
    pub away: Option<String>,
    /// How many of them have tried in vain.
    pub errands: usize,
    pub started: Duration,
    /// Invariant: the current route is `routes[route]` and the current step `steps[step]` of it, while
    /// the operation is not over.
    pub routes: Vec<Route>,
    pub route: usize,
    pub step: usize,
    pub stage: Stage,
    /// What the `status` action said about the current step's device.
    pub known: Option<Result<(), String>>,
    /// The devices that succeeded on the current route.
    pub used: Vec<String>,
    tried: Vec<Tried>,
}

/// A step that led nowhere.
#[derive(Debug)]
struct Tried {
    /// Whether an agent was set on the target at all.
    attempted: bool,
    words: String,
}

/// What an operation wants after a step.
#[derive(Debug)]
pub(crate) enum Next {
    /// To go on with its current step.
    Step,
    /// To be over.
    Over(Result<Success, Failure>),
}

impl Operation {
    pub(crate) fn new(request: Request, target: Target, action: Action, routes: Vec<Route>) -> Self {
        let started = request.since;
        Operation {
            requests: vec![request],
            target,
            action,
            seed: 0,
            device_timeout: Duration::ZERO,
            delay: Duration::ZERO,
            watchdog: Err(String::new()),
            errand: false,
            unrouted: false,
            peers: None,
            away: None,
            errands: 0,
            started,
            routes,
            route: 0,
            step: 0,
            stage: Stage::Choosing,
            known: None,
            used: Vec::new(),
            tried: Vec::new(),
        }
    }

    pub(crate) fn current(&self) -> Option<&Step> {
        self.routes.get(self.route)?.steps.get(self.step)
    }

    /// The process it waits for.
    pub(crate) fn run(&self) -> Option<RunId> {
        match self.stage {
            Stage::Asking { run, .. } | Stage::Running { run, .. } => Some(run),
            _ => None,
        }
    }

    pub(crate) fn step_succeeded(&mut self) -> Next {
        let device = self.current().map(|step| step.device.clone());
        if let Some(device) = device.filter(|device| !self.used.contains(device)) {
            self.used.push(device);
        }
        self.next_step()
    }

    /// The agent did not do it.
    pub(crate) fn step_failed(&mut self, reason: &str) -> Next {
        self.leave_step(true, reason)
    }

    /// This node, or one that was asked, cannot do the step; the next one is to try.
    pub(crate) fn tried_here(&mut self, attempted: bool, reason: &str) {
        let device = self.current().map_or("", |step| &step.device);
        self.tried.push(Tried { attempted, words: format!("{device} {reason}") });
    }

    /// Whether any agent was set on the target.
    pub(crate) fn has_attempted(&self) -> bool {
        self.tried.iter().any(|tried| tried.attempted)
    }

    /// The agent was not even run: its device is not for the target.
    pub(crate) fn step_unfit(&mut self, reason: &str) -> Next {
        self.leave_step(false, reason)
    }

    fn leave_step(&mut self, attempted: bool, reason: &str) -> Next {
        let Some(route) = self.routes.get(self.route) else { return self.over_failed() };
        let level = route.level.map(|level| format!("level {level}: ")).unwrap_or_default();
        let step = route.steps.get(self.step);
        // A level without devices has no step to name; whose errand it is knows the device.
        let named = step.filter(|_| !self.errand);
        let device = named.map(|step| format!("{} ", step.device)).unwrap_or_default();
        let afterwards = step.is_some_and(|step| step.afterwards);
        let skipped = !attempted && step.is_some_and(|step| step.skipped_if_unfit);
        self.tried.push(Tried { attempted, words: format!("{level}{device}{reason}") });
        if skipped {
            return self.next_step();
        }
        if afterwards {
            // The target is off, which is what fencing is for; that it stays off is for the operator.
            return self.next_step();
        }
        self.route += 1;
        self.step = 0;
        self.used.clear();
        self.start_step()
    }

    fn next_step(&mut self) -> Next {
        self.step += 1;
        if self.step == self.routes[self.route].steps.len() {
            if self.used.is_empty() {
                // Not one device of the route was for the target.
                self.route += 1;
                self.step = 0;
                return self.start_step();
            }
            return Next::Over(Ok(Success { devices: std::mem::take(&mut self.used), remarks: self.attempts() }));
        }
        self.start_step()
    }

    /// Goes back to the question whether the current step's device is for the target.
    pub(crate) fn choose_again(&mut self) {
        (self.known, self.peers, self.away, self.errands) = (None, None, None, 0);
        self.stage = Stage::Choosing;
    }

    fn start_step(&mut self) -> Next {
        self.choose_again();
        if self.route == self.routes.len() { self.over_failed() } else { Next::Step }
    }

    fn over_failed(&self) -> Next {
        let (action, node, attempts) = (self.action.word(), &self.target.name, self.attempts());
        let all = || self.tried.iter().map(|tried| tried.words.as_str()).collect::<Vec<_>>().join("; ");
        let reason = if self.errand {
            all()
        } else if self.routes.is_empty() {
            format!("no device can fence {node} ({action}): none is configured; add a primitive of class stonith")
        } else if attempts.is_empty() {
            format!(
                "no device can fence {node} ({action}): {}; \
                 name the node in a device's pcmk_host_list or pcmk_host_map",
                all()
            )
        } else if self.routes.iter().any(|route| route.level.is_some()) {
            // Of a level it matters as well which device was not fit.
            format!("{action} of {node} failed: {}", all())
        } else {
            format!("{action} of {node} failed: {}", attempts.join("; "))
        };
        Next::Over(Err(Failure { reason }))
    }

    fn attempts(&self) -> Vec<String> {
        self.tried.iter().filter(|tried| tried.attempted).map(|tried| tried.words.clone()).collect()
    }

    /// The answer to a request whose time is over.
    pub(crate) fn over_late(&self, request: &Request) -> Result<Success, Failure> {
        let (action, node) = (self.action.word(), &self.target.name);
        let time = crate::fencer::time(request.until.saturating_sub(request.since));
        let device = self.current().map_or("", |step| &step.device);
        let state = match self.stage {
            Stage::Asking { question, .. } => format!("{device} was being asked for its {}", question.word()),
            Stage::Running { .. } => format!("{device} was at work"),
            Stage::Delaying { .. } => format!("the delay of {device} had not passed"),
            Stage::Away { .. } => format!("{device} was at work on {}", self.away.as_deref().unwrap_or("another node")),
            Stage::Choosing | Stage::Ready { .. } => format!("{device} was busy with another node"),
        };
        let attempts = self.attempts();
        if self.current().is_some_and(|step| step.afterwards) {
            // Every device of the level has switched the target off: it is fenced.
            let late = format!("{node} is off, but was not switched on again within {time}: {state}");
            let remarks = attempts.into_iter().chain([late]).collect();
            return Ok(Success { devices: self.used.clone(), remarks });
        }
        let before: String = attempts.iter().map(|tried| format!("; before that {tried}")).collect();
        Err(Failure { reason: format!("{action} of {node} was not done within {time}: {state}{before}") })
    }
}
