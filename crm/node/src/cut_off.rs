//! Fencing in the life of a node: orders of the coordinator and of people, errands between nodes, the history that all
//! share, what this node says of itself so that others can tell whether it was truly cut off.

use std::collections::BTreeMap;
use std::time::Duration;

use cib::{Lifetime, Write};
use controller::brake::transient;
use controller::event::Order;
use controller::walking::{WATCHDOG, watchdog_ms};
use controller::{Level, Note};
use engine::NodeId;
use executor::{End, Signal};
use fencer::{Errand, ErrandEnd, Fencer, Success, Target};
use wire::order::BY_HAND;
use wire::stonith::{
    DeviceView, ErrandEndForm, ErrandForm, FenceOutcome, FenceRecord, StonithMessage, StonithReply, StonithRequest,
    StonithView,
};
use wire::{FenceOrder, Message, OrderId, Origin, Reply};

use crate::event::{Command, FencingSettings, Now, Process, Program};
use crate::fence_history::FenceHistory;
use crate::fencing;
use crate::machine::Node;

/// The transient attribute that tells one start of a host from the next: the proof that it was off.
pub use controller::property::BOOT_ID;
/// How often the coordinator looks for fence devices to try again.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// A node's part in fencing.
#[derive(Debug)]
pub(crate) struct CutOff {
    pub fencer: Fencer,
    /// What the fencer was told to do, by its number.
    given: BTreeMap<u64, FenceOrder>,
    count: u64,
    pub history: FenceHistory,
    /// Those who wait for the fencing that was under way when they asked: ours, and that one.
    joined: BTreeMap<OrderId, OrderId>,
    /// Why this node is to die, if it is.
    pub condemned: Option<String>,
    /// This host was started anew since the others knew it, and nobody was lost since: what they find out to have been
    /// fenced now, as when they had to wait for its watchdog, was its former start.
    is_new_start: bool,
    /// Since when there has been no quorum; there was before.
    pub no_quorum_since: Option<Duration>,
    /// An earlier daemon may have left something running, and nobody with quorum has told yet what.
    pub may_run_on: bool,
    look_at: Option<Duration>,
}

impl CutOff {
    pub fn new(settings: &FencingSettings) -> Self {
        CutOff {
            fencer: Fencer::new(),
            given: BTreeMap::new(),
            count: 0,
            history: FenceHistory::from_text(&settings.history),
            joined: BTreeMap::new(),
            condemned: None,
            is_new_start: false,
            no_quorum_since: None,
            may_run_on: settings.was_left_armed,
            look_at: None,
        }
    }

    pub fn deadline(&self) -> Option<Duration> {
        [self.fencer.deadline(), self.look_at].into_iter().flatten().min()
    }
}

impl Node {
    /// Who is here has changed; `lost`: somebody is here no more.
    pub(crate) fn cut_off_membership(&mut self, now: Now, lost: bool) {
        self.cut.is_new_start &= !lost;
        let me = self.settings.me.id;
        let view = &self.view;
        let others = view.hosts.iter().filter(|host| host.id != me && view.has_member(host.id));
        let others = others.map(|host| host.name.clone()).collect();
        let event = fencer::Event::Peers { me: self.settings.me.name.clone(), others };
        self.cut.fencer.handle(now.monotonic, event);
        self.cut.history.keep_only(&self.view, now.unix);
        self.cut.may_run_on &= !(self.view.quorate && self.replica.in_step());
        match (self.view.quorate, self.cut.no_quorum_since) {
            (true, _) => self.cut.no_quorum_since = None,
            // In step with others or not, engine or none: those that have quorum count from now.
            (false, None) => self.cut.no_quorum_since = Some(now.monotonic),
            (false, Some(_)) => {}
        }
    }

    /// All hold the same: who has come is told what was fenced.
    pub(crate) fn cut_off_in_step(&mut self, now: Now) {
        self.cut.may_run_on &= !self.view.quorate;
        let boot_id = &self.settings.fencing.boot_id;
        let known = transient(self.replica.cib(), &self.settings.me.id.to_string(), BOOT_ID);
        self.cut.is_new_start |= !boot_id.is_empty() && known.is_some_and(|known| known != boot_id);
        self.cut.look_at.get_or_insert(now.monotonic + LOOK_EVERY);
        let history: Vec<FenceRecord> = self.cut.history.iter().cloned().collect();
        if self.view.eldest() == Some(self.settings.me.id) && !history.is_empty() && self.view.members.len() > 1 {
            self.send(&Message::Stonith(StonithMessage::History(history)));
        }
    }

