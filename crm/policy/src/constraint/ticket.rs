//! Tickets: permission from another site. What a resource that depends on one does without it.

use cib::{Element, boolean};

use crate::constraint::Ignored;
use crate::engine::Engine;
use crate::model::{INFINITY, Role, RscFlags, RscId};
use crate::reasons::Source;

/// A ticket, as the status knows it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ticket {
    pub granted: bool,
    pub standby: bool,
}

/// What happens when a ticket is lost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum LossPolicy {
    Stop,
    Demote,
    Fence,
    Freeze,
}

/// One resource's dependency on a ticket.
#[derive(Clone, Debug)]
pub(crate) struct RscTicket {
    ticket: String,
    role: Role,
    loss: LossPolicy,
}

impl Engine<'_> {
    pub fn read_ticket_states(&mut self, tickets: Element) {
        for state in self.doc.children_named(tickets, "ticket_state") {
            let Some(id) = self.doc.attribute(state, "id").filter(|id| !id.is_empty()) else { continue };
            let ticket = self.tickets.entry(id.to_owned()).or_default();
            ticket.granted = boolean::is_true(self.doc.attribute(state, "granted"));
            ticket.standby = boolean::is_true(self.doc.attribute(state, "standby"));
        }
    }

    pub fn read_ticket(&mut self, element: Element) -> Ignored {
        let ticket = self.attr(element, "ticket").ok_or("it names no ticket")?.to_owned();
        self.tickets.entry(ticket.clone()).or_default();
        let loss = self.attr(element, "loss-policy").map(str::to_ascii_lowercase);
        let mut sets = self.read_sets(element)?;
        let role = self.attr(element, "rsc-role").map(str::to_owned);
        if sets.is_empty() {
            match self.set_of_attribute(element, "rsc", false)? {
                Some(mut set) => {
                    set.role = role;
                    sets.push(set);
                }
                None => {
                    let id = self.attr(element, "rsc").ok_or("it names no resource")?;
                    let rsc = self.member(id)?;
                    return self.add_ticket(rsc, &ticket, role.as_deref(), loss.as_deref());
                }
            }
        }
        for set in sets {
            for id in &set.members {
                let rsc = self.member(id)?;
                self.add_ticket(rsc, &ticket, set.role.as_deref(), loss.as_deref())?;
            }
        }
        Ok(())
    }

    fn add_ticket(&mut self, rsc: RscId, ticket: &str, role: Option<&str>, loss: Option<&str>) -> Ignored {
        let role = constraint_role(role)?;
        let loss = match loss {
            Some("fence") if self.fences() => LossPolicy::Fence,
            Some("fence" | "stop") => LossPolicy::Stop,
            Some("freeze") => LossPolicy::Freeze,
            Some("demote") => LossPolicy::Demote,
            _ if role == Role::Promoted => LossPolicy::Demote,
            _ => LossPolicy::Stop,
        };
        let dependency = RscTicket { ticket: ticket.to_owned(), role, loss };
        let at = self.rsc_tickets.len() as u32;
        self.rsc_tickets.push(dependency.clone());
        self.rsc_mut(rsc).tickets.push(at);
        if !self.has_ticket(&dependency) {
            self.apply_ticket(rsc, &dependency);
        }
        Ok(())
    }

    fn has_ticket(&self, dependency: &RscTicket) -> bool {
        self.tickets.get(&dependency.ticket).is_some_and(|ticket| ticket.granted && !ticket.standby)
    }

    fn apply_ticket(&mut self, rsc: RscId, dependency: &RscTicket) {
        let children = self.children(rsc);
        if !children.is_empty() {
            children.into_iter().for_each(|child| self.apply_ticket(child, dependency));
            return;
        }
        let granted = self.tickets.get(&dependency.ticket).is_some_and(|ticket| ticket.granted);
        let ban = |engine: &mut Self| {
            engine.add_score(rsc, None, -INFINITY, Source::Ticket(dependency.ticket.clone()));
        };
        let role_fits = dependency.role == Role::Unknown || dependency.role == self.rsc(rsc).role;
        if !granted && !self.rsc(rsc).active.is_empty() {
            match dependency.loss {
                LossPolicy::Stop => ban(self),
                LossPolicy::Demote if dependency.role != Role::Promoted => ban(self),
                LossPolicy::Demote => {}
                LossPolicy::Fence if role_fits => {
                    ban(self);
                    for node in self.rsc(rsc).active.clone() {
                        self.fence_node(node, "deadman ticket was lost", false);
                    }
                }
                LossPolicy::Freeze if role_fits => {
                    self.clear_rsc(rsc, RscFlags::MANAGED);
                    self.set_rsc(rsc, RscFlags::BLOCKED);
                }
                LossPolicy::Fence | LossPolicy::Freeze => {}
            }
        } else if dependency.role != Role::Promoted || dependency.loss == LossPolicy::Stop {
            ban(self);
        }
    }

    /// Nothing is promoted without the ticket that promotion needs.
    pub fn require_promotion_tickets(&mut self, rsc: RscId) {
        for at in self.rsc(rsc).tickets.clone() {
            let dependency = self.rsc_tickets[at as usize].clone();
            if dependency.role == Role::Promoted && !self.has_ticket(&dependency) {
                self.add_score(rsc, None, -INFINITY, Source::Ticket(dependency.ticket));
            }
        }
    }
}

/// The role a constraint is about; Started means any.
pub(crate) fn constraint_role(text: Option<&str>) -> Result<Role, String> {
    match text.map(|text| (text, Role::parse(text))) {
        None => Ok(Role::Unknown),
        Some((text, None | Some(Role::Unknown))) => Err(format!("'{text}' is no role")),
        Some((_, Some(Role::Started))) => Ok(Role::Unknown),
        Some((_, Some(role))) => Ok(role),
    }
}
