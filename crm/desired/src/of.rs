//! A CIB in its short form. Whether the form says all there is is tried: what is built from it must be what it was read
//! from, else the XML itself is taken.

use cib::{Document, Element};

use crate::build::{self, Builder};
use crate::words::{CONSTRAINTS, OWN_PROPERTIES, constraint_id, level_id};
use crate::{Constraint, Desired, Kind, Level, Node, Pairs, Resource, Xml};

/// The configuration of a CIB.
pub fn of(cib: &Document) -> Desired {
    let mut desired = Desired {
        properties: pairs(cib, section(cib, "crm_config"), "cluster_property_set"),
        resource_defaults: pairs(cib, section(cib, "rsc_defaults"), "meta_attributes"),
        operation_defaults: pairs(cib, section(cib, "op_defaults"), "meta_attributes"),
        ..Desired::default()
    };
    desired.properties.retain(|(name, _)| !OWN_PROPERTIES.contains(&name.as_str()));
    for node in children(cib, "nodes") {
        desired.nodes.extend(node_of(cib, node));
    }
    for top in children(cib, "resources") {
        resource(cib, top, &mut desired.resources);
    }
    desired.constraints = children(cib, "constraints").filter_map(|one| constraint(cib, one)).collect();
    desired.levels = children(cib, "fencing-topology").filter_map(|one| level(cib, one)).collect();
    desired.tags = children(cib, "tags").filter_map(|one| tag(cib, one)).collect();
    rest(cib, &mut desired);
    desired
}

fn section(cib: &Document, name: &str) -> Option<Element> {
    cib.descend(&["configuration", name])
}

fn children<'c>(cib: &'c Document, name: &str) -> impl Iterator<Item = Element> + 'c {
    section(cib, name).into_iter().flat_map(|section| cib.children(section))
}

/// What the one plain set of that kind holds.
fn pairs(cib: &Document, parent: Option<Element>, kind: &str) -> Pairs {
    let Some(set) = parent.and_then(|parent| build::plain_set(cib, parent, kind)) else { return Pairs::new() };
    cib.children(set).filter_map(|pair| Some((value(cib, pair, "name")?, value(cib, pair, "value")?))).collect()
}

fn value(cib: &Document, element: Element, name: &str) -> Option<String> {
    cib.attribute(element, name).map(str::to_owned)
}

fn node_of(cib: &Document, node: Element) -> Option<Node> {
    let wish = Node {
        name: value(cib, node, "uname")?,
        attributes: pairs(cib, Some(node), "instance_attributes"),
        utilization: pairs(cib, Some(node), "utilization"),
    };
    let has_nothing = wish.attributes.is_empty() && wish.utilization.is_empty();
    (!has_nothing && build::is_node_as_wished(cib, node, &wish)).then_some(wish)
}

/// A resource, and those in it before it.
fn resource(cib: &Document, element: Element, into: &mut Vec<Resource>) {
    let before = into.len();
    let inner: Vec<Element> = cib.children(element).filter(|one| build::is_resource(cib, *one)).collect();
    inner.iter().for_each(|one| resource(cib, *one, into));
    let inner: Vec<String> = inner.iter().map(|one| cib.id(*one).to_owned()).collect();
    let kind = match (cib.name(element), &inner[..]) {
        ("primitive", []) => Some(primitive(cib, element)),
        ("group", [_, ..]) => Some(Kind::Group(inner)),
        ("clone", [one]) => Some(Kind::Clone(one.clone())),
        _ => None,
    };
    let wish = kind.map(|kind| Resource {
        id: cib.id(element).to_owned(),
        kind,
        description: value(cib, element, "description"),
        meta: pairs(cib, Some(element), "meta_attributes"),
    });
    let said = wish.filter(|wish| {
        let known: Vec<&Resource> = into[before..].iter().chain([wish]).collect();
        Builder::new(cib, &known).makes(wish, element)
    });
    match said {
        // What holds others stands before them, as it is looked for.
        Some(wish) => into.insert(before, wish),
        None => {
            into.truncate(before);
            let (id, text) = (cib.id(element).to_owned(), cib.element_to_xml(element));
            into.push(Resource { id, kind: Kind::Xml(text), description: None, meta: Pairs::new() });
        }
    }
}

