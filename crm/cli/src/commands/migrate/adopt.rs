//! `systole migrate keepalived adopt` and `rollback`: this host's addresses from keepalived to the cluster, and back,
//! without taking them off the interface.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command as Program;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use cib::Document;
use clap::{Arg, ArgAction, ArgMatches, value_parser};
use migrate::collected::Collected;
use migrate::handover::{Held, held, obstacles, takeover};
use nix::fcntl::{Flock, FlockArg};
use nix::sys::signal::{Signal, kill};

use super::collect;
use super::files::this_host;
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

/// How long keepalived may take to end in order; it tells the others first, and a busy host is slow.
const END_WAIT: Duration = Duration::from_secs(30);
/// How long it may take to have its addresses again; with priority 255 it takes some hundredths of a second.
const START_WAIT: Duration = Duration::from_secs(30);
/// How long the addresses must have been there after its start; it puts them back within some hundredths of a second.
const SETTLED: Duration = Duration::from_millis(500);
/// How long one that was begun before may still be at work: all its waits together.
const LOCK_WAIT: Duration = Duration::from_secs(90);
/// Where the backup and the journal are if nothing is said.
const STATE: &str = "/var/lib/systole-migrate";

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
                 Files, includes, scripts, units, addresses, routes and kernel settings are backed up with checksums, and \
                 each step is in the journal; if an address is gone afterwards, keepalived is started again. Run again \
                 after an interruption it goes on. `apply` does all of this on all hosts.\n\nExamples:\n  systole migrate keepalived adopt\n  \
                 systole migrate keepalived rollback";
    clap::Command::new("")
        .about("Hand this host's addresses from keepalived to the cluster, without taking them off")
        .after_help(after)
        .args(arguments())
        .arg(
            Arg::new("classic")
                .long("classic")
                .action(ArgAction::SetTrue)
                .help("End keepalived in order, which takes the addresses off: the cluster has to start them"),
        )
}

fn rollback_grammar() -> clap::Command {
    let after = "The cluster has to be in maintenance-mode (or stopped while it was, then give --cib with its last \
                 configuration). keepalived is started by a configuration that makes it master at once, and then told to \
                 read its own again. Begin on the host with the addresses. With --all everything that `apply` did is taken back, on \
                 all hosts, from any point and also half-way.\n\nExamples:\n  systole migrate keepalived rollback\n  \
                 systole migrate keepalived rollback --all";
    clap::Command::new("")
        .about("Give this host's addresses back to keepalived, with the least gap")
        .after_help(after)
        .args(arguments())
        .args([
            Arg::new("all")
                .long("all")
                .action(ArgAction::SetTrue)
                .help("On all hosts, what apply did here, however far it got: by its --journal"),
            Arg::new("restore")
                .long("restore")
                .action(ArgAction::SetTrue)
                .help("Put files of keepalived's back that have changed since the backup"),
            super::apply::journal(),
        ])
}

/// What is remembered of a handover.
struct Journal {
    folder: PathBuf,
    _lock: Flock<File>,
}

/// The backup, in `collect`'s form, and its checksum.
const BACKUP: &str = "backup.tar";
const CHECKSUM: &str = "backup.tar.sha256";
/// While this is there, keepalived's file holds a configuration of ours, for the second of a takeover.
const TEMPORARY: &str = "temporary";

