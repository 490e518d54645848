//! What a configuration wants kept alive, read from its CIB: addresses, file systems, the service, who fences.
//!
//! It reads and judges; how the CIB is changed to fit the lab is `adapt.rs`'s.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use cib::check::Severity;
use cib::{Document, Element};

use crate::network::Address;

/// The interface of the nodes, unless the configuration names another.
const INTERFACE: &str = "eth0";

/// A prefix for addresses that come without one.
const DEFAULT_PREFIX_V4: u8 = 24;
const DEFAULT_PREFIX_V6: u8 = 64;

/// An `IPaddr2` that may be active on one node only.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Vip {
    /// The resource.
    pub id: String,
    /// Its address.
    pub ip: IpAddr,
}

/// A `Filesystem` that may be active on one node only.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FileSystem {
    /// The resource.
    pub id: String,
    /// What is mounted.
    pub device: String,
    /// Where.
    pub directory: PathBuf,
}

/// A `TcpFile`: it answers each connection with the content of a file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Service {
    /// The resource.
    pub id: String,
    /// Where it listens.
    pub port: u16,
    /// What it answers with.
    pub file: PathBuf,
}

/// A `Ledger` of the lab: it writes numbered records to a file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ledger {
    /// The resource.
    pub id: String,
    /// Where it listens.
    pub port: u16,
    /// What it writes to.
    pub file: PathBuf,
}

/// What the lab has to know of a configuration.
#[derive(Clone, Debug)]
pub struct Scene {
    /// The file it was read from, for messages.
    pub file: String,
    /// The whole CIB.
    pub cib: Document,
    /// Names of the nodes, in order.
    pub nodes: Vec<String>,
    /// The addresses that must never be on two nodes; the client asks the first.
    pub vips: Vec<Vip>,
    /// The first address, with its network's prefix.
    pub network: Address,
    /// What the nodes' interface must be called.
    pub interface: String,
    /// The file systems that must never be mounted on two nodes.
    pub file_systems: Vec<FileSystem>,
    /// What the client asks, if there is something to ask behind the address.
    pub service: Option<Service>,
    /// What the recorder writes through, if there is one.
    pub ledger: Option<Ledger>,
    /// What a move moves: the outermost resource that holds the first address.
    pub subject: String,
    /// Whether resources stop where there is no quorum.
    pub stops_without_quorum: bool,
    /// Whether lost nodes are to be fenced.
    pub fences: bool,
}

impl Scene {
    /// Reads `cib.xml` of a directory.
    pub fn read(directory: &Path) -> Result<Self> {
        let path = directory.join("cib.xml");
        let source =
            fs::read_to_string(&path).with_context(|| format!("reading the configuration {}", path.display()))?;
        Self::parse(&path.display().to_string(), &source)
    }

