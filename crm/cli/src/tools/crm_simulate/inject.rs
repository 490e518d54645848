//! Changing the input before planning: nodes that come and go, results, quorum, tickets.

use cib::{Document, Element};
use policy::Cluster;

use super::history::{self, Agent, Outcome};
use super::options::{Operation, Options};
use super::step::{NodeStep, Step, Tell, TicketStep};

/// Makes all changes the options ask for and tells them; the answer is what could not be done.
pub fn inject(cib: &mut Document, cluster: &Cluster, options: &Options, now: i64, told: &mut dyn Tell) -> Vec<String> {
    if let Some(quorum) = &options.quorum {
        told.step(&Step::Quorum(quorum));
        let root = cib.root();
        cib.set(root, "have-quorum", quorum);
    }
    if let Some(watchdog) = &options.watchdog {
        told.step(&Step::Watchdog(watchdog));
        set_property(cib, "have-watchdog", watchdog);
    }
    if !options.node_up.is_empty() {
        let nodes = [&options.node_up, &options.node_down, &options.node_fail].into_iter().flatten();
        nodes.for_each(|node| history::configure_node(cib, node));
        options.op_inject.iter().filter_map(|text| text.parse::<Operation>().ok()).for_each(|operation| {
            history::configure_node(cib, &operation.node);
        });
    }
    for node in &options.node_up {
        told.step(&Step::Node(NodeStep::Up, node));
        history::set_node_up(cib, node, true);
    }
    for node in &options.node_down {
        told.step(&Step::Node(NodeStep::Down, node));
        history::set_node_up(cib, node, false);
        history::forget_node(cib, node);
    }
    for node in &options.node_fail {
        told.step(&Step::Node(NodeStep::Fail, node));
        let state = history::set_node_up(cib, node, true);
        cib.set(state, "in_ccm", "false");
    }
    let tickets = [
        (&options.ticket_grant, TicketStep::Grant, "granted", true),
        (&options.ticket_revoke, TicketStep::Revoke, "granted", false),
        (&options.ticket_standby, TicketStep::Standby, "standby", true),
        (&options.ticket_activate, TicketStep::Activate, "standby", false),
    ];
    for (names, step, attribute, value) in tickets {
        for ticket in names {
            told.step(&Step::Ticket(step, ticket));
            history::set_ticket(cib, ticket, attribute, value);
        }
    }
    let mut complaints = Vec::new();
    for text in &options.op_inject {
        told.step(&Step::Result(text));
        let outcome = text.parse().and_then(|operation| inject_result(cib, cluster, &operation, now, told));
        complaints.extend(outcome.err());
    }
    complaints
}

/// Writes a result as if it had just come in. The error says why it could not be done; nothing was changed then.
pub fn inject_result(
    cib: &mut Document,
    cluster: &Cluster,
    operation: &Operation,
    now: i64,
    told: &mut dyn Tell,
) -> Result<(), String> {
    let known = cluster.resources.iter().find(|resource| {
        resource.is_primitive()
            && (resource.id == operation.resource || resource.history_id.as_deref() == Some(&operation.resource))
    });
    let Some(resource) = known else {
        return Err(format!("Invalid resource name: {}", operation.resource));
    };
    let Operation { interval_ms, rc, .. } = *operation;
    let state = history::node_state(cib, &operation.node, None);
    if rc != 0 && !(rc == 7 && interval_ms == 0) {
        let fatal = match operation.operation.as_str() {
            "stop" => true,
            "start" => cluster.options.start_failure_fatal,
            _ => false,
        };
        let name = &operation.resource;
        let written = history::count_failure(cib, state, name, &operation.operation, interval_ms, fatal, now);
        for (name, value) in written {
            told.step(&Step::Attribute { name: &name, value: &value, node: cib.id(state) });
        }
    }
    let agent = Agent { class: &resource.class, provider: resource.provider.as_deref(), kind: &resource.agent };
    let history = history::resource_history(cib, state, &operation.resource, &operation.resource, agent);
    let outcome = Outcome {
        resource: &operation.resource,
        operation: &operation.operation,
        interval_ms,
        rc,
        target_rc: 0,
        reason: "Simulated action result",
        parameters: None,
    };
    history::record(cib, history, &operation.node, now, &outcome);
    Ok(())
}

/// Sets a cluster property in the first set of properties, made if there is none.
fn set_property(cib: &mut Document, name: &str, value: &str) {
    let root = cib.root();
    let mut child = |parent: Element, tag: &str, id: Option<&str>| {
        cib.child(parent, tag).unwrap_or_else(|| {
            let element = cib.append(parent, tag);
            if let Some(id) = id {
                cib.set(element, "id", id);
            }
            element
        })
    };
    let configuration = child(root, "configuration", None);
    let options = child(configuration, "crm_config", None);
    let set = child(options, "cluster_property_set", Some("cib-bootstrap-options"));
    let known = cib.children_named(set, "nvpair").find(|pair| cib.attribute(*pair, "name") == Some(name));
    let pair = known.unwrap_or_else(|| {
        let id = format!("{}-{name}", cib.id(set));
        let pair = cib.append(set, "nvpair");
        cib.set(pair, "id", &id);
        cib.set(pair, "name", name);
        pair
    });
    cib.set(pair, "value", value);
}
