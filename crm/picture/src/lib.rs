#![forbid(unsafe_code)]
//! A cluster as a picture: what runs on which node, and what holds resources together or apart.
//!
//! [`Picture::of`] reads it out of a CIB and its state; [`dot`] writes it for Graphviz, [`svg`] draws it without.

use cib::score::Score;
use cib::{Document, Element};
use policy::Cluster;
use policy::model::{NodeFlags, Resource, RscId};

pub mod dot;
pub mod svg;

/// What is drawn.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Picture {
    /// Nodes, in their order, and last what runs nowhere.
    pub places: Vec<Place>,
    /// What the constraints say.
    pub arrows: Vec<Arrow>,
}

/// A node with what runs there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    /// Its name.
    pub name: String,
    /// What is to be known of it, such as `standby`; empty when it is well.
    pub state: String,
    /// What runs there.
    pub boxes: Vec<Box>,
}

/// A resource, or a group with its members, at one place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Box {
    /// The resource as the configuration names it: what arrows mean.
    pub id: String,
    /// Lines in it: itself, or each member.
    pub lines: Vec<String>,
    /// Something in it has failed or is blocked.
    pub failed: bool,
}

/// A constraint between two resources, or of a resource and a node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Arrow {
    /// The resource it goes out from.
    pub from: String,
    /// The resource or node it leads to.
    pub to: String,
    /// What it says.
    pub kind: Kind,
    /// Its score or kind.
    pub label: String,
}

/// What a constraint says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// First the one, then the other.
    Order,
    /// Where the other is.
    With,
    /// Not where the other is.
    Apart,
    /// Rather on that node.
    Prefers,
    /// Rather not, or never, on that node.
    Avoids,
}

impl Picture {
    /// The picture of a CIB and the state that was read from it.
    pub fn of(cib: &Document, cluster: &Cluster) -> Picture {
        let mut places: Vec<Place> = cluster
            .nodes_by_name
            .iter()
            .map(|id| {
                let node = cluster.node(*id);
                let state = match () {
                    () if node.unclean() => "unclean",
                    () if !node.online() => "offline",
                    () if node.is(NodeFlags::STANDBY) => "standby",
                    () if node.is(NodeFlags::MAINTENANCE) => "maintenance",
                    () => "",
                };
                Place { name: node.name.clone(), state: state.to_owned(), boxes: Vec::new() }
            })
            .collect();
        let mut nowhere = Place { name: "nowhere".into(), state: String::new(), boxes: Vec::new() };
        for top in &cluster.top {
            let mut seen = false;
            for (index, id) in cluster.nodes_by_name.iter().enumerate() {
                let lines = lines(cluster, *top, Some(*id));
                if !lines.is_empty() {
                    seen = true;
                    places[index].boxes.push(of_box(cluster, *top, lines));
                }
            }
            if !seen {
                let lines = lines(cluster, *top, None);
                nowhere.boxes.push(of_box(cluster, *top, lines));
            }
        }
        if !nowhere.boxes.is_empty() {
            places.push(nowhere);
        }
        let section = cib.descend(&["configuration", "constraints"]);
        let all = section.into_iter().flat_map(|section| cib.children(section));
        Picture { places, arrows: all.flat_map(|one| arrows(cib, cluster, one)).collect() }
    }
}

fn of_box(cluster: &Cluster, id: RscId, lines: Vec<String>) -> Box {
    Box { id: cluster.resource(id).xml_id.to_string(), lines, failed: has_failed(cluster, id) }
}

fn has_failed(cluster: &Cluster, id: RscId) -> bool {
    use policy::model::RscFlags;
    let resource = cluster.resource(id);
    resource.is(RscFlags::FAILED)
        || resource.is(RscFlags::BLOCKED)
        || resource.children.iter().any(|child| has_failed(cluster, *child))
}

/// The primitives of a resource that are active on a node; with no node, those active nowhere.
fn lines(cluster: &Cluster, id: RscId, node: Option<policy::NodeId>) -> Vec<String> {
    let resource = cluster.resource(id);
    if !resource.is_primitive() {
        let mut all: Vec<String> = resource.children.iter().flat_map(|child| lines(cluster, *child, node)).collect();
        if node.is_none() {
            // Instances that run nowhere are all alike.
            all.dedup();
        }
        return all;
    }
    let here = match node {
        Some(node) => resource.active.contains(&node),
        None => resource.active.is_empty(),
    };
    if here { vec![line(resource)] } else { Vec::new() }
}

fn line(resource: &Resource) -> String {
    let role = resource.role.text();
    match role {
        "Promoted" | "Unpromoted" if !resource.active.is_empty() => format!("{} ({role})", resource.xml_id),
        _ => resource.xml_id.to_string(),
    }
}

