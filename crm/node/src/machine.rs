//! The wiring: what happens to a node goes to the part that is concerned, what the parts ask for goes out.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use cib::Cib;
use controller::event::Order;
use controller::{Command as Ask, Controller, Level, Note};
use engine::{Membership, NodeId};
use executor::{End, Executor};
use wire::stonith::FenceOutcome;
use wire::{Message, Origin};

use crate::attributes::Attributes;
use crate::clients::Clients;
use crate::cut_off::CutOff;
use crate::disk::Disk;
use crate::event::{Command, Event, Now, Process, Settings};
use crate::evidence::Unproved;
use crate::failovers::Failovers;
use crate::fencing;
use crate::meeting::Meeting;
use crate::metadata::{Descriptions, agent_of};
use crate::orders::Orders;
use crate::remote;
use crate::replica::Replica;
use crate::voice::Voice;

/// One node.
#[derive(Debug)]
pub struct Node {
    pub(crate) settings: Settings,
    pub(crate) view: Membership,
    pub(crate) controller: Controller,
    pub(crate) executor: Executor,
    pub(crate) cut: CutOff,
    pub(crate) replica: Replica,
    pub(crate) clients: Clients,
    pub(crate) orders: Orders,
    pub(crate) descriptions: Descriptions,
    pub(crate) attributes: Attributes,
    /// Fencings that their devices have reported and nothing has proved yet.
    pub(crate) unproved: Vec<Unproved>,
    pub(crate) meeting: Meeting,
    pub(crate) voice: Voice,
    pub(crate) disk: Disk,
    pub(crate) leaving: bool,
    pub(crate) let_go: bool,
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
            controller: Controller::new(me, &settings.incarnation),
            executor: Executor::new(settings.limit, 1),
            cut,
            replica: Replica::new(me, &settings.cluster, &settings.incarnation, cib),
            clients: Clients::default(),
            orders: Orders::default(),
            descriptions: Descriptions::default(),
            attributes: Attributes::default(),
            unproved: Vec::new(),
            meeting: Meeting::default(),
            voice: Voice::new(settings.protocol, settings.payload),
            disk: Disk::default(),
            leaving: false,
            let_go: false,
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
        self.voice.is_alone()
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
                self.voice.has_engine();
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
        if let Some(message) = self.voice.echoed() {
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

    /// A member says something; all hear it at the same place in the order.
    pub(crate) fn message(&mut self, now: Now, from: NodeId, message: Message) {
        let own = from == self.settings.me.id;
        // Orders count only from the coordinator of this moment, never while members meet, and not when the quorum they
        // were given with is gone: all members agree on that, for all see the same at this place in the order.
        let obeyed = self.replica.in_step() && self.view.eldest() == Some(from);
        match message {
            Message::Hello(hello) => self.hello(now, from, hello),
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
            Message::Again(again) => self.again(now, from, &again),
            Message::Write { origin, write } => self.write_heard(now, from, origin, write, obeyed),
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

    /// Whether it is for this node to say when attributes have been gathered for long enough.
    fn writes_what_is_gathered(&self) -> bool {
        self.replica.in_step()
            && self.voice.speaks() > wire::FIRST_PROTOCOL
            && self.view.eldest() == Some(self.settings.me.id)
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

    pub(crate) fn note(&mut self, note: Note) {
        self.out.push_back(Command::Note(note));
    }
}
