//! Placing a clone: what others wish is gathered for the clone as a whole, then its instances are placed one by one.

use crate::engine::Engine;
use crate::model::{NodeId, RscFlags, RscId};

impl Engine<'_> {
    pub fn assign_clone(&mut self, rsc: RscId, prefer: Option<NodeId>, stop_if_fail: bool) -> Option<NodeId> {
        if !self.is(rsc, RscFlags::UNASSIGNED) || self.is(rsc, RscFlags::ASSIGNING) {
            return None;
        }
        self.set_rsc(rsc, RscFlags::ASSIGNING);
        let promotable = self.is(rsc, RscFlags::PROMOTABLE);
        if promotable {
            self.add_promotion_scores(rsc);
        }
        for at in self.this_with(rsc) {
            let primary = self.colocations[at as usize].primary;
            self.assign(primary, prefer, stop_if_fail, false);
        }
        for at in self.with_this(rsc) {
            self.add_dependent_scores(at, rsc);
        }
        self.log_scores(rsc, "pcmk__clone_assign");
        self.sort_instances(rsc);
        let (max, per_node) = self.rsc(rsc).clone_data().map_or((0, 0), |data| (data.max, data.node_max));
        let instances = self.children(rsc).into_vec();
        self.assign_instances(rsc, instances, max, per_node);
        if promotable {
            self.choose_promoted(rsc);
        }
        self.clear_rsc(rsc, RscFlags::UNASSIGNED | RscFlags::ASSIGNING);
        None
    }
}
