//! `systole cluster probe`: what the network between the hosts, and the hosts themselves, bear; before there is a cluster
//! and while one runs.

use std::collections::BTreeMap;
use std::net::ToSocketAddrs as _;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use clap::{Arg, ArgAction, ArgMatches, value_parser};
use corosync_conf::{Conf, Model, Severity};
use host_agent::{Paths, about, disk};
use serde_json::json;
use setup::conf::new::nodes;
use setup::doctor::Finding;
use setup::probe::{Figures, Measured, Places};
use setup::timing;
use wire::host::{Answer, Call, Listens, hexadecimal};

use super::engine::this_hosts;
use crate::commands::Command;
use crate::commands::doctor::{as_json, text};
use crate::hosts::Field;
use crate::terminal::{Paint, print, print_json};
use crate::{EXIT_FAILURE, EXIT_OK};

/// The command.
pub const COMMAND: Command = Command { name: "probe", grammar, run };

/// A round ends before a caller would give its host agent up.
const ROUND: Duration = Duration::from_secs(20);
/// A host listens longer than others ask: they look for the largest packet first.
const LISTENS_LONGER: u32 = 15;
/// The figures of a probe have ten lines.
const MAX_FIGURES: usize = 64 << 10;

fn grammar() -> clap::Command {
    clap::Command::new("")
        .about("Measure round trips, jitter, loss, MTU, ports, clocks and pauses of the hosts, for each pair and link")
        .after_help(
            "Each host sends packets to each other one over each link, to Corosync's own ports where these are free, and the \
             others send them back. While Corosync runs and holds its ports, others are used. Without names the nodes of \
             corosync.conf are probed, and where there is none all hosts that are enrolled here. What is found is kept: \
             `cluster setup` and `doctor` hold it against the token's time.\n\nThe exit status is 1 if there is an error.\n\n\
             Examples:\n  systole cluster probe\n  systole cluster probe --soak 10m\n  \
             systole cluster probe node1 addr=10.0.0.1 addr=10.1.0.1 node2 addr=10.0.0.2 addr=10.1.0.2",
        )
        .arg(
            Arg::new("words")
                .action(ArgAction::Append)
                .value_name("NODE [addr=ADDRESS]…")
                .help("Hosts that are enrolled here, with an address for each link"),
        )
        .arg(
            Arg::new("soak")
                .long("soak")
                .value_name("TIME")
                .value_parser(timing::parse)
                .default_value("5s")
                .help("How long: what only happens now and then needs 10m"),
        )
        .arg(
            Arg::new("rate")
                .long("rate")
                .value_name("N")
                .value_parser(value_parser!(u32).range(1..=1000))
                .default_value("100")
                .help("Packets a second, for each pair and link"),
        )
        .arg(
            Arg::new("json")
                .long("json")
                .action(ArgAction::SetTrue)
                .help("For programs: {\"ways\", \"pauses_us\", \"findings\"}"),
        )
}

fn run(arguments: &ArgMatches) -> anyhow::Result<u8> {
    let words: Vec<String> = arguments.get_many("words").into_iter().flatten().cloned().collect();
    let (soak, rate) = (
        *arguments.get_one::<Duration>("soak").expect("it has a default"),
        *arguments.get_one::<u32>("rate").expect("it has a default"),
    );
    let field = Field::load()?;
    let places = places(&field, &words)?;
    let (measured, mut found) = measure(&field, &places, soak, rate)?;
    found.extend(measured.judge());
    found.sort_by_key(|finding| finding.severity);
    let figures = keep(&measured)?;
    if arguments.get_flag("json") {
        print_json(&report(&measured, &found))?;
    } else {
        print(&measured.table())?;
        print(&text(&found, "Nothing is wrong.\n", Paint::for_output()))?;
        print(&format!("A token of {} ms and more bears what was measured.\n", figures.needs()))?;
    }
    let errors = found.iter().any(|finding| finding.severity == Severity::Error);
    Ok(if errors { EXIT_FAILURE } else { EXIT_OK })
}

