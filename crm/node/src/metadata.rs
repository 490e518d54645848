//! What history keeps of an agent's own description: which parameters may change without a restart, and which are secret.
//! Results are written once that is known, so that a later change of a parameter is judged rightly.

use std::collections::{BTreeMap, VecDeque};

use cib::{OpResult, digest};
use executor::{Agent, Command};
use ocf::Metadata;
use wire::RunOrder;

/// The parameters of an operation.
pub(crate) type Parameters = BTreeMap<String, String>;

/// What is known of the agents that were used here.
#[derive(Debug, Default)]
pub(crate) struct Descriptions {
    agents: BTreeMap<Agent, Description>,
}

#[derive(Debug, Default)]
struct Description {
    /// As last told. An agent that did not describe itself is asked again when it is next used.
    told: Option<Traits>,
    asked: bool,
    /// It was said that it does not describe itself.
    complained: bool,
    /// What the executor told and waits, in its order. As much as its resources can have while one question is answered.
    held: VecDeque<Command>,
}

/// What of a description matters here.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Traits {
    reload: Option<Reload>,
    secret: Vec<String>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Reload {
    /// The action that takes new parameters in.
    action: &'static str,
    /// The parameters that it does not take in.
    fixed: Vec<String>,
}

impl Traits {
    fn of(metadata: &Metadata) -> Self {
        let named = |which: &dyn Fn(&ocf::Parameter) -> bool| -> Vec<String> {
            metadata.parameters.iter().filter(|one| which(one)).map(|one| one.name.clone()).collect()
        };
        // OCF 1.1 calls it reload-agent and marks each parameter. Before, agents had only `reload`, and Pacemaker took
        // all parameters for reloadable that need not be unique.
        let is_new = metadata.ocf_version.as_deref().is_some_and(|v| cib::rule::compare_versions(v, "1.1").is_ge());
        let has = |action: &str| metadata.actions_named(action).next().is_some();
        let reload = match is_new {
            true if has("reload-agent") => {
                Some(Reload { action: "reload-agent", fixed: named(&|one| !one.reloadable) })
            }
            false if has("reload") => Some(Reload { action: "reload", fixed: named(&|one| one.unique) }),
            _ => None,
        };
        let private = named(&|one| one.private);
        let secret = match private.is_empty() {
            true => named(&|one| digest::SECRET_BY_DEFAULT.contains(&one.name.as_str())),
            false => private,
        };
        Traits { reload, secret }
    }

    /// Adds to a result what is known of the parameters that it was got with.
    fn add_to(&self, result: &mut OpResult, parameters: &Parameters) {
        if let Some(Reload { fixed, .. }) = self.reload.as_ref().filter(|_| result.interval_ms == 0) {
            let names: Vec<&str> = fixed.iter().map(String::as_str).collect();
            result.restart = Some((list(fixed), digest::restart(parameters, 0, &names)));
        }
        if !self.secret.is_empty() {
            let names: Vec<&str> = self.secret.iter().map(String::as_str).collect();
            result.secure = Some((list(&self.secret), digest::secure(parameters, 0, &names)));
        }
    }
}

/// Names as history has them: a blank before and behind each.
fn list(names: &[String]) -> String {
    if names.is_empty() { String::new() } else { format!(" {} ", names.join(" ")) }
}

/// Whether history keeps more of such an operation than the digest of all parameters. Other classes of agents have none.
fn matters(class: &str, operation: &str) -> bool {
    const OPERATIONS: [&str; 8] =
        ["start", "monitor", "promote", "reload", "reload-agent", "migrate_to", "migrate_from", "notify"];
    matches!(class, "ocf" | "stonith") && OPERATIONS.contains(&operation)
}

impl Descriptions {
    /// An order has come: the agent that is to be asked what it is. At each start again, for it may be another version.
    pub fn wanted(&mut self, order: &RunOrder) -> Option<Agent> {
        if order.cancels.is_some() || !matters(&order.resource.class, &order.operation) {
            return None;
        }
        let agent = agent_of(order);
        let known = self.agents.entry(agent.clone()).or_default();
        let ask = !known.asked && (known.told.is_none() || order.operation == "start");
        known.asked |= ask;
        ask.then_some(agent)
    }

