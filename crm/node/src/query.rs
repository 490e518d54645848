//! Looking into a CIB for a tool.

use cib::{Document, Version, patch, xpath};
use wire::{QueryWhat, Reply, Why};

use crate::machine::Node;

impl Node {
    /// Looks into the CIB as it is here, now.
    pub(crate) fn query(&self, section: Option<&str>, path: Option<&str>, what: QueryWhat) -> Reply {
        let cib = self.replica.cib();
        look(cib.document(), cib.version(), section, path, what)
    }
}

/// Looks into a document, which may be only what somebody sees of the CIB of this version.
pub fn look(
    document: &Document,
    version: Version,
    section: Option<&str>,
    path: Option<&str>,
    what: QueryWhat,
) -> Reply {
    let found = match (path, section) {
        (Some(path), _) => match xpath::elements(document, path) {
            Ok(found) => found,
            Err(error) => return Reply::Refused { why: Why::Invalid, reason: error.to_string() },
        },
        (None, None | Some("" | "all" | "cib")) => vec![document.root()],
        (None, Some(section @ ("configuration" | "status"))) => document.descend(&[section]).into_iter().collect(),
        (None, Some(section)) => document.descend(&["configuration", section]).into_iter().collect(),
    };
    let item = |element| match what {
        QueryWhat::Whole => document.element_to_xml(element),
        QueryWhat::Paths => patch::path_of(document, element),
        QueryWhat::NoChildren => {
            let mut bare = Document::new(document.name(element));
            let root = bare.root();
            document.attributes(element).for_each(|(name, value)| bare.set(root, name, value));
            bare.to_xml()
        }
    };
    let version = (version.admin_epoch, version.epoch, version.num_updates);
    Reply::Found { items: found.into_iter().map(item).collect(), version }
}
