//! Pure crates take values and give values. What they must not use is refused by name here, and by clippy's
//! `disallowed-types` and `disallowed-methods` in their own `clippy.toml`.

use crate::workspace::{Crate, root, sources};
use crate::{Finding, finding};

/// The crates that decide.
pub const PURE: &[&str] = &[
    "crm/cib",
    "crm/transition",
    "crm/policy",
    "crm/controller",
    "crm/executor",
    "crm/alerts",
    "crm/node",
    "crm/wire",
    "crm/store",
    "crm/engine",
    "crm/corosync-conf",
    "crm/keepalived",
    "crm/migrate",
    "crm/pcs",
    "crm/expiring",
    "crm/desired",
    "crm/outline",
    "crm/secrets",
    "crm/acl",
    "crm/picture",
    "fencing/fencer",
    "schemas",
];

/// What they must not name, and what to do instead.
const REFUSED: &[(&str, &str)] = &[
    ("std::fs", "take the text as a value; files are the daemon's"),
    ("std::net", "take what happened as an event; sockets are the daemon's"),
    ("std::os", "take it as a value; the system is the daemon's"),
    ("std::process", "give a command; processes are the daemon's"),
    ("std::thread", "stay on one thread; the daemon has the others"),
    ("std::sync::Mutex", "own the state; machines are not shared"),
    ("std::env", "take it as a value; the environment is the daemon's"),
    ("std::time::Instant", "take the time as a Duration; clocks are the daemon's"),
    ("std::time::SystemTime", "take the time as a number; clocks are the daemon's"),
    ("Instant::now", "take the time as a Duration; clocks are the daemon's"),
    ("SystemTime::now", "take the time as a number; clocks are the daemon's"),
    ("async fn", "be a machine: Event in, Command out"),
    (".await", "be a machine: Event in, Command out"),
    ("println!", "give a value; who prints it is a shell's business"),
    ("rand::", "take a seed"),
];

/// Dependencies that would bring the world in.
const REFUSED_CRATES: &[&str] = &["tokio", "nix", "libc", "rand", "tracing", "zbus", "clap", "procfs"];

/// What a pure crate uses that it must not.
pub fn check(crates: &[Crate]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for folder in PURE {
        match crates.iter().find(|one| one.folder == *folder) {
            None => findings.push(finding(folder, "is a pure crate and is not there")),
            Some(one) => {
                for dependency in REFUSED_CRATES.iter().filter(|name| one.dependencies.contains(**name)) {
                    findings.push(finding(
                        folder,
                        format!("is pure and names {dependency}: move what needs it into a shell"),
                    ));
                }
            }
        }
        if *folder != "schemas" && !root().join(folder).join("clippy.toml").exists() {
            findings.push(finding(folder, "is pure and has no clippy.toml: copy the one of crm/controller"));
        }
        for (file, text) in sources(&format!("{folder}/src")) {
            findings.extend(check_file(&file, &text));
        }
    }
    findings
}

/// What one file of a pure crate uses that it must not; tests may use anything.
fn check_file(file: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, line) in text.lines().enumerate() {
        if line.trim() == "#[cfg(test)]" {
            break;
        }
        let code = line.split("//").next().unwrap_or_default();
        for (word, instead) in REFUSED.iter().filter(|(word, _)| code.contains(word)) {
            findings.push(finding(
                format!("{file}:{}", number + 1),
                format!("a pure crate must not use {word}: {instead}"),
            ));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_found_and_a_test_may_have_one() {
        let text = "fn f() { Instant::now() } // fine: Instant::now\n#[cfg(test)]\nmod t { use std::fs; }";
        let found = check_file("x.rs", text);
        assert_eq!(found.len(), 1);
        assert!(found[0].to_string().starts_with("x.rs:1: a pure crate must not use Instant::now"));
    }
}
