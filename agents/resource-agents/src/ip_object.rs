//! IpObject: a route or a rule, in the words of ip(8), for all that the agent Route has no parameters for.

use ocf::{ActionMetadata, Agent, Context, Failure, Metadata, Parameter, Status};

use crate::bounded::Deadline;
use crate::command::{self, Ran};
use crate::people;

/// The agent.
pub struct IpObject;

impl Agent for IpObject {
    fn metadata(&self) -> Metadata {
        let action = ActionMetadata::new;
        let new = Parameter::new;
        Metadata {
            name: "IpObject".into(),
            version: "1.0".into(),
            ocf_version: Some("1.0".into()),
            shortdesc: "A route or a rule, in the words of ip(8)".into(),
            longdesc: "Adds a route or a rule as ip route add or ip rule add would be told, and takes it away again. One that \
                       is there already is taken for running."
                .into(),
            parameters: vec![
                new("kind", "string", "Kind", "route or rule.").default_value("route"),
                new("spec", "string", "Words", "What follows ip route add: default via 192.0.2.1 dev eth0 table 7.").required(),
            ],
            actions: vec![
                action("start", "20s"),
                action("stop", "20s"),
                action("monitor", "20s").every("10s", "0"),
                action("meta-data", "5s"),
                action("validate-all", "20s"),
            ],
            ..Metadata::default()
        }
    }

    fn start(&self, call: &Context) -> Result<(), Failure> {
        let object = Object::read(call)?;
        if object.is_there(call)? {
            return Ok(());
        }
        let ran = object.ip(call, "add", &object.words)?;
        if ran.is_good() { Ok(()) } else { Err(Failure::error(format!("ip {} add: {}", object.kind, ran.words()))) }
    }

    fn stop(&self, call: &Context) -> Result<(), Failure> {
        let object = Object::read(call)?;
        if !object.is_there(call)? {
            return Ok(());
        }
        let ran = object.ip(call, "del", &object.words)?;
        if ran.is_good() || !object.is_there(call)? {
            return Ok(());
        }
        Err(Failure::error(format!("ip {} del: {}", object.kind, ran.words())))
    }

    fn monitor(&self, call: &Context) -> Result<Status, Failure> {
        Ok(if Object::read(call)?.is_there(call)? { Status::Running } else { Status::Stopped })
    }

    fn validate(&self, call: &Context) -> Result<(), Failure> {
        Object::read(call).map(drop)
    }
}

struct Object {
    kind: &'static str,
    words: Vec<String>,
}

/// Words of a route that `ip route show` does not select by; each has a value behind it.
const NOT_SELECTED: &[&str] =
    &["mtu", "advmss", "initcwnd", "initrwnd", "weight", "onlink", "hoplimit", "window", "rtt"];

impl Object {
    fn read(call: &Context) -> Result<Object, Failure> {
        let kind = match call.parameter("kind") {
            "route" => "route",
            "rule" => "rule",
            _ => return Err(call.wrong("kind", "route or rule")),
        };
        let words = people::words(call.required("spec")?).map_err(|_| call.wrong("spec", "words for ip(8)"))?;
        Ok(Object { kind, words })
    }

    /// An address of IPv6 anywhere means its tables.
    fn family(&self) -> &'static str {
        if self.words.iter().any(|word| word.contains(':') && word != "inet6") { "-6" } else { "-4" }
    }

    fn ip(&self, call: &Context, verb: &str, words: &[String]) -> Result<Ran, Failure> {
        let program = command::need("ip", "iproute2")?;
        let mut arguments = vec![self.family().to_owned(), self.kind.to_owned(), verb.to_owned()];
        arguments.extend(words.iter().cloned());
        command::run(&program, &arguments, Deadline::of(call))
    }

    fn is_there(&self, call: &Context) -> Result<bool, Failure> {
        let ran = self.ip(call, "show", &self.selector())?;
        // A table that is not there yet has no route; ip says that as a failure.
        Ok(ran.is_good() && !ran.output.trim().is_empty())
    }

    /// What selects this one among all.
    fn selector(&self) -> Vec<String> {
        let mut selector = Vec::new();
        let mut words = self.words.iter().peekable();
        while let Some(word) = words.next() {
            match word.as_str() {
                "nexthop" => break,
                "onlink" => {}
                word if NOT_SELECTED.contains(&word) => drop(words.next()),
                _ => selector.push(word.clone()),
            }
        }
        if self.kind == "route" && selector.first().is_some_and(|word| word.contains(['.', ':'])) {
            selector.insert(0, "exact".to_owned());
        }
        selector
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_selects_a_route() {
        let selector = |kind, text: &str| Object { kind, words: people::words(text).unwrap() }.selector().join(" ");
        assert_eq!(
            selector("route", "10.0.0.0/8 via 10.1.0.1 mtu 1400 table 7"),
            "exact 10.0.0.0/8 via 10.1.0.1 table 7"
        );
        assert_eq!(selector("route", "default nexthop via 10.1.0.1 nexthop via 10.1.0.2"), "default");
        assert_eq!(selector("rule", "from 10.0.0.9 table 7"), "from 10.0.0.9 table 7");
    }
}
