//! A small cluster that the commands are tried on, and a daemon that plays a part written before.

use ::cib::Document;

use crate::cluster::View;

/// Three nodes, the third in standby; a service, a group whose second member failed, a stopped one, a clone.
pub const CLUSTER: &str = include_str!("tests/cluster.xml");

/// It as a view.
pub fn cluster() -> View {
    View::new(Document::parse(CLUSTER).unwrap())
}

/// The location constraints of a document: id, resource, role, node and score, a line each.
pub fn constraints(document: &Document) -> String {
    let constraints = document.descend(&["configuration", "constraints"]).unwrap();
    let line = |constraint| {
        ["id", "rsc", "role", "node", "score"].map(|name| document.attribute(constraint, name).unwrap_or("-")).join(" ")
    };
    document.children_named(constraints, "rsc_location").map(line).collect::<Vec<_>>().join("\n")
}
