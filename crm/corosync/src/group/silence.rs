//! Who is silent: at a cut, where all wait for it, and at any other time, when it is its daemon that hangs.

use std::time::Duration;

use super::{ALIVE, CUT_WAIT, Group, REPORT_WAIT, SILENCE, hash};
use crate::frame::Frame;
use crate::ring::Process;

impl Group {
    pub(super) fn absent(&mut self, from: Process, cut: u64, process: Process, heard: u64) {
        let believed = self.reports.contains_key(&from) && cut == self.cut && self.processes.contains(&process);
        let meanwhile = match self.open_since {
            Some(_) => self.reports.contains_key(&process),
            None => self.heard.get(&process).is_some_and(|(now, _)| *now != heard),
        };
        if !believed || meanwhile || self.strangers.contains(&process) {
            return;
        }
        if process == self.settings.me {
            self.leave(format!("{} waited {SILENCE:?} for this daemon in vain", self.describe(from)));
            return;
        }
        self.stranger(process, &format!("it says nothing for {SILENCE:?}: does its daemon hang?"));
        if self.open_since.is_some() {
            self.call_the_roll_if_complete();
            return;
        }
        // Its going is a cut that nobody has to report at: all who hear this know all that they need.
        self.reports.remove(&process);
        self.assembly.forget(process);
        if let Some(told) = &mut self.told {
            told.members.remove(&process);
        }
        self.lineage = hash([self.lineage, u64::from(process.node.0), u64::from(process.pid)]);
        self.tell_if_changed();
    }

    /// When the first of the members has been silent for too long.
    pub(super) fn silent_at(&self) -> Option<Duration> {
        let told = self.told.as_ref()?;
        let others = told.members.keys().filter(|process| **process != self.settings.me);
        others.filter_map(|process| self.heard.get(process)).map(|(_, at)| *at + SILENCE).min()
    }

    pub(super) fn look_at_the_clock(&mut self) {
        let Some(due) = self.deadline() else { return };
        if self.now > due + ALIVE {
            // It was us who slept: what the others said meanwhile is still to be read.
            self.absent_at = self.now + REPORT_WAIT;
            self.open_since = self.open_since.map(|_| self.now);
            self.heard.values_mut().for_each(|(_, at)| *at = self.now);
            return;
        }
        let Some(since) = self.open_since else {
            self.miss_the_silent();
            return;
        };
        if since + CUT_WAIT <= self.now {
            self.leave(format!("the members of the process group did not agree who they are within {CUT_WAIT:?}"));
            return;
        }
        if self.absent_at <= self.now {
            self.absent_at = self.now + REPORT_WAIT;
            // Who has not been heard itself has no word about others.
            if self.reports.contains_key(&self.settings.me) {
                let missing = self.processes.iter().filter(|process| !self.strangers.contains(process));
                let missing = missing.filter(|process| !self.reports.contains_key(process));
                let frame = |process: &Process| Frame::Absent { cut: self.cut, process: *process, heard: 0 };
                self.absent = missing.map(frame).collect();
            }
        }
    }

    /// The next word about somebody who is missing, if it is still missing.
    pub(super) fn next_absent(&mut self) -> Option<Frame> {
        loop {
            let frame = self.absent.front()?.clone();
            let Frame::Absent { process, heard, .. } = frame else { return Some(frame) };
            let stale = self.open_since.is_none() && self.heard.get(&process).is_none_or(|(now, _)| *now != heard);
            if !stale && (self.open_since.is_some() || self.hears_itself()) {
                return Some(frame);
            }
            self.absent.pop_front();
        }
    }

    /// Whether what we sent lately came back: who does not hear itself has no word about others, for it is Corosync
    /// that is busy.
    pub(super) fn hears_itself(&self) -> bool {
        self.heard.get(&self.settings.me).is_some_and(|(_, at)| *at + 3 * ALIVE > self.now)
    }

    pub(super) fn miss_the_silent(&mut self) {
        let Some(told) = &self.told else { return };
        if !self.hears_itself() {
            return;
        }
        let (now, me, cut) = (self.now, self.settings.me, self.cut);
        for process in told.members.keys().filter(|process| **process != me) {
            if let Some((heard, at)) = self.heard.get_mut(process)
                && *at + SILENCE <= now
            {
                // Asked again only after as long: by then all have heard it.
                *at = now;
                self.absent.push_back(Frame::Absent { cut, process: *process, heard: *heard });
            }
        }
    }
}
