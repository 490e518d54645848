//! Whether a device is for a target: by its configuration, by what its agent lists, by what its agent says of the node.

use std::time::Duration;

use crate::Device;
use crate::metadata::AgentInfo;
use crate::operation::{Operation, Question};
use crate::parameters::HostCheck;

/// What a device's `list` action said.
#[derive(Debug)]
pub(crate) struct Listing {
    pub at: Duration,
    /// The nodes; `None` when the agent could not say.
    pub hosts: Option<Vec<String>>,
}

/// Whether a device can fence a target.
pub(crate) enum Capability {
    Yes,
    /// `everywhere`: the same configuration says so on every node.
    No {
        reason: String,
        everywhere: bool,
    },
    Unknown(Question),
}

/// Whether a device can fence the target, as far as is known.
pub(crate) fn capability(
    device: &Device,
    operation: &Operation,
    agent: Option<&AgentInfo>,
    listing: Option<&Listing>,
) -> Capability {
    let no = |reason: String| Capability::No { reason, everywhere: false };
    let never = |reason: String| Capability::No { reason, everywhere: true };
    let node = &operation.target.name;
    let by_status = || match &operation.known {
        Some(Ok(())) => Capability::Yes,
        Some(Err(reason)) => no(format!("is not known to be for the node: its status action {reason}")),
        None => Capability::Unknown(Question::Status),
    };
    match device.host_check(agent) {
        HostCheck::Any => Capability::Yes,
        HostCheck::StaticList => {
            let hosts = device.static_hosts();
            match hosts.iter().any(|host| host.eq_ignore_ascii_case(node)) {
                true => Capability::Yes,
                false if hosts.is_empty() => never("names no node".into()),
                false => never(format!("is for {} only", hosts.join(" "))),
            }
        }
        HostCheck::Status => by_status(),
        HostCheck::DynamicList => match listing {
            None => Capability::Unknown(Question::List),
            // An agent without a list may know its node all the same.
            Some(Listing { hosts: None, .. }) => by_status(),
            Some(Listing { hosts: Some(hosts), .. }) => {
                let port = device.port(node);
                match hosts.iter().any(|host| host.eq_ignore_ascii_case(port)) {
                    true => Capability::Yes,
                    false => no("does not list the node".into()),
                }
            }
        },
    }
}
