//! The options there are: cluster properties, meta attributes of resources, attributes of operations; with type, default
//! and range. What they do is said in one line each; what they mean is the policy's affair.

use crate::boolean;
use crate::duration;
use crate::score::Score;

/// What values an option takes.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Type {
    /// `true`, `false` and their like.
    Boolean,
    /// A number or ±INFINITY.
    Score,
    /// A number with a unit.
    Duration,
    /// A whole number from here to there.
    Integer(i64, i64),
    /// A number followed by `%`.
    Percentage,
    /// One of these words, in any case.
    Choice(&'static [&'static str]),
    /// Any text.
    Text,
}

/// One option.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct CibOption {
    /// Its name.
    pub name: &'static str,
    /// Another name for the same: the older of the two, which more configurations use, stands in `name`.
    pub alias: Option<&'static str>,
    /// What values it takes.
    pub kind: Type,
    /// What counts when it is not set; `None` when that depends, or is nothing.
    pub default: Option<&'static str>,
    /// What it is for.
    pub help: &'static str,
}

const fn option(name: &'static str, kind: Type, default: &'static str, help: &'static str) -> CibOption {
    let default = if default.is_empty() { None } else { Some(default) };
    CibOption { name, alias: None, kind, default, help }
}

impl CibOption {
    const fn or(self, alias: &'static str) -> CibOption {
        CibOption { alias: Some(alias), ..self }
    }

    /// Whether a name is this option's.
    pub fn is(&self, name: &str) -> bool {
        self.name == name || self.alias == Some(name)
    }

    /// Says what is wrong with a value: what was expected, for "… is not …".
    pub fn expected(&self, value: &str) -> Option<String> {
        self.kind.expected(value)
    }
}

impl Type {
    /// What was expected, when a value is none of this type; `None` when it is one.
    pub fn expected(self, value: &str) -> Option<String> {
        let number = value.trim().parse::<i64>();
        let words = |words: &[&str]| words.join(", ");
        let (fits, expected) = match self {
            Type::Text => return None,
            Type::Boolean => (boolean::parse(value).is_some(), "true or false".to_owned()),
            Type::Score => (Score::parse_exact(value).is_some(), "a whole number, INFINITY or -INFINITY".into()),
            Type::Duration => {
                (duration::parse_ms(value).is_ok(), "a duration such as 30s, 500ms, 5min, 1h or PT1M30S".into())
            }
            Type::Integer(low, i64::MAX) => (number.is_ok_and(|n| n >= low), format!("a whole number from {low} on")),
            Type::Integer(low, high) => {
                (number.is_ok_and(|n| (low..=high).contains(&n)), format!("a whole number from {low} to {high}"))
            }
            Type::Percentage => {
                let digits = value.trim().strip_suffix('%').unwrap_or("");
                (digits.parse::<u32>().is_ok(), "a percentage such as 80%".into())
            }
            Type::Choice(choices) => {
                (choices.iter().any(|choice| choice.eq_ignore_ascii_case(value)), format!("one of: {}", words(choices)))
            }
        };
        (!fits).then_some(expected)
    }
}

use Type::{Boolean, Choice, Duration, Integer, Percentage, Score as ScoreType, Text};

const ANY: Type = Integer(i64::MIN, i64::MAX);

