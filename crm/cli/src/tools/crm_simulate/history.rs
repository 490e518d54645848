//! Writing into a CIB's status as a running cluster would: states of nodes, results of operations, fail counts. It
//! writes what it is told and judges nothing.

use cib::{Document, Element, digest};

/// The feature set results are recorded with.
const FEATURE_SET: &str = "3.20.5";
/// A transition that never was: results of a simulation belong to none.
const NO_TRANSITION: &str = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
/// Who wrote it, in the elements that say so.
const ORIGIN: &str = "crm_simulate";

/// The agent a resource is run by.
#[derive(Clone, Copy, Debug)]
pub struct Agent<'a> {
    /// `ocf`, `systemd`, …
    pub class: &'a str,
    /// For `ocf`.
    pub provider: Option<&'a str>,
    /// Name.
    pub kind: &'a str,
}

/// One result.
#[derive(Clone, Copy, Debug)]
pub struct Outcome<'a> {
    /// The resource, by its name in the history.
    pub resource: &'a str,
    /// `start`, `monitor`, …
    pub operation: &'a str,
    /// Interval in milliseconds.
    pub interval_ms: u32,
    /// Exit status of the agent.
    pub rc: i32,
    /// Exit status that was wanted.
    pub target_rc: i32,
    /// Why, if it failed.
    pub reason: &'a str,
    /// Parameters and `CRM_meta_*`, where they are known.
    pub parameters: Option<&'a cib::Pairs>,
}

/// The `status` element, made if there is none.
pub fn status(cib: &mut Document) -> Element {
    let root = cib.root();
    cib.child(root, "status").unwrap_or_else(|| cib.append(root, "status"))
}

/// The state of a node, made if there is none. `id` is taken from the configuration where it is not given.
pub fn node_state(cib: &mut Document, name: &str, id: Option<&str>) -> Element {
    let status = status(cib);
    let states: Vec<Element> = cib.children_named(status, "node_state").collect();
    if let Some(state) = states.iter().find(|state| cib.attribute(**state, "uname") == Some(name)) {
        return *state;
    }
    let id = id.map(str::to_owned).or_else(|| configured_id(cib, name)).unwrap_or_else(|| name.to_owned());
    // A state may know its node's id only.
    let state = states.into_iter().find(|state| cib.id(*state) == id).unwrap_or_else(|| {
        let state = cib.append(status, "node_state");
        cib.set(state, "id", &id);
        state
    });
    cib.set(state, "uname", name);
    state
}

fn configured_id(cib: &Document, name: &str) -> Option<String> {
    let nodes = cib.descend(&["configuration", "nodes"])?;
    let mut nodes = cib.children_named(nodes, "node");
    nodes.find(|node| cib.attribute(*node, "uname") == Some(name)).map(|node| cib.id(node).to_owned())
}

/// Makes a node a member in good order, or one that left in good order.
pub fn set_node_up(cib: &mut Document, name: &str, up: bool) -> Element {
    let state = node_state(cib, name, None);
    let (in_ccm, crmd, join) = if up { ("true", "online", "member") } else { ("false", "offline", "down") };
    for (attribute, value) in
        [("in_ccm", in_ccm), ("crmd", crmd), ("join", join), ("expected", join), ("crm-debug-origin", ORIGIN)]
    {
        cib.set(state, attribute, value);
    }
    state
}

/// Forgets what a node ran and its transient attributes, as happens when it is gone.
pub fn forget_node(cib: &mut Document, name: &str) {
    let status = status(cib);
    let states: Vec<Element> = cib.children_named(status, "node_state").collect();
    for state in states {
        if cib.attribute(state, "uname") != Some(name) {
            continue;
        }
        let gone: Vec<Element> =
            cib.children(state).filter(|child| matches!(cib.name(*child), "lrm" | "transient_attributes")).collect();
        gone.into_iter().for_each(|child| cib.remove(child));
    }
}

/// The history of a resource on a node: under its instance's name if that exists, else under `name`; made if there is
/// none.
pub fn resource_history(cib: &mut Document, state: Element, instance: &str, name: &str, agent: Agent<'_>) -> Element {
    let known = |wanted: &str| {
        let lrm = cib.child(state, "lrm")?;
        cib.descendants(lrm).find(|element| cib.name(*element) == "lrm_resource" && cib.id(*element) == wanted)
    };
    if let Some(history) = known(instance).or_else(|| known(name)) {
        return history;
    }
    let id = cib.id(state).to_owned();
    let lrm = cib.child(state, "lrm").unwrap_or_else(|| {
        let lrm = cib.append(state, "lrm");
        cib.set(lrm, "id", &id);
        lrm
    });
    let list = cib.child(lrm, "lrm_resources").unwrap_or_else(|| cib.append(lrm, "lrm_resources"));
    let history = cib.append(list, "lrm_resource");
    cib.set(history, "id", name);
    cib.set(history, "class", agent.class);
    if let Some(provider) = agent.provider {
        cib.set(history, "provider", provider);
    }
    cib.set(history, "type", agent.kind);
    history
}

