//! What of a configuration needs a connection that this resource manager does not make: remote nodes, guests, and bundles with
//! a resource in them. They are understood, and left out of the plans of a cluster. Here stands what they are and how
//! that is said; who leaves them out, and when, is for others.

use std::fmt;

use crate::document::{Document, Element};

/// What it is.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kind {
    /// A primitive `ocf:pacemaker:remote`: the connection to a remote node, and the node.
    Remote,
    /// The meta attribute `remote-node` of a resource: a node in what that resource runs.
    Guest,
    /// A bundle with a resource in it, which is run by way of a connection into each container.
    Bundle,
}

/// One thing that is left out.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Unreached {
    /// What it is.
    pub kind: Kind,
    /// The remote node, the guest, or the bundle.
    pub name: String,
    /// The resource that it stands in: itself, but for a guest.
    pub resource: String,
    /// Ids of all that is left out with it.
    pub with: Vec<String>,
}

impl Unreached {
    /// What is not done, and what is, as a sentence without its full stop.
    pub fn sentence(&self) -> String {
        let Unreached { kind, name, resource, with } = self;
        match kind {
            Kind::Remote => format!(
                "remote node {name} is not run: systole makes no connections to remote nodes yet, so nothing is started \
                 there, and it is neither watched nor fenced"
            ),
            Kind::Guest => format!(
                "guest node {name} is not run: systole makes no connections to guests yet, so nothing is started in it; \
                 {resource} itself runs as any resource"
            ),
            Kind::Bundle => format!(
                "bundle {name} is not run: systole makes no connections into containers yet, and {} in it needs one; \
                 without a resource in it it would run",
                with.last().map_or("the resource", String::as_str)
            ),
        }
    }

    /// Whether that is the name of it, or of something that is left out with it.
    pub fn is_about(&self, name: &str) -> bool {
        self.name == name || self.with.iter().any(|id| id == name)
    }
}

impl fmt::Display for Unreached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Kind::Remote => write!(f, "the remote node {}", self.name),
            Kind::Guest => write!(f, "the guest {}", self.name),
            Kind::Bundle => write!(f, "the bundle {}, for there is a resource in it", self.name),
        }
    }
}

/// Everything of the kind in a CIB, in the order in which it stands there.
///
/// ```
/// use cib::{Document, unreached};
/// let text = "<cib><configuration><resources>
///   <primitive id='far' class='ocf' provider='pacemaker' type='remote'/>
/// </resources></configuration></cib>";
/// let found = unreached::of(&Document::parse(text).unwrap());
/// assert_eq!(found[0].to_string(), "the remote node far");
/// ```
pub fn of(document: &Document) -> Vec<Unreached> {
    found(document).into_iter().map(|(_, unreached)| unreached).collect()
}

/// What of it a change brought.
pub fn came(before: &Document, after: &Document) -> Vec<Unreached> {
    let known = of(before);
    of(after).into_iter().filter(|now| !known.iter().any(|old| old.kind == now.kind && old.name == now.name)).collect()
}

/// The CIB as plans are made from it, and what it is without; `None` when nothing is left out.
pub fn without(document: &Document) -> Option<(Document, Vec<Unreached>)> {
    let found = found(document);
    if found.is_empty() {
        return None;
    }
    let mut document = document.clone();
    // What is inside goes before what it is in.
    found.iter().rev().for_each(|(element, _)| document.remove(*element));
    Some((document, found.into_iter().map(|(_, unreached)| unreached).collect()))
}

fn found(document: &Document) -> Vec<(Element, Unreached)> {
    let Some(resources) = document.descend(&["configuration", "resources"]) else { return Vec::new() };
    let of = |element| one(document, element).map(|unreached| (element, unreached));
    document.descendants(resources).filter_map(of).collect()
}

fn one(document: &Document, element: Element) -> Option<Unreached> {
    let is = |name, value| document.attribute(element, name) == Some(value);
    let own = document.id(element).to_owned();
    match document.name(element) {
        "primitive" if is("class", "ocf") && is("provider", "pacemaker") && is("type", "remote") => {
            Some(Unreached { kind: Kind::Remote, name: own.clone(), resource: own, with: Vec::new() })
        }
        "bundle" => {
            let inside: Vec<String> =
                document.children_named(element, "primitive").map(|one| document.id(one).to_owned()).collect();
            (!inside.is_empty()).then(|| Unreached {
                kind: Kind::Bundle,
                name: own.clone(),
                resource: own,
                with: inside,
            })
        }
        "nvpair" if is("name", "remote-node") => {
            let resource = std::iter::successors(document.parent(element), |at| document.parent(*at))
                .find(|at| document.name(*at) == "primitive")
                .map(|primitive| document.id(primitive).to_owned());
            let name = document.attribute(element, "value").unwrap_or("").to_owned();
            Some(Unreached { kind: Kind::Guest, name, resource: resource.unwrap_or_default(), with: Vec::new() })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REMOTE: &str = "<primitive id='far' class='ocf' provider='pacemaker' type='remote'/>";
    const GUEST: &str = "<primitive id='vm' class='ocf' provider='x' type='VM'><meta_attributes id='v'>\
                         <nvpair id='v-1' name='remote-node' value='guest'/></meta_attributes></primitive>";
    const BUNDLE: &str =
        "<bundle id='b'><podman image='i'/><primitive id='p' class='ocf' provider='x' type='y'/></bundle>";

    fn cib(resources: &str) -> Document {
        let text = format!("<cib><configuration><resources>{resources}</resources></configuration></cib>");
        Document::parse(&text).unwrap()
    }

    #[test]
    fn each_says_what_is_not_done() {
        let found = of(&cib(&format!("{REMOTE}{GUEST}{BUNDLE}<bundle id='plain'><podman image='i'/></bundle>")));
        let begin = |words: usize| {
            let first = |one: &Unreached| one.sentence().split(' ').take(words).collect::<Vec<_>>().join(" ");
            found.iter().map(first).collect::<Vec<_>>()
        };
        assert_eq!(
            begin(6),
            ["remote node far is not run:", "guest node guest is not run:", "bundle b is not run: systole"]
        );
        assert!(found[1].sentence().ends_with("; vm itself runs as any resource"), "{}", found[1].sentence());
        assert!(found[2].sentence().contains("and p in it needs one"), "{}", found[2].sentence());
        for (name, about) in [("far", 0), ("guest", 1), ("b", 2), ("p", 2)] {
            assert!(found.iter().position(|one| one.is_about(name)) == Some(about), "{name}");
        }
        assert!(!found.iter().any(|one| one.is_about("vm")), "the machine runs");
    }

    #[test]
    fn a_change_is_asked_for_what_it_brought() {
        let told = |before: &str, after: &str| {
            came(&cib(before), &cib(after)).iter().map(Unreached::to_string).collect::<Vec<_>>().join(", ")
        };
        assert_eq!(told("", REMOTE), "the remote node far");
        assert_eq!(told(REMOTE, &format!("{REMOTE}{GUEST}")), "the guest guest");
        assert_eq!(told(&format!("{GUEST}{BUNDLE}"), &format!("{BUNDLE}{GUEST}")), "");
        assert_eq!(told(BUNDLE, ""), "");
    }
}
