//! What the configuration asks for: locations, colocations, orders, tickets, in the order of the document. Each kind has
//! its file, which also says what the constraint does to scores; when that happens is `place`'s and `schedule`'s affair.

pub(crate) mod colocation;
pub(crate) mod location;
pub(crate) mod merge;
pub(crate) mod order;
pub(crate) mod sets;
pub(crate) mod ticket;

use crate::engine::Engine;

impl Engine<'_> {
    pub fn read_constraints(&mut self) {
        let Some(constraints) = self.doc.descend(&["configuration", "constraints"]) else { return };
        for element in self.doc.children(constraints).collect::<Vec<_>>() {
            if self.attr(element, "id").is_none_or(str::is_empty) {
                self.warn(element, "a constraint without id is ignored");
                continue;
            }
            let known = match self.doc.name(element) {
                "rsc_location" => self.read_location(element),
                "rsc_colocation" => self.read_colocation(element),
                "rsc_order" => self.read_order(element),
                "rsc_ticket" => self.read_ticket(element),
                other => Err(format!("'{other}' is no constraint")),
            };
            if let Err(why) = known {
                let id = self.doc.id(element);
                self.warn(element, format!("constraint {id} is ignored: {why}"));
            }
        }
    }
}

/// Why a constraint cannot be used.
pub(crate) type Ignored = Result<(), String>;
