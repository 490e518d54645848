//! The deed of each fault, and the mending of them all.

use std::collections::BTreeMap;
use std::time::Duration;

use cib::patch::Change;
use cib::{Author, Patch, Write};
use engine::NodeId;
use wire::{AttributeChange, Dampening, Request, Update};

use crate::changes::{clear, disable, mark, move_to, parameter, property, release, standby};
use crate::faults::{Fault, Trap};
use crate::host::{DISK_MS, EPOCH};
use crate::operator::Wish;
use crate::power::Mood;
use crate::random::Random;
use crate::scenario::Shape;
use crate::world::{Happening, World};

impl World {
    /// It happens now.
    pub fn strike(&mut self, fault: Fault) {
        self.counts.faults += 1;
        self.counts.kinds.insert(fault.kind());
        self.trace.line(self.now, "FAULT", format_args!("{fault:?}"));
        match fault {
            Fault::Crash(id, back) => {
                self.power_off(id, "it crashes");
                if let Some(back) = back {
                    let boot = self.hosts[&id].boot;
                    self.after(back, Happening::PowerReturns(id, boot));
                }
            }
            Fault::KillDaemon(id, back) => self.kill_daemon(id, back),
            Fault::Shutdown(id, back) => {
                if self.hosts[&id].daemon.is_some() {
                    self.host(id).daemon_returns = Some(back);
                    self.request(id, Request::Shutdown);
                }
            }
            Fault::EngineDies(id, back) => self.engine_dies(id, back),
            Fault::Part(sides) => self.with_engine(|engine, now| engine.part(now, &sides)),
            Fault::Heal => self.with_engine(|engine, now| engine.part(now, &BTreeMap::new())),
            Fault::SlowNetwork(delivery_ms) => self.engine.pace.delivery_ms = delivery_ms,
            Fault::ResourceDies(resource, left) => {
                for id in self.ids() {
                    if self.hosts[&id].agents.state(&resource).is_some() {
                        self.resource_becomes(id, &resource, left);
                    }
                }
            }
            Fault::AgentTrouble(id, resource, action, troubles) => {
                self.host(id).agents.troubles.entry((resource, action)).or_default().extend(troubles);
            }
            Fault::PowerMood(mood) => self.power.mood = mood,
            Fault::DiskFull(id, full) => self.host(id).disk.full = full,
            Fault::CoordinatorTrap(trap) => self.trap = Some(trap),
            Fault::Standby(id, on) => {
                self.wish(Wish { write: standby(&self.name(id), on), mark: None, insists: false })
            }
            Fault::Move(resource, id) => {
                let write = self.configure(move_to(&resource, &self.name(id)));
                self.wish(Wish { write, mark: None, insists: false });
            }
            Fault::Clear(resource) => {
                let write = self.configure(clear(&resource));
                self.wish(Wish { write, mark: None, insists: false });
            }
            Fault::Disable(resource, off) => {
                let write = self.configure(disable(&resource, off));
                self.wish(Wish { write, mark: None, insists: false });
            }
            Fault::Parameter(resource, value) => {
                let write = self.configure(parameter(&resource, value));
                self.wish(Wish { write, mark: None, insists: false });
            }
            Fault::Mark(id, number) => {
                let text = format!("mark-{number:016x}");
                let write = mark(&self.name(id), &text);
                self.ask(id, Wish { write, mark: Some(text), insists: false });
            }
            Fault::Blackout(number, soon) => {
                for (place, id) in self.ids().into_iter().enumerate() {
                    self.after(Duration::ZERO, Happening::Fault(Fault::Mark(id, number.wrapping_add(place as u64))));
                }
                self.after(soon, Happening::Fault(Fault::PowerCut));
            }
            Fault::PowerCut => {
                for id in self.ids() {
                    self.power_off(id, "the whole site is dark");
                    let (boot, back) = (self.hosts[&id].boot, self.random.ms(1_000, 20_000));
                    self.after(back, Happening::PowerReturns(id, boot));
                }
            }
            Fault::Cleanup(resource) => {
                let write = Write::Forget { node: None, resource, failures_only: false };
                self.wish(Wish { write, mark: None, insists: false });
            }
            Fault::Pause(id, length) => self.pause(id, length, true),
            Fault::PauseDaemon(id, length) => self.pause(id, length, false),
            Fault::OneWay(id, length) => {
                let (mut at, mut heard) = (Duration::ZERO, false);
                while at < length {
                    self.after(at, Happening::Heard(id, heard));
                    heard = !heard;
                    at += self.random.ms(200, 4_000);
                }
                self.after(length, Happening::Heard(id, true));
            }
            Fault::ClockJump(id, seconds) => self.host(id).skew += seconds,
            Fault::SlowDisk(id, ms) => self.host(id).disk_ms = ms,
            Fault::Flap(id) => {
                for time in 0..3 {
                    let (at, back) = (Duration::from_secs(45 * time), self.random.ms(1_000, 10_000));
                    self.after(at, Happening::Fault(Fault::Crash(id, Some(back))));
                }
            }
            Fault::RollingRestart(back) => {
                for (place, id) in self.ids().into_iter().enumerate() {
                    let at = Duration::from_secs(12 * place as u64);
                    self.after(at, Happening::Fault(Fault::KillDaemon(id, back)));
                }
            }
            Fault::Version(id, protocol) => {
                self.host(id).protocol = protocol;
                let back = self.random.ms(500, 3_000);
                self.kill_daemon(id, back);
            }
            Fault::Garbage(id, number) => {
                let payload = garbage(number);
                self.with_engine(|engine, now| engine.send(now, id, payload));
            }
            Fault::StopCluster(back) => {
                let running: Vec<NodeId> = self.daemons().map(|(id, _)| id).collect();
                for id in &running {
                    self.host(*id).daemon_returns = Some(back);
                }
                if let Some(id) = running.first() {
                    self.request(*id, Request::StopCluster);
                }
            }
            Fault::Maintenance(on) => {
                let write = self.configure(property("maintenance-mode", &on.to_string()));
                self.wish(Wish { write, mark: None, insists: false });
            }
            Fault::Measured(value) => {
                for id in self.ids() {
                    let at = self.random.ms(0, 2_000);
                    self.after(at, Happening::Fault(Fault::Attribute(id, "pingd".into(), value)));
                }
            }
            Fault::Attribute(id, name, value) => {
                self.request(
                    id,
                    Request::Update(Update {
                        node: None,
                        name,
                        change: AttributeChange::Set(value.to_string()),
                        dampening: Dampening::IfNew(5_000),
                        private: false,
                    }),
                );
            }
        }
    }

