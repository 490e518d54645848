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

use std::fmt::{self, Write as _};

use cib::document::{escape_attribute, is_name};
use cib::{Document, Element};

use crate::action::{Action, ActionKind, ClusterAction, Resource};
use crate::graph::{ActionId, Settings, Transition};

/// Whether a node of a `<maintenance>` list enters maintenance or leaves it.
const IN_MAINTENANCE: &str = "node_in_maintenance";

/// The transition as text: synapses in the transition's order, triggers by number. It is written piece by piece, as the
/// text of a large plan takes far more room than the plan.
///
/// ```
/// let transition = transition::Transition::default();
/// assert!(transition::xml::text(&transition).to_string().starts_with("<transition_graph "));
/// ```
pub fn text(transition: &Transition) -> impl fmt::Display {
    Text(transition)
}

struct Text<'t>(&'t Transition);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Text(transition) = *self;
        let root = start(transition);
        if transition.is_empty() {
            return f.write_str(&(root + "/>\n"));
        }
        f.write_str(&(root + ">\n"))?;
        // A synapse is put together before it is handed on: many small pieces would cost more than the text.
        let mut synapse = String::new();
        for (position, id) in transition.ids().enumerate() {
            synapse.clear();
            write_synapse(&mut synapse, transition, position, id);
            f.write_str(&synapse)?;
        }
        f.write_str("</transition_graph>\n")
    }
}

fn start(transition: &Transition) -> String {
    let Settings {
        cluster_delay,
        fencing_timeout,
        failed_stop_offset,
        failed_start_offset,
        batch_limit,
        migration_limit,
        transition_id,
        recheck_by,
    } = &transition.settings;
    let mut root = String::from("<transition_graph");
    put(&mut root, "cluster-delay", cluster_delay);
    put(&mut root, "fencing-timeout", fencing_timeout);
    put(&mut root, "failed-stop-offset", failed_stop_offset);
    put(&mut root, "failed-start-offset", failed_start_offset);
    if *batch_limit > 0 {
        put_number(&mut root, "batch-limit", *batch_limit);
    }
    put_number(&mut root, "transition_id", *transition_id);
    if let Some(limit) = migration_limit {
        put_number(&mut root, "migration-limit", *limit);
    }
    if let Some(date) = recheck_by {
        put_number(&mut root, "recheck-by", *date);
    }
    root
}

fn put(out: &mut String, name: &str, value: &str) {
    out.push(' ');
    out.push_str(name);
    out.push_str("=\"");
    escape_attribute(value, out);
    out.push('"');
}

fn put_number(out: &mut String, name: &str, number: impl fmt::Display) {
    let _ = write!(out, " {name}=\"{number}\"");
}

fn write_synapse(out: &mut String, transition: &Transition, position: usize, id: ActionId) {
    let action = transition.action(id);
    out.push_str("  <synapse");
    put_number(out, "id", position);
    if action.priority > 0 {
        put_number(out, "priority", action.priority);
    }
    out.push_str(">\n    <action_set>\n      ");
    write_name(out, action);
    write_details(out, action);
    out.push_str("    </action_set>\n");

    let mut before: Vec<&Action> = transition.inputs(id).map(|input| transition.action(input)).collect();
    before.extend(transition.missing(id));
    before.sort_by_key(|input| input.number);
    if before.is_empty() {
        out.push_str("    <inputs/>\n");
    } else {
        out.push_str("    <inputs>\n");
        for input in before {
            out.push_str("      <trigger>\n        ");
            write_name(out, input);
            out.push_str("/>\n      </trigger>\n");
        }
        out.push_str("    </inputs>\n");
    }
    out.push_str("  </synapse>\n");
}

