//! Names that lead to the right addresses, and to the same everywhere.

use std::collections::{BTreeMap, BTreeSet};

use corosync_conf::Severity;

use super::{Finding, Seen};

pub(super) fn check(seen: &Seen<'_>, found: &mut Vec<Finding>) {
    let mut meanings: BTreeMap<&str, BTreeSet<Vec<&str>>> = BTreeMap::new();
    for (host, about) in seen.known {
        for (name, addresses) in &about.resolved {
            let own = *name == about.host;
            let loopback = addresses.iter().find(|address| address.starts_with("127.") || *address == "::1");
            if let Some(address) = loopback {
                let whose = if own { "its own name".to_owned() } else { format!("the name {name}") };
                found.push(
                    Finding::new("names", Severity::Warning, format!("{whose} leads to {address}"))
                        .on(host)
                        .because("installers write 127.0.1.1 into /etc/hosts; who looks the name up there reaches nobody else")
                        .remedy("put the host's address into /etc/hosts instead"),
                );
            } else if addresses.is_empty() && !own {
                found.push(
                    Finding::new("names", Severity::Error, format!("the name {name} is not known there"))
                        .on(host)
                        .because("corosync.conf has it as an address; Corosync does not start without it")
                        .remedy("put it into /etc/hosts on all hosts, or write the address into corosync.conf"),
                );
            } else if !own {
                let mut sorted: Vec<&str> = addresses.iter().map(String::as_str).collect();
                sorted.sort_unstable();
                sorted.dedup();
                meanings.entry(name).or_default().insert(sorted);
            }
        }
    }
    for (name, addresses) in meanings.into_iter().filter(|(_, addresses)| addresses.len() > 1) {
        let list: Vec<String> = addresses.iter().map(|list| list.join(" ")).collect();
        found.push(
            Finding::new(
                "names",
                Severity::Error,
                format!("the name {name} means different addresses on different hosts"),
            )
            .because(list.join("; "))
            .remedy("put one address into /etc/hosts on all hosts, or write the address into corosync.conf"),
        );
    }
}
