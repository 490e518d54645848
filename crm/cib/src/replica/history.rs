//! The history of operations: how a result is recorded, and how it is forgotten. The form is Pacemaker's, so that its
//! tools read it.

use super::{Cib, FEATURE_SET, child_or_new, failure, set_all};
use crate::document::{Document, Element};
use crate::write::{Applied, OpResult, OpStatus, Refused};

/// Who wrote an entry, for those who read the XML.
const ORIGIN: &str = "systoled";

impl Cib {
    pub(super) fn result(&mut self, result: &OpResult) -> Result<Applied, Refused> {
        if result.node.is_empty() || result.resource.is_empty() || result.operation.is_empty() {
            return Err(Refused::Nameless("the node, the resource or the operation of a result"));
        }
        let id = self.node_id(&result.node);
        let done = |changed| {
            let (node, resource) = (Some(id.clone()), Some(result.resource.clone()));
            Ok(Applied { changed, node, resource, ..Applied::default() })
        };
        if result.status == OpStatus::Cancelled {
            // A recurring operation was ended on purpose: it is no longer part of what is known.
            let resource = self.nodes.get(&id).and_then(|index| index.resources.get(&result.resource)).copied();
            let entry = resource.and_then(|resource| entry(&self.document, resource, &result.key()));
            if let Some(entry) = entry {
                self.document.remove(entry);
            }
            return done(entry.is_some());
        }

        let resource = self.lrm_resource(&id, result);
        for entry_id in entry_ids(result) {
            self.record(resource, &entry_id, result);
        }
        if result.failed() {
            self.count_failure(&id, result);
        }
        done(true)
    }

    fn lrm_resource(&mut self, id: &str, result: &OpResult) -> Element {
        let state = self.state(id);
        let known = self.nodes.get(id).and_then(|index| index.resources.get(&result.resource)).copied();
        let resource = known.unwrap_or_else(|| {
            let lrm = child_or_new(&mut self.document, state, "lrm");
            self.document.set(lrm, "id", id);
            let resources = child_or_new(&mut self.document, lrm, "lrm_resources");
            let resource = self.document.append(resources, "lrm_resource");
            self.document.set(resource, "id", &result.resource);
            if let Some(index) = self.nodes.get_mut(id) {
                index.resources.insert(result.resource.clone(), resource);
            }
            resource
        });
        set_all(&mut self.document, resource, &[("class", &result.class)]);
        match &result.provider {
            Some(provider) => self.document.set(resource, "provider", provider),
            None => self.document.unset(resource, "provider"),
        }
        self.document.set(resource, "type", &result.kind);
        resource
    }

    /// Writes one entry: nothing of an earlier one of the same name stays.
    fn record(&mut self, resource: Element, entry_id: &str, result: &OpResult) {
        let changed_at = changed_at(&self.document, resource, entry_id, result);
        let document = &mut self.document;
        let element = entry(document, resource, entry_id).unwrap_or_else(|| document.append(resource, "lrm_rsc_op"));
        // A reload that worked is as good as a start, one that did not as a failed monitor.
        let operation = match (result.operation.as_str(), result.status) {
            ("reload" | "reload-agent", OpStatus::Done) => "start",
            ("reload" | "reload-agent", _) => "monitor",
            (other, _) => other,
        };
        let key = format!("{}_{}_{}", result.resource, operation, result.interval_ms);
        let transition_key =
            format!("{}:{}:{}:{}", result.number, result.transition, result.target_rc, result.coordinator);
        let (status, rc) = (result.status.number().to_string(), result.rc.to_string());
        let reason = if result.failed() { result.exit_reason.as_str() } else { "" };
        let mut attributes: Vec<(&str, String)> = vec![
            ("id", entry_id.into()),
            ("operation_key", key),
            ("operation", operation.into()),
            ("crm-debug-origin", ORIGIN.into()),
            ("crm_feature_set", FEATURE_SET.into()),
            ("transition-magic", format!("{status}:{rc};{transition_key}")),
            ("transition-key", transition_key),
            ("exit-reason", reason.into()),
            ("on_node", self_name(document, resource)),
            ("call-id", result.call_id.to_string()),
            ("rc-code", rc),
            ("op-status", status),
            ("interval", result.interval_ms.to_string()),
            ("last-rc-change", changed_at.to_string()),
            ("exec-time", result.ran_ms.to_string()),
            ("queue-time", result.queued_ms.to_string()),
        ];
        let mut optional = |name, value: Option<&String>| attributes.extend(value.map(|v| (name, v.clone())));
        optional("migrate_source", result.migrate_source.as_ref());
        optional("migrate_target", result.migrate_target.as_ref());
        optional("op-digest", result.digest.as_ref());
        optional("op-force-restart", result.restart.as_ref().map(|(names, _)| names));
        optional("op-restart-digest", result.restart.as_ref().map(|(_, digest)| digest));
        optional("op-secure-params", result.secure.as_ref().map(|(names, _)| names));
        optional("op-secure-digest", result.secure.as_ref().map(|(_, digest)| digest));

        let stale: Vec<String> = document
            .attributes(element)
            .filter(|(name, _)| !attributes.iter().any(|(new, _)| new == name))
            .map(|(name, _)| name.to_owned())
            .collect();
        stale.iter().for_each(|name| document.unset(element, name));
        attributes.iter().for_each(|(name, value)| document.set(element, name, value));
    }