    /// Whether a coordinator that asks for one more thing crashes at that.
    pub fn spring(&mut self, id: NodeId) -> bool {
        let Some(trap) = &mut self.trap else { return false };
        let coordinates = self.hosts[&id].daemon.as_ref().is_some_and(|daemon| daemon.node.is_coordinator());
        if !coordinates {
            return false;
        }
        trap.left = trap.left.saturating_sub(1);
        if trap.left > 0 {
            return false;
        }
        let Trap { power, back, .. } = *trap;
        self.trap = None;
        if power {
            self.power_off(id, "it crashes in the middle of a step");
            let boot = self.hosts[&id].boot;
            self.after(back, Happening::PowerReturns(id, boot));
        } else {
            self.kill_daemon(id, back);
        }
        true
    }

    /// All that is broken is mended, all that is off is switched on, and operators take back what they did.
    pub fn mend(&mut self, shape: &Shape) {
        self.trace.line(self.now, "MEND", format_args!("all of it"));
        self.trap = None;
        self.attended = true;
        self.operator.withdraw();
        self.power.mood = Mood::Good;
        self.engine.pace.delivery_ms = shape.pace.delivery_ms;
        self.with_engine(|engine, now| engine.part(now, &BTreeMap::new()));
        for id in self.ids() {
            self.resume(id);
            self.with_engine(|engine, now| engine.mute(now, id, false));
            let host = self.host(id);
            host.disk.full = false;
            host.disk_ms = DISK_MS;
            host.skew = host.skew.clamp(-2, 2);
            host.agents.troubles.clear();
            host.daemon_returns = Some(Duration::from_secs(1));
            self.power_on(id);
            let (boot, back) = (self.hosts[&id].boot, Duration::from_secs(1));
            self.after(back, Happening::EngineStarts(id, boot));
            self.after(back * 2, Happening::DaemonStarts(id, boot));
            self.wish(Wish { write: standby(&self.name(id), false), mark: None, insists: true });
        }
        for resource in &shape.resources {
            let mut changes = clear(resource);
            changes.extend(disable(resource, false));
            let write = self.configure(changes);
            self.wish(Wish { write, mark: None, insists: true });
        }
        let write = self.configure(property("maintenance-mode", "false"));
        self.wish(Wish { write, mark: None, insists: true });
        self.forget_failures();
    }

    /// An operator clears all failures and releases all nodes, and does not give up before it is done.
    pub fn forget_failures(&mut self) {
        for id in self.ids() {
            self.wish(Wish { write: release(&self.name(id)), mark: None, insists: true });
        }
        let write = Write::Forget { node: None, resource: None, failures_only: false };
        self.wish(Wish { write, mark: None, insists: true });
    }

    /// An operator's change of the configuration.
    pub fn configure(&self, changes: Vec<Change>) -> Write {
        let at = EPOCH + self.now.as_secs() as i64;
        let author = Author { user: "operator".into(), at, ..Author::default() };
        Write::Configure { patch: Patch { changes }, expected: None, author }
    }
}

/// What no member can read: noise, a frame of a version to come, a frame with nonsense in it.
fn garbage(number: u64) -> Vec<u8> {
    let mut random = Random::new(number);
    let noise: Vec<u8> = (0..random.below(200)).map(|_| random.number() as u8).collect();
    let protocol = match random.below(3) {
        0 => return noise,
        1 => wire::PROTOCOL + 1,
        _ => wire::FIRST_PROTOCOL,
    };
    let whole = 0;
    [b"SYS\x01".as_slice(), &protocol.to_be_bytes(), &[whole], &noise].concat()
}
