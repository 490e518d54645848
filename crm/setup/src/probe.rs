//! What probes between hosts say: who asks whom, what the figures mean for Corosync, and what of them a set-up has to know.
//! How they are sent is `host-agent`'s.

use core::fmt::Write as _;
use std::collections::BTreeMap;

use corosync_conf::Severity;
use wire::host::{Listens, ProbeTarget, Probed, ProbedPath};

use crate::doctor::Finding;
use crate::timing::{LEAST_TOKEN, pause_needs};

/// Any loss is worth a look; with more than this, in thousandths, tokens are lost and sent again all the time.
const LOSS: u64 = 10;
/// Corosync is made for a LAN: what Proxmox's documents call the limit, and where they call it unstable; microseconds.
const SLOW: u64 = 5_000;
const TOO_SLOW: u64 = 10_000;
/// What Ethernet takes.
const ETHERNET: u32 = 1500;
/// Clocks, in milliseconds, as the doctor has them.
const CLOCK: u64 = 1_000;
const CLOCK_ERROR: u64 = 10_000;

/// The hosts, each with its addresses by link, and the port of each link.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Places {
    /// Address by link, by host.
    pub hosts: BTreeMap<String, BTreeMap<u32, String>>,
    /// Port by link.
    pub ports: BTreeMap<u32, u16>,
}

impl Places {
    /// Where a host is to listen.
    pub fn listens(&self, host: &str) -> Vec<(String, u16)> {
        let links = self.hosts.get(host).into_iter().flatten();
        links.map(|(link, address)| (address.clone(), self.ports.get(link).copied().unwrap_or(0))).collect()
    }

    /// Whom a host asks, now that all have said where they listen. Host agents are asked on the first link alone.
    pub fn targets(
        &self,
        host: &str,
        listens: &BTreeMap<String, Vec<Listens>>,
        agents: &BTreeMap<String, String>,
    ) -> Vec<ProbeTarget> {
        let mine = self.hosts.get(host);
        let mut targets = Vec::new();
        for (other, addresses) in self.hosts.iter().filter(|(other, _)| *other != host) {
            // A link is what both have an address on.
            let shared = addresses.iter().filter(|(link, _)| mine.is_some_and(|mine| mine.contains_key(link)));
            for (position, (link, address)) in shared.enumerate() {
                let listens = listens.get(other).and_then(|all| all.iter().find(|one| one.address == *address));
                let Some(port) = listens.and_then(|one| one.port) else { continue };
                let agent = agents.get(other).filter(|_| position == 0).cloned();
                targets.push(ProbeTarget { host: other.clone(), link: *link, address: address.clone(), port, agent });
            }
        }
        targets
    }
}

/// From which host, to which, over which link.
pub type Way = (String, String, u32);

/// All that was measured.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Measured {
    paths: BTreeMap<Way, ProbedPath>,
    /// The longest pause of each host, in microseconds.
    pauses: BTreeMap<String, u64>,
    /// Addresses at which nobody could listen, with the reason; by host.
    deaf: BTreeMap<(String, String), String>,
    /// Addresses whose port somebody else holds, most likely Corosync.
    held: BTreeMap<(String, u32), u16>,
}

impl Measured {
    /// Takes in where hosts listen.
    pub fn listens(&mut self, places: &Places, host: &str, listens: &[Listens]) {
        let addresses = places.hosts.get(host);
        for one in listens {
            if let Some(reason) = &one.reason {
                self.deaf.insert((host.to_owned(), one.address.clone()), reason.clone());
            }
            let link = addresses.and_then(|all| all.iter().find(|(_, address)| **address == one.address));
            if let Some((link, _)) = link.filter(|_| one.port.is_some_and(|port| port != one.wished)) {
                self.held.insert((host.to_owned(), *link), one.wished);
            }
        }
    }

    /// Takes in what a host found in one round.
    pub fn take(&mut self, host: &str, probed: Probed) {
        let pause = self.pauses.entry(host.to_owned()).or_default();
        *pause = (*pause).max(probed.pause_us);
        for path in probed.paths {
            let way = (host.to_owned(), path.host.clone(), path.link);
            match self.paths.get_mut(&way) {
                None => drop(self.paths.insert(way, path)),
                Some(sum) => add(sum, path),
            }
        }
    }

    /// What was found from which host to which, over which link.
    pub fn ways(&self) -> impl Iterator<Item = (&Way, &ProbedPath)> {
        self.paths.iter()
    }

