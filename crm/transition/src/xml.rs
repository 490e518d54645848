//! A transition as Pacemaker's XML: written for tools and records, read back for tests. It neither plans nor walks.
//!
//! ```text
//! <transition_graph cluster-delay="60s" … transition_id="1">
//!   <synapse id="0" priority="5">
//!     <action_set> one action with all that is known of it </action_set>
//!     <inputs> one <trigger> for each action that comes before, by name only </inputs>
//!   </synapse>
//! </transition_graph>
//! ```

use cib::{Document, Element};

use crate::action::{Action, ActionKind, ClusterAction, Resource};
use crate::graph::{ActionId, Settings, Transition};

/// Whether a node of a `<maintenance>` list enters maintenance or leaves it.
const IN_MAINTENANCE: &str = "node_in_maintenance";

/// Writes the transition; synapses in the transition's order, triggers by number.
pub fn write(transition: &Transition) -> Document {
    let mut document = Document::new("transition_graph");
    let root = document.root();
    write_settings(&mut document, root, &transition.settings);
    for (position, id) in transition.ids().enumerate() {
        write_synapse(&mut document, root, transition, position, id);
    }
    document
}

fn write_settings(document: &mut Document, root: Element, settings: &Settings) {
    document.set(root, "cluster-delay", &settings.cluster_delay);
    document.set(root, "fencing-timeout", &settings.fencing_timeout);
    document.set(root, "failed-stop-offset", &settings.failed_stop_offset);
    document.set(root, "failed-start-offset", &settings.failed_start_offset);
    if settings.batch_limit > 0 {
        document.set(root, "batch-limit", &settings.batch_limit.to_string());
    }
    document.set(root, "transition_id", &settings.transition_id.to_string());
    if let Some(limit) = settings.migration_limit {
        document.set(root, "migration-limit", &limit.to_string());
    }
    if let Some(date) = settings.recheck_by {
        document.set(root, "recheck-by", &date.to_string());
    }
}

fn write_synapse(document: &mut Document, root: Element, transition: &Transition, position: usize, id: ActionId) {
    let action = transition.action(id);
    let synapse = document.append(root, "synapse");
    document.set(synapse, "id", &position.to_string());
    if action.priority > 0 {
        document.set(synapse, "priority", &action.priority.to_string());
    }
    let set = document.append(synapse, "action_set");
    let element = write_name(document, set, action);
    write_details(document, element, action);

    let inputs = document.append(synapse, "inputs");
    let mut before: Vec<&Action> = transition.inputs(id).map(|input| transition.action(input)).collect();
    before.extend(transition.missing(id));
    before.sort_by_key(|input| input.number);
    for input in before {
        let trigger = document.append(inputs, "trigger");
        write_name(document, trigger, input);
    }
}

/// The part of an action that triggers repeat: the element and its attributes.
fn write_name(document: &mut Document, parent: Element, action: &Action) -> Element {
    let element = document.append(parent, element_name(action.kind));
    let mut set = |name: &str, value: Option<&str>| {
        if let Some(value) = value {
            document.set(element, name, value);
        }
    };
    // `mode` is part of what a deletion is; what else there is tells only how it is done.
    set("mode", action.extra.iter().find(|(name, _)| name == "mode").map(|(_, value)| value.as_str()));
    set("id", Some(&action.number.to_string()));
    set("operation", Some(&action.operation));
    set("operation_key", Some(&action.key));
    set("internal_operation_key", action.internal_key.as_deref());
    set("on_node", action.node.as_deref());
    set("on_node_uuid", action.node_uuid.as_deref());
    set("router_node", action.router_node.as_deref());
    element
}

