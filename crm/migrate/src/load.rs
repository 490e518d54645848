//! A plan's configuration put into that of a cluster which may have more, and taken out again; what its probes have seen
//! of it. Writing it is left to the shell.

use std::collections::{BTreeMap, BTreeSet};

use cib::{Document, Element};

/// The sections a plan has a part in, and those of them whose elements are put in one by one.
const SECTIONS: [&str; 4] = ["resources", "constraints", "alerts", "fencing-topology"];

/// The cluster's configuration with the plan's in it. What is there already in the same form stays, so that it may be
/// done again; a cluster option that is there keeps its value.
///
/// # Errors
/// An id that the cluster uses for something else.
pub fn load(live: &Document, plan: &Document) -> Result<Document, String> {
    let mut new = live.clone();
    for name in SECTIONS {
        let Some(source) = plan.descend(&["configuration", name]) else { continue };
        let own: Vec<Element> = plan.children(source).collect();
        for one in own {
            let id = plan.id(one);
            let section = section(&mut new, name);
            match by_id(&new, id) {
                Some(there) if new.same(there, plan, one) => {}
                Some(there) => {
                    return Err(format!(
                        "the cluster has a {} with the id {id} already, which is not the plan's: rename one of them",
                        new.name(there)
                    ));
                }
                None => {
                    new.graft(section, plan, one);
                }
            }
        }
    }
    for (name, value) in properties(plan) {
        if !properties(&new).contains_key(&name) {
            set_property(&mut new, &name, Some(&value));
        }
    }
    Ok(new)
}

/// The cluster's configuration without what the plan brought. `before` is what it was.
pub fn unload(live: &Document, plan: &Document, before: &Document) -> Document {
    let mut new = live.clone();
    for name in SECTIONS {
        let brought: BTreeSet<String> = plan
            .descend(&["configuration", name])
            .into_iter()
            .flat_map(|section| plan.children(section))
            .map(|one| plan.id(one).to_owned())
            .filter(|id| by_id(before, id).is_none())
            .collect();
        let there: Vec<Element> = new
            .descend(&["configuration", name])
            .into_iter()
            .flat_map(|section| new.children(section))
            .filter(|one| brought.contains(new.id(*one)))
            .collect();
        there.into_iter().for_each(|one| new.remove(one));
        // A section that was not there is not left behind.
        let empty = new.descend(&["configuration", name]).filter(|section| new.children(*section).next().is_none());
        if let (Some(section), None) = (empty, before.descend(&["configuration", name])) {
            new.remove(section);
        }
    }
    let old = properties(before);
    for name in properties(plan).keys().filter(|name| !old.contains_key(*name)) {
        set_property(&mut new, name, None);
    }
    new
}

/// Sets a cluster option, or takes it away.
pub fn set_property(document: &mut Document, name: &str, value: Option<&str>) {
    let options = section(document, "crm_config");
    let sets: Vec<Element> = document.children_named(options, "cluster_property_set").collect();
    let pairs: Vec<Element> = sets.iter().flat_map(|set| document.children_named(*set, "nvpair")).collect();
    let there: Vec<Element> =
        pairs.into_iter().filter(|pair| document.attribute(*pair, "name") == Some(name)).collect();
    let Some(value) = value else {
        there.into_iter().for_each(|pair| document.remove(pair));
        return;
    };
    if there.is_empty() {
        let set = sets.first().copied().unwrap_or_else(|| {
            let set = document.append(options, "cluster_property_set");
            document.set(set, "id", "cib-bootstrap-options");
            set
        });
        let id = format!("{}-{name}", document.id(set));
        let pair = document.append(set, "nvpair");
        for (key, value) in [("id", id.as_str()), ("name", name), ("value", value)] {
            document.set(pair, key, value);
        }
    }
    there.into_iter().for_each(|pair| document.set(pair, "value", value));
}

fn properties(document: &Document) -> BTreeMap<String, String> {
    let options = document.descend(&["configuration", "crm_config"]);
    let sets = options.into_iter().flat_map(|options| document.children_named(options, "cluster_property_set"));
    let pairs = sets.flat_map(|set| document.children_named(set, "nvpair"));
    let pair =
        |pair| Some((document.attribute(pair, "name")?.to_owned(), document.attribute(pair, "value")?.to_owned()));
    pairs.filter_map(pair).collect()
}

