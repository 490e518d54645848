//! Looking into the CIB for a tool, and what kind of refusal it is told.

use cib::{Document, Refused, patch, xpath};
use wire::{QueryWhat, Reply, Why};

use crate::machine::Node;

impl Node {
    /// Looks into the CIB as it is here, now.
    pub(crate) fn query(&self, section: Option<&str>, path: Option<&str>, what: QueryWhat) -> Reply {
        let cib = self.replica.cib();
        let document = cib.document();
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
        let version = cib.version();
        let version = (version.admin_epoch, version.epoch, version.num_updates);
        Reply::Found { items: found.into_iter().map(item).collect(), version }
    }
}

/// Of which kind a refusal of all members is.
pub(crate) fn why(refused: &Refused) -> Why {
    match refused {
        Refused::Outdated { .. } | Refused::Older { .. } => Why::Outdated,
        Refused::NotThere(_) | Refused::UnknownNode(_) | Refused::Patch(patch::Error::NotThere { .. }) => Why::NotFound,
        Refused::Exists { .. } => Why::Exists,
        Refused::Patch(_)
        | Refused::Xml(_)
        | Refused::NotACib(_)
        | Refused::Section(_)
        | Refused::NoSection(_)
        | Refused::XPath(_)
        | Refused::Nameless(_) => Why::Invalid,
    }
}
