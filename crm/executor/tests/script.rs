//! Runs the scripts of events in `tests/conformance/cases/executor` against the machine.
//! What the steps are called is in `carry_out`; their form is in the included file.
#![allow(clippy::disallowed_methods, reason = "a test may ask the environment whether to rewrite its answers")]

#[path = "../../../tests/conformance/src/script.rs"]
mod script;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use executor::{Agent, Cancel, Command, End, Event, Executor, Operation, Output, RunId};
use script::Step;

#[test]
fn scripts() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/conformance/cases/executor");
    script::run_folder(&folder, || {
        let mut shell = Shell { executor: Executor::new(4, 1), now: Duration::ZERO };
        move |step| shell.carry_out(step)
    });
}

struct Shell {
    executor: Executor,
    now: Duration,
}

impl Shell {
    fn carry_out(&mut self, step: &Step) -> String {
        let event = match step.word(0) {
            "limit" => {
                self.executor = Executor::new(step.number(1) as usize, 1);
                return "ok".into();
            }
            "run" => Event::Run(operation(step)),
            "cancel" => Event::Cancel(Cancel {
                id: step.number(1),
                resource: step.word(2).into(),
                action: step.word(3).into(),
                interval_ms: milliseconds(step.word(4)),
            }),
            "forget" => Event::Forget { resource: step.word(1).into() },
            "end" => Event::Ended { run: RunId(step.number(1)), end: end(step) },
            "drain" => Event::Drain,
            "at" => return self.advance(Duration::from_millis(milliseconds(step.word(1)).into())),
            "state" => return self.state(),
            other => panic!("no step is called {other}"),
        };
        self.handle(event)
    }

    fn handle(&mut self, event: Event) -> String {
        self.executor.handle(self.now, event);
        let commands: Vec<String> = std::iter::from_fn(|| self.executor.poll()).map(|command| show(&command)).collect();
        if commands.is_empty() { "nothing".into() } else { commands.join("\n") }
    }

    /// Lets time pass and tells the machine each time it asked for.
    fn advance(&mut self, to: Duration) -> String {
        let mut lines = Vec::new();
        while let Some(deadline) = self.executor.deadline().filter(|deadline| *deadline <= to) {
            self.now = deadline;
            let answer = self.handle(Event::Timeout);
            lines.extend(answer.lines().map(|line| format!("[{}] {line}", time(self.now))));
        }
        self.now = to;
        if lines.is_empty() { "nothing".into() } else { lines.join("\n") }
    }

    fn state(&self) -> String {
        let mut lines = vec![format!("idle: {}", self.executor.is_idle())];
        for run in self.executor.in_flight() {
            let stuck = if run.stuck { " stuck" } else { "" };
            lines.push(format!("run {}: {} since {}{stuck}", run.run.0, name(run.operation), time(run.since)));
        }
        for recurring in self.executor.recurring() {
            let next = recurring.next.map_or_else(|| "now".into(), time);
            let last = recurring.last.map_or_else(|| "none".into(), |(status, rc)| format!("{status:?} rc={rc}"));
            lines.push(format!("recurring {}: last {last}, next {next}", name(recurring.operation)));
        }
        lines.join("\n")
    }
}

fn operation(step: &Step) -> Operation {
    let duration = |name| step.value(name).map_or(0, milliseconds);
    let class = step.value("class").unwrap_or("ocf");
    Operation {
        id: step.number(1),
        resource: step.word(2).into(),
        agent: Agent {
            class: class.into(),
            provider: (class == "ocf").then(|| "heartbeat".into()),
            kind: if class == "stonith" { "fence_ipmilan".into() } else { "Dummy".into() },
        },
        action: step.word(3).into(),
        interval_ms: duration("interval"),
        timeout_ms: duration("timeout"),
        start_delay_ms: duration("start-delay"),
        parameters: BTreeMap::new(),
        target_rc: 0,
    }
}

fn end(step: &Step) -> End {
    let output = Output { stdout: String::new(), stderr: step.value("stderr").unwrap_or_default().into() };
    if let Some(code) = step.value("script") {
        return End::InitScript { code: code.parse().expect("a number"), output };
    }
    match (step.value("exit"), step.value("signal"), step.value("missing"), step.value("failed")) {
        (Some(code), ..) => End::Exited { code: code.parse().expect("a number"), output },
        (_, Some(signal), ..) => End::Signalled { signal: signal.parse().expect("a number"), output },
        (_, _, Some(reason), _) => End::NotStarted { reason: reason.into(), missing: true },
        (_, _, _, Some(reason)) => End::NotStarted { reason: reason.into(), missing: false },
        _ => panic!("end needs one of exit=, script=, signal=, missing=, failed="),
    }
}

fn show(command: &Command) -> String {
    match command {
        Command::Spawn { run, operation } => format!("spawn {}: {}", run.0, name(operation)),
        Command::Signal { run, signal } => format!("signal {}: {signal:?}", run.0),
        Command::Report(outcome) => {
            let reason =
                if outcome.exit_reason.is_empty() { String::new() } else { format!(": {}", outcome.exit_reason) };
            format!(
                "report {} ({}, call {}): {:?} rc={} queued={} ran={}{reason}",
                outcome.operation.id,
                name(&outcome.operation),
                outcome.call_id,
                outcome.status,
                outcome.rc,
                time(Duration::from_millis(outcome.queued_ms)),
                time(Duration::from_millis(outcome.ran_ms)),
            )
        }
        Command::Cancelled { cancel, found } => format!(
            "cancelled {} ({} {} {}): {}",
            cancel.id,
            cancel.resource,
            cancel.action,
            time(Duration::from_millis(cancel.interval_ms.into())),
            if *found { "it was there" } else { "it was not there" }
        ),
    }
}

fn name(operation: &Operation) -> String {
    match operation.interval_ms {
        0 => format!("{} {}", operation.resource, operation.action),
        interval => {
            format!("{} {} {}", operation.resource, operation.action, time(Duration::from_millis(interval.into())))
        }
    }
}

fn time(duration: Duration) -> String {
    match duration.as_millis() {
        whole if whole % 1000 == 0 => format!("{}s", whole / 1000),
        other => format!("{other}ms"),
    }
}

fn milliseconds(text: &str) -> u32 {
    let milliseconds = ocf::duration_ms(text).unwrap_or_else(|| panic!("{text} is not a length of time"));
    milliseconds.try_into().expect("scripts are short")
}
