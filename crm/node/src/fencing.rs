//! What the fencer must know of the CIB — devices, levels, whom it is to fence — and what comes of an order to fence.

use std::collections::BTreeMap;
use std::time::Duration;

use cib::nvset::Values;
use cib::rule::Context;
use cib::{Cib, Document, Element, Write};
use fencer::{Action, Device, Event, Failure, Level, Success, Target, TargetMatch};
use wire::FenceOrder;

/// A whole request may take this many times what one device may: a level of several devices, retries, a second level.
/// Bounded, so that a coordinator gets its answer.
pub const ATTEMPTS: u32 = 4;

/// Devices and levels, as the fencer wants them.
pub fn configuration(cib: &Cib, unix: i64) -> Event {
    let document = cib.document();
    let devices = document
        .descend(&["configuration", "resources"])
        .map(|resources| {
            document
                .descendants(resources)
                .filter(|e| document.name(*e) == "primitive" && document.attribute(*e, "class") == Some("stonith"))
                .filter(|e| !is_disabled(document, *e, unix))
                .map(|e| device(document, e, unix))
                .collect()
        })
        .unwrap_or_default();
    let levels = document
        .descend(&["configuration", "fencing-topology"])
        .map(|topology| document.children_named(topology, "fencing-level").filter_map(|e| level(document, e)).collect())
        .unwrap_or_default();
    Event::Configure { devices, levels }
}

fn is_disabled(document: &Document, primitive: Element, unix: i64) -> bool {
    Values::of(document, primitive, "meta_attributes", &Context::at(unix)).get("target-role") == Some("Stopped")
}

fn device(document: &Document, primitive: Element, unix: i64) -> Device {
    let parameters = Values::of(document, primitive, "instance_attributes", &Context::at(unix))
        .iter()
        .map(|(name, setting)| (name.to_owned(), setting.value.to_owned()))
        .collect();
    Device {
        name: document.id(primitive).to_owned(),
        agent: document.attribute(primitive, "type").unwrap_or("").to_owned(),
        parameters,
    }
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
pub fn request(order: &FenceOrder, cib: &Cib, number: u64, seed: u64) -> Event {
    let device_timeout = Duration::from_millis(order.timeout_ms);
    Event::Fence {
        request: number,
        target: Target {
            name: order.target.clone(),
            id: order.target_id.parse().ok(),
            attributes: node_attributes(cib.document(), &order.target),
        },
        action: match order.action.as_str() {
            "on" => Action::On,
            "off" => Action::Off,
            _ => Action::Reboot,
        },
        device_timeout,
        timeout: device_timeout * ATTEMPTS,
        seed,
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

/// What everyone is told of the end of a fencing.
pub fn answer(order: &FenceOrder, result: Result<Success, Failure>, by: &str, unix: i64) -> Result<Write, String> {
    match result {
        Ok(success) => Ok(Write::Fenced {
            node: order.target.clone(),
            since: order.since,
            action: order.action.clone(),
            by: format!("{by} with {}", success.devices.join(", ")),
            at: unix,
            coordinator: order.id.coordinator.clone(),
            transition: order.id.transition,
            number: order.id.number,
        }),
        Err(failure) => Err(failure.reason),
    }
}
