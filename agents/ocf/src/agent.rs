//! What one writes to make an agent, and how a call of it is carried out. What reads the process's environment and
//! prints the answer is left to the program.

use std::fmt;

use crate::environment::Environment;
use crate::exit_code::ExitCode;
use crate::metadata::Metadata;
use crate::words::boolean;

/// What a monitor found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Status {
    /// Running (a promotable one: unpromoted).
    Running,
    /// Cleanly stopped.
    Stopped,
    /// Running and promoted.
    Promoted,
    /// Running, but about to fail or serving less well.
    Degraded,
    /// Promoted, and degraded as above.
    DegradedPromoted,
}

impl Status {
    /// The exit status that says so.
    pub fn exit_code(self) -> ExitCode {
        match self {
            Status::Running => ExitCode::Ok,
            Status::Stopped => ExitCode::NotRunning,
            Status::Promoted => ExitCode::RunningPromoted,
            Status::Degraded => ExitCode::Degraded,
            Status::DegradedPromoted => ExitCode::DegradedPromoted,
        }
    }
}

/// An action that did not succeed: what the resource manager is told, and why.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// The exit status.
    pub code: ExitCode,
    /// What was expected, where, and what to do: the exit reason.
    pub reason: String,
}

impl Failure {
    /// A failure with its reason.
    pub fn new(code: ExitCode, reason: impl Into<String>) -> Self {
        Failure { code, reason: reason.into() }
    }

    /// Something went wrong; trying again may help.
    pub fn error(reason: impl Into<String>) -> Self {
        Self::new(ExitCode::Error, reason)
    }

    /// The configuration is wrong on whatever host.
    pub fn not_configured(reason: impl Into<String>) -> Self {
        Self::new(ExitCode::NotConfigured, reason)
    }

    /// Something that is needed is not on this host.
    pub fn not_installed(reason: impl Into<String>) -> Self {
        Self::new(ExitCode::NotInstalled, reason)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.reason)
    }
}

/// One call of an agent: its environment, and the agent's defaults for what the environment does not say.
#[derive(Clone, Debug)]
pub struct Context {
    /// The environment of the call.
    pub environment: Environment,
    metadata: Metadata,
}

impl Context {
    /// A call of the agent with this metadata.
    pub fn new(environment: Environment, metadata: Metadata) -> Self {
        Context { environment, metadata }
    }

    /// The value of a parameter, or its default; `""` if there is neither. An empty value counts as not given, as
    /// shell agents have it.
    pub fn parameter(&self, name: &str) -> &str {
        let given = self.given(name);
        let default = || self.metadata.parameter(name).and_then(|parameter| parameter.content.default.as_deref());
        given.or_else(default).unwrap_or("")
    }

    /// The value of a parameter, if it was given: for defaults that depend on the resource.
    pub fn given(&self, name: &str) -> Option<&str> {
        self.environment.parameters.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    /// A parameter that must be given.
    pub fn required(&self, name: &str) -> Result<&str, Failure> {
        match self.parameter(name) {
            "" => Err(Failure::not_configured(format!(
                "parameter {name} is not set: it is required; set it in the resource's instance attributes"
            ))),
            value => Ok(value),
        }
    }

    /// A parameter that says yes or no.
    pub fn boolean(&self, name: &str) -> Result<bool, Failure> {
        boolean(self.parameter(name)).ok_or_else(|| self.wrong(name, "true or false"))
    }

    /// A parameter that is a whole number not below `least`.
    pub fn number(&self, name: &str, least: u64) -> Result<u64, Failure> {
        let value = self.parameter(name).parse().ok().filter(|number| *number >= least);
        value.ok_or_else(|| self.wrong(name, &format!("a whole number of at least {least}")))
    }

    /// The failure that says that a parameter has a value it cannot have.
    pub fn wrong(&self, name: &str, expected: &str) -> Failure {
        Failure::not_configured(format!("parameter {name} is {:?}; expected {expected}", self.parameter(name)))
    }
}

/// A resource agent.
///
/// Every action must be able to be called twice, and in any state: a start of what runs and a stop of what is
/// stopped succeed without doing anything. A start returns when the resource serves, a stop when nothing of it is
/// left.
pub trait Agent {
    /// What the agent is, and what can be configured.
    fn metadata(&self) -> Metadata;

