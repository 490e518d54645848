//! What is logged arrives somewhere.

use super::Subject;
use crate::finding::Finding;

const RULE: &str = "logging";

pub(super) fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let conf = subject.conf;
    let get = |key: &str| conf.value(&["logging", key]);
    let says = |key: &str, words: &[&str]| get(key).is_some_and(|entry| words.contains(&entry.value.as_str()));
    let (yes, no) = (["yes", "on"], ["no", "off"]);
    let mut findings = Vec::new();
    let file = says("to_logfile", &yes);
    if let Some(entry) = get("to_logfile").filter(|_| file && get("logfile").is_none()) {
        findings.push(
            Finding::warning(RULE, "to_logfile without logfile")
                .at(entry.key_span)
                .why("Corosync does not know where to, and logs to no file")
                .remedy("write `logfile: /var/log/corosync/corosync.log`"),
        );
    }
    if let Some(entry) = get("to_syslog").filter(|_| says("to_syslog", &no) && says("to_stderr", &no) && !file) {
        findings.push(
            Finding::warning(RULE, "nothing is logged anywhere")
                .at(entry.key_span)
                .why("a file that Corosync refuses is then refused without a word")
                .remedy("write `to_syslog: yes`"),
        );
    }
    for section in conf.sections(&["logging", "logger_subsys"]) {
        if conf.entry_in(section, "subsys").is_none() {
            findings.push(
                Finding::error(RULE, "logger_subsys does not say which subsystem")
                    .at(conf.section(section).name_span)
                    .why("Corosync refuses the file")
                    .remedy("write `subsys: QUORUM`, or whichever is meant"),
            );
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::tests::{expect, file};
    use crate::Facts;

    #[test]
    fn nowhere() {
        let more = "logging {\n    to_stderr: no\n    to_syslog: no\n    to_logfile: yes\n    logger_subsys {\n        debug: on\n    }\n}\n";
        expect(
            &file("", "", "", more),
            &Facts::default(),
            &[
                "error logging 35:5 logger_subsys does not say which subsystem",
                "warning logging 34:5 to_logfile without logfile",
            ],
        );
        let more = more.replace("to_logfile: yes", "to_logfile: no").replace("debug", "subsys");
        expect(&file("", "", "", &more), &Facts::default(), &["warning logging 33:5 nothing is logged anywhere"]);
    }
}
