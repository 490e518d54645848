//! Orders become operations of this node's executor, and what comes of them becomes history.

use std::collections::BTreeMap;

use cib::{OpResult, OpStatus, digest};
use executor::{Agent, Cancel, Event, Operation, Outcome, Status};
use wire::{OrderId, RunOrder};

/// OCF: it is active, as a promotable one in its unpromoted role.
const OK: i32 = 0;
/// OCF: it is active in its promoted role.
const PROMOTED: i32 = 8;

/// The orders that this node has been given and still owes an answer, or repeats.
#[derive(Debug, Default)]
pub struct Orders {
    next: u64,
    given: BTreeMap<u64, RunOrder>,
    owed: BTreeMap<OrderId, u64>,
    /// What each resource that may be active here was given as its own parameters. One entry a resource.
    parameters: BTreeMap<String, Given>,
}

/// Parameters without which a resource cannot be stopped: the configuration may have others by now, or none.
#[derive(Debug)]
struct Given {
    parameters: BTreeMap<String, String>,
    /// The resource was seen active with them.
    is_active: bool,
}

impl Orders {
    /// Takes an order; what the executor is to be told. `action`: the agent's word for it.
    pub fn take(&mut self, order: RunOrder, action: &str) -> Event {
        self.next += 1;
        let id = self.next;
        let event = match &order.cancels {
            Some(action) => Event::Cancel(Cancel {
                id,
                resource: order.resource.id.clone(),
                action: action.clone(),
                interval_ms: order.interval_ms,
            }),
            None => Event::Run(Operation { parameters: self.parameters_for(&order), ..operation(id, &order, action) }),
        };
        // The same recurring operation given again takes the place of the old one.
        self.drop_recurring(|old| {
            old.resource.id == order.resource.id
                && old.interval_ms == order.interval_ms
                && order.cancels.as_ref().unwrap_or(&order.operation) == &old.operation
        });
        self.owed.insert(order.id.clone(), id);
        self.given.insert(id, order);
        event
    }

    /// The parameters of an order: its own, or for a stop those that the resource is active with. With others it would
    /// leave behind what it has: its former address, when another one is configured.
    fn parameters_for(&mut self, order: &RunOrder) -> BTreeMap<String, String> {
        let resource = &order.resource.id;
        let own = own_parameters(order);
        match (order.operation.as_str(), self.parameters.get(resource)) {
            ("start" | "monitor", known) if known.is_none_or(|given| !given.is_active) => {
                self.parameters.insert(resource.clone(), Given { parameters: own, is_active: false });
            }
            // What a start that failed was given may be what it failed of: then the configuration counts, if it has any.
            ("stop", Some(given)) if given.is_active || own.is_empty() => {
                let about = order.parameters.iter().filter(|(name, _)| !own.contains_key(*name));
                return about.chain(&given.parameters).map(|(name, value)| (name.clone(), value.clone())).collect();
            }
            _ => {}
        }
        order.parameters.clone()
    }

    /// What is owed an answer: other members must know when they meet us.
    pub fn under_way(&self) -> Vec<RunOrder> {
        self.owed.values().filter_map(|id| self.given.get(id).cloned()).collect()
    }

    /// The order that an operation or a cancellation carries out.
    pub fn given(&self, id: u64) -> Option<&RunOrder> {
        self.given.get(&id)
    }

    /// Whether the operation has not been answered for yet: of a recurring one, whether this is its first run.
    pub fn is_first(&self, id: u64) -> bool {
        self.owed.values().any(|owed| *owed == id)
    }

    /// An operation has a result to be written into history. `None`: it was not ordered, or is no longer.
    /// With the result come the parameters that it was got with.
    pub fn outcome(&mut self, outcome: &Outcome, unix: i64) -> Option<(OpResult, BTreeMap<String, String>)> {
        let order = self.given.get(&outcome.operation.id)?.clone();
        let result = result(&order, outcome, unix);
        self.answered(outcome.operation.id);
        let is_active =
            matches!(order.operation.as_str(), "start" | "monitor" | "reload" | "reload-agent" | "migrate_from")
                && matches!(outcome.rc, OK | PROMOTED);
        if is_active && order.interval_ms == 0 && outcome.status == Status::Done {
            let given = Given { parameters: own_parameters(&order), is_active };
            self.parameters.insert(order.resource.id.clone(), given);
        }
        // OCF: 7 is a monitor's word for what is not running.
        let is_stopped = matches!((order.operation.as_str(), outcome.rc), ("stop", 0) | ("monitor", 7));
        if is_stopped && outcome.status == Status::Done {
            self.parameters.remove(&order.resource.id);
        }
        if order.operation == "stop" && outcome.status == Status::Done && outcome.rc == 0 {
            self.drop_recurring(|old| old.resource.id == order.resource.id);
        }
        Some((result, order.parameters))
    }

    /// A recurring operation was taken back.
    pub fn cancelled(&mut self, id: u64) -> Option<OpResult> {
        let order = self.given.get(&id)?.clone();
        self.answered(id);
        Some(OpResult {
            operation: order.cancels.clone().unwrap_or_default(),
            status: OpStatus::Cancelled,
            rc: 0,
            ..order.answer()
        })
    }

    fn answered(&mut self, id: u64) {
        let Some(order) = self.given.get(&id) else { return };
        self.owed.remove(&order.id);
        if order.interval_ms == 0 || order.cancels.is_some() {
            self.given.remove(&id);
        }
    }

