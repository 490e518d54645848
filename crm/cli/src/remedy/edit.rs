//! Small edits of a configuration, as an operator would make them.

use std::collections::BTreeMap;

use cib::{Cib, Document, Element, Write};

/// The element of a resource, by its id in the configuration.
pub fn resource(document: &Document, id: &str) -> Option<Element> {
    let resources = document.descend(&["configuration", "resources"])?;
    document.descendants(resources).find(|element| {
        let name = document.name(*element);
        matches!(name, "primitive" | "group" | "clone" | "master" | "bundle") && document.id(*element) == id
    })
}

/// Sets a name and value in the first set of that kind below `parent`; both are made if there are none.
pub fn set_pair(document: &mut Document, parent: Element, kind: &str, name: &str, value: &str) {
    let sets: Vec<Element> = document.children_named(parent, kind).collect();
    let pairs: Vec<Element> = sets.iter().flat_map(|set| document.children_named(*set, "nvpair")).collect();
    let known: Vec<Element> =
        pairs.into_iter().filter(|pair| document.attribute(*pair, "name") == Some(name)).collect();
    if known.is_empty() {
        let id = format!("{}-{kind}-{name}", document.id(parent));
        let set = sets.first().copied().unwrap_or_else(|| {
            let set = document.append(parent, kind);
            document.set(set, "id", &format!("{id}-set"));
            set
        });
        let pair = document.append(set, "nvpair");
        document.set(pair, "id", &id);
        document.set(pair, "name", name);
        document.set(pair, "value", value);
    }
    for pair in known {
        document.set(pair, "value", value);
    }
}

/// Sets a property of the cluster under each of its names that is there, or under the first.
pub fn set_property(document: &mut Document, names: &[&str], value: &str) {
    let configuration = document.descend(&["configuration"]);
    let Some(options) = configuration.map(|configuration| {
        document
            .child(configuration, "crm_config")
            .unwrap_or_else(|| document.insert(configuration, None, "crm_config"))
    }) else {
        return;
    };
    let sets: Vec<Element> = document.children_named(options, "cluster_property_set").collect();
    let has = |name: &str| {
        let pairs = sets.iter().flat_map(|set| document.children_named(*set, "nvpair"));
        pairs.into_iter().any(|pair| document.attribute(pair, "name") == Some(name))
    };
    let name = names.iter().find(|name| has(name)).or(names.first()).copied().unwrap_or_default();
    set_pair(document, options, "cluster_property_set", name, value);
}

/// Sets an attribute of a node to a value, wherever it is written; gives whether it was.
pub fn set_node_attribute(document: &mut Document, node: &str, name: &str, value: &str) -> bool {
    let mut found = Vec::new();
    let configured = document.descend(&["configuration", "nodes"]);
    let states = document.descend(&["status"]);
    for parent in configured.into_iter().chain(states) {
        for element in document.children(parent).filter(|e| document.attribute(*e, "uname") == Some(node)) {
            found.extend(
                document
                    .descendants(element)
                    .filter(|pair| document.name(*pair) == "nvpair" && document.attribute(*pair, "name") == Some(name)),
            );
        }
    }
    found.iter().for_each(|pair| document.set(*pair, "value", value));
    !found.is_empty()
}

/// Forgets failures as `systole cleanup` does; none if none are on record.
pub fn forget(document: &Document, resource: Option<&str>, node: Option<&str>) -> Option<Document> {
    let mut cib = Cib::new(document.clone()).ok()?;
    let write =
        Write::Forget { node: node.map(str::to_owned), resource: resource.map(str::to_owned), failures_only: true };
    cib.apply(&write).ok().filter(|applied| applied.changed)?;
    Some(cib.document().clone())
}

/// Adds a fence device that starts wherever it may.
pub fn add_fence_device(document: &mut Document) {
    let Some(resources) = document.descend(&["configuration", "resources"]) else { return };
    let device = document.append(resources, "primitive");
    for (name, value) in [("id", "a-fence-device"), ("class", "stonith"), ("type", "fence_any")] {
        document.set(device, name, value);
    }
}

/// The constraints, in order.
pub fn constraints(document: &Document) -> Vec<Element> {
    let constraints = document.descend(&["configuration", "constraints"]);
    constraints.map(|all| document.children(all).collect()).unwrap_or_default()
}

/// Ids of everything a constraint names; templates and tags as the resources they stand for.
pub fn named_by<'a>(document: &'a Document, aliases: &'a Aliases, constraint: Element) -> Vec<&'a str> {
    let direct = ["rsc", "with-rsc", "first", "then"].into_iter();
    let mut named: Vec<&str> = direct.filter_map(|name| document.attribute(constraint, name)).collect();
    let references = document.descendants(constraint).filter(|element| document.name(*element) == "resource_ref");
    named.extend(references.map(|reference| document.id(reference)));
    let stands_for = named.iter().filter_map(|name| aliases.get(*name)).flatten().map(String::as_str);
    let stands_for: Vec<&str> = stands_for.collect();
    named.extend(stands_for);
    named
}

/// What templates and tags stand for.
pub type Aliases = BTreeMap<String, Vec<String>>;

/// Reads them.
pub fn aliases(document: &Document) -> Aliases {
    let mut aliases = Aliases::new();
    let Some(configuration) = document.descend(&["configuration"]) else { return aliases };
    for element in document.descendants(configuration) {
        let (alias, member) = match document.name(element) {
            "primitive" => (document.attribute(element, "template"), document.id(element)),
            "obj_ref" => (document.parent(element).map(|tag| document.id(tag)), document.id(element)),
            _ => continue,
        };
        if let Some(alias) = alias {
            aliases.entry(alias.to_owned()).or_default().push(member.to_owned());
        }
    }
    aliases
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_changed_where_they_stand_or_added() {
        let mut document = Document::parse(
            "<cib><configuration><crm_config/><resources><primitive id='a'><meta_attributes id='m'><nvpair id='n' \
             name='target-role' value='Stopped'/></meta_attributes></primitive></resources></configuration></cib>",
        )
        .unwrap();
        let a = resource(&document, "a").unwrap();
        set_pair(&mut document, a, "meta_attributes", "target-role", "Started");
        set_pair(&mut document, a, "meta_attributes", "is-managed", "true");
        set_property(&mut document, &["fencing-enabled", "stonith-enabled"], "false");
        set_property(&mut document, &["stonith-enabled", "fencing-enabled"], "true");
        let text = document.to_xml();
        for wanted in [
            r#"<nvpair id="n" name="target-role" value="Started"/>"#,
            r#"name="is-managed" value="true""#,
            r#"name="fencing-enabled" value="true""#,
        ] {
            assert!(text.contains(wanted), "{text}");
        }
        assert_eq!(text.matches("<nvpair").count(), 3, "{text}");
    }
}
