//! The CIB as its readers think of it: properties, nodes, resources, fence devices, constraints. What a value means for
//! placement is the policy's affair; rules are judged by what the caller's [`Context`] knows.

use crate::boolean;
use crate::document::{Document, Element};
use crate::duration;
use crate::nvset::Values;
use crate::rule::{self, Context};

/// The set of cluster properties that comes before all others, whatever their scores.
pub const FIRST_PROPERTIES: &str = "cib-bootstrap-options";

/// The cluster properties.
pub fn properties<'d>(document: &'d Document, context: &Context<'_>) -> Values<'d> {
    let mut values = Values::default();
    if let Some(crm_config) = document.descend(&["configuration", "crm_config"]) {
        values.read(document, crm_config, "cluster_property_set", Some(FIRST_PROPERTIES), context);
    }
    values
}

/// One cluster property, by its old or its new name; `None` when it is not set. Its default is in
/// [`option`](crate::option).
pub fn property<'d>(document: &'d Document, name: &str, now: i64) -> Option<&'d str> {
    let properties = properties(document, &Context::at(now));
    crate::option::names_of(name).iter().find_map(|name| properties.get(name)).or_else(|| properties.get(name))
}

/// A node of the configuration.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Node<'d> {
    /// Its `<node>`.
    pub element: Element,
    /// The engine's id of it.
    pub id: &'d str,
    /// Its name; the id when it has none.
    pub uname: &'d str,
    /// `member`, `remote` …; empty for `member`.
    pub kind: &'d str,
    /// Its permanent attributes.
    pub attributes: Values<'d>,
}

/// The nodes of the configuration, in document order.
pub fn nodes<'d>(document: &'d Document, context: &Context<'_>) -> Vec<Node<'d>> {
    let Some(nodes) = document.descend(&["configuration", "nodes"]) else { return Vec::new() };
    document
        .children_named(nodes, "node")
        .map(|element| Node {
            element,
            id: document.id(element),
            uname: document.attribute(element, "uname").unwrap_or(document.id(element)),
            kind: document.attribute(element, "type").unwrap_or(""),
            attributes: Values::of(document, element, "instance_attributes", context),
        })
        .collect()
}

/// What a resource is.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Kind {
    /// One agent's service.
    Primitive,
    /// Primitives that start in a row, on one node.
    Group,
    /// A primitive or group that runs in several places; `<master>` of old too.
    Clone,
    /// Containers with what runs in them.
    Bundle,
}

/// A resource, with those inside it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Resource<'d> {
    /// Its element.
    pub element: Element,
    /// Its id.
    pub id: &'d str,
    /// What it is.
    pub kind: Kind,
    /// What it holds, in document order; nothing for primitives.
    pub children: Vec<Resource<'d>>,
}

impl<'d> Resource<'d> {
    /// This resource and all inside it, parents first.
    pub fn all(&self) -> Vec<&Resource<'d>> {
        let mut all = vec![self];
        all.extend(self.children.iter().flat_map(Resource::all));
        all
    }
}

/// The resources, in document order.
pub fn resources(document: &Document) -> Vec<Resource<'_>> {
    let Some(resources) = document.descend(&["configuration", "resources"]) else { return Vec::new() };
    below(document, resources, 0)
}

/// A group in a clone, and a primitive in that, are as deep as resources go; whatever is deeper is none.
const DEEPEST: usize = 4;

fn below(document: &Document, parent: Element, depth: usize) -> Vec<Resource<'_>> {
    if depth > DEEPEST {
        return Vec::new();
    }
    document
        .children(parent)
        .filter_map(|element| {
            let kind = kind_of(document.name(element))?;
            let children = if kind == Kind::Primitive { Vec::new() } else { below(document, element, depth + 1) };
            Some(Resource { element, id: document.id(element), kind, children })
        })
        .collect()
}

/// What kind of resource an element of this name is.
pub fn kind_of(name: &str) -> Option<Kind> {
    match name {
        "primitive" => Some(Kind::Primitive),
        "group" => Some(Kind::Group),
        "clone" | "master" => Some(Kind::Clone),
        "bundle" => Some(Kind::Bundle),
        _ => None,
    }
}

/// The resource of this id, wherever it is nested.
pub fn resource(document: &Document, id: &str) -> Option<Element> {
    let resources = document.descend(&["configuration", "resources"])?;
    document.descendants(resources).find(|e| kind_of(document.name(*e)).is_some() && document.id(*e) == id)
}

/// The template of a primitive, if it names one that is there.
pub fn template(document: &Document, primitive: Element) -> Option<Element> {
    let id = document.attribute(primitive, "template")?;
    let resources = document.descend(&["configuration", "resources"])?;
    document.children_named(resources, "template").find(|template| document.id(*template) == id)
}

/// The agent of a primitive, its own or its template's.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Agent<'d> {
    /// `ocf`, `systemd`, `lsb`, `service`, `stonith` …
    pub class: &'d str,
    /// `heartbeat` …; classes other than `ocf` have none.
    pub provider: Option<&'d str>,
    /// `IPaddr2` …
    pub kind: &'d str,
}