    /// The word by which the agent knows the action of an order.
    pub fn action<'o>(&self, order: &'o RunOrder) -> &'o str {
        match order.operation.as_str() {
            "reload-agent" => {
                let known = self.agents.get(&agent_of(order)).and_then(|known| known.told.as_ref());
                known.and_then(|told| told.reload.as_ref()).map_or("reload-agent", |reload| reload.action)
            }
            other => other,
        }
    }

    /// What the executor tells of an operation, unless it must wait for the agent's description.
    pub fn hold(&mut self, agent: &Agent, command: Command) -> Option<Command> {
        match self.agents.get_mut(agent) {
            Some(known) if known.asked && (known.told.is_none() || !known.held.is_empty()) => {
                known.held.push_back(command);
                None
            }
            _ => Some(command),
        }
    }

    /// Adds to a result what is known of the parameters that it was got with.
    pub fn complete(&self, result: &mut OpResult, parameters: &Parameters) {
        let agent = Agent { class: result.class.clone(), provider: result.provider.clone(), kind: result.kind.clone() };
        let told = self.agents.get(&agent).and_then(|known| known.told.as_ref());
        if let Some(told) = told.filter(|_| matters(&result.class, &result.operation)) {
            told.add_to(result, parameters);
        }
    }

    /// An agent has said what it is, or did not: what waited for it, and what to tell the operator.
    pub fn described(
        &mut self,
        agent: &Agent,
        metadata: Result<&Metadata, &str>,
    ) -> (VecDeque<Command>, Option<String>) {
        let Some(known) = self.agents.get_mut(agent) else { return (VecDeque::new(), None) };
        known.asked = false;
        let complaint = match metadata {
            Ok(metadata) => {
                known.told = Some(Traits::of(metadata));
                known.complained = false;
                None
            }
            Err(reason) => (!std::mem::replace(&mut known.complained, true)).then(|| {
                format!(
                    "{agent} does not describe itself: {reason}; its resources are restarted when any of their \
                     parameters changes"
                )
            }),
        };
        (std::mem::take(&mut known.held), complaint)
    }
}

