//! What the configuration says about an operation: its `<op>`, meta attributes, parameters, what it needs and what
//! follows from its failure.

use std::sync::Arc;

use cib::{Element, boolean, date, duration};

use crate::engine::{Engine, Values};
use crate::model::{NodeId, OnFail, Requires, Role, RscFlags, RscId, Task};
use crate::nvpairs::Context;

/// The time an operation has if nothing is said.
const DEFAULT_TIMEOUT_MS: u64 = 20_000;

/// The meta attributes of one operation of a resource, as they were worked out.
#[derive(Clone, Debug)]
pub(crate) struct OperationMeta {
    task: Task,
    interval_ms: u32,
    config: Option<Element>,
    values: Arc<Values>,
}

impl<'a> Engine<'a> {
    pub fn configured_operations(&self, rsc: RscId) -> Vec<Element> {
        match self.rsc(rsc).operations {
            Some(operations) => self.doc.children_named(operations, "op").collect(),
            None => Vec::new(),
        }
    }

    fn exact_config(&self, rsc: RscId, task: &str, interval_ms: u32, disabled_too: bool) -> Option<Element> {
        let operations = self.rsc(rsc).operations?;
        self.doc.children_named(operations, "op").find(|op| {
            self.attr(*op, "name") == Some(task)
                && self.interval_ms(*op) == interval_ms
                && (disabled_too || self.is_enabled(*op))
        })
    }

    /// The `<op>` of an operation. Migrations may be configured together, as `migrate`.
    pub fn operation_config(&self, rsc: RscId, task: &str, interval_ms: u32, disabled_too: bool) -> Option<Element> {
        self.exact_config(rsc, task, interval_ms, disabled_too).or_else(|| {
            matches!(task, "migrate_to" | "migrate_from")
                .then(|| self.exact_config(rsc, "migrate", 0, disabled_too))
                .flatten()
        })
    }

    /// Parameters of the operation alone.
    pub fn operation_parameters(&mut self, config: Element, node: NodeId) -> Values {
        let mut values = Values::new();
        let context = Context { node: Some(node), ..Context::default() };
        self.read_pairs(config, "instance_attributes", &context, None, &mut values);
        values
    }

    fn most_frequent_monitor(&self, rsc: RscId) -> Option<Element> {
        let monitors = self.configured_operations(rsc).into_iter().filter(|op| {
            self.attr(*op, "name") == Some("monitor") && self.interval_ms(*op) > 0 && self.is_enabled(*op)
        });
        monitors.min_by_key(|op| self.interval_ms(*op))
    }

    /// Meta attributes of an operation, defaults applied.
    pub fn operation_meta(
        &mut self,
        rsc: RscId,
        node: Option<NodeId>,
        task: &str,
        interval_ms: u32,
        config: Option<Element>,
    ) -> Arc<Values> {
        // Only a fence device's depend on the node: its parameters may have rules.
        let fixed = !self.is(rsc, RscFlags::FENCE_DEVICE);
        let known = self.operation_metas.get(&rsc).and_then(|all| {
            all.iter().find(|meta| meta.interval_ms == interval_ms && meta.config == config && meta.task == task)
        });
        if let Some(known) = known.filter(|_| fixed) {
            return Arc::clone(&known.values);
        }
        let values = Arc::new(self.read_operation_meta(rsc, node, task, interval_ms, config));
        if fixed {
            let meta =
                OperationMeta { task: crate::model::task(task), interval_ms, config, values: Arc::clone(&values) };
            self.operation_metas.entry(rsc).or_default().push(meta);
        }
        values
    }

    fn read_operation_meta(
        &mut self,
        rsc: RscId,
        node: Option<NodeId>,
        task: &str,
        interval_ms: u32,
        config: Option<Element>,
    ) -> Values {
        let context =
            Context { agent: self.agent(rsc), operation: Some((task, u64::from(interval_ms))), ..Context::default() };
        let mut meta = Values::new();
        if let Some(config) = config {
            self.read_pairs(config, "meta_attributes", &context, None, &mut meta);
            meta.extend(self.doc.attributes(config));
        }
        let probe = task == "monitor" && interval_ms == 0;
        if probe
            && !meta.contains_key("timeout")
            && let Some(timeout) = self.most_frequent_monitor(rsc).and_then(|op| self.attr(op, "timeout"))
        {
            meta.insert("timeout", timeout);
        }
        if let Some(defaults) = self.op_defaults {
            self.read_pairs(defaults, "meta_attributes", &context, None, &mut meta);
        }
        meta.remove("id");
        if interval_ms > 0 {
            meta.insert("interval", interval_ms.to_string());
        } else {
            meta.remove("interval");
        }
        // A fence device is started and probed by asking it for its status.
        if self.is(rsc, RscFlags::FENCE_DEVICE)
            && (task == "start" || probe)
            && let Some(timeout) = self.parameters_of(rsc, node).get("pcmk_monitor_timeout")
        {
            meta.insert("timeout", timeout);
        }
        let timeout = meta.get("timeout").and_then(|text| duration::parse_ms(text).ok()).filter(|ms| *ms > 0);
        let timeout = timeout.unwrap_or(DEFAULT_TIMEOUT_MS).min(i32::MAX as u64);
        meta.insert("timeout", timeout.to_string());
        self.check_on_fail(rsc, task, config, &mut meta);
        if let Some(delay) = meta.get("start-delay") {
            let delay = duration::parse_ms(delay).unwrap_or(0).min(i32::MAX as u64);
            meta.insert("start-delay", delay.to_string());
        } else if let Some(delay) = meta.get("interval-origin").and_then(|o| self.delay_from_origin(o, interval_ms)) {
            meta.insert("start-delay", delay.to_string());
        }
        meta
    }

