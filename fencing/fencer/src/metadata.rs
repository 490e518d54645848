//! What an agent says of itself: which actions it has, how it wants the node named. Only what fencing needs is looked
//! for, in whatever it wrote: an agent whose words make no sense is one that says nothing.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::Regex;

/// An agent, as far as it describes itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AgentInfo {
    /// Its actions.
    pub actions: BTreeSet<String>,
    /// The parameter that names the node, when it has none of those that are known: it goes by `nodename`, or needs none.
    pub host_argument: Option<&'static str>,
    /// Its `on` must be run on the node that it is for.
    pub on_target: bool,
    /// A node that joins must be let in by it.
    pub automatic: bool,
}

/// The names of the parameter for a node, best first.
const HOST_ARGUMENTS: [&str; 2] = ["plug", "port"];

static PARAMETER: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r#"<parameter\s[^>]*?\bname\s*=\s*["']([\w-]+)["']"#).expect("a constant"));
static ACTION: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"<action\s[^>]*>").expect("a constant"));
static ATTRIBUTE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r#"\b(\w+)\s*=\s*["']([^"']*)["']"#).expect("a constant"));

impl AgentInfo {
    /// Reads metadata; `None` when it names no action at all.
    pub fn read(text: &str) -> Option<AgentInfo> {
        let mut info = AgentInfo::default();
        for action in ACTION.find_iter(text) {
            let attribute = |name: &str| {
                let found = ATTRIBUTE.captures_iter(action.as_str()).find(|found| &found[1] == name);
                found.map(|found| found[2].to_owned())
            };
            let is_set = |name: &str| attribute(name).is_some_and(|value| matches!(&*value, "1" | "true" | "yes"));
            let Some(name) = attribute("name") else { continue };
            if name == "on" {
                info.on_target |= is_set("on_target");
                // `required` is what older agents call it.
                info.automatic |= is_set("automatic") || is_set("required");
            }
            info.actions.insert(name);
        }
        let parameters: BTreeSet<&str> =
            PARAMETER.captures_iter(text).filter_map(|found| found.get(1)).map(|name| name.as_str()).collect();
        info.host_argument = HOST_ARGUMENTS.into_iter().find(|name| parameters.contains(name));
        (!info.actions.is_empty()).then_some(info)
    }

    /// Whether it has the action.
    pub fn has(&self, action: &str) -> bool {
        self.actions.contains(action)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_agents_say() {
        let scsi = r#"<?xml version="1.0"?><resource-agent name="fence_scsi"><parameters>
            <parameter name="action" unique="0" required="1"><getopt mixed="-o, --action=[action]" /></parameter>
            <parameter name="plug" unique="0" required="1" obsoletes="port"></parameter>
            <parameter name="port" unique="0" deprecated="1"></parameter></parameters><actions>
            <action name="on" on_target="1" automatic="1"/><action name="off" />
            <action name="status"/></actions></resource-agent>"#;
        let info = AgentInfo::read(scsi).unwrap();
        assert_eq!((info.host_argument, info.on_target, info.automatic), (Some("plug"), true, true));
        assert!(info.has("off") && !info.has("reboot") && !info.has("list"));

        let old = "<parameter name='port'/><action name='reboot'/><action name='on' automatic='0'/>";
        let info = AgentInfo::read(old).unwrap();
        assert_eq!((info.host_argument, info.on_target, info.automatic), (Some("port"), false, false));

        let kdump = r#"<parameter name="nodename"></parameter><actions><action name="off"/></actions>"#;
        assert_eq!(AgentInfo::read(kdump).unwrap().host_argument, None);
        for nonsense in ["", "usage: fence_x", "<action", "<action name=\"", "\u{0}<<<>>>", "<actions></actions>"] {
            assert_eq!(AgentInfo::read(nonsense), None, "{nonsense:?}");
        }
    }
}
