//! `systole probe`: what a client sees of a service. It asks again and again, from any machine, and tells each silence; on a
//! host of the cluster it can tell the cluster too. What a silence is, is the crate `probe`'s affair.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::{Arg, ArgAction, ArgMatches, value_parser};
use jiff::Timestamp;
use probe::{Event, Histogram, Pace, Record, Silence, Target, Told};
use serde_json::json;
use tokio::sync::mpsc;
use wire::failover::Seen;
use wire::{AttributeChange, Dampening, Reply, Request, Update};

use super::Command;
use crate::client::Client;
use crate::terminal::{complain, print};
use crate::{EXIT_FAILURE, EXIT_OK};

/// The command.
pub const COMMAND: Command = Command { name: "probe", grammar, run };

/// Answers that wait to be counted: of a hundred targets asked every millisecond, some tenths of a second.
const WAITING: usize = 65_536;
/// How often it is looked whether an answer is overdue.
const LOOK: Duration = Duration::from_millis(10);
/// The metric of silences.
const METRIC: &str = "systole_probe_silence_seconds";

fn grammar() -> clap::Command {
    let ms = |name: &'static str, default: &'static str, help: &'static str| {
        Arg::new(name)
            .long(name)
            .value_name("MS")
            .default_value(default)
            .value_parser(value_parser!(u64).range(1..=3_600_000))
            .help(help)
    };
    let file = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name("FILE").value_parser(value_parser!(PathBuf)).help(help)
    };
    let flag = |name: &'static str, help: &'static str| Arg::new(name).long(name).action(ArgAction::SetTrue).help(help);
    clap::Command::new("")
        .about("Measure from a client's place how long a service is silent")
        .after_help(
            "Targets: tcp:HOST:PORT (a connection is made), nfs:HOST[:PORT] (an NFS server answers), icmp:HOST (an echo comes \
             back), lock:FILE (the lock that --hold holds elsewhere is refused, so it is kept).\n\nEach question is asked at \
             its time and waits for no other. A silence is the time from the last good answer to the first one after it.\n\n\
             The exit status is 1 if a target never answered, did not answer at the end, or a lock was lost.\n\nExamples:\n  \
             systole probe tcp:10.0.0.100:80\n  systole probe --for 60 --json nfs:10.0.0.100 icmp:10.0.0.100\n  \
             systole probe --until-recovered tcp:10.0.0.100:80\n  systole probe --hold /mnt/nfs/lock     # on one client\n  \
             systole probe lock:/mnt/nfs/lock       # on another one\n  systole probe --report tcp:10.0.0.100:80   # on a node",
        )
        .arg(Arg::new("target").value_name("TARGET").num_args(0..).help("Whom to ask").value_parser(
            |text: &str| text.parse::<Target>(),
        ))
        .arg(ms("every", "20", "Ask so often"))
        .arg(ms("patience", "1000", "Wait so long for an answer"))
        .arg(ms("silence", "100", "A longer pause between answers is a silence"))
        .arg(
            Arg::new("for")
                .long("for")
                .value_name("SECONDS")
                .value_parser(value_parser!(u64).range(1..=31_536_000))
                .help("End after so long; without it, with Ctrl-C"),
        )
        .arg(flag("until-recovered", "End when a target that was silent answers again"))
        .arg(file("hold", "Make this file if need be, and hold its lock as long as the command runs"))
        .arg(file("histogram", "Keep the lengths of silences in this file, in the text form of Prometheus"))
        .arg(flag("report", "Tell the cluster of silences, for `systole failovers`"))
        .arg(flag("json", "A line of JSON for each event: {\"event\", \"target\", \"at_us\", …}"))
}

fn run(arguments: &ArgMatches) -> anyhow::Result<u8> {
    let targets: Vec<Target> = arguments.get_many::<Target>("target").into_iter().flatten().cloned().collect();
    let number = |name: &str| *arguments.get_one::<u64>(name).expect("it has a default");
    let hold = arguments.get_one::<PathBuf>("hold");
    if targets.is_empty() && hold.is_none() {
        bail!(
            "whom to ask? Name a target such as tcp:HOST:PORT, or a file with --hold; `systole probe --help` explains"
        );
    }
    let pace =
        Pace { every: Duration::from_millis(number("every")), patience: Duration::from_millis(number("patience")) };
    if number("silence") < number("every") {
        bail!("--silence {} is less than --every {}: every pause would be one", number("silence"), number("every"));
    }
    // Held until the end.
    let _held = hold
        .map(|file| probe::hold(file).with_context(|| format!("taking the lock of {}", file.display())))
        .transpose()?;
    let report = match arguments.get_flag("report") {
        // A cluster that cannot be told is said now, not after the first failover.
        true => Some(Client::from_arguments(arguments)?),
        false => None,
    };
    let begin = probe::now_us();
    let limit = number("silence") * 1000;
    let watch = Watch {
        records: targets.iter().map(|target| (target.clone(), Record::new(begin, limit))).collect(),
        histograms: targets.iter().map(|target| (target.clone(), Histogram::default())).collect(),
        file: arguments.get_one::<PathBuf>("histogram").cloned(),
        is_json: arguments.get_flag("json"),
        report,
        is_over_when_recovered: arguments.get_flag("until-recovered"),
    };
    let length = arguments.get_one::<u64>("for").map(|seconds| Duration::from_secs(*seconds));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting the runtime")?;
    let code = runtime.block_on(listen(watch, targets, pace, length));
    // A lock's question may wait in the kernel for a server that is gone: nobody waits for it.
    runtime.shutdown_background();
    code
}