/// What one constraint says; sets are pairs in their order.
fn arrows(cib: &Document, cluster: &Cluster, constraint: Element) -> Vec<Arrow> {
    let get = |name: &str| cib.attribute(constraint, name);
    // What stands in a group or clone is drawn there.
    let top = |id: &str| {
        let known = cluster.resources.iter().position(|resource| &*resource.xml_id == id);
        known.map_or(id.to_owned(), |index| {
            cluster.resource(cluster.top_of(RscId(index as u32), true)).xml_id.to_string()
        })
    };
    let score = get("score").unwrap_or("INFINITY").to_owned();
    let below_zero = Score::parse(&score).is_some_and(|score| score < Score::ZERO);
    let arrow =
        |from: &str, to: String, kind, label: &str| Arrow { from: top(from), to, kind, label: label.to_owned() };
    let mut found = Vec::new();
    match cib.name(constraint) {
        "rsc_order" => {
            let kind = get("kind").unwrap_or("Mandatory");
            if let (Some(first), Some(then)) = (get("first"), get("then")) {
                found.push(arrow(first, top(then), Kind::Order, kind));
            }
            found.extend(pairs(cib, constraint).iter().map(|(first, then)| arrow(first, top(then), Kind::Order, kind)));
        }
        "rsc_colocation" => {
            let kind = if below_zero { Kind::Apart } else { Kind::With };
            if let (Some(one), Some(with)) = (get("rsc"), get("with-rsc")) {
                found.push(arrow(one, top(with), kind, &score));
            }
            found.extend(pairs(cib, constraint).iter().map(|(with, one)| arrow(one, top(with), kind, &score)));
        }
        "rsc_location" => {
            if let (Some(one), Some(node)) = (get("rsc"), get("node")) {
                let kind = if below_zero { Kind::Avoids } else { Kind::Prefers };
                found.push(arrow(one, node.to_owned(), kind, &score));
            }
        }
        _ => {}
    }
    found.retain(|arrow| arrow.from != arrow.to);
    found
}

/// Neighbours in the sets of a constraint.
fn pairs(cib: &Document, constraint: Element) -> Vec<(String, String)> {
    let sets = cib.children_named(constraint, "resource_set");
    let all: Vec<String> =
        sets.flat_map(|set| cib.children_named(set, "resource_ref")).map(|one| cib.id(one).to_owned()).collect();
    all.windows(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) fn picture() -> Picture {
        let op = |id: &str| {
            format!(
                "<lrm_resource id='{id}' class='ocf' provider='p' type='T'><lrm_rsc_op id='{id}_last_0' operation='start' \
                 operation_key='{id}_start_0' call-id='1' rc-code='0' op-status='0' interval='0' transition-key='1:1:0:x' \
                 transition-magic='0:0;1:1:0:x'/></lrm_resource>"
            )
        };
        let primitive = |id: &str| format!("<primitive id='{id}' class='ocf' provider='p' type='T'/>");
        let text = format!(
            "<cib have-quorum='1'><configuration><crm_config/><nodes><node id='1' uname='one'/><node id='2' uname='two'/></nodes>\
             <resources><group id='web'>{}{}</group>{}{}</resources><constraints>\
             <rsc_order id='o' first='db' then='web'/><rsc_colocation id='c' rsc='vip' with-rsc='db' score='-5'/>\
             <rsc_location id='l' rsc='web' node='two' score='100'/>\
             <rsc_order id='s'><resource_set id='s1'><resource_ref id='db'/><resource_ref id='idle'/></resource_set></rsc_order>\
             <rsc_order id='i' first='vip' then='site'/></constraints></configuration><status>\
             <node_state id='1' uname='one' in_ccm='true' crmd='online' join='member' expected='member'><lrm id='1'><lrm_resources>\
             {}{}</lrm_resources></lrm></node_state><node_state id='2' uname='two' in_ccm='true' crmd='online' join='member' \
             expected='member'><lrm id='2'><lrm_resources>{}</lrm_resources></lrm></node_state></status></cib>",
            primitive("vip"),
            primitive("site"),
            primitive("db"),
            primitive("idle"),
            op("vip"),
            op("site"),
            op("db"),
        );
        let cib = Document::parse(&text).unwrap();
        Picture::of(&cib, &policy::read_status(&cib, 1))
    }

    #[test]
    fn resources_stand_where_they_run_and_constraints_between_them() {
        let picture = picture();
        let places: Vec<(String, Vec<(String, String)>)> = picture
            .places
            .iter()
            .map(|place| {
                let boxes = place.boxes.iter().map(|one| (one.id.clone(), one.lines.join(" "))).collect();
                (place.name.clone(), boxes)
            })
            .collect();
        let of = |name: &str, lines: &str| (name.to_owned(), lines.to_owned());
        assert_eq!(
            places,
            [
                ("one".to_owned(), vec![of("web", "vip site")]),
                ("two".to_owned(), vec![of("db", "db")]),
                ("nowhere".to_owned(), vec![of("idle", "idle")]),
            ]
        );
        let arrows: Vec<String> =
            picture.arrows.iter().map(|of| format!("{:?} {} {} {}", of.kind, of.from, of.to, of.label)).collect();
        // What is within one group is that group's own.
        assert_eq!(
            arrows,
            ["Order db web Mandatory", "Apart web db -5", "Prefers web two 100", "Order db idle Mandatory"]
        );
    }
}