/// A node by its name alone, if the configuration has none of that name.
pub fn configure_node(cib: &mut Document, name: &str) {
    let Some(configuration) = cib.child(cib.root(), "configuration") else { return };
    let nodes = cib.child(configuration, "nodes").unwrap_or_else(|| cib.append(configuration, "nodes"));
    if cib.children_named(nodes, "node").any(|node| cib.attribute(node, "uname") == Some(name)) {
        return;
    }
    let node = cib.append(nodes, "node");
    cib.set(node, "id", name);
    cib.set(node, "uname", name);
}

/// Takes a recurring operation out of a resource's history.
pub fn forget_recurring(cib: &mut Document, history: Element, operation: &str, interval_ms: u32) {
    let interval = interval_ms.to_string();
    let gone = |entry: &Element| {
        cib.attribute(*entry, "operation") == Some(operation)
            && cib.attribute(*entry, "interval") == Some(interval.as_str())
    };
    let gone: Vec<Element> = cib.children_named(history, "lrm_rsc_op").filter(gone).collect();
    gone.into_iter().for_each(|entry| cib.remove(entry));
}

/// Records a result: under `last`, under its own name if it recurs or belongs to a migration, and under
/// `last_failure` if it is not as wanted.
pub fn record(cib: &mut Document, history: Element, node: &str, now: i64, outcome: &Outcome<'_>) {
    let Outcome { resource, interval_ms, .. } = *outcome;
    // A reload leaves the resource started with other parameters.
    let operation = match outcome.operation {
        "reload" | "reload-agent" => "start",
        other => other,
    };
    let meta = |name: &str| outcome.parameters.and_then(|all| all.get(&format!("CRM_meta_{name}")));
    let key = format!("{resource}_{operation}_{interval_ms}");
    let last = format!("{resource}_last_0");
    let migration = matches!(operation, "migrate_to" | "migrate_from");
    let notify = operation == "notify";
    // How a resource takes a notification never counts.
    let rc = if notify { 0 } else { outcome.rc };
    let failed = !notify && rc != outcome.target_rc;
    let ids = if notify {
        let word = |name: &str| meta(name).unwrap_or_default();
        vec![format!("{resource}_{}_notify_{}_0", word("notify_type"), word("notify_operation"))]
    } else if migration {
        vec![key.clone()]
    } else if failed {
        let mut ids = vec![format!("{resource}_last_failure_0")];
        ids.extend((interval_ms == 0).then_some(last));
        ids
    } else if interval_ms > 0 {
        vec![key.clone()]
    } else {
        vec![last]
    };

    let call = next_call(cib, history);
    let transition = format!("{call}:-1:{}:{NO_TRANSITION}", outcome.target_rc);
    for id in ids {
        let known = cib.children_named(history, "lrm_rsc_op").find(|entry| cib.id(*entry) == id);
        let entry = known.unwrap_or_else(|| cib.append(history, "lrm_rsc_op"));
        let mut set = |name: &str, value: &str| cib.set(entry, name, value);
        set("id", &id);
        set("operation_key", &key);
        set("operation", operation);
        set("crm-debug-origin", ORIGIN);
        set("crm_feature_set", FEATURE_SET);
        set("transition-key", &transition);
        set("transition-magic", &format!("0:{rc};{transition}"));
        set("exit-reason", if failed { outcome.reason } else { "" });
        set("on_node", node);
        set("call-id", &call.to_string());
        set("rc-code", &rc.to_string());
        set("op-status", "0");
        set("interval", &interval_ms.to_string());
        set("last-rc-change", &now.to_string());
        set("exec-time", "0");
        set("queue-time", "0");
        if migration {
            for name in ["migrate_source", "migrate_target"] {
                if let Some(value) = meta(name) {
                    set(name, value);
                }
            }
        }
        if let Some(parameters) = outcome.parameters {
            set("op-digest", &digest::all(parameters, u64::from(interval_ms)));
        }
    }
}

/// A call number above all the history has. Of a history that is there twice nobody can say which one counts, so it
/// begins anew.
fn next_call(cib: &Document, history: Element) -> i64 {
    let twins = cib
        .parent(history)
        .map_or(1, |list| cib.children(list).filter(|other| cib.id(*other) == cib.id(history)).count());
    if twins > 1 {
        return 1;
    }
    let calls = cib.children(history).filter_map(|entry| cib.attribute(entry, "call-id")?.parse().ok());
    calls.fold(0, i64::max) + 1
}

/// Counts a failure in the node's transient attributes; gives the names and values it wrote.
pub fn count_failure(
    cib: &mut Document,
    state: Element,
    resource: &str,
    operation: &str,
    interval_ms: u32,
    fatal: bool,
    now: i64,
) -> Vec<(String, String)> {
    let count_name = format!("fail-count-{resource}#{operation}_{interval_ms}");
    let counted: i64 = transient_attribute(cib, state, &count_name)
        .and_then(|pair| cib.attribute(pair, "value")?.parse().ok())
        .unwrap_or(0);
    let count = if fatal { "INFINITY".to_owned() } else { (counted + 1).to_string() };
    let written =
        vec![(count_name, count), (format!("last-failure-{resource}#{operation}_{interval_ms}"), now.to_string())];
    for (name, value) in &written {
        set_transient_attribute(cib, state, name, value);
    }
    written
}

