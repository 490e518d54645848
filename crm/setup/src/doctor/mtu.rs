//! Links on which packets of different length pass: knet sends what the least of them takes, and whoever pings with the
//! longest sees nothing wrong.

use std::collections::BTreeMap;

use corosync_conf::Severity;

use super::{Finding, Seen};

pub(super) fn check(seen: &Seen<'_>, found: &mut Vec<Finding>) {
    let mut links: BTreeMap<u32, Vec<(u32, String)>> = BTreeMap::new();
    for (host, about) in seen.known {
        let nodes = about.engine.iter().flat_map(|engine| engine.nodes.iter().filter(|node| node.id != engine.me));
        for node in nodes {
            let other = node.name.clone().unwrap_or_else(|| format!("node {}", node.id));
            for (link, mtu) in &node.mtus {
                links.entry(*link).or_default().push((*mtu, format!("{host} to {other}")));
            }
        }
    }
    for (link, mut paths) in links {
        paths.sort();
        let (Some((least, narrow)), Some((most, wide))) = (paths.first(), paths.last()) else { continue };
        if least < most {
            found.push(
                Finding::new("mtu", Severity::Warning, format!("link {link} takes packets of different length"))
                    .because(format!("knet sends {least} bytes from {narrow}, and {most} from {wide}"))
                    .remedy("give all interfaces and switches of that network the same MTU; `systole cluster probe` measures it"),
            );
        }
    }
}
