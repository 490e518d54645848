//! `systole cluster setup`: from bare hosts to a cluster, on all of them or on none.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use clap::{Arg, ArgAction, ArgMatches};
use corosync_conf::{Conf, Model};
use setup::change::{Act, Expect, Plan};
use setup::conf::new::{Wish, read};
use setup::timing::{self, Timers};
use wire::host::{About, Call, Content, HostFile, NewFile, Unit, UnitAct};

use super::engine::{conf_file, finish, hosts_file, operation, plan_argument, show};
use super::probe;
use crate::EXIT_OK;
use crate::commands::Command;
use crate::hosts::Field;
use crate::terminal::print;

/// The command.
pub const COMMAND: Command = Command { name: "setup", grammar, run };

/// Corosync's own tool makes a key of so many bytes.
const KEY_BYTES: usize = 256;
/// Clocks that differ by more make logs hard to read, and certificates invalid before long.
const CLOCK_WARNING: u64 = 1_000;
/// And by more than this, something is wrong with the host.
const CLOCK_ERROR: u64 = 10_000;

fn grammar() -> clap::Command {
    let flag = |name: &'static str, help: &'static str| Arg::new(name).long(name).action(ArgAction::SetTrue).help(help);
    clap::Command::new("")
        .about("Make a cluster of hosts that are enrolled here")
        .after_help(
            "Options are pcs's: `transport knet|udp|udpu [OPTION=VALUE]… [link …] [crypto …] [compression …]`, `totem …`, \
             `quorum …`. Every host is asked first; files are laid everywhere before they are put in force anywhere, and if \
             anything goes wrong everything is as it was.\n\nExamples:\n  systole cluster setup hacl node1 node2 node3 --start --enable\n  \
             systole cluster setup hacl node1 addr=10.0.0.1 addr=10.1.0.1 node2 addr=10.0.0.2 addr=10.1.0.2 \\\n    transport knet link link_priority=2 totem token=5000 --plan",
        )
        .arg(
            Arg::new("words")
                .required(true)
                .action(ArgAction::Append)
                .value_name("NAME NODE [addr=ADDRESS]…")
                .help("The cluster's name, its nodes, and options"),
        )
        .arg(flag("start", "Start the cluster, and wait until all nodes are members"))
        .arg(flag("enable", "Start it at boot"))
        .arg(flag("force", "Also on hosts that belonged to a cluster: what they hold of it is kept aside"))
        .arg(super::services::wait_is_taken())
        .arg(flag("no-cluster-uuid", "Taken for pcs's sake: there is none anyhow"))
        .arg(
            Arg::new("corosync_conf")
                .long("corosync_conf")
                .value_name("PATH")
                .value_parser(clap::value_parser!(PathBuf))
                .help("Only write corosync.conf here; no host is asked"),
        )
        .arg(time("failover-within", "Derive the timers: services run again so soon after a host is lost").conflicts_with("tolerate-pause"))
        .arg(
            Arg::new("tolerate-pause")
                .long("tolerate-pause")
                .value_name("TIME|probed")
                .value_parser(tolerance)
                .help("Derive the timers: a host may say nothing for so long and still belong; `probed`: as long as `cluster probe` saw"),
        )
        .arg(time("fencing-takes", "How long a fencing takes, for --failover-within"))
        .arg(plan_argument())
}

fn time(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).value_name("TIME").value_parser(timing::parse).help(help)
}

/// A time, or nothing for the one that was probed.
fn tolerance(text: &str) -> Result<Option<Duration>, String> {
    if text == "probed" { Ok(None) } else { timing::parse(text).map(Some) }
}

/// The pause that the last probe between these hosts saw.
fn probed(wish: &Wish) -> anyhow::Result<Duration> {
    let names: Vec<String> = wish.nodes.iter().map(|node| node.name.clone()).collect();
    let figures = probe::figures().filter(|figures| figures.cover(&names)).with_context(|| {
        format!("no probe was made between these hosts on this one: `systole cluster probe {}`", names.join(" "))
    })?;
    Ok(Duration::from_micros(figures.pause_us + figures.round_trip_us))
}

/// Timers that follow from one number.
fn derive(wish: &mut Wish, arguments: &ArgMatches) -> anyhow::Result<()> {
    let given = |name: &str| arguments.get_one::<Duration>(name).copied();
    let wanted = match (given("failover-within"), arguments.get_one::<Option<Duration>>("tolerate-pause")) {
        (Some(within), _) => timing::Wish::FailoverWithin(within),
        (None, Some(Some(pause))) => timing::Wish::ToleratePause(*pause),
        (None, Some(None)) => timing::Wish::ToleratePause(probed(wish)?),
        (None, None) => return Ok(()),
    };
    let fencing = given("fencing-takes").unwrap_or_default();
    let timers = Timers::derive(wanted, wish.nodes.len(), fencing).map_err(anyhow::Error::msg)?;
    wish.derived(&timers.words())?;
    timers.explain(wanted).iter().for_each(|line| eprintln!("{line}"));
    Ok(())
}

