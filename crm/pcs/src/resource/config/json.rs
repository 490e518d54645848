//! Resources as JSON, with the members that pcs gives them.

use cib::{Document, Element};
use serde_json::{Value, json};

use crate::tree;

fn text(cib: &Document, element: Element, name: &str) -> Value {
    cib.attribute(element, name).map_or(Value::Null, Value::from)
}

fn boolean(cib: &Document, element: Element, name: &str) -> Value {
    cib.attribute(element, name).map_or(Value::Null, |value| cib::boolean::is_true(Some(value)).into())
}

fn number(cib: &Document, element: Element, name: &str) -> Value {
    cib.attribute(element, name).and_then(|value| value.parse::<i64>().ok()).map_or(Value::Null, Value::from)
}

fn sets(cib: &Document, parent: Element, kind: &str) -> Value {
    let sets = cib.children_named(parent, kind).map(|set| {
        let pairs: Vec<Value> = cib
            .children_named(set, "nvpair")
            .map(|pair| json!({"id": cib.id(pair), "name": text(cib, pair, "name"), "value": text(cib, pair, "value")}))
            .collect();
        let options: serde_json::Map<String, Value> = cib
            .attributes(set)
            .filter(|(name, _)| *name != "id")
            .map(|(name, value)| (name.to_owned(), value.into()))
            .collect();
        let rule = cib.child(set, "rule").map_or(Value::Null, |rule| json!(crate::rule::lines(cib, rule, false)));
        json!({"id": cib.id(set), "options": options, "rule": rule, "nvpairs": pairs})
    });
    sets.collect()
}

fn primitive(cib: &Document, one: Element) -> Value {
    let operations =
        cib.child(one, "operations").into_iter().flat_map(|operations| cib.children_named(operations, "op"));
    let operations: Vec<Value> = operations
        .map(|op| {
            let role = cib.attribute(op, "role").map(|role| match role {
                "Master" => "Promoted",
                "Slave" => "Unpromoted",
                other => other,
            });
            json!({
                "id": cib.id(op),
                "name": text(cib, op, "name"),
                "interval": text(cib, op, "interval"),
                "description": text(cib, op, "description"),
                "start_delay": text(cib, op, "start-delay"),
                "interval_origin": text(cib, op, "interval-origin"),
                "timeout": text(cib, op, "timeout"),
                "enabled": boolean(cib, op, "enabled"),
                "record_pending": boolean(cib, op, "record-pending"),
                "role": role,
                "on_fail": text(cib, op, "on-fail"),
                "meta_attributes": sets(cib, op, "meta_attributes"),
                "instance_attributes": sets(cib, op, "instance_attributes"),
            })
        })
        .collect();
    json!({
        "id": cib.id(one),
        "agent_name": {
            "standard": text(cib, one, "class"),
            "provider": text(cib, one, "provider"),
            "type": text(cib, one, "type"),
        },
        "description": text(cib, one, "description"),
        "operations": operations,
        "meta_attributes": sets(cib, one, "meta_attributes"),
        "instance_attributes": sets(cib, one, "instance_attributes"),
        "utilization": sets(cib, one, "utilization"),
    })
}

fn group(cib: &Document, one: Element) -> Value {
    let members: Vec<&str> = cib.children_named(one, "primitive").map(|one| cib.id(one)).collect();
    json!({
        "id": cib.id(one),
        "description": text(cib, one, "description"),
        "member_ids": members,
        "meta_attributes": sets(cib, one, "meta_attributes"),
        "instance_attributes": sets(cib, one, "instance_attributes"),
    })
}

fn clone(cib: &Document, one: Element) -> Value {
    let member = cib.children(one).find(|one| matches!(cib.name(*one), "primitive" | "group"));
    json!({
        "id": cib.id(one),
        "description": text(cib, one, "description"),
        "member_id": member.map(|member| cib.id(member)),
        "meta_attributes": sets(cib, one, "meta_attributes"),
        "instance_attributes": sets(cib, one, "instance_attributes"),
    })
}

fn bundle(cib: &Document, one: Element) -> Value {
    let kinds = ["docker", "podman", "rkt"];
    let container = cib.children(one).find(|one| kinds.contains(&cib.name(*one)));
    let options = container.map(|container| {
        json!({
            "image": text(cib, container, "image"),
            "replicas": number(cib, container, "replicas"),
            "replicas_per_host": number(cib, container, "replicas-per-host"),
            "promoted_max": number(cib, container, "promoted-max"),
            "run_command": text(cib, container, "run-command"),
            "network": text(cib, container, "network"),
            "options": text(cib, container, "options"),
        })
    });
    let network = cib.child(one, "network");
    let ports = network.into_iter().flat_map(|network| cib.children_named(network, "port-mapping")).map(|port| {
        json!({
            "id": cib.id(port),
            "port": number(cib, port, "port"),
            "internal_port": number(cib, port, "internal-port"),
            "range": text(cib, port, "range"),
        })
    });
    let ports: Vec<Value> = ports.collect();
    let storage = cib.child(one, "storage");
    let stores = storage.into_iter().flat_map(|storage| cib.children_named(storage, "storage-mapping")).map(|store| {
        json!({
            "id": cib.id(store),
            "target_dir": text(cib, store, "target-dir"),
            "source_dir": text(cib, store, "source-dir"),
            "source_dir_root": text(cib, store, "source-dir-root"),
            "options": text(cib, store, "options"),
        })
    });
    let stores: Vec<Value> = stores.collect();
    let network = network.map(|network| {
        json!({
            "ip_range_start": text(cib, network, "ip-range-start"),
            "control_port": number(cib, network, "control-port"),
            "host_interface": text(cib, network, "host-interface"),
            "host_netmask": number(cib, network, "host-netmask"),
            "add_host": boolean(cib, network, "add-host"),
        })
    });
    json!({
        "id": cib.id(one),
        "description": text(cib, one, "description"),
        "member_id": cib.child(one, "primitive").map(|member| cib.id(member)),
        "container_type": container.map(|container| cib.name(container)),
        "container_options": options,
        "network": network,
        "port_mappings": ports,
        "storage_mappings": stores,
        "meta_attributes": sets(cib, one, "meta_attributes"),
        "instance_attributes": sets(cib, one, "instance_attributes"),
    })
}

/// All of these as one text.
pub fn text_of(cib: &Document, chosen: &[Element], stonith: bool) -> String {
    let mut lists: [Vec<Value>; 4] = Default::default();
    for one in chosen.iter().copied() {
        match cib.name(one) {
            "primitive" if tree::is_stonith(cib, one) == stonith => lists[0].push(primitive(cib, one)),
            "clone" | "master" => lists[1].push(clone(cib, one)),
            "group" => lists[2].push(group(cib, one)),
            "bundle" => lists[3].push(bundle(cib, one)),
            _ => {}
        }
    }
    let [primitives, clones, groups, bundles] = lists;
    json!({"primitives": primitives, "clones": clones, "groups": groups, "bundles": bundles}).to_string()
}