impl Journal {
    fn open(arguments: &ArgMatches) -> anyhow::Result<Journal> {
        let folder = arguments.get_one::<PathBuf>("state").expect("it has a default").clone();
        fs::create_dir_all(&folder).with_context(|| format!("making the directory {}", folder.display()))?;
        // Who began this from afar may be gone while it is still at work here: the next one waits for its end.
        let path = folder.join("lock");
        let mut lock = None;
        keeper::wait(LOCK_WAIT, || {
            let file = File::create(&path).with_context(|| format!("making {}", path.display()))?;
            lock = Flock::lock(file, FlockArg::LockExclusiveNonblock).ok();
            Ok(lock.is_some())
        })?;
        let lock = lock.with_context(|| format!("another command is at work in {}", folder.display()))?;
        Ok(Journal { folder, _lock: lock })
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

    /// Whether a handover was begun here and not taken back.
    fn is_begun(&self) -> bool {
        let text = fs::read_to_string(self.folder.join("journal")).unwrap_or_default();
        let step = |line: &str| line.split(' ').nth(1).map(str::to_owned);
        let last = text.lines().rev().filter_map(step).find(|word| ["handing", "keepalived"].contains(&word.as_str()));
        last.as_deref() == Some("handing")
    }

    fn back_up(&self, found: &Collected) -> anyhow::Result<()> {
        let bytes = found.to_archive();
        collect::write_private(&self.folder.join(BACKUP), &bytes)?;
        let sum = collect::checksum(&bytes);
        collect::write_private(&self.folder.join(CHECKSUM), format!("{sum}  {BACKUP}\n").as_bytes())?;
        self.kept().context("looking whether the backup can be read")?;
        self.note(&format!("backed up {} files, SHA-256 {sum}", found.files.len()))
    }

    /// The backup, if it is whole.
    fn kept(&self) -> anyhow::Result<Collected> {
        let path = self.folder.join(BACKUP);
        let bytes = fs::read(&path)
            .with_context(|| format!("reading {}: was adopt run here, with the same --state?", path.display()))?;
        let sum = fs::read_to_string(self.folder.join(CHECKSUM)).unwrap_or_default();
        let is = collect::checksum(&bytes);
        if sum.split(' ').next() != Some(is.as_str()) {
            bail!("{} has not the checksum it was written with: it is damaged", path.display());
        }
        Collected::from_archive(&bytes).map_err(|error| anyhow::anyhow!("reading {}: {error}", path.display()))
    }

    /// Puts keepalived's own file back, if one that was killed left ours in its place.
    fn mend(&self) -> anyhow::Result<bool> {
        let marker = self.folder.join(TEMPORARY);
        if !marker.exists() {
            return Ok(false);
        }
        let kept = self.kept()?;
        let text = kept.files.get(&kept.configuration).context("the backup has no configuration")?;
        fs::write(&kept.configuration, text).with_context(|| format!("writing {}", kept.configuration))?;
        fs::remove_file(&marker).with_context(|| format!("removing {}", marker.display()))?;
        self.note("put keepalived's own file back")?;
        Ok(true)
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

fn adopt(arguments: &ArgMatches) -> anyhow::Result<u8> {
    let journal = Journal::open(arguments)?;
    let mended = journal.mend()?;
    let pid_file = arguments.get_one::<PathBuf>("pid-file").map(PathBuf::as_path);
    let begun = journal.is_begun();
    let Some(running) = keeper::running(pid_file)? else {
        if begun {
            return resume(&journal, &node(arguments), arguments.get_flag("classic"));
        }
        bail!("keepalived does not run here: there is nothing to hand over (or give its --pid-file)");
    };
    if mended {
        kill(running.parent, Signal::SIGHUP).context("having keepalived read its own configuration")?;
    }
    let node = node(arguments);
    let path = running.arguments.configuration();
    let found = collect::gather(&path, &node, &running.arguments)?;
    let model = found.model(&node);
    if model.instances.is_empty() {
        bail!("{} has no vrrp_instance: there is nothing to hand over", path.display());
    }
    if !model.servers.is_empty() {
        bail!(
            "{} has virtual servers, whose checks would end as well: run keepalived for IPVS alone first, with the plan's \
             keepalived-ipvs.{node}.conf, as a second instance",
            path.display()
        );
    }
    let mine = held(&model, &keeper::addresses()?);
    let document = configuration(arguments)?;
    let against = obstacles(&document, &node, &mine, now());
    if !against.is_empty() {
        bail!("nothing was done, keepalived goes on: {}", against.join("; "));
    }
    if !begun {
        journal.back_up(&found)?;
    }
    journal.note("handing over")?;
    mask(true, &found)?;
    if mine.is_empty() || arguments.get_flag("classic") {
        journal.note("ending keepalived")?;
        // One that was held before it was killed hears nothing.
        let _ = kill(running.parent, Signal::SIGCONT);
        end(&running)?;
        journal.note("ended")?;
        print(if mine.is_empty() {
            "This host held no address of keepalived's. It is ended.\n"
        } else {
            "keepalived is ended, and has taken its addresses off.\n"
        })?;
        return Ok(EXIT_OK);
    }
    journal.note(&format!("adopting {}", shown(&mine)))?;
    let begin = Instant::now();
    keeper::end_without_a_word(&running)?;
    stay(&journal, &mine, &found)?;
    print(&format!(
        "keepalived is ended ({} ms); {} stay(s). Set maintenance-mode=false when all hosts are done.\n",
        begin.elapsed().as_millis(),
        shown(&mine)
    ))?;
    Ok(EXIT_OK)
}

/// A handover that was interrupted after keepalived had ended.
fn resume(journal: &Journal, node: &str, classic: bool) -> anyhow::Result<u8> {
    let kept = journal.kept()?;
    let mine = if classic { Vec::new() } else { held(&kept.model(node), &kept.addresses) };
    stay(journal, &mine, &kept)?;
    print("keepalived was ended here before.\n")?;
    Ok(EXIT_OK)
}

/// Sees that the addresses are still there; if not, keepalived gets them back.
fn stay(journal: &Journal, mine: &[Held], found: &Collected) -> anyhow::Result<()> {
    let after = keeper::addresses()?;
    let gone: Vec<Held> = mine.iter().filter(|one| !after.contains(one)).cloned().collect();
    if !gone.is_empty() {
        journal.note(&format!("{} gone, starting keepalived again", shown(&gone)))?;
        mask(false, found)?;
        take_back(journal, found, mine)?;
        journal.note("keepalived is in charge")?;
        bail!("{} did not stay; keepalived was started again and is in charge", shown(&gone));
    }
    journal.note("adopted")
}

fn shown(held: &[Held]) -> String {
    held.iter().map(|one| format!("{}/{} on {}", one.ip, one.prefix, one.device)).collect::<Vec<_>>().join(", ")
}

/// How keepalived was started, by the backup.
fn started(found: &Collected) -> Arguments {
    Arguments { words: found.arguments.clone(), unit: found.unit.clone() }
}

/// The configuration that was handed over on this host, where its backup is if nothing else was said.
pub(super) fn handed_over() -> Option<PathBuf> {
    let bytes = fs::read(Path::new(STATE).join(BACKUP)).ok()?;
    Some(PathBuf::from(Collected::from_archive(&bytes).ok()?.configuration))
}

/// While this is there, systemd neither starts keepalived nor starts it again, wherever its unit stands: one in
/// /etc cannot be masked.
fn hold(unit: &str) -> PathBuf {
    PathBuf::from(format!("/run/systemd/system/{unit}.d/systole-migrate.conf"))
}

const HOLD: &str = "[Unit]\nConditionPathExists=/nonexistent/handed-over-to-systole\n[Service]\nRestart=no\n";

/// Keeps systemd from starting keepalived again, now and at the next boot, or has it as it was; without systemd nobody
/// would.
fn mask(masked: bool, found: &Collected) -> anyhow::Result<()> {
    if !keeper::has_systemd() {
        return Ok(());
    }
    let unit = keeper::unit_or_packages(&found.unit);
    let systemctl = |words: &[&str]| {
        let output = Program::new("systemctl").args(words).output().context("running systemctl")?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).trim().replace('\n', " ");
            bail!("systemctl {} failed, and nothing else was done: {said}", words.join(" "));
        }
        Ok(())
    };
    let path = hold(unit);
    let context = || format!("writing {}", path.display());
    let at_boot = found.enabled == "enabled";
    if masked {
        if at_boot {
            systemctl(&["disable", unit])?;
        }
        fs::create_dir_all(path.parent().with_context(context)?).with_context(context)?;
        fs::write(&path, HOLD).with_context(context)?;
        return systemctl(&["daemon-reload"]);
    }
    match fs::remove_file(&path) {
        Ok(()) => systemctl(&["daemon-reload"])?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(error).with_context(|| format!("removing {}", path.display())),
    }
    if at_boot { systemctl(&["enable", unit]) } else { Ok(()) }
}

fn end(running: &Running) -> anyhow::Result<()> {
    kill(running.parent, Signal::SIGTERM).with_context(|| format!("ending keepalived ({})", running.parent))?;
    if !keeper::wait(END_WAIT, || Ok(keeper::is_gone(running.parent)))? {
        bail!("keepalived ({}) did not end within {} s", running.parent, END_WAIT.as_secs());
    }
    Ok(())
}

fn rollback(arguments: &ArgMatches) -> anyhow::Result<u8> {
    if arguments.get_flag("all") {
        return super::apply::roll_back(arguments);
    }
    let journal = Journal::open(arguments)?;
    let mended = journal.mend()?;
    if !journal.is_begun() && keeper::running(arguments.get_one::<PathBuf>("pid-file").map(PathBuf::as_path))?.is_some()
    {
        print("keepalived runs, and nothing was handed over here: nothing was done.\n")?;
        return Ok(EXIT_OK);
    }
    let found = journal.kept()?;
    let started = started(&found);
    let node = node(arguments);
    let pid_file = arguments.get_one::<PathBuf>("pid-file").cloned().unwrap_or_else(|| started.pid_file());
    if let Some(running) = keeper::running(Some(&pid_file))? {
        if keeper::is_whole(&running) {
            // One that was held and not yet ended goes on; one with our configuration reads its own.
            kill(running.parent, Signal::SIGCONT).context("letting keepalived go on")?;
            if mended {
                kill(running.parent, Signal::SIGHUP).context("having keepalived read its own configuration")?;
            }
            mask(false, &found)?;
            journal.note("keepalived is in charge")?;
            print("keepalived had not been ended yet; it goes on.\n")?;
            return Ok(EXIT_OK);
        }
        keeper::end_without_a_word(&running)?;
        keeper::wait(END_WAIT, || Ok(keeper::is_gone(running.parent)))?;
    }
    let changed = changed(&found, &node);
    if arguments.get_flag("restore") {
        for path in &changed {
            let bytes = found.files.get(path).context("the backup has every file it names")?;
            fs::write(path, bytes).with_context(|| format!("writing {path}"))?;
            journal.note(&format!("restored {path}"))?;
        }
    } else if !changed.is_empty() {
        bail!(
            "{} is not as it was backed up in {}: put it back first, or use --restore",
            changed.join(" and "),
            journal.folder.display()
        );
    }
    let document = configuration(arguments)?;
    let maintenance = obstacles(&document, &node, &[], now());
    if !maintenance.is_empty() {
        bail!("nothing was done: {}", maintenance.join("; "));
    }
    let mine = held(&found.model(&node), &keeper::addresses()?);
    mask(false, &found)?;
    journal.note(&format!("giving back {}", shown(&mine)))?;
    if mine.is_empty() {
        keeper::start(&started)?;
    } else {
        take_back(&journal, &found, &mine)?;
    }
    journal.note("keepalived is in charge")?;
    print("keepalived is in charge again.\n")?;
    Ok(EXIT_OK)
}

/// Files of keepalived's configuration that are not as they were backed up.
fn changed(found: &Collected, node: &str) -> Vec<String> {
    let model = found.model(node);
    let instances = model.instances.iter().map(|one| one.place.file.clone());
    let rest = model.rest.iter().map(|one| one.place.file.clone());
    let mut own: Vec<String> = instances.chain(rest).chain([found.configuration.clone()]).collect();
    own.sort();
    own.dedup();
    own.retain(|path| found.files.get(path).is_some_and(|kept| fs::read(path).ok().as_ref() != Some(kept)));
    own
}

/// Starts keepalived so that it has these addresses at once, and has it read its own configuration then.
fn take_back(journal: &Journal, found: &Collected, mine: &[Held]) -> anyhow::Result<()> {
    let started = started(found);
    let model = found.model(&found.host);
    collect::write_private(&journal.folder.join(TEMPORARY), b"")?;
    fs::write(&found.configuration, takeover(&model)).with_context(|| format!("writing {}", found.configuration))?;
    let begun = keeper::start(&started);
    let pid_file = started.pid_file();
    // At its start it takes the addresses away and puts them back, too fast to be sure to be seen: they count when they
    // have been there for a while with it at work.
    let mut since: Option<Instant> = None;
    let there = begun.and_then(|()| {
        keeper::wait(START_WAIT, || {
            let there = keeper::addresses()?;
            let works = keeper::running(Some(&pid_file))?.is_some_and(|one| !one.children.is_empty());
            if !(works && mine.iter().all(|one| there.contains(one))) {
                since = None;
                return Ok(false);
            }
            Ok(since.get_or_insert_with(Instant::now).elapsed() >= SETTLED)
        })
    });
    journal.mend()?;
    let running = keeper::running(Some(&pid_file))?.context("keepalived did not start: see its log")?;
    kill(running.parent, Signal::SIGHUP).context("having keepalived read its own configuration")?;
    if !there? {
        bail!("keepalived runs, and does not have {} after {} s: see its log", shown(mine), START_WAIT.as_secs());
    }
    Ok(())
}
