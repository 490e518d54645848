//! What the operator is told of a node's life: who came and went, and how operations ended. It changes nothing.

use cib::OpResult;
use controller::{Level, Note};
use engine::{Membership, NodeId};
use wire::{Message, Record};

use crate::event::Command;
use crate::machine::Node;

impl Node {
    /// Tells who is here now, against who was before.
    pub(crate) fn describe(&mut self, view: &Membership) {
        let name = |id: NodeId, of: &Membership| {
            of.hosts.iter().find(|host| host.id == id).map_or_else(|| id.to_string(), |host| host.name.clone())
        };
        for old in &self.view.members {
            if !view.has_member(old.id) {
                let node = name(old.id, &self.view);
                let what = if view.has_host(old.id) { "its daemon is gone, its host is up" } else { "it is gone" };
                let note = Note::new(Level::Warning, "node_lost", format!("{node}: {what}")).on(&node);
                self.out.push_back(Command::Note(note));
            }
        }
        let members: Vec<String> = view.members.iter().map(|member| name(member.id, view)).collect();
        let text = format!("members: {} ({} of {} votes)", members.join(" "), view.votes, view.expected_votes);
        self.note(Note::new(Level::Info, "membership", text));
        if view.quorate != self.view.quorate {
            let note = if view.quorate {
                Note::new(Level::Info, "quorum_gained", "there is quorum")
            } else {
                Note::new(Level::Warning, "quorum_lost", "there is no quorum")
            };
            self.note(note);
        }
    }

    /// Tells all nodes what happened; where not all know how to keep it, this node keeps it alone.
    pub(crate) fn record(&mut self, record: Record) {
        let message = Message::Record(record);
        match (message, self.replica.in_step()) {
            (message, true) if message.protocol() <= self.voice.speaks() => self.send(&message),
            (Message::Record(record), _) => self.out.push_back(Command::Record(record)),
            _ => {}
        }
    }

    /// Tells how an operation ended.
    pub(crate) fn tell_result(&mut self, result: &OpResult) {
        let probe = result.operation == "monitor" && result.interval_ms == 0;
        // OCF: 0 and 8 are running; a probe that expected 7 has found something, and nothing has failed.
        if probe && result.target_rc == 7 && matches!(result.rc, 0 | 8) {
            let text = format!("{} is found running on {}", result.resource, result.node);
            let note = Note::new(Level::Info, "adopted", text).about(&result.resource, &result.operation);
            self.note(note.on(&result.node).rc(result.rc).ms(result.ran_ms));
            return;
        }
        let good = result.status == cib::OpStatus::Done && result.rc == result.target_rc;
        let (level, event) = if good { (Level::Info, "operation_end") } else { (Level::Warning, "failure") };
        let mut text = format!("{} of {} on {}: rc {}", result.operation, result.resource, result.node, result.rc);
        if !good {
            text.push_str(&format!(", expected {}", result.target_rc));
        }
        if !result.exit_reason.is_empty() {
            text.push_str(&format!(" ({})", result.exit_reason));
        }
        let note = Note::new(level, event, text).about(&result.resource, &result.operation).on(&result.node);
        self.note(note.rc(result.rc).ms(result.ran_ms));
    }
}
