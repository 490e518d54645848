//! Failed operations with what their history says of them: the agent's own words and the time.

use cib::Element;
use policy::Cluster;

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
        let node = &cluster.node(failed.node).name;
        let document = &view.document;
        let entry = entries(view, node, &failed.resource).into_iter().find(|entry| {
            let is = |name: &str, value: &str| document.attribute(*entry, name) == Some(value);
            is("operation", &failed.operation)
                && is("interval", &failed.interval_ms.to_string())
                && is("rc-code", &failed.rc.to_string())
        });
        let attribute = |name| entry.and_then(|entry| document.attribute(entry, name));
        failures.push(Failure {
            resource: failed.resource.clone(),
            node: node.clone(),
            operation: failed.operation.clone(),
            interval_ms: failed.interval_ms,
            rc: failed.rc,
            reason: attribute("exit-reason").unwrap_or_default().to_owned(),
            at: attribute("last-rc-change").and_then(|text| text.parse().ok()),
        });
    }
    failures
}

fn entries(view: &View, node: &str, resource: &str) -> Vec<Element> {
    let document = &view.document;
    let Some(status) = document.descend(&["status"]) else { return Vec::new() };
    let of_node = document.children_named(status, "node_state");
    let of_node = of_node.filter(|state| document.attribute(*state, "uname") == Some(node));
    let histories = of_node.flat_map(|state| document.descendants(state));
    let of_resource =
        histories.filter(|element| document.name(*element) == "lrm_resource" && document.id(*element) == resource);
    of_resource.flat_map(|history| document.children(history)).collect()
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
