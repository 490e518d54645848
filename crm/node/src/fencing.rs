//! What the fencer must know of the CIB — devices, levels, whom it is to fence, whether the target's watchdog can be
//! relied on — and what is written when a fencing is done.

use std::collections::BTreeMap;
use std::time::Duration;

use cib::nvset::Values;
use cib::patch::Change;
use cib::rule::Context;
use cib::{Cib, Document, Element, Lifetime, Patch, Write, view};
use controller::brake::transient;
use controller::walking::WATCHDOG;
use fencer::{Action, Device, Event, Level, Success, Target, TargetMatch};
use wire::FenceOrder;

use crate::allowed::Here;

/// How long after its last failure a fence device that runs nowhere is tried again. Whoever repaired it must not have to
/// think of it, and one that stays broken costs a start every few minutes.
pub const DEVICE_RETRY_S: i64 = 300;

/// Whether a change of the configuration may be one of devices, levels, or who may use them. Attributes of nodes and
/// options of the cluster, which change most often, are looked at again when something is to be fenced.
pub fn is_concerned(patch: &Patch) -> bool {
    const OTHERS: [&str; 2] = ["/cib/configuration/nodes", "/cib/configuration/crm_config"];
    let below =
        |path: &str, start: &str| path.strip_prefix(start).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    patch.changes.iter().any(|change| match change {
        // Every change raises the version there.
        Change::Modify { path, set, unset } if path == "/cib" => {
            set.iter().map(|(name, _)| name).chain(unset).any(|name| name == "validate-with")
        }
        Change::Create { path, .. }
        | Change::Modify { path, .. }
        | Change::Delete { path }
        | Change::Move { path, .. } => !OTHERS.iter().any(|start| below(path, start)),
    })
}

/// Devices and levels, as the fencer wants them. `me`: the node they are for.
pub fn configuration(cib: &Cib, me: &str, unix: i64) -> Event {
    // Older schemas have other names for the same.
    let upgraded = cib::upgrade::upgrade(cib.document()).0;
    let document: &Document = &upgraded;
    let context = Context::at(unix);
    let here = Here::new(document, me, unix);
    let devices = view::fence_devices(document, &context)
        .into_iter()
        .filter(|device| device.meta.get("target-role") != Some("Stopped"))
        .map(|device| Device {
            name: device.id.to_owned(),
            agent: device.agent.to_owned(),
            parameters: device
                .parameters
                .iter()
                .map(|(name, setting)| (name.to_owned(), setting.value.to_owned()))
                .collect(),
            allowed_here: here.is_allowed(device.id),
        })
        .collect();
    let levels = document
        .descend(&["configuration", "fencing-topology"])
        .map(|topology| document.children_named(topology, "fencing-level").filter_map(|e| level(document, e)).collect())
        .unwrap_or_default();
    Event::Configure { devices, levels }
}

fn level(document: &Document, element: Element) -> Option<Level> {
    let text = |name| document.attribute(element, name).map(str::to_owned);
    let target = match (text("target"), text("target-pattern"), text("target-attribute")) {
        (Some(node), ..) => TargetMatch::Node(node),
        (_, Some(pattern), _) => TargetMatch::Pattern(pattern),
        (_, _, Some(name)) => TargetMatch::Attribute { name, value: text("target-value")? },
        _ => return None,
    };
    let devices = text("devices")?.split(',').map(|name| name.trim().to_owned()).collect();
    Some(Level { target, index: text("index")?.parse().ok()?, devices })
}

/// The request that carries out an order.
pub fn request(order: &FenceOrder, cib: &Cib, quorate: bool, number: u64, seed: u64) -> Event {
    let device_timeout = Duration::from_millis(order.timeout_ms);
    Event::Fence {
        request: number,
        target: Target {
            name: order.target.clone(),
            id: order.target_id.parse().ok(),
            attributes: node_attributes(cib.document(), &order.target),
        },
        action: action(&order.action),
        device_timeout,
        timeout: order.longest(),
        delay: Duration::from_millis(order.delay_ms),
        watchdog: watchdog(order, cib, quorate),
        seed,
    }
}

/// An action by its word; what is unknown is the whole of it.
pub fn action(word: &str) -> Action {
    match word {
        "on" => Action::On,
        "off" | "poweroff" => Action::Off,
        _ => Action::Reboot,
    }
}

/// How long to wait for the target's own watchdog, or why that is no use.
fn watchdog(order: &FenceOrder, cib: &Cib, quorate: bool) -> Result<Duration, String> {
    if order.watchdog_ms == 0 {
        return Err("stonith-watchdog-timeout is not set".into());
    }
    if !quorate {
        // The target may have quorum itself, and go on.
        return Err("there is no quorum here".into());
    }
    let armed = transient(cib, &order.target_id, WATCHDOG).and_then(|text| text.parse::<u64>().ok());
    match armed {
        None => Err(format!("{} has armed none", order.target)),
        Some(seconds) if order.watchdog_ms < seconds.saturating_mul(2_000) => Err(format!(
            "stonith-watchdog-timeout must be at least {} s, twice what the watchdog of {} takes",
            seconds.saturating_mul(2),
            order.target
        )),
        Some(_) => Ok(Duration::from_millis(order.watchdog_ms)),
    }
}

