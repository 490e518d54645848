//! `systole migrate keepalived adopt` and `rollback`: this host's addresses from keepalived to the cluster, and back,
//! without taking them off the interface.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command as Program;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use cib::Document;
use clap::{Arg, ArgMatches, value_parser};
use keepalived::{Host, Model};
use migrate::handover::{Held, held, obstacles, takeover};
use nix::sys::signal::{Signal, kill};

use super::files::{read, this_host};
use super::keeper::{self, Arguments, Running};
use crate::EXIT_OK;
use crate::client::Client;
use crate::cluster::{Live, now};
use crate::commands::Command;
use crate::terminal::print;

/// From keepalived to the cluster.
pub const ADOPT: Command = Command { name: "adopt", grammar: adopt_grammar, run: adopt };
/// And back.
pub const ROLLBACK: Command = Command { name: "rollback", grammar: rollback_grammar, run: rollback };

/// How long keepalived may take to end in order; it tells the others first.
const END_WAIT: Duration = Duration::from_secs(10);
/// How long it may take to have its addresses again; with priority 255 it takes some hundredths of a second.
const START_WAIT: Duration = Duration::from_secs(15);
/// How long the addresses must have been there after its start; it puts them back within some hundredths of a second.
const SETTLED: Duration = Duration::from_millis(500);
/// Where the backup and the journal are if nothing is said.
const STATE: &str = "/var/lib/systole/migrate";

fn arguments() -> Vec<Arg> {
    let path = |name: &'static str, value: &'static str| {
        Arg::new(name).long(name).value_name(value).value_parser(value_parser!(PathBuf))
    };
    vec![
        path("state", "DIR").default_value(STATE).help("Where the backup and the journal are"),
        path("pid-file", "FILE").help("keepalived's pid file [/run/keepalived.pid]"),
        path("cib", "FILE").help("The cluster's CIB as a file, instead of asking the cluster"),
        Arg::new("node").long("node").value_name("NAME").help("This host's name in the cluster [its short name]"),
    ]
}

fn adopt_grammar() -> clap::Command {
    let after = "First load the plan's configuration with maintenance-mode=true, so that the cluster probes and does \
                 nothing. Then on each host that is backup, and last on the master: adopt. When all hosts are done, set \
                 maintenance-mode=false.\n\nOn a backup keepalived is ended in order. On the host with the addresses it is \
                 ended without a word, so the addresses stay where they are; the cluster's probes take them for running. It is \
                 checked before that they would: maintenance-mode, an IPaddr2 for each address, its prefix and interface. \
                 Files, addresses and routes are backed up, and each step is in the journal; if an address is gone \
                 afterwards, keepalived is started again.\n\nExamples:\n  systole migrate keepalived adopt\n  \
                 systole migrate keepalived rollback";
    clap::Command::new("")
        .about("Hand this host's addresses from keepalived to the cluster, without taking them off")
        .after_help(after)
        .args(arguments())
}

fn rollback_grammar() -> clap::Command {
    let after = "The cluster has to be in maintenance-mode (or stopped while it was, then give --cib with its last \
                 configuration). keepalived is started by a configuration that makes it master at once, and then told to \
                 read its own again. Begin on the host with the addresses.\n\nExample:\n  systole migrate keepalived rollback";
    clap::Command::new("")
        .about("Give this host's addresses back to keepalived, with the least gap")
        .after_help(after)
        .args(arguments())
}

/// What is remembered of a handover.
struct Journal {
    folder: PathBuf,
}

impl Journal {
    fn open(arguments: &ArgMatches) -> anyhow::Result<Journal> {
        let folder = arguments.get_one::<PathBuf>("state").expect("it has a default").clone();
        fs::create_dir_all(&folder).with_context(|| format!("making the directory {}", folder.display()))?;
        Ok(Journal { folder })
    }

    /// Notes a step; what is noted is on the disk.
    fn note(&self, step: &str) -> anyhow::Result<()> {
        let path = self.folder.join("journal");
        let mut file = OpenOptions::new().create(true).append(true).open(&path);
        let written = file.as_mut().map_err(|error| std::io::Error::from(error.kind())).and_then(|file| {
            writeln!(file, "{} {step}", now())?;
            file.sync_all()
        });
        written.with_context(|| format!("writing the journal {}", path.display()))
    }