    /// The longest pause of each host, in microseconds.
    pub fn pauses(&self) -> &BTreeMap<String, u64> {
        &self.pauses
    }

    /// A table with a line for each way.
    pub fn table(&self) -> String {
        let mut text = format!(
            "{:<24} {:>4} {:>8} {:>7}  {:>8} {:>8} {:>8} {:>8} {:>6} {:>9}\n",
            "from, to", "link", "sent", "lost", "least", "average", "longest", "jitter", "MTU", "clock"
        );
        for ((from, to, link), path) in &self.paths {
            let ms = |us: Option<u64>| us.map_or("-".into(), |us| format!("{}.{:03}", us / 1000, us % 1000));
            let any = |value: u64| (path.came > 0).then_some(value);
            // Writing to a string does not fail, here and below.
            let _ = writeln!(
                text,
                "{:<24} {link:>4} {:>8} {:>7}  {:>8} {:>8} {:>8} {:>8} {:>6} {:>9}",
                format!("{from}, {to}"),
                path.sent,
                path.sent.saturating_sub(path.came),
                ms(any(path.least_us)),
                ms(average(path)),
                ms(any(path.most_us)),
                ms(jitter(path)),
                path.mtu.map_or("-".into(), |mtu| mtu.to_string()),
                path.clock_ms.map_or("-".into(), |ms| format!("{ms:+} ms")),
            );
        }
        text += "Round trips and jitter in ms.\n";
        for (host, pause) in &self.pauses {
            let _ = writeln!(text, "{host}: a program that was due waited {} at most", milliseconds(*pause));
        }
        text
    }

    /// What is wrong, the worst first.
    pub fn judge(&self) -> Vec<Finding> {
        let mut found = Vec::new();
        for ((host, address), reason) in &self.deaf {
            found.push(
                Finding::new("address", Severity::Error, format!("nothing can listen at {address}"))
                    .on(host)
                    .because(reason.clone())
                    .remedy("give the host that address, or name the one it has"),
            );
        }
        for ((from, to, link), path) in &self.paths {
            self.judge_way(from, to, *link, path, &mut found);
        }
        self.judge_mtu(&mut found);
        for (host, pause) in &self.pauses {
            let needs = pause_needs(pause.div_ceil(1000));
            if needs > LEAST_TOKEN {
                found.push(
                    Finding::new(
                        "pause",
                        Severity::Warning,
                        format!("a program that was due waited {}", milliseconds(*pause)),
                    )
                    .on(host)
                    .because(format!("Corosync that waits so long is missed unless its token's time is {needs} ms or more"))
                    .remedy("look for what stops the host (a hypervisor, snapshots, swapping), or `cluster setup --tolerate-pause probed`"),
                );
            }
        }
        found.sort_by_key(|finding| finding.severity);
        found
    }

    fn judge_way(&self, from: &str, to: &str, link: u32, path: &ProbedPath, found: &mut Vec<Finding>) {
        let mut say = |rule: &str, severity, message: String, evidence: String, remedy: &str| {
            found.push(Finding::new(rule, severity, message).on(from).because(evidence).remedy(remedy));
        };
        let held = self.held.get(&(to.to_owned(), link));
        if path.agent == Some(false) {
            say(
                "agent",
                Severity::Warning,
                format!("the host agent of {to} cannot be reached"),
                "no connection is made to its port".into(),
                "let its port through (2224/tcp): commands that are given on this host need it",
            );
        }
        if let Some(reason) = &path.reason {
            return say(
                "way",
                Severity::Error,
                format!("no way leads to {to} over link {link}"),
                reason.clone(),
                "look at the addresses and routes of both hosts",
            );
        }
        if path.came == 0 {
            let evidence = match held {
                Some(port) => format!(
                    "none of {} packets came back, on a port that was free: {port} is held there, by Corosync if it runs",
                    path.sent
                ),
                None => format!("none of {} packets came back", path.sent),
            };
            let severity = if held.is_some() { Severity::Warning } else { Severity::Error };
            let remedy = match held {
                Some(_) => {
                    "`systole doctor` says whether Corosync's own link is up; while it runs, other ports may be closed"
                }
                None => "let UDP 5405 and up through on both hosts and between them, and look at cables and addresses",
            };
            return say("way", severity, format!("nothing comes back from {to} over link {link}"), evidence, remedy);
        }
        let lost = path.sent.saturating_sub(path.came);
        if lost > 0 {
            let heavy = lost * 1000 > path.sent * LOSS;
            say(
                "loss",
                if heavy { Severity::Error } else { Severity::Warning },
                format!("packets to {to} over link {link} are lost"),
                format!("{lost} of {} did not come back within a second", path.sent),
                "look at cables, duplex and load of that network; Corosync is best on a network of its own",
            );
        }
        let average = average(path).unwrap_or(0);
        if average > SLOW {
            say(
                "slow",
                if average > TOO_SLOW { Severity::Error } else { Severity::Warning },
                format!("the way to {to} over link {link} is slow"),
                format!("{} for a round trip on average; Corosync is made for less than 5 ms", milliseconds(average)),
                "use a nearer network, or a longer token: `cluster setup --tolerate-pause`",
            );
        }
        let skew = path.clock_ms.map_or(0, i64::unsigned_abs);
        // Each pair is seen from both sides: once is enough.
        if skew > CLOCK && from < to {
            say(
                "clocks",
                if skew > CLOCK_ERROR { Severity::Error } else { Severity::Warning },
                format!("its clock and that of {to} differ by {}", milliseconds(skew * 1000)),
                "seen from the shortest round trip".into(),
                "install and enable a time service on both, such as chrony",
            );
        }
    }

