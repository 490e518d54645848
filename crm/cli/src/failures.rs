//! Failed operations with what their history says of them: the agent's own words and the time.

use cib::{Document, Element};
use policy::Cluster;
use policy::model::FailedOperation;

use crate::cluster::View;
use crate::output::resources::exit_text;

/// One failed operation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// The resource, by its name in the history.
    pub resource: String,
    /// Name of the node.
    pub node: String,
    /// `start`, `monitor`, …
    pub operation: String,
    /// Milliseconds; 0 if it does not recur.
    pub interval_ms: u32,
    /// Exit status of the agent.
    pub rc: i32,
    /// The agent's own words; empty if it said none.
    pub reason: String,
    /// When it failed, in seconds since 1970.
    pub at: Option<i64>,
}

impl Failure {
    /// `monitor on two failed: not running (the agent's words)`.
    pub fn sentence(&self) -> String {
        format!("{} on {} failed: {}", self.operation, self.node, self.cause())
    }

    /// What the exit status means, and the agent's own words.
    pub fn cause(&self) -> String {
        let text = exit_text(self.rc).to_lowercase();
        if self.reason.is_empty() { text } else { format!("{text} ({})", self.reason) }
    }
}

/// All failed operations, in the order the policy found them.
pub fn of(view: &View, cluster: &Cluster) -> Vec<Failure> {
    let mut failures = Vec::new();
    for failed in &cluster.failed {
        let document = &view.document;
        let entry = entry(document, cluster, failed);
        let attribute = |name| entry.and_then(|entry| document.attribute(entry, name));
        failures.push(Failure {
            resource: failed.resource.clone(),
            node: cluster.node(failed.node).name.clone(),
            operation: failed.operation.clone(),
            interval_ms: failed.interval_ms,
            rc: failed.rc,
            reason: attribute("exit-reason").unwrap_or_default().to_owned(),
            at: attribute("last-rc-change").and_then(|text| text.parse().ok()),
        });
    }
    failures
}

/// The entry of the history that tells of a failed operation, if it is (still) there.
pub fn entry(document: &Document, cluster: &Cluster, failed: &FailedOperation) -> Option<Element> {
    let status = document.descend(&["status"])?;
    let node = Some(cluster.node(failed.node).name.as_str());
    let states = document.children_named(status, "node_state");
    let states = states.filter(|state| document.attribute(*state, "uname") == node);
    let histories = states.flat_map(|state| document.descendants(state));
    let of_resource = histories
        .filter(|element| document.name(*element) == "lrm_resource" && document.id(*element) == failed.resource);
    let interval = failed.interval_ms.to_string();
    let rc = failed.rc.to_string();
    of_resource.flat_map(|history| document.children(history)).find(|entry| {
        let is = |name: &str, value: &str| document.attribute(*entry, name) == Some(value);
        is("operation", &failed.operation) && is("interval", &interval) && is("rc-code", &rc)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_agents_words_and_the_time_come_along() {
        let view = crate::commands::tests::cluster();
        let failures = of(&view, &view.cluster());
        let expected = Failure {
            resource: "db".into(),
            node: "two".into(),
            operation: "monitor".into(),
            interval_ms: 10_000,
            rc: 1,
            reason: "no answer at port 5432".into(),
            at: Some(1_700_000_000),
        };
        assert_eq!(failures, [expected]);
    }
}