fn write_details(document: &mut Document, element: Element, action: &Action) {
    for (name, value) in action.extra.iter().filter(|(name, _)| name != "mode") {
        document.set(element, name, value);
    }
    if let Some(resource) = &action.resource {
        let primitive = document.append(element, "primitive");
        document.set(primitive, "id", &resource.id);
        if let Some(long_id) = &resource.long_id {
            document.set(primitive, "long-id", long_id);
        }
        document.set(primitive, "class", &resource.class);
        if let Some(provider) = &resource.provider {
            document.set(primitive, "provider", provider);
        }
        document.set(primitive, "type", &resource.kind);
    }
    // An action with nothing else to say has the element all the same.
    let attributes = document.append(element, "attributes");
    for (name, value) in &action.attributes {
        if name.starts_with(|first: char| first.is_ascii_digit()) {
            // XML has no such names for attributes.
            let parameter = document.append(attributes, "param");
            document.set(parameter, "name", name);
            document.set(parameter, "value", value);
        } else {
            document.set(attributes, name, value);
        }
    }
    let downed = action.downed.iter().map(|id| (id, None));
    write_nodes(document, element, "downed", downed);
    let maintenance = action.maintenance.iter().map(|(id, begins)| (id, Some(*begins)));
    write_nodes(document, element, "maintenance", maintenance);
}

/// A list of nodes, each perhaps with whether it is in maintenance; nothing if there is none.
fn write_nodes<'a>(
    document: &mut Document,
    action: Element,
    name: &str,
    nodes: impl Iterator<Item = (&'a String, Option<bool>)>,
) {
    let mut nodes = nodes.peekable();
    if nodes.peek().is_none() {
        return;
    }
    let list = document.append(action, name);
    for (id, in_maintenance) in nodes {
        let node = document.append(list, "node");
        document.set(node, "id", id);
        if let Some(in_maintenance) = in_maintenance {
            document.set(node, IN_MAINTENANCE, if in_maintenance { "1" } else { "0" });
        }
    }
}

fn element_name(kind: ActionKind) -> &'static str {
    match kind {
        ActionKind::Resource => "rsc_op",
        ActionKind::Pseudo => "pseudo_event",
        ActionKind::Cluster(_) => "crm_event",
    }
}

/// Why a document is not a transition that can be read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReadError {
    /// What was expected, and where.
    pub message: String,
}

impl std::fmt::Display for ReadError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ReadError {}

fn wrong(message: String) -> ReadError {
    ReadError { message }
}

/// Reads what [`write`] wrote, or what Pacemaker writes. A trigger that names an action outside the graph is never
/// pulled: what waits for it waits for the next plan.
pub fn read(document: &Document) -> Result<Transition, ReadError> {
    let root = document.root();
    if document.name(root) != "transition_graph" {
        return Err(wrong(format!("expected <transition_graph>, found <{}>", document.name(root))));
    }
    let mut transition = Transition::new(read_settings(document)?);
    let mut synapses = Vec::new();
    for synapse in document.children_named(root, "synapse") {
        let mut ids = Vec::new();
        for set in document.children_named(synapse, "action_set") {
            for element in document.children(set) {
                let mut action = read_action(document, element)?;
                action.priority =
                    document.attribute(synapse, "priority").and_then(|text| text.parse().ok()).unwrap_or(0);
                ids.push(transition.add(action));
            }
        }
        synapses.push((synapse, ids));
    }
    let by_number: std::collections::BTreeMap<u32, ActionId> =
        transition.ids().map(|id| (transition.action(id).number, id)).collect();
    if by_number.len() != transition.len() {
        return Err(wrong("two actions have the same id; each needs its own".to_owned()));
    }
    for (synapse, ids) in synapses {
        for inputs in document.children_named(synapse, "inputs") {
            for trigger in document.children_named(inputs, "trigger") {
                for element in document.children(trigger) {
                    let number = read_number(document, element)?;
                    match by_number.get(&number) {
                        Some(first) => ids.iter().for_each(|then| transition.order(*first, *then)),
                        None => {
                            let missing = read_action(document, element)?;
                            ids.iter().for_each(|then| transition.order_after_missing(missing.clone(), *then));
                        }
                    }
                }
            }
        }
    }
    Ok(transition)
}