/// The cluster properties.
pub const PROPERTIES: &[CibOption] = &[
    option("dc-version", Text, "", "version of the coordinator, set by the cluster"),
    option("cluster-infrastructure", Text, "", "the cluster engine, set by the cluster"),
    option("cluster-name", Text, "", "a name for people and rules"),
    option("dc-deadtime", Duration, "20s", "how long to wait for other nodes at start-up"),
    option("cluster-recheck-interval", Duration, "15min", "how often to look again when nothing happens"),
    option("election-timeout", Duration, "2min", "kept for Pacemaker; there is no election here"),
    option("shutdown-escalation", Duration, "20min", "how long a shutdown may take before it is forced"),
    option("join-integration-timeout", Duration, "3min", "how long a node may take to join")
        .or("crmd-integration-timeout"),
    option("join-finalization-timeout", Duration, "30min", "how long a node may take to finish joining")
        .or("crmd-finalization-timeout"),
    option("transition-delay", Duration, "0s", "how long to wait for more news before acting")
        .or("crmd-transition-delay"),
    option(
        "no-quorum-policy",
        Choice(&["stop", "freeze", "ignore", "demote", "fence", "suicide"]),
        "stop",
        "what to do without quorum",
    ),
    option("shutdown-lock", Boolean, "false", "whether resources stay with a node that was shut down cleanly"),
    option("shutdown-lock-limit", Duration, "0", "for how long they do; 0 for ever"),
    option("enable-acl", Boolean, "false", "whether access control lists count"),
    option("symmetric-cluster", Boolean, "true", "whether resources may run anywhere unless told otherwise"),
    option("maintenance-mode", Boolean, "false", "whether to leave everything alone"),
    option("start-failure-is-fatal", Boolean, "true", "whether one failed start bans a resource from the node"),
    option("enable-startup-probes", Boolean, "true", "whether to look what runs on a node that joins"),
    option("fence-remote-without-quorum", Boolean, "false", "whether remote nodes may be fenced without quorum"),
    option("stonith-enabled", Boolean, "true", "whether nodes are fenced").or("fencing-enabled"),
    option("stonith-action", Choice(&["reboot", "off", "poweroff"]), "reboot", "what fencing does to a node")
        .or("fencing-action"),
    option("fence-reaction", Choice(&["stop", "panic"]), "stop", "what a node does that learns it was fenced")
        .or("fencing-reaction"),
    option("stonith-timeout", Duration, "60s", "how long fencing may take").or("fencing-timeout"),
    option("have-watchdog", Boolean, "false", "whether a watchdog is there, set by the cluster"),
    option("stonith-watchdog-timeout", Text, "0", "after which time a lost node has certainly fenced itself")
        .or("fencing-watchdog-timeout"),
    option("stonith-max-attempts", ScoreType, "10", "how often fencing is tried at once").or("fencing-max-attempts"),
    option("fence-limit-at-once", Text, "", "how many nodes lost in one instant are fenced; 0 for any number"),
    option("fence-budget", Text, "", "how many fencings are made in the window of the budget; 0 for any number"),
    option("fence-budget-window", Duration, "1h", "the window of the budget of fencings"),
    option("concurrent-fencing", Boolean, "true", "whether several nodes may be fenced at the same time"),
    option("startup-fencing", Boolean, "true", "whether nodes that were never seen are fenced"),
    option("priority-fencing-delay", Duration, "0", "head start for the node with the more important resources"),
    option("node-pending-timeout", Duration, "0", "how long a node may stay half joined; 0 for ever"),
    option("cluster-delay", Duration, "60s", "how long an answer over the network may take"),
    option("load-threshold", Percentage, "80%", "load above which fewer actions are run"),
    option("node-action-limit", ANY, "0", "how many actions a node runs at once; 0 for twice its cores"),
    option("batch-limit", ANY, "0", "how many actions run at once in the cluster; 0 for as many as it bears"),
    option("migration-limit", ANY, "-1", "how many live migrations a node takes part in; -1 for any number"),
    option("cluster-ipc-limit", Integer(0, i64::MAX), "500", "kept for Pacemaker"),
    option("stop-all-resources", Boolean, "false", "whether everything is to be stopped"),
    option("stop-orphan-resources", Boolean, "true", "whether to stop what is no longer configured")
        .or("stop-removed-resources"),
    option("stop-orphan-actions", Boolean, "true", "whether to cancel what is no longer configured")
        .or("cancel-removed-actions"),
    option("remove-after-stop", Boolean, "false", "kept for Pacemaker"),
    option("pe-error-series-max", ANY, "-1", "how many inputs with errors are kept; -1 for all"),
    option("pe-warn-series-max", ANY, "5000", "how many inputs with warnings are kept"),
    option("pe-input-series-max", ANY, "4000", "how many inputs are kept"),
    option(
        "node-health-strategy",
        Choice(&["none", "migrate-on-red", "only-green", "progressive", "custom"]),
        "none",
        "what the health of a node does to its resources",
    ),
    option("node-health-base", ScoreType, "0", "health of every node"),
    option("node-health-green", ScoreType, "0", "what green is worth"),
    option("node-health-yellow", ScoreType, "0", "what yellow is worth"),
    option("node-health-red", ScoreType, "-INFINITY", "what red is worth"),
    option(
        "placement-strategy",
        Choice(&["default", "utilization", "minimal", "balanced"]),
        "default",
        "how capacity counts",
    ),
    option("last-lrm-refresh", Text, "", "set by tools to make the cluster look again"),
];

