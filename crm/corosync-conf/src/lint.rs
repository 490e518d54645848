//! What is wrong with a file: one rule a file, listed in [`RULES`]. Each finding says why it matters and what to do.
//!
//! What is an error is what Corosync 3 refuses, when it reads the file or when it starts; each such rule was tried with
//! the real one. Warnings are about what it takes and does otherwise than meant.

mod authkey;
mod crypto;
mod device;
mod duplicate;
mod expected_votes;
mod interface;
mod links;
mod local;
mod logging;
mod nodes;
mod obsolete;
mod provider;
mod tie_breaker;
mod timing;
mod transport;
mod two_node;
mod unknown;
mod value;
mod version;
mod votes;

use core::net::IpAddr;
use std::collections::BTreeMap;

use crate::conf::Conf;
use crate::finding::Finding;
use crate::model::Model;

/// What is known about the host that a file is for. What is unknown is not checked.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Facts {
    /// Its name, as `uname -n` says.
    pub hostname: Option<String>,
    /// Its addresses.
    pub addresses: Option<Vec<IpAddr>>,
    /// What names stand for; an empty list is a name that was not found.
    pub resolved: BTreeMap<String, Vec<IpAddr>>,
    /// The shared key.
    pub authkey: Option<Authkey>,
}

/// The shared key's file.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Authkey {
    /// It is not there.
    Missing,
    /// It is there.
    Present {
        /// Its size in bytes.
        bytes: u64,
        /// Its permissions, as in `0o400`.
        mode: u32,
    },
}

/// What a rule works on.
struct Subject<'s> {
    conf: &'s Conf,
    model: &'s Model<'s>,
    facts: &'s Facts,
}

type Rule = fn(&Subject<'_>) -> Vec<Finding>;

/// All rules; their names are those of their files.
const RULES: &[Rule] = &[
    version::check,
    transport::check,
    crypto::check,
    authkey::check,
    nodes::check,
    links::check,
    interface::check,
    local::check,
    timing::check,
    provider::check,
    two_node::check,
    device::check,
    tie_breaker::check,
    expected_votes::check,
    votes::check,
    value::check,
    logging::check,
    duplicate::check,
    unknown::check,
    obsolete::check,
];

/// Everything that is wrong, errors first, each in the order of the file.
///
/// ```
/// use corosync_conf::{Conf, Facts, lint};
/// let found = lint(&Conf::parse("totem {\n version: 2\n tokn: 5000\n}\n"), &Facts::default());
/// assert!(found.iter().any(|finding| finding.message == "totem.tokn is not known to Corosync"));
/// ```
pub fn lint(conf: &Conf, facts: &Facts) -> Vec<Finding> {
    let model = Model::of(conf);
    let subject = Subject { conf, model: &model, facts };
    let mut findings: Vec<Finding> = conf.problems().to_vec();
    findings.extend(RULES.iter().flat_map(|rule| rule(&subject)));
    findings.sort_by_key(|finding| (finding.severity, finding.span));
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::{Severity, apply};

    /// A file that nothing is wrong with; `totem`, `node` (of the first), `quorum` and `more` are put where they say.
    pub(super) fn file(totem: &str, node: &str, quorum: &str, more: &str) -> String {
        format!(
            "totem {{\n    version: 2\n    cluster_name: c\n    config_version: 3\n    crypto_cipher: aes256\n    crypto_hash: sha256\n{totem}}}\n\
             nodelist {{\n    node {{\n        name: a\n        nodeid: 1\n        ring0_addr: 10.0.0.1\n        ring1_addr: 10.1.0.1\n{node}    }}\n\
             \x20   node {{\n        name: b\n        nodeid: 2\n        ring0_addr: 10.0.0.2\n        ring1_addr: 10.1.0.2\n    }}\n\
             \x20   node {{\n        name: c\n        nodeid: 3\n        ring0_addr: 10.0.0.3\n        ring1_addr: 10.1.0.3\n    }}\n}}\n\
             quorum {{\n    provider: corosync_votequorum\n{quorum}}}\n{more}"
        )
    }

    /// Lints a text and compares what is found, a line each: `error two_node 12:5 message`.
    #[track_caller]
    pub(super) fn expect(text: &str, facts: &Facts, expected: &[&str]) {
        let conf = Conf::parse(text);
        let shown = |finding: &Finding| {
            let place = finding.span.map_or(String::new(), |span| {
                let (line, column) = conf.position(span.start);
                format!("{line}:{column} ")
            });
            let severity = match finding.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
                Severity::Advice => "advice",
            };
            format!("{severity} {} {place}{}", finding.rule, finding.message)
        };
        let findings = lint(&conf, facts);
        assert_eq!(findings.iter().map(shown).collect::<Vec<_>>(), expected);
        assert!(findings.iter().all(|finding| !finding.why.is_empty() && !finding.remedy.is_empty()), "{findings:?}");
        // A fix mends what it was offered for, and makes no new error.
        for finding in findings.iter().filter(|finding| !finding.fix.is_empty()) {
            let fixed = Conf::parse(apply(text, [finding]));
            let left = lint(&fixed, facts);
            assert!(
                !left.iter().any(|other| other.rule == finding.rule && other.message == finding.message),
                "{}",
                fixed.text()
            );
            let errors = |of: &[Finding]| of.iter().filter(|one| one.severity == Severity::Error).count();
            assert!(errors(&left) <= errors(&findings), "{}", fixed.text());
        }
    }

    #[test]
    fn nothing_is_wrong_with_a_good_file() {
        expect(&file("", "", "", ""), &Facts::default(), &[]);
    }

    proptest::proptest! {
        #[test]
        fn nothing_panics(text in "(totem \\{\n|nodelist \\{\n|node \\{\n|quorum \\{\n|device \\{\n|interface \\{\n|\\}\n|nodeid: [0-9]\n|ring[0-9]_addr: [0-9.:a]{0,9}\n|(token|two_node|votes|expected_votes|linknumber): -?[0-9]{1,12}\n|[a-z_]{1,9}: [a-z0-9]{0,5}\n|.{0,20}){0,20}") {
            let conf = Conf::parse(text.as_str());
            let findings = lint(&conf, &Facts::default());
            apply(&text, &findings);
        }
    }
}