    /// Tells the fencer what the CIB says of devices and levels.
    pub(crate) fn tell_fencer(&mut self, now: Now) {
        let event = fencing::configuration(self.replica.cib(), &self.settings.me.name, now.unix);
        self.cut.fencer.handle(now.monotonic, event);
    }

    /// The deadline has come.
    pub(crate) fn cut_off_timeout(&mut self, now: Now) {
        self.cut.fencer.handle(now.monotonic, fencer::Event::Timeout);
        if self.cut.look_at.is_none_or(|at| at > now.monotonic) {
            return;
        }
        self.cut.look_at = Some(now.monotonic + LOOK_EVERY);
        if !self.controller.is_coordinator() || !self.view.quorate {
            return;
        }
        for device in fencing::to_try_again(self.replica.cib(), now.unix) {
            let text = format!("the fence device {device} failed a while ago and runs nowhere: it is tried again");
            self.note(Note::new(Level::Info, "device_again", text));
            let write = Write::Forget { node: None, resource: Some(device), failures_only: true };
            self.multicast_write(Origin::Local, &write);
        }
    }

    /// A write was applied by all.
    pub(crate) fn cut_off_applied(&mut self, now: Now, write: &Write) {
        match write {
            Write::Joined { node } | Write::Returned { node } if *node == self.settings.me.name => self.say_who_runs(),
            Write::Fenced { node, action, by, at, coordinator, transition, number, .. } => {
                let id = OrderId { coordinator: coordinator.clone(), transition: *transition, number: *number };
                let (delegate, devices) = by.split_once(" with ").unwrap_or((by, ""));
                let devices: Vec<String> = devices.split(", ").filter(|d| !d.is_empty()).map(str::to_owned).collect();
                if coordinator.is_empty() {
                    self.cut.history.vouched(FenceRecord {
                        id,
                        target: node.clone(),
                        action: action.clone(),
                        origin: by.clone(),
                        delegate: "a person".into(),
                        begun: *at,
                        ended: *at,
                        outcome: FenceOutcome::Done(Vec::new()),
                    });
                } else {
                    debug_assert!(!delegate.is_empty());
                    self.fencing_ended(now, &id, FenceOutcome::Done(devices));
                }
                if action != "on" && *node == self.settings.me.name && !self.cut.is_new_start {
                    self.condemn("this node was fenced, as all others know".into());
                }
            }
            _ => {}
        }
    }

    /// This start of this host, and its watchdog, for all to read.
    fn say_who_runs(&mut self) {
        let settings = self.settings.fencing.clone();
        let boot_id = Some(settings.boot_id).filter(|boot_id| !boot_id.is_empty());
        let watchdog = settings.watchdog_s.map(|seconds| seconds.to_string());
        for (name, value) in [(WATCHDOG, watchdog), (BOOT_ID, boot_id)] {
            // A daemon that came back to its host finds its attributes as it left them.
            let known = transient(self.replica.cib(), &self.settings.me.id.to_string(), name);
            if known != value.as_deref() {
                let node = self.settings.me.name.clone();
                let write = Write::Attribute {
                    node,
                    lifetime: Lifetime::Transient,
                    name: name.to_owned(),
                    value,
                    author: cib::Author::default(),
                };
                self.multicast_write(Origin::Local, &write);
            }
        }
    }