    /// Reads a CIB's text; `file` is its name for messages.
    pub fn parse(file: &str, source: &str) -> Result<Self> {
        let cib = Document::parse(source).map_err(|error| anyhow!("{}", error.render(file, source)))?;
        let errors: Vec<String> = (cib::check::check(&cib).iter())
            .filter(|finding| finding.severity == Severity::Error)
            .map(|finding| finding.render(file, source))
            .collect();
        if !errors.is_empty() {
            bail!("the configuration cannot work\n{}", errors.join("\n"));
        }
        let at = |element: Element, message: String| match cib.position(element) {
            Some(position) => anyhow!("{}", cib::document::caret(file, source, position, &message)),
            None => anyhow!("{file}: {message}"),
        };
        let Some(resources) = cib.descend(&["configuration", "resources"]) else {
            bail!("{file}: no <resources> in <configuration> of <{}>: expected a CIB", cib.name(cib.root()));
        };
        let nodes = match cib.descend(&["configuration", "nodes"]) {
            Some(nodes) => {
                let name = |node| cib.attribute(node, "uname").map(str::to_owned);
                let named = |node| name(node).ok_or_else(|| at(node, "expected a name of the node: uname=".to_owned()));
                cib.children_named(nodes, "node").map(named).collect::<Result<Vec<_>>>()?
            }
            None => Vec::new(),
        };

        let (mut vips, mut file_systems, mut service, mut ledger) = (Vec::new(), Vec::new(), None, None);
        let mut first: Option<(Element, Address, String)> = None;
        for primitive in cib.descendants(resources).filter(|element| cib.name(*element) == "primitive") {
            let id = cib.id(primitive).to_owned();
            let required = |name: &str| {
                parameter(&cib, primitive, name)
                    .map(|pair| (pair, cib.attribute(pair, "value").unwrap_or_default().to_owned()))
                    .ok_or_else(|| at(primitive, format!("the resource {id} has no parameter {name}")))
            };
            let port = |(pair, text): (Element, String)| {
                let port = text.parse::<u16>().ok().filter(|port| *port > 0);
                port.ok_or_else(|| at(pair, format!("{text:?} is not a port: expected a number from 1 to 65535")))
            };
            let once = !is_cloned(&cib, primitive);
            match agent(&cib, primitive) {
                ("ocf", "heartbeat", "IPaddr2") if once => {
                    let (pair, text) = required("ip")?;
                    let ip = text
                        .parse::<IpAddr>()
                        .map_err(|_| at(pair, format!("{text:?} is not an IP address, as in \"192.168.122.100\"")))?;
                    if first.is_none() {
                        let prefix = prefix(&cib, primitive, ip).map_err(|(pair, message)| at(pair, message))?;
                        let interface = value(&cib, primitive, "nic").unwrap_or(INTERFACE).to_owned();
                        first = Some((primitive, Address { ip, prefix }, interface));
                    }
                    vips.push(Vip { id, ip });
                }
                ("ocf", "heartbeat", "Filesystem") if once => {
                    let (_, device) = required("device")?;
                    let (_, directory) = required("directory")?;
                    file_systems.push(FileSystem { id, device, directory: directory.into() });
                }
                ("ocf", "systole", "TcpFile") if once && service.is_none() => {
                    let (port, (_, answer)) = (port(required("port")?)?, required("file")?);
                    service = Some(Service { id, port, file: answer.into() });
                }
                ("ocf", "lab", "Ledger") if once && ledger.is_none() => {
                    let (port, (_, file)) = (port(required("port")?)?, required("file")?);
                    ledger = Some(Ledger { id, port, file: file.into() });
                }
                _ => {}
            }
        }
        let Some((holder, network, interface)) = first else {
            bail!(
                "{file}: no ocf:heartbeat:IPaddr2 outside of clones: the demonstration asks a service through a \
                 virtual address, add one"
            );
        };
        let subject = cib.id(outermost(&cib, holder)).to_owned();
        let property = |name: &str| property(&cib, name);
        let stops_without_quorum = property("no-quorum-policy").is_none_or(|policy| policy == "stop");
        let fences = property("stonith-enabled").is_none_or(|enabled| !matches!(enabled, "false" | "no" | "off" | "0"));
        Ok(Self {
            file: file.to_owned(),
            nodes,
            vips,
            network,
            interface,
            file_systems,
            service,
            ledger,
            subject,
            stops_without_quorum,
            fences,
            cib,
        })
    }

    /// The file, relative to the file system's directory, that the service answers with, if it lies in `file_system`.
    pub fn answer_in(&self, file_system: &FileSystem) -> Option<&Path> {
        self.service.as_ref()?.file.strip_prefix(&file_system.directory).ok()
    }
}

/// The OCF agents of all resources: the resource, its agent's provider and type, and the line where it is.
pub fn ocf_agents(scene: &Scene) -> Vec<(&str, &str, &str, u32)> {
    let cib = &scene.cib;
    let resources = cib.descend(&["configuration", "resources"]);
    let all = resources.into_iter().flat_map(|resources| cib.descendants(resources));
    all.filter(|element| cib.name(*element) == "primitive")
        .filter_map(|primitive| match agent(cib, primitive) {
            ("ocf", provider, kind) => {
                let line = cib.position(primitive).map_or(0, |position| position.line);
                Some((cib.id(primitive), provider, kind, line))
            }
            _ => None,
        })
        .collect()
}

/// Class, provider and type of a primitive.
pub fn agent(cib: &Document, primitive: Element) -> (&str, &str, &str) {
    let attribute = |name| cib.attribute(primitive, name).unwrap_or_default();
    (attribute("class"), attribute("provider"), attribute("type"))
}

