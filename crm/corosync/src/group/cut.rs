//! Cuts and their rolls: who is gone, who is asked, and what is told when all have answered.

use std::collections::{BTreeMap, BTreeSet};

use engine::{Host, Member, Membership, NodeId};

use super::{Command, Group, REPORT_WAIT, Told, hash};
use crate::ring::{Left, Process, Ring};
use crate::roll;

impl Group {
    pub(super) fn ring_changed(&mut self, ring: Ring, hosts: Vec<NodeId>) {
        let hosts: BTreeSet<NodeId> = hosts.into_iter().collect();
        if self.ring == Some(ring) && self.hosts == hosts {
            return;
        }
        self.settle();
        self.ring = Some(ring);
        self.hosts = hosts;
        let lost: Vec<Process> = self.processes.iter().copied().filter(|p| !self.hosts.contains(&p.node)).collect();
        for process in lost {
            self.processes.remove(&process);
            self.forget(process, true);
        }
        self.cut();
    }

    pub(super) fn members_changed(&mut self, members: Vec<Process>, left: Vec<Left>) {
        self.settle();
        for Left { process, host_down } in left {
            if process == self.settings.me {
                self.leave("corosync took this process out of the group".into());
                return;
            }
            self.forget(process, host_down);
        }
        self.processes = members.into_iter().collect();
        // A member that is not in the list and was not said to have left is gone all the same.
        let unsaid = |told: &Told| told.members.keys().copied().filter(|p| !self.processes.contains(p)).collect();
        let unsaid: Vec<Process> = self.told.as_ref().map_or_else(Vec::new, unsaid);
        for process in unsaid {
            if !self.gone.contains_key(&process) {
                self.forget(process, false);
            }
        }
        self.cut();
    }

    /// A process is gone, for however short a time.
    pub(super) fn forget(&mut self, process: Process, host_down: bool) {
        self.strangers.remove(&process);
        self.heard.remove(&process);
        self.assembly.forget(process);
        self.noted.retain(|(noted, _)| *noted != process);
        if self.told.as_ref().is_some_and(|told| told.members.contains_key(&process)) {
            let down = self.gone.entry(process).or_insert(host_down);
            *down |= host_down;
        }
    }

    /// Begins to ask who is here.
    pub(super) fn cut(&mut self) {
        let ring = self.ring.unwrap_or_default();
        let processes = self.processes.iter().flat_map(|process| [u64::from(process.node.0), u64::from(process.pid)]);
        self.cut = hash([u64::from(ring.leader), ring.sequence].into_iter().chain(processes));
        if !self.gone.is_empty() {
            // Whoever goes through the loss of these at this cut goes on together.
            let gone = self.gone.keys().flat_map(|process| [u64::from(process.node.0), u64::from(process.pid)]);
            self.lineage = hash([self.lineage, self.cut].into_iter().chain(gone));
        }
        self.assembly.restart();
        self.outbox.restart();
        self.reports.clear();
        self.reported = None;
        self.absent.clear();
        self.open_since = Some(self.now);
        self.absent_at = self.now + REPORT_WAIT;
    }

    /// A new cut comes before the roll of the last was called. What was held back since then was delivered to those who
    /// were there then and to no others, so it must be told before: in what is left of the membership that was told, of
    /// which nobody knows whether it has quorum.
    pub(super) fn settle(&mut self) {
        let held = std::mem::take(&mut self.held);
        self.held_bytes = 0;
        if held.is_empty() || self.told.is_none() {
            return;
        }
        if !self.gone.is_empty() {
            let gone: Vec<Process> = self.gone.keys().copied().collect();
            self.tell_without(&gone, false);
        }
        self.deliver(held);
    }

    /// Tells the membership that was told last, without some of its members.
    pub(super) fn tell_without(&mut self, without: &[Process], quorate: bool) {
        let Some(told) = &mut self.told else { return };
        let old = &told.membership;
        let away = |id: NodeId| without.iter().any(|p| p.node == id && self.gone.get(p).copied().unwrap_or(true));
        told.members.retain(|process, _| !without.contains(process));
        let hosts: Vec<Host> = old.hosts.iter().filter(|host| !away(host.id)).cloned().collect();
        // Nobody says how many votes the absent have. One each is what nearly everyone configures, and all that is made
        // of it is a text.
        let absent = u32::try_from(old.hosts.len() - hosts.len()).unwrap_or(u32::MAX);
        let membership = Membership {
            number: 0,
            hosts,
            members: members(&told.members),
            quorate,
            votes: old.votes.saturating_sub(absent),
            expected_votes: old.expected_votes,
        };
        self.gone.retain(|process, _| !without.contains(process));
        self.tell(membership);
    }

