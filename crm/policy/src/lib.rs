#![forbid(unsafe_code)]
//! Where everything should run, and the steps from here to there.
//!
//! [`Status::plan`] is the table of contents: what is, is read from the CIB; what is wanted, from its constraints; every
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
//! let plan = policy::plan(&policy::Input { explain: true, ..policy::Input::new(&cib, 1_700_000_000) });
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

use std::borrow::Cow;

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
    /// Whether to keep what gave each score: [`Plan::reasons`] is empty if not.
    pub explain: bool,
    /// Whether secret parameters may be hidden in the CIB, so that a difference in them alone means nothing.
    pub sanitized: bool,
}

impl<'a> Input<'a> {
    /// A first transition with nothing logged.
    pub fn new(cib: &'a Document, now: i64) -> Self {
        Input { cib, now, transition_id: 1, scores: false, utilization: false, explain: false, sanitized: false }
    }
}

/// What is to be done, and why.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The actions and their order.
    pub transition: Transition,
    /// The cluster as planned: current and next roles and places, all actions with flags and reasons.
    pub cluster: Cluster,
    /// What gave each score, if asked for.
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
    Reader::new(input).read().plan()
}

/// Reads what is, and plans nothing.
pub fn read_status(cib: &Document, now: i64) -> Cluster {
    Reader::new(&Input::new(cib, now)).read().engine.cluster
}

/// A CIB with all that stands for something else written out, ready to be read.
///
/// Whoever wants to look at the state before the plan is made reads it once, and goes on from there:
///
/// ```
/// let cib = cib::Document::parse("<cib><configuration/><status/></cib>").unwrap();
/// let reader = policy::Reader::new(&policy::Input::new(&cib, 0));
/// let status = reader.read();
/// assert!(status.cluster().nodes.is_empty());
/// assert!(status.plan().transition.is_empty());
/// ```
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    cib: Cow<'a, Document>,
    input: Input<'a>,
}

impl<'a> Reader<'a> {
    /// Upgrades an old document, and writes templates, guest nodes and bundles out; one without any of that is not
    /// copied.
    pub fn new(input: &Input<'a>) -> Self {
        Reader { cib: expand(input.cib), input: *input }
    }

    /// Reads what is.
    pub fn read(&self) -> Status<'_> {
        let mut engine = Engine::new(&self.cib, self.input.now);
        engine.transition_id = self.input.transition_id;
        engine.log_scores = self.input.scores;
        engine.log_utilization = self.input.utilization;
        engine.explain = self.input.explain;
        engine.sanitized = self.input.sanitized;
        engine.read_status();
        Status { engine }
    }
}

/// What is, before anything is planned.
pub struct Status<'a> {
    engine: Engine<'a>,
}

impl Status<'_> {
    /// The state of the cluster.
    pub fn cluster(&self) -> &Cluster {
        &self.engine.cluster
    }

    /// Makes the plan.
    pub fn plan(self) -> Plan {
        let mut engine = self.engine;
        // About what a resource of a steady cluster has; in one piece, they need not move while they become more.
        let resources = engine.cluster.resources.len();
        engine.cluster.actions.reserve(4 * resources);
        engine.orderings.reserve(8 * resources);
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
        // Orders that contradict each other are not ours to choose from: any of them may be what keeps data whole.
        for circle in transition::check::circles(&transition) {
            let text = format!("{circle}: none of this can be done; change the orders or colocations that ask for it");
            engine.warnings.push(text);
        }
        let reasons = if engine.explain { engine.collect_reasons() } else { Reasons::default() };
        Plan {
            transition,
            cluster: engine.cluster,
            reasons,
            scores: engine.scores,
            warnings: engine.warnings,
            notices: engine.notices,
        }
    }
}

/// The document with everything in it that the configuration only implies, in the words of today.
fn expand(cib: &Document) -> Cow<'_, Document> {
    // A template cannot launch nodes for all that have it, so guests come first.
    bundles::expand(templates::expand(guests::expand(cib::upgrade::upgrade(cib).0)))
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
