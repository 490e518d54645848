//! Who held what from when to when, and whether two nodes ever held the same.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use crate::clock;

/// Something that one node at a time may hold.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Thing {
    /// A virtual address.
    Address(IpAddr),
    /// A file system, by its mount point.
    FileSystem(PathBuf),
}

impl fmt::Display for Thing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(ip) => write!(f, "the address {ip}"),
            Self::FileSystem(directory) => write!(f, "the file system {}", directory.display()),
        }
    }
}

/// One node's hold of one thing. Times in microseconds of the common clock; without an end it still holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hold {
    /// The node.
    pub node: String,
    /// From when.
    pub from_us: u64,
    /// Until when.
    pub to_us: Option<u64>,
}

/// Two nodes held the same at the same time.
#[derive(Clone, PartialEq, Debug)]
pub struct Overlap {
    /// What they held.
    pub thing: Thing,
    /// Who: the one who had it first, then the other.
    pub nodes: [String; 2],
    /// From when, in microseconds of the common clock.
    pub from_us: u64,
    /// For how long, in milliseconds.
    pub ms: f64,
}

/// All holds that were seen.
#[derive(Clone, Default, Debug)]
pub struct Holdings {
    holds: BTreeMap<Thing, Vec<Hold>>,
}

impl Holdings {
    /// The node has it from now on. Says whether that is new.
    pub fn hold(&mut self, thing: &Thing, node: &str, at_us: u64) -> bool {
        if self.is_held(thing, node) {
            return false;
        }
        let hold = Hold { node: node.to_owned(), from_us: at_us, to_us: None };
        self.holds.entry(thing.clone()).or_default().push(hold);
        true
    }

    /// The node has it no more. Says whether it had.
    pub fn release(&mut self, thing: &Thing, node: &str, at_us: u64) -> bool {
        let holds = self.holds.get_mut(thing).into_iter().flatten();
        let mut open = holds.filter(|hold| hold.node == node && hold.to_us.is_none());
        match open.next() {
            Some(hold) => {
                hold.to_us = Some(at_us);
                true
            }
            None => false,
        }
    }

    /// The node has nothing any more. Gives what it had.
    pub fn release_all(&mut self, node: &str, at_us: u64) -> Vec<Thing> {
        let things: Vec<Thing> = self.holds.keys().cloned().collect();
        things.into_iter().filter(|thing| self.release(thing, node, at_us)).collect()
    }

    /// Whether the node has it now.
    pub fn is_held(&self, thing: &Thing, node: &str) -> bool {
        self.holders(thing).any(|holder| holder == node)
    }

    /// Who has it now.
    pub fn holders(&self, thing: &Thing) -> impl Iterator<Item = &str> {
        let holds = self.holds.get(thing).into_iter().flatten();
        holds.filter(|hold| hold.to_us.is_none()).map(|hold| hold.node.as_str())
    }

    /// Whether anybody has anything now.
    pub fn is_anything_held(&self) -> bool {
        self.holds.values().flatten().any(|hold| hold.to_us.is_none())
    }

    /// When two nodes held the same; `until_us` is when we stopped looking.
    pub fn overlaps(&self, until_us: u64) -> Vec<Overlap> {
        let mut found = Vec::new();
        for (thing, holds) in &self.holds {
            for (index, first) in holds.iter().enumerate() {
                for second in holds[index + 1..].iter().filter(|second| second.node != first.node) {
                    let from_us = first.from_us.max(second.from_us);
                    let to_us = first.to_us.unwrap_or(until_us).min(second.to_us.unwrap_or(until_us));
                    if from_us < to_us {
                        found.push(Overlap {
                            thing: thing.clone(),
                            nodes: [first.node.clone(), second.node.clone()],
                            from_us,
                            ms: clock::ms_between(from_us, to_us),
                        });
                    }
                }
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlaps_are_found_between_nodes_only() {
        let vip = Thing::Address("10.0.0.1".parse().unwrap());
        let mut holdings = Holdings::default();
        assert!(holdings.hold(&vip, "a", 1_000));
        assert!(!holdings.hold(&vip, "a", 1_500), "it is not new");
        assert!(holdings.release(&vip, "a", 2_000));
        assert!(!holdings.release(&vip, "a", 2_500), "it has nothing to release");
        assert!(holdings.hold(&vip, "b", 2_000));
        assert_eq!(holdings.overlaps(9_000), [], "one ended as the other began");
        assert!(holdings.hold(&vip, "c", 3_000));
        assert_eq!(holdings.holders(&vip).collect::<Vec<_>>(), ["b", "c"]);
        assert_eq!(holdings.release_all("b", 4_500).len(), 1);
        let nodes = ["b".to_owned(), "c".to_owned()];
        assert_eq!(holdings.overlaps(9_000), [Overlap { thing: vip.clone(), nodes, from_us: 3_000, ms: 1.5 }]);
        assert!(holdings.is_anything_held());
    }
}
