//! What holds for every source file: what it begins with, how long it is, what it must not contain.

use crate::{Finding, finding};

/// A longer file holds two ideas; a long list is fine below it.
pub const LONGEST: usize = 900;

/// Files that touch memory or the kernel by hand, each for the reason it gives at the place.
pub const UNSAFE: &[&str] =
    &["agents/", "crm/corosync/", "crm/daemon/", "crm/host-agent/", "crm/listen/", "tests/lab/"];

/// Words that promise work or hide it. Put together here so that this file does not contain them.
fn promises() -> Vec<String> {
    ["todo!(", "unimplemented!(", "#[ignore", "allow(dead_code", "allow(unused", "FIX", "XX"]
        .iter()
        .map(|word| match *word {
            "FIX" => "FIXME".to_owned(),
            "XX" => "XXX".to_owned(),
            other => other.to_owned(),
        })
        .collect()
}

/// What is wrong with one file.
pub fn check(file: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let head = text.lines().find(|line| !line.trim().is_empty() && !line.starts_with("#!["));
    if !head.is_some_and(|line| line.starts_with("//!")) {
        findings.push(finding(file, "begins without a //! line: say what the file is, and what it leaves to others"));
    }
    let lines = text.lines().count();
    if lines > LONGEST {
        findings.push(finding(file, format!("has {lines} lines, more than {LONGEST}: it holds two ideas, part them")));
    }
    let root = file.ends_with("src/lib.rs") || file.ends_with("src/main.rs");
    let may = UNSAFE.iter().any(|folder| file.starts_with(folder));
    if root && !may && !text.contains("#![forbid(unsafe_code)]") {
        findings.push(finding(file, "lacks #![forbid(unsafe_code)]"));
    }
    if file.starts_with("tests/tidy/") {
        return findings;
    }
    for (number, line) in text.lines().enumerate() {
        for word in promises().iter().filter(|word| line.contains(word.as_str())) {
            findings.push(finding(format!("{file}:{}", number + 1), format!("{word}: finish it, or take it out")));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_says_what_it_is() {
        assert!(check("crm/x/src/a.rs", "//! It is.\nfn f() {}\n").is_empty());
        assert_eq!(check("crm/x/src/a.rs", "fn f() {}\n").len(), 1);
        assert_eq!(check("crm/x/src/lib.rs", "//! It is.\n").len(), 1);
        assert_eq!(check("crm/x/src/a.rs", "//! It is.\nfn f() { todo!() }\n").len(), 1);
    }
}
