//! Runs the scripts of events in `tests/conformance/cases/fencer` against the machine.
//! What the steps are called is in `carry_out`; their form is in the included file.
#![allow(clippy::disallowed_methods, reason = "a test may ask the environment whether to rewrite its answers")]

#[path = "../../../tests/conformance/src/script.rs"]
mod script;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use fencer::{Action, Command, Device, Event, Failure, Fencer, Level, RunId, Success, Target, TargetMatch};
use script::Step;

#[test]
fn scripts() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/conformance/cases/fencer");
    script::run_folder(&folder, || {
        let mut shell = Shell::default();
        move |step| shell.carry_out(step)
    });
}

#[derive(Default)]
struct Shell {
    fencer: Fencer,
    devices: Vec<Device>,
    levels: Vec<Level>,
    now: Duration,
}

impl Shell {
    fn carry_out(&mut self, step: &Step) -> String {
        match step.word(0) {
            "device" => {
                self.devices.retain(|device| device.name != step.word(1));
                self.devices.push(device(step));
                self.configure()
            }
            "remove" => {
                self.devices.retain(|device| device.name != step.word(1));
                self.configure()
            }
            "level" => {
                self.levels.push(level(step));
                self.configure()
            }
            "fence" => self.handle(fence(step)),
            "end" => self.handle(Event::Ended {
                run: RunId(step.number(1)),
                code: step.number(2) as i32,
                stdout: step.value("stdout").unwrap_or_default().into(),
                stderr: step.value("stderr").unwrap_or_default().into(),
            }),
            "at" => self.advance(seconds(step.word(1))),
            "history" => self.history(),
            "active" => self.active(),
            "problems" => self.fencer.problems().join("\n"),
            other => panic!("no step is called {other}"),
        }
    }

    fn configure(&mut self) -> String {
        self.handle(Event::Configure { devices: self.devices.clone(), levels: self.levels.clone() })
    }

    fn handle(&mut self, event: Event) -> String {
        self.fencer.handle(self.now, event);
        let commands: Vec<String> = std::iter::from_fn(|| self.fencer.poll()).map(show).collect();
        if commands.is_empty() { "nothing".into() } else { commands.join("\n") }
    }

    /// Lets time pass and tells the machine each time it asked for.
    fn advance(&mut self, to: Duration) -> String {
        let mut lines = Vec::new();
        while let Some(deadline) = self.fencer.deadline().filter(|deadline| *deadline <= to) {
            self.now = deadline;
            let answer = self.handle(Event::Timeout);
            lines.extend(answer.lines().map(|line| format!("[{}s] {line}", self.now.as_secs())));
        }
        self.now = to;
        if lines.is_empty() { "nothing".into() } else { lines.join("\n") }
    }

    fn history(&self) -> String {
        let records = self.fencer.history().map(|record| {
            let (action, target) = (record.action.word(), &record.target);
            let (started, ended) = (record.started.as_secs(), record.ended.as_secs());
            format!("{action} {target} {started}s to {ended}s: {}", result(&record.result))
        });
        records.collect::<Vec<_>>().join("\n")
    }

    fn active(&self) -> String {
        let active = self.fencer.active().map(|view| {
            let device = view.device.unwrap_or("none");
            format!("{} {} since {}s, device {device}", view.action.word(), view.target, view.since.as_secs())
        });
        active.collect::<Vec<_>>().join("\n")
    }
}

fn device(step: &Step) -> Device {
    let parameters = step.pairs.iter().cloned().collect();
    Device { name: step.word(1).into(), agent: "fence_test".into(), parameters }
}

fn level(step: &Step) -> Level {
    let target = match (step.value("node"), step.value("pattern"), step.value("attribute")) {
        (Some(name), ..) => TargetMatch::Node(name.into()),
        (_, Some(pattern), _) => TargetMatch::Pattern(pattern.into()),
        (.., Some(attribute)) => {
            let (name, value) = attribute.split_once(':').expect("attribute=name:value");
            TargetMatch::Attribute { name: name.into(), value: value.into() }
        }
        _ => panic!("a level needs one of node=, pattern=, attribute="),
    };
    Level { target, index: step.number(1) as u32, devices: step.words[2..].to_vec() }
}

fn fence(step: &Step) -> Event {
    let attributes: BTreeMap<_, _> = step.pairs.iter().cloned().collect();
    Event::Fence {
        request: step.number(1),
        target: Target { name: step.word(2).into(), id: None, attributes },
        action: [Action::Reboot, Action::Off, Action::On]
            .into_iter()
            .find(|action| action.word() == step.word(3))
            .expect("reboot, off or on"),
        device_timeout: step.value("device-timeout").map_or(Duration::from_secs(60), seconds),
        timeout: step.value("timeout").map_or(Duration::from_secs(300), seconds),
        seed: 1,
    }
}

fn show(command: Command) -> String {
    match command {
        Command::Spawn { run, device, options, .. } => {
            let options: Vec<String> = options.iter().map(|(name, value)| format!("{name}={value}")).collect();
            format!("spawn {}: {device}: {}", run.0, options.join(" "))
        }
        Command::Kill { run } => format!("kill {}", run.0),
        Command::Done { request, result: end } => format!("done {request}: {}", result(&end)),
    }
}

fn result(result: &Result<Success, Failure>) -> String {
    match result {
        Ok(Success { devices, remarks }) if remarks.is_empty() => format!("by {}", devices.join(" ")),
        Ok(Success { devices, remarks }) => format!("by {} (but {})", devices.join(" "), remarks.join("; ")),
        Err(failure) => format!("failed: {failure}"),
    }
}

fn seconds(text: &str) -> Duration {
    let seconds = text.strip_suffix('s').and_then(|seconds| seconds.parse().ok());
    Duration::from_secs(seconds.unwrap_or_else(|| panic!("{text} is not a number of seconds like 20s")))
}