const ROLES: &[&str] = &["Stopped", "Started", "Promoted", "Unpromoted", "Master", "Slave"];

/// The meta attributes of resources, clones and bundles included.
pub const RESOURCE_META: &[CibOption] = &[
    option("priority", ScoreType, "0", "what gives way when not everything can run"),
    option("critical", Boolean, "true", "whether what depends on it moves with it"),
    option("target-role", Choice(ROLES), "Started", "what it is to be"),
    option("is-managed", Boolean, "true", "whether it is started and stopped at all"),
    option("maintenance", Boolean, "false", "whether to leave it alone"),
    option("resource-stickiness", ScoreType, "", "how much it prefers to stay where it is"),
    option(
        "requires",
        Choice(&["nothing", "quorum", "fencing", "unfencing"]),
        "",
        "what there must be for it to start",
    ),
    option("migration-threshold", ScoreType, "INFINITY", "after how many failures it leaves a node"),
    option("failure-timeout", Duration, "0", "after which time failures are forgotten; 0 for never"),
    option(
        "multiple-active",
        Choice(&["block", "stop_only", "stop_start", "stop_unexpected"]),
        "stop_start",
        "what to do when it runs in more places than it should",
    ),
    option("allow-migrate", Boolean, "false", "whether it can move without being stopped"),
    option("allow-unhealthy-nodes", Boolean, "false", "whether it may run on unhealthy nodes"),
    option("container-attribute-target", Text, "", "where the attributes of its agent are kept"),
    option("remote-node", Text, "", "the name of the guest node that it is"),
    option("remote-addr", Text, "", "address of the guest node"),
    option("remote-port", Integer(1, 65535), "3121", "port of the guest node"),
    option("remote-connect-timeout", Duration, "60s", "how long connecting to the guest node may take"),
    option("remote-allow-migrate", Boolean, "true", "whether the connection may move"),
    option("provides", Text, "", "set by the cluster for fence devices"),
    option("clone-max", Integer(0, i64::MAX), "", "how many instances there are; as many as nodes if not set"),
    option("clone-node-max", Integer(0, i64::MAX), "1", "how many instances a node may run"),
    option("clone-min", Integer(0, i64::MAX), "0", "how many instances must run for what depends on them"),
    option("globally-unique", Boolean, "false", "whether instances differ"),
    option("notify", Boolean, "false", "whether instances are told of one another"),
    option("ordered", Boolean, "false", "whether instances start one after another"),
    option("interleave", Boolean, "false", "whether only the instance on the same node is waited for"),
    option("promotable", Boolean, "false", "whether instances can be promoted"),
    option("promoted-max", Integer(0, i64::MAX), "1", "how many instances may be promoted").or("master-max"),
    option("promoted-node-max", Integer(0, i64::MAX), "1", "how many of them on one node").or("master-node-max"),
];

/// The attributes of an `<op>` and the meta attributes of operations.
pub const OPERATION: &[CibOption] = &[
    option("name", Text, "", "the action of the agent"),
    option("interval", Duration, "0", "how often it is done; 0 for once"),
    option("timeout", Duration, "20s", "how long it may take"),
    option("start-delay", Duration, "0", "how long to wait before the first time"),
    option("interval-origin", Text, "", "a date from which its times are counted"),
    option("enabled", Boolean, "true", "whether it is done at all"),
    option("record-pending", Boolean, "true", "whether its beginning is recorded"),
    option("ask-again", Boolean, "false", "whether a monitor that timed out is asked once more before that counts"),
    option("role", Choice(ROLES), "", "the role in which it is done"),
    option(
        "on-fail",
        Choice(&[
            "ignore",
            "block",
            "stop",
            "demote",
            "restart",
            "fence",
            "standby",
            "restart-container",
            "reset-remote",
        ]),
        "",
        "what to do when it fails",
    ),
    option("requires", Choice(&["nothing", "quorum", "fencing", "unfencing"]), "", "what there must be for it"),
];