    /// An order to fence that is obeyed by all.
    pub(crate) fn fencing_ordered(&mut self, now: Now, order: &FenceOrder, origin: &str) {
        let delegate = self.view.hosts.iter().find(|host| host.id.0 == order.to);
        let record = FenceRecord {
            id: order.id.clone(),
            target: order.target.clone(),
            action: order.action.clone(),
            origin: origin.to_owned(),
            delegate: delegate.map_or_else(|| order.to.to_string(), |host| host.name.clone()),
            begun: now.unix,
            ended: 0,
            outcome: FenceOutcome::Pending,
        };
        self.cut.history.begun(record, NodeId(order.to));
        if order.action != "on" && order.target == self.settings.me.name {
            self.condemn(format!("all others know that this node is being fenced ({origin})"));
        }
        if order.to == self.settings.me.id.0 {
            self.begin_fencing(now, order.clone());
        }
    }

    fn condemn(&mut self, reason: String) {
        if self.cut.condemned.is_none() && self.settings.fencing.watchdog_s.is_some() {
            let text = format!("the watchdog is fed no longer: {reason}");
            self.note(Note::new(Level::Error, "condemned", text));
        }
        self.cut.condemned.get_or_insert(reason);
    }

    fn begin_fencing(&mut self, now: Now, order: FenceOrder) {
        let text = format!("fencing {} ({})", order.target, order.action);
        self.note(Note::new(Level::Warning, "fence_begin", text).on(&order.target));
        // Attributes and the time may let other devices be used than when the configuration last changed.
        self.tell_fencer(now);
        self.cut.count += 1;
        let seed = self.settings.seed.wrapping_add(self.cut.count);
        let event = fencing::request(&order, self.replica.cib(), self.view.quorate, self.cut.count, seed);
        self.cut.given.insert(self.cut.count, order);
        self.cut.fencer.handle(now.monotonic, event);
    }

    /// What other nodes say about fencing.
    pub(crate) fn stonith(&mut self, now: Now, from: NodeId, message: StonithMessage) {
        let me = self.settings.me.id;
        let name = |node: &Node| node.view.hosts.iter().find(|host| host.id == from).map(|host| host.name.clone());
        match message {
            StonithMessage::ByHand { order, user } => self.ordered_by_hand(now, from, order, &user),
            StonithMessage::Errand { to, number, errand } if to == me.0 => {
                let Some(from) = name(self) else { return };
                let text = format!("{} of {} with {} for {from}", errand.action, errand.target, errand.device);
                self.note(Note::new(Level::Info, "fence_errand", text).on(&errand.target));
                let errand = Errand {
                    device: errand.device,
                    target: Target { name: errand.target, id: errand.target_id, attributes: BTreeMap::new() },
                    action: fencing::action(&errand.action),
                    device_timeout: Duration::from_millis(errand.timeout_ms.min(LONGEST_ERRAND_MS)),
                };
                self.tell_fencer(now);
                self.cut.fencer.handle(now.monotonic, fencer::Event::Errand { from, number, errand });
            }
            StonithMessage::ErrandEnded { to, number, end } if to == me.0 => {
                let Some(from) = name(self) else { return };
                let end = match end {
                    ErrandEndForm::Done => ErrandEnd::Done,
                    ErrandEndForm::Unfit(reason) => ErrandEnd::Unfit(reason),
                    ErrandEndForm::Failed(reason) => ErrandEnd::Failed(reason),
                };
                self.cut.fencer.handle(now.monotonic, fencer::Event::ErrandEnded { from, number, end });
            }
            StonithMessage::Errand { .. } | StonithMessage::ErrandEnded { .. } => {}
            StonithMessage::History(records) if from != me => {
                let theirs: Vec<OrderId> = records.iter().map(|record| record.id.clone()).collect();
                let missing =
                    |record: &&FenceRecord| record.outcome != FenceOutcome::Pending && !theirs.contains(&record.id);
                let news: Vec<FenceRecord> = self.cut.history.iter().filter(missing).cloned().collect();
                let from_eldest = self.view.eldest() == Some(from);
                self.cut.history.merge(records);
                if from_eldest && !news.is_empty() {
                    self.send(&Message::Stonith(StonithMessage::History(news)));
                }
            }
            StonithMessage::History(_) => {}
            StonithMessage::Forget { target } => self.cut.history.forget(target.as_deref()),
        }
    }

