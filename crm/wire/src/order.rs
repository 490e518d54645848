//! What a coordinator tells others to do: run an operation, fence a node. They travel as messages in total order, so
//! every member knows what is under way anywhere, and a new coordinator does not order it a second time.

use std::collections::BTreeMap;
use std::time::Duration;

use cib::OpResult;
use serde::{Deserialize, Serialize};

/// Which order: unique in the life of a cluster.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct OrderId {
    /// The incarnation of the coordinator that gave it.
    pub coordinator: String,
    /// Its transition.
    pub transition: u32,
    /// The action's number in the transition.
    pub number: u32,
}

/// What the coordinator of an order's id is called that a person gave, with the incarnation of the node it was given at.
pub const BY_HAND: &str = "by-hand:";

impl OrderId {
    /// Whether it is of a coordinator's plan, not of a person.
    pub fn is_of_a_plan(&self) -> bool {
        !self.coordinator.is_empty() && !self.coordinator.starts_with(BY_HAND)
    }
}

/// The resource of an order, and its agent.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Resource {
    /// The name its history is kept under.
    pub id: String,
    /// Agent standard: `ocf`, `stonith`, …
    pub class: String,
    /// Agent provider, for `ocf`.
    pub provider: Option<String>,
    /// Agent name.
    pub kind: String,
}

/// An order to run one operation of one resource on one node.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RunOrder {
    /// Which order it is.
    pub id: OrderId,
    /// Number of the node that is to do it.
    pub to: u32,
    /// Whether there was quorum when it was given. If there is none any more when it is delivered, it is not obeyed.
    pub quorate: bool,
    /// Name of that node.
    pub node: String,
    /// The resource and its agent.
    pub resource: Resource,
    /// `start`, `stop`, `monitor`, …; `cancel` ends a recurring operation.
    pub operation: String,
    /// Milliseconds between repetitions; 0 for once. For `cancel`: of the operation to be ended.
    pub interval_ms: u32,
    /// For `cancel`: the operation to be ended.
    pub cancels: Option<String>,
    /// Milliseconds allowed.
    pub timeout_ms: u32,
    /// Milliseconds before a recurring operation first runs.
    pub start_delay_ms: u32,
    /// Exit status that means success.
    pub target_rc: i32,
    /// Instance parameters and `CRM_meta_*` values.
    pub parameters: BTreeMap<String, String>,
}

impl RunOrder {
    /// The result that answers it, with nothing said yet of how it went.
    pub fn answer(&self) -> OpResult {
        OpResult {
            node: self.node.clone(),
            resource: self.resource.id.clone(),
            class: self.resource.class.clone(),
            provider: self.resource.provider.clone(),
            kind: self.resource.kind.clone(),
            operation: self.operation.clone(),
            interval_ms: u64::from(self.interval_ms),
            coordinator: self.id.coordinator.clone(),
            transition: self.id.transition,
            number: self.id.number,
            target_rc: self.target_rc,
            ..OpResult::default()
        }
    }
}

/// An order to fence a node.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct FenceOrder {
    /// Which order it is.
    pub id: OrderId,
    /// Number of the node that is to do it.
    pub to: u32,
    /// Whether there was quorum when it was given. If there is none any more when it is delivered, it is not obeyed.
    pub quorate: bool,
    /// Name of the node to be fenced.
    pub target: String,
    /// Id of the node to be fenced, as the CIB has it.
    pub target_id: String,
    /// The join that is to be ended: a node that has joined anew meanwhile is another one.
    pub since: Option<u64>,
    /// `reboot`, `off` or `on`.
    pub action: String,
    /// Milliseconds that one device may take, unless it has a time of its own.
    pub timeout_ms: u64,
    /// Milliseconds to wait before: the head start of a node that matters more.
    #[serde(default)]
    pub delay_ms: u64,
    /// Milliseconds after which a lost node's own watchdog has certainly ended it; 0 when nobody relies on that.
    #[serde(default)]
    pub watchdog_ms: u64,
    /// For `on`: what the node is let in with, as `#digests-all` and `#digests-secure`.
    #[serde(default)]
    pub digests: Option<(String, String)>,
}

/// A whole fencing may take this many times what one device may: a level of several devices, retries, a second level.
/// Bounded, so that a coordinator gets its answer.
pub const FENCE_ROUNDS: u32 = 4;

impl FenceOrder {
    /// How long it may take in all.
    pub fn longest(&self) -> Duration {
        let rounds = Duration::from_millis(self.timeout_ms).saturating_mul(FENCE_ROUNDS);
        rounds.saturating_add(Duration::from_millis(self.delay_ms.saturating_add(self.watchdog_ms)))
    }
}
