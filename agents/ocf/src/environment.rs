//! What an agent finds in its environment: built here by whoever runs agents, and read back here by our own agents.
//! Which variables of the caller's own (`PATH`, `LANG`, …) go along is left to the caller.

use std::collections::BTreeMap;

use crate::reason::EXIT_REASON_PREFIX;
use crate::words::duration_ms;

/// Where agents live unless `OCF_ROOT` says otherwise.
pub const DEFAULT_ROOT: &str = "/usr/lib/ocf";

/// The version of the contract we speak: major, minor.
const VERSION: (u32, u32) = (1, 1);

const PARAMETER: &str = "OCF_RESKEY_";
const META: &str = "CRM_meta_";
const CHECK_LEVEL: &str = "OCF_CHECK_LEVEL";

/// One call of an agent: which resource, which action, with what.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Environment {
    /// `OCF_ROOT`.
    pub root: String,
    /// `OCF_RESOURCE_INSTANCE`: the resource's id, with the number of the instance for clones.
    pub resource: String,
    /// Agent standard: `ocf`, or `stonith` for a fence agent.
    pub class: String,
    /// `OCF_RESOURCE_PROVIDER`: `heartbeat`, …; `None` where the standard knows none.
    pub provider: Option<String>,
    /// `OCF_RESOURCE_TYPE`: the agent's name.
    pub kind: String,
    /// The action, which is the agent's argument and not a variable.
    pub action: String,
    /// `OCF_RESKEY_NAME`: the resource's parameters.
    pub parameters: BTreeMap<String, String>,
    /// `OCF_RESKEY_CRM_meta_NAME`: what the cluster says about the operation and the resource, but for the two
    /// below. Names are written with underscores.
    pub meta: BTreeMap<String, String>,
    /// `OCF_RESKEY_CRM_meta_interval`: 0 for everything that is not repeated.
    pub interval_ms: u64,
    /// `OCF_RESKEY_CRM_meta_timeout`: how long the action may take.
    pub timeout_ms: Option<u64>,
    /// `OCF_CHECK_LEVEL`: how deep a monitor or a validate-all looks.
    pub check_level: Option<u32>,
    /// Other variables of the contract's surroundings: `HA_RSCTMP`, `HA_debug`, `PCMK_service`, …
    pub extra: BTreeMap<String, String>,
}

/// Why an environment is not one an agent can work with.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum EnvironmentError {
    /// The caller speaks another major version of the contract.
    #[error("OCF_RA_VERSION_MAJOR is {0:?}; this agent speaks version 1 of the OCF resource agent API")]
    Version(String),
    /// A number of the contract's own is none.
    #[error("{name} is {value:?}; expected a whole number, as the resource manager sets it")]
    Number {
        /// The variable.
        name: &'static str,
        /// What it holds.
        value: String,
    },
}

impl Environment {
    /// A call with no parameters yet, of an agent of class `ocf`.
    pub fn new(resource: &str, provider: &str, kind: &str, action: &str) -> Self {
        Environment {
            root: DEFAULT_ROOT.into(),
            resource: resource.into(),
            class: "ocf".into(),
            provider: Some(provider.into()),
            kind: kind.into(),
            action: action.into(),
            parameters: BTreeMap::new(),
            meta: BTreeMap::new(),
            interval_ms: 0,
            timeout_ms: None,
            check_level: None,
            extra: BTreeMap::new(),
        }
    }