impl std::fmt::Display for Agent<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.provider {
            Some(provider) => write!(f, "{}:{provider}:{}", self.class, self.kind),
            None => write!(f, "{}:{}", self.class, self.kind),
        }
    }
}

/// The agent of a primitive; `None` when class or type is missing.
pub fn agent<'d>(document: &'d Document, primitive: Element) -> Option<Agent<'d>> {
    let source = template(document, primitive).unwrap_or(primitive);
    let get = |name: &str| document.attribute(primitive, name).or_else(|| document.attribute(source, name));
    Some(Agent { class: get("class")?, provider: get("provider"), kind: get("type")? })
}

/// The parameters of a resource: its own, then its template's.
pub fn parameters<'d>(document: &'d Document, resource: Element, context: &Context<'_>) -> Values<'d> {
    with_template(document, resource, "instance_attributes", context)
}

/// The meta attributes of a resource: its own, then its template's, then the defaults of all resources.
pub fn meta<'d>(document: &'d Document, resource: Element, context: &Context<'_>) -> Values<'d> {
    let mut values = with_template(document, resource, "meta_attributes", context);
    if let Some(defaults) = document.descend(&["configuration", "rsc_defaults"]) {
        values.read(document, defaults, "meta_attributes", None, context);
    }
    values
}

fn with_template<'d>(document: &'d Document, resource: Element, kind: &str, context: &Context<'_>) -> Values<'d> {
    let mut values = Values::of(document, resource, kind, context);
    if let Some(template) = template(document, resource) {
        values.read(document, template, kind, None, context);
    }
    values
}

/// One configured operation.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Operation<'d> {
    /// Its `<op>`.
    pub element: Element,
    /// `start`, `monitor` …
    pub name: &'d str,
    /// Milliseconds; 0 when it does not recur.
    pub interval_ms: u64,
    /// The role in which it is run, if it is bound to one.
    pub role: Option<&'d str>,
    /// Whether it is to run at all.
    pub enabled: bool,
}

/// The operations of a primitive: its own, and those of its template that it does not override by name and interval.
pub fn operations(document: &Document, primitive: Element) -> Vec<Operation<'_>> {
    let mut all: Vec<Operation<'_>> = Vec::new();
    for source in [Some(primitive), template(document, primitive)].into_iter().flatten() {
        let Some(operations) = document.child(source, "operations") else { continue };
        let Some(operations) = rule::resolve(document, operations) else { continue };
        for element in document.children_named(operations, "op") {
            let Some(name) = document.attribute(element, "name") else { continue };
            let interval_ms = duration::interval_ms(document.attribute(element, "interval"));
            if source == primitive || !all.iter().any(|op| op.name == name && op.interval_ms == interval_ms) {
                let enabled = document.attribute(element, "enabled").and_then(boolean::parse).unwrap_or(true);
                let role = document.attribute(element, "role");
                all.push(Operation { element, name, interval_ms, role, enabled });
            }
        }
    }
    all
}

/// A device that can cut nodes off.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FenceDevice<'d> {
    /// Its primitive.
    pub element: Element,
    /// Its id.
    pub id: &'d str,
    /// The fence agent.
    pub agent: &'d str,
    /// Its parameters.
    pub parameters: Values<'d>,
    /// Its meta attributes.
    pub meta: Values<'d>,
}

/// The fence devices, those in groups and clones included, in document order.
pub fn fence_devices<'d>(document: &'d Document, context: &Context<'_>) -> Vec<FenceDevice<'d>> {
    let trees = resources(document);
    let device = |resource: &Resource<'d>| {
        let agent = agent(document, resource.element).filter(|agent| agent.class == "stonith")?;
        Some(FenceDevice {
            element: resource.element,
            id: resource.id,
            agent: agent.kind,
            parameters: parameters(document, resource.element, context),
            meta: meta(document, resource.element, context),
        })
    };
    let primitives = trees.iter().flat_map(Resource::all).filter(|resource| resource.kind == Kind::Primitive);
    primitives.filter_map(device).collect()
}

/// What a constraint is about.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ConstraintKind {
    /// A resource and nodes.
    Location,
    /// Resources and their being together.
    Colocation,
    /// Resources and their order.
    Order,
    /// Resources and a ticket.
    Ticket,
}

/// A constraint.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Constraint<'d> {
    /// Its element.
    pub element: Element,
    /// Its id.
    pub id: &'d str,
    /// What it is about.
    pub kind: ConstraintKind,
}

