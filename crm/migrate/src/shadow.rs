//! keepalived watched at work: from its adverts, who was master, for how long nobody was, when two were, and where the
//! plan's configuration would have had the addresses. A machine: adverts and the time come in, sentences go out.

use core::net::IpAddr;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use crate::advert::Advert;
use crate::elect::{HostState, effective};
use crate::plan::Plan;
use crate::prove::Cluster;
use crate::unit::{Contender, Effect, Unit, Watched};

/// A master is silent after three adverts that did not come, and the part of a fourth that its priority says.
const ADVERTS: u32 = 3;
/// What a busy host or this one may be late by, before it counts as silence.
const LATE: Duration = Duration::from_millis(250);
/// Adverts of each of two that must come while both speak; one that has just lost may speak once more.
const BOTH_SPEAK: u32 = 2;
/// Routers that are watched; there are no more numbers in both families.
const ROUTERS_MAX: usize = 512;
/// Speakers of one router that are told apart; more are somebody's flood.
const SPEAKERS_MAX: usize = 16;
/// Watched things of which every choice is tried when a priority is to be explained.
const WATCHES_MAX: usize = 12;

/// A virtual router: its number, and whether it is one of IPv6.
pub type Key = (u8, bool);

/// Something to tell.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Said {
    /// When, since the watch began.
    pub at: Duration,
    /// The virtual router.
    pub router: Key,
    /// What kind it is: `master`, `moved`, `silent`, `left`, `priority`, `two`, `one-again`, `unknown`, `addresses`,
    /// `timer`.
    pub kind: &'static str,
    /// It, in a sentence without its full stop.
    pub text: String,
    /// Where Systole would have the addresses then, in a sentence; none where nothing changes for it.
    pub systole: Option<String>,
}

/// What was seen of a router in all.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Total {
    /// How long each was master.
    pub masters: BTreeMap<String, Duration>,
    /// How often it went from one to another.
    pub moves: usize,
    /// Times without a master: how many, the longest, all of them.
    pub gaps: (usize, Duration, Duration),
    /// How long two spoke at once.
    pub two: Duration,
    /// Changes after which Systole would have had it elsewhere.
    pub otherwise: usize,
}

#[derive(Clone, Debug)]
struct Talk {
    last: Duration,
    advert: Advert,
    /// Adverts since another one speaks as well.
    beside: u32,
}

impl Talk {
    fn ends(&self) -> Duration {
        let interval = Duration::from_micros(self.advert.interval_us);
        let skew = interval * (256 - u32::from(self.advert.priority)) / 256;
        self.last + interval * ADVERTS + skew + LATE
    }
}

#[derive(Clone, Debug, Default)]
struct Router {
    talks: BTreeMap<IpAddr, Talk>,
    holder: Option<IpAddr>,
    /// The last holder and its last word, while there is none.
    former: Option<(IpAddr, Duration)>,
    since: Duration,
    two_since: Option<Duration>,
    /// Hosts that fell silent (true) or gave up (false).
    gone: BTreeMap<String, bool>,
    heard: BTreeMap<String, u8>,
    told: BTreeSet<&'static str>,
    total: Total,
}

/// The watch.
pub struct Shadow<'p> {
    plan: &'p Plan<'p>,
    names: BTreeMap<IpAddr, String>,
    routers: BTreeMap<Key, Router>,
    now: Duration,
    said: VecDeque<Said>,
}

