//! The CIB that is wanted, made of the one there is: elements that stay keep their ids and places, the rest is made new or
//! goes.

use std::collections::BTreeSet;

use cib::{Document, Element};

use crate::words::{OWN_PROPERTIES, constraint_id, identifier, level_id};
use crate::{Desired, Kind, Node, Pairs, Problem, Resource};

/// Elements that are resources.
const RESOURCES: [&str; 5] = ["primitive", "group", "clone", "master", "bundle"];
/// Sets of options beside the one of the administrator that are the cluster's own.
const OWN_SETS: &str = "systole-";
/// How deep resources may stand in each other: a clone of a group.
const DEEPEST: usize = 3;

/// Makes the configuration that is wanted, in a copy of the CIB there is; its status and version are left as they are.
///
/// # Errors
/// When the wish contradicts itself, or names a node that is not there.
pub fn build(desired: &Desired, live: &Document) -> Result<Document, Problem> {
    let all: Vec<&Resource> = desired.resources.iter().collect();
    let mut builder = Builder::new(live, &all);
    builder.properties(&desired.properties);
    for (section, pairs) in [("rsc_defaults", &desired.resource_defaults), ("op_defaults", &desired.operation_defaults)]
    {
        builder.defaults(section, pairs);
    }
    builder.nodes(&desired.nodes)?;
    builder.resources()?;
    builder.constraints(desired);
    builder.levels_and_tags(desired);
    builder.xml(desired)?;
    Ok(builder.out)
}

/// Whether an element is a resource.
pub(crate) fn is_resource(cib: &Document, element: Element) -> bool {
    RESOURCES.contains(&cib.name(element))
}

/// Whether a set of options is the cluster's own.
pub(crate) fn is_of_the_cluster(cib: &Document, set: Element) -> bool {
    cib.id(set).starts_with(OWN_SETS)
}

/// The set of this kind, if there is one alone, and nothing but names and values in it.
pub(crate) fn plain_set(cib: &Document, parent: Element, kind: &str) -> Option<Element> {
    let sets: Vec<Element> = cib.children_named(parent, kind).filter(|set| !is_of_the_cluster(cib, *set)).collect();
    let [set] = sets[..] else { return None };
    let mut names = BTreeSet::new();
    let mut pair = |pair: Element| {
        let has = |name| cib.attribute(pair, name).is_some();
        cib.name(pair) == "nvpair"
            && cib.attributes(pair).count() == 3
            && ["id", "name", "value"].into_iter().all(has)
            && names.insert(cib.attribute(pair, "name").map(str::to_owned))
    };
    (cib.attributes(set).count() == 1 && cib.children(set).all(&mut pair)).then_some(set)
}

/// Whether the short form says all of a node.
pub(crate) fn is_node_as_wished(cib: &Document, node: Element, wish: &Node) -> bool {
    let mut builder = Builder::new(cib, &[]);
    let made = builder.out.graft(node_parent(cib), cib, node);
    builder.node(made, wish);
    builder.out.same(made, cib, node)
}

fn node_parent(cib: &Document) -> Element {
    cib.root()
}

/// A CIB in the making.
pub(crate) struct Builder<'a> {
    live: &'a Document,
    out: Document,
    wishes: &'a [&'a Resource],
    ids: BTreeSet<String>,
}

