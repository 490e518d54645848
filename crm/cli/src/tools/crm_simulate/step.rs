//! What a simulation does, as values: changes of the input and actions of a transition. How they are told, as text or as
//! XML, is here too; doing them is for `inject` and `execute`.

use crate::output::list::List;
use crate::output::xml::Tree;

/// One thing that was done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step<'a> {
    /// The partition was given quorum, or lost it.
    Quorum(&'a str),
    /// The cluster was given a watchdog, or lost it.
    Watchdog(&'a str),
    /// A node changed.
    Node(NodeStep, &'a str),
    /// A ticket changed.
    Ticket(TicketStep, &'a str),
    /// A result is put into the history: as the command line has it.
    Result(&'a str),
    /// An attribute of a node was set, that of the node with this id.
    Attribute {
        /// Its name.
        name: &'a str,
        /// Its value.
        value: &'a str,
        /// The node's id.
        node: &'a str,
    },
    /// An action nobody has to do.
    Pseudo {
        /// Its key.
        key: &'a str,
        /// The node it is about.
        node: Option<&'a str>,
    },
    /// A node was fenced.
    Fence {
        /// The node.
        node: &'a str,
        /// `reboot`, `off`, …
        what: &'a str,
    },
    /// The cluster did something itself.
    Cluster {
        /// What.
        operation: &'a str,
        /// For which resource.
        resource: Option<&'a str>,
        /// Where.
        node: &'a str,
    },
    /// An agent was run.
    Resource {
        /// For which resource.
        resource: &'a str,
        /// `start`, `monitor`, …
        operation: &'a str,
        /// Milliseconds; 0 if it does not recur.
        interval_ms: u32,
        /// Where.
        node: &'a str,
    },
    /// An action failed, as was asked for.
    Failed {
        /// The action's number.
        number: u32,
        /// The exit status.
        rc: i32,
    },
}

/// What happens to a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NodeStep {
    /// It comes.
    Up,
    /// It leaves in good order.
    Down,
    /// It is lost.
    Fail,
}

/// What happens to a ticket.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TicketStep {
    /// It is granted.
    Grant,
    /// It is taken away.
    Revoke,
    /// It is put into standby.
    Standby,
    /// It is taken out of standby.
    Activate,
}

/// Where steps are told.
pub trait Tell {
    /// Tells one.
    fn step(&mut self, step: &Step<'_>);
}

impl Tell for List {
    fn step(&mut self, step: &Step<'_>) {
        let line = match *step {
            Step::Quorum(value) => format!("Setting quorum: {value}"),
            Step::Watchdog(value) => format!("Setting watchdog: {value}"),
            Step::Node(NodeStep::Up, node) => format!("Bringing node {node} online"),
            Step::Node(NodeStep::Down, node) => format!("Taking node {node} offline"),
            Step::Node(NodeStep::Fail, node) => format!("Failing node {node}"),
            Step::Ticket(TicketStep::Grant, ticket) => format!("Granting ticket {ticket}"),
            Step::Ticket(TicketStep::Revoke, ticket) => format!("Revoking ticket {ticket}"),
            Step::Ticket(TicketStep::Standby, ticket) => format!("Making ticket {ticket} standby"),
            Step::Ticket(TicketStep::Activate, ticket) => format!("Activating ticket {ticket}"),
            Step::Result(text) => format!("Injecting {text} into the configuration"),
            Step::Attribute { name, value, node } => {
                format!("Injecting attribute {name}={value} into /node_state '{node}'")
            }
            Step::Pseudo { key, node: None } => format!("Pseudo action:   {key}"),
            Step::Pseudo { key, node: Some(node) } => format!("Pseudo action:   {key} on {node}"),
            Step::Fence { node, what } => format!("Fencing {node} ({what})"),
            Step::Cluster { operation, resource, node } => {
                let about = resource.map(|resource| format!(" for {resource}")).unwrap_or_default();
                format!("Cluster action:  {operation}{about} on {node}")
            }
            Step::Resource { resource, operation, interval_ms, node } => {
                let interval = if interval_ms > 0 { format!("={interval_ms}") } else { String::new() };
                format!("Resource action: {resource:<15} {operation}{interval} on {node}")
            }
            Step::Failed { number, rc } => {
                return self.plain(&format!("Pretending action {number} failed with rc={rc}"));
            }
        };
        self.item(&line);
    }
}

impl Tell for Tree {
    fn step(&mut self, step: &Step<'_>) {
        match *step {
            // These two are attributes of the element around the changes; a failure shows in what is not done.
            Step::Quorum(_) | Step::Watchdog(_) | Step::Failed { .. } => {}
            Step::Node(what, node) => {
                let action = match what {
                    NodeStep::Up => "Online",
                    NodeStep::Down => "Offline",
                    NodeStep::Fail => "Failing",
                };
                self.leaf("modify_node", &[("action", action), ("node", node)]);
            }
            Step::Ticket(what, ticket) => {
                let action = match what {
                    TicketStep::Grant => "Granting",
                    TicketStep::Revoke => "Revoking",
                    TicketStep::Standby => "Standby",
                    TicketStep::Activate => "Activating",
                };
                self.leaf("modify_ticket", &[("action", action), ("ticket", ticket)]);
            }
            Step::Result(text) => self.leaf("inject_spec", &[("spec", text)]),
            Step::Attribute { name, value, node } => self.leaf(
                "inject_attr",
                &[("name", name), ("value", value), ("node_path", "/node_state"), ("cib_node", node)],
            ),
            Step::Pseudo { key, node } => {
                let mut attributes = vec![("task", key)];
                attributes.extend(node.map(|node| ("node", node)));
                self.leaf("pseudo_action", &attributes);
            }
            Step::Fence { node, what } => self.leaf("fencing_action", &[("target", node), ("op", what)]),
            Step::Cluster { operation, resource, node } => {
                let mut attributes = vec![("task", operation), ("node", node)];
                attributes.extend(resource.map(|resource| ("id", resource)));
                self.leaf("cluster_action", &attributes);
            }
            Step::Resource { resource, operation, interval_ms, node } => {
                let interval = interval_ms.to_string();
                let mut attributes = vec![("resource", resource), ("op", operation), ("node", node)];
                attributes.extend((interval_ms > 0).then_some(("interval", interval.as_str())));
                self.leaf("rsc_action", &attributes);
            }
        }
    }
}