    fn drop_recurring(&mut self, which: impl Fn(&RunOrder) -> bool) {
        let owed: Vec<u64> = self.owed.values().copied().collect();
        self.given.retain(|id, old| owed.contains(id) || old.interval_ms == 0 || !which(old));
    }
}

/// What of an order's parameters is the resource's, and not about the operation.
fn own_parameters(order: &RunOrder) -> BTreeMap<String, String> {
    let is_own = |name: &str| !name.starts_with("CRM_meta_") && name != "crm_feature_set";
    let own = order.parameters.iter().filter(|(name, _)| is_own(name));
    own.map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn operation(id: u64, order: &RunOrder, action: &str) -> Operation {
    Operation {
        id,
        resource: order.resource.id.clone(),
        agent: Agent {
            class: order.resource.class.clone(),
            provider: order.resource.provider.clone(),
            kind: order.resource.kind.clone(),
        },
        action: action.to_owned(),
        interval_ms: order.interval_ms,
        timeout_ms: order.timeout_ms,
        start_delay_ms: order.start_delay_ms,
        parameters: order.parameters.clone(),
        target_rc: order.target_rc,
    }
}

fn result(order: &RunOrder, outcome: &Outcome, unix: i64) -> OpResult {
    let parameters: BTreeMap<String, String> =
        order.parameters.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    OpResult {
        rc: outcome.rc,
        status: status(outcome.status),
        call_id: i32::try_from(outcome.call_id).unwrap_or(i32::MAX),
        started_at: unix - (outcome.ran_ms / 1000) as i64,
        ran_ms: outcome.ran_ms,
        queued_ms: outcome.queued_ms,
        exit_reason: outcome.exit_reason.clone(),
        digest: Some(digest::all(&parameters, u64::from(order.interval_ms))),
        ..order.answer()
    }
}

fn status(status: Status) -> OpStatus {
    match status {
        Status::Done => OpStatus::Done,
        Status::Cancelled => OpStatus::Cancelled,
        Status::Timeout => OpStatus::Timeout,
        Status::NotSupported => OpStatus::NotSupported,
        Status::Error => OpStatus::Error,
        Status::NotInstalled => OpStatus::NotInstalled,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(number: u32, operation: &str, parameters: &[(&str, &str)]) -> RunOrder {
        RunOrder {
            id: OrderId { coordinator: "a".to_owned(), transition: 1, number },
            to: 1,
            quorate: true,
            node: "node1".to_owned(),
            resource: wire::Resource {
                id: "web".to_owned(),
                class: "ocf".to_owned(),
                provider: Some("systole".to_owned()),
                kind: "Dummy".to_owned(),
            },
            operation: operation.to_owned(),
            interval_ms: 0,
            cancels: None,
            timeout_ms: 1_000,
            start_delay_ms: 0,
            target_rc: 0,
            parameters: parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        }
    }

    fn parameters(event: Event) -> Vec<String> {
        let Event::Run(operation) = event else { panic!("expected an operation, found {event:?}") };
        operation.parameters.into_iter().map(|(name, value)| format!("{name}={value}")).collect()
    }

    /// Gives an order, and answers it.
    fn carry_out(orders: &mut Orders, order: RunOrder, rc: i32) {
        let action = order.operation.clone();
        let Event::Run(operation) = orders.take(order, &action) else { panic!("expected an operation") };
        let outcome = Outcome {
            operation: operation.into(),
            status: Status::Done,
            rc,
            exit_reason: String::new(),
            queued_ms: 0,
            ran_ms: 0,
            call_id: 1,
        };
        orders.outcome(&outcome, 1).unwrap();
    }

    #[test]
    fn what_was_taken_out_of_the_configuration_is_stopped_with_what_it_was_started_with() {
        let timeout = ("CRM_meta_timeout", "1000");
        for rc in [0, 1] {
            let mut orders = Orders::default();
            carry_out(&mut orders, order(1, "start", &[("port", "80"), timeout]), rc);
            let stopped = orders.take(order(2, "stop", &[timeout]), "stop");
            assert_eq!(parameters(stopped), ["CRM_meta_timeout=1000", "port=80"]);
        }
    }

    #[test]
    fn what_runs_is_stopped_with_what_it_runs_with_whatever_is_configured_by_now() {
        let (old, timeout) = ([("port", "80"), ("log", "x")], ("CRM_meta_timeout", "1000"));
        let new = [("port", "81"), timeout];
        let stopped = |orders: &mut Orders| parameters(orders.take(order(9, "stop", &new), "stop"));
        for (active_by, rc) in [("start", 0), ("monitor", 0), ("monitor", 8), ("reload-agent", 0)] {
            let mut orders = Orders::default();
            carry_out(&mut orders, order(1, active_by, &old), rc);
            // A start with the new ones comes after the stop, so what else is asked with them is no proof.
            carry_out(&mut orders, order(2, "monitor", &new), 1);
            assert_eq!(stopped(&mut orders), ["CRM_meta_timeout=1000", "log=x", "port=80"], "{active_by}");
        }
        // It may have failed of what it was given.
        let mut orders = Orders::default();
        carry_out(&mut orders, order(1, "start", &old), 6);
        assert_eq!(stopped(&mut orders), ["CRM_meta_timeout=1000", "port=81"]);
        // It is stopped: what it was started with is over.
        let mut orders = Orders::default();
        carry_out(&mut orders, order(1, "start", &old), 0);
        carry_out(&mut orders, order(2, "stop", &new), 0);
        assert_eq!(stopped(&mut orders), ["CRM_meta_timeout=1000", "port=81"]);
    }
}