fn read_settings(document: &Document) -> Result<Settings, ReadError> {
    let root = document.root();
    let text = |name: &str| document.attribute(root, name).unwrap_or_default().to_owned();
    let number = |name: &str| -> Result<Option<i64>, ReadError> {
        let Some(value) = document.attribute(root, name) else { return Ok(None) };
        let value =
            value.parse().map_err(|_| wrong(format!("{name}=\"{value}\" of <transition_graph> is no number")))?;
        Ok(Some(value))
    };
    let limit = |name: &str| Ok(number(name)?.and_then(|value| u32::try_from(value).ok()));
    Ok(Settings {
        cluster_delay: text("cluster-delay"),
        fencing_timeout: text("fencing-timeout"),
        failed_stop_offset: text("failed-stop-offset"),
        failed_start_offset: text("failed-start-offset"),
        batch_limit: limit("batch-limit")?.unwrap_or(0),
        migration_limit: limit("migration-limit")?,
        transition_id: limit("transition_id")?.unwrap_or(1),
        recheck_by: number("recheck-by")?,
    })
}

fn read_number(document: &Document, element: Element) -> Result<u32, ReadError> {
    let id = document.attribute(element, "id").unwrap_or_default();
    id.parse().map_err(|_| wrong(format!("<{}> needs a number as its id, it has \"{id}\"", document.name(element))))
}

fn read_action(document: &Document, element: Element) -> Result<Action, ReadError> {
    let number = read_number(document, element)?;
    let operation = document.attribute(element, "operation").unwrap_or_default();
    let kind = match document.name(element) {
        "rsc_op" => ActionKind::Resource,
        "pseudo_event" => ActionKind::Pseudo,
        "crm_event" => ActionKind::Cluster(match operation {
            "stonith" => ClusterAction::Fence,
            "do_shutdown" => ClusterAction::Shutdown,
            "clear_failcount" => ClusterAction::ClearFailcount,
            "lrm_delete" => ClusterAction::ForgetHistory,
            other => return Err(wrong(format!("<crm_event id=\"{number}\">: operation \"{other}\" is not known"))),
        }),
        other => return Err(wrong(format!("expected <rsc_op>, <pseudo_event> or <crm_event>, found <{other}>"))),
    };
    let key = document.attribute(element, "operation_key").unwrap_or_default();
    let mut action = Action::new(number, kind, operation, key.to_owned());
    for (name, value) in document.attributes(element) {
        let value = value.to_owned();
        match name {
            "id" | "operation" | "operation_key" => {}
            "internal_operation_key" => action.internal_key = Some(value),
            "on_node" => action.node = Some(value),
            "on_node_uuid" => action.node_uuid = Some(value),
            "router_node" => action.router_node = Some(value),
            other => action.extra.push((other.to_owned(), value)),
        }
    }
    for child in document.children(element) {
        let nodes = || document.children(child).map(|node| (node, document.id(node).to_owned()));
        match document.name(child) {
            "primitive" => action.resource = Some(read_resource(document, child)),
            "attributes" => {
                let pairs = document.attributes(child).map(|(name, value)| (name.to_owned(), value.to_owned()));
                action.attributes = pairs.collect();
                for parameter in document.children_named(child, "param") {
                    let text = |name: &str| document.attribute(parameter, name).unwrap_or_default().to_owned();
                    action.attributes.insert(text("name"), text("value"));
                }
            }
            "downed" => action.downed = nodes().map(|(_, id)| id).collect(),
            "maintenance" => {
                let begins = |node| document.attribute(node, IN_MAINTENANCE) != Some("0");
                action.maintenance = nodes().map(|(node, id)| (id, begins(node))).collect();
            }
            _ => {}
        }
    }
    Ok(action)
}

