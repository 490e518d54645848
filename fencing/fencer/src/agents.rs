//! What is known of the agents: each is asked once what it can do, when a device is configured that needs it.

use std::time::Duration;

use crate::metadata::AgentInfo;
use crate::{Command, Fencer, RunId};

/// How long an agent may take to say what it can do. Fencing with it waits so long, once.
pub const DESCRIBE_TIMEOUT: Duration = Duration::from_secs(15);

/// Runs that only ask an agent what it can do have numbers from here on, so that one can tell them in a log.
pub const DESCRIBE_RUNS: u64 = 1 << 32;

/// What is known of an agent.
#[derive(Debug)]
pub(crate) enum Agent {
    /// It is being asked.
    Asked { run: RunId, until: Duration },
    /// It has said.
    Known(AgentInfo),
    /// It said nothing of use.
    Silent,
}

impl Fencer {
    /// What an agent says of itself, if it does.
    pub fn agent(&self, name: &str) -> Option<&AgentInfo> {
        match self.agents.get(name) {
            Some(Agent::Known(info)) => Some(info),
            _ => None,
        }
    }

    pub(crate) fn ask_agents(&mut self) {
        let wanted: Vec<String> = self.devices.values().map(|device| device.agent.clone()).collect();
        self.agents.retain(|name, agent| wanted.contains(name) || matches!(agent, Agent::Asked { .. }));
        for name in wanted {
            // One that said nothing is asked again when the configuration changes: it may have been installed since.
            if matches!(self.agents.get(&name), None | Some(Agent::Silent)) {
                let run = RunId(DESCRIBE_RUNS + self.next_describe);
                self.next_describe += 1;
                let until = self.now.saturating_add(DESCRIBE_TIMEOUT);
                self.agents.insert(name.clone(), Agent::Asked { run, until });
                let options = [("action".to_owned(), "metadata".to_owned())].into();
                self.commands.push_back(Command::Spawn { run, device: name.clone(), agent: name, options });
            }
        }
    }

    pub(crate) fn is_being_asked(&self, agent: &str) -> bool {
        matches!(self.agents.get(agent), Some(Agent::Asked { .. }))
    }

    pub(crate) fn described(&mut self, run: RunId, code: i32, stdout: &str) {
        let asked = |agent: &Agent| matches!(agent, Agent::Asked { run: own, .. } if *own == run);
        let Some(agent) = self.agents.values_mut().find(|agent| asked(agent)) else { return };
        *agent = match AgentInfo::read(stdout) {
            Some(info) if code == 0 => Agent::Known(info),
            _ => Agent::Silent,
        };
    }

    pub(crate) fn silence(&mut self) {
        for agent in self.agents.values_mut() {
            if let Agent::Asked { run, until } = *agent
                && until <= self.now
            {
                self.commands.push_back(Command::Kill { run });
                *agent = Agent::Silent;
            }
        }
    }
}
