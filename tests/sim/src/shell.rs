//! What a daemon's shell does with what its machine asks for, in the made world. It decides nothing.

use std::time::Duration;

use engine::NodeId;
use executor::{End, Signal};
use node::{Command, Event, Process, Program};
use wire::{AttributeChange, Dampening, Reply, Request, Update};

use crate::agents::{Course, Effect, Job, promoted};
use crate::engine::Life;
use crate::host::ended_by;
use crate::power::Mood;
use crate::world::{Happening, World};

/// A machine that wants to be woken more often than this within one instant spins: nothing it waits for can happen.
const TURNS_PER_INSTANT: u32 = 10_000;
/// More commands than this for one event are growth without a bound.
const COMMANDS_PER_EVENT: usize = 20_000;
/// Daemons that may begin anew in one run; more are a loop.
const MOST_ANEW: u32 = 5;
/// When a supervisor starts a daemon again that gave up.
const RESTART: Duration = Duration::from_secs(1);

impl World {
    /// Tells a daemon what happened, and does what it wants.
    pub fn tell(&mut self, id: NodeId, event: Event) {
        let now = self.hosts[&id].clocks(self.now);
        let Some(daemon) = &mut self.host(id).daemon else { return };
        daemon.node.handle(now, event);
        self.carry_out(id);
    }

    /// Tells a daemon what follows from what it wanted just now; what it wants then comes in its turn.
    fn hear(&mut self, id: NodeId, event: Event) {
        let now = self.hosts[&id].clocks(self.now);
        if let Some(daemon) = &mut self.host(id).daemon {
            daemon.node.handle(now, event);
        }
    }

    /// Does what a daemon's machine wants, and notes when it wants to be woken.
    pub fn carry_out(&mut self, id: NodeId) {
        let now = self.hosts[&id].clocks(self.now);
        let instant = self.now;
        let mut done = 0;
        loop {
            let Some(daemon) = &mut self.host(id).daemon else { return };
            let life = daemon.life;
            let Some(command) = daemon.node.poll(now) else { break };
            if self.spring(id) {
                return;
            }
            self.obey(id, life, command);
            done += 1;
            if done > COMMANDS_PER_EVENT {
                self.watch.breaks(format!("node {id} asks for more than {COMMANDS_PER_EVENT} things at once"));
                return;
            }
        }
        let Some(daemon) = &mut self.host(id).daemon else { return };
        if daemon.turns.0 != instant {
            daemon.turns = (instant, 0);
        }
        daemon.turns.1 += 1;
        let spins = daemon.turns.1 > TURNS_PER_INSTANT;
        let wake = daemon.node.deadline().map(|deadline| (daemon.started + deadline).max(instant));
        let life = daemon.life;
        if wake != daemon.wake || wake == Some(instant) {
            daemon.wake = wake;
            if let Some(at) = wake {
                self.after(at - instant, Happening::Wake(id, life));
            }
        }
        if spins {
            self.watch.breaks(format!("node {id} spins: it wants to be woken again and again in the same instant"));
        }
    }

    fn obey(&mut self, id: NodeId, life: Life, command: Command) {
        match command {
            Command::Send(payload) => self.with_engine(|engine, now| engine.send(now, id, payload)),
            // The agents here know no watching.
            Command::Spawn { process, program: Program::Watch(_) } => {
                let end = End::NotStarted { reason: "it knows no watching".into(), missing: true };
                self.hear(id, Event::Ended { process, end });
            }
            Command::Spawn { process, program } => self.spawn(id, life, process, &program),
            Command::Describe { agent } => {
                let delay = self.aside.mostly_short(5, 3_000);
                let metadata = match self.aside.percent(5) {
                    true => Err("the simulated agent does not answer".to_owned()),
                    false => Ok(crate::agents::metadata()),
                };
                self.after(delay, Happening::Described(id, life, agent, metadata));
            }
            Command::Examine { process } => self.hear(id, Event::Examined { process, evidence: String::new() }),
            Command::Signal { process, signal } => self.signal(id, life, process, signal),
            Command::Plan { generation, cib } => {
                self.counts.plans += 1;
                self.watch.plan(self.now);
                let unix = self.hosts[&id].clocks(self.now).unix;
                let plan = policy::plan(&policy::Input::new(cib.document(), unix));
                self.say(id, format_args!("plan {generation}: {} actions", plan.transition.len()));
                let delay = self.random.mostly_short(1, 60);
                self.after(delay, Happening::Planned(id, life, generation, Box::new(plan.transition)));
            }
            Command::Persist { number, entry } => {
                if self.host(id).disk.persist(number, entry) {
                    self.disk_writes(id, life);
                }
            }
            // What is kept for people: a host that lost power may have lost it.
            Command::KeepFenceHistory(_) | Command::KeepFailovers(_) | Command::Record(_) | Command::Recall { .. } => {}
            Command::Alert(call) => self.say(id, format_args!("calls {} of {}", call.path, call.id)),
            Command::History { client, version } => {
                let reply = self.host(id).disk.history(version);
                self.replied(id, client, reply);
            }
            Command::SetAside(cib) => self.say(id, format_args!("sets {} aside", cib.version())),
            Command::Reply { client, reply } => self.replied(id, client, reply),
            Command::Note(note) => self.say(id, format_args!("{}: {}", note.event, note.message)),
            Command::Exit(how) => self.exits(id, how),
        }
    }

