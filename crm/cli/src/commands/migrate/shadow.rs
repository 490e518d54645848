//! `systole migrate keepalived shadow`: keepalived watched at work by its adverts, and what Systole would have done.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::os::fd::AsFd as _;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use clap::{Arg, ArgAction, ArgMatches};
use listen::Listener;
use migrate::advert::decode;
use migrate::shadow::{Key, Said, Shadow, Total};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use serde_json::{Value, json};

use super::plan::{Source, arguments};
use crate::commands::Command;
use crate::terminal::{Paint, print, print_json};
use crate::{EXIT_FAILURE, EXIT_OK};

/// The command.
pub const COMMAND: Command = Command { name: "shadow", grammar, run };

/// The longest sleep when there is nothing to wait for.
const SLEEP_MAX: Duration = Duration::from_secs(60);

fn grammar() -> clap::Command {
    let after = "Listens to the adverts of VRRP 2 and 3 over IPv4 and IPv6, those of this host included, and sends nothing. \
                 Adverts by unicast are seen on their two ends only; those by multicast on every host that has keepalived. \
                 It tells who is master, when that changes and why as far as priorities say, how long nobody was, when two \
                 are at once, what an advert says otherwise than the files, and after each change where the plan's \
                 configuration would have the addresses. It ends after --for, or by Ctrl-C, with the sum of it.\n\n\
                 The exit status is 1 if two were master at once, or nothing was heard of a unit.\n\n--json keys, of a line \
                 each: \"at_ms\", \"router\", \"kind\", \"text\", \"systole\"; of the last: \"routers\", \"unheard\".\n\n\
                 Examples:\n  systole migrate keepalived shadow one=one.tar two=two.tar --for 1h\n  \
                 systole migrate keepalived shadow one=one.conf two=two.conf --address one=192.0.2.1 --address two=192.0.2.2";
    clap::Command::new("")
        .about("Watch keepalived's adverts: who is master, gaps, two masters, what Systole would have done")
        .after_help(after)
        .args(arguments())
        .args([
            Arg::new("for")
                .long("for")
                .value_name("TIME")
                .help("End after this time, such as 10m [default: by Ctrl-C]"),
            Arg::new("address")
                .long("address")
                .value_name("NODE=ADDRESS")
                .action(ArgAction::Append)
                .help("Where a host's adverts come from, if neither its file nor its tar says it"),
            Arg::new("json").long("json").action(ArgAction::SetTrue).help("For programs; the keys are below"),
        ])
}

fn run(arguments: &ArgMatches) -> anyhow::Result<u8> {
    let source = Source::read(arguments)?;
    let Some(plan) = source.plan_or_say_why(arguments)? else { return Ok(EXIT_FAILURE) };
    let end = match arguments.get_one::<String>("for") {
        Some(text) => match cib::duration::parse_ms(text) {
            Ok(ms) => Some(Duration::from_millis(ms)),
            Err(error) => bail!("--for {text}: {error}; expected a time such as 30s, 10m or 1h"),
        },
        None => None,
    };
    let names = names(&source, arguments)?;
    let json = arguments.get_flag("json");
    let mut listener = Listener::open().context("listening to adverts; root may, and who has CAP_NET_RAW")?;
    let mut shadow = Shadow::new(&plan, names);
    watch(&mut shadow, &mut listener, end, json)?;
    let totals = shadow.totals();
    let unheard = shadow.unheard();
    if json {
        print_json(&json!({"routers": totals.iter().map(total_json).collect::<Value>(), "unheard": unheard}))?;
    } else {
        print(&summary(&totals, &unheard, Paint::for_output()))?;
    }
    let two = totals.iter().any(|(.., total)| total.two > Duration::ZERO);
    Ok(if two || !unheard.is_empty() { EXIT_FAILURE } else { EXIT_OK })
}

/// Which host speaks from which address.
fn names(source: &Source, arguments: &ArgMatches) -> anyhow::Result<BTreeMap<IpAddr, String>> {
    let mut names = BTreeMap::new();
    for (name, _) in &source.hosts {
        if let Some(ip) = source.answers.get(&format!("address.{name}")).and_then(|text| text.parse().ok()) {
            names.insert(ip, name.clone());
        }
    }
    for ((name, model), found) in source.hosts.iter().zip(&source.collected) {
        let all = || model.instances.iter().flat_map(|one| one.addresses.iter().chain(&one.excluded));
        for held in found.iter().flat_map(|found| &found.addresses) {
            if !held.ip.is_loopback() && all().all(|address| address.ip != held.ip) {
                names.entry(held.ip).or_insert_with(|| name.clone());
            }
        }
    }
    for text in arguments.get_many::<String>("address").into_iter().flatten() {
        let known = text.split_once('=').and_then(|(name, ip)| Some((name, ip.parse::<IpAddr>().ok()?)));
        match known {
            Some((name, ip)) if source.hosts.iter().any(|(host, _)| host == name) => {
                names.insert(ip, name.to_owned());
            }
            _ => bail!("--address {text}: expected NODE=ADDRESS, with one of the given hosts"),
        }
    }
    Ok(names)
}