    /// May an action hang in the kernel for ever, because of a device or a server that went away? Then it is done in a
    /// process of its own, and the answer is given in time whatever becomes of that.
    fn may_hang(&self) -> bool {
        false
    }

    /// Makes it run.
    fn start(&self, call: &Context) -> Result<(), Failure>;

    /// Makes it not run.
    fn stop(&self, call: &Context) -> Result<(), Failure>;

    /// Looks whether it runs. `Ok` for what is known for sure; running badly is a [`Failure`].
    fn monitor(&self, call: &Context) -> Result<Status, Failure>;

    /// Looks whether the configuration can work, without looking at this host unless the check level says so.
    fn validate(&self, call: &Context) -> Result<(), Failure>;

    /// Stays, and returns the result of a monitor as soon as it is another than `Running`: the action `watch`, beyond
    /// the contract. Calls `armed` once, when nothing that happens from then on can be missed and all is well. Returns
    /// `Running` when it is told to end; `None` if the agent cannot watch.
    fn watch(&self, _call: &Context, _armed: &mut dyn FnMut()) -> Option<Result<Status, Failure>> {
        None
    }

    /// What would keep a stop from working now, one thing a line: the action `stop-check`, beyond the contract. Changes
    /// nothing. `None` if the agent cannot tell.
    fn stop_check(&self, _call: &Context) -> Option<Result<Vec<String>, Failure>> {
        None
    }

    /// Any other action; `None` if the agent does not know it.
    fn other(&self, _action: &str, _call: &Context) -> Option<Result<(), Failure>> {
        None
    }
}

/// What an agent says on standard output when its `watch` is armed.
pub const WATCHING: &str = "watching";

/// The answer of an agent: exit status, and what goes to standard output and as the exit reason to standard error.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// The exit status.
    pub code: ExitCode,
    /// For standard output.
    pub output: String,
    /// For standard error, with the mark in front.
    pub reason: Option<String>,
}

/// Carries out the action that the environment names. `say` writes a line to standard output at once; only an action
/// that stays needs it.
pub fn run(agent: &dyn Agent, environment: Environment, say: &mut dyn FnMut(&str)) -> Outcome {
    let metadata = agent.metadata();
    let said = |code, output: String| Outcome { code, output, reason: None };
    let action = environment.action.clone();
    match action.as_str() {
        "meta-data" => return said(ExitCode::Ok, metadata.to_xml()),
        "usage" | "help" => return said(ExitCode::Ok, usage(&metadata)),
        _ => {}
    }
    let call = Context::new(environment, metadata);
    let result = match action.as_str() {
        "start" => agent.start(&call).map(|()| Status::Running),
        "stop" => agent.stop(&call).map(|()| Status::Running),
        "monitor" | "status" => agent.monitor(&call),
        "validate-all" => agent.validate(&call).map(|()| Status::Running),
        "watch" => agent.watch(&call, &mut || say(WATCHING)).unwrap_or_else(|| Err(unknown(&call, "watch"))),
        "stop-check" => match agent.stop_check(&call) {
            Some(Ok(lines)) => return said(ExitCode::Ok, lines.iter().map(|line| format!("{line}\n")).collect()),
            Some(Err(failure)) => Err(failure),
            None => Err(unknown(&call, "stop-check")),
        },
        other => match agent.other(other, &call) {
            Some(result) => result.map(|()| Status::Running),
            None => Err(unknown(&call, other)),
        },
    };
    match result {
        // OCF has no text for it, but people who call `status` by hand expect a word.
        Ok(status) if action == "status" => {
            said(status.exit_code(), if status == Status::Stopped { "stopped\n" } else { "running\n" }.into())
        }
        Ok(status) => said(status.exit_code(), String::new()),
        Err(failure) => Outcome { code: failure.code, output: String::new(), reason: Some(failure.reason) },
    }
}