    fn judge_mtu(&self, found: &mut Vec<Finding>) {
        let links: std::collections::BTreeSet<u32> = self.paths.keys().map(|(_, _, link)| *link).collect();
        for link in links {
            let all = || self.paths.iter().filter(move |((_, _, of), path)| *of == link && path.came > 0);
            for ((from, to, _), _) in all().filter(|(_, path)| path.mtu.is_none()) {
                found.push(
                    Finding::new("mtu", Severity::Error, format!("packets of 576 bytes do not come back from {to}"))
                        .on(from)
                        .because(format!("shorter ones do, over link {link}; none may be cut into pieces"))
                        .remedy("look at the MTU of interfaces, switches and tunnels of that network"),
                );
            }
            let mut mtus: Vec<(u32, &Way)> = all().filter_map(|(way, path)| Some((path.mtu?, way))).collect();
            mtus.sort_unstable();
            let (Some((least, narrow)), Some((most, wide))) = (mtus.first(), mtus.last()) else { continue };
            let way = |(from, to, _): &Way| format!("{from} to {to}");
            if least < most {
                found.push(
                    Finding::new("mtu", Severity::Warning, format!("link {link} takes packets of different length"))
                        .because(format!("{least} bytes from {}, {most} from {}", way(narrow), way(wide)))
                        .remedy("give all interfaces and switches of that network the same MTU"),
                );
            } else if *least < ETHERNET {
                found.push(
                    Finding::new("mtu", Severity::Advice, format!("link {link} takes packets of {least} bytes"))
                        .because("Ethernet takes 1500; tunnels take less")
                        .remedy("nothing: knet finds that out by itself"),
                );
            }
        }
    }

    /// What a set-up and the doctor have to know.
    pub fn figures(&self, at: u64) -> Figures {
        let worst = self.pauses.iter().max_by_key(|(_, pause)| **pause);
        let (sent, came) = self.paths.values().fold((0, 0), |(sent, came), path| (sent + path.sent, came + path.came));
        Figures {
            at,
            hosts: self.pauses.keys().cloned().collect(),
            round_trip_us: self.paths.values().map(|path| path.most_us).max().unwrap_or(0),
            pause_us: worst.map_or(0, |(_, pause)| *pause),
            paused: worst.map_or(String::new(), |(host, _)| host.clone()),
            lost: sent.saturating_sub(came),
            sent,
        }
    }
}

fn add(sum: &mut ProbedPath, path: ProbedPath) {
    sum.sent += path.sent;
    sum.came += path.came;
    sum.total_us += path.total_us;
    sum.jitter_us += path.jitter_us;
    sum.most_us = sum.most_us.max(path.most_us);
    if path.came > 0 && (sum.least_us == 0 || path.least_us < sum.least_us) {
        sum.least_us = path.least_us;
        sum.clock_ms = path.clock_ms;
    }
    // What passed once may not pass later: the least counts.
    sum.mtu = sum.mtu.min(path.mtu);
    sum.agent = sum.agent.min(path.agent);
    sum.reason = path.reason.or(sum.reason.take());
}