fn transient_attribute(cib: &Document, state: Element, name: &str) -> Option<Element> {
    let attributes = cib.child(state, "transient_attributes")?;
    let sets = cib.children_named(attributes, "instance_attributes");
    sets.flat_map(|set| cib.children_named(set, "nvpair")).find(|pair| cib.attribute(*pair, "name") == Some(name))
}

fn set_transient_attribute(cib: &mut Document, state: Element, name: &str, value: &str) {
    if let Some(pair) = transient_attribute(cib, state, name) {
        return cib.set(pair, "value", value);
    }
    let id = cib.id(state).to_owned();
    let mut child = |parent: Element, tag: &str| {
        cib.child(parent, tag).unwrap_or_else(|| {
            let element = cib.append(parent, tag);
            cib.set(element, "id", &id);
            element
        })
    };
    let attributes = child(state, "transient_attributes");
    let set = child(attributes, "instance_attributes");
    let pair_id = format!("{}-{}", cib.id(set), name.replace('#', "."));
    let pair = cib.append(set, "nvpair");
    cib.set(pair, "id", &pair_id);
    cib.set(pair, "name", name);
    cib.set(pair, "value", value);
}

/// Sets an attribute of a ticket's state, made if there is none.
pub fn set_ticket(cib: &mut Document, ticket: &str, attribute: &str, value: bool) {
    let status = status(cib);
    let tickets = cib.child(status, "tickets").unwrap_or_else(|| cib.append(status, "tickets"));
    let known = cib.children_named(tickets, "ticket_state").find(|state| cib.id(*state) == ticket);
    let state = known.unwrap_or_else(|| {
        let state = cib.append(tickets, "ticket_state");
        cib.set(state, "id", ticket);
        state
    });
    cib.set(state, attribute, if value { "true" } else { "false" });
}

#[cfg(test)]
mod tests {
    use super::*;

    const AGENT: Agent<'static> = Agent { class: "ocf", provider: Some("heartbeat"), kind: "Dummy" };

    fn outcome(operation: &'static str, interval_ms: u32, rc: i32, target_rc: i32) -> Outcome<'static> {
        Outcome { resource: "web", operation, interval_ms, rc, target_rc, reason: "because", parameters: None }
    }

    fn entries(cib: &Document, history: Element) -> Vec<String> {
        let entry = |entry: Element| {
            let value = |name| cib.attribute(entry, name).unwrap_or("-");
            format!("{} {} rc={} call={}", cib.id(entry), value("operation"), value("rc-code"), value("call-id"))
        };
        cib.children(history).map(entry).collect()
    }

    #[test]
    fn results_go_where_the_next_plan_looks_for_them() {
        let mut cib = Document::parse("<cib/>").unwrap();
        let state = node_state(&mut cib, "one", Some("1"));
        let history = resource_history(&mut cib, state, "web:0", "web", AGENT);
        for outcome in [
            outcome("monitor", 0, 7, 7),
            outcome("start", 0, 0, 0),
            outcome("monitor", 10_000, 0, 0),
            outcome("migrate_to", 0, 0, 0),
            outcome("stop", 0, 1, 0),
        ] {
            record(&mut cib, history, "one", 0, &outcome);
        }
        assert_eq!(
            entries(&cib, history),
            [
                "web_last_0 stop rc=1 call=5",
                "web_monitor_10000 monitor rc=0 call=3",
                "web_migrate_to_0 migrate_to rc=0 call=4",
                "web_last_failure_0 stop rc=1 call=5",
            ]
        );
        assert_eq!(resource_history(&mut cib, state, "web:0", "web", AGENT), history);
    }

    #[test]
    fn a_state_without_a_name_is_found_by_its_id() {
        let mut cib = Document::parse(
            r#"<cib><configuration><nodes><node id="1" uname="one"/></nodes></configuration><status><node_state id="1"/></status></cib>"#,
        )
        .unwrap();
        let state = set_node_up(&mut cib, "one", true);
        let status = status(&mut cib);
        assert_eq!(cib.children(status).collect::<Vec<_>>(), [state]);
        assert_eq!((cib.attribute(state, "uname"), cib.attribute(state, "join")), (Some("one"), Some("member")));
    }

    #[test]
    fn failures_add_up_and_are_forgotten_with_the_node() {
        let mut cib = Document::parse("<cib/>").unwrap();
        let state = node_state(&mut cib, "one", Some("1"));
        let mut count = |fatal| count_failure(&mut cib, state, "web", "monitor", 10, fatal, 5)[0].1.clone();
        assert_eq!([count(false), count(false), count(true)], ["1", "2", "INFINITY"]);
        forget_node(&mut cib, "one");
        assert_eq!(transient_attribute(&cib, state, "fail-count-web#monitor_10"), None);
    }
}