    /// A program on the host asks its daemon for something and does not care for the answer. One that stands still does
    /// not take it.
    pub fn request(&mut self, id: NodeId, request: Request) {
        let client = self.operator.stranger();
        if self.hosts[&id].daemon.is_some() && self.hosts[&id].paused.is_none() {
            self.tell(id, Event::Asked { client, request });
        }
    }

    /// An agent that can be promoted says how fit it is whenever it has started or looked, as DRBD's and others do.
    pub fn score_said_by(&mut self, id: NodeId, job: &Job, end: &End) -> Option<Update> {
        let Job::Operation { resource, action, interval_ms } = job else { return None };
        let fit = matches!(end, End::Exited { code: 0 | 8, .. });
        let says = match action.as_str() {
            "start" => fit,
            // It says so each time; a fifth of that is enough to be tested.
            "monitor" => fit && (*interval_ms == 0 || self.random.percent(20)),
            "stop" => fit,
            _ => false,
        };
        let change = match action.as_str() {
            "stop" => AttributeChange::Clear,
            _ => AttributeChange::Set((100 - id.0).to_string()),
        };
        (says && resource.starts_with('m')).then(|| Update {
            node: None,
            name: format!("master-{resource}"),
            change,
            dampening: Dampening::Keep,
            private: false,
        })
    }

    fn replied(&mut self, id: NodeId, client: node::ClientId, reply: Reply) {
        let text = match &reply {
            Reply::Written { version } => format!("written as {}.{}.{}", version.0, version.1, version.2),
            Reply::Refused { reason, .. } => format!("refused: {reason}"),
            Reply::Status(_)
            | Reply::Attributes(_)
            | Reply::Stonith(_)
            | Reply::Found { .. }
            | Reply::History(_)
            | Reply::Failovers(_)
            | Reply::Configuration { .. }
            | Reply::Records(_)
            | Reply::Plan(_)
            | Reply::Done => "done".to_owned(),
        };
        self.say(id, format_args!("answers client {}: {text}", client.0));
        if let Some(mark) = self.operator.answered(client, matches!(reply, Reply::Written { .. })) {
            self.counts.acknowledged += 1;
            let place = self.hosts[&id].daemon.as_ref().map_or(0, |daemon| daemon.place);
            self.watch.acknowledged(&mark, place);
        }
    }

    fn exits(&mut self, id: NodeId, how: Result<(), String>) {
        self.say(id, format_args!("its daemon ends: {how:?}"));
        if let Err(reason) = how {
            // Beside an older build a daemon may have to begin anew; its supervisor starts it again.
            let mixed = self.hosts.values().any(|host| host.protocol < wire::PROTOCOL);
            let anew = mixed && reason.ends_with("begins anew") && self.anew < MOST_ANEW;
            if anew {
                self.anew += 1;
                self.host(id).daemon_returns.get_or_insert(RESTART);
            } else {
                self.watch.breaks(format!("the daemon of node {id} gave up: {reason}"));
            }
        }
        self.disarm(id);
        self.daemon_gone(id);
        if let Some(back) = self.host(id).daemon_returns.take() {
            let boot = self.hosts[&id].boot;
            self.after(back, Happening::DaemonStarts(id, boot));
        }
    }

    fn spawn(&mut self, id: NodeId, life: Life, process: Process, program: &Program) {
        let mut random = self.random.fork();
        let Course { mut running, acts, ends } = match program {
            Program::Operation(operation) | Program::Watch(operation) => {
                self.host(id).agents.operate(life, process, operation, &mut random)
            }
            Program::Fence { options, .. } => {
                let names: Vec<String> = self.hosts.values().map(|host| host.me.name.clone()).collect();
                self.power.operate(life, process, options, &names, &mut random)
            }
        };
        let begins = match &running.job {
            Job::Operation { resource, action, .. } if action == "start" => Some(resource.clone()),
            Job::Operation { resource, action, .. } if action == "promote" => Some(promoted(resource)),
            _ => None,
        };
        if let Some(what) = begins {
            let hosts = self.hosts[&id].daemon.iter().flat_map(|daemon| &daemon.node.view().hosts);
            let heard = hosts.map(|host| host.id).collect();
            self.watch.start_begins(id, &what, &heard);
        }
        self.say(id, format_args!("{:?} begins", running.job));
        let pid = self.next_pid();
        if self.power.mood == Mood::Late
            && let Some(Effect::Power { target, on_again }) = &running.effect
        {
            // The switch has been told; it does not matter what becomes of the agent.
            let delay = acts.unwrap_or(Duration::ZERO);
            self.after(delay, Happening::Switch(target.clone(), *on_again));
            running.effect = None;
        }
        self.host(id).agents.processes.insert(pid, running);
        if let Some(acts) = acts {
            self.after(acts, Happening::Acts(id, pid));
        }
        if let Some(ends) = ends {
            self.after(ends, Happening::Ends(id, pid));
        }
    }

    fn signal(&mut self, id: NodeId, life: Life, process: Process, signal: Signal) {
        let Some(pid) = self.hosts[&id].process(life, process) else { return };
        let delay = self.random.ms(1, 20);
        let running = self.host(id).agents.processes.get_mut(&pid).expect("it was just found");
        let Some(end) = ended_by(signal, running.stubborn) else { return };
        if !matches!(running.end, Some(End::Signalled { .. })) {
            running.end = Some(end);
            running.effect = None;
            self.after(delay, Happening::Ends(id, pid));
        }
    }
}
