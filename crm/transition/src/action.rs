//! One action of a transition: what is done, to what, where, and with which parameters. Nothing of its order.

use cib::Pairs;

/// What kind of thing an action is, with the names Pacemaker's transition graph uses for the elements.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ActionKind {
    /// An operation of a resource agent on a node (`rsc_op`).
    Resource,
    /// A point in the order where nothing is done (`pseudo_event`).
    Pseudo,
    /// Something the cluster itself does (`crm_event`).
    Cluster(ClusterAction),
}

/// What the cluster itself does.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ClusterAction {
    /// Cut a node off, or (with `on`) let it back: operation `stonith`.
    Fence,
    /// Tell a node that it may go: operation `do_shutdown`.
    Shutdown,
    /// Forget the failures of a resource on a node: operation `clear_failcount`.
    ClearFailcount,
    /// Forget the history of a resource on a node: operation `lrm_delete`.
    ForgetHistory,
}

/// The resource an action is about, as the executor must know it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Resource {
    /// The name its history is kept under: without instance number for anonymous clones.
    pub id: String,
    /// The instance, such as `web:1`, when it differs from `id`.
    pub long_id: Option<String>,
    /// Agent standard: `ocf`, `systemd`, `stonith`, …
    pub class: String,
    /// Agent provider, for `ocf`.
    pub provider: Option<String>,
    /// Agent name.
    pub kind: String,
}

/// One action.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Action {
    /// Number in the order of creation, from 1; the `id` of the XML form.
    pub number: u32,
    /// What kind of thing it is.
    pub kind: ActionKind,
    /// `start`, `stop`, `monitor`, `stonith`, `running`, …
    pub operation: String,
    /// `RESOURCE_OPERATION_INTERVAL`, or `stonith-NODE-ACTION`, …
    pub key: String,
    /// The key with the instance number, when it differs from `key`.
    pub internal_key: Option<String>,
    /// Name of the node it runs on, or that it is about.
    pub node: Option<String>,
    /// Id of that node.
    pub node_uuid: Option<String>,
    /// Cluster node that carries it out for a remote one.
    pub router_node: Option<String>,
    /// The resource, for everything that is about one.
    pub resource: Option<Resource>,
    /// Parameters and `CRM_meta_*` values, as in the XML form's `<attributes>`.
    pub attributes: Pairs,
    /// More attributes of the action element itself, such as `shutdown-lock`.
    pub extra: Vec<(String, String)>,
    /// Nodes that are down once it is done (`<downed>`).
    pub downed: Vec<String>,
    /// Nodes that enter (true) or leave (false) maintenance with it (`<maintenance>`).
    pub maintenance: Vec<(String, bool)>,
    /// Larger first, when a limit makes actions wait; 0 is not written.
    pub priority: i32,
    /// Its failure does not make the transition fail (the `can_fail` of old).
    pub may_fail: bool,
}

impl Action {
    /// An action with only what every action has.
    pub fn new(number: u32, kind: ActionKind, operation: &str, key: String) -> Self {
        Action {
            number,
            kind,
            operation: operation.to_owned(),
            key,
            internal_key: None,
            node: None,
            node_uuid: None,
            router_node: None,
            resource: None,
            attributes: Pairs::new(),
            extra: Vec::new(),
            downed: Vec::new(),
            maintenance: Vec::new(),
            priority: 0,
            may_fail: false,
        }
    }

    /// A `CRM_meta_` value, by its bare name: `meta("timeout")`.
    pub fn meta(&self, name: &str) -> Option<&str> {
        self.attributes.get(&format!("CRM_meta_{name}"))
    }

    /// The interval in milliseconds; 0 for what is done once.
    pub fn interval_ms(&self) -> u32 {
        self.meta("interval").and_then(|text| text.parse().ok()).unwrap_or(0)
    }

    /// The time allowed in milliseconds, if it says so.
    pub fn timeout_ms(&self) -> Option<u32> {
        self.meta("timeout").and_then(|text| text.parse().ok())
    }

    /// The exit status that means success: 0 unless told (`CRM_meta_op_target_rc`).
    pub fn target_rc(&self) -> i32 {
        self.meta("op_target_rc").and_then(|text| text.parse().ok()).unwrap_or(0)
    }

    /// What a fencing does: `reboot`, `off` or `on`.
    pub fn fence_action(&self) -> Option<&str> {
        self.meta("stonith_action")
    }

    /// Parameters for the agent: the attributes that are not the cluster's own.
    pub fn parameters(&self) -> impl Iterator<Item = (&str, &str)> {
        self.attributes.iter().filter(|(name, _)| !name.starts_with("CRM_meta_") && *name != "crm_feature_set")
    }
}
