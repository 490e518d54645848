//! The cluster's options, with their defaults and former names. What each one does is the business of its pass.

use cib::{boolean, duration};

use crate::engine::{Engine, Values};
use crate::model::{NoQuorumPolicy, Placement};
use crate::nvpairs::Context;

/// Former names of options.
const ALIASES: [(&str, &str); 10] = [
    ("stonith-enabled", "fencing-enabled"),
    ("stonith-action", "fencing-action"),
    ("stonith-timeout", "fencing-timeout"),
    ("stonith-max-attempts", "fencing-max-attempts"),
    ("stonith-watchdog-timeout", "fencing-watchdog-timeout"),
    ("fence-reaction", "fencing-reaction"),
    ("stop-orphan-resources", "stop-removed-resources"),
    ("stop-orphan-actions", "cancel-removed-actions"),
    ("crmd-finalization-timeout", "join-finalization-timeout"),
    ("crmd-integration-timeout", "join-integration-timeout"),
];

/// Options the plan looks at, their defaults.
const DEFAULTS: [(&str, &str); 28] = [
    ("no-quorum-policy", "stop"),
    ("shutdown-lock", "false"),
    ("shutdown-lock-limit", "0"),
    ("symmetric-cluster", "true"),
    ("maintenance-mode", "false"),
    ("start-failure-is-fatal", "true"),
    ("enable-startup-probes", "true"),
    ("fence-remote-without-quorum", "false"),
    ("fencing-enabled", "true"),
    ("fencing-action", "reboot"),
    ("fencing-timeout", "60s"),
    ("have-watchdog", "false"),
    ("concurrent-fencing", "true"),
    ("startup-fencing", "true"),
    ("priority-fencing-delay", "0"),
    ("node-pending-timeout", "0"),
    ("cluster-delay", "60s"),
    ("batch-limit", "0"),
    ("migration-limit", "-1"),
    ("stop-all-resources", "false"),
    ("stop-removed-resources", "true"),
    ("cancel-removed-actions", "true"),
    ("node-health-strategy", "none"),
    ("node-health-base", "0"),
    ("node-health-green", "0"),
    ("node-health-yellow", "0"),
    ("node-health-red", "-INFINITY"),
    ("placement-strategy", "default"),
];

/// Options whose value must be a boolean, a duration or one of a list; anything else counts as the default.
fn valid(name: &str, value: &str) -> bool {
    let one_of = |words: &[&str]| words.iter().any(|word| value.eq_ignore_ascii_case(word));
    match name {
        "no-quorum-policy" => one_of(&["stop", "freeze", "ignore", "demote", "fence", "suicide"]),
        "fencing-action" => one_of(&["reboot", "off"]),
        "placement-strategy" => one_of(&["default", "utilization", "minimal", "balanced"]),
        "node-health-strategy" => one_of(&["none", "migrate-on-red", "only-green", "progressive", "custom"]),
        "node-health-base" | "node-health-green" | "node-health-yellow" | "node-health-red" => {
            cib::score::Score::parse(value).is_some()
        }
        "fencing-timeout"
        | "cluster-delay"
        | "shutdown-lock-limit"
        | "priority-fencing-delay"
        | "node-pending-timeout" => duration::parse_ms(value).is_ok(),
        "batch-limit" | "migration-limit" => crate::engine::integer(value).is_some(),
        _ => boolean::parse(value).is_some(),
    }
}

impl Engine<'_> {
    pub fn read_options(&mut self) {
        let mut raw = Values::new();
        if let Some(config) = self.doc.descend(&["configuration", "crm_config"]) {
            self.read_pairs(
                config,
                "cluster_property_set",
                &Context::default(),
                Some("cib-bootstrap-options"),
                &mut raw,
            );
        }
        for (old, new) in ALIASES {
            if let Some(value) = raw.get(old).map(str::to_owned) {
                // The old option knew another word for it; the new one never did.
                let poweroff = old == "stonith-action" && value == "poweroff";
                raw.add(new, if poweroff { "off" } else { value.as_str() });
            }
        }
        for (name, default) in DEFAULTS {
            match raw.get(name) {
                Some(value) if valid(name, value) => {}
                Some(value) => {
                    self.warnings.push(format!("option {name} is '{value}', which it cannot be; using {default}"));
                    raw.insert(name, default);
                }
                None => {
                    raw.insert(name, default);
                }
            }
        }
        let on = |name: &str| boolean::is_true(raw.get(name));
        let ms = |name: &str| duration::interval_ms(raw.get(name)) as u32;
        let word = |name: &str| raw.get(name).map(|value| value.to_ascii_lowercase()).unwrap_or_default();

        let fencing = on("fencing-enabled");
        let panic = self.attr(self.doc.root(), "no-quorum-panic").and_then(crate::engine::integer).unwrap_or(0) != 0;
        let no_quorum_policy = match word("no-quorum-policy").as_str() {
            "ignore" => NoQuorumPolicy::Ignore,
            "freeze" => NoQuorumPolicy::Freeze,
            "demote" => NoQuorumPolicy::Demote,
            "fence" | "suicide" if fencing && (panic || self.cluster.quorate) => NoQuorumPolicy::Fence,
            _ => NoQuorumPolicy::Stop,
        };
        let placement = match word("placement-strategy").as_str() {
            "utilization" => Placement::Utilization,
            "balanced" => Placement::Balanced,
            "minimal" => Placement::Minimal,
            _ => Placement::Default,
        };
        let fence_action = word("fencing-action");
        let unfencing = self.provides_unfencing();
        let options = &mut self.cluster.options;
        options.symmetric = on("symmetric-cluster");
        options.maintenance = on("maintenance-mode");
        options.fencing_enabled = fencing;
        options.have_fencing = on("have-watchdog");
        options.unfencing = unfencing;
        options.concurrent_fencing = on("concurrent-fencing");
        options.stop_removed_resources = on("stop-removed-resources");
        options.cancel_removed_actions = on("cancel-removed-actions");
        options.stop_all = on("stop-all-resources");
        options.start_failure_fatal = on("start-failure-is-fatal");
        // Who does not fence does not fence at the start either, and counts nobody unclean for not having been seen.
        options.startup_fencing = fencing && on("startup-fencing");
        options.shutdown_lock = on("shutdown-lock");
        options.probes = on("enable-startup-probes");
        options.fence_remote_without_quorum = on("fence-remote-without-quorum");
        options.fence_action = fence_action;
        options.fencing_timeout_ms = ms("fencing-timeout");
        options.priority_fencing_delay_ms = ms("priority-fencing-delay");
        options.shutdown_lock_ms = ms("shutdown-lock-limit");
        options.node_pending_ms = ms("node-pending-timeout");
        options.no_quorum_policy = no_quorum_policy;
        options.placement = placement;
        options.raw = raw;
    }

    /// Some device says it provides unfencing, or some resource that it requires it.
    fn provides_unfencing(&self) -> bool {
        let sections = [["configuration", "resources"], ["configuration", "rsc_defaults"]];
        sections.iter().filter_map(|path| self.doc.descend(path)).any(|section| {
            self.doc.descendants(section).any(|pair| {
                self.doc.name(pair) == "nvpair"
                    && matches!(self.attr(pair, "name"), Some("provides" | "requires"))
                    && self.attr(pair, "value") == Some("unfencing")
                    && self.doc.parent(pair).is_some_and(|set| self.doc.name(set) == "meta_attributes")
            })
        })
    }
}