impl<'p> Shadow<'p> {
    /// Begins to watch. `names` says which host speaks from which address; what the files say of that is known.
    pub fn new(plan: &'p Plan<'p>, mut names: BTreeMap<IpAddr, String>) -> Shadow<'p> {
        for member in plan.units.iter().flat_map(Unit::instances) {
            if let Some(source) = member.instance.source {
                names.entry(source).or_insert_with(|| member.host.to_owned());
            }
        }
        Shadow { plan, names, routers: BTreeMap::new(), now: Duration::ZERO, said: VecDeque::new() }
    }

    /// Takes an advert in.
    pub fn handle(&mut self, now: Duration, advert: Advert) {
        self.timeout(now);
        let key = (advert.router, advert.source.is_ipv6());
        if self.routers.len() == ROUTERS_MAX && !self.routers.contains_key(&key) {
            return;
        }
        let router = self.routers.entry(key).or_default();
        if router.talks.len() == SPEAKERS_MAX && !router.talks.contains_key(&advert.source) {
            return;
        }
        self.compare(key, &advert);
        if advert.priority == 0 {
            self.left(key, &advert);
        } else {
            self.spoke(key, advert);
        }
    }

    /// Takes the time in: who has not spoken for too long is silent.
    pub fn timeout(&mut self, now: Duration) {
        self.now = self.now.max(now);
        let late: Vec<(Key, IpAddr)> = self
            .routers
            .iter()
            .flat_map(|(key, router)| router.talks.iter().map(move |(who, talk)| (*key, *who, talk.ends())))
            .filter(|(.., ends)| *ends <= self.now)
            .map(|(key, who, _)| (key, who))
            .collect();
        for (key, who) in late {
            self.silent(key, who);
        }
    }

    /// When to say the time.
    pub fn deadline(&self) -> Option<Duration> {
        self.routers.values().flat_map(|router| router.talks.values()).map(Talk::ends).min()
    }

    /// What is to be told next.
    pub fn poll(&mut self) -> Option<Said> {
        self.said.pop_front()
    }

    /// What was seen in all until now.
    pub fn totals(&self) -> Vec<(Key, String, Total)> {
        let total = |(key, router): (&Key, &Router)| {
            let mut total = router.total.clone();
            match (router.holder, router.former) {
                (Some(holder), _) => {
                    *total.masters.entry(self.name(holder)).or_default() += self.now.saturating_sub(router.since);
                }
                (None, Some((_, last))) => gap(&mut total, self.now.saturating_sub(last)),
                (None, None) => {}
            }
            if let Some(since) = router.two_since {
                total.two += self.now.saturating_sub(since);
            }
            (*key, self.unit(*key).map_or("in none of the files".to_owned(), |(_, unit)| unit.name.clone()), total)
        };
        self.routers.iter().map(total).collect()
    }

    /// Units of the plan of which no advert was heard at all.
    pub fn unheard(&self) -> Vec<&str> {
        let heard = |unit: &&Unit<'_>| {
            let keys = unit.routers.iter().map(|router| (router.id, router.v6));
            keys.into_iter().any(|key| self.routers.contains_key(&key))
        };
        self.plan.units.iter().filter(|unit| !heard(unit)).map(|unit| unit.name.as_str()).collect()
    }

    fn name(&self, who: IpAddr) -> String {
        self.names.get(&who).cloned().unwrap_or_else(|| who.to_string())
    }

    fn unit(&self, key: Key) -> Option<(usize, &'p Unit<'p>)> {
        let of = |unit: &&Unit<'_>| unit.routers.iter().any(|router| (router.id, router.v6) == key);
        self.plan.units.iter().enumerate().find(|(_, unit)| of(unit))
    }

    fn say(&mut self, router: Key, kind: &'static str, text: String, systole: Option<String>) {
        self.said.push_back(Said { at: self.now, router, kind, text, systole });
    }

    fn router(&mut self, key: Key) -> &mut Router {
        self.routers.entry(key).or_default()
    }

    /// What an advert says against the files.
    fn compare(&mut self, key: Key, advert: &Advert) {
        let who = self.name(advert.source);
        let Some((_, unit)) = self.unit(key) else {
            if self.router(key).told.insert("unknown") {
                let text = format!("{who} advertises it, and no file has it: give all hosts' files");
                self.say(key, "unknown", text, None);
            }
            return;
        };
        let member = unit
            .routers
            .iter()
            .filter(|router| (router.id, router.v6) == key)
            .flat_map(|router| &router.members)
            .find(|member| member.host == who);
        let Some(member) = member else {
            if self.router(key).told.insert("stranger") {
                let text = format!(
                    "{who} advertises it, and is none of its hosts: if it is one of them, name it by HOST=ADDRESS; if not, \
                     its keepalived has to be stopped before a handover"
                );
                self.say(key, "unknown", text, None);
            }
            return;
        };
        let file: BTreeSet<IpAddr> = member.instance.addresses.iter().map(|address| address.ip).collect();
        let here: BTreeSet<IpAddr> = advert.addresses.iter().copied().collect();
        if file != here && advert.priority > 0 && self.router(key).told.insert("addresses") {
            let list = |one: &BTreeSet<IpAddr>, other: &BTreeSet<IpAddr>| {
                one.difference(other).map(ToString::to_string).collect::<Vec<_>>().join(", ")
            };
            let text = format!(
                "{who} does not run this file: it advertises beside it {:?}, and not {:?}",
                list(&here, &file),
                list(&file, &here)
            );
            self.say(key, "addresses", text, None);
        }
        if advert.interval_us != member.instance.advert_us && self.router(key).told.insert("timer") {
            let text = format!(
                "{who} advertises every {} ms, and its file says {} ms: it does not run this file",
                advert.interval_us / 1000,
                member.instance.advert_us / 1000
            );
            self.say(key, "timer", text, None);
        }
    }

    fn spoke(&mut self, key: Key, advert: Advert) {
        let (now, who) = (self.now, advert.source);
        let name = self.name(who);
        let priority = advert.priority;
        let router = self.router(key);
        let known = router.talks.contains_key(&who);
        let several = router.talks.len() + usize::from(!known) > 1;
        let before = router.heard.insert(name.clone(), priority);
        router.gone.remove(&name);
        let talk = router.talks.entry(who).or_insert(Talk { last: now, advert: advert.clone(), beside: 0 });
        talk.last = now;
        talk.advert = advert;
        talk.beside = if several { talk.beside.saturating_add(1) } else { 0 };
        if !known && several {
            // The count is of what is said while both speak.
            router.talks.values_mut().for_each(|talk| talk.beside = 0);
            if let Some(talk) = router.talks.get_mut(&who) {
                talk.beside = 1;
            }
        }
        let (holder, former) = (router.holder, router.former);
        match holder {
            Some(holder) if holder == who => {
                if let Some(before) = before.filter(|before| *before != priority) {
                    let systole = self.judge(key, Some(&name), Some(&name), None);
                    let why = self.explain(key, &name, priority);
                    self.say(
                        key,
                        "priority",
                        format!("{name} has priority {priority} now, not {before}{why}"),
                        systole,
                    );
                }
            }
            Some(holder) if known => {
                // It has been speaking for a while, beside the one that is taken for master.
                let _ = holder;
            }
            _ => {
                let from =
                    holder.map(|holder| (holder, self.routers[&key].talks.get(&holder).map_or(now, |one| one.last)));
                let from = from.or(former);
                self.take(key, who);
                let after = self.explain(key, &name, priority);
                match from {
                    None => {
                        let systole = self.judge(key, None, Some(&name), None);
                        self.say(key, "master", format!("{name} is master, with priority {priority}{after}"), systole);
                    }
                    Some((old, last)) => {
                        let old = self.name(old);
                        let silence = now.saturating_sub(last);
                        let systole = self.judge(key, Some(&old), Some(&name), None);
                        let text = if old == name {
                            format!("{name} speaks again, after {} ms", silence.as_millis())
                        } else {
                            format!(
                                "from {old} to {name}, with priority {priority}{after}; {} ms from the last word of the \
                                 one to the first of the other",
                                silence.as_millis()
                            )
                        };
                        self.say(key, "moved", text, systole);
                    }
                }
            }
        }
        let speaking: Vec<IpAddr> = {
            let router = self.router(key);
            router.talks.iter().filter(|(_, talk)| talk.beside >= BOTH_SPEAK).map(|(who, _)| *who).collect()
        };
        if speaking.len() > 1 && self.router(key).two_since.is_none() {
            self.router(key).two_since = Some(now);
            let names: Vec<String> = speaking.iter().map(|who| self.name(*who)).collect();
            let text = format!(
                "{} are masters at once: they do not hear, or do not take, each other's adverts",
                names.join(" and ")
            );
            let systole =
                "Systole has an address on one host: members agree in one order on who is there, and without \
                           quorum nothing starts"
                    .to_owned();
            self.say(key, "two", text, Some(systole));
        }
    }

    /// From now on this one is master.
    fn take(&mut self, key: Key, who: IpAddr) {
        let now = self.now;
        let old = self.routers.get(&key).and_then(|router| router.holder).map(|old| self.name(old));
        let router = self.router(key);
        if let Some(old) = old {
            let held = now.saturating_sub(router.since);
            *router.total.masters.entry(old).or_default() += held;
        }
        if let Some((_, last)) = router.former.take() {
            gap(&mut router.total, now.saturating_sub(last));
            router.total.moves += 1;
        } else if router.holder.is_some() {
            router.total.moves += 1;
        }
        router.holder = Some(who);
        router.since = now;
    }

    fn left(&mut self, key: Key, advert: &Advert) {
        let (now, who) = (self.now, advert.source);
        let name = self.name(who);
        let router = self.router(key);
        let spoke = router.talks.remove(&who).is_some();
        router.gone.insert(name.clone(), false);
        router.heard.remove(&name);
        self.drop_holder(key, who, now);
        if spoke {
            let systole = self.judge(key, Some(&name), None, None);
            self.say(key, "left", format!("{name} gives up"), systole);
        }
        self.one_again(key);
    }

    fn silent(&mut self, key: Key, who: IpAddr) {
        let name = self.name(who);
        let router = self.router(key);
        let Some(talk) = router.talks.remove(&who) else { return };
        let lost = router.holder == Some(who);
        // One that another has taken over from is backup, and says nothing: that is not silence.
        if lost {
            router.gone.insert(name.clone(), true);
            router.heard.remove(&name);
            let alone = router.talks.is_empty();
            self.drop_holder(key, who, talk.last);
            if !alone {
                // Another one was master beside it.
                self.one_again(key);
                return;
            }
            let after = self.plan.times.after_ms;
            let systole = self.judge(key, Some(&name), None, Some(after));
            let text = format!(
                "nothing from {name} since {} ms, and nobody has taken over",
                (self.now - talk.last).as_millis()
            );
            self.say(key, "silent", text, systole);
        }
        self.one_again(key);
    }

    fn drop_holder(&mut self, key: Key, who: IpAddr, last: Duration) {
        let name = self.name(who);
        let router = self.router(key);
        if router.holder == Some(who) {
            let held = last.saturating_sub(router.since);
            *router.total.masters.entry(name).or_default() += held;
            router.holder = None;
            router.former = Some((who, last));
        }
    }

    fn one_again(&mut self, key: Key) {
        let now = self.now;
        let router = self.router(key);
        if router.talks.len() > 1 {
            return;
        }
        router.talks.values_mut().for_each(|talk| talk.beside = 0);
        let Some(since) = router.two_since.take() else { return };
        let lasted = now.saturating_sub(since);
        router.total.two += lasted;
        let left = router.talks.keys().next().copied();
        if let (Some(left), None) = (left, router.holder) {
            router.former = None;
            router.holder = Some(left);
            router.since = now;
        }
        let left = left.map_or("nobody".to_owned(), |left| self.name(left));
        self.say(
            key,
            "one-again",
            format!("{left} alone is master again; two were for {} ms", lasted.as_millis()),
            None,
        );
    }

    /// What a priority tells of the things that are watched.
    fn explain(&self, key: Key, host: &str, priority: u8) -> String {
        let Some((_, unit)) = self.unit(key) else { return String::new() };
        let Some(contender) = unit.contenders.iter().find(|one| one.host == host) else { return String::new() };
        match bad(contender, priority) {
            Some(bad) if bad.is_empty() => String::new(),
            Some(bad) => {
                let list: Vec<String> = bad.iter().map(Watched::describe).collect();
                format!(" (as if this were bad: {})", list.join(", "))
            }
            None => " (which its file cannot lead to: it does not run this file)".to_owned(),
        }
    }

    /// Where the policy would have the unit: `before` had it, keepalived has it on `chosen` now (none: not yet).
    fn judge(&mut self, key: Key, before: Option<&str>, chosen: Option<&str>, after_ms: Option<u64>) -> Option<String> {
        let (number, unit) = self.unit(key)?;
        let resource = self.plan.resources.get(number)?.as_ref()?;
        let router = self.routers.get(&key)?;
        let state = |contender: &Contender| {
            let good = HostState { up: true, bad: Vec::new() };
            match (router.gone.get(&contender.host), router.heard.get(&contender.host)) {
                (Some(true), _) => HostState { up: false, bad: Vec::new() },
                // Who gives up has a fault, or is being stopped: the first of what puts it out stands for it.
                (Some(false), _) => {
                    contender.watches.iter().find(|watch| watch.effect == Effect::Fault && !watch.reverse).map_or(
                        HostState { up: false, bad: Vec::new() },
                        |watch| HostState { up: true, bad: vec![watch.what.clone()] },
                    )
                }
                (None, Some(priority)) => HostState { up: true, bad: bad(contender, *priority).unwrap_or_default() },
                // A backup says nothing; it is taken for good.
                (None, None) => good,
            }
        };
        let states: Vec<HostState> = unit.contenders.iter().map(state).collect();
        let holder = unit.contenders.iter().position(|one| Some(one.host.as_str()) == before);
        let place = Cluster::new(self.plan, unit, resource).place(unit, &states, holder);
        let place_text = place.clone().map_or("nowhere".to_owned(), |place| format!("on {place}"));
        let text = match (chosen, after_ms) {
            (Some(chosen), _) if place.as_deref() == Some(chosen) => format!("Systole would have it {place_text} too"),
            (Some(_), _) => {
                self.router(key).total.otherwise += 1;
                format!("Systole would have it {place_text}")
            }
            (None, Some(ms)) => {
                format!("Systole would have it {place_text} about {ms} ms after the last word, fencing not counted")
            }
            (None, None) => format!("Systole would move it: it would have it {place_text}"),
        };
        Some(text)
    }
}