    fn is_away(&self, id: &str) -> bool {
        self.nodes.get(id).is_some_and(|index| daemon_is_away(self.document.attribute(index.state, "crmd")))
    }

    pub(super) fn forget(&mut self, node: Option<&str>, resource: Option<&str>, failures_only: bool) -> Applied {
        let ids: Vec<String> = match node {
            Some(node) => vec![self.node_id(node)],
            None => self.nodes.keys().cloned().collect(),
        };
        let mut changed = false;
        for id in &ids {
            changed |= self.forget_on(id, resource, failures_only);
        }
        let node = node.is_some().then(|| ids.into_iter().next()).flatten();
        Applied { changed, node, resource: resource.map(str::to_owned), ..Applied::default() }
    }

    /// On a node that is away nobody can look. What may run there is known from its history alone, so of that only
    /// failures go, and only where something else is known.
    fn forget_on(&mut self, id: &str, wanted: Option<&str>, failures_only: bool) -> bool {
        let away = self.is_away(id);
        let matches = |resource: &str| wanted.is_none_or(|wanted| base(wanted) == base(resource));
        let mut changed = false;
        for name in failure::attributes(&self.document, self.nodes.get(id).map(|index| index.state)) {
            if failure::resource_of(&name).is_some_and(matches) {
                changed |= self.transient(id, &name, None);
            }
        }
        let Some(index) = self.nodes.get_mut(id) else { return changed };
        let document = &mut self.document;
        index.resources.retain(|resource, element| {
            if !matches(resource) {
                return true;
            }
            let failed: Vec<Element> =
                document.children(*element).filter(|entry| is_failed(document, *entry)).collect();
            // A failure that is also the last thing known of a resource leaves nothing to go by: it has to be probed.
            let last = entry(document, *element, &format!("{resource}_last_0"));
            let unknown = last.is_some_and(|last| failed.contains(&last));
            if away && unknown {
                return true;
            }
            if away || (failures_only && !unknown) {
                changed |= !failed.is_empty();
                failed.iter().for_each(|entry| document.remove(*entry));
                return true;
            }
            changed = true;
            document.remove(*element);
            false
        });
        changed
    }
}

/// Whether a node's state says that its daemon is not here. The states of guests and remote nodes do not say.
fn daemon_is_away(state: Option<&str>) -> bool {
    state.is_some_and(|text| match text.parse::<i64>() {
        Ok(since) => since <= 0,
        Err(_) => matches!(text, "offline" | "false" | "no"),
    })
}

/// Where a result is recorded: failures apart from what worked, so that neither hides the other.
fn entry_ids(result: &OpResult) -> Vec<String> {
    let named = |what: &str| format!("{}_{what}_0", result.resource);
    match result.operation.as_str() {
        // The sides of a migration are needed to tell how far it came, whatever comes after them.
        "migrate_to" | "migrate_from" => vec![result.key()],
        _ if result.failed() && result.interval_ms == 0 => vec![named("last_failure"), named("last")],
        _ if result.failed() => vec![named("last_failure")],
        _ if result.interval_ms > 0 => vec![result.key()],
        _ => vec![named("last")],
    }
}

/// The entry of this id.
fn entry(document: &Document, resource: Element, id: &str) -> Option<Element> {
    document.children(resource).find(|entry| document.id(*entry) == id)
}

/// When the result changed. The first success and a failure of one recurring operation share a call id, and readers
/// tell the later one by its time alone: within one second it is put a second later.
fn changed_at(document: &Document, resource: Element, entry_id: &str, result: &OpResult) -> i64 {
    if result.interval_ms == 0 {
        return result.started_at;
    }
    let call_id = result.call_id.to_string();
    document
        .children(resource)
        .filter(|entry| document.id(*entry) != entry_id && document.attribute(*entry, "call-id") == Some(&call_id))
        .filter_map(|entry| document.attribute(entry, "last-rc-change")?.parse::<i64>().ok())
        .fold(result.started_at, |at, other| at.max(other.saturating_add(1)))
}

/// Whether an entry tells of a failure: judged as when it was recorded.
fn is_failed(document: &Document, entry: Element) -> bool {
    let number = |name: &str| document.attribute(entry, name).and_then(|text| text.parse::<i64>().ok());
    let target = document
        .attribute(entry, "transition-key")
        .and_then(|key| key.split(':').nth(2))
        .and_then(|target| target.parse::<i64>().ok());
    match number("op-status").and_then(OpStatus::from_number) {
        Some(OpStatus::Pending | OpStatus::Cancelled) => false,
        Some(OpStatus::Done) => target.is_some() && number("rc-code") != target,
        Some(_) => true,
        None => false,
    }
}

/// The name of the node whose history this is.
fn self_name(document: &Document, resource: Element) -> String {
    let state =
        std::iter::successors(Some(resource), |at| document.parent(*at)).find(|e| document.name(*e) == "node_state");
    state.and_then(|state| document.attribute(state, "uname")).unwrap_or("").to_owned()
}

/// A resource without the number of its instance.
pub(super) fn base(resource: &str) -> &str {
    match resource.rsplit_once(':') {
        Some((base, number)) if !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()) => base,
        _ => resource,
    }
}
