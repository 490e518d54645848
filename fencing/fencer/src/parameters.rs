//! The parameters of a fence device that are for the fencer (`pcmk_*`), and what goes to the agent.
//! A value that makes no sense counts as not given, as with Pacemaker. When what is used, the machine decides.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::{AgentInfo, Device, Target};

/// How it is found out whether a device can fence a node (`pcmk_host_check`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HostCheck {
    /// By `pcmk_host_list` and `pcmk_host_map`.
    StaticList,
    /// By the agent's `list` action.
    DynamicList,
    /// By the agent's `status` action for the node.
    Status,
    /// It can fence every node.
    Any,
}

/// How often an agent is run for one action unless `pcmk_<action>_retries` says otherwise: Pacemaker's two.
const DEFAULT_TRIES: u32 = 2;

/// More tries than this are not made, whatever is configured: an agent that fails at once would else
/// be run as fast as the host can for the whole timeout.
const MAX_TRIES: u32 = 10;

/// Parameters that are for the cluster's own use though they have no `pcmk_` in front. `action` would
/// turn a question into a reboot.
const NOT_FOR_AGENTS: [&str; 3] = ["action", "stonith-timeout", "priority"];

impl Device {
    fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    /// `agent`: what the agent says of itself, if it does.
    pub(crate) fn host_check(&self, agent: Option<&AgentInfo>) -> HostCheck {
        match self.parameter("pcmk_host_check") {
            Some("static-list") => HostCheck::StaticList,
            Some("dynamic-list") => HostCheck::DynamicList,
            Some("status") => HostCheck::Status,
            Some("none") => HostCheck::Any,
            _ if self.parameter("pcmk_host_list").is_some() || self.parameter("pcmk_host_map").is_some() => {
                HostCheck::StaticList
            }
            _ => match agent {
                Some(agent) if !agent.has("list") && agent.has("status") => HostCheck::Status,
                Some(agent) if !agent.has("list") => HostCheck::Any,
                _ => HostCheck::DynamicList,
            },
        }
    }

    /// Devices with a higher one are tried first.
    pub(crate) fn priority(&self) -> i64 {
        self.parameter("priority").and_then(|text| text.parse().ok()).unwrap_or(0)
    }

    /// Whether it has a name of its own for an action.
    pub(crate) fn renames(&self, action: &str) -> bool {
        self.parameter(&format!("pcmk_{action}_action")).is_some()
    }

    /// The nodes that `pcmk_host_list` and `pcmk_host_map` name.
    pub(crate) fn static_hosts(&self) -> Vec<&str> {
        let list = self.parameter("pcmk_host_list").map(words).unwrap_or_default();
        let map = self.parameter("pcmk_host_map").map(pairs).unwrap_or_default();
        list.into_iter().chain(map.into_iter().map(|(host, _)| host)).collect()
    }

    /// What the device calls a node: its value in `pcmk_host_map`, else its own name.
    pub(crate) fn port<'a>(&'a self, node: &'a str) -> &'a str {
        let map = self.parameter("pcmk_host_map").map(pairs).unwrap_or_default();
        map.into_iter().find(|(host, _)| host.eq_ignore_ascii_case(node)).map_or(node, |(_, port)| port)
    }

    /// How long the agent may take for an action, when the device says so.
    pub(crate) fn timeout(&self, action: &str) -> Option<Duration> {
        let timeout = self.parameter(&format!("pcmk_{action}_timeout")).and_then(time_length);
        timeout.filter(|timeout| !timeout.is_zero())
    }

    /// How often the agent is run for an action before it counts as failed.
    pub(crate) fn tries(&self, action: &str) -> u32 {
        let tries = self.parameter(&format!("pcmk_{action}_retries")).and_then(|text| text.parse().ok());
        tries.unwrap_or(DEFAULT_TRIES).clamp(1, MAX_TRIES)
    }

    /// How many of its agents may run at once; `None` for as many as wanted.
    pub(crate) fn action_limit(&self) -> Option<usize> {
        match self.parameter("pcmk_action_limit").and_then(|text| text.parse::<i64>().ok()) {
            Some(-1) => None,
            Some(limit @ 1..) => Some(limit as usize),
            _ => Some(1),
        }
    }

