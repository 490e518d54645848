//! Bundles: what a `<bundle>` stands for, written out. Each replica is a container, with an address of its own and a
//! connection into it where the configuration says so; what runs inside is a clone with one instance for each.
//!
//! The texts are Pacemaker's to the letter: digests are made of them, and another text would restart the container.
//!
//! ```text
//! <bundle> … <clone id="web-bundle-clone"> <primitive …/> </clone>
//!            <replica offset="0" address="10.0.0.7"> container, address, connection </replica> …
//! ```

use std::borrow::Cow;

use cib::{Document, Element, boolean};

use crate::engine::integer;
use crate::guests::{self, Connection};

/// More replicas than this are not made: `replicas` is only text, and each of them is a node on which everything is scored,
/// so that they cost their square. This many take a few hundred megabytes; nobody has so many hosts for them.
const MAX_REPLICAS: i64 = 500;

const REMOTE_PORT: &str = "3121";
const KEY: &str = "/etc/pacemaker/authkey";
const LOGS: &str = "/var/log/pacemaker/bundles";
const REMOTE_DAEMON: &str = "/usr/sbin/pacemaker-remoted";

/// The document with every bundle written out. A document without bundles is not copied.
pub(crate) fn expand(document: Cow<'_, Document>) -> Cow<'_, Document> {
    let Some(resources) = document.descend(&["configuration", "resources"]) else { return document };
    let bundles: Vec<Element> = document.children_named(resources, "bundle").collect();
    if bundles.is_empty() {
        return document;
    }
    let source = document.into_owned();
    let mut expanded = source.clone();
    for bundle in bundles {
        if let Some(plan) = Plan::read(&source, bundle) {
            plan.write(&mut expanded, &source, bundle);
        }
    }
    Cow::Owned(expanded)
}

/// How many replicas, and how many on one host.
pub(crate) fn replicas(document: &Document, bundle: Element) -> Option<(Element, i64, i64, i64)> {
    let container = document.children(bundle).find(|child| matches!(document.name(*child), "docker" | "podman"))?;
    let count = |name: &str, least: i64| {
        let value = document.attribute(container, name).and_then(integer);
        value.map(|value| value.clamp(least, MAX_REPLICAS))
    };
    let promoted_max = count("promoted-max", 0).unwrap_or(0);
    let replicas = match document.attribute(container, "replicas") {
        None if promoted_max > 0 => promoted_max,
        _ => count("replicas", 1).unwrap_or(1),
    };
    Some((container, replicas, count("replicas-per-host", 1).unwrap_or(1), promoted_max))
}

struct Mount {
    source: String,
    target: String,
    options: Option<String>,
    /// Each replica has a directory of its own in it.
    own_directory: bool,
}

/// What a bundle asks for.
struct Plan {
    id: String,
    agent: String,
    image: String,
    replicas: i64,
    per_host: i64,
    promoted_max: i64,
    run_command: Option<String>,
    options: Option<String>,
    container_network: Option<String>,
    first_address: Option<String>,
    netmask: Option<String>,
    interface: Option<String>,
    control_port: Option<String>,
    add_host: bool,
    mounts: Vec<Mount>,
    /// Port on the host and in the container.
    ports: Vec<(String, String)>,
    inside: Option<Element>,
}

impl Plan {
    /// `None` if it cannot be used: it has no container, or something inside that nothing leads to.
    fn read(document: &Document, bundle: Element) -> Option<Self> {
        let (container, replicas, per_host, promoted_max) = replicas(document, bundle)?;
        let text = |element: Element, name: &str| document.attribute(element, name).map(str::to_owned);
        let network = document.child(bundle, "network");
        let of_network = |name: &str| network.and_then(|network| text(network, name));
        let mut plan = Plan {
            id: document.id(bundle).to_owned(),
            agent: document.name(container).to_owned(),
            image: text(container, "image").unwrap_or_default(),
            replicas,
            per_host,
            promoted_max,
            run_command: text(container, "run-command"),
            options: text(container, "options"),
            container_network: text(container, "network"),
            first_address: of_network("ip-range-start"),
            netmask: of_network("host-netmask"),
            interface: of_network("host-interface"),
            control_port: of_network("control-port"),
            add_host: network.is_some() && of_network("add-host").and_then(|v| boolean::parse(&v)).unwrap_or(true),
            mounts: Vec::new(),
            ports: Vec::new(),
            inside: document.child(bundle, "primitive"),
        };
        if let Some(network) = network {
            for mapping in document.children_named(network, "port-mapping") {
                let (port, range) = (text(mapping, "port"), text(mapping, "range"));
                let inner = port.is_some().then(|| text(mapping, "internal-port")).flatten();
                let Some(source) = port.or(range).filter(|source| !source.is_empty()) else { continue };
                plan.ports.push((source.clone(), inner.unwrap_or(source)));
            }
        }
        if let Some(storage) = document.child(bundle, "storage") {
            for mapping in document.children_named(storage, "storage-mapping") {
                let (shared, own) = (text(mapping, "source-dir"), text(mapping, "source-dir-root"));
                let own_directory = shared.is_none();
                let (Some(source), Some(target)) = (shared.or(own), text(mapping, "target-dir")) else { continue };
                plan.mounts.push(Mount { source, target, options: text(mapping, "options"), own_directory });
            }
        }
        if plan.inside.is_some() {
            if plan.first_address.is_none() && plan.control_port.is_none() {
                return None;
            }
            plan.add_way_in();
        }
        Some(plan)
    }

    /// What the connection into the container needs.
    fn add_way_in(&mut self) {
        let mount = |source: &str, target: &str, own_directory| Mount {
            source: source.to_owned(),
            target: target.to_owned(),
            options: None,
            own_directory,
        };
        if self.first_address.is_none() {
            // One port of the host leads to one container.
            self.per_host = 1;
        }
        let has_logs = self.mounts.iter().any(|mount| mount.target == "/var/log");
        self.mounts.push(mount(KEY, KEY, false));
        if !has_logs {
            self.mounts.push(mount(LOGS, "/var/log", true));
        }
        let port = self.port().to_owned();
        self.ports.push((port.clone(), port));
    }

    fn port(&self) -> &str {
        self.control_port.as_deref().unwrap_or(REMOTE_PORT)
    }

    fn write(&self, document: &mut Document, source: &Document, bundle: Element) {
        if let Some(inside) = self.inside {
            self.write_clone(document, source, bundle, inside);
        }
        let addresses = self.addresses();
        let mut hosts = String::new();
        for (offset, address) in addresses.iter().enumerate() {
            if let Some(address) = address {
                let name = format!("{}-{offset}", self.id);
                hosts.push_str(&match self.add_host {
                    true => format!(" --add-host={name}:{address}"),
                    false => format!(" --hosts-entry={address}={name}"),
                });
            }
        }
        for (offset, address) in addresses.iter().enumerate() {
            self.write_replica(document, bundle, offset, address.as_deref(), &hosts);
        }
    }

    /// One address after the other, beginning with the first of the range.
    fn addresses(&self) -> Vec<Option<String>> {
        let mut next = self.first_address.clone();
        (0..self.replicas)
            .map(|_| {
                let this = next.clone();
                next = this.as_deref().and_then(next_address);
                this
            })
            .collect()
    }

    fn write_clone(&self, document: &mut Document, source: &Document, bundle: Element, inside: Element) {
        // The old word in the name stays: a new one would restart everything.
        let suffix = if self.promoted_max > 0 { "master" } else { "clone" };
        let clone = document.append(bundle, "clone");
        document.set(clone, "id", &format!("{}-{suffix}", self.id));
        let unique = (self.per_host > 1).to_string();
        let (max, per_host, promoted) =
            (self.replicas.to_string(), self.per_host.to_string(), self.promoted_max.to_string());
        let promotable = self.promoted_max > 0;
        let pairs = [
            ("ordered", Some("true")),
            ("clone-max", Some(max.as_str())),
            ("clone-node-max", Some(per_host.as_str())),
            ("globally-unique", Some(unique.as_str())),
            ("promotable", promotable.then_some("true")),
            ("promoted-max", promotable.then_some(promoted.as_str())),
        ];
        guests::add_pairs(document, clone, "meta_attributes", &format!("{}-clone", self.id), &pairs);
        document.graft(clone, source, inside);
    }

    fn write_replica(
        &self,
        document: &mut Document,
        bundle: Element,
        offset: usize,
        address: Option<&str>,
        hosts: &str,
    ) {
        let replica = document.append(bundle, "replica");
        document.set(replica, "offset", &offset.to_string());
        if let Some(address) = address {
            document.set(replica, "address", address);
        }
        let container_id = valid_id(&format!("{}-{}-{offset}", self.id, self.agent));
        let container = add_primitive(document, replica, &container_id, &self.agent);
        let run_options = self.run_options(offset, address, hosts);
        let directories: Vec<String> = self
            .mounts
            .iter()
            .filter(|mount| mount.own_directory)
            .map(|mount| format!("{}/{}-{offset}", mount.source, self.id))
            .collect();
        let directories = directories.join(",");
        let daemon = self.inside.map(|_| REMOTE_DAEMON);
        let pairs = [
            ("image", Some(self.image.as_str())),
            ("allow_pull", Some("true")),
            ("force_kill", Some("false")),
            ("reuse", Some("false")),
            ("run_opts", Some(run_options.as_str())),
            ("mount_points", Some(directories.as_str())),
            ("run_cmd", self.run_command.as_deref().or(daemon)),
            ("monitor_cmd", Some("/bin/true")),
        ];
        guests::add_pairs(document, container, "instance_attributes", &container_id, &pairs);
        add_monitor(document, container, &container_id);

        if let Some(address) = address {
            let id = valid_id(&format!("{}-ip-{address}", self.id));
            let ip = add_primitive(document, replica, &id, "IPaddr2");
            let pairs = [
                ("ip", Some(address)),
                ("nic", self.interface.as_deref()),
                ("cidr_netmask", Some(self.netmask.as_deref().unwrap_or("32"))),
            ];
            guests::add_pairs(document, ip, "instance_attributes", &id, &pairs);
            add_monitor(document, ip, &id);
        }
        if self.inside.is_some() {
            let connection = Connection {
                launcher: container_id,
                node: format!("{}-{offset}", self.id),
                // Without an address of its own it is found under that of its host, wherever that is.
                address: Some(address.unwrap_or("#uname").to_owned()),
                port: Some(self.port().to_owned()),
                ..Connection::default()
            };
            guests::add_connection(document, replica, &connection);
        }
    }

    fn run_options(&self, offset: usize, address: Option<&str>, hosts: &str) -> String {
        let mut text = String::new();
        if self.agent == "docker" {
            text.push_str(" --restart=no");
        }
        if self.first_address.is_some() {
            text.push_str(&format!(" -h {}-{offset}", self.id));
        }
        text.push_str(" -e PCMK_stderr=1");
        if let Some(network) = &self.container_network {
            text.push_str(&format!(" --net={network}"));
        }
        text.push_str(&format!(" -e PCMK_remote_port={}", self.port()));
        for mount in &self.mounts {
            let own = if mount.own_directory { format!("/{}-{offset}", self.id) } else { String::new() };
            text.push_str(&format!(" -v {}{own}:{}", mount.source, mount.target));
            if let Some(options) = &mount.options {
                text.push_str(&format!(":{options}"));
            }
        }
        for (outer, inner) in &self.ports {
            match (address, self.container_network.as_deref()) {
                (Some(address), _) => text.push_str(&format!(" -p {address}:{outer}:{inner}")),
                // It shares the host's ports.
                (None, Some("host")) => {}
                (None, _) => text.push_str(&format!(" -p {outer}:{inner}")),
            }
        }
        // The blanks are there even when nothing follows.
        if let Some(options) = &self.options {
            text.push_str(&format!(" {options}"));
        }
        text.push_str(&format!(" {hosts}"));
        text
    }
}

fn add_primitive(document: &mut Document, parent: Element, id: &str, agent: &str) -> Element {
    let primitive = document.append(parent, "primitive");
    for (name, value) in [("id", id), ("class", "ocf"), ("provider", "heartbeat"), ("type", agent)] {
        document.set(primitive, name, value);
    }
    primitive
}

fn add_monitor(document: &mut Document, primitive: Element, id: &str) {
    let operations = document.append(primitive, "operations");
    let op = document.append(operations, "op");
    for (name, value) in [("id", format!("{id}-monitor-60s").as_str()), ("interval", "60s"), ("name", "monitor")] {
        document.set(op, name, value);
    }
}

/// The address after one; the ends of the last two parts are left out.
fn next_address(address: &str) -> Option<String> {
    let parts: Vec<u32> = address.split('.').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let [a, b, c, d] = parts[..] else { return None };
    match (c, d) {
        (254.., _) => None,
        (_, 254..) => Some(format!("{a}.{b}.{}.1", c + 1)),
        _ => Some(format!("{a}.{b}.{c}.{}", d + 1)),
    }
}

/// An id may hold letters, digits, `_`, `-` and `.`.
fn valid_id(text: &str) -> String {
    text.chars().map(|c| if c.is_alphanumeric() || matches!(c, '_' | '-' | '.') { c } else { '.' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_follow_each_other() {
        assert_eq!(next_address("10.0.0.9").as_deref(), Some("10.0.0.10"));
        assert_eq!(next_address("10.0.0.254").as_deref(), Some("10.0.1.1"));
        assert_eq!(next_address("10.0.254.1"), None);
        assert_eq!(next_address("fe80::1"), None);
    }

    #[test]
    fn replicas_have_a_bound() {
        let text = r#"<cib><configuration><resources><bundle id="web"><podman image="img" replicas="2024-02-30"/>
            <network control-port="9999"/><primitive id="app" class="ocf" provider="heartbeat" type="Dummy"/>
            </bundle></resources></configuration></cib>"#;
        let document = Document::parse(text).unwrap();
        let bundle = document.descend(&["configuration", "resources", "bundle"]).unwrap();
        let (_, count, ..) = replicas(&document, bundle).unwrap();
        assert_eq!(count, MAX_REPLICAS);
    }

    #[test]
    fn a_replica_is_written_out_to_the_letter() {
        let text = r#"<cib><configuration><resources><bundle id="web">
            <podman image="img" replicas="2" options=""/>
            <network ip-range-start="10.0.0.7" control-port="9999"><port-mapping id="p" port="80"/></network>
            <storage><storage-mapping id="s" source-dir-root="/data" target-dir="/srv" options="rw"/></storage>
            <primitive id="httpd" class="ocf" provider="heartbeat" type="apache"/>
            </bundle></resources></configuration></cib>"#;
        let document = Document::parse(text).unwrap();
        let expanded = expand(Cow::Borrowed(&document));
        let value = |id: &str| {
            let pair = expanded.descendants(expanded.root()).find(|element| expanded.id(*element) == id);
            pair.and_then(|pair| expanded.attribute(pair, "value")).unwrap_or("(none)").to_owned()
        };
        assert_eq!(
            value("web-podman-1-instance_attributes-run_opts"),
            " -h web-1 -e PCMK_stderr=1 -e PCMK_remote_port=9999 -v /data/web-1:/srv:rw \
             -v /etc/pacemaker/authkey:/etc/pacemaker/authkey -v /var/log/pacemaker/bundles/web-1:/var/log \
             -p 10.0.0.8:80:80 -p 10.0.0.8:9999:9999   --add-host=web-0:10.0.0.7 --add-host=web-1:10.0.0.8"
        );
        assert_eq!(
            value("web-podman-1-instance_attributes-mount_points"),
            "/data/web-1,/var/log/pacemaker/bundles/web-1"
        );
        assert_eq!(value("web-1-instance_attributes-addr"), "10.0.0.8");
        assert_eq!(value("web-1-meta_attributes-container"), "web-podman-1");
    }
}