fn unknown(call: &Context, action: &str) -> Failure {
    let usage = usage(&call.metadata);
    Failure::new(
        ExitCode::Unimplemented,
        format!("{} does not know the action {action:?}; {}", call.metadata.name, usage.trim_end()),
    )
}

fn usage(metadata: &Metadata) -> String {
    let mut names: Vec<&str> = Vec::new();
    for action in &metadata.actions {
        if !names.contains(&action.name.as_str()) {
            names.push(&action.name);
        }
    }
    format!("usage: {} {{{}}}\n", metadata.name, names.join("|"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::{ActionMetadata, Parameter};

    struct Lamp;

    impl Agent for Lamp {
        fn metadata(&self) -> Metadata {
            Metadata {
                name: "Lamp".into(),
                parameters: vec![
                    Parameter::new("lit", "boolean", "", "").default_value("no"),
                    Parameter::new("watt", "integer", "", "").required(),
                ],
                actions: vec![ActionMetadata::new("start", "1s"), ActionMetadata::new("monitor", "1s")],
                ..Metadata::default()
            }
        }
        fn start(&self, call: &Context) -> Result<(), Failure> {
            call.number("watt", 1).map(drop)
        }
        fn stop(&self, _: &Context) -> Result<(), Failure> {
            Ok(())
        }
        fn monitor(&self, call: &Context) -> Result<Status, Failure> {
            Ok(if call.boolean("lit")? { Status::Running } else { Status::Stopped })
        }
        fn validate(&self, call: &Context) -> Result<(), Failure> {
            call.required("watt").map(drop)
        }
        fn other(&self, action: &str, _: &Context) -> Option<Result<(), Failure>> {
            (action == "reload-agent").then_some(Ok(()))
        }
    }

    #[test]
    fn calls() {
        let cases = [
            ("start watt=40", "ok (0)", "", ""),
            ("start", "not configured (6)", "", "parameter watt is \"\"; expected a whole number of at least 1"),
            (
                "start watt=0",
                "not configured (6)",
                "",
                "parameter watt is \"0\"; expected a whole number of at least 1",
            ),
            ("stop", "ok (0)", "", ""),
            ("monitor", "not running (7)", "", ""),
            ("monitor lit=on", "ok (0)", "", ""),
            ("monitor lit=perhaps", "not configured (6)", "", "parameter lit is \"perhaps\"; expected true or false"),
            ("status lit=on", "ok (0)", "running\n", ""),
            ("status", "not running (7)", "stopped\n", ""),
            ("validate-all watt=1", "ok (0)", "", ""),
            (
                "validate-all",
                "not configured (6)",
                "",
                "parameter watt is not set: it is required; set it in the resource's instance attributes",
            ),
            ("usage", "ok (0)", "usage: Lamp {start|monitor}\n", ""),
            ("reload-agent", "ok (0)", "", ""),
            (
                "watch",
                "unimplemented feature (3)",
                "",
                "Lamp does not know the action \"watch\"; usage: Lamp {start|monitor}",
            ),
            (
                "dance",
                "unimplemented feature (3)",
                "",
                "Lamp does not know the action \"dance\"; usage: Lamp {start|monitor}",
            ),
        ];
        for (line, code, output, reason) in cases {
            let mut words = line.split(' ');
            let mut environment = Environment::new("l", "test", "Lamp", words.next().unwrap());
            environment.add_attributes(words.filter_map(|word| word.split_once('=')));
            let outcome = run(&Lamp, environment, &mut |line| panic!("{line}"));
            let expected = Some(reason.to_owned()).filter(|reason| !reason.is_empty());
            assert_eq!((outcome.code.to_string().as_str(), outcome.output.as_str()), (code, output), "{line}");
            assert_eq!(outcome.reason, expected, "{line}");
        }
    }
}
