//! Where every resource goes: what nodes and the resource itself say about each place first, then one resource after
//! the other is placed, those it must be with before it. One kind of resource, one file.

pub(crate) mod bundle;
pub(crate) mod clone;
pub(crate) mod criteria;
pub(crate) mod instances;
pub(crate) mod node_order;
pub(crate) mod primitive;
pub(crate) mod promotable;
pub(crate) mod table_order;
pub(crate) mod utilization;

use crate::engine::Engine;
use crate::model::{NodeId, Placement, RscFlags, RscId, RscKind};

impl Engine<'_> {
    pub fn assign_resources(&mut self) {
        if self.cluster.options.placement != Placement::Default {
            self.sort_resources();
        }
        self.log_capacities("Original");
        // What runs on a remote node can be placed only once the node's connection is.
        for rsc in self.cluster.top.clone() {
            if self.is(rsc, RscFlags::REMOTE_CONNECTION) {
                let target = self.rsc(rsc).migration_target;
                self.assign(rsc, target, true, false);
            }
        }
        for rsc in self.cluster.top.clone() {
            if !self.is(rsc, RscFlags::REMOTE_CONNECTION) {
                self.assign(rsc, None, true, false);
            }
        }
        self.log_capacities("Remaining");
    }

    /// Places a resource and everything in it; `prefer` wins among equals. With `forced` nothing is chosen: the
    /// resource is taken from where it was to be.
    pub fn assign(&mut self, rsc: RscId, prefer: Option<NodeId>, stop_if_fail: bool, forced: bool) -> Option<NodeId> {
        if forced {
            self.assign_to(rsc, None, true, stop_if_fail);
            return None;
        }
        if self.depth > crate::engine::MAX_DEPTH {
            return None;
        }
        self.depth += 1;
        let node = match self.rsc(rsc).kind {
            RscKind::Primitive => self.assign_primitive(rsc, prefer, stop_if_fail),
            RscKind::Group { colocated, .. } => self.assign_group(rsc, prefer, stop_if_fail, colocated),
            RscKind::Clone(_) => self.assign_clone(rsc, prefer, stop_if_fail),
            RscKind::Bundle(_) => self.assign_bundle(rsc, prefer, stop_if_fail),
        };
        self.depth -= 1;
        node
    }

    fn assign_group(
        &mut self,
        rsc: RscId,
        prefer: Option<NodeId>,
        stop_if_fail: bool,
        colocated: bool,
    ) -> Option<NodeId> {
        if !self.is(rsc, RscFlags::UNASSIGNED) {
            return self.rsc(rsc).assigned;
        }
        if self.is(rsc, RscFlags::ASSIGNING) {
            return None;
        }
        self.set_rsc(rsc, RscFlags::ASSIGNING);
        let members = self.children(rsc);
        let first = members.first().copied();
        if let Some(first) = first {
            self.rsc_mut(rsc).role = self.rsc(first).role;
        }
        self.log_scores(rsc, "pcmk__group_assign");
        let mut chosen = None;
        for member in members {
            let node = self.assign(member, prefer, stop_if_fail, false);
            chosen = chosen.or(node);
        }
        if let Some(first) = first {
            self.rsc_mut(rsc).next_role = self.rsc(first).next_role;
        }
        self.clear_rsc(rsc, RscFlags::ASSIGNING | RscFlags::UNASSIGNED);
        chosen.filter(|_| colocated)
    }
}