/// Ids of all primitives of a plan.
pub fn primitives(plan: &Document) -> Vec<String> {
    let resources = plan.descend(&["configuration", "resources"]);
    let all = resources.into_iter().flat_map(|resources| plan.descendants(resources));
    all.filter(|one| plan.name(*one) == "primitive").map(|one| plan.id(one).to_owned()).collect()
}

/// What history says of a resource on a node: the result of its probe or last action, and of its recurring monitor.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default)]
pub struct Seen {
    /// Of what does not recur: 0 it runs, 7 it does not.
    pub once: Option<i32>,
    /// Of what recurs.
    pub recurring: Option<i32>,
}

/// What history says of a resource, by nodes.
pub fn seen(document: &Document, resource: &str) -> BTreeMap<String, Seen> {
    let mut found = BTreeMap::new();
    let status = document.child(document.root(), "status");
    for state in status.into_iter().flat_map(|status| document.children_named(status, "node_state")) {
        let node = document.attribute(state, "uname").unwrap_or_default().to_owned();
        let history = document
            .descendants(state)
            .filter(|one| document.name(*one) == "lrm_resource" && document.id(*one) == resource);
        let mut here = Seen::default();
        for operation in history.flat_map(|one| document.children_named(one, "lrm_rsc_op")) {
            let rc = document.attribute(operation, "rc-code").and_then(|text| text.parse().ok());
            match document.attribute(operation, "interval") {
                Some("0") | None => here.once = rc,
                Some(_) => here.recurring = rc,
            }
        }
        found.insert(node, here);
    }
    found
}

fn section(document: &mut Document, name: &str) -> Element {
    let root = document.root();
    let configuration = document.child(root, "configuration").unwrap_or_else(|| document.append(root, "configuration"));
    document.child(configuration, name).unwrap_or_else(|| document.append(configuration, name))
}

fn by_id(document: &Document, id: &str) -> Option<Element> {
    let configuration = document.descend(&["configuration"])?;
    document.descendants(configuration).find(|one| document.attribute(*one, "id") == Some(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIVE: &str = r#"<cib><configuration><crm_config><cluster_property_set id="o"><nvpair id="o1" name="stonith-enabled" value="true"/></cluster_property_set></crm_config><nodes/><resources><primitive id="db" class="ocf" provider="systole" type="Dummy"/></resources><constraints/></configuration><status><node_state id="1" uname="one"><lrm id="1"><lrm_resources><lrm_resource id="ip"><lrm_rsc_op id="a" operation="monitor" interval="0" rc-code="7"/><lrm_rsc_op id="b" operation="monitor" interval="10000" rc-code="0"/></lrm_resource></lrm_resources></lrm></node_state></status></cib>"#;
    const PLAN: &str = r#"<cib><configuration><crm_config><cluster_property_set id="p"><nvpair id="p1" name="stonith-enabled" value="false"/><nvpair id="p2" name="no-quorum-policy" value="ignore"/></cluster_property_set></crm_config><nodes/><resources><primitive id="ip" class="ocf" provider="heartbeat" type="IPaddr2"/></resources><constraints><rsc_location id="l" rsc="ip" node="one" score="1"/></constraints></configuration></cib>"#;

    #[test]
    fn what_is_loaded_can_be_taken_out() {
        let (live, plan) = (Document::parse(LIVE).unwrap(), Document::parse(PLAN).unwrap());
        let loaded = load(&live, &plan).unwrap();
        let text = loaded.to_xml();
        assert!(
            text.contains(r#"id="ip" class="ocf""#) && text.contains(r#"id="l""#) && text.contains("ignore"),
            "{text}"
        );
        assert_eq!(cib::view::property(&loaded, "stonith-enabled", 0), Some("true"), "the cluster's own stays");
        assert_eq!(load(&loaded, &plan).unwrap().to_xml(), text, "twice is once");
        assert_eq!(unload(&loaded, &plan, &live).to_xml(), live.to_xml());
        assert_eq!(unload(&live, &plan, &live).to_xml(), live.to_xml());
        let other = Document::parse(&PLAN.replace(r#"id="ip""#, r#"id="db""#)).unwrap();
        assert!(load(&live, &other).unwrap_err().contains("the id db already"));
        assert_eq!(primitives(&plan), ["ip"]);
    }

    #[test]
    fn history_is_told_by_nodes() {
        let live = Document::parse(LIVE).unwrap();
        assert_eq!(seen(&live, "ip")["one"], Seen { once: Some(7), recurring: Some(0) });
        assert_eq!(seen(&live, "db")["one"], Seen::default());
    }
}
