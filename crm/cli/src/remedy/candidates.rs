//! Changes worth trying, the mildest first: what an operator undoes with a command, then what waits for the world
//! (a node, quorum, a ticket), then the configuration.

use std::collections::BTreeSet;

use cib::{Document, Element};
use policy::model::{INFINITY, NodeFlags, NodeKind, Resource, Role, RscFlags, RscId};
use policy::{Cluster, Plan};

use super::edit;
use crate::all_failures::service;
use crate::by_hand::{self, Target};
use crate::cluster::{self, View};
use crate::tools::crm_simulate::history;

/// How far partners of partners are looked for: a change further away is no answer to an operator's question.
const PARTNER_DEPTH: usize = 3;

/// One change, and the CIB with it.
#[derive(Debug)]
pub struct Candidate {
    /// What would have to be, as it follows after "if".
    pub what: String,
    /// What to type for it.
    pub command: Option<String>,
    /// The CIB with it.
    pub document: Document,
}

/// All of them, for the question whether `id` runs on `node` or anywhere. `settled` is the cluster as it comes to rest.
pub fn all(view: &View, plan: &Plan, settled: &Cluster, id: &str, node: Option<&str>) -> Vec<Candidate> {
    let Ok(id) = cluster::resource(&plan.cluster, id) else { return Vec::new() };
    let mut search = Search {
        view,
        plan,
        settled,
        node,
        aliases: edit::aliases(&view.document),
        near: BTreeSet::new(),
        partners: Vec::new(),
        found: Vec::new(),
    };
    search.gather(id);
    search.undo_by_command(id);
    search.roles();
    search.management();
    search.nodes();
    search.world();
    search.constraints();
    search.properties();
    search.instances(id);
    search.found
}

struct Search<'a> {
    view: &'a View,
    plan: &'a Plan,
    settled: &'a Cluster,
    node: Option<&'a str>,
    aliases: edit::Aliases,
    /// Ids, as configured, of the resource, of what holds it and of what is in it.
    near: BTreeSet<String>,
    /// Resources that constraints tie to it, the nearest first; itself and its kin before them.
    partners: Vec<String>,
    found: Vec<Candidate>,
}

