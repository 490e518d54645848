//! What agents are told of, and the words for it.

use cib::{OpResult, OpStatus};
use ocf::ExitCode;

/// An event.
#[derive(Clone, Copy, Debug)]
pub enum Happened<'a> {
    /// A node became a member, or was lost.
    Node {
        /// Its name.
        name: &'a str,
        /// Its number.
        id: &'a str,
        /// Whether it is one.
        member: bool,
    },
    /// A fencing is over.
    Fencing {
        /// Who was to be fenced.
        target: &'a str,
        /// `reboot`, `off` or `on`.
        action: &'a str,
        /// The node that saw to it.
        delegate: &'a str,
        /// Who wanted it.
        origin: &'a str,
        /// Why it failed, if it did.
        failed: Option<&'a str>,
    },
    /// An operation of a resource has a result.
    Resource(&'a OpResult),
    /// An attribute of a node has another value; none when it was taken away.
    Attribute {
        /// The node's name.
        node: &'a str,
        /// The node's number.
        id: &'a str,
        /// The attribute.
        name: &'a str,
        /// Its value.
        value: Option<&'a str>,
    },
}

impl Happened<'_> {
    /// What to put behind `CRM_alert_`.
    pub(crate) fn words(&self) -> Vec<(&'static str, String)> {
        match *self {
            Happened::Node { name, id, member } => vec![
                ("kind", "node".into()),
                ("node", name.into()),
                ("nodeid", id.into()),
                ("desc", if member { "member" } else { "lost" }.into()),
            ],
            Happened::Fencing { target, action, delegate, origin, failed } => vec![
                ("kind", "fencing".into()),
                ("node", target.into()),
                ("task", action.into()),
                (
                    "desc",
                    format!(
                        "Operation {action} of {target} by {delegate} for {origin}: {}",
                        failed.map_or_else(|| "OK".into(), |reason| format!("failed, {reason}"))
                    ),
                ),
                ("rc", i32::from(failed.is_some()).to_string()),
            ],
            Happened::Resource(result) => vec![
                ("kind", "resource".into()),
                ("node", result.node.clone()),
                ("rsc", result.resource.clone()),
                ("task", result.operation.clone()),
                ("interval", result.interval_ms.to_string()),
                ("desc", described(result)),
                ("status", result.status.number().to_string()),
                ("target_rc", result.target_rc.to_string()),
                ("rc", result.rc.to_string()),
                ("exec_time", result.ran_ms.to_string()),
            ],
            Happened::Attribute { node, id, name, value } => vec![
                ("kind", "attribute".into()),
                ("node", node.into()),
                ("nodeid", id.into()),
                ("attribute_name", name.into()),
                ("attribute_value", value.unwrap_or_default().into()),
            ],
        }
    }

    /// Whether nobody wants to hear of it: a probe that found what was expected.
    pub(crate) fn is_noise(&self) -> bool {
        let expected = |result: &OpResult| {
            result.operation == "monitor" && result.interval_ms == 0 && result.rc == result.target_rc
        };
        matches!(self, Happened::Resource(result) if expected(result))
    }
}

/// Agents look for these words: `ok`, `Cancelled`, `Timed Out`, and those of exit codes.
fn described(result: &OpResult) -> String {
    match result.status {
        OpStatus::Done => {
            ExitCode::from_code(result.rc).map_or_else(|| format!("exit code {}", result.rc), |code| code.name().into())
        }
        OpStatus::Pending => "pending".into(),
        OpStatus::Cancelled => "Cancelled".into(),
        OpStatus::Timeout => "Timed Out".into(),
        OpStatus::NotSupported => "NOT SUPPORTED".into(),
        OpStatus::NotInstalled => "Not installed".into(),
        _ => "Error".into(),
    }
}
