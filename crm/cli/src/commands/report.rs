//! `systole report`: all that somebody else needs to understand what happened, in a directory, with secrets struck out.

use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command as Program, Stdio};

use anyhow::{Context as _, bail};
use cib::Document;
use clap::{Arg, ArgMatches};
use secrets::Secrets;
use wire::record::Happening;
use wire::{Reply, Request, WhichPlan};

use super::{Command, history};
use crate::client::Client;
use crate::cluster::{Live, now};
use crate::terminal::print;
use crate::{EXIT_OK, lasting};

/// The command.
pub const COMMAND: Command = Command { name: "report", grammar, run };

/// Plans that go with it, the last ones: who reads it begins with these.
const PLANS: usize = 50;
/// The longest text of another program, in bytes: its end counts.
const LONGEST: usize = 16 * 1024 * 1024;
/// Files of the host that say how it is set up.
const FILES: [(&str, &str); 2] = [("/etc/corosync/corosync.conf", "corosync.conf"), ("/etc/os-release", "os-release")];
/// What programs say of the host. One that is not there says nothing.
const PROGRAMS: [(&str, &[&str]); 7] = [
    (
        "journal.txt",
        &[
            "journalctl",
            "--no-pager",
            "--output=short-precise",
            "--unit=systoled",
            "--unit=corosync",
            "--unit=systole-host-agent",
        ],
    ),
    ("kernel.txt", &["uname", "-a"]),
    ("uptime.txt", &["uptime"]),
    ("addresses.txt", &["ip", "address", "show"]),
    ("mounts.txt", &["findmnt", "--real"]),
    ("corosync-quorum.txt", &["corosync-quorumtool", "-s"]),
    ("corosync-links.txt", &["corosync-cfgtool", "-s"]),
];

fn grammar() -> clap::Command {
    let after = "What this node knows: the CIB and its status, what happened, who changed the configuration, the last plans with \
                 their inputs and reasons, the journal, corosync.conf. Values of options such as passwd are struck out of all of \
                 it, and wherever else they stand. Look through it before you give it away all the same.\n\n\
                 Examples:\n  systole report /tmp/report\n  systole report /tmp/report --since 6h && tar czf report.tgz -C /tmp report";
    clap::Command::new("")
        .about("Gather all that tells what happened, for somebody else to read")
        .after_help(after)
        .args([
            Arg::new("dir")
                .value_name("DIR")
                .required(true)
                .value_parser(clap::value_parser!(PathBuf))
                .help("A directory that is not there yet"),
            Arg::new("since")
                .long("since")
                .value_name("TIME")
                .value_parser(|text: &str| lasting::past(text))
                .help("What happened since then [default: 24h]: 2h (ago), 06:00, 2026-12-24 18:00"),
        ])
}

fn run(arguments: &ArgMatches) -> anyhow::Result<u8> {
    let path = arguments.get_one::<PathBuf>("dir").expect("it is required");
    let since = arguments.get_one::<i64>("since").copied().unwrap_or_else(|| now() - 24 * 60 * 60);
    if path.exists() {
        bail!("{} is there already; name a directory that is not", path.display());
    }
    let mut client = Client::from_arguments(arguments)?;
    let live = Live::fetch(&mut client)?;
    fs::DirBuilder::new().mode(0o700).create(path).with_context(|| format!("making {}", path.display()))?;
    let mut report = Report { path, secrets: Secrets::of(&live.view.document), missing: Vec::new() };
    gather(&mut report, &mut client, &live, since)?;
    let missing: String = report.missing.iter().map(|line| format!("Not there: {line}\n")).collect();
    print(&format!("The report is in {}.\n{missing}", path.display()))?;
    Ok(EXIT_OK)
}

struct Report<'p> {
    path: &'p Path,
    secrets: Secrets,
    missing: Vec<String>,
}

impl Report<'_> {
    fn put(&self, name: &str, text: &str) -> anyhow::Result<()> {
        let path = self.path.join(name);
        fs::write(&path, self.secrets.struck(text)).with_context(|| format!("writing {}", path.display()))
    }

    fn cib(&self, name: &str, cib: &Document) -> anyhow::Result<()> {
        self.put(name, &secrets::without(cib).to_xml())
    }
}

fn gather(report: &mut Report<'_>, client: &mut Client, live: &Live, since: i64) -> anyhow::Result<()> {
    // What stood in the configuration once is secret still, wherever it is found.
    let changes = match client.ask(&Request::History)? {
        Reply::History(changes) => changes,
        _ => Vec::new(),
    };
    for version in changes.iter().flat_map(|change| [change.from, change.to]) {
        if let Ok(Reply::Configuration { xml }) = client.ask(&Request::Configuration { version })
            && let Ok(cib) = Document::parse(&xml)
        {
            report.secrets = std::mem::take(&mut report.secrets).and(&Secrets::of(&cib));
        }
    }
    report.cib("cib.xml", &live.view.document)?;
    report.put("status.txt", &super::status::text(live.clone()))?;
    let changed: String = changes.iter().rev().map(super::config::line).collect();
    report.put("configuration-history.txt", &changed)?;
    match history::records(client, since) {
        Ok(records) => {
            report.put("history.txt", &records.iter().flat_map(history::lines).collect::<String>())?;
            let plans = records.iter().filter(|record| record.node == live.status.node);
            let inputs = plans.map(|record| match &record.what {
                Happening::Planned(planned) => planned.input.clone(),
            });
            let inputs: Vec<String> = inputs.collect();
            fs::create_dir(report.path.join("plans")).context("making a directory for plans")?;
            for input in inputs.iter().rev().take(PLANS) {
                plan(report, client, input)?;
            }
        }
        Err(error) => report.missing.push(format!("{error:#}")),
    }
    for (path, name) in FILES {
        match fs::read_to_string(path) {
            Ok(text) => report.put(name, &text)?,
            Err(error) => report.missing.push(format!("{path}: {error}")),
        }
    }
    for (name, words) in PROGRAMS {
        let mut program = Program::new(words[0]);
        program.args(&words[1..]).stdin(Stdio::null());
        if words[0] == "journalctl" {
            program.arg(format!("--since=@{since}"));
        }
        match program.output() {
            Ok(output) => report.put(name, end(&String::from_utf8_lossy(&output.stdout)))?,
            Err(error) => report.missing.push(format!("{}: {error}", words[0])),
        }
    }
    Ok(())
}

fn plan(report: &mut Report<'_>, client: &mut Client, input: &str) -> anyhow::Result<()> {
    match client.ask(&Request::Plan(WhichPlan::Input(input.to_owned())))? {
        Reply::Plan(kept) => {
            let cib = Document::parse(&kept.xml).with_context(|| format!("reading {input}"))?;
            report.secrets = std::mem::take(&mut report.secrets).and(&Secrets::of(&cib));
            let name = input.trim_end_matches(".bz2");
            report.cib(&format!("plans/{name}.xml"), &cib)?;
            report.put(&format!("plans/{name}.txt"), &kept.plan)
        }
        Reply::Refused { reason, .. } => {
            report.missing.push(reason);
            Ok(())
        }
        _ => bail!("systoled answered to another question; are both of the same release?"),
    }
}

/// The end of a text that is too long.
fn end(text: &str) -> &str {
    let mut from = text.len().saturating_sub(LONGEST);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    &text[from..]
}
