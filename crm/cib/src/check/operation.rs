//! Operations of one resource: each name and interval once, and intervals only where something recurs.

use std::collections::HashMap;

use super::{Finding, Report};
use crate::duration;

/// What happens once, whatever interval is given for it.
const ONCE: [&str; 8] = ["start", "stop", "promote", "demote", "migrate_to", "migrate_from", "notify", "validate-all"];

pub(super) fn check(report: &Report<'_>) -> Vec<Finding> {
    let document = report.document;
    let mut findings = Vec::new();
    for operations in document.descendants(report.configuration).filter(|e| document.name(*e) == "operations") {
        let mut seen: HashMap<(&str, u64), &str> = HashMap::new();
        for op in document.children_named(operations, "op") {
            let Some(name) = document.attribute(op, "name") else { continue };
            let interval = document.attribute(op, "interval");
            let interval_ms = duration::interval_ms(interval);
            if let Some(other) = seen.insert((name, interval_ms), document.id(op)) {
                let message = format!("{name} with this interval is configured twice, here and in {other}");
                let remedy = "take one of them away; to monitor two roles, let their intervals differ".to_owned();
                findings.push(report.error(op, message, remedy));
            }
            if interval_ms > 0 && ONCE.contains(&name) {
                let message = format!("{name} happens once, but an interval is given");
                findings.push(report.error(op, message, "set the interval to 0".into()));
            }
            // A monitor without interval only gives probes their timeout; most who write it expect more.
            if name == "monitor" && interval.is_none() {
                let message = "a monitor without interval never recurs".to_owned();
                let remedy = "give an interval such as 10s, or 0 if only probes are meant".to_owned();
                findings.push(report.warning(op, message, remedy));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::tests::expect;

    #[test]
    fn twice_and_never() {
        expect(
            "<resources><primitive id='a' class='lsb' type='x'><operations><op id='1' name='monitor' interval='10'/>
             <op id='2' name='monitor' interval='10000ms'/><op id='3' name='monitor' interval='11s'/><op id='4' name='start' interval='5s'/>
             <op id='5' name='monitor'/></operations></primitive></resources>",
            &[
                "error: op 2: monitor with this interval is configured twice, here and in 1",
                "error: op 4: start happens once, but an interval is given",
                "warning: op 5: a monitor without interval never recurs",
            ],
        );
    }
}
