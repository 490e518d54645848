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
        let mut shell = Shell { executor: Executor::new(4, 1), now: Duration::ZERO, agents_watch: false };
        move |step| shell.carry_out(step)
    });
}

struct Shell {
    executor: Executor,
    now: Duration,
    /// As a rule agents know no watching.
    agents_watch: bool,
}

/// The number of the first watcher; scripts call it w1.
const FIRST_WATCHER: u64 = (1 << 48) + 1;

impl Shell {
    fn carry_out(&mut self, step: &Step) -> String {
        let event = match step.word(0) {
            "limit" => {
                self.executor = Executor::new(step.number(1) as usize, 1);
                return "ok".into();
            }
            "agents-watch" => {
                self.agents_watch = true;
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
            "watching" => Event::Watching { run: run(step) },
            "examined" => {
                Event::Examined { run: run(step), evidence: step.value("evidence").unwrap_or_default().into() }
            }
            "end" => Event::Ended { run: run(step), end: end(step) },
            "drain" => Event::Drain,
            "at" => return self.advance(Duration::from_millis(milliseconds(step.word(1)).into())),
            "state" => return self.state(),
            other => panic!("no step is called {other}"),
        };
        self.handle(event)
    }

    fn handle(&mut self, event: Event) -> String {
        self.executor.handle(self.now, event);
        let mut commands = Vec::new();
        while let Some(command) = self.executor.poll() {
            match command {
                Command::Watch { run, .. } if !self.agents_watch => {
                    let end = End::NotStarted { reason: "it knows no watching".into(), missing: true };
                    self.executor.handle(self.now, Event::Ended { run, end });
                }
                command => commands.push(show(&command)),
            }
        }
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

/// `3` is the third run, `w3` the third watcher.
fn run(step: &Step) -> RunId {
    let word = step.word(1);
    let number = |text: &str| text.parse::<u64>().expect("a number");
    RunId(word.strip_prefix('w').map_or_else(|| number(word), |text| FIRST_WATCHER - 1 + number(text)))
}

fn shown(run: RunId) -> String {
    if run.0 < FIRST_WATCHER { run.0.to_string() } else { format!("w{}", run.0 - FIRST_WATCHER + 1) }
}

fn operation(step: &Step) -> Operation {
    let duration = |name| step.value(name).map_or(0, milliseconds);
    let class = step.value("class").unwrap_or("ocf");
    let parameter = |name: &'static str, word: &str| Some((name.to_owned(), step.value(word)?.to_owned()));
    let parameters: BTreeMap<String, String> = [
        parameter("CRM_meta_ask_again", "ask-again"),
        parameter("OCF_CHECK_LEVEL", "depth"),
        parameter("pcmk_monitor_retries", "retries"),
    ]
    .into_iter()
    .flatten()
    .collect();
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
        parameters,
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
        Command::Watch { run, operation } => format!("watch {}: {}", shown(*run), name(operation)),
        Command::Examine { run } => format!("examine {}", shown(*run)),
        Command::AskedAgain { operation, reason } => format!("again {}: {reason}", name(operation)),
        Command::Signal { run, signal } => format!("signal {}: {signal:?}", shown(*run)),
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
