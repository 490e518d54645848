//! `pcs resource relations`: what a resource hangs together with, by orders and by what stands in what, as a tree.
//! Locations and colocations are `constraint`'s to show.

use std::collections::{BTreeSet, VecDeque};

use cib::{Document, Element};

use crate::agent::Name;
use crate::call::{Call, Done};
use crate::commands::Command;
use crate::tree;

/// The command.
pub const COMMANDS: &[Command] = &[Command {
    path: &["resource", "relations"],
    arguments: "<resource id>",
    about: "Shows as a tree what a resource hangs together with",
    options: &["--full"],
    run,
}];

/// What may stand in the tree: resources, and what ties them. Ties come in the order in which they are shown.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Knot {
    Inner(String),
    Outer(String),
    Order(String),
    OrderSet(String),
    Resource(String),
}

impl Knot {
    fn id(&self) -> &str {
        match self {
            Knot::Inner(id) | Knot::Outer(id) | Knot::Order(id) | Knot::OrderSet(id) | Knot::Resource(id) => id,
        }
    }

    /// The same tie, seen from its other end.
    fn opposite(&self) -> Option<Knot> {
        match self {
            Knot::Inner(id) => Some(Knot::Outer(id.clone())),
            Knot::Outer(id) => Some(Knot::Inner(id.clone())),
            _ => None,
        }
    }
}

/// Resources in a clone, a group or a bundle, directly.
fn inner(cib: &Document, resource: Element) -> Vec<String> {
    let inside = cib.children(resource).filter(|one| tree::RESOURCES.contains(&cib.name(*one)));
    inside.map(|one| cib.id(one).to_owned()).collect()
}

fn orders(cib: &Document) -> impl Iterator<Item = Element> + '_ {
    tree::within(cib, "constraints").filter(|one| cib.name(*one) == "rsc_order")
}

/// The resources of each set of an order.
fn sets(cib: &Document, order: Element) -> Vec<(Element, Vec<String>)> {
    let refs = |set| cib.children_named(set, "resource_ref").map(|one| cib.id(one).to_owned()).collect();
    cib.children_named(order, "resource_set").map(|set| (set, refs(set))).collect()
}

/// What a knot is tied to.
fn members(cib: &Document, knot: &Knot) -> Vec<Knot> {
    let resources = |ids: Vec<String>| ids.into_iter().map(Knot::Resource).collect();
    let order = |id: &str| orders(cib).find(|one| cib.id(*one) == id);
    match knot {
        Knot::Resource(id) => ties(cib, id),
        Knot::Outer(id) => vec![Knot::Resource(id.clone())],
        Knot::Inner(id) => resources(tree::resource(cib, id).map(|one| inner(cib, one)).unwrap_or_default()),
        Knot::Order(id) => {
            let ends = |one| ["first", "then"].map(|name| cib.attribute(one, name).unwrap_or("").to_owned()).to_vec();
            resources(order(id).map(ends).unwrap_or_default())
        }
        Knot::OrderSet(id) => {
            let all: BTreeSet<String> =
                order(id).into_iter().flat_map(|one| sets(cib, one)).flat_map(|(_, ids)| ids).collect();
            resources(all.into_iter().collect())
        }
    }
}

/// The ties of a resource.
fn ties(cib: &Document, id: &str) -> Vec<Knot> {
    let Some(resource) = tree::resource(cib, id) else { return Vec::new() };
    let mut ties = Vec::new();
    for order in orders(cib) {
        let sets = sets(cib, order);
        let own = cib.id(order).to_owned();
        let end = ["first", "then"].iter().any(|name| cib.attribute(order, name) == Some(id));
        if sets.iter().any(|(_, ids)| ids.iter().any(|one| one == id)) {
            ties.push(Knot::OrderSet(own));
        } else if sets.is_empty() && end {
            ties.push(Knot::Order(own));
        }
    }
    if cib.name(resource) != "primitive" {
        ties.push(Knot::Inner(id.to_owned()));
    }
    if let Some(parent) = tree::parent_resource(cib, resource) {
        ties.push(Knot::Outer(cib.id(parent).to_owned()));
    }
    ties
}

/// One place in the tree.
struct Node {
    knot: Knot,
    parent: Option<usize>,
    children: Vec<usize>,
    /// The same stands elsewhere, with what is below it.
    elsewhere: bool,
}

/// The tree, breadth first: what is near is shown near. The first node is the root.
fn grow(cib: &Document, root: &str) -> Vec<Node> {
    let node = |knot, parent| Node { knot, parent, children: Vec::new(), elsewhere: false };
    let mut nodes = vec![node(Knot::Resource(root.to_owned()), None)];
    let mut seen = BTreeSet::new();
    let mut queue = VecDeque::from([0]);
    while let Some(at) = queue.pop_front() {
        if !seen.insert(nodes[at].knot.clone()) {
            nodes[at].elsewhere = true;
            continue;
        }
        let above: Vec<Knot> =
            std::iter::successors(nodes[at].parent, |up| nodes[*up].parent).map(|up| nodes[up].knot.clone()).collect();
        let own = nodes[at].knot.clone();
        let mut children = members(cib, &own);
        children.retain(|child| {
            let back = child.opposite().is_some_and(|opposite| above.contains(&opposite));
            // Back through the way we came is nothing new, unless there are others to be met.
            *child != own && !above.contains(child) && (!back || members(cib, child).len() > 1)
        });
        for child in children {
            nodes.push(node(child, Some(at)));
            let last = nodes.len() - 1;
            nodes[at].children.push(last);
            queue.push_back(last);
        }
    }
    nodes
}

