//! The way back: a keepalived.conf for each node, from a configuration whose services are addresses; and what is lost.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use cib::{Document, Element, view};

/// The first router id; few networks have routers of their own that high.
const FIRST_ROUTER: u8 = 51;
/// The priority of the best node, and how far the next one is below.
const BEST: usize = 250;
/// Points between two nodes, for two to five nodes; more stand closer.
const STEP: usize = 50;

/// What was written.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Export {
    /// A file for each node.
    pub files: BTreeMap<String, String>,
    /// What is lost, a sentence each without its full stop.
    pub lost: Vec<String>,
}

/// One address.
struct Address {
    text: String,
    nic: Option<String>,
}

/// Writes the files. `interface` is that of addresses that name none.
///
/// # Errors
///
/// What is missing, and what to do, if there is no address or a virtual router would have no interface.
pub fn export(document: &Document, interface: Option<&str>) -> Result<Export, String> {
    let nodes: Vec<String> = document
        .descend(&["configuration", "nodes"])
        .into_iter()
        .flat_map(|nodes| document.children_named(nodes, "node"))
        .filter_map(|node| document.attribute(node, "uname").map(str::to_owned))
        .collect();
    if nodes.is_empty() {
        return Err("there is no node in <nodes>: give the configuration of a cluster".to_owned());
    }
    let mut export = Export::default();
    let mut texts: BTreeMap<&str, String> = BTreeMap::new();
    let mut routers = 0_u8;
    let resources = document.descend(&["configuration", "resources"]);
    for resource in resources.into_iter().flat_map(|resources| document.children(resources)) {
        let (addresses, others) = addresses(document, resource);
        let id = document.id(resource).to_owned();
        export.lost.extend(others);
        if addresses.is_empty() {
            continue;
        }
        let router = FIRST_ROUTER.checked_add(routers).ok_or_else(|| {
            format!("there are more addresses to move than router ids from {FIRST_ROUTER} to 255: {id} has none left")
        })?;
        routers += 1;
        let Some(nic) = addresses.iter().find_map(|one| one.nic.clone()).or(interface.map(str::to_owned)) else {
            return Err(format!("the addresses of {id} name no interface (nic); say which: --interface NAME"));
        };
        let sticky = sticky(document, resource);
        let scores = scores(document, &id, &nodes, &mut export.lost);
        let mut order: Vec<usize> = (0..nodes.len()).filter(|at| scores[*at] > i64::MIN).collect();
        order.sort_by_key(|at| std::cmp::Reverse(scores[*at]));
        let step = STEP.min((BEST - 1) / order.len().max(1));
        for (rank, at) in order.iter().enumerate() {
            let text = texts.entry(&nodes[*at]).or_default();
            let _ = write!(
                text,
                "\nvrrp_instance {id} {{\n    state BACKUP\n    interface {nic}\n    virtual_router_id {router}\n    priority \
                 {}\n    advert_int 1\n{}    virtual_ipaddress {{\n",
                BEST - rank * step,
                if sticky { "    nopreempt\n" } else { "" },
            );
            for address in &addresses {
                let _ = writeln!(text, "        {}", address.text);
            }
            text.push_str("    }\n}\n");
        }
    }
    if routers == 0 {
        return Err("there is no IPaddr2 among the resources: keepalived moves addresses, and nothing else".to_owned());
    }
    constraints(document, &mut export.lost);
    export.lost.push("Quorum and fencing: hosts that do not hear each other both take the addresses".to_owned());
    for node in &nodes {
        let text = texts.remove(node.as_str()).unwrap_or_default();
        let head = format!(
            "! Made by systole migrate export keepalived, for {node}.\nglobal_defs {{\n    router_id {node}\n}}\n"
        );
        export.files.insert(node.clone(), head + &text);
    }
    export.lost.dedup();
    Ok(export)
}