fn primitive(cib: &Document, element: Element) -> Kind {
    let attribute = |name| value(cib, element, name);
    let agent = attribute("class").zip(attribute("type")).map(|(class, kind)| {
        [Some(class), attribute("provider"), Some(kind)].into_iter().flatten().collect::<Vec<_>>().join(":")
    });
    let operations = cib.children_named(element, "operations").flat_map(|all| cib.children(all)).map(|operation| {
        let mut options: Pairs = cib
            .attributes(operation)
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .filter(|(name, _)| name != "id")
            .collect();
        options.sort_by_key(|(name, _)| name != "name");
        options
    });
    Kind::Primitive {
        agent,
        template: attribute("template"),
        parameters: pairs(cib, Some(element), "instance_attributes"),
        utilization: pairs(cib, Some(element), "utilization"),
        operations: operations.collect(),
    }
}

fn constraint(cib: &Document, element: Element) -> Option<Constraint> {
    let (_, name, words) = CONSTRAINTS.iter().find(|(_, name, _)| *name == cib.name(element))?;
    let plain = cib.children(element).next().is_none()
        && cib.attributes(element).all(|(name, _)| words.iter().any(|(_, theirs)| *theirs == name));
    let mut attributes: Pairs =
        words.iter().filter_map(|(_, theirs)| Some(((*theirs).to_owned(), value(cib, element, theirs)?))).collect();
    if cib.id(element) == constraint_id(name, &attributes) {
        attributes.retain(|(name, _)| name != "id");
    }
    plain.then(|| Constraint { element: (*name).to_owned(), attributes })
}

fn level(cib: &Document, element: Element) -> Option<Level> {
    let level = Level {
        id: Some(cib.id(element).to_owned()),
        target: value(cib, element, "target")?,
        index: value(cib, element, "index")?,
        devices: cib.attribute(element, "devices")?.split(',').map(str::to_owned).collect(),
    };
    let plain = cib.attributes(element).count() == 4 && cib.children(element).next().is_none();
    let given = level_id(&level.target, &level.index) == cib.id(element);
    plain.then_some(Level { id: level.id.filter(|_| !given), ..level })
}

fn tag(cib: &Document, element: Element) -> Option<(String, Vec<String>)> {
    let plain = cib.attributes(element).count() == 1
        && cib.children(element).all(|one| cib.name(one) == "obj_ref" && cib.attributes(one).count() == 1);
    let of = cib.children(element).map(|one| cib.id(one).to_owned()).collect();
    plain.then(|| (cib.id(element).to_owned(), of))
}

/// What is left of each section is taken as it stands.
fn rest(cib: &Document, desired: &mut Desired) {
    let Some(configuration) = cib.child(cib.root(), "configuration") else { return };
    for section in cib.children(configuration).filter(|one| cib.name(*one) != "resources") {
        let name = cib.name(section);
        for element in cib.children(section) {
            let said = match name {
                "nodes" => {
                    cib.children(element).next().is_none()
                        || desired.nodes.iter().any(|node| cib.attribute(element, "uname") == Some(&node.name))
                }
                "crm_config" => {
                    build::is_of_the_cluster(cib, element)
                        || build::plain_set(cib, section, "cluster_property_set") == Some(element)
                }
                "rsc_defaults" | "op_defaults" => build::plain_set(cib, section, "meta_attributes") == Some(element),
                "constraints" => constraint(cib, element).is_some(),
                "fencing-topology" => level(cib, element).is_some(),
                "tags" => tag(cib, element).is_some(),
                _ => false,
            };
            if !said {
                desired.xml.push(Xml { section: name.to_owned(), text: cib.element_to_xml(element) });
            }
        }
    }
}