impl Search<'_> {
    fn offer(&mut self, what: String, command: Option<String>, change: impl FnOnce(&mut Document)) {
        let mut document = self.view.document.clone();
        change(&mut document);
        self.found.push(Candidate { what, command, document });
    }

    fn cluster(&self) -> &Cluster {
        &self.plan.cluster
    }

    /// The resources of that id: itself, or all instances.
    fn resources<'b>(&'b self, id: &'b str) -> impl Iterator<Item = &'b Resource> {
        self.cluster().resources.iter().filter(move |resource| resource.xml_id == id)
    }

    fn kin(&self, id: RscId) -> BTreeSet<String> {
        let cluster = self.cluster();
        let mut kin: BTreeSet<String> = service::primitives(cluster, id)
            .chain([id])
            .map(|member| cluster.resource(member).xml_id.clone())
            .collect();
        let mut at = cluster.resource(id).parent;
        while let Some(parent) = at {
            kin.insert(cluster.resource(parent).xml_id.clone());
            at = cluster.resource(parent).parent;
        }
        kin
    }

    /// Follows constraints from the resource to those it needs.
    fn gather(&mut self, id: RscId) {
        self.near = self.kin(id);
        let mut known = self.near.clone();
        let own = self.cluster().resource(id).xml_id.clone();
        let mut order = vec![own.clone()];
        order.extend(self.near.iter().filter(|other| **other != own).cloned());
        // The members before it in its group are partners like those of constraints.
        let top = self.cluster().top_of(id, true);
        let mut edge: Vec<String> = Vec::new();
        for member in service::primitives(self.cluster(), top) {
            edge.push(self.cluster().resource(member).xml_id.clone());
        }
        edge.extend(self.near.iter().cloned());
        for _ in 0..PARTNER_DEPTH {
            let mut next = Vec::new();
            for constraint in edit::constraints(&self.view.document) {
                let named = edit::named_by(&self.view.document, &self.aliases, constraint);
                if named.iter().any(|name| known.contains(*name) || edge.iter().any(|other| other == name)) {
                    next.extend(named.into_iter().map(str::to_owned));
                }
            }
            let mut fresh: Vec<String> = Vec::new();
            for name in edge.into_iter().chain(next) {
                let kin = cluster::resource(self.cluster(), &name).map(|id| self.kin(id)).unwrap_or_default();
                fresh.extend(kin.into_iter().filter(|name| known.insert(name.clone())));
            }
            order.extend(fresh.iter().cloned());
            edge = fresh;
        }
        self.partners = order;
    }

    /// What one command undoes.
    fn undo_by_command(&mut self, id: RscId) {
        let document = &self.view.document;
        let mut found = Vec::new();
        for name in &self.partners {
            if self.resources(name).any(Resource::is_primitive)
                && let Some(document) = edit::forget(document, Some(name), None)
            {
                let command = Some(format!("systole cleanup {name}"));
                found.push(Candidate { what: format!("the failures of {name} were forgotten"), command, document });
            }
        }
        self.found.extend(found);
        for name in self.partners.clone() {
            let mut cleared = self.view.document.clone();
            if !by_hand::clear(&mut cleared, &name).is_empty() {
                let whose = if self.near.contains(&name) { String::new() } else { format!(" of {name}") };
                let what = format!("what was moved by hand{whose} were taken back");
                self.found.push(Candidate { what, command: Some(format!("systole clear {name}")), document: cleared });
            }
        }
        let standby: Vec<String> = self
            .cluster()
            .nodes
            .iter()
            .filter(|node| node.is(NodeFlags::STANDBY) && self.node.is_none_or(|wanted| wanted == node.name))
            .map(|node| node.name.clone())
            .collect();
        for name in standby {
            let command = Some(format!("systole unstandby {name}"));
            self.offer(format!("node {name} were no longer in standby"), command, |document| {
                edit::set_node_attribute(document, &name, "standby", "off");
            });
        }
        let target = Target::of(self.cluster(), id);
        if let Some(node) = self.node.filter(|_| super::is_single(self.cluster(), target.id)) {
            let command = Some(format!("systole move {} {node}", target.name));
            let what = if target.note.is_some() {
                format!("{} were moved there by hand", target.name)
            } else {
                "it were moved there by hand".into()
            };
            self.offer(what, command, |document| {
                by_hand::prefer(document, &target, node);
            });
        }
    }

    fn roles(&mut self) {
        for name in self.partners.clone() {
            let stopped = self.resources(&name).any(|resource| {
                matches!(resource.meta("target-role").and_then(Role::parse), Some(Role::Stopped | Role::Unpromoted))
            });
            if stopped {
                self.set_meta(&name, "target-role", "Started", &format!("the target-role of {name} were Started"));
            }
        }
    }

    fn set_meta(&mut self, resource: &str, name: &str, value: &str, what: &str) {
        let Some(element) = edit::resource(&self.view.document, resource) else { return };
        self.offer(what.to_owned(), None, |document| edit::set_pair(document, element, "meta_attributes", name, value));
    }

    fn management(&mut self) {
        for name in self.partners.clone() {
            if self.resources(&name).any(|resource| resource.meta("is-managed").is_some_and(is_false)) {
                self.set_meta(&name, "is-managed", "true", &format!("{name} were managed (is-managed)"));
            }
            if self.resources(&name).any(|resource| resource.meta("maintenance").is_some_and(is_true)) {
                self.set_meta(&name, "maintenance", "false", &format!("{name} were not in maintenance"));
            }
        }
        if self.cluster().options.maintenance {
            self.property("the cluster were not in maintenance-mode", &["maintenance-mode"], "false");
        }
    }

    fn property(&mut self, what: &str, names: &[&str], value: &str) {
        self.offer(what.to_owned(), None, |document| edit::set_property(document, names, value));
    }

    fn nodes(&mut self) {
        let of = |flag: NodeFlags| {
            let nodes = self.cluster().nodes.iter().filter(move |node| node.is(flag));
            nodes.map(|node| node.name.clone()).collect::<Vec<_>>()
        };
        for name in of(NodeFlags::MAINTENANCE) {
            self.offer(format!("node {name} were not in maintenance"), None, |document| {
                edit::set_node_attribute(document, &name, "maintenance", "false");
            });
        }
        let unclean: Vec<String> =
            self.settled.nodes.iter().filter(|node| node.unclean()).map(|node| node.name.clone()).collect();
        for name in unclean {
            self.offer(format!("node {name} were fenced, or its failure confirmed"), None, |document| {
                history::set_node_up(document, &name, false);
                history::forget_node(document, &name);
            });
        }
        let down = self.cluster().nodes.iter().filter(|node| {
            node.kind == NodeKind::Cluster
                && (!node.online() || node.is(NodeFlags::SHUTDOWN) || node.unclean())
                && self.node.is_none_or(|wanted| wanted == node.name)
        });
        let down: Vec<String> = down.map(|node| node.name.clone()).collect();
        for name in down {
            self.offer(format!("node {name} were online"), None, |document| {
                history::forget_node(document, &name);
                history::set_node_up(document, &name, true);
            });
        }
    }

    /// What other hosts and other sites decide.
    fn world(&mut self) {
        if !self.cluster().quorate {
            self.offer("this partition had quorum".into(), None, |document| {
                let root = document.root();
                document.set(root, "have-quorum", "1");
            });
        }
        let document = &self.view.document;
        let tickets: BTreeSet<String> = edit::constraints(document)
            .into_iter()
            .filter(|constraint| {
                document.name(*constraint) == "rsc_ticket" && self.is_about(*constraint, &self.partners)
            })
            .filter_map(|constraint| document.attribute(constraint, "ticket").map(str::to_owned))
            .collect();
        for ticket in tickets {
            self.offer(format!("ticket {ticket} were granted here"), None, |document| {
                history::set_ticket(document, &ticket, "granted", true);
                history::set_ticket(document, &ticket, "standby", false);
            });
        }
    }

    fn is_about<'b>(&self, constraint: Element, ids: impl IntoIterator<Item = &'b String>) -> bool {
        let named = edit::named_by(&self.view.document, &self.aliases, constraint);
        ids.into_iter().any(|id| named.contains(&id.as_str()))
    }

    /// Constraints without which it might run there: those that forbid the place, those on it, those on its partners.
    fn constraints(&mut self) {
        let document = &self.view.document;
        let all = edit::constraints(document);
        let forbids = |id: &str| {
            let changes = self.plan.reasons.iter().filter(|explained| {
                self.near.contains(&explained.resource) || self.near.contains(base(&explained.resource))
            });
            changes.flat_map(|explained| &explained.changes).any(|change| {
                change.score <= -INFINITY
                    && change.source.constraint() == Some(id)
                    && self.node.is_none_or(|node| node == change.node)
            })
        };
        let rank = |constraint: &Element| match () {
            () if forbids(document.id(*constraint)) => Some(0),
            () if self.is_about(*constraint, &self.near) => Some(1),
            () if self.is_about(*constraint, &self.partners) => Some(2),
            () => None,
        };
        let mut ranked: Vec<(u8, Element)> = all.iter().filter_map(|one| rank(one).map(|rank| (rank, *one))).collect();
        ranked.sort_by_key(|(rank, _)| *rank);
        for (_, constraint) in ranked {
            let what =
                format!("constraint {} were removed ({})", document.id(constraint), saying(document, constraint));
            self.offer(what, None, |document| document.remove(constraint));
        }
    }

    /// More instances.
    fn instances(&mut self, id: RscId) {
        let top = self.cluster().resource(self.cluster().top_of(id, true));
        let Some(data) = top.clone_data() else { return };
        let (name, max, per_node) = (top.xml_id.clone(), data.max + 1, data.node_max + 1);
        self.set_meta(&name, "clone-max", &max.to_string(), &format!("clone-max of {name} were {max}"));
        self.set_meta(
            &name,
            "clone-node-max",
            &per_node.to_string(),
            &format!("clone-node-max of {name} were {per_node}"),
        );
    }

    fn properties(&mut self) {
        let options = self.cluster().options.clone();
        if options.stop_all {
            self.property("stop-all-resources were false", &["stop-all-resources"], "false");
        }
        if options.shutdown_lock {
            self.property("shutdown-lock were false", &["shutdown-lock"], "false");
        }
        let health = options.raw.get("node-health-strategy").is_some_and(|strategy| strategy != "none");
        if health {
            self.property(
                "the health of nodes did not count (node-health-strategy=none)",
                &["node-health-strategy"],
                "none",
            );
        }
        if options.placement != policy::model::Placement::Default {
            self.property(
                "the capacity of nodes did not count (placement-strategy=default)",
                &["placement-strategy"],
                "default",
            );
        }
        if options.fencing_enabled && !options.have_fencing {
            let what = "there were a fence device (without one nothing is started while fencing-enabled is true)";
            self.offer(what.into(), None, edit::add_fence_device);
        }
        if !options.symmetric && self.node.is_none() {
            self.property("resources ran anywhere by default (symmetric-cluster=true)", &["symmetric-cluster"], "true");
        }
        let blocked =
            self.partners.iter().any(|name| self.resources(name).any(|resource| resource.is(RscFlags::BLOCKED)));
        if blocked && let Some(document) = edit::forget(&self.view.document, None, None) {
            let what = "all failures were forgotten".to_owned();
            self.found.push(Candidate { what, command: Some("systole cleanup".into()), document });
        }
    }
}