/// The part of an action that triggers repeat: the element, not closed yet, and its attributes.
fn write_name(out: &mut String, action: &Action) {
    out.push('<');
    out.push_str(element_name(action.kind));
    let set =
        |out: &mut String, name: &str, value: Option<&str>| value.into_iter().for_each(|value| put(out, name, value));
    // `mode` is part of what a deletion is; what else there is tells only how it is done.
    set(out, "mode", action.extra.iter().find(|(name, _)| name == "mode").map(|(_, value)| value.as_str()));
    put_number(out, "id", action.number);
    put(out, "operation", &action.operation);
    put(out, "operation_key", &action.key);
    set(out, "internal_operation_key", action.internal_key.as_deref());
    set(out, "on_node", action.node.as_deref());
    set(out, "on_node_uuid", action.node_uuid.as_deref());
    set(out, "router_node", action.router_node.as_deref());
}

/// The rest of an action's element.
fn write_details(out: &mut String, action: &Action) {
    for (name, value) in action.extra.iter().filter(|(name, _)| name != "mode") {
        put(out, name, value);
    }
    out.push_str(">\n");
    if let Some(resource) = &action.resource {
        out.push_str("        <primitive");
        put(out, "id", &resource.id);
        resource.long_id.iter().for_each(|long_id| put(out, "long-id", long_id));
        put(out, "class", &resource.class);
        resource.provider.iter().for_each(|provider| put(out, "provider", provider));
        put(out, "type", &resource.kind);
        out.push_str("/>\n");
    }
    write_attributes(out, action);
    write_nodes(out, "downed", action.downed.iter().map(|id| (id, None)));
    write_nodes(out, "maintenance", action.maintenance.iter().map(|(id, begins)| (id, Some(*begins))));
    let _ = writeln!(out, "      </{}>", element_name(action.kind));
}

/// A list of nodes, each perhaps with whether it is in maintenance; nothing if there is none.
fn write_nodes<'a>(out: &mut String, name: &str, nodes: impl Iterator<Item = (&'a String, Option<bool>)>) {
    let mut nodes = nodes.peekable();
    if nodes.peek().is_none() {
        return;
    }
    let _ = writeln!(out, "        <{name}>");
    for (id, in_maintenance) in nodes {
        out.push_str("          <node");
        put(out, "id", id);
        if let Some(in_maintenance) = in_maintenance {
            put(out, IN_MAINTENANCE, if in_maintenance { "1" } else { "0" });
        }
        out.push_str("/>\n");
    }
    let _ = writeln!(out, "        </{name}>");
}

/// An action with nothing else to say has the element all the same.
fn write_attributes(out: &mut String, action: &Action) {
    out.push_str("        <attributes");
    // What XML has no such names for, those that begin with a digit among them, is written in another way.
    let is_param = |name: &str| !is_name(name);
    let mut params = false;
    for (name, value) in &action.attributes {
        match is_param(name) {
            true => params = true,
            false => put(out, name, value),
        }
    }
    if !params {
        out.push_str("/>\n");
        return;
    }
    out.push_str(">\n");
    for (name, value) in action.attributes.iter().filter(|(name, _)| is_param(name)) {
        out.push_str("          <param");
        put(out, "name", name);
        put(out, "value", value);
        out.push_str("/>\n");
    }
    out.push_str("        </attributes>\n");
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

/// Reads what [`text`] wrote, or what Pacemaker writes. A trigger that names an action outside the graph is never
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
                action.attributes = document.attributes(child).collect();
                for parameter in document.children_named(child, "param") {
                    let text = |name: &str| document.attribute(parameter, name).unwrap_or_default().to_owned();
                    action.attributes.insert(&text("name"), text("value"));
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

    fn write(transition: &Transition) -> Document {
        Document::parse(&text(transition).to_string()).expect("it is XML")
    }

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
        stop.attributes.insert("CRM_meta_timeout", "20000");
        stop.attributes.insert("port", "80");
        stop.attributes.insert("1", "a name that XML has not");
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
        let text = text(&plan).to_string();
        let read = read(&Document::parse(&text).unwrap()).unwrap();
        assert_eq!(read.settings, plan.settings);
        for (mine, theirs) in plan.ids().zip(read.ids()) {
            assert_eq!(plan.action(mine), read.action(theirs));
        }
        assert_eq!(super::text(&read).to_string(), text);
        assert_eq!(Document::parse(&text).unwrap().to_xml(), text, "it looks like every document");
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