/// Keeps the figures on this host, for `setup` and `doctor`.
///
/// # Errors
/// When the disk refuses.
pub fn keep(measured: &Measured) -> anyhow::Result<Figures> {
    let figures = measured.figures(about::clock() / 1000);
    if figures.sent > 0 {
        disk::write(&Paths::default().probe(), figures.text().as_bytes(), 0o600)?;
    }
    Ok(figures)
}

/// What the last probe on this host measured.
pub fn figures() -> Option<Figures> {
    let bytes = disk::read(&Paths::default().probe(), MAX_FIGURES).ok()??;
    Figures::parse(&String::from_utf8_lossy(&bytes))
}

/// The hosts that a command line means, with their addresses as numbers.
pub fn places(field: &Field, words: &[String]) -> anyhow::Result<Places> {
    let conf = this_hosts(field).ok().filter(|conf| !Model::of(conf).nodes.is_empty());
    let named = nodes(words)?;
    let mut hosts: BTreeMap<String, BTreeMap<u32, String>> = BTreeMap::new();
    if named.is_empty() {
        hosts = match &conf {
            Some(conf) => of_conf(conf),
            None => field.names().into_iter().map(|name| (name, BTreeMap::new())).collect(),
        };
    }
    let known = conf.as_ref().map(of_conf).unwrap_or_default();
    for node in named {
        let links = match node.addresses.is_empty() {
            true => known.get(&node.name).cloned().unwrap_or_default(),
            false => (0..).zip(node.addresses).collect(),
        };
        hosts.insert(node.name, links);
    }
    field.need(&hosts.keys().cloned().collect::<Vec<_>>())?;
    for (name, links) in &mut hosts {
        if links.is_empty() {
            links.extend(field.address(name).map(|address| (0, address)));
        }
        for address in links.values_mut() {
            *address = number(address).with_context(|| format!("{name}: looking {address} up"))?;
        }
    }
    ensure!(
        hosts.len() > 1,
        "a probe needs two hosts at least: enroll more, `systole host auth NAME addr=ADDRESS --token TOKEN`"
    );
    let empty = Conf::parse(String::new());
    let model = Model::of(conf.as_ref().unwrap_or(&empty));
    let ports = hosts.values().flat_map(BTreeMap::keys).map(|link| (*link, model.port(*link))).collect();
    Ok(Places { hosts, ports })
}

fn of_conf(conf: &Conf) -> BTreeMap<String, BTreeMap<u32, String>> {
    let node = |node: &corosync_conf::model::Node| {
        (node.called(), node.addresses.iter().map(|(link, address)| (*link, address.value.clone())).collect())
    };
    Model::of(conf).nodes.iter().map(node).collect()
}

fn number(address: &str) -> anyhow::Result<String> {
    let found = (address, 0).to_socket_addrs()?.next().context("the name is not known")?;
    Ok(found.ip().to_string())
}

