//! What is: options, nodes, resources and their state, read from the CIB. It places nothing.
//!
//! Reading the history already plans a few actions (a failed resource must be stopped, a node fenced), because what
//! an operation's failure means depends on the entries before it; their numbers are part of the plan's identity.

pub(crate) mod bundle;
pub(crate) mod failcount;
pub(crate) mod history;
pub(crate) mod membership;
pub(crate) mod migration;
pub(crate) mod nodes;
pub(crate) mod operation;
pub(crate) mod options;
pub(crate) mod recorded;
pub(crate) mod resources;

use crate::engine::Engine;
use crate::model::{Role, RscFlags};

impl Engine<'_> {
    /// Reads everything, in the order in which one part needs another.
    pub fn read_status(&mut self) {
        self.cluster.quorate = cib::boolean::is_true(self.attr(self.doc.root(), "have-quorum"));
        self.read_options();
        self.read_nodes();
        self.read_remote_nodes();
        self.read_resources();
        self.read_tags();
        self.read_node_states();
        self.read_histories();
        self.count_instances();
    }

    fn read_tags(&mut self) {
        let Some(tags) = self.doc.descend(&["configuration", "tags"]) else { return };
        for tag in self.doc.children_named(tags, "tag") {
            let Some(id) = self.attr(tag, "id") else { continue };
            let members = self.tags.entry(id.to_owned()).or_default();
            for reference in self.doc.children_named(tag, "obj_ref") {
                if let Some(id) = self.doc.attribute(reference, "id")
                    && !members.iter().any(|known| known == id)
                {
                    members.push(id.to_owned());
                }
            }
        }
    }

    fn count_instances(&mut self) {
        for top in self.cluster.top.clone() {
            self.count(top);
        }
    }

    fn count(&mut self, rsc: crate::model::RscId) {
        let children = self.children(rsc);
        if !children.is_empty() {
            children.into_iter().for_each(|child| self.count(child));
        } else if !self.is(rsc, RscFlags::REMOVED) || self.rsc(rsc).role > Role::Stopped {
            self.cluster.instances += 1;
            self.cluster.disabled += u32::from(self.cluster.is_disabled(rsc));
            self.cluster.blocked += u32::from(self.is(rsc, RscFlags::BLOCKED));
        }
    }
}
