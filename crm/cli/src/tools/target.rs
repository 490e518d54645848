//! Which node a tool is about when it names one, or none: agents are told by their environment where they run.

use std::fs;

use cib::{Document, Element};

use super::call::Call;
use super::status::{self, Failure};
use super::store::{Found, Store};

/// The name of the node that is meant: the one named, the one an agent runs for, or this one.
///
/// # Errors
/// When it is this one, and its name cannot be had.
pub fn node(call: &Call, store: &Store, found: Option<&Found>, named: Option<&str>) -> Result<String, Failure> {
    if let Some(name) = named.filter(|name| !matches!(*name, "auto" | "localhost")) {
        return Ok(name.to_owned());
    }
    if let Some(name) = of_agent(call) {
        return Ok(name.to_owned());
    }
    if let Some(status) = found.and_then(|found| found.status.as_ref()) {
        return Ok(status.node.clone());
    }
    match store.is_live() {
        true => Ok(store.read()?.status.map(|status| status.node).unwrap_or_default()),
        false => host(),
    }
}

/// The node that the agent, whose environment this is, runs for. What a container reports may be its host's.
pub fn of_agent(call: &Call) -> Option<&str> {
    let of_host = call.variable("OCF_RESKEY_CRM_meta_container_attribute_target") == Some("host");
    let host = call.variable("OCF_RESKEY_CRM_meta_physical_host").filter(|_| of_host);
    host.or_else(|| call.variable("OCF_RESKEY_CRM_meta_on_node"))
}

/// This machine's name.
///
/// # Errors
/// When the kernel does not tell it.
pub fn host() -> Result<String, Failure> {
    let name = fs::read_to_string("/proc/sys/kernel/hostname")
        .map_err(|error| Failure::new(status::ERROR, format!("reading this machine's name: {error}")))?;
    Ok(name.trim().to_owned())
}

/// The id under which the CIB knows a node.
///
/// # Errors
/// When it does not know it: 105.
pub fn id(document: &Document, name: &str) -> Result<String, Failure> {
    let is = |element: &Element, attribute: &str| {
        document.attribute(*element, attribute).is_some_and(|value| value.eq_ignore_ascii_case(name))
    };
    let sections = [&["configuration", "nodes"][..], &["status"]];
    let children = sections.iter().filter_map(|path| document.descend(path)).flat_map(|list| document.children(list));
    let by_name = children.filter(|element| is(element, "uname")).map(|element| document.id(element)).next();
    // Remote and guest nodes are resources first; they are known by their name.
    let is_remote = || {
        let resources = document.descend(&["configuration", "resources"]);
        resources.into_iter().flat_map(|resources| document.descendants(resources)).any(|element| {
            let guest = document.attribute(element, "name") == Some("remote-node")
                && document.attribute(element, "value") == Some(name);
            let remote = document.attribute(element, "type") == Some("remote")
                && document.attribute(element, "provider") == Some("pacemaker")
                && document.id(element) == name;
            guest || remote
        })
    };
    match by_name {
        Some(id) => Ok(id.to_owned()),
        None if is_remote() => Ok(name.to_owned()),
        None => Err(Failure::new(status::NO_SUCH, format!("Could not map name={name} to a UUID"))),
    }
}
