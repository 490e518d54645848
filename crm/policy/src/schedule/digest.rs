//! Whether the configuration of an operation is still the one it ran with: digests of parameters, compared with those
//! the history keeps. What follows from a difference is `config_change`'s affair.

use std::rc::Rc;

use cib::rule::compare_versions;
use cib::{Element, digest};

use crate::engine::{Engine, Values};
use crate::model::{NodeId, RscFlags, RscId};

/// How a configuration compares with the one an operation ran with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    Match,
    /// The history has no digest.
    Unknown,
    /// Something changed that an agent might take in without a restart.
    Mismatch,
    /// Something changed that needs a restart.
    Restart,
}

/// Digests of the configuration of an operation on a node.
#[derive(Clone, Debug)]
pub(crate) struct Digest {
    pub all: String,
    pub restart: Option<String>,
    pub secure: Option<String>,
    /// The operation has parameters of its own and does not recur: any change means a restart.
    own_parameters: bool,
}

/// Feature set from which on the secure digest covers what the others do.
const SECURE_COVERS_ALL: &str = "3.16.0";

impl Engine<'_> {
    fn digest_of(
        &mut self,
        rsc: RscId,
        task: &str,
        interval_ms: u32,
        node: NodeId,
        entry: Option<Element>,
    ) -> Rc<Digest> {
        let key = (node, rsc, interval_ms, crate::model::task(task));
        if let Some(known) = self.digests.get(&key) {
            return Rc::clone(known);
        }
        let computed = Rc::new(self.compute_digest(rsc, task, interval_ms, node, entry));
        self.digests.insert(key, Rc::clone(&computed));
        computed
    }

    fn compute_digest(
        &mut self,
        rsc: RscId,
        task: &str,
        interval_ms: u32,
        node: NodeId,
        entry: Option<Element>,
    ) -> Digest {
        let parameters = self.parameters_of(rsc, Some(node));
        let config = self.operation_config(rsc, task, interval_ms, true);
        let own = match config {
            Some(config) => self.operation_parameters(config, node),
            None => Values::new(),
        };
        let own_parameters = interval_ms == 0 && !own.is_empty();
        // Most operations have the parameters of their resource and no others: these are not copied.
        let mut all = Rc::clone(&parameters);
        for (name, value) in &own {
            Rc::make_mut(&mut all).add(name, value);
        }
        if all.get("addr").is_some_and(|address| address == "#uname")
            && let Some(host) = self.container_host_name(rsc)
        {
            Rc::make_mut(&mut all).insert("addr", host);
        }
        // Of meta attributes, only the timeout of what recurs counts.
        if interval_ms > 0
            && let Some(timeout) = self.operation_meta(rsc, Some(node), task, interval_ms, config).get("timeout")
        {
            Rc::make_mut(&mut all).add("CRM_meta_timeout", timeout);
        }
        let interval = u64::from(interval_ms);
        let restart = entry.and_then(|entry| {
            self.restart_digest_then(entry)?;
            Some(match self.attr(entry, "op-force-restart") {
                Some(list) => digest::restart(&*all, interval, &list.split(' ').collect::<Vec<_>>()),
                None => digest::all(&*all, interval),
            })
        });
        let digest_of_all = digest::all(&*all, interval);
        let secure = self.secure_digest(rsc, &parameters, (&all, &digest_of_all), interval, entry);
        Digest { all: digest_of_all, restart, secure, own_parameters }
    }

    fn secure_digest(
        &self,
        rsc: RscId,
        parameters: &Values,
        (all, digest_of_all): (&Values, &str),
        interval: u64,
        entry: Option<Element>,
    ) -> Option<String> {
        if entry.is_some() && !self.sanitized {
            return None;
        }
        let list = match entry {
            None => " passwd password user ",
            Some(entry) => self.attr(entry, "op-secure-params").unwrap_or(""),
        };
        let secret: Vec<&str> = list.split(' ').collect();
        let version = entry
            .and_then(|entry| self.attr(entry, "crm_feature_set"))
            .or_else(|| self.attr(self.doc.root(), "crm_feature_set"))
            .unwrap_or(SECURE_COVERS_ALL);
        if compare_versions(version, SECURE_COVERS_ALL).is_ge() {
            if interval > 0 {
                // Unlike that of all, it leaves out the timeout of what recurs.
                return Some(digest::secure(all, 0, &secret));
            }
            // Without a secret it is the digest of all.
            let any = all.keys().any(|name| secret.contains(&name));
            return Some(if any { digest::secure(all, interval, &secret) } else { digest_of_all.to_owned() });
        }
        // Before, it covered the resource's own parameters alone, and no special ones of fence devices.
        let fence_device = self.is(rsc, RscFlags::FENCE_DEVICE);
        let special = |name: &str| fence_device && is_special_fencing_parameter(name);
        let own: Values = parameters.iter().filter(|(name, _)| !special(name)).collect();
        Some(digest::secure(&own, 0, &secret))
    }

    /// The restart digest of a history entry; that of an expired failure matches nothing, so that its operation is
    /// scheduled anew.
    fn restart_digest_then(&self, entry: Element) -> Option<&str> {
        if self.expired_operations.contains(&entry) {
            return Some("calculated-failure-timeout");
        }
        self.attr(entry, "op-restart-digest")
    }

    /// Compares the configuration with that of a history entry.
    pub fn compare_digest(&mut self, rsc: RscId, entry: Element, node: NodeId) -> Verdict {
        let task = self.attr(entry, "operation").unwrap_or_default();
        let interval = self.number(entry, "interval").unwrap_or(0).clamp(0, i64::from(u32::MAX)) as u32;
        let computed = self.digest_of(rsc, task, interval, node, Some(entry));
        if let (Some(now), Some(then)) = (computed.restart.as_deref(), self.restart_digest_then(entry))
            && now != then
        {
            return Verdict::Restart;
        }
        match self.attr(entry, "op-digest") {
            None => Verdict::Unknown,
            Some(then) if then == computed.all => Verdict::Match,
            Some(_) if interval == 0 && computed.own_parameters => Verdict::Restart,
            Some(_) => Verdict::Mismatch,
        }
    }

    /// Whether nothing but secret parameters changed; they are hidden in a CIB that was made fit to be shown.
    pub fn only_secrets_changed(&mut self, rsc: RscId, entry: Element, node: NodeId) -> bool {
        if !self.sanitized {
            return false;
        }
        let task = self.attr(entry, "operation").unwrap_or_default();
        let interval = self.number(entry, "interval").unwrap_or(0).clamp(0, i64::from(u32::MAX)) as u32;
        let secure = self.digest_of(rsc, task, interval, node, Some(entry)).secure.clone();
        let then = self.attr(entry, "op-secure-digest");
        then.is_some() && secure.as_deref() == then
    }

    /// The digests of a fence device for unfencing a node, and how they compare with what the node was unfenced with.
    pub fn compare_unfencing(&mut self, rsc: RscId, node: NodeId) -> (Rc<Digest>, Verdict) {
        let computed = self.digest_of(rsc, "stonith-on", 0, node, None);
        let agent = self.rsc(rsc).agent.clone();
        let id = self.rsc(rsc).id.clone();
        let attribute = |name: &str| self.node(node).attributes.get(name).map(str::to_owned);
        let verdict = match attribute("#digests-all") {
            None => Verdict::Unknown,
            Some(known) if known.contains(&format!("{id}:{agent}:{}", computed.all)) => Verdict::Match,
            Some(_) => {
                let secure = computed.secure.clone().unwrap_or_default();
                let known = attribute("#digests-secure").unwrap_or_default();
                if known.contains(&format!("{id}:{agent}:{secure}")) {
                    let node = self.node(node).name.clone();
                    self.notices.push(format!("Only 'private' parameters to {id} for unfencing {node} changed"));
                    Verdict::Match
                } else {
                    // Where secrets are hidden the full digest says nothing: whoever looks is told what would match.
                    if self.sanitized && computed.secure.is_some() {
                        let node = self.node(node).name.clone();
                        self.notices.push(format!(
                            "Parameters to {id} for unfencing {node} changed, try '{id}:{agent}:{secure}'"
                        ));
                    }
                    Verdict::Mismatch
                }
            }
        };
        (computed, verdict)
    }
}

fn is_special_fencing_parameter(name: &str) -> bool {
    const NAMES: [&str; 9] = [
        "provides",
        "stonith-timeout",
        "pcmk_action_limit",
        "pcmk_delay_base",
        "pcmk_delay_max",
        "pcmk_host_argument",
        "pcmk_host_check",
        "pcmk_host_list",
        "pcmk_host_map",
    ];
    NAMES.contains(&name)
        || name
            .strip_prefix("pcmk_")
            .and_then(|rest| rest.find('_').map(|at| &rest[at..]))
            .is_some_and(|end| matches!(end, "_action" | "_timeout" | "_retries"))
}