    /// How long to wait before cutting a node off, so that of two nodes that fence each other one is
    /// first: `pcmk_delay_base`, and by chance up to `pcmk_delay_max` in all.
    pub(crate) fn delay(&self, node: &str, seed: u64) -> Duration {
        let base = self.parameter("pcmk_delay_base").and_then(|text| delay_of(text, node)).unwrap_or_default();
        let max = self.parameter("pcmk_delay_max").and_then(time_length).unwrap_or_default();
        let room_ms = max.saturating_sub(base).as_millis() as u64;
        let chance_ms = scatter(seed) % room_ms.saturating_add(1);
        base.saturating_add(Duration::from_millis(chance_ms))
    }

    /// What goes to the agent: the device's own parameters, the action by the name the device has for
    /// it, and the node, when there is one.
    pub(crate) fn options(
        &self,
        action: &str,
        target: Option<&Target>,
        agent: Option<&AgentInfo>,
    ) -> BTreeMap<String, String> {
        let own = self.parameters.iter();
        let own = own.filter(|(name, _)| {
            !name.starts_with("pcmk_") && !name.starts_with("CRM_meta_") && !NOT_FOR_AGENTS.contains(&name.as_str())
        });
        let mut options: BTreeMap<String, String> = own.map(|(name, value)| (name.clone(), value.clone())).collect();
        let command = self.parameter(&format!("pcmk_{action}_action")).unwrap_or(action);
        options.insert("action".into(), command.into());
        let Some(target) = target else { return options };
        options.insert("nodename".into(), target.name.clone());
        if let Some(id) = target.id {
            options.insert("nodeid".into(), id.to_string());
        }
        // Of an agent that says nothing the oldest name is expected; one that has none of the names goes by `nodename`.
        let usual = agent.map_or("port", |agent| agent.host_argument.unwrap_or("none"));
        match self.parameter("pcmk_host_argument").unwrap_or(usual) {
            "none" => {}
            // A port that is configured outright stays: the device has only that one.
            argument if options.get(argument).is_some_and(|value| !value.is_empty() && value != "dynamic") => {}
            argument => {
                options.insert(argument.into(), self.port(&target.name).into());
            }
        }
        options
    }
}

/// The names in a list separated by blanks, commas or semicolons, as users and agents write them.
pub(crate) fn words(text: &str) -> Vec<&str> {
    let separator = |character: char| character.is_whitespace() || matches!(character, ',' | ';');
    text.split(separator).filter(|word| !word.is_empty()).collect()
}

/// `node1:1;node2:2,3`. A comma is part of a value: the node has several ports.
fn pairs(text: &str) -> Vec<(&str, &str)> {
    let pieces = text.split(|character: char| character.is_whitespace() || character == ';');
    pieces
        .filter_map(|piece| piece.split_once([':', '=']))
        .filter(|(host, port)| !host.is_empty() && !port.is_empty())
        .collect()
}

/// `10s`, or `node1:0;node2:10s` with a delay for each node.
fn delay_of(text: &str, node: &str) -> Option<Duration> {
    if !text.contains([':', '=']) {
        return time_length(text);
    }
    let (_, delay) = pairs(text).into_iter().find(|(host, _)| host.eq_ignore_ascii_case(node))?;
    time_length(delay)
}

/// A length of time as the CIB has it: a number with a unit, seconds without one.
fn time_length(text: &str) -> Option<Duration> {
    let text = text.trim();
    let unit_at = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..unit_at].parse().ok()?;
    let milliseconds = match text[unit_at..].trim() {
        "" | "s" | "sec" => number.checked_mul(1_000),
        "ms" | "msec" => Some(number),
        "us" | "usec" => Some(number / 1_000),
        "m" | "min" => number.checked_mul(60_000),
        "h" | "hr" => number.checked_mul(3_600_000),
        _ => None,
    };
    milliseconds.filter(|milliseconds| *milliseconds <= LONGEST_MS).map(Duration::from_millis)
}

/// A day: whoever writes a longer time for a fence device has mistaken the unit.
const LONGEST_MS: u64 = 24 * 3_600_000;

