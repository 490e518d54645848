//! The location constraints that moving by hand leaves behind, as Pacemaker's tools write and find them:
//! `cli-prefer-RESOURCE` and `cli-ban-RESOURCE-on-NODE`.

use cib::{Document, Element};
use policy::Cluster;
use policy::model::{RscFlags, RscId, RscKind};

use crate::output::resources::{active_nodes, printable_id};

/// What is moved when a resource is to be moved: the resource, or the group or clone that holds it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Target {
    /// What is moved.
    pub id: RscId,
    /// Its id in the configuration.
    pub name: String,
    /// A sentence when that is not what was named.
    pub note: Option<String>,
    /// The role that is moved: of a promotable clone, the promoted one.
    pub role: &'static str,
}

impl Target {
    /// What is moved when `id` is named.
    pub fn of(cluster: &Cluster, id: RscId) -> Target {
        let top = cluster.top_of(id, true);
        let (named, moved) = (printable_id(cluster.resource(id)), cluster.resource(top));
        let name = moved.xml_id.clone();
        let note = (top != id).then(|| match moved.kind {
            RscKind::Group { .. } => {
                format!("{named} belongs to the group {name}, whose members stay together: the group moves.")
            }
            RscKind::Clone(_) => format!("{named} belongs to the clone {name}: the clone is meant."),
            _ => format!("{named} belongs to {name}, and that is meant."),
        });
        let role = if moved.is(RscFlags::PROMOTABLE) { "Promoted" } else { "Started" };
        Target { id: top, name, note, role }
    }

    /// Names of the nodes where what is moved is now; of a promotable clone, where it is promoted.
    pub fn nodes(&self, cluster: &Cluster) -> Vec<String> {
        let mut nodes = match self.role {
            "Promoted" => promoted_nodes(cluster, self.id),
            _ => active_nodes(cluster, self.id),
        };
        nodes.dedup();
        nodes.into_iter().map(|node| cluster.node(node).name.clone()).collect()
    }
}

fn promoted_nodes(cluster: &Cluster, id: RscId) -> Vec<policy::NodeId> {
    let resource = cluster.resource(id);
    match resource.role {
        policy::model::Role::Promoted if resource.is_primitive() => resource.active.clone(),
        _ => resource.children.iter().flat_map(|child| promoted_nodes(cluster, *child)).collect(),
    }
}

fn constraints(document: &mut Document) -> Option<Element> {
    let configuration = document.descend(&["configuration"])?;
    Some(document.child(configuration, "constraints").unwrap_or_else(|| document.append(configuration, "constraints")))
}

/// Writes that the resource prefers the node; what was said by hand against it goes.
pub fn prefer(document: &mut Document, target: &Target, node: &str) -> String {
    let (id, ban) = (format!("cli-prefer-{}", target.name), ban_id(&target.name, node));
    remove(document, |other| other == ban);
    add(document, &id, target, node, "INFINITY");
    id
}

/// Writes that the resource must not run on the node; what was said by hand for it goes.
pub fn ban(document: &mut Document, target: &Target, node: &str) -> String {
    let (id, prefer) = (ban_id(&target.name, node), format!("cli-prefer-{}", target.name));
    remove(document, |other| other == prefer);
    add(document, &id, target, node, "-INFINITY");
    id
}

/// Takes away all that was said by hand of the resource, and gives the ids.
pub fn clear(document: &mut Document, name: &str) -> Vec<String> {
    let (prefer, ban) = (format!("cli-prefer-{name}"), format!("cli-ban-{name}-on-"));
    remove(document, |id| id == prefer || id.starts_with(&ban))
}

fn ban_id(resource: &str, node: &str) -> String {
    format!("cli-ban-{resource}-on-{node}")
}

fn add(document: &mut Document, id: &str, target: &Target, node: &str, score: &str) {
    let Some(constraints) = constraints(document) else { return };
    let known = document.children_named(constraints, "rsc_location").find(|known| document.id(*known) == id);
    let constraint = known.unwrap_or_else(|| document.append(constraints, "rsc_location"));
    let attributes = [("id", id), ("rsc", &target.name), ("role", target.role), ("node", node), ("score", score)];
    attributes.iter().for_each(|(name, value)| document.set(constraint, name, value));
}

fn remove(document: &mut Document, which: impl Fn(&str) -> bool) -> Vec<String> {
    let Some(constraints) = constraints(document) else { return Vec::new() };
    let gone: Vec<Element> = document
        .children_named(constraints, "rsc_location")
        .filter(|constraint| which(document.id(*constraint)))
        .collect();
    gone.into_iter()
        .map(|constraint| {
            let id = document.id(constraint).to_owned();
            document.remove(constraint);
            id
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target() -> Target {
        Target { id: RscId(0), name: "web".into(), note: None, role: "Started" }
    }

    fn ids(document: &Document) -> Vec<String> {
        let constraints = document.descend(&["configuration", "constraints"]).unwrap();
        document.children(constraints).map(|constraint| document.id(constraint).to_owned()).collect()
    }

    #[test]
    fn the_last_word_by_hand_counts() {
        let mut document = Document::parse(
            "<cib><configuration><constraints><rsc_location id='mine' rsc='web'/></constraints></configuration></cib>",
        )
        .unwrap();
        prefer(&mut document, &target(), "one");
        ban(&mut document, &target(), "one");
        assert_eq!(ids(&document), ["mine", "cli-ban-web-on-one"]);
        ban(&mut document, &target(), "two");
        prefer(&mut document, &target(), "one");
        assert_eq!(ids(&document), ["mine", "cli-ban-web-on-two", "cli-prefer-web"]);
        let constraints = document.descend(&["configuration", "constraints"]).unwrap();
        let last = document.children(constraints).last().unwrap();
        assert_eq!(
            document.element_to_xml(last).trim(),
            r#"<rsc_location id="cli-prefer-web" rsc="web" role="Started" node="one" score="INFINITY"/>"#
        );
        let before = document.to_xml();
        prefer(&mut document, &target(), "one");
        assert_eq!(document.to_xml(), before, "said twice");
        assert_eq!(clear(&mut document, "web"), ["cli-ban-web-on-two", "cli-prefer-web"]);
        assert_eq!(ids(&document), ["mine"]);
        assert!(clear(&mut document, "web").is_empty());
    }
}
