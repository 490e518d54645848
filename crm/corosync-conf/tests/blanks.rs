//! What is blank in corosync.conf, as Corosync has it, and what is a part of a value.

use corosync_conf::{Conf, Facts, Severity, lint};

fn conf(line: &str) -> Conf {
    Conf::parse(format!(
        "totem {{\n  version: 2\n  cluster_name: c\n}}\nnodelist {{\n  node {{\n    name: a\n    nodeid: 1\n    ring0_addr: \
         10.0.0.1\n  }}\n}}\nquorum {{\n  provider: corosync_votequorum\n}}\nlogging {{\n{line}\n}}\n"
    ))
}

fn errors(line: &str) -> Vec<String> {
    let findings = lint(&conf(line), &Facts::default()).into_iter();
    findings.filter(|finding| finding.severity == Severity::Error).map(|finding| finding.message).collect()
}

#[test]
fn only_blanks_of_corosync_are_dropped() {
    for well in ["  to_syslog: yes", "\tto_syslog:\tyes\t ", "to_syslog:yes\r", "  to_syslog  :  yes"] {
        assert_eq!(errors(well), Vec::<String>::new(), "{well:?}");
    }
    for wrong in ["to_syslog:\u{a0}yes", "to_syslog: yes\u{a0}", "to_syslog: \u{3000}yes"] {
        let told = errors(wrong).concat();
        assert!(told.contains("logging.to_syslog is `"), "{wrong:?}: {told}");
    }
}
