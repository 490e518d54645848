//! To schema 3.0: old spellings of options, defaults that were cluster properties, settings of operations that were
//! written among their parameters.

use super::draft::{Draft, add_pair, child_or_new, pairs};
use crate::document::{Document, Element};
use crate::rule;

/// What becomes of a pair.
#[derive(Copy, Clone)]
enum Fate {
    /// It keeps its value under this name.
    Rename(&'static str),
    /// It becomes this name and value.
    Replace(&'static str, &'static str),
    /// It becomes what stands behind this prefix, under this name.
    RenameBehind(&'static str, &'static str),
    /// It moves to the defaults in this section, under this name.
    Default(&'static str, &'static str),
    /// The same with this value.
    DefaultOf(&'static str, &'static str, &'static str),
    /// It is gone.
    Drop,
}

use Fate::{Default, DefaultOf, Drop, Rename, RenameBehind, Replace};

/// Name, values it is about (any if none are said), fate. The first line that fits counts.
type Table = [(&'static str, &'static [&'static str], Fate)];

/// Cluster properties that were once written with underscores.
const UNDERSCORED: [&str; 12] = [
    "cluster-recheck-interval",
    "dc-deadtime",
    "election-timeout",
    "no-quorum-policy",
    "remove-after-stop",
    "shutdown-escalation",
    "startup-fencing",
    "stonith-action",
    "stonith-enabled",
    "stop-orphan-actions",
    "stop-orphan-resources",
    "symmetric-cluster",
];

/// Cluster properties, all with dashes: the same with underscores counts as well.
const PROPERTIES: &Table = &[
    ("cluster-infrastructure", &["heartbeat", "openais", "classic openais", "cman"], Drop),
    ("cluster-infrastructure", &["classic openais (with plugin)"], Drop),
    ("default-action-timeout", &[], Default("op_defaults", "timeout")),
    ("default-resource-stickiness", &[], Default("rsc_defaults", "resource-stickiness")),
    ("is-managed-default", &[], Default("rsc_defaults", "is-managed")),
    ("default-resource-failure-stickiness", &["-INFINITY"], DefaultOf("rsc_defaults", "migration-threshold", "1")),
    ("default-resource-failure-stickiness", &[], Drop),
    ("default-migration-threshold", &[], Drop),
    ("expected-quorum-votes", &[], Drop),
    ("notification-agent", &[], Drop),
    ("notification-recipient", &[], Drop),
    ("transition-idle-timeout", &[], Rename("cluster-delay")),
];

/// Parameters of fence devices.
const PARAMETERS: &Table = &[
    ("pcmk_list_cmd", &[], Rename("pcmk_list_action")),
    ("pcmk_monitor_cmd", &[], Rename("pcmk_monitor_action")),
    ("pcmk_off_cmd", &[], Rename("pcmk_off_action")),
    ("pcmk_on_cmd", &[], Rename("pcmk_on_action")),
    ("pcmk_reboot_cmd", &[], Rename("pcmk_reboot_action")),
    ("pcmk_status_cmd", &[], Rename("pcmk_status_action")),
    ("pcmk_arg_map", &[], RenameBehind("port:", "pcmk_host_argument")),
];

/// Meta attributes of primitives and templates. What was to run isolated must not run without its wall.
const META: &Table = &[
    ("isolation", &[], Replace("target-role", "Stopped")),
    ("isolation-host", &[], Replace("target-role", "Stopped")),
    ("isolation-instance", &[], Replace("target-role", "Stopped")),
    ("isolation-wrapper", &[], Replace("target-role", "Stopped")),
    ("resource-failure-stickiness", &["-INFINITY"], Replace("migration-threshold", "1")),
    ("resource-failure-stickiness", &[], Drop),
    ("resource_failure_stickiness", &["-INFINITY"], Replace("migration-threshold", "1")),
    ("resource_failure_stickiness", &[], Drop),
];

/// What says how an operation is run, and is no parameter of it.
const OPERATION_META: [&str; 7] =
    ["interval-origin", "start-delay", "enabled", "on-fail", "record-pending", "role", "timeout"];

pub(super) fn apply(draft: &mut Draft<'_>) {
    let Some(configuration) = draft.document().child(draft.document().root(), "configuration") else { return };
    if let Some(config) = draft.document().child(configuration, "crm_config") {
        let sets: Vec<Element> = draft.document().children_named(config, "cluster_property_set").collect();
        for set in sets {
            for pair in pairs(draft.document(), set) {
                property(draft, configuration, set, pair);
            }
        }
    }
    let Some(resources) = draft.document().child(configuration, "resources") else { return };
    let document = draft.document();
    let is_made_of_operations = |e: &Element| matches!(document.name(*e), "primitive" | "template");
    let resources: Vec<Element> = document.descendants(resources).filter(is_made_of_operations).collect();
    for resource in resources {
        for (kind, table) in [("instance_attributes", PARAMETERS), ("meta_attributes", META)] {
            let sets: Vec<Element> = draft.document().children_named(resource, kind).collect();
            for set in sets {
                for pair in pairs(draft.document(), set) {
                    let Some((name, value)) = name_and_value(draft.document(), pair) else { continue };
                    if let Some(fate) = look_up(table, &name, &value) {
                        meet(draft, pair, &name, &value, fate);
                    }
                }
            }
        }
        operations(draft, resource);
    }
}

fn property(draft: &mut Draft<'_>, configuration: Element, set: Element, pair: Element) {
    let Some((name, value)) = name_and_value(draft.document(), pair) else { return };
    let dashed = name.replace('_', "-");
    if name != dashed
        && let Some(new) = UNDERSCORED.iter().find(|known| **known == dashed)
    {
        meet(draft, pair, &name, &value, Rename(new));
        return;
    }
    let (section, new, value) = match look_up(PROPERTIES, &dashed, &value) {
        None => return,
        Some(Default(section, new)) => (section, new, value),
        Some(DefaultOf(section, new, value)) => (section, new, value.to_owned()),
        Some(fate) => return meet(draft, pair, &name, &value, fate),
    };
    let document = draft.change(pair, format!("{name} is {new} in {section} now"));
    let section = child_or_new(document, configuration, section);
    add_meta(document, set, section, new, &value);
    document.remove(pair);
}

/// Renames, replaces or drops a pair where it stands.
fn meet(draft: &mut Draft<'_>, pair: Element, name: &str, value: &str, fate: Fate) {
    match fate {
        Rename(new) => draft.change(pair, format!("{name} is called {new} now")).set(pair, "name", new),
        Replace(new, text) => {
            let document = draft.change(pair, format!("{name}={value} is {new}={text} now"));
            document.set(pair, "name", new);
            document.set(pair, "value", text);
        }
        RenameBehind(prefix, new) if value.starts_with(prefix) => {
            let document = draft.change(pair, format!("{name} is called {new} now"));
            document.set(pair, "name", new);
            document.set(pair, "value", &value[prefix.len()..]);
        }
        RenameBehind(..) | Default(..) | DefaultOf(..) | Drop => {
            draft.remove(pair, format!("{name} is no longer supported"));
        }
    }
}

/// Settings of operations: what a start `requires` is a matter of the resource, and the last operation that says so
/// decides; the rest of what was written among parameters is a matter of the operation.
fn operations(draft: &mut Draft<'_>, resource: Element) {
    let document = draft.document();
    let Some(operations) = document.child(resource, "operations") else { return };
    let mut operations: Vec<Element> = document.children_named(operations, "op").collect();
    operations.reverse();
    for op in operations {
        let starts = matches!(draft.document().attribute(op, "name"), Some("start" | "promote"));
        if let Some(requires) = draft.document().attribute(op, "requires").map(str::to_owned) {
            let document = draft.change(op, requires_moved(starts));
            document.unset(op, "requires");
            if starts {
                add_meta(document, op, resource, "requires", &requires);
            }
        }
        for kind in ["meta_attributes", "instance_attributes"] {
            let mut sets: Vec<Element> = draft.document().children_named(op, kind).collect();
            sets.reverse();
            for set in sets {
                for pair in pairs(draft.document(), set) {
                    let Some((name, value)) = name_and_value(draft.document(), pair) else { continue };
                    if name == "requires" {
                        let document = draft.change(pair, requires_moved(starts));
                        if starts {
                            add_meta(document, set, resource, "requires", &value);
                        }
                        document.remove(pair);
                    } else if kind == "instance_attributes" && OPERATION_META.contains(&name.as_str()) {
                        let document = draft.change(pair, format!("{name} is a meta attribute of the operation now"));
                        add_meta(document, set, op, &name, &value);
                        document.remove(pair);
                    }
                }
            }
        }
    }
}

fn requires_moved(starts: bool) -> &'static str {
    match starts {
        true => "requires is a meta attribute of the resource now",
        false => "requires was never heeded here",
    }
}

/// Adds a meta attribute to `parent`, unless it has one of that name. What came `from` a set with a rule goes into a set
/// of its own with the same rule.
fn add_meta(document: &mut Document, from: Element, parent: Element, name: &str, value: &str) {
    let rule = document.child(from, "rule").and_then(|rule| rule::resolve(document, rule));
    let owner = match (document.id(parent), document.id(from)) {
        (_, from) if rule.is_some() => from.to_owned(),
        ("", _) => document.name(parent).to_owned(),
        (id, _) => id.to_owned(),
    };
    let id = format!("{owner}-upgraded-meta");
    let known = document.children_named(parent, "meta_attributes").find(|set| match rule {
        Some(_) => document.id(*set) == id,
        None => document.child(*set, "rule").is_none() && document.attribute(*set, "id-ref").is_none(),
    });
    let set = known.unwrap_or_else(|| {
        let score = document.attribute(from, "score").map(str::to_owned);
        let set = document.append(parent, "meta_attributes");
        document.set(set, "id", &id);
        if let Some(rule) = rule {
            let condition = document.id(rule).to_owned();
            let reference = document.append(set, "rule");
            document.set(reference, "id-ref", &condition);
            if let Some(score) = score {
                document.set(set, "score", &score);
            }
        }
        set
    });
    let counts = |other: Element| other == set || (rule.is_none() && document.child(other, "rule").is_none());
    let says_it = |other| pairs(document, other).iter().any(|pair| document.attribute(*pair, "name") == Some(name));
    let known = document.children_named(parent, "meta_attributes").any(|other| counts(other) && says_it(other));
    if !known {
        add_pair(document, set, &format!("{id}-{name}"), name, value);
    }
}

fn name_and_value(document: &Document, pair: Element) -> Option<(String, String)> {
    let get = |name| document.attribute(pair, name).map(str::to_owned);
    Some((get("name")?, get("value").unwrap_or_default()))
}

fn look_up(table: &Table, name: &str, value: &str) -> Option<Fate> {
    let fits = |values: &[&str]| values.is_empty() || values.contains(&value);
    table.iter().find(|(known, values, _)| *known == name && fits(values)).map(|(_, _, fate)| *fate)
}
