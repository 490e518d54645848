//! Runs the scripts of events in `tests/conformance/cases/fencer` against the machine.
//! What the steps are called is in `carry_out`; their form is in the included file.
#![allow(clippy::disallowed_methods, reason = "a test may ask the environment whether to rewrite its answers")]

#[path = "../../../tests/conformance/src/script.rs"]
mod script;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use fencer::{
    Action, Command, DESCRIBE_RUNS, Device, Errand, ErrandEnd, Event, Failure, Fencer, Level, RunId, Success, Target,
    TargetMatch,
};
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
            "peers" => self.handle(Event::Peers { me: step.word(1).into(), others: step.words[2..].to_vec() }),
            "describe" => self.handle(Event::Ended {
                run: RunId(DESCRIBE_RUNS + step.number(1)),
                code: 0,
                stdout: metadata(step),
                stderr: String::new(),
            }),
            "errand" => self.handle(Event::Errand {
                from: step.word(1).into(),
                number: step.number(2),
                errand: Errand {
                    device: step.word(3).into(),
                    target: target(step.word(4)),
                    action: action(step.word(5)),
                    device_timeout: Duration::from_secs(60),
                },
            }),
            "answer" => self.handle(Event::ErrandEnded {
                from: step.word(1).into(),
                number: step.number(2),
                end: match step.word(3) {
                    "done" => ErrandEnd::Done,
                    "unfit" => ErrandEnd::Unfit("does not list the node".into()),
                    _ => ErrandEnd::Failed("exited with 1".into()),
                },
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
        let mut commands = Vec::new();
        while let Some(command) = self.fencer.poll() {
            match command {
                // `fence_test` says nothing of itself, unless a script gives it words.
                Command::Spawn { run, agent, .. } if run.0 >= DESCRIBE_RUNS && agent == "fence_test" => {
                    self.fencer
                        .handle(self.now, Event::Ended { run, code: 1, stdout: String::new(), stderr: String::new() });
                }
                command => commands.push(show(command)),
            }
        }
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
    let ours = |name: &str| matches!(name, "agent" | "banned");
    let parameters = step.pairs.iter().filter(|(name, _)| !ours(name)).cloned().collect();
    Device {
        name: step.word(1).into(),
        agent: step.value("agent").unwrap_or("fence_test").into(),
        parameters,
        allowed_here: step.value("banned").is_none(),
    }
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
        action: action(step.word(3)),
        device_timeout: step.value("device-timeout").map_or(Duration::from_secs(60), seconds),
        timeout: step.value("timeout").map_or(Duration::from_secs(300), seconds),
        delay: step.value("delay").map_or(Duration::ZERO, seconds),
        watchdog: step.value("watchdog").map(seconds).ok_or_else(|| "none is armed".into()),
        seed: 1,
    }
}

/// `describe N argument=plug off status on:automatic`: what an agent says of itself.
fn metadata(step: &Step) -> String {
    let argument = step.value("argument").map(|name| format!("<parameter name=\"{name}\"/>"));
    let actions = step.words[2..].iter().map(|word| {
        let mut words = word.split(':');
        let name = words.next().unwrap_or_default();
        let set: String = words.map(|word| format!(" {word}=\"1\"")).collect();
        format!("<action name=\"{name}\"{set}/>")
    });
    argument.into_iter().chain(actions).collect()
}

fn action(word: &str) -> Action {
    let all = [Action::Reboot, Action::Off, Action::On];
    all.into_iter().find(|action| action.word() == word).expect("reboot, off or on")
}

fn target(name: &str) -> Target {
    Target { name: name.into(), id: None, attributes: BTreeMap::new() }
}

fn show(command: Command) -> String {
    match command {
        Command::Spawn { run, agent, .. } if run.0 >= DESCRIBE_RUNS => {
            format!("describe {}: {agent}", run.0 - DESCRIBE_RUNS)
        }
        Command::Errand { to, number, errand } => {
            format!("errand {number} for {to}: {} {} {}", errand.device, errand.action.word(), errand.target.name)
        }
        Command::ErrandEnded { to, number, end } => format!("tell {to}: errand {number}: {end:?}"),
        Command::Spawn { run, device, options, .. } => {
            let options: Vec<String> = options.iter().map(|(name, value)| format!("{name}={value}")).collect();
            format!("spawn {}: {device}: {}", run.0, options.join(" "))
        }
        Command::Kill { run } if run.0 >= DESCRIBE_RUNS => format!("kill description {}", run.0 - DESCRIBE_RUNS),
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