fn run(arguments: &ArgMatches) -> anyhow::Result<u8> {
    let words: Vec<String> = arguments.get_many("words").into_iter().flatten().cloned().collect();
    let mut wish = read(&words)?;
    derive(&mut wish, arguments)?;
    if let Some(path) = arguments.get_one::<PathBuf>("corosync_conf") {
        return write(path, &wish, arguments.get_flag("force"));
    }
    if wish.nodes.iter().all(|node| !node.addresses.is_empty()) {
        // What cannot be is said before anything is asked for.
        wish.conf()?;
    }
    let field = Field::load()?;
    let names: Vec<String> = wish.nodes.iter().map(|node| node.name.clone()).collect();
    field.need(&names)?;
    for node in wish.nodes.iter_mut().filter(|node| node.addresses.is_empty()) {
        node.addresses.extend(field.address(&node.name));
    }
    let conf = wish.conf()?;
    if let Some(said) = probe::against(&names, Model::of(&conf).timing().token) {
        eprintln!("{said}");
    }
    let abouts = field.settled(&names)?;
    let flag = |name: &str| arguments.get_flag(name);
    let how = How { start: flag("start"), enable: flag("enable"), force: flag("force") };
    let (errors, warnings) = look(&wish, &abouts, how.force);
    warnings.iter().for_each(|warning| eprintln!("warning: {warning}"));
    ensure!(errors.is_empty(), "{}", errors.join("\n  "));
    let plan = plan(&field, &names, &conf, &abouts, how)?;
    if arguments.get_flag("plan") {
        return show(&Conf::parse(String::new()), &conf, &plan);
    }
    finish(&field, plan)
}

/// What is done beside laying the files.
#[derive(Clone, Copy)]
struct How {
    start: bool,
    enable: bool,
    force: bool,
}

/// The change that sets a cluster up as the command does with these words, starts it and has it started at boot. `again`:
/// what an earlier try left is no obstacle.
///
/// # Errors
/// With what speaks against it.
pub fn plan_of(field: &Field, words: &[String], again: bool) -> anyhow::Result<Plan> {
    let wish = read(words)?;
    let names: Vec<String> = wish.nodes.iter().map(|node| node.name.clone()).collect();
    let conf = wish.conf()?;
    let abouts = field.settled(&names)?;
    let (errors, warnings) = look(&wish, &abouts, again);
    warnings.iter().for_each(|warning| eprintln!("warning: {warning}"));
    ensure!(errors.is_empty(), "{}", errors.join("; "));
    plan(field, &names, &conf, &abouts, How { start: true, enable: true, force: again })
}

/// What speaks against these hosts.
fn look(wish: &Wish, abouts: &BTreeMap<String, About>, force: bool) -> (Vec<String>, Vec<String>) {
    let (mut errors, mut warnings) = (Vec::new(), Vec::new());
    let now = host_agent::about::clock();
    let versions: Vec<&str> = abouts.values().filter_map(|about| about.corosync.as_deref()).collect();
    for node in &wish.nodes {
        let Some(about) = abouts.get(&node.name) else { continue };
        let name = &node.name;
        if about.host != *name {
            errors.push(format!(
                "{name}: the host calls itself {}; a node's name is what `uname -n` says there",
                about.host
            ));
        }
        match &about.corosync {
            None => errors.push(format!("{name}: Corosync is not installed: apt-get install corosync")),
            Some(version) if major(version) != major(versions[0]) => errors
                .push(format!("{name}: Corosync {version} does not work together with {} of other hosts", versions[0])),
            Some(_) => {}
        }
        match is_example(about) {
            true => warnings.push(format!("{name}: Debian's example of one node runs there; it is ended first")),
            false => belongs(name, about, force, &mut errors, &mut warnings),
        }
        let skew = about.clock.abs_diff(now);
        if skew > CLOCK_ERROR && !force {
            errors.push(format!("{name}: its clock differs from this host's by {} s: set up NTP there", skew / 1000));
        } else if skew > CLOCK_WARNING {
            warnings.push(format!("{name}: its clock differs from this host's by {} s: set up NTP there", skew / 1000));
        }
        for address in node.addresses.iter().filter(|address| address.parse::<std::net::IpAddr>().is_ok()) {
            if !about.addresses.contains(address) {
                errors.push(format!("{name}: it has no address {address}; it has {}", about.addresses.join(", ")));
            }
        }
    }
    (errors, warnings)
}