    /// Takes in attributes as a transition graph has them, parameters and `CRM_meta_*` mixed.
    ///
    /// `OCF_CHECK_LEVEL` may stand among them as well. A number that is none is left out, as if it were not given.
    pub fn add_attributes<'a>(&mut self, attributes: impl IntoIterator<Item = (&'a str, &'a str)>) {
        for (name, value) in attributes {
            match name.strip_prefix(META).map(|meta| meta.replace('-', "_")) {
                Some(meta) if meta == "interval" => self.interval_ms = value.parse().unwrap_or(0),
                Some(meta) if meta == "timeout" => self.timeout_ms = value.parse().ok(),
                Some(meta) => drop(self.meta.insert(meta, value.into())),
                None if name == CHECK_LEVEL => self.check_level = value.parse().ok(),
                None => drop(self.parameters.insert(name.into(), value.into())),
            }
        }
    }

    /// Is this a probe: a monitor that only asks what is, before anything was started?
    pub fn is_probe(&self) -> bool {
        matches!(self.action.as_str(), "monitor" | "status") && self.interval_ms == 0
    }

    /// The variables, as the agent is to find them.
    pub fn variables(&self) -> BTreeMap<String, String> {
        let mut out: BTreeMap<String, String> = self.extra.clone();
        let mut set = |name: &str, value: String| drop(out.insert(name.to_owned(), value));
        set("OCF_ROOT", self.root.clone());
        set("OCF_RA_VERSION_MAJOR", VERSION.0.to_string());
        set("OCF_RA_VERSION_MINOR", VERSION.1.to_string());
        set("OCF_EXIT_REASON_PREFIX", EXIT_REASON_PREFIX.into());
        set("OCF_RESOURCE_INSTANCE", self.resource.clone());
        set("OCF_RESOURCE_TYPE", self.kind.clone());
        if let Some(provider) = &self.provider {
            set("OCF_RESOURCE_PROVIDER", provider.clone());
        }
        for (name, value) in &self.parameters {
            set(&format!("{PARAMETER}{name}"), value.clone());
        }
        for (name, value) in &self.meta {
            set(&format!("{PARAMETER}{META}{}", name.replace('-', "_")), value.clone());
        }
        set(&format!("{PARAMETER}{META}name"), self.meta.get("name").unwrap_or(&self.action).clone());
        set(&format!("{PARAMETER}{META}interval"), self.interval_ms.to_string());
        if let Some(timeout) = self.timeout_ms {
            set(&format!("{PARAMETER}{META}timeout"), timeout.to_string());
        }
        if let Some(level) = self.check_level {
            set(CHECK_LEVEL, level.to_string());
        }
        out
    }

    /// Reads what an agent finds in its environment. Variables that are not the contract's are passed over.
    pub fn parse(
        variables: impl IntoIterator<Item = (String, String)>,
        action: &str,
    ) -> Result<Environment, EnvironmentError> {
        let mut out = Environment::new("", "", "", action);
        out.provider = None;
        for (name, value) in variables {
            match name.as_str() {
                "OCF_ROOT" if !value.is_empty() => out.root = value,
                "OCF_RA_VERSION_MAJOR" if !value.is_empty() && value != "1" => {
                    return Err(EnvironmentError::Version(value));
                }
                "OCF_RESOURCE_INSTANCE" => out.resource = value,
                "OCF_RESOURCE_TYPE" => out.kind = value,
                "OCF_RESOURCE_PROVIDER" => out.provider = Some(value),
                CHECK_LEVEL if !value.is_empty() => out.check_level = Some(number(CHECK_LEVEL, value)?),
                "OCF_RESKEY_CRM_meta_interval" if !value.is_empty() => {
                    out.interval_ms = number("OCF_RESKEY_CRM_meta_interval", value)?;
                }
                "OCF_RESKEY_CRM_meta_timeout" if !value.is_empty() => {
                    // Some testers write `20s` here; the cluster writes milliseconds.
                    let milliseconds = value.parse().ok().or_else(|| duration_ms(&value));
                    let Some(milliseconds) = milliseconds else {
                        return Err(EnvironmentError::Number { name: "OCF_RESKEY_CRM_meta_timeout", value });
                    };
                    out.timeout_ms = Some(milliseconds);
                }
                "OCF_RESKEY_CRM_meta_name" if value == action => {}
                _ if name.starts_with("HA_") || name.starts_with("PCMK_") => drop(out.extra.insert(name, value)),
                _ => match name.strip_prefix(PARAMETER) {
                    None => {}
                    Some(rest) => match rest.strip_prefix(META) {
                        Some(meta) => drop(out.meta.insert(meta.to_owned(), value)),
                        None => drop(out.parameters.insert(rest.to_owned(), value)),
                    },
                },
            }
        }
        Ok(out)
    }
}

fn number<N: std::str::FromStr>(name: &'static str, value: String) -> Result<N, EnvironmentError> {
    value.trim().parse().map_err(|_| EnvironmentError::Number { name, value })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<(String, String)> {
        text.lines().filter_map(|line| line.trim().split_once('=')).map(|(k, v)| (k.into(), v.into())).collect()
    }

    #[test]
    fn attributes_of_a_graph_become_the_environment() {
        let mut call = Environment::new("web:1", "heartbeat", "apache", "monitor");
        call.add_attributes([
            ("CRM_meta_interval", "10000"),
            ("CRM_meta_timeout", "20000"),
            ("CRM_meta_clone-max", "2"),
            ("CRM_meta_on_node", "n1"),
            ("OCF_CHECK_LEVEL", "10"),
            ("port", "80"),
            ("crm_feature_set", "3.19.0"),
        ]);
        let text: String = call.variables().iter().map(|(k, v)| format!("{k}={v}\n")).collect();
        assert_eq!(
            text,
            "OCF_CHECK_LEVEL=10\n\
             OCF_EXIT_REASON_PREFIX=ocf-exit-reason:\n\
             OCF_RA_VERSION_MAJOR=1\n\
             OCF_RA_VERSION_MINOR=1\n\
             OCF_RESKEY_CRM_meta_clone_max=2\n\
             OCF_RESKEY_CRM_meta_interval=10000\n\
             OCF_RESKEY_CRM_meta_name=monitor\n\
             OCF_RESKEY_CRM_meta_on_node=n1\n\
             OCF_RESKEY_CRM_meta_timeout=20000\n\
             OCF_RESKEY_crm_feature_set=3.19.0\n\
             OCF_RESKEY_port=80\n\
             OCF_RESOURCE_INSTANCE=web:1\n\
             OCF_RESOURCE_PROVIDER=heartbeat\n\
             OCF_RESOURCE_TYPE=apache\n\
             OCF_ROOT=/usr/lib/ocf\n"
        );
        assert!(!call.is_probe());
        assert_eq!(Environment::parse(call.variables(), "monitor").unwrap(), call);
    }

    #[test]
    fn what_an_agent_may_find() {
        let bare = Environment::parse(pairs("PATH=/bin\nOCF_RESKEY_ip=::1"), "monitor").unwrap();
        assert!(bare.is_probe());
        assert_eq!(bare.parameters["ip"], "::1");
        let tester = Environment::parse(pairs("OCF_RESKEY_CRM_meta_timeout=20s\nHA_RSCTMP=/tmp/x"), "start").unwrap();
        assert_eq!(tester.timeout_ms, Some(20_000));
        assert_eq!(tester.extra["HA_RSCTMP"], "/tmp/x");
        for wrong in ["OCF_RA_VERSION_MAJOR=2", "OCF_CHECK_LEVEL=deep", "OCF_RESKEY_CRM_meta_interval=often"] {
            let error = Environment::parse(pairs(wrong), "monitor").unwrap_err().to_string();
            assert!(error.contains(wrong.split_once('=').unwrap().0), "{error}");
        }
    }
}
