//! Links between members that are down.

use corosync_conf::Severity;

use super::{Finding, Seen};

pub(super) fn check(seen: &Seen<'_>, found: &mut Vec<Finding>) {
    for (host, about) in seen.known {
        let nodes = about.engine.iter().flat_map(|engine| engine.nodes.iter().filter(|node| node.member));
        for node in nodes {
            let name = node.name.clone().unwrap_or_else(|| format!("node {}", node.id));
            for (link, _) in node.links.iter().filter(|(_, up)| !up) {
                found.push(
                    Finding::new("links", Severity::Warning, format!("link {link} to {name} is down"))
                        .on(host)
                        .because("Corosync's own packets do not come back over it; the others carry on alone")
                        .remedy("look at the cable, the switch and the firewall of that network: UDP 5405 and up"),
                );
            }
        }
    }
}
