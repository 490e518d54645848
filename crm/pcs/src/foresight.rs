//! What a cluster would do with a CIB, as commands ask for it before they change anything. Who plans is the world's affair.

use std::collections::{BTreeMap, BTreeSet};

use cib::Document;

use crate::call::{Call, Done};

/// What a cluster would do with a CIB.
#[derive(Clone, Debug)]
pub struct Foresight {
    /// What it would do with resources, in the order of the plan.
    pub steps: Vec<Step>,
    /// The same for people, as `crm_simulate` tells it.
    pub text: String,
    /// The CIB when it has done so.
    pub after: Document,
}

/// Something that a cluster would do with a resource.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Step {
    /// The resource, as it stands in the configuration unless its instances have numbers.
    pub resource: String,
    /// The instance of it: `web:0`; the resource itself when it has none.
    pub instance: String,
    /// `start`, `stop`, `promote`, `demote`, `migrate_to`, `migrate_from`; others mean nothing here.
    pub operation: String,
    /// Where.
    pub node: String,
}

/// How a resource is.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct State {
    /// Whether the cluster may start and stop it, and all in it.
    pub managed: bool,
    /// Where it runs: role (`Started`, `Promoted`, `Unpromoted`) and node.
    pub places: BTreeSet<(String, String)>,
}

impl State {
    /// Nodes where it does what it is there for: an unpromoted instance waits.
    pub fn nodes(&self) -> BTreeSet<&str> {
        self.places.iter().filter(|(role, _)| role != "Unpromoted").map(|(_, node)| node.as_str()).collect()
    }
}

/// Operations that count: probes and monitors change nothing.
const CHANGES: [&str; 6] = ["demote", "migrate_from", "migrate_to", "promote", "start", "stop"];

impl Foresight {
    /// Asks the world.
    ///
    /// # Errors
    /// When nobody here can tell.
    pub fn of(call: &mut Call<'_>, cib: &Document) -> Done<Foresight> {
        match call.world.foresee(cib) {
            Ok(foresight) => Ok(foresight),
            Err(why) => call.fail(format!("what the cluster would do cannot be told: {why}")),
        }
    }

    /// What changes something.
    pub fn changes(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().filter(|step| CHANGES.contains(&step.operation.as_str()))
    }

    /// Resources to which anything happens.
    pub fn touched(&self) -> BTreeSet<String> {
        self.changes().map(|step| step.resource.clone()).collect()
    }

    /// Resources that would run, or be promoted, in fewer places than before.
    pub fn less(&self) -> BTreeSet<String> {
        let mut balance: BTreeMap<(&str, bool), i64> = BTreeMap::new();
        for step in self.changes() {
            let (promotion, sign) = match step.operation.as_str() {
                "start" => (false, 1),
                "stop" => (false, -1),
                "promote" => (true, 1),
                "demote" => (true, -1),
                _ => continue,
            };
            *balance.entry((&step.resource, promotion)).or_default() += sign;
        }
        balance.into_iter().filter(|(_, sum)| *sum < 0).map(|((resource, _), _)| resource.to_owned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_move_is_no_loss_and_a_stop_is() {
        let step = |text: &str| {
            let words: Vec<String> = text.split(' ').map(str::to_owned).collect();
            let resource = words[1].split(':').next().unwrap().to_owned();
            Step { operation: words[0].clone(), resource, instance: words[1].clone(), node: words[2].clone() }
        };
        let steps = [
            "stop a n1",
            "start a n2",
            "stop b:0 n1",
            "demote c n1",
            "promote c n2",
            "monitor d n1",
            "migrate_to e n1",
        ];
        let steps = steps.into_iter().map(step).collect();
        let foresight = Foresight { steps, text: String::new(), after: Document::new("cib") };
        assert_eq!(foresight.less().into_iter().collect::<Vec<_>>(), ["b"]);
        assert_eq!(foresight.touched().into_iter().collect::<Vec<_>>(), ["a", "b", "c", "e"]);
    }
}