/// Spreads a seed over all bits, so that seeds that follow each other do not give delays that do (the
/// finalizer of SplitMix64).
fn scatter(seed: u64) -> u64 {
    let mut mixed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(parameters: &[(&str, &str)]) -> Device {
        let parameters = parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Device { name: "d".into(), agent: "fence_d".into(), parameters, allowed_here: true }
    }

    fn target() -> Target {
        Target { name: "node1".into(), id: Some(7), attributes: BTreeMap::new() }
    }

    #[test]
    fn host_checks() {
        let cases = [
            (vec![], HostCheck::DynamicList),
            (vec![("pcmk_host_list", "a")], HostCheck::StaticList),
            (vec![("pcmk_host_map", "a:1")], HostCheck::StaticList),
            (vec![("pcmk_host_list", "a"), ("pcmk_host_check", "none")], HostCheck::Any),
            (vec![("pcmk_host_check", "status")], HostCheck::Status),
            (vec![("pcmk_host_check", "sideways")], HostCheck::DynamicList),
        ];
        for (parameters, expected) in cases {
            assert_eq!(device(&parameters).host_check(None), expected, "{parameters:?}");
        }
        let agent = |actions: &[&str]| AgentInfo {
            actions: actions.iter().map(|action| (*action).to_owned()).collect(),
            ..AgentInfo::default()
        };
        for (actions, expected) in [
            (&["list", "status"][..], HostCheck::DynamicList),
            (&["off", "status"], HostCheck::Status),
            (&["off"], HostCheck::Any),
        ] {
            assert_eq!(device(&[]).host_check(Some(&agent(actions))), expected, "{actions:?}");
        }
    }

    #[test]
    fn hosts_and_ports() {
        let both = device(&[("pcmk_host_list", "a, b;c  d"), ("pcmk_host_map", "Node1:1; node2=2,3 broken node3:")]);
        assert_eq!(both.static_hosts(), ["a", "b", "c", "d", "Node1", "node2"]);
        assert_eq!([both.port("node1"), both.port("node2"), both.port("node3")], ["1", "2,3", "node3"]);
    }

    #[test]
    fn numbers_and_times() {
        let odd = device(&[
            ("pcmk_reboot_timeout", "2min"),
            ("pcmk_off_timeout", "soon"),
            ("pcmk_reboot_retries", "0"),
            ("pcmk_off_retries", "1000000"),
            ("pcmk_action_limit", "-1"),
        ]);
        assert_eq!(odd.timeout("reboot"), Some(Duration::from_secs(120)));
        assert_eq!([odd.timeout("off"), odd.timeout("on")], [None, None]);
        assert_eq!([odd.tries("reboot"), odd.tries("off"), odd.tries("on")], [1, MAX_TRIES, DEFAULT_TRIES]);
        assert_eq!([odd.action_limit(), device(&[]).action_limit()], [None, Some(1)]);
        assert_eq!(time_length("18446744073709551615"), None);
        assert_eq!(time_length("1500ms"), Some(Duration::from_millis(1500)));
    }

    #[test]
    fn delays() {
        let fixed = device(&[("pcmk_delay_base", "node1:0;node2:10s")]);
        assert_eq!(fixed.delay("node2", 1), Duration::from_secs(10));
        assert_eq!([fixed.delay("node1", 1), fixed.delay("node3", 1)], [Duration::ZERO; 2]);
        let chance = device(&[("pcmk_delay_base", "5"), ("pcmk_delay_max", "8")]);
        let delays: Vec<Duration> = (0..100).map(|seed| chance.delay("node1", seed)).collect();
        assert!(delays.iter().all(|delay| (5_000..=8_000).contains(&delay.as_millis())), "{delays:?}");
        assert!(delays.iter().any(|delay| *delay != delays[0]), "chance has a part in it");
    }

    #[test]
    fn options_for_agents() {
        let text = |device: &Device, action, target: Option<&Target>| {
            let options = device.options(action, target, None);
            options.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
        };
        let plain =
            device(&[("ip", "h"), ("pcmk_host_map", "node1:4"), ("action", "off"), ("pcmk_reboot_action", "cycle")]);
        assert_eq!(text(&plain, "reboot", Some(&target())), "action=cycle ip=h nodeid=7 nodename=node1 port=4");
        assert_eq!(text(&plain, "list", None), "action=list ip=h");
        let none = device(&[("pcmk_host_argument", "none")]);
        assert_eq!(text(&none, "off", Some(&target())), "action=off nodeid=7 nodename=node1");
        let plug = device(&[("pcmk_host_argument", "plug"), ("plug", "9")]);
        assert_eq!(text(&plug, "off", Some(&target())), "action=off nodeid=7 nodename=node1 plug=9");
        let named = |host_argument| AgentInfo { host_argument, ..AgentInfo::default() };
        for (argument, expected) in [(Some("plug"), Some("node1")), (None, None)] {
            let options = device(&[]).options("off", Some(&target()), Some(&named(argument)));
            assert_eq!((options.get("plug").map(String::as_str), options.get("port")), (expected, None));
            assert_eq!(options["nodename"], "node1");
        }
        let dynamic = device(&[("port", "dynamic")]);
        assert_eq!(text(&dynamic, "off", Some(&target())), "action=off nodeid=7 nodename=node1 port=node1");
    }
}