impl<'a> Builder<'a> {
    pub(crate) fn new(live: &'a Document, wishes: &'a [&'a Resource]) -> Self {
        let ids = live.descendants(live.root()).map(|one| live.id(one).to_owned()).collect();
        Builder { live, out: live.clone(), wishes, ids }
    }

    /// Whether a wish makes of an element what it is.
    pub(crate) fn makes(mut self, wish: &Resource, element: Element) -> bool {
        let root = self.out.root();
        let made = self.resource(root, None, wish, 0);
        made.is_ok_and(|made| self.out.same(made, self.live, element))
    }

    fn section(&mut self, name: &str) -> Element {
        let root = self.out.root();
        let configuration =
            self.out.child(root, "configuration").unwrap_or_else(|| self.out.append(root, "configuration"));
        self.out.child(configuration, name).unwrap_or_else(|| self.out.append(configuration, name))
    }

    fn new_id(&mut self, wanted: &str) -> String {
        let wanted = identifier(wanted);
        let mut id = wanted.clone();
        let mut count = 0;
        while !self.ids.insert(id.clone()) {
            count += 1;
            id = format!("{wanted}-{count}");
        }
        id
    }

    fn append(&mut self, parent: Element, name: &str, id: &str) -> Element {
        let new = self.out.append(parent, name);
        let id = self.new_id(id);
        self.out.set(new, "id", &id);
        new
    }

    /// Brings a set of names and values to what is wanted.
    fn set(&mut self, parent: Element, kind: &str, wanted: &Pairs, id: &str) {
        let known = plain_set(&self.out, parent, kind);
        let others: Vec<Element> = self.out.children_named(parent, kind).collect();
        let gone = |one: &Element| Some(*one) != known && !is_of_the_cluster(&self.out, *one);
        let gone: Vec<Element> = others.into_iter().filter(gone).collect();
        gone.into_iter().for_each(|one| self.out.remove(one));
        let set = match known {
            Some(set) if wanted.is_empty() && self.out.children(set).next().is_some() => {
                self.out.remove(set);
                return;
            }
            Some(set) => set,
            None if wanted.is_empty() => return,
            None => self.append(parent, kind, id),
        };
        let pairs: Vec<Element> = self.out.children(set).collect();
        let mut there = BTreeSet::new();
        for pair in pairs {
            let name = self.out.attribute(pair, "name").unwrap_or_default().to_owned();
            match wanted.iter().find(|(wanted, _)| *wanted == name) {
                Some((_, value)) => {
                    self.out.set(pair, "value", value);
                    there.insert(name);
                }
                None => self.out.remove(pair),
            }
        }
        let set_id = self.out.id(set).to_owned();
        for (name, value) in wanted.iter().filter(|(name, _)| !there.contains(name)) {
            let pair = self.append(set, "nvpair", &format!("{set_id}-{name}"));
            self.out.set(pair, "name", name);
            self.out.set(pair, "value", value);
        }
    }

    fn properties(&mut self, wanted: &Pairs) {
        let section = self.section("crm_config");
        let mut wanted = wanted.clone();
        if let Some(set) = plain_set(&self.out, section, "cluster_property_set") {
            for pair in self.out.children(set) {
                let of = |name| self.out.attribute(pair, name).unwrap_or_default().to_owned();
                let name = of("name");
                if OWN_PROPERTIES.contains(&name.as_str()) && wanted.iter().all(|(known, _)| *known != name) {
                    wanted.push((name, of("value")));
                }
            }
        }
        self.set(section, "cluster_property_set", &wanted, "cib-bootstrap-options");
    }

    fn defaults(&mut self, section: &str, wanted: &Pairs) {
        if wanted.is_empty() && self.live.descend(&["configuration", section]).is_none() {
            return;
        }
        let element = self.section(section);
        self.set(element, "meta_attributes", wanted, &format!("{section}-meta_attributes"));
    }

    fn nodes(&mut self, wanted: &[Node]) -> Result<(), Problem> {
        let section = self.section("nodes");
        let nodes: Vec<(Element, String)> = self
            .out
            .children(section)
            .map(|node| (node, self.out.attribute(node, "uname").unwrap_or_default().to_owned()))
            .collect();
        if let Some(unknown) = wanted.iter().find(|wish| nodes.iter().all(|(_, name)| *name != wish.name)) {
            let known: Vec<&str> = nodes.iter().map(|(_, name)| name.as_str()).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            return Err(Problem::of(format!(
                "node {} is not in the cluster, where there is {known}; nodes come into the configuration with their daemons",
                unknown.name
            )));
        }
        for (element, name) in nodes {
            let nothing = Node { name: name.clone(), ..Node::default() };
            let wish = wanted.iter().find(|wish| wish.name == name).unwrap_or(&nothing);
            self.node(element, wish);
        }
        Ok(())
    }

    fn node(&mut self, element: Element, wish: &Node) {
        let id = self.out.id(element).to_owned();
        self.set(element, "instance_attributes", &wish.attributes, &format!("nodes-{id}"));
        self.set(element, "utilization", &wish.utilization, &format!("nodes-{id}-utilization"));
    }

    fn resources(&mut self) -> Result<(), Problem> {
        let inner: Vec<&String> = self.wishes.iter().flat_map(|wish| within(wish)).collect();
        let mut seen = BTreeSet::new();
        if let Some(twice) = inner.iter().find(|id| !seen.insert(**id)) {
            return Err(Problem::of(format!("resource {twice} stands in two groups or clones; it can be in one")));
        }
        let tops: Vec<&Resource> = self.wishes.iter().copied().filter(|wish| !inner.contains(&&wish.id)).collect();
        if let (true, Some(first)) = (tops.is_empty(), self.wishes.first()) {
            return Err(Problem::of(format!("resource {} stands in itself", first.id)));
        }
        let section = self.section("resources");
        // Templates are resources' neighbours, and come back as the XML of one.
        let old: Vec<Element> = self.out.children(section).collect();
        old.into_iter().for_each(|one| self.out.remove(one));
        for top in tops {
            self.resource(section, None, top, 0)?;
        }
        Ok(())
    }

    /// Makes a resource below `parent`, before one that is there.
    fn resource(
        &mut self,
        parent: Element,
        before: Option<Element>,
        wish: &Resource,
        depth: usize,
    ) -> Result<Element, Problem> {
        if depth > DEEPEST {
            return Err(Problem::of(format!("resource {} stands too deep in others", wish.id)));
        }
        let tag = match &wish.kind {
            Kind::Primitive { .. } => "primitive",
            Kind::Group(_) => "group",
            Kind::Clone(_) => "clone",
            Kind::Xml(text) => {
                let parsed = fragment(text)?;
                let made = self.out.graft(parent, &parsed, parsed.root());
                self.out.place_before(made, before);
                return Ok(made);
            }
        };
        let known = self.live.descend(&["configuration", "resources"]).and_then(|all| {
            let is_it = |one: &Element| self.live.id(*one) == wish.id && self.live.name(*one) == tag;
            self.live.descendants(all).find(is_it)
        });
        let element = match known {
            Some(known) => self.out.graft(parent, self.live, known),
            None => {
                let new = self.out.append(parent, tag);
                self.out.set(new, "id", &wish.id);
                self.ids.insert(wish.id.clone());
                new
            }
        };
        self.out.place_before(element, before);
        let mut attributes = vec![("id", wish.id.clone())];
        attributes.extend(wish.description.clone().map(|text| ("description", text)));
        if let Kind::Primitive { agent, template, .. } = &wish.kind {
            let parts: Vec<&str> = agent.iter().flat_map(|agent| agent.split(':')).collect();
            match parts[..] {
                [class, kind] => attributes.extend([("class", class.to_owned()), ("type", kind.to_owned())]),
                [class, provider, kind] => {
                    attributes.extend(
                        [("class", class), ("provider", provider), ("type", kind)]
                            .map(|(name, value)| (name, value.to_owned())),
                    );
                }
                _ => {}
            }
            attributes.extend(template.clone().map(|id| ("template", id)));
        }
        self.attributes(element, &attributes);
        self.set(element, "meta_attributes", &wish.meta, &format!("{}-meta_attributes", wish.id));
        match &wish.kind {
            Kind::Primitive { parameters, utilization, operations, .. } => {
                let id = &wish.id;
                self.set(element, "instance_attributes", parameters, &format!("{id}-instance_attributes"));
                self.set(element, "utilization", utilization, &format!("{id}-utilization"));
                self.operations(element, id, operations);
            }
            _ => self.members(element, wish, depth)?,
        }
        let known = ["meta_attributes", "instance_attributes", "utilization", "operations"];
        let strange = |one: &Element| !known.contains(&self.out.name(*one)) && !is_resource(&self.out, *one);
        let strange: Vec<Element> = self.out.children(element).filter(strange).collect();
        strange.into_iter().for_each(|one| self.out.remove(one));
        Ok(element)
    }

    /// Sets these attributes, and takes the others away.
    fn attributes(&mut self, element: Element, wanted: &[(&str, String)]) {
        let names: Vec<String> = self.out.attributes(element).map(|(name, _)| name.to_owned()).collect();
        for name in names.iter().filter(|name| wanted.iter().all(|(wanted, _)| wanted != name)) {
            self.out.unset(element, name);
        }
        wanted.iter().for_each(|(name, value)| self.out.set(element, name, value));
    }

    fn members(&mut self, element: Element, wish: &Resource, depth: usize) -> Result<(), Problem> {
        let old: Vec<Element> = self.out.children(element).filter(|one| is_resource(&self.out, *one)).collect();
        // New ones take the place of the old: whatever stood behind these stands behind those.
        let behind = old.last().and_then(|last| self.out.next_sibling(*last));
        old.into_iter().for_each(|one| self.out.remove(one));
        for id in within(wish) {
            let Some(member) = self.wishes.iter().copied().find(|other| other.id == *id) else {
                return Err(Problem::of(format!("{} holds {id}, and there is no [resource.{id}]", wish.id)));
            };
            self.resource(element, behind, member, depth + 1)?;
        }
        Ok(())
    }

    fn operations(&mut self, element: Element, id: &str, wanted: &[Pairs]) {
        let of =
            |pairs: &Pairs, name: &str| pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
        let all: Vec<Element> = self.out.children_named(element, "operations").collect();
        let list = match all[..] {
            [] if wanted.is_empty() => return,
            [first, ref more @ ..] => {
                more.iter().for_each(|one| self.out.remove(*one));
                self.attributes(first, &[]);
                first
            }
            [] => self.out.append(element, "operations"),
        };
        let old: Vec<Element> = self.out.children(list).collect();
        let mut left: Vec<&Pairs> = wanted.iter().collect();
        for operation in old {
            let plain = self.out.name(operation) == "op" && self.out.children(operation).next().is_none();
            let known = |name: &str| self.out.attribute(operation, name).map(str::to_owned);
            let key = (known("name"), known("interval"));
            let place = left.iter().position(|wish| (of(wish, "name"), of(wish, "interval")) == key);
            match place.filter(|_| plain) {
                Some(place) => {
                    let own = [("id", self.out.id(operation).to_owned())];
                    let options = left.remove(place).iter().map(|(name, value)| (name.as_str(), value.clone()));
                    let all: Vec<(&str, String)> = own.into_iter().chain(options).collect();
                    self.attributes(operation, &all);
                }
                None => self.out.remove(operation),
            }
        }
        for wish in left {
            let (name, interval) = (of(wish, "name").unwrap_or_default(), of(wish, "interval"));
            let new = self.append(list, "op", &format!("{id}-{name}-interval-{}", interval.unwrap_or("0s".into())));
            wish.iter().for_each(|(name, value)| self.out.set(new, name, value));
        }
    }

    fn constraints(&mut self, desired: &Desired) {
        let wanted: Vec<(String, &str, Pairs)> = desired
            .constraints
            .iter()
            .map(|one| {
                let named = one.attributes.iter().find(|(name, _)| name == "id").map(|(_, id)| id.clone());
                let id = named.unwrap_or_else(|| constraint_id(&one.element, &one.attributes));
                (id, one.element.as_str(), one.attributes.clone())
            })
            .collect();
        self.flat("constraints", &wanted, desired);
    }

    fn levels_and_tags(&mut self, desired: &Desired) {
        let levels: Vec<(String, &str, Pairs)> = desired
            .levels
            .iter()
            .map(|level| {
                let id = level.id.clone().unwrap_or_else(|| level_id(&level.target, &level.index));
                let attributes =
                    [("target", &level.target), ("index", &level.index), ("devices", &level.devices.join(","))]
                        .map(|(name, value)| (name.to_owned(), value.clone()));
                (id, "fencing-level", attributes.to_vec())
            })
            .collect();
        self.flat("fencing-topology", &levels, desired);
        let tags: Vec<(String, &str, Pairs)> =
            desired.tags.iter().map(|(id, _)| (id.clone(), "tag", Pairs::new())).collect();
        self.flat("tags", &tags, desired);
        for (id, of) in &desired.tags {
            let section = self.section("tags");
            let Some(tag) = self.out.children(section).find(|one| self.out.id(*one) == *id) else { continue };
            let old: Vec<Element> = self.out.children(tag).collect();
            old.into_iter().for_each(|one| self.out.remove(one));
            for object in of {
                let reference = self.out.append(tag, "obj_ref");
                self.out.set(reference, "id", object);
            }
        }
    }

    /// Brings a section of elements without much in them to what is wanted. What stands there as XML is left for later.
    fn flat(&mut self, name: &str, wanted: &[(String, &str, Pairs)], desired: &Desired) {
        let elsewhere = desired.xml.iter().any(|xml| xml.section == name);
        if wanted.is_empty() && !elsewhere && self.live.descend(&["configuration", name]).is_none() {
            return;
        }
        let section = self.section(name);
        let old: Vec<Element> = self.out.children(section).collect();
        let mut left: Vec<&(String, &str, Pairs)> = wanted.iter().collect();
        for element in old {
            let (id, tag) = (self.out.id(element).to_owned(), self.out.name(element).to_owned());
            match left.iter().position(|(wanted, element, _)| *wanted == id && *element == tag) {
                Some(place) => {
                    let (id, _, attributes) = left.remove(place);
                    self.flat_element(element, id, attributes);
                    let inside: Vec<Element> = self.out.children(element).filter(|_| tag != "tag").collect();
                    inside.into_iter().for_each(|one| self.out.remove(one));
                }
                None if desired.xml.iter().any(|xml| xml.section == name && is_of(xml, &id)) => {}
                None => self.out.remove(element),
            }
        }
        for (id, tag, attributes) in left {
            let new = self.out.append(section, tag);
            self.ids.insert(id.clone());
            self.flat_element(new, id, attributes);
        }
    }

    fn flat_element(&mut self, element: Element, id: &str, attributes: &Pairs) {
        let given = attributes.iter().filter(|(name, _)| name != "id");
        let all: Vec<(&str, String)> = [("id", id.to_owned())]
            .into_iter()
            .chain(given.map(|(name, value)| (name.as_str(), value.clone())))
            .collect();
        self.attributes(element, &all);
    }

    /// What was given as XML takes its place, in that of what has the same id.
    fn xml(&mut self, desired: &Desired) -> Result<(), Problem> {
        let sections = ["acls", "alerts"];
        for name in sections {
            if let Some(section) = self.out.descend(&["configuration", name]) {
                let old: Vec<Element> = self.out.children(section).collect();
                let said = |id: &str| desired.xml.iter().any(|xml| xml.section == name && is_of(xml, id));
                let gone: Vec<Element> = old.into_iter().filter(|one| !said(self.out.id(*one))).collect();
                gone.into_iter().for_each(|one| self.out.remove(one));
            }
        }
        for xml in &desired.xml {
            let parsed = fragment(&xml.text)?;
            let section = self.section(&xml.section);
            let id = parsed.id(parsed.root());
            let old = self.live_child(&xml.section, id);
            let there = self.out.children(section).find(|one| self.out.id(*one) == id);
            // What was in the way of a plain set has gone with it.
            let (place, same) = match (there, old) {
                (Some(there), _) => (Some(there), self.out.same(there, &parsed, parsed.root())),
                (None, _) => (None, false),
            };
            if same {
                continue;
            }
            let new = self.out.graft(section, &parsed, parsed.root());
            if let Some(place) = place {
                self.out.place_before(new, Some(place));
                self.out.remove(place);
            } else if let Some(next) = old.and_then(|old| self.still_there_behind(section, old)) {
                self.out.place_before(new, Some(next));
            }
        }
        Ok(())
    }

    fn live_child(&self, section: &str, id: &str) -> Option<Element> {
        let section = self.live.descend(&["configuration", section])?;
        self.live.children(section).find(|one| self.live.id(*one) == id)
    }

    /// The next sibling of an element of the CIB there is that stands in the new one as well.
    fn still_there_behind(&self, section: Element, old: Element) -> Option<Element> {
        let mut next = self.live.next_sibling(old);
        while let Some(candidate) = next {
            let id = self.live.id(candidate);
            if let Some(found) = self.out.children(section).find(|one| self.out.id(*one) == id) {
                return Some(found);
            }
            next = self.live.next_sibling(candidate);
        }
        None
    }
}

fn within(wish: &Resource) -> Vec<&String> {
    match &wish.kind {
        Kind::Group(members) => members.iter().collect(),
        Kind::Clone(one) => vec![one],
        Kind::Primitive { .. } | Kind::Xml(_) => Vec::new(),
    }
}

fn is_of(xml: &crate::Xml, id: &str) -> bool {
    fragment(&xml.text).is_ok_and(|parsed| parsed.id(parsed.root()) == id)
}

fn fragment(text: &str) -> Result<Document, Problem> {
    Document::parse(text).map_err(|error| {
        let begin: String = text.trim().chars().take(40).collect();
        Problem::of(format!("'{begin}…' is not well-formed XML: {error}"))
    })
}
