//! Nodes that come and go: who was lost ungracefully three times within an hour is held in quarantine. It may join, but
//! runs nothing until an administrator releases it; each of its losses costs a fencing and a recovery, and the next
//! one is more likely than not.
//!
//! Every member counts the losses it sees, and all see the same; that a node is held stands in the configuration, as
//! the permanent attribute [`ATTRIBUTE`], so it survives any coordinator and a restart of the whole cluster. Never more
//! than a quarter of the nodes are held: with two or three nodes that is none, for there the flapping node may be the
//! only one left to run anything. That it flaps is said all the same.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use cib::{Author, Cib, Lifetime, Write};

use crate::note::{Level, Note};

/// The permanent node attribute by which a node is held; its value is when that began, in seconds since 1970.
pub const ATTRIBUTE: &str = "systole-quarantine";
/// So many losses hold a node: one is an accident, two may be its repair.
pub const LOSSES: usize = 3;
/// Within this time.
pub const WINDOW: Duration = Duration::from_secs(60 * 60);
/// One of so many nodes may be held: with a quarter less the others carry the load, with more they may not.
pub const SHARE: usize = 4;

/// What is remembered of losses.
#[derive(Debug, Default)]
pub struct Quarantine {
    losses: BTreeMap<String, VecDeque<Duration>>,
    /// Nodes that were let go: their leaving is no loss.
    let_go: BTreeSet<String>,
    /// Lost often enough just now, and not judged yet.
    flapping: BTreeSet<String>,
}

impl Quarantine {
    /// A node was let go and will leave.
    pub fn let_go(&mut self, node: &str) {
        self.let_go.insert(node.to_owned());
    }

    /// A node is here.
    pub fn here(&mut self, node: &str) {
        self.let_go.remove(node);
    }

    /// A node is gone, seen from a side that has quorum.
    pub fn lost(&mut self, now: Duration, node: &str) {
        if self.let_go.remove(node) {
            return;
        }
        let losses = self.losses.entry(node.to_owned()).or_default();
        losses.retain(|at| *at + WINDOW > now);
        // More than enough is not remembered.
        if losses.len() >= LOSSES {
            losses.pop_front();
        }
        losses.push_back(now);
        if losses.len() >= LOSSES {
            self.flapping.insert(node.to_owned());
        }
    }

    /// An administrator has released a node: what was is forgiven.
    pub fn released(&mut self, node: &str) {
        self.losses.remove(node);
        self.flapping.remove(node);
    }

    /// Judges those who flap: who is to be held is written, and what is decided is said. For the coordinator.
    pub fn judge(&mut self, cib: &Cib, unix: i64) -> (Vec<Write>, Vec<Note>) {
        let (mut writes, mut notes) = (Vec::new(), Vec::new());
        if self.flapping.is_empty() {
            return (writes, notes);
        }
        let (nodes, held) = nodes(cib);
        let mut many = held.len();
        for node in std::mem::take(&mut self.flapping) {
            if held.contains(&node) || !nodes.contains(&node) {
                continue;
            }
            if (many + 1) * SHARE > nodes.len() {
                notes.push(
                    Note::new(
                        Level::Warning,
                        "flapping",
                        format!(
                            "{node} was lost {LOSSES} times within an hour; it is not held in quarantine, for no more than \
                             a quarter of {} nodes may be: look at it, or put it on standby",
                            nodes.len()
                        ),
                    )
                    .on(&node),
                );
                continue;
            }
            many += 1;
            notes.push(
                Note::new(
                    Level::Error,
                    "quarantine",
                    format!(
                        "{node} was lost {LOSSES} times within an hour and is held in quarantine: it may join, but runs \
                         nothing; once it is repaired, release it with: systole node release {node}"
                    ),
                )
                .on(&node),
            );
            writes.push(Write::Attribute {
                node,
                lifetime: Lifetime::Permanent,
                name: ATTRIBUTE.into(),
                value: Some(unix.to_string()),
                author: Author { at: unix, ..Author::default() },
            });
        }
        (writes, notes)
    }
}

/// The cluster's nodes by name, and those of them that are held.
fn nodes(cib: &Cib) -> (BTreeSet<String>, BTreeSet<String>) {
    let document = cib.document();
    let (mut all, mut held) = (BTreeSet::new(), BTreeSet::new());
    for node in
        document.descend(&["configuration", "nodes"]).into_iter().flat_map(|n| document.children_named(n, "node"))
    {
        if document.attribute(node, "type") == Some("remote") {
            continue;
        }
        let uname = document.attribute(node, "uname").unwrap_or("").to_owned();
        let is_held = document
            .children_named(node, "instance_attributes")
            .flat_map(|set| document.children_named(set, "nvpair"))
            .any(|pair| document.attribute(pair, "name") == Some(ATTRIBUTE));
        if is_held {
            held.insert(uname.clone());
        }
        all.insert(uname);
    }
    (all, held)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn cib(nodes: usize) -> Cib {
        let nodes: String = (1..=nodes).map(|id| format!("<node id='{id}' uname='n{id}'/>")).collect();
        Cib::parse(&format!("<cib><configuration><nodes>{nodes}</nodes></configuration></cib>")).unwrap()
    }

    /// What comes of these losses, by minute: who is held.
    fn held(cib: &mut Cib, losses: &[(u32, &str)]) -> Vec<String> {
        let mut quarantine = Quarantine::default();
        for (minute, node) in losses {
            quarantine.lost(MINUTE * *minute, node);
            for write in quarantine.judge(cib, 1_000).0 {
                cib.apply(&write).unwrap();
            }
        }
        nodes(cib).1.into_iter().collect()
    }

    #[test]
    fn three_losses_within_an_hour_hold_a_node() {
        assert_eq!(held(&mut cib(4), &[(0, "n1"), (20, "n1")]), Vec::<String>::new());
        assert_eq!(held(&mut cib(4), &[(0, "n1"), (20, "n1"), (59, "n1")]), ["n1"]);
        assert_eq!(held(&mut cib(4), &[(0, "n1"), (20, "n1"), (61, "n1")]), Vec::<String>::new());
        assert_eq!(held(&mut cib(4), &[(0, "n1"), (20, "n1"), (61, "n1"), (70, "n1")]), ["n1"]);
    }

    #[test]
    fn never_more_than_a_quarter_is_held() {
        let flaps = |node: &'static str| [(0, node), (1, node), (2, node)];
        let all: Vec<(u32, &str)> = ["n1", "n2", "n3"].into_iter().flat_map(flaps).collect();
        assert_eq!(held(&mut cib(3), &all), Vec::<String>::new());
        assert_eq!(held(&mut cib(7), &all), ["n1"]);
        assert_eq!(held(&mut cib(8), &all), ["n1", "n2"]);
    }

    #[test]
    fn to_be_let_go_is_no_loss_and_a_release_forgives() {
        let (mut quarantine, cib) = (Quarantine::default(), cib(4));
        for minute in 0..9 {
            quarantine.let_go("n1");
            quarantine.lost(MINUTE * minute, "n1");
        }
        assert!(quarantine.judge(&cib, 0).0.is_empty());
        for minute in 0..3 {
            quarantine.lost(MINUTE * minute, "n2");
        }
        quarantine.released("n2");
        quarantine.lost(MINUTE * 4, "n2");
        assert!(quarantine.judge(&cib, 0).0.is_empty());
    }
}
