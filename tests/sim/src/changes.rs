//! The changes of the configuration that operators and programs make in a run.

use cib::patch::Change;
use cib::{Author, Lifetime, Write};

/// A node goes on standby, or comes back.
pub fn standby(node: &str, on: bool) -> Write {
    Write::Attribute {
        node: node.to_owned(),
        lifetime: Lifetime::Permanent,
        name: "standby".into(),
        value: on.then(|| "on".to_owned()),
        author: Author::default(),
    }
}

/// A resource is to run on that node.
pub fn move_to(resource: &str, node: &str) -> Vec<Change> {
    let mut changes = clear(resource);
    changes.push(Change::Create {
        path: "/cib/configuration/constraints".into(),
        position: usize::MAX,
        xml: format!(
            "<rsc_location id=\"cli-prefer-{resource}\" rsc=\"{resource}\" node=\"{node}\" score=\"INFINITY\"/>"
        ),
    });
    changes
}

/// A move is taken back.
pub fn clear(resource: &str) -> Vec<Change> {
    let path = format!("/cib/configuration/constraints/rsc_location[@id='cli-prefer-{resource}']");
    vec![Change::Delete { path }]
}

/// A resource is to be stopped, or may run.
pub fn disable(resource: &str, off: bool) -> Vec<Change> {
    change_of(
        format!("{resource}-meta"),
        "meta_attributes",
        resource,
        "target-role",
        if off { "Stopped" } else { "Started" },
    )
}

/// A parameter of a resource has another value.
pub fn parameter(resource: &str, value: u64) -> Vec<Change> {
    change_of(format!("{resource}-params"), "instance_attributes", resource, "value", &value.to_string())
}

/// One value of a set that every simulated primitive has. Where the primitive stands is not in the path, so groups and
/// clones are found by their depth.
fn change_of(set: String, kind: &str, resource: &str, name: &str, value: &str) -> Vec<Change> {
    let path = format!("{}/{kind}[@id='{set}']/nvpair[@id='{set}-{name}']", crate::scenario::path_of(resource));
    vec![Change::Modify { path, set: vec![("value".into(), value.to_owned())], unset: vec![] }]
}

/// A cluster property that stands in every simulated configuration has another value.
pub fn property(name: &str, value: &str) -> Vec<Change> {
    let path = format!("/cib/configuration/crm_config/cluster_property_set[@id='options']/nvpair[@id='o-{name}']");
    vec![Change::Modify { path, set: vec![("value".into(), value.to_owned())], unset: vec![] }]
}

/// A node is released from quarantine.
pub fn release(node: &str) -> Write {
    Write::Attribute {
        node: node.to_owned(),
        lifetime: Lifetime::Permanent,
        name: controller::quarantine::ATTRIBUTE.into(),
        value: None,
        author: Author::default(),
    }
}

/// A program leaves a mark that is found again.
pub fn mark(node: &str, mark: &str) -> Write {
    Write::Attribute {
        node: node.to_owned(),
        lifetime: Lifetime::Permanent,
        name: mark.to_owned(),
        value: Some("1".into()),
        author: Author::default(),
    }
}