/// The addresses of a resource, and what of it is lost.
fn addresses(document: &Document, resource: Element) -> (Vec<Address>, Vec<String>) {
    let primitives: Vec<Element> =
        document.descendants(resource).filter(|one| document.name(*one) == "primitive").collect();
    let mut found = Vec::new();
    let mut lost = Vec::new();
    let cloned = matches!(document.name(resource), "clone" | "master");
    for one in primitives {
        let value = |name: &str| document.attribute(one, name).unwrap_or_default();
        let agent = value("type");
        if cloned || !matches!(agent, "IPaddr2" | "IPaddr") {
            lost.push(format!("{} ({agent}): keepalived moves addresses only", document.id(one)));
            continue;
        }
        let parameters = view::parameters(document, one, &cib::rule::Context::at(0));
        let Some(ip) = parameters.get("ip") else {
            lost.push(format!("{}: it has no ip", document.id(one)));
            continue;
        };
        let mut text = ip.to_owned();
        if let Some(prefix) = parameters.get("cidr_netmask") {
            let _ = write!(text, "/{prefix}");
        }
        let nic = parameters.get("nic").map(str::to_owned);
        if let Some(nic) = &nic {
            let _ = write!(text, " dev {nic}");
        }
        if let Some(broadcast) = parameters.get("broadcast") {
            let _ = write!(text, " brd {broadcast}");
        }
        if let (Some(nic), Some(label)) = (&nic, parameters.get("iflabel")) {
            let _ = write!(text, " label {nic}:{label}");
        }
        found.push(Address { text, nic });
    }
    (found, lost)
}

/// Whether it stays where it is.
fn sticky(document: &Document, resource: Element) -> bool {
    let sets = document.children_named(resource, "meta_attributes");
    let pairs = sets.flat_map(|set| document.children_named(set, "nvpair"));
    let value = pairs
        .filter(|pair| document.attribute(*pair, "name") == Some("resource-stickiness"))
        .find_map(|pair| document.attribute(pair, "value"));
    value.is_some_and(|value| !value.starts_with('-') && value != "0")
}

/// What each node is worth for a resource; the least there is for one that may not run it.
fn scores(document: &Document, id: &str, nodes: &[String], lost: &mut Vec<String>) -> Vec<i64> {
    let mut scores = vec![0_i64; nodes.len()];
    let constraints = document.descend(&["configuration", "constraints"]);
    for one in constraints.into_iter().flat_map(|all| document.children_named(all, "rsc_location")) {
        if document.attribute(one, "rsc") != Some(id) {
            continue;
        }
        let (Some(node), Some(score)) = (document.attribute(one, "node"), document.attribute(one, "score")) else {
            lost.push(format!(
                "{}: a rule about {id}; watch the same by a vrrp_script or track_interface",
                document.id(one)
            ));
            continue;
        };
        let Some(at) = nodes.iter().position(|other| other == node) else { continue };
        scores[at] = match score {
            "-INFINITY" => i64::MIN,
            "INFINITY" | "+INFINITY" => i64::MAX,
            number => scores[at].saturating_add(number.parse().unwrap_or(0)),
        };
    }
    scores
}

/// What holds between resources is lost.
fn constraints(document: &Document, lost: &mut Vec<String>) {
    let all = document.descend(&["configuration", "constraints"]);
    for one in all.into_iter().flat_map(|all| document.children(all)) {
        if document.name(one) != "rsc_location" {
            lost.push(format!("{} ({}): instances know nothing of each other", document.id(one), document.name(one)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::configuration::document;
    use crate::plan::{Wishes, plan};
    use crate::verdict::Answers;
    use keepalived::{Files, Host, Model};

    fn model(priority: u8) -> Model {
        let text = format!(
            "vrrp_instance WEB {{\ninterface eth0\nvirtual_router_id 9\npriority {priority}\nvirtual_ipaddress {{\n10.0.0.1/24 dev eth0 label eth0:web\n10.0.0.2\n}}\n}}\n"
        );
        Model::read(&Files::one("/k", text), &Host::default())
    }

    #[test]
    fn there_and_back_again() {
        let hosts = [("one".to_owned(), model(100)), ("two".to_owned(), model(150))];
        let plan = plan(&hosts, &Answers::read("defaults = yes").unwrap(), &Wishes::default()).unwrap();
        let export = export(&document(&plan.configuration), None).unwrap();
        let back = |name: &str| Model::read(&Files::one("/k", export.files[name].clone()), &Host::default());
        let (one, two) = (back("one"), back("two"));
        assert!(one.instances[0].priority < two.instances[0].priority);
        assert_eq!(
            one.instances[0].addresses.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["10.0.0.1/24 dev eth0 scope global label eth0:web", "10.0.0.2 dev eth0 scope global"]
        );
        assert!(one.notes.is_empty(), "{:?}", one.notes);
        assert!(export.lost.iter().any(|line| line.contains("HealthCheck")), "{:?}", export.lost);
        let nothing =
            Document::parse("<cib><configuration><nodes><node id='1' uname='a'/></nodes></configuration></cib>")
                .unwrap();
        assert!(super::export(&nothing, None).unwrap_err().contains("no IPaddr2"));
    }
}
