#![forbid(unsafe_code)]
//! What the targets share: damage to a CIB that leaves it XML, so that the readers behind the parser are reached too.

use cib::{Document, Element};

/// Elements and attributes in a damaged document; more takes longer to plan and shows nothing new.
const MAX_ELEMENTS: usize = 600;

/// Names of elements that mean something somewhere.
const ELEMENTS: [&str; 40] = [
    "primitive",
    "group",
    "clone",
    "master",
    "bundle",
    "template",
    "docker",
    "podman",
    "network",
    "storage",
    "port-mapping",
    "storage-mapping",
    "meta_attributes",
    "instance_attributes",
    "utilization",
    "nvpair",
    "operations",
    "op",
    "rule",
    "expression",
    "date_expression",
    "date_spec",
    "duration",
    "rsc_expression",
    "op_expression",
    "rsc_location",
    "rsc_colocation",
    "rsc_order",
    "rsc_ticket",
    "resource_set",
    "resource_ref",
    "tag",
    "obj_ref",
    "fencing-level",
    "node",
    "node_state",
    "lrm_resource",
    "lrm_rsc_op",
    "ticket_state",
    "transient_attributes",
];

/// Names of attributes that mean something somewhere.
const ATTRIBUTES: [&str; 40] = [
    "id",
    "name",
    "value",
    "score",
    "rsc",
    "with-rsc",
    "first",
    "then",
    "kind",
    "node",
    "uname",
    "role",
    "id-ref",
    "rsc-role",
    "with-rsc-role",
    "first-action",
    "then-action",
    "rsc-pattern",
    "score-attribute",
    "node-attribute",
    "symmetrical",
    "sequential",
    "require-all",
    "interval",
    "operation",
    "rc-code",
    "op-status",
    "call-id",
    "last-rc-change",
    "transition-key",
    "transition-magic",
    "operation_key",
    "start",
    "end",
    "boolean-op",
    "attribute",
    "replicas",
    "resource-discovery",
    "template",
    "crmd",
];

/// Values that have broken readers before.
const VALUES: [&str; 48] = [
    "",
    "0",
    "1",
    "-1",
    "2",
    "16",
    "4294967296",
    "99999999999999999999",
    "-2147483648",
    "INFINITY",
    "-INFINITY",
    "+INFINITY",
    "true",
    "false",
    "start",
    "stop",
    "promote",
    "demote",
    "monitor",
    "migrate_to",
    "migrate_from",
    "Promoted",
    "Unpromoted",
    "Started",
    "Stopped",
    "Master",
    "10s",
    "P1D",
    "PT",
    "2024-02-30",
    "\u{e9}:\u{2028}",
    "%0%9",
    "(",
    "ip:0",
    ":",
    "standby",
    "maintenance",
    "remote-node",
    "stonith-enabled",
    "migration-threshold",
    "clone-max",
    "clone-node-max",
    "promoted-max",
    "target-role",
    "is-managed",
    "on-fail",
    "fence",
    "multiple-active",
];

/// Numbers in a row from one seed (splitmix64).
pub struct Chance(u64);

impl Chance {
    /// Starts a row.
    pub fn new(seed: u64) -> Self {
        Chance(seed)
    }

    /// A number below `end`, 0 if that is 0.
    pub fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((x ^ (x >> 31)) % end.max(1) as u64) as usize
    }

    fn one<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.below(of.len())]
    }
}

/// Damages the document in a few places; `other` lends it pieces.
pub fn damage(document: &mut Document, other: &Document, chance: &mut Chance) {
    for _ in 0..=chance.below(4) {
        let elements: Vec<Element> = document.descendants(document.root()).collect();
        let element = elements[chance.below(elements.len())];
        let another = elements[chance.below(elements.len())];
        match chance.below(9) {
            0 | 1 => {
                let names: Vec<String> = document.attributes(element).map(|(name, _)| name.to_owned()).collect();
                let Some(name) = names.get(chance.below(names.len())) else { continue };
                let value = a_value(document, another, chance);
                document.set(element, name, &value);
            }
            2 => {
                let names: Vec<String> = document.attributes(element).map(|(name, _)| name.to_owned()).collect();
                let Some(name) = names.get(chance.below(names.len())) else { continue };
                document.unset(element, name);
            }
            3 => {
                let value = a_value(document, another, chance);
                document.set(element, chance.one(&ATTRIBUTES), &value);
            }
            4 if element != document.root() => document.remove(element),
            5 if elements.len() < MAX_ELEMENTS => {
                let source = document.clone();
                if source.descendants(another).count() < MAX_ELEMENTS / 4 {
                    document.graft(element, &source, another);
                }
            }
            6 if elements.len() < MAX_ELEMENTS => {
                let theirs: Vec<Element> = other.descendants(other.root()).collect();
                let piece = theirs[chance.below(theirs.len())];
                // A piece goes where its like is at home, mostly.
                let home = other.parent(piece).map(|parent| other.name(parent).to_owned());
                let home = elements.iter().copied().find(|element| Some(document.name(*element)) == home.as_deref());
                if other.descendants(piece).count() < MAX_ELEMENTS / 4 {
                    document.graft(home.unwrap_or(element), other, piece);
                }
            }
            7 if elements.len() < MAX_ELEMENTS => {
                let fresh = document.append(element, chance.one(&ELEMENTS));
                let value = a_value(document, another, chance);
                document.set(fresh, "id", &value);
                document.set(fresh, chance.one(&ATTRIBUTES), chance.one(&VALUES));
            }
            _ => {
                let pair = document.append(element, "nvpair");
                document.set(pair, "id", &format!("p{}", chance.below(1000)));
                document.set(pair, "name", chance.one(&VALUES[35..]));
                document.set(pair, "value", chance.one(&VALUES));
            }
        }
    }
}

fn a_value(document: &Document, another: Element, chance: &mut Chance) -> String {
    match chance.below(3) {
        0 => chance.one(&VALUES).to_owned(),
        1 => document.id(another).to_owned(),
        _ => {
            let values: Vec<&str> = document.attributes(another).map(|(_, value)| value).collect();
            values.get(chance.below(values.len())).map_or_else(String::new, |value| (*value).to_owned())
        }
    }
}