/// An id without its instance number.
fn base(id: &str) -> &str {
    id.split_once(':').map_or(id, |(base, _)| base)
}

fn is_true(text: &str) -> bool {
    cib::boolean::parse(text) == Some(true)
}

fn is_false(text: &str) -> bool {
    cib::boolean::parse(text) == Some(false)
}

/// What a constraint says, in a few words.
fn saying(document: &Document, constraint: Element) -> String {
    let value = |name: &str| document.attribute(constraint, name);
    let score = value("score").map(|score| format!(" {score}")).unwrap_or_default();
    let named = || edit::named_by(document, &edit::Aliases::new(), constraint).join(", ");
    match (document.name(constraint), value("node")) {
        ("rsc_location", Some(node)) => format!("{} on {node}{score}", value("rsc").unwrap_or("a set")),
        ("rsc_location", None) => format!("a rule for {}", value("rsc").unwrap_or("a set")),
        ("rsc_colocation", _) => match (value("rsc"), value("with-rsc")) {
            (Some(rsc), Some(with)) => format!("{rsc} with {with}{score}"),
            _ => format!("{} together{score}", named()),
        },
        ("rsc_order", _) => match (value("first"), value("then")) {
            (Some(first), Some(then)) => format!("{first} before {then}"),
            _ => format!("{} in this order", named()),
        },
        ("rsc_ticket", _) => format!("{} with ticket {}", named(), value("ticket").unwrap_or_default()),
        (name, _) => name.to_owned(),
    }
}