    /// Milliseconds until the next multiple of the interval after `origin`.
    fn delay_from_origin(&self, origin: &str, interval_ms: u32) -> Option<i64> {
        let interval = i64::from(interval_ms / 1000);
        if interval == 0 {
            return None;
        }
        let origin = date::parse(origin, self.cluster.now)?;
        let since = (self.cluster.now - origin) % interval;
        Some((if since <= 0 { -since } else { interval - since }) * 1000)
    }

    fn is_promoted_role(role: Option<&str>) -> bool {
        role.and_then(Role::parse) == Some(Role::Promoted)
    }

    /// Drops an `on-fail` the operation cannot have, and gives a demotion that of the promoted monitor.
    fn check_on_fail(&mut self, rsc: RscId, task: &str, config: Option<Element>, meta: &mut Values) {
        let value = meta.get("on-fail").map(|value| value.to_ascii_lowercase());
        match (task, value.as_deref()) {
            ("stop", Some("standby" | "demote" | "stop")) => {
                if let Some(config) = config {
                    self.warn(config, "a failed stop cannot be answered with on-fail standby, demote or stop; ignored");
                }
                meta.remove("on-fail");
            }
            ("demote", None) => {
                for op in self.configured_operations(rsc) {
                    if let Some(on_fail) = self.attr(op, "on-fail")
                        && self.attr(op, "name") == Some("monitor")
                        && Self::is_promoted_role(self.attr(op, "role"))
                        && self.interval_ms(op) > 0
                        && self.is_enabled(op)
                        && !on_fail.eq_ignore_ascii_case("demote")
                    {
                        meta.insert("on-fail", on_fail);
                    }
                }
            }
            ("lrm_delete", value) if value != Some("ignore") => {
                meta.insert("on-fail", "ignore");
            }
            (_, Some("demote")) => {
                let get = |name: &str| config.and_then(|config| self.attr(config, name));
                let interval = config.map_or(0, |config| self.interval_ms(config));
                let monitors_promoted =
                    get("name") == Some("monitor") && interval > 0 && Self::is_promoted_role(get("role"));
                if get("name") != Some("promote") && !monitors_promoted {
                    meta.remove("on-fail");
                }
            }
            _ => {}
        }
    }

    /// What must hold before the action may be done.
    pub fn action_needs(&self, rsc: RscId, task: &str) -> Requires {
        if !task.eq_ignore_ascii_case("start") && !task.eq_ignore_ascii_case("promote") {
            Requires::Nothing
        } else if self.is(rsc, RscFlags::NEEDS_FENCING) {
            Requires::Fencing
        } else if self.is(rsc, RscFlags::NEEDS_QUORUM) {
            Requires::Quorum
        } else {
            Requires::Nothing
        }
    }

    /// What follows from a failure of the operation.
    pub fn on_fail(&self, rsc: RscId, task: &str, interval_ms: u32, value: Option<&str>) -> OnFail {
        let launcher = self.rsc(rsc).launcher.is_some();
        let mut asked = match value.map(str::to_ascii_lowercase).as_deref() {
            Some("block") => Some(OnFail::Block),
            Some("fence") => Some(if self.fences() { OnFail::Fence } else { OnFail::Stop }),
            Some("standby") => Some(OnFail::Standby),
            Some("ignore" | "nothing") => Some(OnFail::Ignore),
            Some("migrate") => Some(OnFail::Ban),
            Some("stop") => Some(OnFail::Stop),
            Some("restart") => Some(OnFail::Restart),
            Some("restart-container") if launcher => Some(OnFail::RestartContainer),
            Some("demote") => Some(OnFail::Demote),
            _ => None,
        };
        let managed = self.is(rsc, RscFlags::MANAGED);
        let resets_remote = self.is(rsc, RscFlags::REMOTE_CONNECTION)
            && self.cluster.find_node(&self.rsc(rsc).id).is_some_and(|node| self.cluster.is_remote_only(node))
            && !(task == "monitor" && interval_ms == 0)
            && task != "start";
        if resets_remote && !managed {
            asked = None;
        }
        asked.unwrap_or(if launcher {
            OnFail::RestartContainer
        } else if resets_remote {
            if managed { OnFail::ResetRemote } else { OnFail::Stop }
        } else if task == "stop" {
            if self.fences() { OnFail::Fence } else { OnFail::Block }
        } else {
            OnFail::Restart
        })
    }

    pub fn role_after_failure(&self, rsc: RscId, task: &str, on_fail: OnFail) -> Role {
        match on_fail {
            OnFail::Stop => Role::Stopped,
            OnFail::ResetRemote if self.rsc(rsc).reconnect_ms != 0 => Role::Stopped,
            _ if task == "promote" => Role::Unpromoted,
            _ => Role::Started,
        }
    }

    pub fn bool_attr(&self, element: Element, name: &str) -> Option<bool> {
        self.attr(element, name).and_then(boolean::parse)
    }
}