fn run(call: &mut Call<'_>) -> Done {
    let id = call.next("a resource id")?;
    call.no_more()?;
    if tree::resource(&call.cib, &id).is_none() {
        return call.fail(format!("bundle/clone/group/resource '{id}' does not exist"));
    }
    let nodes = grow(&call.cib, &id);
    let mut picture = Picture { cib: &call.cib, nodes: &nodes, full: call.options.has("--full"), lines: Vec::new() };
    picture.draw(0, "", "");
    let lines = picture.lines;
    lines.into_iter().for_each(|line| call.say(line));
    Ok(())
}

struct Picture<'a> {
    cib: &'a Document,
    nodes: &'a [Node],
    full: bool,
    lines: Vec<String>,
}

impl Picture<'_> {
    /// Draws a node and all below it; `branch` stands in front of its title, `margin` in front of what follows.
    fn draw(&mut self, at: usize, branch: &str, margin: &str) {
        let node = &self.nodes[at];
        let title = self.title(&node.knot);
        if node.elsewhere {
            self.lines.push(format!("{branch}{title} [displayed elsewhere]"));
            return;
        }
        self.lines.push(format!("{branch}{title}"));
        let line = if node.children.is_empty() { "   " } else { "|  " };
        let details = self.details(&node.knot);
        self.lines.extend(details.into_iter().map(|text| format!("{margin}{line}{text}")));
        // They grew in the order of the configuration, and are shown in the order of what they are.
        let mut children = node.children.clone();
        children.sort_by_key(|child| &self.nodes[*child].knot);
        for child in &children {
            let last = children.last() == Some(child);
            let (twig, line) = if last { ("`- ", "   ") } else { ("|- ", "|  ") };
            self.draw(*child, &format!("{margin}{twig}"), &format!("{margin}{line}"));
        }
    }

    fn title(&self, knot: &Knot) -> String {
        let what = match knot {
            Knot::Resource(id) => {
                let Some(resource) = tree::resource(self.cib, id).filter(|_| self.full) else { return id.clone() };
                let kind = match self.cib.name(resource) {
                    "primitive" => Name::of(self.cib, resource).to_string(),
                    "master" => "clone".to_owned(),
                    other => other.to_owned(),
                };
                return format!("{id} (resource: {kind})");
            }
            Knot::Inner(_) => "inner resource(s)",
            Knot::Outer(_) => "outer resource",
            Knot::Order(_) => "order",
            Knot::OrderSet(_) => "order set",
        };
        match self.full {
            true => format!("{what} ({})", knot.id()),
            false => what.to_owned(),
        }
    }

    fn details(&self, knot: &Knot) -> Vec<String> {
        let order = orders(self.cib).find(|one| self.cib.id(*one) == knot.id());
        match (knot, order) {
            (Knot::Inner(id), _) => {
                let inside = tree::resource(self.cib, id).map(|one| inner(self.cib, one)).unwrap_or_default();
                if inside.len() > 1 { vec![format!("members: {}", inside.join(" "))] } else { Vec::new() }
            }
            (Knot::Order(_), Some(order)) => {
                let text = |name, default| self.cib.attribute(order, name).unwrap_or(default);
                let line = format!(
                    "{} {} then {} {}",
                    text("first-action", "start"),
                    text("first", ""),
                    text("then-action", "start"),
                    text("then", "")
                );
                std::iter::once(line).chain(self.options(order)).collect()
            }
            (Knot::OrderSet(_), Some(order)) => {
                let line = |(set, ids): (Element, Vec<String>)| {
                    let known = ["action", "kind", "ordering", "require-all", "role", "score", "sequential"];
                    let options = self.set_options(set, &known);
                    let options = options.map(|options| format!(" ({options})")).unwrap_or_default();
                    format!("   set {}{options}", ids.join(" "))
                };
                let lines = sets(self.cib, order).into_iter().map(line);
                self.options(order).into_iter().chain(lines).collect()
            }
            _ => Vec::new(),
        }
    }

    /// The options of an order, in a line.
    fn options(&self, order: Element) -> Option<String> {
        self.set_options(order, &["kind", "require-all", "score", "symmetrical"])
    }

    /// Those of some attributes that are set, in a line.
    fn set_options(&self, element: Element, names: &[&str]) -> Option<String> {
        let set = names.iter().filter_map(|name| Some(format!("{name}={}", self.cib.attribute(element, name)?)));
        let set: Vec<String> = set.collect();
        (!set.is_empty()).then(|| set.join(" "))
    }
}