    fn keep(&self, name: &str, text: &[u8]) -> anyhow::Result<()> {
        let path = self.folder.join(name);
        fs::write(&path, text).with_context(|| format!("writing {}", path.display()))
    }

    fn kept(&self, name: &str) -> anyhow::Result<String> {
        let path = self.folder.join(name);
        fs::read_to_string(&path)
            .with_context(|| format!("reading {}: was adopt run here, with the same --state?", path.display()))
    }
}

fn node(arguments: &ArgMatches) -> String {
    arguments.get_one::<String>("node").cloned().unwrap_or_else(this_host)
}

fn configuration(arguments: &ArgMatches) -> anyhow::Result<Document> {
    match arguments.get_one::<PathBuf>("cib") {
        Some(path) => Ok(crate::file::read(path)?.document),
        None => Ok(Live::fetch(&mut Client::from_arguments(arguments)?)?.view.document),
    }
}

fn model(path: &Path, node: &str) -> anyhow::Result<Model> {
    let host = Host { config_id: node.to_owned(), instance: node.to_owned() };
    let model = Model::read(&read(path)?, &host);
    if model.instances.is_empty() {
        bail!("{} has no vrrp_instance: there is nothing to hand over", path.display());
    }
    Ok(model)
}

fn adopt(arguments: &ArgMatches) -> anyhow::Result<u8> {
    let journal = Journal::open(arguments)?;
    let pid_file = arguments.get_one::<PathBuf>("pid-file").map(PathBuf::as_path);
    let Some(running) = keeper::running(pid_file)? else {
        bail!("keepalived does not run here: there is nothing to hand over (or give its --pid-file)");
    };
    let node = node(arguments);
    let path = running.arguments.configuration();
    let model = model(&path, &node)?;
    if !model.servers.is_empty() {
        bail!(
            "{} has virtual servers, whose checks would end as well: run keepalived for IPVS alone first, with the plan's \
             keepalived-ipvs.{node}.conf, as a second instance",
            path.display()
        );
    }
    let mine = held(&model, &keeper::addresses()?);
    let document = configuration(arguments)?;
    let found = obstacles(&document, &node, &mine, now());
    if !found.is_empty() {
        bail!("nothing was done, keepalived goes on: {}", found.join("; "));
    }
    back_up(&journal, &running, &path)?;
    mask(true)?;
    if mine.is_empty() {
        journal.note("ending keepalived, a backup")?;
        end(&running)?;
        journal.note("ended")?;
        print("This host held no address of keepalived's. It is ended.\n")?;
        return Ok(EXIT_OK);
    }
    journal.note(&format!("adopting {}", shown(&mine)))?;
    let begin = Instant::now();
    keeper::end_without_a_word(&running)?;
    let after = keeper::addresses()?;
    let gone: Vec<Held> = mine.iter().filter(|one| !after.contains(one)).cloned().collect();
    if !gone.is_empty() {
        journal.note(&format!("{} gone, starting keepalived again", shown(&gone)))?;
        take_back(&running.arguments, &path, &model, &mine)?;
        bail!("{} did not stay; keepalived was started again and is in charge", shown(&gone));
    }
    journal.note("adopted")?;
    print(&format!(
        "keepalived is ended ({} ms); {} stay(s). Set maintenance-mode=false when all hosts are done.\n",
        begin.elapsed().as_millis(),
        shown(&mine)
    ))?;
    Ok(EXIT_OK)
}

fn shown(held: &[Held]) -> String {
    held.iter().map(|one| format!("{}/{} on {}", one.ip, one.prefix, one.device)).collect::<Vec<_>>().join(", ")
}

/// Files, arguments, addresses and routes as they are.
fn back_up(journal: &Journal, running: &Running, path: &Path) -> anyhow::Result<()> {
    let main = fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    journal.keep("keepalived.conf", &main)?;
    journal.keep("configuration", path.display().to_string().as_bytes())?;
    journal.keep("arguments", running.arguments.words.join("\n").as_bytes())?;
    for what in ["address", "route", "rule"] {
        let output =
            Program::new("ip").args(["-j", what, "show"]).output().with_context(|| format!("running ip {what}"))?;
        journal.keep(&format!("{what}.json"), &output.stdout)?;
    }
    journal.note(&format!("backed up {}", path.display()))
}