fn read_resource(document: &Document, element: Element) -> Resource {
    let text = |name: &str| document.attribute(element, name).map(str::to_owned);
    Resource {
        id: text("id").unwrap_or_default(),
        long_id: text("long-id"),
        class: text("class").unwrap_or_default(),
        provider: text("provider"),
        kind: text("type").unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small_plan() -> Transition {
        let mut plan = Transition::new(Settings {
            cluster_delay: "60s".into(),
            fencing_timeout: "90s".into(),
            failed_stop_offset: "INFINITY".into(),
            failed_start_offset: "1".into(),
            transition_id: 1,
            recheck_by: Some(1_700_000_000),
            ..Settings::default()
        });
        let mut stop = Action::new(7, ActionKind::Resource, "stop", "web_stop_0".into());
        stop.internal_key = Some("web:1_stop_0".into());
        stop.node = Some("one".into());
        stop.node_uuid = Some("1".into());
        stop.router_node = Some("two".into());
        stop.resource = Some(Resource {
            id: "web".into(),
            long_id: Some("web:1".into()),
            class: "ocf".into(),
            provider: Some("heartbeat".into()),
            kind: "apache".into(),
        });
        stop.attributes.insert("CRM_meta_timeout".into(), "20000".into());
        stop.attributes.insert("port".into(), "80".into());
        stop.attributes.insert("1".into(), "a name that XML has not".into());
        stop.extra = vec![("shutdown-lock".into(), "12".into())];
        stop.priority = 5;
        let mut leave =
            Action::new(3, ActionKind::Cluster(ClusterAction::Shutdown), "do_shutdown", "do_shutdown-one".into());
        leave.downed = vec!["1".into()];
        let stopped = Action::new(9, ActionKind::Pseudo, "stopped", "web-clone_stopped_0".into());
        let [stop, leave, stopped] = [stop, leave, stopped].map(|action| plan.add(action));
        plan.order(stop, stopped);
        plan.order(leave, stopped);
        plan.order(stop, leave);
        plan
    }

    #[test]
    fn triggers_repeat_the_name_of_what_comes_before_in_the_order_of_numbers() {
        let document = write(&small_plan());
        let synapses: Vec<Element> = document.children(document.root()).collect();
        let triggers: Vec<String> = document
            .descendants(synapses[2])
            .filter(|element| document.name(*element) == "trigger")
            .map(|trigger| document.element_to_xml(document.children(trigger).next().unwrap()).trim().to_owned())
            .collect();
        assert_eq!(
            triggers,
            [
                r#"<crm_event id="3" operation="do_shutdown" operation_key="do_shutdown-one"/>"#,
                concat!(
                    r#"<rsc_op id="7" operation="stop" operation_key="web_stop_0" internal_operation_key="web:1_stop_0""#,
                    r#" on_node="one" on_node_uuid="1" router_node="two"/>"#
                ),
            ]
        );
    }

    #[test]
    fn only_a_positive_priority_is_written() {
        let document = write(&small_plan());
        let priorities: Vec<Option<&str>> =
            document.children(document.root()).map(|synapse| document.attribute(synapse, "priority")).collect();
        assert_eq!(priorities, [Some("5"), None, None]);
    }

    #[test]
    fn what_is_written_reads_back_the_same() {
        let plan = small_plan();
        let text = write(&plan).to_xml();
        let read = read(&Document::parse(&text).unwrap()).unwrap();
        assert_eq!(read.settings, plan.settings);
        for (mine, theirs) in plan.ids().zip(read.ids()) {
            assert_eq!(plan.action(mine), read.action(theirs));
        }
        assert_eq!(write(&read).to_xml(), text);
    }

    #[test]
    fn what_is_no_transition_is_refused_with_its_reason() {
        let cases = [
            ("<cib/>", "expected <transition_graph>"),
            (r#"<transition_graph transition_id="x"/>"#, "is no number"),
            (
                "<transition_graph><synapse><action_set><rsc_op/></action_set></synapse></transition_graph>",
                "needs a number as its id",
            ),
            (
                r#"<transition_graph><synapse><action_set><crm_event id="1" operation="dance"/></action_set></synapse></transition_graph>"#,
                "\"dance\" is not known",
            ),
        ];
        for (text, expected) in cases {
            let error = read(&Document::parse(text).unwrap()).unwrap_err();
            assert!(error.message.contains(expected), "{text}: {error}");
        }
    }
}