/// Probes for so long, in rounds. Hosts that do not answer are left out, and told.
///
/// # Errors
/// When fewer than two hosts answer.
pub fn measure(field: &Field, places: &Places, soak: Duration, rate: u32) -> anyhow::Result<(Measured, Vec<Finding>)> {
    let (mut measured, mut silent) = (Measured::default(), BTreeMap::new());
    let agents: BTreeMap<String, String> =
        places.hosts.keys().filter_map(|name| Some((name.clone(), field.agent(name)?))).collect();
    let start = Instant::now();
    let mut asked = Duration::ZERO;
    while asked < soak {
        let round = u32::try_from((soak - asked).min(ROUND).as_secs()).unwrap_or(1).max(1);
        asked += Duration::from_secs(u64::from(round));
        let session = hexadecimal(&super::setup::chance(16)?);
        let listens = listen(field, places, &session, round + LISTENS_LONGER, &mut silent);
        if listens.len() < 2 {
            let reasons: Vec<String> = silent.iter().map(|(name, reason)| format!("{name}: {reason}")).collect();
            bail!("fewer than two hosts answer: {}", reasons.join("; "));
        }
        listens.iter().for_each(|(name, listens)| measured.listens(places, name, listens));
        let calls = listens.keys().map(|name| {
            let to = places.targets(name, &listens, &agents);
            (name.clone(), Call::Probe { session: session.clone(), seconds: round, rate, to })
        });
        let answers = field.ask(calls.collect());
        // Ports that are not let go are in the way of the next round, and of Corosync. Who does not answer lets them go when
        // the session's time is over.
        field.ask(listens.keys().map(|name| (name.clone(), Call::ProbeEnd { session: session.clone() })).collect());
        for (name, answer) in answers {
            match answer {
                Ok(Answer::Probed(probed)) => measured.take(&name, *probed),
                Ok(other) => drop(silent.insert(name, format!("it answered something else: {other:?}"))),
                Err(reason) => drop(silent.insert(name, reason)),
            }
        }
        if asked < soak {
            eprintln!("[{:5.0} s] {}", start.elapsed().as_secs_f32(), progress(&measured));
        }
    }
    let found = silent.into_iter().map(|(name, reason)| Finding {
        rule: "silent".into(),
        severity: Severity::Error,
        host: Some(name),
        message: "its host agent does not answer".into(),
        evidence: reason,
        remedy: "start it, `systemctl start systole-host-agent` there, and let its port through".into(),
    });
    Ok((measured, found.collect()))
}

fn listen(
    field: &Field,
    places: &Places,
    session: &str,
    seconds: u32,
    silent: &mut BTreeMap<String, String>,
) -> BTreeMap<String, Vec<Listens>> {
    let call = |name: &String| {
        let at = places.listens(name);
        (name.clone(), Call::ProbeListen { session: session.to_owned(), seconds, at })
    };
    let mut listens = BTreeMap::new();
    for (name, answer) in field.ask(places.hosts.keys().map(call).collect()) {
        match answer {
            Ok(Answer::Listens(all)) => drop(listens.insert(name, all)),
            Ok(other) => drop(silent.insert(name, format!("it answered something else: {other:?}"))),
            Err(reason) => drop(silent.insert(name, reason)),
        }
    }
    listens
}

fn progress(measured: &Measured) -> String {
    let figures = measured.figures(0);
    format!(
        "{} packets, {} lost; the longest round trip {} ms, the longest pause {} ms",
        figures.sent,
        figures.lost,
        figures.round_trip_us / 1000,
        figures.pause_us / 1000
    )
}

fn report(measured: &Measured, found: &[Finding]) -> serde_json::Value {
    let ways = measured.ways().map(|((from, to, link), path)| {
        let mut way = json!({"from": from, "to": to, "link": link});
        for (name, value) in [
            ("sent", json!(path.sent)),
            ("came", json!(path.came)),
            ("least_us", json!(path.least_us)),
            ("average_us", json!(path.total_us.checked_div(path.came))),
            ("longest_us", json!(path.most_us)),
            ("jitter_us", json!(path.jitter_us.checked_div(path.came.saturating_sub(1)))),
            ("mtu", json!(path.mtu)),
            ("clock_ms", json!(path.clock_ms)),
            ("agent", json!(path.agent)),
        ] {
            way[name] = value;
        }
        way
    });
    json!({
        "ways": ways.collect::<Vec<_>>(),
        "pauses_us": measured.pauses(),
        "findings": found.iter().map(as_json).collect::<Vec<_>>(),
    })
}

/// What the last probe says of a token's time, where it was made between these hosts; for a set-up.
pub fn against(names: &[String], token: u64) -> Option<String> {
    let figures = figures().filter(|figures| figures.cover(names))?;
    let warning = if figures.needs() > token { "warning: " } else { "" };
    Some(format!("{warning}{}", figures.against(token)))
}
