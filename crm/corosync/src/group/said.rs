//! What processes in the group say: ours, and those that are none of ours.

use super::{Command, Group, MAX_HELD, MAX_NOTED};
use crate::frame::{Frame, Here};
use crate::ring::Process;

impl Group {
    pub(super) fn message(&mut self, from: Process, bytes: &[u8]) {
        if !self.processes.contains(&from) {
            return;
        }
        if self.strangers.contains(&from) {
            self.stranger_said(from, bytes);
            return;
        }
        let frame = match Frame::decode(bytes) {
            Ok(frame) => frame,
            Err(error) => return self.garbage(from, &error.to_string()),
        };
        let heard = self.heard.entry(from).or_default();
        *heard = (heard.0 + 1, self.now);
        match frame {
            Frame::Here(here) => self.here(from, here),
            Frame::Whole(payload) => self.payload(from, payload),
            Frame::Part { number, index, count, bytes } => {
                if let Some(payload) = self.assembly.take(from, number, index, count, &bytes) {
                    if from == self.settings.me {
                        self.outbox.came_back(number);
                    }
                    self.payload(from, payload);
                }
            }
            Frame::Absent { cut, process, heard } => self.absent(from, cut, process, heard),
            Frame::Alive => {}
        }
    }

    /// Nothing that a stranger says counts, but one thing: that we are a stranger to it. Two sides that leave each other
    /// out in one ring would both have its quorum, so whoever hears that begins anew and is met as someone who joins.
    fn stranger_said(&mut self, from: Process, bytes: &[u8]) {
        if let Ok(Frame::Here(here)) = Frame::decode(bytes)
            && here.cut == self.cut
            && here.strangers.contains(&self.settings.me)
        {
            self.leave(format!("{} and this daemon leave each other out", self.describe(from)));
        }
    }

    /// Who sends garbage before it has reported is none of us. A member that does so has a fault; its word still counts.
    pub(super) fn garbage(&mut self, from: Process, what: &str) {
        let known =
            self.reports.contains_key(&from) || self.told.as_ref().is_some_and(|t| t.members.contains_key(&from));
        if known {
            self.warn(from, "garbage", format!("{} sent {what}; it is ignored", self.describe(from)));
            return;
        }
        self.stranger(from, &format!("it sent {what}"));
        self.call_the_roll_if_complete();
    }

    pub(super) fn stranger(&mut self, process: Process, why: &str) {
        self.strangers.insert(process);
        let message = format!("{} in the process group is no member of this cluster: {why}", self.describe(process));
        self.warn(process, "stranger", message);
    }

    pub(super) fn describe(&self, process: Process) -> String {
        let name = self.names.get(&process.node).map_or_else(|| process.node.to_string(), Clone::clone);
        format!("process {} on {name}", process.pid)
    }

    /// Logs something about a process, once.
    pub(super) fn warn(&mut self, process: Process, event: &'static str, message: String) {
        if self.noted.len() >= MAX_NOTED {
            self.noted.clear();
        }
        if self.noted.insert((process, event)) {
            self.commands.push_back(Command::Warn { event, message });
        }
    }

    pub(super) fn here(&mut self, from: Process, here: Here) {
        if here.cut != self.cut {
            return;
        }
        for stranger in &here.strangers {
            if *stranger == self.settings.me {
                self.leave(format!("{} does not take this process for one of its cluster", self.describe(from)));
                return;
            }
            if self.processes.contains(stranger) && !self.strangers.contains(stranger) {
                let why = format!("{} says so", here.name);
                self.stranger(*stranger, &why);
            }
        }
        self.reports.insert(from, here);
        if self.open_since.is_some() {
            self.call_the_roll_if_complete();
        } else {
            self.tell_if_changed();
        }
    }

    pub(super) fn payload(&mut self, from: Process, payload: Vec<u8>) {
        if self.open_since.is_none() {
            self.hand_over(from, payload);
            return;
        }
        self.held_bytes += payload.len();
        self.held.push((from, payload));
        if self.held_bytes > MAX_HELD {
            self.leave(format!("{MAX_HELD} bytes were delivered while the members had not yet agreed who they are"));
        }
    }

    pub(super) fn hand_over(&mut self, from: Process, payload: Vec<u8>) {
        match &self.told {
            Some(told) if told.members.contains_key(&from) => {
                let from = from.node;
                self.commands.push_back(Command::Tell(engine::Event::Delivered { from, payload }));
            }
            _ => {
                let message = format!("{} is no member, and what it sends is ignored", self.describe(from));
                self.warn(from, "ignored", message);
            }
        }
    }
}