fn watch(shadow: &mut Shadow<'_>, listener: &mut Listener, end: Option<Duration>, json: bool) -> anyhow::Result<()> {
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGINT);
    signals.add(Signal::SIGTERM);
    signals.thread_block().context("holding signals back")?;
    let ended = SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC).context("waiting for signals")?;
    let begin = Instant::now();
    loop {
        while let Some(said) = shadow.poll() {
            if json { print_json(&said_json(&said))? } else { print(&shown(&said))? }
        }
        let now = begin.elapsed();
        let next = shadow.deadline().into_iter().chain(end).min();
        let wait = next.map_or(SLEEP_MAX, |next| next.saturating_sub(now)).min(SLEEP_MAX);
        // A millisecond more, so that what is due is over when we wake.
        let wait = PollTimeout::try_from(wait + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX);
        let (heard, over) = {
            let mut waiting =
                [PollFd::new(listener.as_fd(), PollFlags::POLLIN), PollFd::new(ended.as_fd(), PollFlags::POLLIN)];
            match poll(&mut waiting, wait) {
                Ok(_) | Err(nix::errno::Errno::EINTR) => {}
                Err(error) => return Err(error).context("waiting for adverts"),
            }
            let is = |at: usize| waiting[at].revents().is_some_and(|events| !events.is_empty());
            (is(0), is(1))
        };
        if heard {
            while let Some(packet) = listener.packet().context("listening to adverts")? {
                if let Some(advert) = decode(packet) {
                    shadow.handle(begin.elapsed(), advert);
                }
            }
        }
        shadow.timeout(begin.elapsed());
        if over || end.is_some_and(|end| begin.elapsed() >= end) {
            return Ok(());
        }
    }
}

fn name((router, v6): Key) -> String {
    format!("router {router}{}", if v6 { " of IPv6" } else { "" })
}

fn shown(said: &Said) -> String {
    let systole = said.systole.as_ref().map_or(String::new(), |text| format!(". {text}"));
    format!("{:>9.3} s  {}: {}{systole}.\n", said.at.as_secs_f64(), name(said.router), said.text)
}

fn summary(totals: &[(Key, String, Total)], unheard: &[&str], paint: Paint) -> String {
    let mut out = String::new();
    for (key, unit, total) in totals {
        out += &paint.title(&format!("{} ({unit})", name(*key)));
        out += "\n";
        for (host, time) in &total.masters {
            out += &format!("  {host} was master for {:.1} s\n", time.as_secs_f64());
        }
        let (count, longest, all) = total.gaps;
        out += &format!(
            "  {} change(s); {count} time(s) without a master, the longest {} ms, {} ms in all\n",
            total.moves,
            longest.as_millis(),
            all.as_millis()
        );
        if total.two > Duration::ZERO {
            out += &format!("  two masters at once for {} ms\n", total.two.as_millis());
        }
        if total.otherwise > 0 {
            out += &format!("  {} time(s) Systole would have had it elsewhere\n", total.otherwise);
        }
    }
    for unit in unheard {
        out += &format!(
            "Nothing was heard of {unit}: nobody is master, or its adverts do not come by here (unicast between others)\n"
        );
    }
    out
}

fn said_json(said: &Said) -> Value {
    json!({
        "at_ms": said.at.as_millis() as u64, "router": name(said.router), "kind": said.kind, "text": said.text,
        "systole": said.systole,
    })
}

fn total_json((key, unit, total): &(Key, String, Total)) -> Value {
    let masters = total.masters.iter().map(|(host, time)| (host.clone(), json!(time.as_millis() as u64)));
    json!({
        "router": name(*key), "unit": unit, "master_ms": Value::Object(masters.collect()), "changes": total.moves,
        "gaps": total.gaps.0, "longest_gap_ms": total.gaps.1.as_millis() as u64,
        "gaps_ms": total.gaps.2.as_millis() as u64, "two_masters_ms": total.two.as_millis() as u64,
        "otherwise": total.otherwise,
    })
}