fn node_attributes(document: &Document, name: &str) -> BTreeMap<String, String> {
    let Some(nodes) = document.descend(&["configuration", "nodes"]) else { return BTreeMap::new() };
    let node = document.children_named(nodes, "node").find(|node| document.attribute(*node, "uname") == Some(name));
    node.map(|node| {
        Values::of(document, node, "instance_attributes", &Context::at(0))
            .iter()
            .map(|(name, setting)| (name.to_owned(), setting.value.to_owned()))
            .collect()
    })
    .unwrap_or_default()
}

/// What everyone is told of a fencing that is done.
pub fn done(order: &FenceOrder, success: &Success, by: &str, unix: i64) -> Vec<Write> {
    let fenced = Write::Fenced {
        node: order.target.clone(),
        since: order.since,
        action: order.action.clone(),
        by: format!("{by} with {}", success.devices.join(", ")),
        at: unix,
        coordinator: order.id.coordinator.clone(),
        transition: order.id.transition,
        number: order.id.number,
    };
    let attribute = |name: &str, value: &str| Write::Attribute {
        node: order.target.clone(),
        lifetime: Lifetime::Transient,
        name: name.to_owned(),
        value: Some(value.to_owned()),
        author: cib::Author::default(),
    };
    // What the node was let in with goes first: a plan must not find it let in with something unknown.
    let digests = order.digests.as_ref().filter(|_| order.action == "on");
    let digests = digests.map(|(all, secure)| [attribute("#digests-all", all), attribute("#digests-secure", secure)]);
    digests.into_iter().flatten().chain([fenced]).collect()
}

