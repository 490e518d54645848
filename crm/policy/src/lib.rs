#![forbid(unsafe_code)]
//! Where everything should run, and the steps from here to there.
//!
//! [`plan`] is the table of contents: what is, is read from the CIB; what is wanted, from its constraints; every
//! resource is given its place; actions lead from one to the other; their order makes a transition of them. It is a
//! function of the CIB and the time alone, so that a simulator and the coordinator agree to the byte.
//!
//! ```
//! let cib = cib::Document::parse(r#"<cib have-quorum="1"><configuration>
//!   <crm_config><cluster_property_set id="o"><nvpair id="f" name="fencing-enabled" value="false"/></cluster_property_set></crm_config>
//!   <nodes><node id="1" uname="north"/></nodes>
//!   <resources><primitive id="ip" class="ocf" provider="heartbeat" type="IPaddr2"/></resources><constraints/>
//! </configuration><status><node_state id="1" uname="north" in_ccm="true" crmd="online" join="member" expected="member"/>
//! </status></cib>"#).unwrap();
//! let plan = policy::plan(&policy::Input::new(&cib, 1_700_000_000));
//! assert_eq!(plan.transition.len(), 2, "a probe and a start");
//! assert!(plan.reasons.explain("ip").unwrap().to_string().contains("will run on north"));
//! ```

mod engine;
mod nvpairs;

pub mod model;
mod status;

mod constraint;
mod place;
mod schedule;

mod bundles;
mod guests;
pub mod reasons;
pub mod scores;
mod templates;

use cib::Document;
use transition::Transition;

use engine::Engine;

pub use model::{Cluster, NodeId, RscId};
pub use reasons::Reasons;
pub use scores::ScoreLine;

/// What a plan is made from.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// The CIB: configuration and status.
    pub cib: &'a Document,
    /// The time to plan for, in seconds since 1970.
    pub now: i64,
    /// Number of the transition, from 1.
    pub transition_id: u32,
    /// Whether to keep the log of scores.
    pub scores: bool,
    /// Whether to log the capacity of nodes as well.
    pub utilization: bool,
    /// Whether secret parameters may be hidden in the CIB, so that a difference in them alone means nothing.
    pub sanitized: bool,
}

impl<'a> Input<'a> {
    /// A first transition with nothing logged.
    pub fn new(cib: &'a Document, now: i64) -> Self {
        Input { cib, now, transition_id: 1, scores: false, utilization: false, sanitized: false }
    }
}

/// What is to be done, and why.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The actions and their order.
    pub transition: Transition,
    /// The cluster as planned: current and next roles and places, all actions with flags and reasons.
    pub cluster: Cluster,
    /// What gave each score.
    pub reasons: Reasons,
    /// The log of scores, if asked for, in the order the steps were made.
    pub scores: Vec<ScoreLine>,
    /// What was ignored, and where it stands.
    pub warnings: Vec<String>,
    /// Remarks `crm_simulate` prints among its output, such as changes of private parameters only.
    pub notices: Vec<String>,
}

/// Makes the plan.
pub fn plan(input: &Input) -> Plan {
    let cib = expand(input.cib);
    let mut engine = Engine::new(&cib, input.now);
    engine.transition_id = input.transition_id;
    engine.log_scores = input.scores;
    engine.log_utilization = input.utilization;
    engine.sanitized = input.sanitized;

    engine.read_status();
    engine.add_health_locations();
    engine.read_constraints();
    engine.apply_node_criteria();
    engine.create_internal_constraints();
    engine.handle_config_changes();
    engine.assign_resources();
    engine.schedule_resource_actions();
    engine.order_remote_actions();
    engine.schedule_fencing_and_shutdowns();
    engine.apply_orderings();
    let transition = engine.create_transition();
    let reasons = engine.collect_reasons();
    Plan {
        transition,
        cluster: engine.cluster,
        reasons,
        scores: engine.scores,
        warnings: engine.warnings,
        notices: engine.notices,
    }
}

/// Reads what is, and plans nothing.
pub fn read_status(cib: &Document, now: i64) -> Cluster {
    let cib = expand(cib);
    let mut engine = Engine::new(&cib, now);
    engine.read_status();
    engine.cluster
}

/// The document with everything in it that the configuration only implies, in the words of today.
fn expand(cib: &Document) -> std::borrow::Cow<'_, Document> {
    bundles::expand(guests::expand(templates::expand(cib::upgrade::upgrade(cib).0)))
}

impl Engine<'_> {
    fn create_internal_constraints(&mut self) {
        for rsc in self.cluster.top.clone() {
            self.order_internally(rsc);
        }
    }

    fn schedule_resource_actions(&mut self) {
        self.make_deferred_checks();
        if self.cluster.options.probes {
            self.schedule_probes();
        }
        if self.cluster.options.stop_removed_resources {
            self.clear_failures_of_removed();
        }
        for rsc in self.cluster.top.clone() {
            self.create_actions(rsc);
        }
    }
}
