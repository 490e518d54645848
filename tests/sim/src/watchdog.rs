//! Watchdogs: what is not fed in time takes its host's power, whatever the host thinks of itself. They are devices of their
//! own: a host that stands still does not stop them.

use std::time::Duration;

use engine::NodeId;

use crate::engine::Life;
use crate::world::{Happening, World};

/// A watchdog is fed so often within its timeout, as by the daemon.
const MEALS: u32 = 4;

impl World {
    /// A daemon opens its host's watchdog, which arms it, and feeds it from then on.
    pub fn arm(&mut self, id: NodeId, life: Life) {
        let Some(timeout) = self.watchdog else { return };
        let now = self.now;
        let host = self.host(id);
        let boot = host.boot;
        if host.fed.replace(now).is_none() {
            self.after(timeout, Happening::Bites(id, boot));
        }
        self.after(timeout / MEALS, Happening::Meal(id, life));
    }

    /// A daemon feeds its watchdog, if it may.
    pub fn meal(&mut self, id: NodeId, life: Life) {
        let Some(timeout) = self.watchdog else { return };
        let (now, clocks) = (self.now, self.hosts[&id].clocks(self.now));
        let Some(daemon) = self.hosts[&id].daemon.as_ref().filter(|daemon| daemon.life == life) else { return };
        match daemon.node.may_feed(clocks) {
            Ok(()) => self.host(id).fed = Some(now),
            Err(why) => self.say(id, format_args!("its watchdog is not fed: {why}")),
        }
        self.after(timeout / MEALS, Happening::Meal(id, life));
    }

    /// A daemon that ends closes its watchdog, unless something runs on that nobody would guard.
    pub fn disarm(&mut self, id: NodeId) {
        let runs_on = |daemon: &crate::host::Daemon| daemon.node.may_run_anything();
        if !self.hosts[&id].daemon.as_ref().is_some_and(runs_on) {
            self.host(id).fed = None;
        }
    }

    /// Looks whether a watchdog was fed in time.
    pub fn bites(&mut self, id: NodeId, boot: u32) {
        let Some((timeout, fed)) = self.watchdog.zip(self.hosts[&id].fed) else { return };
        if self.hosts[&id].boot != boot {
            return;
        }
        if fed + timeout > self.now {
            return self.after(fed + timeout - self.now, Happening::Bites(id, boot));
        }
        self.power_off(id, "its watchdog was not fed");
        // It did what others wait for; how it had come to that does not matter.
        self.watch.fenced(id);
        let boot = self.hosts[&id].boot;
        let delay = self.random.ms(500, 20_000);
        self.after(delay, Happening::PowerReturns(id, boot));
    }

    /// A host has lost its power. Where others count on watchdogs they know that it is off when its own would have seen to
    /// that, and no earlier.
    pub fn off_for_certain(&mut self, id: NodeId) {
        self.host(id).fed = None;
        let boot = self.hosts[&id].boot;
        if let Some(timeout) = self.watchdog {
            self.after(timeout, Happening::IsOff(id, boot));
        }
    }
}

/// How long others wait for a watchdog of that timeout: the least that operators are told to configure.
pub fn relied_on(timeout: Duration) -> Duration {
    timeout * 2
}
