//! A crate names only crates on lower lines of `ARCHITECTURE.md`'s table.

use crate::workspace::Crate;
use crate::{Finding, finding};

/// The lines of the table, lowest first; who stands on one line does not name each other.
pub const LAYERS: &[&[&str]] = &[
    &["schemas", "ocf", "icmp", "fencer", "engine", "corosync-conf", "keepalived", "listen"],
    &["cib", "probe"],
    &["transition", "wire", "store", "pcs", "desired", "secrets"],
    &[
        "policy",
        "expiring",
        "acl",
        "controller",
        "executor",
        "alerts",
        "embedded",
        "corosync",
        "systemd",
        "setup",
        "resource-agents",
        "fence-agents",
    ],
    &["node", "host-agent", "migrate", "outline", "picture"],
    &["daemon", "cli"],
];

/// Crates below `tests/` stand on all others and may name any; nothing names them but one another.
const TESTS: &str = "tests/";

/// Beyond the table: who must not name whom, and why.
pub const FORBIDDEN: &[(&str, &[&str], &str)] = &[
    ("policy", &["engine", "wire", "ocf", "fencer"], "a plan depends on the CIB and the time alone"),
    ("controller", &["ocf", "fencer"], "it knows when to plan and which step is next, never what is right"),
    ("executor", &["engine", "fencer"], "it is given an operation with everything resolved"),
    ("resource-agents", &["engine", "fencer", "schemas"], "an agent must run under Pacemaker too"),
    ("fence-agents", &["engine", "fencer", "schemas"], "an agent must run under Pacemaker too"),
    ("cli", &["engine", "node", "controller", "executor"], "it speaks `wire`, or works on a file"),
];

fn layer(name: &str) -> Option<usize> {
    LAYERS.iter().position(|line| line.contains(&name))
}

/// What is out of line.
pub fn check(crates: &[Crate]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let is_ours = |name: &str| crates.iter().any(|other| other.name == name);
    for one in crates {
        let place = format!("{}/Cargo.toml", one.folder);
        let folder = one.folder.rsplit('/').next().unwrap_or_default();
        if one.name != folder {
            findings.push(finding(
                &place,
                format!("the crate is called {}, its folder {folder}: give both one name", one.name),
            ));
        }
        let tests = one.folder.starts_with(TESTS);
        let mine = layer(&one.name);
        if !tests && mine.is_none() {
            findings.push(finding(
                &place,
                "stands on no line of the table: give it one in tests/tidy/src/layers.rs and ARCHITECTURE.md",
            ));
        }
        for dependency in one.dependencies.iter().filter(|name| is_ours(name)) {
            let lower = match (mine, layer(dependency)) {
                _ if tests => true,
                (Some(mine), Some(theirs)) => theirs < mine,
                _ => false,
            };
            if !lower {
                findings.push(finding(&place, format!("{} names {dependency}, which does not stand on a lower line: turn the dependency round, or move what both need down", one.name)));
            }
        }
        for (name, forbidden, why) in FORBIDDEN.iter().filter(|(name, ..)| *name == one.name) {
            for dependency in forbidden.iter().filter(|dependency| one.dependencies.contains(**dependency)) {
                findings.push(finding(&place, format!("{name} must not know {dependency}: {why}")));
            }
        }
    }
    findings
}