    pub(super) fn tell(&mut self, membership: Membership) {
        let Some(told) = &mut self.told else { return };
        self.number += 1;
        told.membership = Membership { number: self.number, ..membership };
        self.commands.push_back(Command::Tell(engine::Event::Membership(told.membership.clone())));
    }

    pub(super) fn deliver(&mut self, held: Vec<(Process, Vec<u8>)>) {
        for (from, payload) in held {
            self.hand_over(from, payload);
        }
    }

    // The roll.

    pub(super) fn call_the_roll_if_complete(&mut self) {
        let open = self.open_since.is_some() && self.ring.is_some();
        let mut expected = self.processes.iter().filter(|process| !self.strangers.contains(process));
        let complete = expected.all(|process| self.reports.contains_key(process));
        if open && complete && self.reports.contains_key(&self.settings.me) {
            self.call_the_roll();
        }
    }

    pub(super) fn call_the_roll(&mut self) {
        self.reports.retain(|process, _| !self.strangers.contains(process));
        let called = roll::call(&self.reports);
        for (process, reason) in called.refused {
            if process == self.settings.me {
                self.leave(reason);
                return;
            }
            self.reports.remove(&process);
            self.stranger(process, &reason);
        }
        let Some(me) = called.members.get(&self.settings.me).copied() else { return };
        self.since = me;
        self.highest = called.highest;
        self.announce_absence(&called.members);
        self.open_since = None;
        self.lineage = hash([self.cut].into_iter().chain(called.members.values().copied()));
        match &mut self.told {
            Some(told) => told.members = called.members,
            None => self.told = Some(Told { members: called.members, membership: Membership::default() }),
        }
        self.gone.clear();
        let now = self.now;
        let present: Vec<Process> = self.processes.iter().copied().collect();
        // Counted from 1, so that a word that it is missing, said before this, finds it heard.
        self.heard = present.into_iter().map(|process| (process, (1, now))).collect();
        self.tell_if_changed();
        let held = std::mem::take(&mut self.held);
        self.held_bytes = 0;
        self.deliver(held);
    }

    /// Who was away is told as away before it is told as back: who went and came at one cut, a daemon that was started
    /// anew, and who was away without our notice, which its lineage shows.
    pub(super) fn announce_absence(&mut self, members: &BTreeMap<Process, u64>) {
        let Some(told) = &self.told else { return };
        let mine = self.reports.get(&self.settings.me).map(|here| here.lineage);
        let stayed = |process: &Process| {
            members.contains_key(process)
                && !self.gone.contains_key(process)
                && self.reports.get(process).map(|here| here.lineage) == mine
        };
        let away: Vec<Process> = told.members.keys().copied().filter(|process| !stayed(process)).collect();
        let back = away.iter().any(|process| members.keys().any(|now| now.node == process.node));
        if back {
            // Between this and the membership that follows at once nothing is delivered, so the quorum that was stays.
            let quorate = told.membership.quorate;
            self.tell_without(&away, quorate);
        }
    }

    /// Tells the membership as the roll and the reports have it, unless that is what was told last.
    pub(super) fn tell_if_changed(&mut self) {
        let Some(told) = &self.told else { return };
        let reports = || told.members.keys().filter_map(|process| self.reports.get(process));
        let name = |id: NodeId| {
            let process = told.members.keys().find(|process| process.node == id);
            let reported = process.and_then(|process| self.reports.get(process)).map(|here| here.name.clone());
            reported.or_else(|| self.names.get(&id).cloned()).unwrap_or_else(|| format!("node{id}"))
        };
        let membership = Membership {
            number: told.membership.number,
            hosts: self.hosts.iter().map(|id| Host { id: *id, name: name(*id) }).collect(),
            members: members(&told.members),
            // Who is not sure says no: it counts only when all say yes of this ring.
            quorate: reports().all(|here| here.quorate),
            votes: reports().map(|here| here.votes).max().unwrap_or(0),
            expected_votes: reports().map(|here| here.expected).max().unwrap_or(0),
        };
        if membership != told.membership {
            self.tell(membership);
        }
    }
}

fn members(of: &BTreeMap<Process, u64>) -> Vec<Member> {
    // In order of nodes, each of which has one.
    of.iter().map(|(process, since)| Member { id: process.node, since: *since }).collect()
}