/// Keeps systemd from starting keepalived again meanwhile, or lets it; without systemd nobody would.
fn mask(masked: bool) -> anyhow::Result<()> {
    if !Path::new("/run/systemd/system").is_dir() {
        return Ok(());
    }
    let words: &[&str] =
        if masked { &["mask", "--runtime", "keepalived"] } else { &["unmask", "--runtime", "keepalived"] };
    let status = Program::new("systemctl").args(words).status().context("running systemctl")?;
    if !status.success() {
        bail!("systemctl {} failed: nothing else was done", words.join(" "));
    }
    Ok(())
}

fn end(running: &Running) -> anyhow::Result<()> {
    kill(running.parent, Signal::SIGTERM).with_context(|| format!("ending keepalived ({})", running.parent))?;
    if !keeper::wait(END_WAIT, || Ok(keeper::is_gone(running.parent)))? {
        bail!("keepalived ({}) did not end within {} s", running.parent, END_WAIT.as_secs());
    }
    Ok(())
}

fn rollback(arguments: &ArgMatches) -> anyhow::Result<u8> {
    let journal = Journal::open(arguments)?;
    let words: Vec<String> = journal.kept("arguments")?.lines().map(str::to_owned).collect();
    let started = Arguments { words };
    let path = PathBuf::from(journal.kept("configuration")?.trim());
    let pid_file = arguments.get_one::<PathBuf>("pid-file").cloned().unwrap_or_else(|| started.pid_file());
    if keeper::running(Some(&pid_file))?.is_some() {
        bail!("keepalived runs already: nothing was done");
    }
    let now_there = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
    if now_there != journal.kept("keepalived.conf")?.into_bytes() {
        bail!("{} is not as it was backed up in {}: put it back first", path.display(), journal.folder.display());
    }
    let node = node(arguments);
    let model = model(&path, &node)?;
    let document = configuration(arguments)?;
    let maintenance = obstacles(&document, &node, &[], now());
    if !maintenance.is_empty() {
        bail!("nothing was done: {}", maintenance.join("; "));
    }
    let mine = held(&model, &keeper::addresses()?);
    mask(false)?;
    journal.note(&format!("giving back {}", shown(&mine)))?;
    if mine.is_empty() {
        keeper::start(&started)?;
    } else {
        take_back(&started, &path, &model, &mine)?;
    }
    journal.note("keepalived is in charge")?;
    print("keepalived is in charge again.\n")?;
    Ok(EXIT_OK)
}

/// Puts the file back, whatever happens.
struct Restore<'r> {
    path: &'r Path,
    text: Vec<u8>,
}

impl Drop for Restore<'_> {
    fn drop(&mut self) {
        if let Err(error) = fs::write(self.path, &self.text) {
            let _ = writeln!(std::io::stderr(), "putting {} back: {error}", self.path.display());
        }
    }
}

/// Starts keepalived so that it has these addresses at once, and has it read its own configuration then.
fn take_back(started: &Arguments, path: &Path, model: &Model, mine: &[Held]) -> anyhow::Result<()> {
    let text = fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    let restore = Restore { path, text };
    fs::write(path, takeover(model)).with_context(|| format!("writing {}", path.display()))?;
    keeper::start(started)?;
    let pid_file = started.pid_file();
    // At its start it takes the addresses away and puts them back, too fast to be sure to be seen: they count when they
    // have been there for a while with it at work.
    let mut since: Option<Instant> = None;
    let there = keeper::wait(START_WAIT, || {
        let there = keeper::addresses()?;
        let works = keeper::running(Some(&pid_file))?.is_some_and(|one| !one.children.is_empty());
        if !(works && mine.iter().all(|one| there.contains(one))) {
            since = None;
            return Ok(false);
        }
        Ok(since.get_or_insert_with(Instant::now).elapsed() >= SETTLED)
    });
    drop(restore);
    let running = keeper::running(Some(&pid_file))?.context("keepalived did not start: see its log")?;
    kill(running.parent, Signal::SIGHUP).context("having keepalived read its own configuration")?;
    if !there? {
        bail!("keepalived runs, and does not have {} after {} s: see its log", shown(mine), START_WAIT.as_secs());
    }
    Ok(())
}