/// Hears answers until it is time to end.
async fn listen(mut watch: Watch, targets: Vec<Target>, pace: Pace, length: Option<Duration>) -> anyhow::Result<u8> {
    let (tell, mut heard) = mpsc::channel(WAITING);
    let (failed, mut failure) = mpsc::channel(1);
    for (number, target) in targets.into_iter().enumerate() {
        let (tell, failed) = (tell.clone(), failed.clone());
        tokio::spawn(async move {
            let name = target.to_string();
            if let Err(error) = probe::ask(number, target, pace, tell).await {
                // The first one is told.
                let _ = failed.try_send((name, error));
            }
        });
    }
    watch.write_histogram()?;
    let end = async {
        match length {
            Some(length) => tokio::time::sleep(length).await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(end);
    let mut look = tokio::time::interval(LOOK);
    loop {
        let is_over = tokio::select! {
            Some((number, at_us, event)) = heard.recv() => watch.handle(number, at_us, event)?,
            _ = look.tick() => watch.look()?,
            Some((target, error)) = failure.recv() => {
                return Err(error).with_context(|| format!("asking {target}"));
            }
            _ = tokio::signal::ctrl_c() => true,
            () = &mut end => true,
        };
        if is_over {
            return watch.end();
        }
    }
}

struct Watch {
    records: Vec<(Target, Record)>,
    histograms: BTreeMap<Target, Histogram>,
    file: Option<PathBuf>,
    is_json: bool,
    report: Option<Client>,
    is_over_when_recovered: bool,
}

impl Watch {
    /// Says whether it is time to end.
    fn handle(&mut self, number: usize, at_us: u64, event: Event) -> anyhow::Result<bool> {
        let Some((target, record)) = self.records.get_mut(number) else { return Ok(false) };
        let (target, told) = (target.clone(), record.handle(at_us, event));
        match told {
            Some(told) => self.tell(&target, at_us, &told),
            None => Ok(false),
        }
    }

    fn look(&mut self) -> anyhow::Result<bool> {
        let now = probe::now_us();
        for number in 0..self.records.len() {
            if self.handle(number, now, Event::Timeout)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn tell(&mut self, target: &Target, at_us: u64, told: &Told) -> anyhow::Result<bool> {
        match self.is_json {
            true => print(&format!("{}\n", as_json(target, at_us, told)))?,
            false => print(&as_text(target, at_us, told))?,
        }
        match told {
            Told::Answers(silence) => {
                if let Some(histogram) = self.histograms.get_mut(target) {
                    histogram.add(silence.ms());
                }
                self.write_histogram()?;
                self.report(target, silence, true);
                Ok(self.is_over_when_recovered)
            }
            Told::Lost => {
                self.report(target, &Silence { from_us: at_us, to_us: at_us, why: None }, false);
                Ok(false)
            }
            Told::First | Told::Silent { .. } => Ok(false),
        }
    }

    /// Tells the cluster, as a private attribute of this node: members hear it at once, and no configuration changes.
    fn report(&mut self, target: &Target, silence: &Silence, are_kept: bool) {
        let Some(client) = &mut self.report else { return };
        // In time that went by, so that no clocks need to agree.
        let age_ms = probe::now_us().saturating_sub(silence.to_us) / 1000;
        let locks = matches!(target, Target::Lock(_)).then_some(are_kept);
        let seen = Seen { target: target.to_string(), silent_ms: silence.ms().round() as u64, age_ms, locks };
        let update = Update {
            node: None,
            name: seen.attribute(),
            change: AttributeChange::Set(seen.value()),
            dampening: Dampening::Set(0),
            private: true,
        };
        // The probe goes on: that the cluster is not to be told is a part of what it measures.
        match client.ask(&Request::Update(update)) {
            Ok(Reply::Refused { reason, .. }) => complain(&format!("the cluster does not take the report: {reason}")),
            Ok(_) => {}
            Err(error) => complain(&format!("the cluster could not be told: {error:#}")),
        }
    }

    fn write_histogram(&self) -> anyhow::Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        let mut text = Histogram::head(METRIC, "How long a service was silent, as a client saw it.");
        for (target, histogram) in &self.histograms {
            text.push_str(&histogram.series(METRIC, &probe::label("target", &target.to_string())));
        }
        replace(file, &text).with_context(|| format!("writing the histogram {}", file.display()))
    }

    fn end(&self) -> anyhow::Result<u8> {
        let mut is_good = true;
        for (target, record) in &self.records {
            let (mut longest, mut sum) = (0.0_f64, 0.0);
            for silence in record.silences() {
                longest = longest.max(silence.ms());
                sum += silence.ms();
            }
            let at_end = record.is_silent();
            is_good &= !at_end && record.lost == 0;
            match self.is_json {
                true => print(&format!(
                    "{}\n",
                    json!({
                        "event": "summary", "target": target.to_string(), "asked": record.asked, "answered": record.answered,
                        "silences": record.silent_times, "longest_ms": longest, "silent_ms": sum, "silent_at_end": at_end,
                        "locks_lost": record.lost,
                    })
                ))?,
                false => print(&format!(
                    "{target}: questions {}, good answers {}, silences {}, the longest {longest:.0} ms{}{}\n",
                    record.asked,
                    record.answered,
                    record.silent_times,
                    if at_end { ", SILENT at the end" } else { "" },
                    if record.lost > 0 { ", the lock was LOST" } else { "" },
                ))?,
            }
        }
        Ok(if is_good { EXIT_OK } else { EXIT_FAILURE })
    }
}

/// In one step: who reads it finds a whole one.
fn replace(file: &Path, text: &str) -> std::io::Result<()> {
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let new = file.with_file_name(name);
    std::fs::write(&new, text)?;
    std::fs::rename(&new, file)
}

fn time(at_us: u64) -> String {
    let at = Timestamp::from_microsecond(i64::try_from(at_us).unwrap_or(i64::MAX)).unwrap_or(Timestamp::MAX);
    format!("{at:.3}")
}

fn as_text(target: &Target, at_us: u64, told: &Told) -> String {
    let at = time(at_us);
    let because = |why: &Option<String>| why.as_ref().map_or_else(String::new, |why| format!(" ({why})"));
    match told {
        Told::First => format!("{at} {target}: answers\n"),
        Told::Silent { since_us, why } => format!("{at} {target}: silent since {}{}\n", time(*since_us), because(why)),
        Told::Answers(silence) => {
            format!("{at} {target}: answers after {:.0} ms{}\n", silence.ms(), because(&silence.why))
        }
        Told::Lost => format!("{at} {target}: LOST, the lock was free for somebody else\n"),
    }
}

fn as_json(target: &Target, at_us: u64, told: &Told) -> serde_json::Value {
    let target = target.to_string();
    match told {
        Told::First => json!({"event": "first", "target": target, "at_us": at_us}),
        Told::Silent { since_us, why } => {
            json!({"event": "silent", "target": target, "at_us": at_us, "since_us": since_us, "why": why})
        }
        Told::Answers(Silence { from_us, why, .. }) => {
            let ms = at_us.saturating_sub(*from_us) as f64 / 1000.0;
            json!({"event": "answers", "target": target, "at_us": at_us, "since_us": from_us, "ms": ms, "why": why})
        }
        Told::Lost => json!({"event": "lost", "target": target, "at_us": at_us}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_as_people_and_programs_read_them() {
        let target: Target = "tcp:192.0.2.7:80".parse().unwrap();
        let silence = Silence { from_us: 1_000_000, to_us: 1_827_400, why: Some("refused".into()) };
        let told = Told::Answers(silence);
        assert_eq!(
            as_text(&target, 1_827_400, &told),
            "1970-01-01T00:00:01.827Z tcp:192.0.2.7:80: answers after 827 ms (refused)\n"
        );
        let value = as_json(&target, 1_827_400, &told);
        assert_eq!((value["ms"].as_f64(), value["event"].as_str()), (Some(827.4), Some("answers")));
        let told = Told::Silent { since_us: 1_000_000, why: None };
        assert_eq!(
            as_text(&target, 1_200_000, &told),
            "1970-01-01T00:00:01.200Z tcp:192.0.2.7:80: silent since 1970-01-01T00:00:01.000Z\n"
        );
    }

    #[test]
    fn a_histogram_is_replaced_whole() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("probe.prom");
        for text in ["one\n", "two\n"] {
            replace(&file, text).unwrap();
            assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
        }
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}
