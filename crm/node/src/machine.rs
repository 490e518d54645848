//! The wiring: what happens to a node goes to the part that is concerned, what the parts ask for goes out.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use cib::{Cib, Write};
use controller::event::Order;
use controller::{Command as Ask, Controller, Level, Note};
use engine::{Member, Membership, NodeId};
use executor::{End, Executor};
use wire::failover::Seen;
use wire::frame::Assembler;
use wire::stonith::FenceOutcome;
use wire::write::WriteForm;
use wire::{AttributeState, Message, Origin, Update};

use crate::attributes::Attributes;
use crate::clients::{Clients, Majority};
use crate::cut_off::CutOff;
use crate::disk::{self, Disk};
use crate::event::{Command, Event, Now, Process, Settings};
use crate::evidence::Unproved;
use crate::failovers::Failovers;
use crate::fencing;
use crate::metadata::{Descriptions, agent_of};
use crate::orders::Orders;
use crate::remote;
use crate::replica::{Delivered, Replica, Settled, Step};
use crate::speech::{SAID_AGAIN, Speech};
use crate::versions::lowered;

/// One node.
#[derive(Debug)]
pub struct Node {
    pub(crate) settings: Settings,
    pub(crate) view: Membership,
    /// There is no engine: we are alone, without quorum, and hear only ourselves.
    alone: bool,
    pub(crate) controller: Controller,
    executor: Executor,
    pub(crate) cut: CutOff,
    pub(crate) replica: Replica,
    pub(crate) clients: Clients,
    pub(crate) orders: Orders,
    pub(crate) descriptions: Descriptions,
    pub(crate) attributes: Attributes,
    /// Fencings that their devices have reported and nothing has proved yet.
    pub(crate) unproved: Vec<Unproved>,
    /// The newest protocol that all members know; the first until that is known.
    pub(crate) speaks: u32,
    /// What members said of themselves in the meeting under way, or the last one.
    hellos: BTreeMap<NodeId, (u32, Vec<AttributeState>)>,
    assembler: Assembler,
    speech: Speech,
    pub(crate) disk: Disk,
    pub(crate) leaving: bool,
    let_go: bool,
    /// Senders whose messages were no use, once each: noise has a bound.
    noisy: BTreeSet<u32>,
    /// What we said while alone: it comes back to us and to nobody else.
    echo: VecDeque<Message>,
    /// What of the configuration plans do without, as it was told last.
    left_out: Vec<String>,
    /// How many events alert agents were called for.
    pub(crate) alerts: u64,
    pub(crate) failovers: Failovers,
    pub(crate) out: VecDeque<Command>,
}

impl Node {
    /// A node that has heard of nobody yet, with the CIB from its disk. Only the configuration of that counts.
    pub fn new(settings: Settings, cib: Cib, now: Now) -> Self {
        let me = settings.me.id;
        let cib = store::segment::without_status(&cib);
        let mut cut = CutOff::new(&settings.fencing);
        cut.fencer.handle(now.monotonic, fencing::configuration(&cib, &settings.me.name, now.unix));
        Node {
            view: Membership::default(),
            alone: false,
            controller: Controller::new(me, &settings.incarnation),
            executor: Executor::new(settings.limit, 1),
            cut,
            replica: Replica::new(me, &settings.cluster, &settings.incarnation, cib),
            clients: Clients::default(),
            orders: Orders::default(),
            descriptions: Descriptions::default(),
            attributes: Attributes::default(),
            unproved: Vec::new(),
            speaks: wire::FIRST_PROTOCOL,
            hellos: BTreeMap::new(),
            assembler: Assembler::speaking(settings.protocol),
            speech: Speech::default(),
            disk: Disk::default(),
            leaving: false,
            let_go: false,
            noisy: BTreeSet::new(),
            echo: VecDeque::new(),
            left_out: Vec::new(),
            alerts: 0,
            failovers: Failovers::from_text(&settings.failovers),
            out: VecDeque::new(),
            settings,
        }
    }

