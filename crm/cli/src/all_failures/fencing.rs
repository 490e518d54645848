//! Which nodes can be fenced when some fence devices do not work, as far as the configuration says it: the device's own
//! lists of hosts and the fencing topology. What a device answers when it is asked is not known on paper: one that has
//! no list counts as able to fence every node.

use std::collections::BTreeSet;

use cib::{Document, Element, boolean, duration};
use policy::Cluster;
use policy::model::RscFlags;

/// The fence devices of a configuration.
#[derive(Clone, Debug, Default)]
pub struct Fencing {
    devices: Vec<Device>,
    levels: Vec<Level>,
    /// Nodes fence themselves when they are alone.
    watchdog: bool,
}

#[derive(Clone, Debug)]
struct Device {
    id: String,
    /// Hosts it fences; none if only asking it would tell.
    hosts: Option<BTreeSet<String>>,
}

#[derive(Clone, Debug)]
struct Level {
    target: Target,
    devices: Vec<String>,
}

#[derive(Clone, Debug)]
enum Target {
    Node(String),
    /// Nodes are found by a pattern or an attribute: taken as meaning any.
    Some,
}

impl Fencing {
    /// Reads it from a configuration.
    pub fn of(document: &Document, cluster: &Cluster) -> Fencing {
        let devices = cluster.resources.iter().filter(|resource| {
            resource.is_primitive()
                && resource.is(RscFlags::FENCE_DEVICE)
                && resource.meta("target-role") != Some("Stopped")
        });
        let devices = devices.map(|resource| Device {
            id: resource.xml_id.clone(),
            hosts: hosts(&parameters(document, &resource.xml_id)),
        });
        let option = |name: &str| cluster.options.raw.get(name);
        let waits = option("fencing-watchdog-timeout").or_else(|| option("stonith-watchdog-timeout"));
        Fencing {
            devices: devices.collect(),
            levels: levels(document),
            watchdog: boolean::is_true(option("have-watchdog"))
                && waits.is_some_and(|wait| duration::parse_ms(wait) != Ok(0)),
        }
    }

    /// Names of all devices.
    pub fn devices(&self) -> impl Iterator<Item = &str> {
        self.devices.iter().map(|device| device.id.as_str())
    }

    /// Whether `node` can be fenced when the devices in `broken` do nothing.
    pub fn can_fence(&self, node: &str, broken: &BTreeSet<&str>) -> bool {
        let levels: Vec<&Level> = self.levels.iter().filter(|level| level.is_for(node)).collect();
        if self.watchdog {
            return true;
        }
        if levels.is_empty() {
            return self.devices.iter().any(|device| !broken.contains(&*device.id) && device.fences(node));
        }
        levels.iter().any(|level| level.devices.iter().all(|device| !broken.contains(&**device)))
    }
}

impl Device {
    fn fences(&self, node: &str) -> bool {
        self.hosts.as_ref().is_none_or(|hosts| hosts.iter().any(|host| host.eq_ignore_ascii_case(node)))
    }
}

impl Level {
    fn is_for(&self, node: &str) -> bool {
        match &self.target {
            Target::Node(name) => name.eq_ignore_ascii_case(node),
            Target::Some => true,
        }
    }
}

/// The parameters of a primitive as they stand, its template's before its own.
fn parameters(document: &Document, id: &str) -> Vec<(String, String)> {
    let Some(resources) = document.descend(&["configuration", "resources"]) else { return Vec::new() };
    let find = |name: &str, id: &str| {
        document.descendants(resources).find(|element| document.name(*element) == name && document.id(*element) == id)
    };
    let Some(primitive) = find("primitive", id) else { return Vec::new() };
    let template = document.attribute(primitive, "template").and_then(|template| find("template", template));
    let pairs = |element: Element| {
        let sets = document.children_named(element, "instance_attributes");
        sets.flat_map(|set| document.children_named(set, "nvpair")).filter_map(|pair| {
            Some((document.attribute(pair, "name")?.to_owned(), document.attribute(pair, "value")?.to_owned()))
        })
    };
    template.into_iter().chain([primitive]).flat_map(pairs).collect()
}

