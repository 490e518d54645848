//! Remote nodes and guests. A resource manager reaches them by a connection of its own (`ocf:pacemaker:remote`), and this
//! one has none yet. So nothing is planned that needs one: remote nodes and bundles with a resource in them are left out
//! of plans, and a guest's machine is a resource like any other. A plan that tried would fail, and a remote node that is
//! only stopped is one that nobody has seen yet: it would be fenced, and nothing else began before.
//!
//! No agent is asked about a connection either: the one that Debian has only to be described says that every action
//! failed, and a probe and a stop that fail would have each node fenced.

use std::sync::Arc;

use cib::{Cib, unreached};
use controller::{Level, Note};
use executor::{Agent, End, Operation, Output};

use crate::machine::Node;

/// Whether it is a connection to a remote node or a guest.
pub(crate) fn is_connection(agent: &Agent) -> bool {
    agent.class == "ocf" && agent.provider.as_deref() == Some("pacemaker") && agent.kind == "remote"
}

/// How an operation on one ends: it is nowhere, so it is stopped, and it cannot be started.
pub(crate) fn answer(operation: &Operation) -> End {
    let exited = |code| End::Exited { code, output: Output::default() };
    match operation.action.as_str() {
        "monitor" => exited(7),
        "stop" => exited(0),
        _ => {
            let reason = format!(
                "the connection {} cannot be made: remote nodes and guests are not reached yet",
                operation.resource
            );
            End::NotStarted { reason, missing: true }
        }
    }
}

/// The CIB as plans are made from it: without what needs a connection.
pub fn plannable(cib: &Arc<Cib>) -> Arc<Cib> {
    without_connections(cib).map_or_else(|| cib.clone(), |(without, _)| without)
}

/// The same, and what was left out, in words; `None` when there is nothing of the kind.
pub fn without_connections(cib: &Arc<Cib>) -> Option<(Arc<Cib>, Vec<String>)> {
    let (document, left_out) = unreached::without(cib.document())?;
    Some((Arc::new(Cib::new(document).ok()?), left_out.iter().map(ToString::to_string).collect()))
}

impl Node {
    /// Says what is not done, each time that it becomes something else.
    pub(crate) fn tell_left_out(&mut self, left_out: &[String]) {
        if left_out.is_empty() {
            return;
        }
        let what = left_out.join(", ");
        let text =
            format!("not carried out: {what}; this version reaches no remote nodes and guests, all else goes on");
        self.note(Note::new(Level::Warning, "not_reached", text));
    }
}