/// The `nvpair` of an instance parameter.
pub fn parameter(cib: &Document, primitive: Element, name: &str) -> Option<Element> {
    cib.children_named(primitive, "instance_attributes")
        .flat_map(|set| cib.children_named(set, "nvpair"))
        .find(|pair| cib.attribute(*pair, "name") == Some(name))
}

/// The value of an instance parameter.
fn value<'a>(cib: &'a Document, primitive: Element, name: &str) -> Option<&'a str> {
    cib.attribute(parameter(cib, primitive, name)?, "value")
}

/// The value of a cluster property.
fn property<'a>(cib: &'a Document, name: &str) -> Option<&'a str> {
    let config = cib.descend(&["configuration", "crm_config"])?;
    cib.children(config)
        .flat_map(|set| cib.children_named(set, "nvpair"))
        .find(|pair| cib.attribute(*pair, "name") == Some(name))
        .and_then(|pair| cib.attribute(pair, "value"))
}

/// The network's prefix from `cidr_netmask`, or the usual one.
fn prefix(cib: &Document, primitive: Element, ip: IpAddr) -> Result<u8, (Element, String)> {
    let (width, usual) = if ip.is_ipv4() { (32, DEFAULT_PREFIX_V4) } else { (128, DEFAULT_PREFIX_V6) };
    let Some(pair) = parameter(cib, primitive, "cidr_netmask") else { return Ok(usual) };
    let text = cib.attribute(pair, "value").unwrap_or_default();
    match text.parse::<u8>() {
        // An address on its own: the hosts around it still need a network.
        Ok(prefix) if prefix == width => Ok(usual),
        Ok(prefix) if prefix >= 1 && prefix < width => Ok(prefix),
        _ => Err((pair, format!("{text:?} is not a prefix length: expected a number from 1 to {width}"))),
    }
}

fn is_cloned(cib: &Document, primitive: Element) -> bool {
    let mut at = cib.parent(primitive);
    while let Some(element) = at {
        if matches!(cib.name(element), "clone" | "master" | "bundle") {
            return true;
        }
        at = cib.parent(element);
    }
    false
}

fn outermost(cib: &Document, primitive: Element) -> Element {
    match cib.parent(primitive) {
        Some(parent) if cib.name(parent) == "group" => parent,
        _ => primitive,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = include_str!("../../../examples/file-vip/cib.xml");

    #[test]
    fn the_example_says_what_it_keeps_alive() {
        let scene = Scene::parse("cib.xml", EXAMPLE).unwrap();
        assert_eq!(scene.nodes, ["node1", "node2", "node3"]);
        assert_eq!(scene.network.to_string(), "192.168.122.100/24");
        assert_eq!(scene.subject, "storage");
        assert_eq!(scene.file_systems[0].directory, Path::new("/srv/export"));
        assert_eq!(scene.service.as_ref().unwrap().port, 2049);
        assert_eq!(scene.answer_in(&scene.file_systems[0]), Some(Path::new("answer")));
        assert!(scene.stops_without_quorum && scene.fences);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        for (from, to, expected) in [
            ("</cib>", "", "expected </cib>"),
            ("192.168.122.100", "192.168.122.300", "cib.xml:41:13: \"192.168.122.300\" is not an IP address"),
            ("name=\"cidr_netmask\" value=\"24\"", "name=\"cidr_netmask\" value=\"33\"", "is not a prefix length"),
            ("value=\"2049\"", "value=\"70000\"", "is not a port: expected a number from 1 to 65535"),
            ("type=\"IPaddr2\"", "type=\"Dummy\"", "no ocf:heartbeat:IPaddr2"),
            ("name=\"device\"", "name=\"devise\"", "the resource export-fs has no parameter device"),
            ("<configuration>", "<configuration/><other>", "cib.xml:"),
        ] {
            let source = EXAMPLE.replacen(from, to, 1);
            assert_ne!(source, EXAMPLE);
            let message = Scene::parse("cib.xml", &source).expect_err(from).to_string();
            assert!(message.contains(expected), "{from} -> {to}: {message}");
        }
    }
}