fn hosts(parameters: &[(String, String)]) -> Option<BTreeSet<String>> {
    let value = |name: &str| parameters.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    let list = value("pcmk_host_list").map(|list| list.split([' ', ',', ';', '\t', '\n']));
    let map = value("pcmk_host_map").map(|map| map.split([' ', ';', '\t', '\n']));
    if matches!(value("pcmk_host_check"), Some("none" | "dynamic-list" | "status")) || (list.is_none() && map.is_none())
    {
        return None;
    }
    let mapped = map.into_iter().flatten().map(|entry| entry.split([':', '=']).next().unwrap_or_default());
    let all = list.into_iter().flatten().chain(mapped);
    Some(all.filter(|host| !host.is_empty()).map(str::to_owned).collect())
}

fn levels(document: &Document) -> Vec<Level> {
    let Some(topology) = document.descend(&["configuration", "fencing-topology"]) else { return Vec::new() };
    let level = |level: Element| Level {
        target: match document.attribute(level, "target") {
            Some(node) => Target::Node(node.to_owned()),
            None => Target::Some,
        },
        devices: document
            .attribute(level, "devices")
            .unwrap_or_default()
            .split([',', ' '])
            .filter(|device| !device.is_empty())
            .map(str::to_owned)
            .collect(),
    };
    document.children_named(topology, "fencing-level").map(level).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(id: &str, parameters: &str) -> String {
        let pairs = parameters.split_whitespace().map(|pair| {
            let (name, value) = pair.split_once('=').unwrap();
            format!("<nvpair id='{id}-{name}' name='{name}' value='{}'/>", value.replace('+', " "))
        });
        format!(
            "<primitive id='{id}' class='stonith' type='fence_x'><instance_attributes id='{id}-a'>{}</instance_attributes>\
             </primitive>",
            pairs.collect::<String>()
        )
    }

    fn fencing(devices: &[(&str, &str)], topology: &str) -> Fencing {
        let devices: String = devices.iter().map(|(id, parameters)| device(id, parameters)).collect();
        let text = format!(
            "<cib><configuration><crm_config/><nodes/><resources>{devices}</resources><constraints/>\
             <fencing-topology>{topology}</fencing-topology></configuration><status/></cib>"
        );
        let document = Document::parse(&text).unwrap();
        Fencing::of(&document, &policy::read_status(&document, 0))
    }

    #[test]
    fn lists_and_maps_of_hosts_count() {
        let fencing = fencing(&[("a", "pcmk_host_list=one+two"), ("b", "pcmk_host_map=two:7;three:8")], "");
        let broken = |ids: &[&'static str]| ids.iter().copied().collect::<BTreeSet<&str>>();
        for (node, without, can) in
            [("one", "", true), ("one", "a", false), ("TWO", "a", true), ("three", "b", false), ("four", "", false)]
        {
            assert_eq!(fencing.can_fence(node, &broken(&[without])), can, "{node} without {without}");
        }
        assert!(!fencing.can_fence("two", &broken(&["a", "b"])));
    }

    #[test]
    fn a_device_without_a_list_is_taken_as_able() {
        let fencing = fencing(&[("a", "ip=192.0.2.1")], "");
        assert!(fencing.can_fence("anything", &BTreeSet::new()));
        assert!(!fencing.can_fence("anything", &BTreeSet::from(["a"])));
    }

    #[test]
    fn one_whole_level_is_enough() {
        let topology = "<fencing-level id='1' target='one' index='1' devices='a,b'/>\
                        <fencing-level id='2' target='one' index='2' devices='c'/>";
        let fencing = fencing(&[("a", "x=1"), ("b", "x=1"), ("c", "x=1")], topology);
        assert!(fencing.can_fence("one", &BTreeSet::from(["a"])));
        assert!(fencing.can_fence("one", &BTreeSet::from(["c"])));
        assert!(!fencing.can_fence("one", &BTreeSet::from(["b", "c"])));
        assert!(fencing.can_fence("two", &BTreeSet::from(["b", "c"])), "no level is about it");
    }
}