/// What an earlier cluster left on a host.
fn belongs(name: &str, about: &About, force: bool, errors: &mut Vec<String>, warnings: &mut Vec<String>) {
    if about.engine.is_some() || about.units.iter().any(|state| state.active && state.unit == Unit::Corosync) {
        errors
            .push(format!("{name}: Corosync runs there: the host is in a cluster. `systole cluster destroy` ends it"));
    }
    let holds: Vec<&str> =
        about.files.iter().filter(|state| state.file != HostFile::Hosts).map(|state| state.file.called()).collect();
    // Debian's package brings an example with one node on the loopback; a shared key is what a cluster leaves.
    if holds.contains(&HostFile::Authkey.called()) || about.remembers && !force {
        let what = if holds.is_empty() { "what a cluster remembers".into() } else { holds.join(" and ") };
        match force {
            true => warnings.push(format!("{name}: {what} of an earlier cluster is replaced and kept aside")),
            false => errors.push(format!(
                "{name}: it holds {what} of an earlier cluster: --force replaces it, and keeps it aside"
            )),
        }
    }
}

/// Whether what runs there is but the example that Debian's package brings and starts: one node on the loopback, without a
/// shared key, and no resource manager of ours on it.
fn is_example(about: &About) -> bool {
    /// The cluster's name in it.
    const NAME: &str = "debian";
    let systoled = about.units.iter().any(|state| state.active && state.unit == Unit::Systoled);
    let key = about.files.iter().any(|state| state.file == HostFile::Authkey);
    let alone =
        about.engine.as_ref().is_some_and(|engine| engine.cluster.as_deref() == Some(NAME) && engine.nodes.len() == 1);
    alone && !systoled && !key
}

fn major(version: &str) -> &str {
    version.split('.').next().unwrap_or(version)
}

fn plan(
    field: &Field,
    names: &[String],
    conf: &Conf,
    abouts: &BTreeMap<String, About>,
    how: How,
) -> anyhow::Result<Plan> {
    let key = NewFile { file: HostFile::Authkey, content: Some(Content(chance(KEY_BYTES)?)) };
    let files = || vec![key.clone(), hosts_file(field), conf_file(conf.text())];
    let has = |name: &String, unit: Unit| abouts[name].units.iter().any(|state| state.unit == unit);
    let act = |name: &String, unit: Unit, act: UnitAct, back: UnitAct| Act {
        host: name.clone(),
        call: Call::Unit { unit, act },
        back: Some(Call::Unit { unit, act: back }),
    };
    let each =
        |unit: Unit, word: UnitAct, back: UnitAct| names.iter().map(|name| act(name, unit, word, back)).collect();
    let units = [Unit::Corosync, Unit::Systoled];
    for name in names.iter().filter(|_| how.start || how.enable) {
        for unit in units {
            ensure!(has(name, unit), "{name}: it has no {}: is the package installed?", unit.name());
        }
    }
    let mut after: Vec<Vec<Act>> = Vec::new();
    if how.enable {
        after.extend(units.map(|unit| each(unit, UnitAct::Enable, UnitAct::Disable)));
    }
    if how.start {
        after.extend(units.map(|unit| each(unit, UnitAct::Start, UnitAct::Stop)));
    }
    let forget = |name: &String| Act { host: name.clone(), call: Call::Forget, back: None };
    let examples = || names.iter().filter(|name| is_example(&abouts[*name]));
    let forgets = |name: &&String| abouts[*name].remembers && (is_example(&abouts[*name]) || how.force);
    let before = vec![
        examples().map(|name| act(name, Unit::Corosync, UnitAct::Stop, UnitAct::Start)).collect(),
        names.iter().filter(forgets).map(forget).collect(),
    ];
    let expect = Expect { hosts: names.to_vec(), version: Some(1), members: names.to_vec(), device: None };
    Ok(Plan {
        operation: operation(),
        files: names.iter().map(|name| (name.clone(), files())).collect(),
        before,
        after,
        expect: how.start.then_some(expect),
        ..Plan::default()
    })
}

/// So many bytes of chance.
///
/// # Errors
/// When the kernel gives none.
pub fn chance(bytes: usize) -> anyhow::Result<Vec<u8>> {
    use std::io::Read as _;
    let mut key = vec![0; bytes];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut key))
        .context("reading /dev/urandom")?;
    Ok(key)
}

fn write(path: &Path, wish: &Wish, force: bool) -> anyhow::Result<u8> {
    if let Some(node) = wish.nodes.iter().find(|node| node.addresses.is_empty()) {
        bail!("{}: no address, and no host is asked with --corosync_conf: name it, addr=ADDRESS", node.name);
    }
    ensure!(force || !path.exists(), "{} is there already: --force replaces it", path.display());
    host_agent::disk::write(path, wish.conf()?.text().as_bytes(), 0o644)?;
    print(&format!("Written to {}.\n", path.display()))?;
    Ok(EXIT_OK)
}