fn average(path: &ProbedPath) -> Option<u64> {
    path.total_us.checked_div(path.came)
}

fn jitter(path: &ProbedPath) -> Option<u64> {
    path.jitter_us.checked_div(path.came.saturating_sub(1))
}

fn milliseconds(us: u64) -> String {
    format!("{}.{} ms", us / 1000, us % 1000 / 100)
}

/// The worst that was measured, kept on the host where the probe was made.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Figures {
    /// When, in seconds since 1970.
    pub at: u64,
    /// Between which hosts.
    pub hosts: Vec<String>,
    /// The longest round trip, in microseconds.
    pub round_trip_us: u64,
    /// The longest pause, in microseconds.
    pub pause_us: u64,
    /// And whose that was.
    pub paused: String,
    /// Packets that did not come back.
    pub lost: u64,
    /// Of so many.
    pub sent: u64,
}

impl Figures {
    /// A line for each.
    pub fn text(&self) -> String {
        let Figures { at, hosts, round_trip_us, pause_us, paused, lost, sent } = self;
        let hosts = hosts.join(" ");
        format!(
            "at {at}\nhosts {hosts}\nround-trip-us {round_trip_us}\npause-us {pause_us}\npaused {paused}\nlost {lost}\nsent {sent}\n"
        )
    }

    /// Reads what [`Figures::text`] wrote; nothing when it is not that.
    pub fn parse(text: &str) -> Option<Figures> {
        let of = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        let number = |name: &str| of(name)?.parse().ok();
        Some(Figures {
            at: number("at")?,
            hosts: of("hosts")?.split(' ').map(str::to_owned).collect(),
            round_trip_us: number("round-trip-us")?,
            pause_us: number("pause-us")?,
            paused: of("paused")?.to_owned(),
            lost: number("lost")?,
            sent: number("sent")?,
        })
    }

    /// Whether these hosts are among those that were probed.
    pub fn cover(&self, hosts: &[String]) -> bool {
        hosts.iter().all(|host| self.hosts.contains(host))
    }

    /// The token's time, in milliseconds, that such a pause and such a way need; with Corosync's retransmits in between.
    pub fn needs(&self) -> u64 {
        pause_needs((self.pause_us + self.round_trip_us).div_ceil(1000)).max(LEAST_TOKEN)
    }

