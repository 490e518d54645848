//! Resources as text for people, in pcs's own layout, which scripts read.

use cib::{Document, Element};

use crate::nvset;
use crate::resource::defaults::quoted;

fn indented(lines: Vec<String>) -> impl Iterator<Item = String> {
    lines.into_iter().map(|line| format!("  {line}"))
}

fn pairs(cib: &Document, set: Element) -> Vec<String> {
    let mut pairs = nvset::pairs_of(cib, set);
    pairs.sort();
    pairs.iter().map(|(name, value)| format!("{name}={}", quoted(value))).collect()
}

fn sets(cib: &Document, parent: Element, kind: &str, title: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for set in cib.children_named(parent, kind) {
        let pairs = pairs(cib, set);
        let rule = cib.child(set, "rule");
        if pairs.is_empty() && rule.is_none() {
            continue;
        }
        let score = cib.attribute(set, "score").map(|score| format!(" score={score}")).unwrap_or_default();
        lines.push(format!("{title}: {}{score}", cib.id(set)));
        lines.extend(indented(pairs));
        if let Some(rule) = rule {
            lines.extend(indented(crate::rule::lines(cib, rule, false)));
        }
    }
    lines
}

/// One resource with all in it.
pub fn lines(cib: &Document, resource: Element) -> Vec<String> {
    let id = cib.id(resource);
    let mut lines = Vec::new();
    let mut inner = Vec::new();
    if let Some(description) = cib.attribute(resource, "description").filter(|text| !text.is_empty()) {
        inner.push(format!("Description: {description}"));
    }
    match cib.name(resource) {
        "primitive" => {
            let of = |name| cib.attribute(resource, name).unwrap_or("");
            let provider =
                cib.attribute(resource, "provider").map(|name| format!(" provider={name}")).unwrap_or_default();
            lines.push(format!("Resource: {id} (class={}{provider} type={})", of("class"), of("type")));
            inner.extend(sets(cib, resource, "instance_attributes", "Attributes"));
            inner.extend(sets(cib, resource, "meta_attributes", "Meta Attributes"));
            inner.extend(sets(cib, resource, "utilization", "Utilization"));
            let operations = cib.child(resource, "operations");
            let ops: Vec<Element> =
                operations.into_iter().flat_map(|operations| cib.children_named(operations, "op")).collect();
            if !ops.is_empty() {
                inner.push("Operations:".into());
                for op in ops {
                    inner.extend(indented(operation(cib, op)));
                }
            }
        }
        "group" => {
            lines.push(format!("Group: {id}"));
            inner.extend(sets(cib, resource, "instance_attributes", "Attributes"));
            inner.extend(sets(cib, resource, "meta_attributes", "Meta Attributes"));
            inner.extend(cib.children_named(resource, "primitive").flat_map(|one| self::lines(cib, one)));
        }
        "clone" | "master" => {
            lines.push(format!("Clone: {id}"));
            inner.extend(sets(cib, resource, "instance_attributes", "Attributes"));
            inner.extend(sets(cib, resource, "meta_attributes", "Meta Attributes"));
            let of = cib.children(resource).filter(|one| matches!(cib.name(*one), "primitive" | "group"));
            inner.extend(of.flat_map(|one| self::lines(cib, one)));
        }
        _ => {
            lines.push(format!("Bundle: {id}"));
            inner.extend(bundle(cib, resource));
        }
    }
    lines.extend(indented(inner));
    lines
}

/// Attributes in the order that pcs shows them in.
pub fn operation_options(cib: &Document, op: Element) -> Vec<(String, String)> {
    let order = [
        "interval",
        "id",
        "description",
        "start-delay",
        "interval-origin",
        "timeout",
        "enabled",
        "record-pending",
        "role",
        "on-fail",
    ];
    let of = |name: &str| cib.attribute(op, name).map(|value| (name.to_owned(), value.to_owned()));
    let mut options: Vec<(String, String)> = order.iter().filter_map(|name| of(name)).collect();
    for (name, value) in &mut options {
        match (name.as_str(), value.as_str()) {
            ("role", "Master") => *value = "Promoted".into(),
            ("role", "Slave") => *value = "Unpromoted".into(),
            ("enabled" | "record-pending", other) => {
                *value = if cib::boolean::is_true(Some(other)) { "1".into() } else { "0".into() };
            }
            _ => {}
        }
    }
    if let Some(level) = nvset::value(cib, op, "instance_attributes", "OCF_CHECK_LEVEL") {
        options.push(("OCF_CHECK_LEVEL".into(), level.into()));
    }
    options
}

fn operation(cib: &Document, op: Element) -> Vec<String> {
    let mut lines = vec![format!("{}: {}", cib.attribute(op, "name").unwrap_or(""), cib.id(op))];
    let options = operation_options(cib, op);
    lines.extend(
        options.iter().filter(|(name, _)| name != "id").map(|(name, value)| format!("  {name}={}", quoted(value))),
    );
    lines
}

fn attributes(cib: &Document, element: Element, order: &[&str]) -> String {
    let of = |name: &&str| cib.attribute(element, name).map(|value| format!("{name}={}", quoted(value)));
    order.iter().filter_map(of).collect::<Vec<_>>().join(" ")
}

/// The options of a container, of its network, of a port and of a storage, in the order they are shown in.
pub const CONTAINER: &[&str] =
    &["image", "replicas", "replicas-per-host", "masters", "promoted-max", "run-command", "network", "options"];
/// Of its network.
pub const NETWORK: &[&str] = &["ip-range-start", "control-port", "host-interface", "host-netmask", "add-host"];
/// Of a port.
pub const PORT: &[&str] = &["port", "internal-port", "range"];
/// Of a storage.
pub const STORAGE: &[&str] = &["source-dir", "source-dir-root", "target-dir", "options"];

fn bundle(cib: &Document, bundle: Element) -> Vec<String> {
    let mut lines = Vec::new();
    for one in cib.children(bundle) {
        match cib.name(one) {
            kind @ ("docker" | "podman" | "rkt") => {
                let kind = crate::tree::capitalized(kind);
                lines.push(format!("{kind}: {}", attributes(cib, one, CONTAINER)));
            }
            "network" => {
                let text = attributes(cib, one, NETWORK);
                if !text.is_empty() {
                    lines.push(format!("Network: {text}"));
                }
                mappings(cib, one, "port-mapping", "Port Mapping:", PORT, &mut lines);
            }
            "storage" => mappings(cib, one, "storage-mapping", "Storage Mapping:", STORAGE, &mut lines),
            _ => {}
        }
    }
    lines.extend(sets(cib, bundle, "meta_attributes", "Meta Attributes"));
    lines.extend(cib.children_named(bundle, "primitive").flat_map(|one| self::lines(cib, one)));
    lines
}

fn mappings(cib: &Document, parent: Element, kind: &str, title: &str, order: &[&str], lines: &mut Vec<String>) {
    let maps: Vec<Element> = cib.children_named(parent, kind).collect();
    if !maps.is_empty() {
        lines.push(title.to_owned());
    }
    lines.extend(maps.iter().map(|one| format!("  {} ({})", attributes(cib, *one, order), cib.id(*one))));
}