impl<'d> Constraint<'d> {
    /// The resources it names: in attributes first, then in its sets.
    pub fn resources(&self, document: &'d Document) -> Vec<&'d str> {
        let own =
            ["rsc", "with-rsc", "first", "then"].into_iter().filter_map(|name| document.attribute(self.element, name));
        let sets = document
            .children_named(self.element, "resource_set")
            .filter_map(|set| rule::resolve(document, set))
            .flat_map(|set| document.children_named(set, "resource_ref"))
            .map(|reference| document.id(reference));
        own.chain(sets).collect()
    }
}

/// The constraints, in document order.
pub fn constraints(document: &Document) -> Vec<Constraint<'_>> {
    let Some(constraints) = document.descend(&["configuration", "constraints"]) else { return Vec::new() };
    document
        .children(constraints)
        .filter_map(|element| {
            let kind = match document.name(element) {
                "rsc_location" => ConstraintKind::Location,
                "rsc_colocation" => ConstraintKind::Colocation,
                "rsc_order" => ConstraintKind::Order,
                "rsc_ticket" => ConstraintKind::Ticket,
                _ => return None,
            };
            Some(Constraint { element, id: document.id(element), kind })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CIB: &str = "<cib><configuration>
        <crm_config><cluster_property_set id='late' score='9'><nvpair id='p2' name='stonith-enabled' value='true'/></cluster_property_set>
          <cluster_property_set id='cib-bootstrap-options'><nvpair id='p1' name='stonith-enabled' value='false'/></cluster_property_set></crm_config>
        <nodes><node id='1' uname='alpha'><instance_attributes id='n'><nvpair id='n1' name='standby' value='on'/></instance_attributes></node><node id='2'/></nodes>
        <resources>
          <template id='t' class='ocf' provider='heartbeat' type='Dummy'><operations><op id='o3' name='monitor' interval='10s'/>
            <op id='o4' name='stop' interval='0'/></operations><meta_attributes id='tm'><nvpair id='tm1' name='priority' value='5'/></meta_attributes></template>
          <group id='g'><primitive id='a' template='t'><operations><op id='o1' name='monitor' interval='10000ms' role='Started' enabled='no'/></operations></primitive>
            <primitive id='f' class='stonith' type='fence_x'><instance_attributes id='fi'><nvpair id='fi1' name='ip' value='::1'/></instance_attributes></primitive></group>
          <clone id='c'><primitive id='s' class='systemd' type='chronyd'/></clone></resources>
        <constraints><rsc_location id='l' rsc='g' node='alpha' score='1'/>
          <rsc_order id='o'><resource_set id='set'><resource_ref id='a'/><resource_ref id='s'/></resource_set></rsc_order></constraints>
        <rsc_defaults><meta_attributes id='d'><nvpair id='d1' name='resource-stickiness' value='100'/></meta_attributes></rsc_defaults>
      </configuration><status/></cib>";

    #[test]
    fn everything_is_seen() {
        let document = Document::parse(CIB).unwrap();
        let context = Context::at(0);
        assert_eq!(property(&document, "stonith-enabled", 0), Some("false"));
        assert_eq!(property(&document, "fencing-enabled", 0), Some("false"));
        assert_eq!(property(&document, "no-quorum-policy", 0), None);

        let nodes = nodes(&document, &context);
        assert_eq!((nodes[0].uname, nodes[0].attributes.get("standby")), ("alpha", Some("on")));
        assert_eq!(nodes[1].uname, "2");

        let resources = resources(&document);
        let ids: Vec<_> = resources.iter().flat_map(Resource::all).map(|r| (r.id, r.kind)).collect();
        assert_eq!(
            ids,
            [
                ("g", Kind::Group),
                ("a", Kind::Primitive),
                ("f", Kind::Primitive),
                ("c", Kind::Clone),
                ("s", Kind::Primitive),
            ]
        );

        let a = resource(&document, "a").unwrap();
        assert_eq!(agent(&document, a).unwrap().to_string(), "ocf:heartbeat:Dummy");
        let meta = meta(&document, a, &context);
        assert_eq!((meta.get("priority"), meta.get("resource-stickiness")), (Some("5"), Some("100")));
        let operations: Vec<_> =
            operations(&document, a).iter().map(|op| (document.id(op.element), op.interval_ms, op.enabled)).collect();
        assert_eq!(operations, [("o1", 10_000, false), ("o4", 0, true)]);

        let devices = fence_devices(&document, &context);
        assert_eq!((devices[0].id, devices[0].agent, devices[0].parameters.get("ip")), ("f", "fence_x", Some("::1")));

        let constraints = constraints(&document);
        let named: Vec<_> = constraints.iter().map(|c| (c.kind, c.resources(&document))).collect();
        assert_eq!(named, [(ConstraintKind::Location, vec!["g"]), (ConstraintKind::Order, vec!["a", "s"])]);
    }

    #[test]
    fn an_empty_document_has_nothing() {
        let document = Document::parse("<cib/>").unwrap();
        let context = Context::at(0);
        assert!(properties(&document, &context).is_empty() && nodes(&document, &context).is_empty());
        assert!(resources(&document).is_empty() && constraints(&document).is_empty());
        assert!(fence_devices(&document, &context).is_empty());
    }
}