    /// A person's order. When the same is under way already, that is the answer to both.
    fn ordered_by_hand(&mut self, now: Now, from: NodeId, order: FenceOrder, user: &str) {
        let own = from.0 == order.to && !order.id.is_of_a_plan();
        if !own || !self.replica.in_step() || !self.view.has_member(from) {
            return;
        }
        let same = self.cut.history.under_way(&order.target, &order.action).map(|record| record.id.clone());
        if let Some(same) = same {
            self.cut.joined.insert(order.id, same);
            return;
        }
        self.fencing_ordered(now, &order, user);
        let event = controller::Event::Ordered { order: Order::Fence(order), valid: true, own: false };
        self.controller.handle(now.monotonic, event);
    }

    /// A fencing is over, as all members know.
    pub(crate) fn fencing_ended(&mut self, now: Now, id: &OrderId, outcome: FenceOutcome) {
        if let Some(record) = self.cut.history.ended(id, now.unix, outcome) {
            self.alert_of_fencing(now, &record);
        }
        let history = &self.cut.history;
        self.cut.joined.retain(|_, other| history.iter().any(|record| record.id == *other));
    }

    /// What the fencer wants.
    pub(crate) fn fencer_wants(&mut self, now: Now, command: fencer::Command) {
        match command {
            fencer::Command::Spawn { run, agent, options, .. } => {
                let program = Program::Fence { agent, options };
                self.out.push_back(Command::Spawn { process: Process::Fence(run), program });
            }
            fencer::Command::Kill { run } => {
                self.out.push_back(Command::Signal { process: Process::Fence(run), signal: Signal::Kill });
            }
            fencer::Command::Errand { to, number, .. } if self.voice.speaks() == wire::FIRST_PROTOCOL => {
                let end =
                    ErrandEnd::Unfit("is in a cluster with a member of an older build, which knows no errands".into());
                self.cut.fencer.handle(now.monotonic, fencer::Event::ErrandEnded { from: to, number, end });
            }
            fencer::Command::Errand { to, number, errand } => {
                let Some(to) = self.member(&to) else { return };
                let errand = ErrandForm {
                    device: errand.device,
                    target: errand.target.name,
                    target_id: errand.target.id,
                    action: errand.action.word().into(),
                    timeout_ms: errand.device_timeout.as_millis() as u64,
                };
                self.send(&Message::Stonith(StonithMessage::Errand { to: to.0, number, errand }));
            }
            fencer::Command::ErrandEnded { to, number, end } => {
                let Some(to) = self.member(&to) else { return };
                let end = match end {
                    ErrandEnd::Done => ErrandEndForm::Done,
                    ErrandEnd::Unfit(reason) => ErrandEndForm::Unfit(reason),
                    ErrandEnd::Failed(reason) => ErrandEndForm::Failed(reason),
                };
                self.send(&Message::Stonith(StonithMessage::ErrandEnded { to: to.0, number, end }));
            }
            fencer::Command::Done { request, result } => {
                let Some(order) = self.cut.given.remove(&request) else { return };
                match result {
                    Ok(success) => self.fence_device_said_done(now, order, success),
                    Err(failure) => {
                        self.send(&Message::FenceFailed { order: order.id, reason: failure.reason });
                    }
                }
            }
        }
    }

    /// Whether the devices take a node's disks or networks away and leave it running: it may well be heard then. Those
    /// are the devices that have to let a node in again.
    pub(crate) fn only_cuts_access(&self, success: &Success) -> bool {
        let fencer = &self.cut.fencer;
        let agent = |name: &String| fencer.devices().find(|device| device.name == *name).map(|device| &device.agent);
        let lets_in =
            |name: &String| agent(name).and_then(|agent| fencer.agent(agent)).is_some_and(|agent| agent.automatic);
        success.devices.iter().any(lets_in)
    }

    /// An agent of the fencer ended.
    pub(crate) fn fence_agent_ended(&mut self, now: Now, run: fencer::RunId, end: End) {
        // The fencer's contract: 127 for what could not be started, 128 and the signal for what was ended.
        let (code, output) = match end {
            End::Exited { code, output } | End::InitScript { code, output } => (code, output),
            End::Signalled { signal, output } => (128 + signal, output),
            End::NotStarted { reason, .. } => (127, executor::Output { stdout: String::new(), stderr: reason }),
        };
        let event = fencer::Event::Ended { run, code, stdout: output.stdout, stderr: output.stderr };
        self.cut.fencer.handle(now.monotonic, event);
    }

