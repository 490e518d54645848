//! A CIB together with the time it is looked at: what `policy` makes of it. Where it came from, a daemon or a file, is
//! no matter here.

use std::borrow::Cow;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use cib::{Document, Element, unreached};
use policy::model::RscId;
use policy::{Cluster, Input, Plan};
use wire::Status;

use crate::client::Client;
use crate::names;

/// A CIB at a time.
#[derive(Clone, Debug)]
pub struct View {
    /// The CIB.
    pub document: Document,
    /// Seconds since 1970.
    pub now: i64,
    /// Whether it is the CIB of a cluster of ours, whose plans do without what is not reached. A file may be anybody's.
    pub ours: bool,
}

impl View {
    /// A CIB as it is seen now, or at the time it was recorded at if it says so.
    pub fn new(mut document: Document) -> View {
        let root = document.root();
        if document.child(root, "status").is_none() {
            document.append(root, "status");
        }
        let recorded = document.attribute(root, "execution-date").and_then(|text| text.parse().ok());
        View { now: recorded.unwrap_or_else(now), document, ours: false }
    }

    /// The CIB of a cluster of ours, now.
    pub fn of_ours(document: Document) -> View {
        View { document, now: now(), ours: true }
    }

    /// The CIB as plans are made from it.
    fn planned_from(&self) -> Cow<'_, Document> {
        let without = self.ours.then(|| unreached::without(&self.document)).flatten();
        without.map_or(Cow::Borrowed(&self.document), |(document, _)| Cow::Owned(document))
    }

    /// What its plans do without.
    pub fn unreached(&self) -> Vec<unreached::Unreached> {
        if self.ours { unreached::of(&self.document) } else { Vec::new() }
    }

    /// The state it describes.
    pub fn cluster(&self) -> Cluster {
        policy::read_status(&self.document, self.now)
    }

    /// What a coordinator would do, and why.
    pub fn plan(&self) -> Plan {
        policy::plan(&Input { explain: true, ..Input::new(&self.planned_from(), self.now) })
    }

    /// What a coordinator would do; nobody asks why.
    pub fn plan_unexplained(&self) -> Plan {
        policy::plan(&Input::new(&self.planned_from(), self.now))
    }

    /// The same time with another document.
    pub fn with(&self, document: Document) -> View {
        View { document, now: self.now, ours: self.ours }
    }

    /// The configuration of a node.
    ///
    /// # Errors
    /// When there is none of that name; the nearest is suggested.
    pub fn node(&self, name: &str) -> anyhow::Result<Element> {
        let nodes = self.document.descend(&["configuration", "nodes"]);
        let all = || nodes.into_iter().flat_map(|nodes| self.document.children_named(nodes, "node"));
        let uname = |node: &Element| self.document.attribute(*node, "uname").unwrap_or_default();
        all().find(|node| uname(node) == name).ok_or_else(|| {
            let known: Vec<Element> = all().collect();
            names::unknown("node", name, known.iter().map(uname))
        })
    }
}

/// Seconds since 1970.
pub fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64)
}

/// The cluster as its daemon tells it.
#[derive(Clone, Debug)]
pub struct Live {
    /// What the daemon says of itself and its peers.
    pub status: Status,
    /// Its CIB, now.
    pub view: View,
}

impl Live {
    /// Asks the daemon.
    ///
    /// # Errors
    /// When it does not answer, or what it answers is no CIB.
    pub fn fetch(client: &mut Client) -> anyhow::Result<Live> {
        let status = client.status()?;
        let document = Document::parse(&status.cib).context("reading the CIB that systoled sent")?;
        Ok(Live { status, view: View::of_ours(document) })
    }

    /// What a change of the configuration is made for.
    pub fn configuration_version(&self) -> (u64, u64) {
        (self.status.version.0, self.status.version.1)
    }
}

/// The resource of that id: as it stands in the configuration, or an instance with its number.
///
/// # Errors
/// When there is none; the nearest is suggested.
pub fn resource(cluster: &Cluster, id: &str) -> anyhow::Result<RscId> {
    let by_configuration = || cluster.resources.iter().position(|resource| resource.xml_id == id);
    let found = cluster.find_resource(id).or_else(|| by_configuration().map(|index| RscId(index as u32)));
    found.ok_or_else(|| names::unknown("resource", id, cluster.resources.iter().map(|resource| &*resource.xml_id)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CIB: &str =
        r#"<cib execution-date="7"><configuration><nodes><node id="1" uname="one"/></nodes></configuration></cib>"#;

    #[test]
    fn a_recorded_time_counts() {
        assert_eq!(View::new(Document::parse(CIB).unwrap()).now, 7);
        assert!(View::new(Document::parse("<cib/>").unwrap()).now > 1_700_000_000);
    }

    #[test]
    fn a_cluster_of_ours_plans_without_what_is_not_reached() {
        let remote = r#"<cib><configuration><crm_config/><nodes><node id="1" uname="one"/></nodes><resources>
            <primitive id="far" class="ocf" provider="pacemaker" type="remote"/></resources></configuration></cib>"#;
        let file = View::new(Document::parse(remote).unwrap());
        let live = View { ours: true, ..file.clone() };
        assert!(file.plan().cluster.find_resource("far").is_some() && file.unreached().is_empty());
        assert!(live.plan().cluster.find_resource("far").is_none() && live.unreached().len() == 1);
        assert!(live.cluster().find_resource("far").is_some(), "it is there to be seen");
    }

    #[test]
    fn nodes_are_known_by_name() {
        let view = View::new(Document::parse(CIB).unwrap());
        assert!(view.node("one").is_ok());
        assert_eq!(view.node("onne").unwrap_err().to_string(), "there is no node 'onne'; did you mean 'one'?");
    }
}