fn gap(total: &mut Total, lasted: Duration) {
    total.gaps.0 += 1;
    total.gaps.1 = total.gaps.1.max(lasted);
    total.gaps.2 += lasted;
}

/// The fewest things that, being bad, lead to this priority; none if nothing does.
fn bad(contender: &Contender, priority: u8) -> Option<Vec<Watched>> {
    let mut watched: Vec<Watched> = contender.watches.iter().map(|watch| watch.what.clone()).collect();
    watched.sort();
    watched.dedup();
    watched.truncate(WATCHES_MAX);
    let choices = (0_u32..1 << watched.len()).map(|bits| {
        let bad: Vec<Watched> =
            watched.iter().enumerate().filter(|(at, _)| bits >> at & 1 == 1).map(|(_, what)| what.clone()).collect();
        HostState { up: true, bad }
    });
    choices
        .filter(|state| effective(contender, state) == Some(i32::from(priority)))
        .min_by_key(|state| state.bad.len())
        .map(|state| state.bad)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Wishes, plan};
    use crate::verdict::Answers;
    use keepalived::{Files, Host, Model};

    fn model(priority: u8) -> Model {
        let text = format!(
            "vrrp_script s {{\nscript /bin/x\nweight -60\n}}\nvrrp_instance WEB {{\ninterface eth0\nvirtual_router_id 51\npriority {priority}\ntrack_script {{\ns\n}}\nvirtual_ipaddress {{\n192.0.2.100/24\n}}\n}}\n"
        );
        Model::read(&Files::one("/k", text), &Host::default())
    }

    /// Lines `MILLISECONDS HOST PRIORITY` and `MILLISECONDS .`; what is said of them, a line each.
    fn run(script: &str) -> (Vec<String>, Total) {
        let hosts = [("one".to_owned(), model(150)), ("two".to_owned(), model(100))];
        let answers = Answers::read("defaults = yes").unwrap();
        let plan = plan(&hosts, &answers, &Wishes::default()).unwrap();
        let address = |host: &str| -> IpAddr { if host == "one" { "192.0.2.1" } else { "192.0.2.2" }.parse().unwrap() };
        let names = ["one", "two"].map(|host| (address(host), host.to_owned())).into();
        let mut shadow = Shadow::new(&plan, names);
        let mut lines = Vec::new();
        for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let words: Vec<&str> = line.split(' ').collect();
            let now = Duration::from_millis(words[0].parse().unwrap());
            match words[1] {
                "." => shadow.timeout(now),
                host => shadow.handle(
                    now,
                    Advert {
                        source: address(host),
                        destination: "224.0.0.18".parse().unwrap(),
                        version: 2,
                        router: 51,
                        priority: words[2].parse().unwrap(),
                        interval_us: 1_000_000,
                        addresses: vec!["192.0.2.100".parse().unwrap()],
                    },
                ),
            }
            while let Some(said) = shadow.poll() {
                lines.push(format!(
                    "{} {}: {} | {}",
                    said.at.as_millis(),
                    said.kind,
                    said.text,
                    said.systole.unwrap_or_default()
                ));
            }
        }
        let total = shadow.totals().remove(0).2;
        (lines, total)
    }

    #[test]
    fn a_crash_is_a_silence_and_a_move() {
        let (lines, total) = run("0 one 150\n1000 one 150\n2000 one 150\n4500 two 100\n5500 two 100\n");
        assert_eq!(lines[0], "0 master: one is master, with priority 150 | Systole would have it on one too");
        assert!(lines[1].starts_with("4500 moved: from one to two, with priority 100; 2500 ms"), "{lines:?}");
        assert_eq!((lines.len(), total.moves), (2, 1));
        let (lines, total) = run("0 one 150\n5000 .\n6000 two 100\n");
        assert!(lines[1].starts_with("5000 silent: nothing from one since 5000 ms"), "{lines:?}");
        assert!(lines[1].contains("Systole would have it on two about "), "{lines:?}");
        assert!(lines[2].ends_with("Systole would have it on two too"), "{lines:?}");
        assert_eq!((total.gaps.0, total.gaps.1.as_millis(), total.otherwise), (1, 6000, 0));
    }

    #[test]
    fn a_bad_script_shows_in_the_priority() {
        let (lines, _) =
            run("0 one 150\n1000 one 90\n1600 two 100\n2600 two 100\n3600 two 100\n5600 two 100\n7000 two 100");
        assert!(lines[1].contains("one has priority 90 now, not 150 (as if this were bad: script s)"), "{lines:?}");
        assert!(lines[1].ends_with("| Systole would have it on two"), "{lines:?}");
        assert!(lines[2].ends_with("| Systole would have it on two too"), "{lines:?}");
        assert_eq!(lines.len(), 3, "{lines:?}");
        let (lines, _) = run("0 one 77\n");
        assert!(lines[0].contains("it does not run this file"), "{lines:?}");
    }

    #[test]
    fn who_gives_up_hands_over() {
        let (lines, total) = run("0 one 150\n1000 one 0\n1600 two 100\n");
        assert_eq!(lines[1], "1000 left: one gives up | Systole would move it: it would have it on two");
        assert!(lines[2].contains("600 ms from the last word"), "{lines:?}");
        assert_eq!(total.gaps.1.as_millis(), 600);
    }

    #[test]
    fn two_masters_are_told_once_and_their_end_too() {
        let (lines, total) = run(
            "0 one 150\n500 two 100\n1000 one 150\n1500 two 100\n2000 one 150\n2500 two 100\n3000 one 150\n4000 one 150\n5000 one 150\n6000 one 150\n7000 one 150\n8000 one 150\n",
        );
        let kinds: Vec<&str> = lines.iter().map(|line| line.split([' ', ':']).nth(1).unwrap()).collect();
        assert_eq!(kinds, ["master", "moved", "two", "one-again"], "{lines:?}");
        assert!(total.two > Duration::from_secs(3), "{total:?}");
    }
}