    /// A tool asks.
    pub(crate) fn asked_stonith(&mut self, now: Now, request: StonithRequest) -> Reply {
        match request {
            StonithRequest::Show => Reply::Stonith(Box::new(StonithReply::View(self.stonith_view(now)))),
            StonithRequest::Forget { target } => {
                self.send(&Message::Stonith(StonithMessage::Forget { target }));
                Reply::Done
            }
            StonithRequest::Fence { target, action, timeout_ms, delay_ms, user } => {
                match self.order_by_hand(now, target, action, (timeout_ms, delay_ms), user) {
                    Ok(id) => Reply::Stonith(Box::new(StonithReply::Begun(id))),
                    Err(reason) => Reply::Refused { why: wire::Why::default(), reason },
                }
            }
        }
    }

    fn order_by_hand(
        &mut self,
        now: Now,
        target: String,
        action: String,
        (timeout_ms, delay_ms): (u64, u64),
        user: String,
    ) -> Result<OrderId, String> {
        if !matches!(action.as_str(), "reboot" | "off" | "on") {
            return Err(format!("there is no fencing called {action:?}; expected reboot, off or on"));
        }
        if self.voice.speaks() == wire::FIRST_PROTOCOL {
            return Err("a member of an older build would not hear of it; upgrade all nodes first".into());
        }
        if !self.replica.in_step() {
            return Err("this node is not in step with the others yet; try again in a moment".into());
        }
        let cib = self.replica.cib();
        let states = controller::membership::node_states(cib);
        let state = states.iter().find(|state| state.uname == target);
        let document = cib.document();
        let nodes = cib::view::nodes(document, &cib::rule::Context::at(now.unix));
        let configured = nodes.iter().find(|node| node.uname == target).map(|node| node.id.to_owned());
        let Some(target_id) = state.map(|state| state.id.clone()).or(configured) else {
            return Err(format!("no node is called {target:?}; `systole status` names them"));
        };
        self.cut.count += 1;
        let coordinator = format!("{BY_HAND}{}", self.settings.incarnation);
        let id = OrderId { coordinator, transition: 0, number: u32::try_from(self.cut.count).unwrap_or(u32::MAX) };
        let order = FenceOrder {
            id: id.clone(),
            to: self.settings.me.id.0,
            quorate: self.view.quorate,
            since: state.and_then(|state| state.since),
            watchdog_ms: watchdog_ms(cib, &target_id, now.unix),
            target,
            target_id,
            action,
            timeout_ms: timeout_ms.clamp(1_000, LONGEST_ERRAND_MS),
            delay_ms: delay_ms.min(LONGEST_ERRAND_MS),
            digests: None,
        };
        self.send(&Message::Stonith(StonithMessage::ByHand { order, user }));
        Ok(id)
    }

    fn stonith_view(&self, now: Now) -> StonithView {
        let fencer = &self.cut.fencer;
        let devices = fencer.devices().map(|device| DeviceView {
            name: device.name.clone(),
            agent: device.agent.clone(),
            actions: fencer.agent(&device.agent).map_or(Vec::new(), |agent| agent.actions.iter().cloned().collect()),
            allowed_here: device.allowed_here,
        });
        // Whoever asked for what was under way finds it under the number that was given.
        let mut history: Vec<FenceRecord> = self.cut.history.iter().cloned().collect();
        for (ours, other) in &self.cut.joined {
            let same = history.iter().find(|record| record.id == *other).cloned();
            history.extend(same.map(|record| FenceRecord { id: ours.clone(), ..record }));
        }
        StonithView {
            devices: devices.collect(),
            problems: fencer.problems().to_vec(),
            history,
            unfed: self.settings.fencing.watchdog_s.and_then(|_| self.may_feed(now).err()),
        }
    }

    fn member(&self, name: &str) -> Option<NodeId> {
        controller::walking::member_named(&self.view, name)
    }
}

/// No device is waited for longer: whoever asks for more has mistaken the unit.
const LONGEST_ERRAND_MS: u64 = 24 * 3_600_000;