    /// What they say of a token's time in milliseconds, as a sentence.
    pub fn against(&self, token: u64) -> String {
        let pause = format!("a pause of {} on {}", milliseconds(self.pause_us), self.paused);
        let trip = format!("a round trip of {}", milliseconds(self.round_trip_us));
        match token.checked_sub(self.needs()) {
            Some(slack) => format!(
                "the probe measured {pause} and {trip} at most: the token's {token} ms leave {slack} ms of slack"
            ),
            None => format!(
                "the probe measured {pause} and {trip}: they need a token of {} ms, and it is {token} ms",
                self.needs()
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(host: &str, link: u32) -> ProbedPath {
        ProbedPath {
            host: host.into(),
            link,
            sent: 100,
            came: 100,
            total_us: 30_000,
            least_us: 200,
            most_us: 900,
            jitter_us: 990,
            mtu: Some(1500),
            clock_ms: Some(3),
            agent: Some(true),
            reason: None,
        }
    }

    fn measured(change: impl FnOnce(&mut ProbedPath)) -> Measured {
        let mut measured = Measured::default();
        let mut there = path("b", 0);
        change(&mut there);
        measured.take("a", Probed { paths: vec![there], pause_us: 400 });
        measured.take("b", Probed { paths: vec![path("a", 0)], pause_us: 700 });
        measured
    }

    #[test]
    fn each_fault_is_told_and_no_other() {
        type Case = (&'static str, fn(&mut ProbedPath));
        let cases: [Case; 12] = [
            ("", |_| {}),
            ("error way: no way leads to b over link 0", |path| path.reason = Some("no route".into())),
            ("error way: nothing comes back from b over link 0", |path| path.came = 0),
            ("warning loss: packets to b over link 0 are lost", |path| path.came = 99),
            ("error loss: packets to b over link 0 are lost", |path| path.came = 98),
            ("warning slow: the way to b over link 0 is slow", |path| path.total_us = 600_000),
            ("error slow: the way to b over link 0 is slow", |path| path.total_us = 1_100_000),
            ("warning clocks: its clock and that of b differ by 1500.0 ms", |path| path.clock_ms = Some(-1500)),
            ("error clocks: its clock and that of b differ by 20000.0 ms", |path| path.clock_ms = Some(20_000)),
            ("warning mtu: link 0 takes packets of different length", |path| path.mtu = Some(1400)),
            ("error mtu: packets of 576 bytes do not come back from b", |path| path.mtu = None),
            ("warning agent: the host agent of b cannot be reached", |path| path.agent = Some(false)),
        ];
        for (expected, change) in cases {
            let told: Vec<String> = measured(change)
                .judge()
                .into_iter()
                .map(|finding| {
                    assert!(!finding.evidence.is_empty() && !finding.remedy.is_empty(), "{finding:?}");
                    format!("{:?} {}: {}", finding.severity, finding.rule, finding.message).to_lowercase()
                })
                .collect();
            assert_eq!(told.join("; "), expected.to_lowercase());
        }
        let mut paused = measured(|_| {});
        paused.take("b", Probed { paths: Vec::new(), pause_us: 2_500_000 });
        let told = paused.judge();
        assert_eq!(told[0].message, "a program that was due waited 2500.0 ms");
        assert!(told[0].evidence.contains("is 3000 ms or more"), "{told:?}");
    }

    #[test]
    fn rounds_are_added_up() {
        let mut measured = measured(|_| {});
        let worse = ProbedPath { came: 90, most_us: 5000, least_us: 100, clock_ms: Some(9), mtu: None, ..path("b", 0) };
        measured.take("a", Probed { paths: vec![worse], pause_us: 100 });
        let sum = &measured.paths[&("a".into(), "b".into(), 0)];
        assert_eq!((sum.sent, sum.came, sum.most_us, sum.least_us, sum.clock_ms), (200, 190, 5000, 100, Some(9)));
        assert_eq!((sum.mtu, measured.pauses["a"]), (None, 400));
        let table = measured.table();
        assert!(table.contains("a, b                        0      200      10"), "{table}");
        assert!(table.contains("b: a program that was due waited 0.7 ms at most"), "{table}");
    }

    #[test]
    fn figures_are_kept_and_held_against_a_token() {
        let figures = measured(|_| {}).figures(77);
        assert_eq!(Figures::parse(&figures.text()), Some(figures.clone()));
        assert_eq!((figures.needs(), figures.paused.as_str(), figures.sent), (1000, "b", 200));
        assert!(figures.cover(&["a".into(), "b".into()]) && !figures.cover(&["c".into()]));
        assert!(figures.against(3650).ends_with("the token's 3650 ms leave 2650 ms of slack"));
        let slow = Figures { pause_us: 4_000_000, ..figures.clone() };
        assert!(
            slow.against(3650).contains("they need a token of 4801 ms, and it is 3650 ms"),
            "{}",
            slow.against(3650)
        );
        for wrong in ["", "at x", "at 1\nhosts a\n", &figures.text()[..40]] {
            assert_eq!(Figures::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn hosts_ask_each_other_on_the_links_that_both_have() {
        let link = |host: &str, links: &[u32]| {
            (host.to_owned(), links.iter().map(|link| (*link, format!("10.{link}.0.{host}"))).collect())
        };
        let places = Places {
            hosts: [link("1", &[0, 1]), link("2", &[0, 1]), link("3", &[1])].into(),
            ports: [(0, 5405), (1, 5406)].into(),
        };
        assert_eq!(places.listens("3"), [("10.1.0.3".to_owned(), 5406)]);
        let listens: BTreeMap<String, Vec<Listens>> = ["1", "2", "3"]
            .map(|host| {
                let one = |(address, wished)| Listens { address, wished, port: Some(wished + 1), reason: None };
                (host.to_owned(), places.listens(host).into_iter().map(one).collect())
            })
            .into();
        let agents = [("2".to_owned(), "10.0.0.2:2224".to_owned())].into();
        let asked: Vec<String> = places
            .targets("1", &listens, &agents)
            .iter()
            .map(|to| format!("{} {} {} {:?}", to.host, to.link, to.port, to.agent))
            .collect();
        assert_eq!(asked, ["2 0 5406 Some(\"10.0.0.2:2224\")", "2 1 5407 None", "3 1 5407 None"]);
        let mut measured = Measured::default();
        measured.listens(&places, "2", &listens["2"]);
        assert_eq!(measured.held[&("2".to_owned(), 1)], 5406);
    }
}
