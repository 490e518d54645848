#![forbid(unsafe_code)]
//! Fence agents of our own, in one program: `systole-fence-agents`.
//!
//! A fence agent is a program that cuts a host off. It takes its options as `name=value` lines on standard input, as a
//! cluster gives them, or as `--name=value` on the command line, as a person does; `action` says what to do. An agent
//! is a file here and a line in [`AGENTS`]; `request` reads the options and `program` does what is the same for all.

pub mod fence_demo;
pub mod program;
pub mod request;

use ocf::Metadata;
use request::{Action, Request};

/// Every agent, by name.
pub const AGENTS: &[(&str, &dyn FenceAgent)] = &[("fence_demo", &fence_demo::FenceDemo)];

/// A fence agent.
pub trait FenceAgent {
    /// What it is, and what can be configured.
    fn metadata(&self) -> Metadata;

    /// Does what the request asks for; the error is for people, and means exit status 1.
    ///
    /// [`Action::Off`] returns only when the host is known to be dead. [`Action::Metadata`] does not come here.
    fn carry_out(&self, action: Action, request: &Request) -> Result<Answer, String>;
}

/// What an agent has to say when all went well.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer {
    /// It is done.
    Done,
    /// The host is on, or is off: exit status 0 or 2.
    Power(bool),
    /// The hosts that it can cut off.
    Hosts(Vec<String>),
}

/// The agent with this name.
pub fn agent(name: &str) -> Option<&'static dyn FenceAgent> {
    AGENTS.iter().find(|(known, _)| *known == name).map(|(_, agent)| *agent)
}