    /// The CIB as this node holds it.
    pub fn cib(&self) -> &Arc<Cib> {
        self.replica.cib()
    }

    /// Nothing has happened for a while: what was kept so that the next change is cheap is let go. It decides nothing.
    pub fn rest(&mut self) {
        self.replica.rest();
    }

    /// Whether there is no engine.
    pub(crate) fn is_alone(&self) -> bool {
        self.alone
    }

    /// Who is here, as this node knows.
    pub fn view(&self) -> &Membership {
        &self.view
    }

    /// Whether this node and all other members are known to hold the same CIB.
    pub fn in_step(&self) -> bool {
        self.replica.in_step()
    }

    /// Nothing is being done or waited for, as far as this node knows.
    pub fn is_quiet(&self) -> bool {
        self.replica.in_step() && self.controller.is_quiet() && self.orders.under_way().is_empty()
    }

    /// Whether this node coordinates.
    pub fn is_coordinator(&self) -> bool {
        self.controller.is_coordinator()
    }

    /// When to be sent [`Event::Timeout`].
    pub fn deadline(&self) -> Option<Duration> {
        let gathered = self.writes_what_is_gathered().then(|| self.attributes.deadline()).flatten();
        let proof = self.proof_deadline();
        [
            self.controller.deadline(),
            self.executor.deadline(),
            self.cut.deadline(),
            self.disk.deadline(),
            self.clients.deadline(),
            gathered,
            proof,
            self.failovers.deadline(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Takes in what happened.
    pub fn handle(&mut self, now: Now, event: Event) {
        match event {
            Event::Engine(engine::Event::Membership(view)) => {
                self.alone = false;
                self.echo.clear();
                self.membership(now, view);
            }
            Event::Engine(engine::Event::Delivered { from, payload }) => self.delivered(now, from, &payload),
            Event::Engine(engine::Event::Lost { reason }) => self.lost(now, &reason),
            Event::Ended { process, end } => self.ended(now, process, end),
            Event::Described { agent, metadata } => {
                let metadata = metadata.as_ref().map(|metadata| &**metadata).map_err(String::as_str);
                let (held, complaint) = self.descriptions.described(&agent, metadata);
                complaint.into_iter().for_each(|text| self.note(Note::new(Level::Warning, "metadata", text)));
                held.into_iter().for_each(|command| self.executed(now, command));
            }
            Event::Examined { process: Process::Agent(run), evidence } => {
                self.executor.handle(now.monotonic, executor::Event::Examined { run, evidence });
            }
            Event::Watching { process: Process::Agent(run) } => {
                self.executor.handle(now.monotonic, executor::Event::Watching { run });
            }
            // The fencer sees to its own, and watches nothing.
            Event::Examined { .. } | Event::Watching { .. } => {}
            Event::Planned { generation, transition } => {
                self.controller.handle(now.monotonic, controller::Event::Planned { generation, transition });
            }
            Event::NotPlanned { generation, reason } => {
                self.controller.handle(now.monotonic, controller::Event::NotPlanned { generation, reason });
            }
            Event::Asked { client, request } => self.asked(now, client, request),
            Event::Gone { client } => self.clients.gone(client),
            Event::Persisted { number, configuration, error } => self.persisted(now, number, configuration, error),
            Event::Record(record) => self.record(record),
            Event::Shutdown => self.shutdown(now),
            Event::Timeout => {
                self.controller.handle(now.monotonic, controller::Event::Timeout);
                self.executor.handle(now.monotonic, executor::Event::Timeout);
                self.cut_off_timeout(now);
                self.look_for_proof(now);
                self.retry_disk(now);
                for (client, reply) in self.clients.timeout(now.monotonic, &self.view) {
                    self.out.push_back(Command::Reply { client, reply });
                }
            }
        }
    }

    /// The next thing to do; call until `None`.
    pub fn poll(&mut self, now: Now) -> Option<Command> {
        loop {
            if let Some(command) = self.out.pop_front() {
                return Some(command);
            }
            if !self.turn(now) {
                return None;
            }
        }
    }

    /// Asks each part for one thing. Whether there was any.
    fn turn(&mut self, now: Now) -> bool {
        if let Some(message) = self.echo.pop_front() {
            self.message(now, self.settings.me.id, message);
            return true;
        }
        if let Some(command) = self.executor.poll() {
            let agent = match &command {
                executor::Command::Report(outcome) => Some(outcome.operation.agent.clone()),
                executor::Command::Cancelled { cancel, .. } => self.orders.given(cancel.id).map(agent_of),
                _ => None,
            };
            let command = match agent {
                Some(agent) => self.descriptions.hold(&agent, command),
                None => Some(command),
            };
            command.into_iter().for_each(|command| self.executed(now, command));
            return true;
        }
        if let Some(command) = self.cut.fencer.poll() {
            self.fencer_wants(now, command);
            return true;
        }
        if let Some(text) = self.cut.history.text_if_changed() {
            self.out.push_back(Command::KeepFenceHistory(text));
            return true;
        }
        if self.put_failovers_away(now) {
            return true;
        }
        if let Some(command) = self.controller.poll(now.monotonic, now.unix, self.replica.cib()) {
            self.controlled(now, command);
            return true;
        }
        if self.writes_what_is_gathered() {
            let names = self.attributes.due(now.monotonic);
            if !names.is_empty() {
                self.send(&Message::Gathered { names });
                return true;
            }
        }
        if self.let_go && self.executor.is_idle() {
            self.let_go = false;
            self.note(Note::new(Level::Info, "stopped", "this node was let go and leaves the cluster"));
            self.out.push_back(Command::Exit(Ok(())));
            return true;
        }
        false
    }

    fn membership(&mut self, now: Now, view: Membership) {
        self.describe(&view);
        self.alert_of_members(now, &view);
        self.failover_of_members(now, &view);
        // Who left and came back in one step has begun anew, and so does what it says.
        let stays = |member: &&Member| self.view.members.contains(member);
        let staying: BTreeSet<u32> = view.members.iter().filter(stays).map(|member| member.id.0).collect();
        self.assembler.keep_only(|id| staying.contains(&id));
        if view.members.iter().any(|member| !self.view.members.contains(member)) {
            self.assembler.someone_came(view.members.iter().map(|member| member.id.0));
            self.out.extend(self.speech.again(self.settings.payload).into_iter().map(Command::Send));
        }
        self.noisy.retain(|id| view.has_member(NodeId(*id)));
        for lost in self.view.hosts.iter().filter(|host| !view.has_host(host.id)) {
            self.attributes.forget(&lost.name);
        }
        self.attributes.membership(now.monotonic, self.replica.cib());
        for (client, reply) in self.clients.membership(&view) {
            self.out.push_back(Command::Reply { client, reply });
        }
        let lost = self.view.members.iter().any(|member| !view.has_member(member.id));
        self.view = view;
        let (settled, step) =
            self.replica.membership(&self.view, self.controller.is_settled(), self.orders.under_way());
        settled.into_iter().for_each(|settled| self.settled(now, settled));
        self.replica.mark("have-quorum", if self.view.quorate { "1" } else { "0" });
        if let Some(coordinator) = self.view.eldest() {
            self.replica.mark("dc-uuid", &coordinator.to_string());
        }
        self.cut_off_membership(now, lost);
        self.look_for_proof(now);
        self.controller.handle(now.monotonic, controller::Event::Membership(self.view.clone()));
        self.steps(now, step.into_iter().collect());
        self.answer_clients();
    }

    /// Without an engine a node is alone and without quorum: it acts as its `no-quorum-policy` says until the engine
    /// is back. Its messages go to itself.
    fn lost(&mut self, now: Now, reason: &str) {
        let what = if self.replica.in_step() { "the cluster engine is gone" } else { "waiting for the cluster engine" };
        self.note(Note::new(Level::Error, "engine_lost", format!("{what}: {reason}")));
        self.speech.lost();
        for (client, reply) in self.clients.engine_lost() {
            self.out.push_back(Command::Reply { client, reply });
        }
        let view = Membership {
            number: self.view.number + 1,
            hosts: vec![self.settings.me.clone()],
            members: vec![Member { id: self.settings.me.id, since: 0 }],
            quorate: false,
            votes: 0,
            expected_votes: self.view.expected_votes,
        };
        if self.replica.in_step() {
            self.alone = true;
            self.membership(now, view);
        } else {
            self.view = Membership::default();
        }
    }

    fn delivered(&mut self, now: Now, from: NodeId, payload: &[u8]) {
        let taken = self.assembler.take(from.0, payload);
        if from == self.settings.me.id {
            let ends = !matches!(taken, Ok(None));
            let next = self.speech.returned(payload, ends, self.settings.payload);
            self.out.extend(next.into_iter().map(Command::Send));
        }
        match taken {
            Ok(Some(message)) => self.message(now, from, message),
            Ok(None) => {}
            Err(error) => self.garbage(from, &error.to_string()),
        }
    }

    /// What a member says is of no use: told once for as long as it is here, so that noise has a bound.
    fn garbage(&mut self, from: NodeId, what: &str) {
        if self.noisy.insert(from.0) {
            self.note(Note::new(Level::Warning, "garbage", format!("from node {from}: {what}; ignored")));
        }
    }

    fn message(&mut self, now: Now, from: NodeId, message: Message) {
        let own = from == self.settings.me.id;
        // Orders count only from the coordinator of this moment, never while members meet, and not when the quorum they
        // were given with is gone: all members agree on that, for all see the same at this place in the order.
        let obeyed = self.replica.in_step() && self.view.eldest() == Some(from);
        match message {
            Message::Hello(mut hello) => {
                if self.assembler.missed(from.0) && hello.cut {
                    let reason = format!("node {from} was saying something when this node came; this node begins anew");
                    self.out.push_back(Command::Exit(Err(reason)));
                    return;
                }
                if hello.protocol < SAID_AGAIN {
                    self.speech.older_build_listens(true);
                }
                self.hellos.insert(from, (hello.protocol, std::mem::take(&mut hello.attributes)));
                let steps = self.replica.hello(from, hello);
                self.steps(now, steps);
            }
            Message::State(state) => {
                let steps = self.replica.state(from, &state);
                self.steps(now, steps);
            }
            Message::Chunk(chunk) => {
                let steps = self.replica.chunk(from, &chunk);
                self.steps(now, steps);
            }
            Message::Taken(taken) => {
                let steps = self.replica.taken(from, &taken);
                self.steps(now, steps);
            }
            Message::Again(again) => {
                self.note(Note::new(
                    Level::Warning,
                    "sync",
                    format!("node {from} could not take the configuration: {}; it is sent again", again.reason),
                ));
                let steps = self.replica.again(&again);
                self.steps(now, steps);
            }
            Message::Write { origin, write } => match Write::try_from(write) {
                // What a coordinator made of a CIB and of members that are others by now would be a lie here. Its
                // results are facts all the same.
                Ok(write) if origin == Origin::Controller && !obeyed && !matches!(write, Write::Result(_)) => {
                    let refused = Some("another node coordinates now".to_owned());
                    self.controller.handle(now.monotonic, controller::Event::Applied { write, refused, own });
                }
                Ok(write) => {
                    if self.replica.is_stuck() {
                        let reason = "the members do not come to agree on a configuration; this node begins anew";
                        self.out.push_back(Command::Exit(Err(reason.into())));
                        return;
                    }
                    if let Some(settled) = self.replica.write(Delivered { from, origin, write }) {
                        self.settled(now, settled);
                    }
                }
                Err(error) => self.garbage(from, &format!("a write that cannot be read: {error}")),
            },
            Message::Update { origin, update } => self.update(now, from, origin, update),
            // The eldest says so when the time is over, and any member when somebody does not want to wait.
            Message::Gathered { names } if self.replica.in_step() => {
                if let Some(write) = self.attributes.gathered(&names) {
                    self.write_here(now, from, Origin::Local, write);
                }
            }
            // After the meeting the eldest says it again.
            Message::Gathered { .. } => {}
            Message::Run(order) => {
                let valid = obeyed && (self.view.quorate || !order.quorate);
                if valid && order.to == self.settings.me.id.0 {
                    if let Some(agent) = self.descriptions.wanted(&order) {
                        self.out.push_back(Command::Describe { agent });
                    }
                    let event = self.orders.take(order.clone(), self.descriptions.action(&order));
                    self.executor.handle(now.monotonic, event);
                }
                let event = controller::Event::Ordered { order: Order::Run(order), valid, own };
                self.controller.handle(now.monotonic, event);
            }
            Message::Fence(order) => {
                let valid = obeyed && (self.view.quorate || !order.quorate);
                if valid {
                    self.fencing_ordered(now, &order, "the cluster");
                }
                let event = controller::Event::Ordered { order: Order::Fence(order), valid, own };
                self.controller.handle(now.monotonic, event);
            }
            Message::Stonith(message) => self.stonith(now, from, message),
            Message::FenceFailed { order, reason } => {
                self.fencing_ended(now, &order, FenceOutcome::Failed(reason.clone()));
                self.controller.handle(now.monotonic, controller::Event::FenceFailed { order, reason });
            }
            Message::Record(record) => self.out.push_back(Command::Record(record)),
            Message::Held { admin_epoch, epoch } => {
                self.clients.held(from, (admin_epoch, epoch));
                self.answer_clients();
            }
            Message::NotHeld { admin_epoch, epoch, reason } => {
                self.clients.not_held(from, (admin_epoch, epoch), reason);
                self.answer_clients();
            }
        }
    }

    fn steps(&mut self, now: Now, steps: Vec<Step>) {
        for step in steps {
            match step {
                Step::Hello(mut hello) => {
                    self.speaks = wire::FIRST_PROTOCOL;
                    self.hellos.clear();
                    hello.protocol = self.settings.protocol;
                    hello.cut = self.speech.is_cut();
                    if self.settings.protocol > wire::FIRST_PROTOCOL {
                        hello.attributes = self.attributes.state();
                    }
                    self.send(&Message::Hello(hello));
                }
                Step::State(state) => self.send(&Message::State(state)),
                // Said only where all know it, though what they speak is agreed on at the meeting's end.
                Step::Chunk(chunk) => self.put(&Message::Chunk(chunk)),
                Step::Taken(taken) => self.put(&Message::Taken(taken)),
                Step::Again(again) => self.put(&Message::Again(again)),
                Step::Leave { reason } => self.out.push_back(Command::Exit(Err(reason))),
                Step::InStep { running, under_way, set_aside, taken } => {
                    if let Some(old) = set_aside {
                        self.note(Note::new(
                            Level::Warning,
                            "set_aside",
                            "the others' configuration counts; this node's is kept in a dated file",
                        ));
                        self.out.push_back(Command::SetAside(old));
                    }
                    self.replica.mark("have-quorum", if self.view.quorate { "1" } else { "0" });
                    if let Some(coordinator) = self.view.eldest() {
                        self.replica.mark("dc-uuid", &coordinator.to_string());
                    }
                    self.clients.nobody_holds();
                    self.configuration_agreed(now, taken);
                    self.agree(now);
                    for (node, orders) in under_way {
                        self.controller.handle(now.monotonic, controller::Event::UnderWay { node, orders });
                    }
                    self.controller.handle(now.monotonic, controller::Event::Synced { running });
                    self.note(Note::new(Level::Info, "sync", "all members hold the same configuration"));
                    self.cut_off_in_step(now);
                    for settled in self.replica.release() {
                        self.settled(now, settled);
                    }
                }
            }
        }
    }

    fn settled(&mut self, now: Now, settled: Settled) {
        let Settled { delivered: Delivered { from, origin, write }, outcome } = settled;
        let mine = from == self.settings.me.id;
        let mut outcome = outcome;
        let configuration = outcome.as_ref().is_ok_and(|applied| applied.configuration);
        if let Some(applied) = outcome.as_mut().ok().filter(|applied| applied.configuration) {
            let patch = std::mem::take(&mut applied.patch);
            let host = self.view.hosts.iter().find(|host| host.id == from).map_or("", |host| &*host.name);
            let author = disk::author(&write, host, now.unix);
            self.configuration_changed(now, author, patch);
        }
        if outcome.is_ok() {
            self.applied(&write);
            self.alert_of_write(now, &write);
            self.failover_of_write(now, &write);
        }
        if mine && let Origin::Client(number) = origin {
            let answer = match &outcome {
                // What was so already may be so only in memory: it is no less to be found on disks. Others' writes may
                // have been applied since.
                Ok(cib::Applied { version: cib::Version { admin_epoch, epoch, num_updates }, .. }) => {
                    self.clients.applied(
                        number,
                        (*admin_epoch, *epoch, *num_updates),
                        configuration || disk::is_of_configuration(&write),
                    )
                }
                Err(refused) => self.clients.refused(number, wire::Why::of(refused), refused.to_string()),
            };
            if let Some((client, reply)) = answer {
                self.out.push_back(Command::Reply { client, reply });
            }
        }
        self.answer_clients();
        let refused = outcome.err().map(|refused| refused.to_string());
        let own = mine && origin == Origin::Controller;
        if refused.is_none() {
            self.cut_off_applied(now, &write);
        }
        self.controller.handle(now.monotonic, controller::Event::Applied { write, refused, own });
    }

    /// What a write that was applied means for this node itself.
    fn applied(&mut self, write: &Write) {
        let me = &self.settings.me.name;
        let asks = |node: &str, name: &str, value: &Option<String>| {
            node == me && name == "shutdown" && value.as_ref().is_some_and(|value| value != "0")
        };
        match write {
            Write::LetGo { node } => self.let_go |= node == me && self.leaving,
            Write::Joined { node } => self.attributes.forget(node),
            Write::Fenced { node, action, .. } if action != "on" => self.attributes.forget(node),
            Write::Attribute { node, name, value, lifetime: cib::Lifetime::Transient, .. }
                if asks(node, name, value) =>
            {
                self.leaves();
            }
            Write::Attributes { values } if values.iter().any(|of| asks(&of.node, &of.name, &of.value)) => {
                self.leaves();
            }
            _ => {}
        }
    }

    /// Members are in step: what they know together counts, in the newest words that all of them have.
    fn agree(&mut self, now: Now) {
        let here = |id: &NodeId| self.view.has_member(*id);
        let spoken: BTreeMap<NodeId, u32> =
            self.hellos.iter().filter(|(id, _)| here(id)).map(|(id, (protocol, _))| (*id, *protocol)).collect();
        self.speaks = spoken.values().copied().min().unwrap_or(wire::FIRST_PROTOCOL).min(self.settings.protocol);
        self.speech.older_build_listens(self.speaks < SAID_AGAIN);
        if self.settings.protocol == wire::FIRST_PROTOCOL {
            return;
        }
        let name = |id: NodeId| self.view.hosts.iter().find(|host| host.id == id).map(|host| host.name.clone());
        let states = std::mem::take(&mut self.hellos);
        let spoken_states =
            states.into_iter().filter_map(|(id, (_, states))| Some((id, (name(id)?, states)))).collect();
        self.attributes.meet(now.monotonic, self.replica.cib(), &spoken_states);
        if self.speaks == wire::FIRST_PROTOCOL {
            // Some member knows no gathering: it ends here, and the first who knows of it writes what there is.
            let newer = spoken.iter().find(|(_, protocol)| **protocol > wire::FIRST_PROTOCOL);
            let values = self.attributes.drain();
            if newer.is_some_and(|(id, _)| *id == self.settings.me.id) && !values.is_empty() {
                self.multicast_write(Origin::Local, &Write::Attributes { values });
            }
        }
    }

    /// Whether it is for this node to say when attributes have been gathered for long enough.
    fn writes_what_is_gathered(&self) -> bool {
        self.replica.in_step() && self.speaks > wire::FIRST_PROTOCOL && self.view.eldest() == Some(self.settings.me.id)
    }

    fn update(&mut self, now: Now, from: NodeId, origin: Origin, update: Update) {
        let Some(node) = update.node.clone().filter(|node| !node.is_empty() && !update.name.is_empty()) else {
            self.garbage(from, "an attribute without a name, or for no node");
            return;
        };
        if let Some(seen) = Seen::reported(&update) {
            self.failovers.seen(now, &seen);
        }
        if !self.replica.in_step() {
            self.attributes.hold_back(&node, update);
        } else if let Some(write) = self.attributes.update(now.monotonic, self.replica.cib(), &node, &update) {
            self.write_here(now, from, origin, write);
            return;
        }
        if from == self.settings.me.id
            && let Origin::Client(number) = origin
        {
            let version = self.replica.cib().version();
            let version = (version.admin_epoch, version.epoch, version.num_updates);
            if let Some((client, reply)) = self.clients.applied(number, version, false) {
                self.out.push_back(Command::Reply { client, reply });
            }
        }
    }

    /// A write that all members make at this place in the order, without its being sent.
    fn write_here(&mut self, now: Now, from: NodeId, origin: Origin, write: Write) {
        if let Some(settled) = self.replica.write(Delivered { from, origin, write }) {
            self.settled(now, settled);
        }
    }

    fn answer_clients(&mut self) {
        if self.clients.nobody_waits() {
            return;
        }
        let accounted = self.is_majority_accounted();
        let missing = if accounted { Vec::new() } else { self.unaccounted() };
        let majority = if accounted { Majority::Accounted } else { Majority::Missing(&missing) };
        for (client, reply) in self.clients.answers(&self.view, majority) {
            self.out.push_back(Command::Reply { client, reply });
        }
    }

    fn controlled(&mut self, _now: Now, command: Ask) {
        match command {
            Ask::Write(write) => self.multicast_write(Origin::Controller, &write),
            Ask::Run(order) => {
                let text = format!("next: {} of {} on {}", order.operation, order.resource.id, order.node);
                let note = Note::new(Level::Debug, "order", text).about(&order.resource.id, &order.operation);
                self.note(note.on(&order.node));
                self.send(&Message::Run(order));
            }
            Ask::Fence(order) => self.send(&Message::Fence(order)),
            Ask::Plan { generation } => {
                let (cib, left_out) =
                    remote::without_connections(self.replica.cib()).unwrap_or((self.replica.cib().clone(), Vec::new()));
                if self.left_out != left_out {
                    self.tell_left_out(&left_out);
                    self.left_out = left_out;
                }
                self.out.push_back(Command::Plan { generation, cib });
            }
            Ask::Note(note) => self.note(note),
        }
    }

    pub(crate) fn ended(&mut self, now: Now, process: Process, end: End) {
        match process {
            Process::Agent(run) => self.executor.handle(now.monotonic, executor::Event::Ended { run, end }),
            Process::Fence(run) => self.fence_agent_ended(now, run, end),
        }
    }

    pub(crate) fn multicast_write(&mut self, origin: Origin, write: &Write) {
        self.send(&Message::Write { origin, write: WriteForm::from(write) });
    }

    pub(crate) fn send(&mut self, message: &Message) {
        for message in lowered(message.clone(), self.speaks) {
            self.put(&message);
        }
    }

    /// Says a message as it is.
    fn put(&mut self, message: &Message) {
        if self.alone {
            self.echo.push_back(message.clone());
        } else {
            self.out.extend(self.speech.say(message, self.settings.payload).into_iter().map(Command::Send));
        }
    }

    pub(crate) fn note(&mut self, note: Note) {
        self.out.push_back(Command::Note(note));
    }
}