/// The option of this name in a table.
pub fn find(table: &'static [CibOption], name: &str) -> Option<&'static CibOption> {
    table.iter().find(|option| option.is(name))
}

/// The names of a cluster property: the one given first, then the other if it has two. Nothing for an unknown one.
pub fn names_of(name: &str) -> Vec<&'static str> {
    let Some(option) = find(PROPERTIES, name) else { return Vec::new() };
    let mut names: Vec<&'static str> = [Some(option.name), option.alias].into_iter().flatten().collect();
    names.sort_by_key(|known| *known != name);
    names
}

/// The name of a table that is most like a mistyped one, if one is like it at all.
///
/// ```
/// use cib::option::{nearest, PROPERTIES};
/// assert_eq!(nearest(PROPERTIES, "stonith-enable"), Some("stonith-enabled"));
/// assert_eq!(nearest(PROPERTIES, "favourite-colour"), None);
/// ```
pub fn nearest(table: &'static [CibOption], name: &str) -> Option<&'static str> {
    // Names are short; a longer text is no slip of the finger.
    if name.len() > 64 {
        return None;
    }
    let plain = |text: &str| text.to_ascii_lowercase().replace('_', "-");
    let wanted = plain(name);
    table
        .iter()
        .flat_map(|option| [Some(option.name), option.alias].into_iter().flatten())
        .map(|known| (distance(&wanted, &plain(known)), known))
        .min()
        .filter(|(distance, known)| *distance <= 2.max(known.len() / 6))
        .map(|(_, known)| known)
}

/// How many letters have to be put in, taken out or changed to make one of the other.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (line, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = line + 1;
        for (column, y) in b.iter().enumerate() {
            let changed = diagonal + usize::from(x != *y);
            diagonal = row[column + 1];
            row[column + 1] = changed.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_values() {
        for option in [PROPERTIES, RESOURCE_META, OPERATION].into_iter().flatten() {
            let default = option.default.unwrap_or("");
            assert!(option.default.is_none() || option.expected(default).is_none(), "{}={default}", option.name);
        }
    }

    #[test]
    fn names_stand_once() {
        for table in [PROPERTIES, RESOURCE_META, OPERATION] {
            let mut names: Vec<_> = table.iter().flat_map(|o| [Some(o.name), o.alias]).flatten().collect();
            let count = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), count);
        }
    }

    #[test]
    fn values_are_judged() {
        for (table, name, value, fits) in [
            (PROPERTIES, "no-quorum-policy", "Freeze", true),
            (PROPERTIES, "no-quorum-policy", "hope", false),
            (PROPERTIES, "fencing-enabled", "yes", true),
            (PROPERTIES, "stonith-enabled", "perhaps", false),
            (PROPERTIES, "stonith-timeout", "soon", false),
            (PROPERTIES, "load-threshold", "80", false),
            (RESOURCE_META, "clone-max", "-1", false),
            (RESOURCE_META, "remote-port", "70000", false),
            (RESOURCE_META, "resource-stickiness", "12x", false),
            (OPERATION, "on-fail", "fence", true),
        ] {
            assert_eq!(find(table, name).unwrap().expected(value).is_none(), fits, "{name}={value}");
        }
    }

    #[test]
    fn mistyped_names() {
        for (name, expected) in [
            ("no_quorum_policy", Some("no-quorum-policy")),
            ("stonith-enable", Some("stonith-enabled")),
            ("sontith-enabled", Some("stonith-enabled")),
            ("maintenance", None),
            ("xyz", None),
            ("", None),
        ] {
            assert_eq!(nearest(PROPERTIES, name), expected, "{name}");
        }
    }
}
