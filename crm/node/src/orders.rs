//! Orders become operations of this node's executor, and what comes of them becomes history.

use std::collections::BTreeMap;

use cib::{OpResult, OpStatus, digest};
use executor::{Agent, Cancel, Event, Operation, Outcome, Status};
use wire::{OrderId, RunOrder};

/// The orders that this node has been given and still owes an answer, or repeats.
#[derive(Debug, Default)]
pub struct Orders {
    next: u64,
    given: BTreeMap<u64, RunOrder>,
    owed: BTreeMap<OrderId, u64>,
    /// What each resource that may be active here was last given as its own parameters. A resource that is taken out of
    /// the configuration must be stopped too, and nobody else knows any more with what. One entry a resource.
    parameters: BTreeMap<String, BTreeMap<String, String>>,
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

    /// The parameters of an order: its own, or for a stop that has none those that the resource was started with.
    fn parameters_for(&mut self, order: &RunOrder) -> BTreeMap<String, String> {
        let mut own = order.parameters.clone();
        own.retain(|name, _| !name.starts_with("CRM_meta_") && name != "crm_feature_set");
        let mut parameters = order.parameters.clone();
        match order.operation.as_str() {
            "start" | "monitor" => drop(self.parameters.insert(order.resource.id.clone(), own)),
            "stop" if own.is_empty() => {
                parameters.extend(self.parameters.get(&order.resource.id).cloned().unwrap_or_default());
            }
            _ => {}
        }
        parameters
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

    #[test]
    fn what_was_taken_out_of_the_configuration_is_stopped_with_what_it_was_started_with() {
        let mut orders = Orders::default();
        let timeout = ("CRM_meta_timeout", "1000");
        orders.take(order(1, "start", &[("port", "80"), timeout]), "start");
        let stopped = orders.take(order(2, "stop", &[timeout]), "stop");
        assert_eq!(parameters(stopped), ["CRM_meta_timeout=1000", "port=80"]);
        let changed = orders.take(order(3, "stop", &[("port", "81"), timeout]), "stop");
        assert_eq!(parameters(changed), ["CRM_meta_timeout=1000", "port=81"], "what the configuration says counts");
    }
}
