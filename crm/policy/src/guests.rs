//! Guest nodes: a resource with the meta attribute `remote-node` launches a node, and with it comes a connection that
//! nobody configured. The rest of the crate sees the connection as a resource like any other.

use std::borrow::Cow;

use cib::{Document, Element};

/// A connection to a node that is launched by a resource.
#[derive(Default)]
pub(crate) struct Connection {
    pub launcher: String,
    /// Name of the node, and of the connection.
    pub node: String,
    pub address: Option<String>,
    pub port: Option<String>,
    pub connect_timeout: Option<String>,
    pub allow_migrate: Option<String>,
    pub is_managed: Option<String>,
}

/// The time a guest has to let itself be connected to, if it does not say.
const CONNECT_TIMEOUT: &str = "60s";

/// The document with a connection for every guest node. A document without guests is not copied.
pub(crate) fn expand(document: Cow<'_, Document>) -> Cow<'_, Document> {
    let Some(resources) = document.descend(&["configuration", "resources"]) else { return document };
    let mut guests: Vec<Connection> = Vec::new();
    for element in document.children(resources) {
        // Instances of a clone cannot be told apart by a name of their own, so they launch no nodes.
        match document.name(element) {
            "primitive" => guests.extend(read(&document, element)),
            "group" => guests.extend(document.children(element).filter_map(|member| read(&document, member))),
            _ => {}
        }
    }
    if guests.is_empty() {
        return document;
    }
    let mut expanded = document.into_owned();
    for (at, guest) in guests.iter().enumerate() {
        if !guests[..at].iter().any(|other| other.node == guest.node) {
            add_connection(&mut expanded, resources, guest);
        }
    }
    Cow::Owned(expanded)
}

fn read(document: &Document, launcher: Element) -> Option<Connection> {
    let mut guest = Connection {
        launcher: document.id(launcher).to_owned(),
        connect_timeout: Some(CONNECT_TIMEOUT.to_owned()),
        ..Connection::default()
    };
    for set in document.children_named(launcher, "meta_attributes") {
        for pair in document.children_named(set, "nvpair") {
            let value = document.attribute(pair, "value").map(str::to_owned);
            match document.attribute(pair, "name").unwrap_or_default() {
                "remote-node" => guest.node = value.unwrap_or_default(),
                "remote-addr" => guest.address = value,
                "remote-port" => guest.port = value,
                "remote-connect-timeout" => guest.connect_timeout = value,
                "remote-allow-migrate" => guest.allow_migrate = value,
                "is-managed" => guest.is_managed = value,
                _ => {}
            }
        }
    }
    Some(guest).filter(|guest| !guest.node.is_empty())
}

pub(crate) fn add_connection(document: &mut Document, parent: Element, guest: &Connection) {
    let name = &guest.node;
    let connection = document.append(parent, "primitive");
    for (attribute, value) in [("id", name.as_str()), ("class", "ocf"), ("provider", "pacemaker"), ("type", "remote")] {
        document.set(connection, attribute, value);
    }
    let meta = [
        ("internal_rsc", Some("true")),
        ("container", Some(guest.launcher.as_str())),
        ("allow-migrate", guest.allow_migrate.as_deref()),
        ("is-managed", guest.is_managed.as_deref()),
    ];
    add_pairs(document, connection, "meta_attributes", name, &meta);
    let parameters = [("addr", guest.address.as_deref()), ("port", guest.port.as_deref())];
    if parameters.iter().any(|(_, value)| value.is_some()) {
        add_pairs(document, connection, "instance_attributes", name, &parameters);
    }
    let operations = document.append(connection, "operations");
    let timeouts = [("monitor", "30s", Some("30s")), ("start", "0", guest.connect_timeout.as_deref())];
    for (task, interval, timeout) in timeouts {
        let Some(timeout) = timeout else { continue };
        let op = document.append(operations, "op");
        document.set(op, "id", &format!("{name}-{task}-{interval}"));
        document.set(op, "interval", interval);
        document.set(op, "name", task);
        document.set(op, "timeout", timeout);
    }
}

pub(crate) fn add_pairs(
    document: &mut Document,
    parent: Element,
    set: &str,
    name: &str,
    pairs: &[(&str, Option<&str>)],
) {
    let element = document.append(parent, set);
    let id = format!("{name}-{set}");
    document.set(element, "id", &id);
    for (name, value) in pairs {
        let Some(value) = value else { continue };
        let pair = document.append(element, "nvpair");
        document.set(pair, "id", &format!("{id}-{name}"));
        document.set(pair, "name", name);
        document.set(pair, "value", value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_brings_its_connection_and_nothing_else_is_touched() {
        let text = r#"<cib><configuration><resources>
            <group id="g"><primitive id="vm" class="ocf" provider="heartbeat" type="VirtualDomain">
              <meta_attributes id="m"><nvpair id="n" name="remote-node" value="guest"/>
                <nvpair id="a" name="remote-addr" value="10.0.0.9"/></meta_attributes>
            </primitive></group></resources></configuration></cib>"#;
        let document = Document::parse(text).unwrap();
        let expanded = expand(Cow::Borrowed(&document));
        let resources = expanded.descend(&["configuration", "resources"]).unwrap();
        let connection = expanded.children(resources).last().unwrap();
        let value = |name: &str| {
            let mut pairs = expanded.descendants(connection).filter(|e| expanded.attribute(*e, "name") == Some(name));
            pairs.next().and_then(|pair| expanded.attribute(pair, "value")).map(str::to_owned)
        };
        assert_eq!(expanded.id(connection), "guest");
        assert_eq!((value("container").as_deref(), value("addr").as_deref()), (Some("vm"), Some("10.0.0.9")));
        assert_eq!((value("port"), value("is-managed")), (None, None));

        let plain = Document::parse("<cib><configuration><resources/></configuration></cib>").unwrap();
        assert!(matches!(expand(Cow::Borrowed(&plain)), Cow::Borrowed(_)));
    }
}