/// The agent of an order's resource.
pub(crate) fn agent_of(order: &RunOrder) -> Agent {
    let resource = &order.resource;
    Agent { class: resource.class.clone(), provider: resource.provider.clone(), kind: resource.kind.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agent() -> Agent {
        Agent { class: "ocf".into(), provider: Some("x".into()), kind: "y".into() }
    }

    fn order(operation: &str) -> RunOrder {
        let (id, to) = (wire::OrderId { coordinator: "c".into(), transition: 1, number: 1 }, 1);
        let resource =
            wire::Resource { id: "web".into(), class: "ocf".into(), provider: Some("x".into()), kind: "y".into() };
        RunOrder {
            id,
            to,
            quorate: true,
            node: "a".into(),
            resource,
            operation: operation.into(),
            interval_ms: 0,
            cancels: None,
            timeout_ms: 1,
            start_delay_ms: 0,
            target_rc: 0,
            parameters: parameters(),
        }
    }

    fn parameters() -> Parameters {
        [("ip", "1"), ("mode", "2"), ("secret", "3"), ("CRM_meta_timeout", "20000")]
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }

    fn metadata(version: &str, action: &str, secret: &str) -> Metadata {
        let text = format!(
            "<resource-agent name='y'>{version}<parameters><parameter name='ip' unique='1'/>\
             <parameter name='mode' reloadable='1'/><parameter name='{secret}'/><parameter name='secret' private='1'/>\
             </parameters><actions><action name='start' timeout='20s'/>{action}</actions></resource-agent>"
        );
        Metadata::parse(&text).unwrap()
    }

    /// `op-force-restart` and `op-secure-params` of a start's result with such an agent.
    fn lists(metadata: &Metadata) -> (Option<String>, Option<String>) {
        let mut all = Descriptions::default();
        assert_eq!(all.wanted(&order("start")), Some(agent()));
        assert_eq!(all.described(&agent(), Ok(metadata)), (VecDeque::new(), None));
        let result = completed(&all, "start", 0);
        let (restart, secure) = (result.restart.clone(), result.secure.clone());
        if let Some((list, digest)) = &restart {
            let names: Vec<&str> = list.split(' ').collect();
            assert_eq!(*digest, digest::restart(&parameters(), 0, &names));
        }
        (restart.map(|(list, _)| list), secure.map(|(list, _)| list))
    }

    #[test]
    fn which_parameters_need_a_restart_and_which_are_secret() {
        let (new, old) = ("<version>1.1</version>", "<version>1.0</version>");
        let (reload, reload_agent) =
            ("<action name='reload' timeout='1'/>", "<action name='reload-agent' timeout='1'/>");
        let some = |text: &str| Some(text.to_owned());
        let secret = some(" secret ");
        for (version, action, restart) in [
            (new, reload_agent, some(" ip user secret ")),
            (new, reload, None),
            (old, reload, some(" ip ")),
            ("", reload, some(" ip ")),
            (old, reload_agent, None),
            (new, "", None),
        ] {
            assert_eq!(lists(&metadata(version, action, "user")), (restart, secret.clone()), "{version} {action}");
        }
        let plain = Metadata::parse(
            "<resource-agent name='y'><version>1.1</version><parameters><parameter name='password'/>\
             <parameter name='mode' reloadable='1'/></parameters><actions/></resource-agent>",
        );
        assert_eq!(lists(&plain.unwrap()), (None, some(" password ")));
        let all = Metadata::parse(
            "<resource-agent name='y'><version>1.1</version><parameters><parameter name='mode' reloadable='1'/>\
             </parameters><actions><action name='reload-agent' timeout='1'/></actions></resource-agent>",
        );
        assert_eq!(lists(&all.unwrap()), (some(""), None), "all can be reloaded");
    }

    fn completed(all: &Descriptions, operation: &str, interval_ms: u64) -> OpResult {
        let mut result = OpResult { operation: operation.into(), interval_ms, ..order(operation).answer() };
        all.complete(&mut result, &parameters());
        result
    }

    #[test]
    fn results_wait_in_their_order_and_only_the_first_time() {
        let told = |id| {
            let cancel = executor::Cancel { id, resource: "web".into(), action: "monitor".into(), interval_ms: 1 };
            Command::Cancelled { cancel, found: true }
        };
        let mut all = Descriptions::default();
        assert_eq!(all.wanted(&order("stop")), None);
        assert_eq!(all.hold(&agent(), told(1)), Some(told(1)), "nobody was asked");
        assert_eq!(all.wanted(&order("start")), Some(agent()));
        assert_eq!(all.wanted(&order("start")), None, "it was asked");
        assert_eq!(all.hold(&agent(), told(2)), None);
        assert_eq!(all.hold(&agent(), told(3)), None);
        let new = metadata("<version>1.1</version>", "<action name='reload-agent' timeout='1'/>", "user");
        assert_eq!(all.described(&agent(), Ok(&new)), (VecDeque::from([told(2), told(3)]), None));
        assert_eq!(all.wanted(&order("monitor")), None);
        assert_eq!(all.wanted(&order("start")), Some(agent()), "it may be another version");
        assert_eq!(all.hold(&agent(), told(4)), Some(told(4)), "what is known serves meanwhile");
        let stop = completed(&all, "stop", 0);
        assert!(stop.restart.is_none() && stop.secure.is_none());
        let monitor = completed(&all, "monitor", 10_000);
        assert!(monitor.restart.is_none() && monitor.secure.is_some(), "a monitor is done anew, not reloaded");
        assert!(completed(&all, "monitor", 0).restart.is_some(), "a probe may stand for a start");
    }

    #[test]
    fn who_does_not_describe_itself_is_told_of_once() {
        let mut all = Descriptions::default();
        all.wanted(&order("start"));
        assert!(all.described(&agent(), Err("it is not there")).1.unwrap().contains("it is not there"));
        assert_eq!(all.wanted(&order("monitor")), Some(agent()), "it is asked again");
        assert_eq!(all.described(&agent(), Err("it is not there")).1, None);
    }

    #[test]
    fn agents_of_old_know_the_action_by_another_word() {
        let mut all = Descriptions::default();
        assert_eq!(all.action(&order("reload-agent")), "reload-agent");
        all.wanted(&order("start"));
        let old = metadata("<version>1.0</version>", "<action name='reload' timeout='1'/>", "user");
        all.described(&agent(), Ok(&old));
        assert_eq!(all.action(&order("reload-agent")), "reload");
        assert_eq!(all.action(&order("start")), "start");
    }
}