/// Fence devices that run nowhere because they failed, long enough ago to try again.
pub fn to_try_again(cib: &Cib, unix: i64) -> Vec<String> {
    let document = cib.document();
    let Some(status) = document.descend(&["status"]) else { return Vec::new() };
    let states: Vec<Element> = document.children_named(status, "node_state").collect();
    let failed_at = |device: &str| {
        let start = format!("last-failure-{device}#");
        let sets = states.iter().filter_map(|state| document.child(*state, "transient_attributes"));
        let pairs = sets
            .flat_map(|attributes| document.children_named(attributes, "instance_attributes"))
            .flat_map(|set| document.children_named(set, "nvpair"));
        let times = pairs
            .filter(|pair| document.attribute(*pair, "name").is_some_and(|name| name.starts_with(&start)))
            .filter_map(|pair| document.attribute(pair, "value")?.parse::<i64>().ok());
        times.max()
    };
    let runs = |device: &str| {
        let entries = states
            .iter()
            .filter_map(|state| document.child(document.child(*state, "lrm")?, "lrm_resources"))
            .flat_map(|resources| document.children(resources))
            .filter(|resource| document.id(*resource) == device)
            .flat_map(|resource| document.children(resource));
        let is = |entry: Element, name, value| document.attribute(entry, name) == Some(value);
        entries.filter(|entry| document.id(*entry).ends_with("_last_0")).any(|entry| {
            (is(entry, "operation", "start") || is(entry, "operation", "monitor")) && is(entry, "rc-code", "0")
        })
    };
    let devices = view::fence_devices(document, &Context::at(unix));
    let devices = devices.iter().filter(|device| device.meta.get("target-role") != Some("Stopped"));
    devices
        .map(|device| device.id)
        .filter(|device| failed_at(device).is_some_and(|at| at + DEVICE_RETRY_S <= unix) && !runs(device))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::OrderId;

    const CIB: &str = r#"<cib validate-with="pacemaker-2.10"><configuration><crm_config/>
        <nodes><node id="1" uname="a"/><node id="2" uname="b"><instance_attributes id="n2">
            <nvpair id="n2-rack" name="rack" value="7"/></instance_attributes></node></nodes>
        <resources>
          <primitive id="pdu" class="stonith" type="fence_apc"><instance_attributes id="p">
            <nvpair id="p1" name="pcmk_reboot_cmd" value="cycle"/></instance_attributes></primitive>
          <primitive id="web" class="ocf" provider="x" type="y"/>
        </resources>
        <constraints><rsc_location id="l" rsc="pdu" node="a" score="-INFINITY"/></constraints>
        <fencing-topology>
          <fencing-level id="f1" target="b" index="1" devices="pdu"/>
          <fencing-level id="f2" target-attribute="rack" target-value="7" index="2" devices="pdu, other"/>
          <fencing-level id="f3" index="1" devices="pdu"/>
        </fencing-topology></configuration>
        <status><node_state id="2" uname="b"><transient_attributes id="2"><instance_attributes id="t">
            <nvpair id="t1" name="last-failure-pdu#start_0" value="1000"/>
            <nvpair id="t2" name="%23watchdog" value="5"/></instance_attributes></transient_attributes>
          <lrm id="2"><lrm_resources><lrm_resource id="pdu" class="stonith" type="fence_apc">
            <lrm_rsc_op id="pdu_last_0" operation="start" rc-code="RC"/></lrm_resource></lrm_resources></lrm>
        </node_state></status></cib>"#;

    fn cib() -> Cib {
        Cib::parse(&CIB.replace("%23", "#").replace("RC", "1")).unwrap()
    }

    fn order(watchdog_ms: u64) -> FenceOrder {
        FenceOrder {
            id: OrderId { coordinator: "c".into(), transition: 1, number: 2 },
            to: 1,
            quorate: true,
            target: "b".into(),
            target_id: "2".into(),
            since: Some(4),
            action: "on".into(),
            timeout_ms: 60_000,
            delay_ms: 0,
            watchdog_ms,
            digests: Some(("pdu:fence_apc:1,".into(), "pdu:fence_apc:2,".into())),
        }
    }

    #[test]
    fn devices_and_levels_of_a_cib_of_an_older_schema() {
        for (me, allowed) in [("a", false), ("b", true)] {
            let Event::Configure { devices, levels } = configuration(&cib(), me, 0) else { panic!() };
            assert_eq!((devices.len(), devices[0].allowed_here), (1, allowed));
            assert_eq!(devices[0].parameters["pcmk_reboot_action"], "cycle");
            assert_eq!(levels.len(), 2, "one names no node");
            assert_eq!(levels[1].devices, ["pdu", "other"]);
        }
    }

    #[test]
    fn what_changes_most_often_is_no_matter_of_devices() {
        let root = Change::Modify { path: "/cib".into(), set: vec![("epoch".into(), "4".into())], unset: Vec::new() };
        let at = |path: &str| Patch { changes: vec![Change::Delete { path: path.into() }, root.clone()] };
        for (path, concerned) in [
            ("/cib/configuration/nodes/node[@id='1']/instance_attributes[@id='a']/nvpair[@id='b']", false),
            ("/cib/configuration/crm_config/cluster_property_set[@id='o']", false),
            ("/cib/configuration/nodes", false),
            ("/cib/configuration/resources/primitive[@id='pdu']", true),
            ("/cib/configuration/constraints/rsc_location[@id='l']", true),
            ("/cib/configuration/fencing-topology", true),
            ("/cib/configuration/tags/tag[@id='t']", true),
            ("/cib/configuration", true),
        ] {
            assert_eq!(is_concerned(&at(path)), concerned, "{path}");
        }
        let schema = ("validate-with".to_owned(), "pacemaker-3.7".to_owned());
        let modify = Change::Modify { path: "/cib".into(), set: vec![schema], unset: Vec::new() };
        assert!(is_concerned(&Patch { changes: vec![modify] }));
    }

    #[test]
    fn a_watchdog_is_relied_on_only_where_it_can_be() {
        let why = |watchdog_ms, quorate| watchdog(&order(watchdog_ms), &cib(), quorate);
        assert_eq!(why(10_000, true), Ok(Duration::from_secs(10)));
        assert!(why(0, true).unwrap_err().contains("not set"));
        assert!(why(10_000, false).unwrap_err().contains("no quorum"));
        assert!(why(9_000, true).unwrap_err().contains("at least 10 s"));
        let other = FenceOrder { target_id: "1".into(), target: "a".into(), ..order(10_000) };
        assert!(watchdog(&other, &cib(), true).unwrap_err().contains("a has armed none"));
    }

    #[test]
    fn a_node_is_let_in_with_what_it_was_let_in_with() {
        let success = Success { devices: vec!["pdu".into()], remarks: Vec::new() };
        let writes = done(&order(0), &success, "a", 7);
        assert_eq!(writes.len(), 3);
        assert!(matches!(&writes[2], Write::Fenced { by, action, .. } if by == "a with pdu" && action == "on"));
        assert_eq!(done(&FenceOrder { action: "off".into(), ..order(0) }, &success, "a", 7).len(), 1);
        let Event::Fence { target, .. } = request(&order(0), &cib(), true, 1, 1) else { panic!() };
        assert_eq!((target.id, target.attributes["rack"].as_str()), (Some(2), "7"));
    }

    #[test]
    fn a_device_that_failed_is_tried_again_after_a_while() {
        assert_eq!(to_try_again(&cib(), 1000 + DEVICE_RETRY_S - 1), Vec::<String>::new());
        assert_eq!(to_try_again(&cib(), 1000 + DEVICE_RETRY_S), ["pdu"]);
        let runs = Cib::parse(&CIB.replace("%23", "#").replace("RC", "0")).unwrap();
        assert_eq!(to_try_again(&runs, 1_000_000), Vec::<String>::new());
    }
}
