//! Routes and rules as resources, in the words of ip(8), so that the kernel has the same as under keepalived: what
//! keepalived fills in is filled in, what it leaves out is left out.

use std::collections::BTreeMap;

use keepalived::Model;
use keepalived::model::Instance;
use keepalived::statement::Statement;

use super::Draft;
use crate::configuration::{Parameters, Primitive};
use crate::unit::Unit;

/// Time between two looks at a route or a rule.
const MONITOR: &str = "10s";
/// Of rules without a preference the first one has this, the next one less, each family by itself.
const FIRST_PREFERENCE: usize = 16_384;
/// Words that a route may begin with in place of its destination.
const LEADING: &[&str] = &["blackhole", "unreachable", "prohibit", "throw", "unicast", "local", "broadcast"];
/// Of these the first ones, which go nowhere and have no interface.
const NOWHERE: &[&str] = &["blackhole", "unreachable", "prohibit", "throw"];
/// Words that begin something else than a route's destination.
const ROUTE_WORDS: &[&str] = &[
    "src",
    "via",
    "gw",
    "dev",
    "scope",
    "table",
    "metric",
    "preference",
    "proto",
    "protocol",
    "oif",
    "tos",
    "dsfield",
    "mtu",
    "from",
    "nexthop",
];
/// keepalived's own words, which ip does not know.
const OWN: &[&str] = &["no_track", "use_vmac"];

/// A route or a rule.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Route,
    Rule,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Kind::Route => "route",
            Kind::Rule => "rule",
        }
    }
}

/// The resources of a unit, one for each line that keepalived takes.
pub(super) fn objects(draft: &mut Draft<'_, '_>, unit: &Unit<'_>) -> Vec<Primitive> {
    type Lines = fn(&Instance) -> &[Statement];
    let kinds: [(Kind, Lines); 2] = [(Kind::Route, |one| &one.routes), (Kind::Rule, |one| &one.rules)];
    let mut resources = Vec::new();
    for router in &unit.routers {
        for (kind, lines) in kinds {
            for member in &router.members {
                for line in lines(member.instance) {
                    if let Some(why) = not_taken(kind, line) {
                        draft.advice.push(format!(
                            "{}: keepalived on {} does not take the {} {:?} ({why}): there is none today, and none afterwards",
                            line.place,
                            member.host,
                            kind.word(),
                            line.words.join(" ")
                        ));
                    }
                }
            }
            let taken = |instance| lines(instance).iter().filter(|line| not_taken(kind, line).is_none());
            let most = router.members.iter().map(|member| taken(member.instance).count()).max().unwrap_or(0);
            for number in 0..most {
                let hosts: Vec<(String, BTreeMap<String, String>)> = router
                    .members
                    .iter()
                    .filter_map(|member| {
                        let line = taken(member.instance).nth(number)?;
                        let (_, model) = draft.hosts.iter().find(|(host, _)| host == member.host)?;
                        let device = member.instance.vmac.as_ref().or(member.instance.interface.as_ref());
                        let spec = spec(kind, line, device.map(String::as_str), model);
                        let pairs = [("kind".to_owned(), kind.word().to_owned()), ("spec".to_owned(), spec)];
                        Some((member.host.to_owned(), pairs.into()))
                    })
                    .collect();
                let id = draft.ids.take(&format!("{}-{}-{}", unit.name, kind.word(), number + 1));
                let resource = Primitive::new(id, ("ocf", Some("systole"), "IpObject"), MONITOR);
                resources.push(resource.with(Parameters::merged(&hosts)));
            }
        }
    }
    resources
}

/// Why keepalived leaves a line out, if it does.
pub(super) fn not_taken(kind: Kind, line: &Statement) -> Option<String> {
    let words = || line.words.iter().map(String::as_str);
    let unknown: &[&str] = match kind {
        Kind::Route => &["inet", "inet6", "proto", "track_group"],
        Kind::Rule => &["inet", "inet6", "pref", "tun_id"],
    };
    if let Some(word) = words().find(|word| unknown.contains(word)) {
        return Some(format!("it does not know the word {word}"));
    }
    let has = |word: &str| words().any(|other| other == word);
    match kind {
        Kind::Rule if has("goto") && !has_preference(line) => Some("a goto needs a preference".to_owned()),
        Kind::Route if has("or") && !has("via") && !has("gw") => Some("there is no gateway before the or".to_owned()),
        _ => None,
    }
}

fn has_preference(line: &Statement) -> bool {
    line.words.iter().any(|word| matches!(word.as_str(), "preference" | "priority" | "order"))
}

fn is_v6(line: &Statement) -> bool {
    line.words.iter().any(|word| word.contains(':') || word == "default6")
}

/// The preference that keepalived gives to a rule that says none: by its position among all of the file.
fn preference(line: &Statement, model: &Model) -> usize {
    let static_ones = model.rest.iter().filter(|one| one.word() == "static_rules").flat_map(|one| &one.block);
    let all = model.instances.iter().flat_map(|one| &one.rules).chain(static_ones);
    let before = all.filter(|other| {
        let counts = not_taken(Kind::Rule, other).is_none() && !has_preference(other);
        counts && is_v6(other) == is_v6(line) && other.place < line.place
    });
    FIRST_PREFERENCE.saturating_sub(before.count())
}

/// A line of keepalived's as ip(8) takes it: `src A to B via C or D` is an order and words of its own.
pub(super) fn spec(kind: Kind, line: &Statement, device: Option<&str>, model: &Model) -> String {
    match kind {
        Kind::Route => route(line, device),
        Kind::Rule => rule(line, model),
    }
}

fn rule(line: &Statement, model: &Model) -> String {
    let mut words: Vec<String> = Vec::new();
    let mut rest = line.words.iter().map(String::as_str).filter(|word| !OWN.contains(word));
    let tracked = !line.words.iter().any(|word| word == "no_track");
    while let Some(word) = rest.next() {
        match word {
            "track_group" => drop(rest.next()),
            // What is tracked is keepalived's own, whatever is said.
            "protocol" if tracked => drop(rest.next()),
            word => words.push(word.to_owned()),
        }
    }
    if !has_preference(line) {
        words.extend(["priority".to_owned(), preference(line, model).to_string()]);
    }
    words.join(" ")
}

fn route(line: &Statement, device: Option<&str>) -> String {
    let mut words: Vec<String> = Vec::new();
    let mut target: Option<String> = None;
    let mut leading: Option<String> = None;
    let mut first = true;
    let tracked = !line.words.iter().any(|word| word == "no_track");
    let mut rest = line.words.iter().map(String::as_str).filter(|word| !OWN.contains(word));
    while let Some(word) = rest.next() {
        match word {
            "to" => target = rest.next().map(str::to_owned),
            "protocol" if tracked => drop(rest.next()),
            "oif" => words.push("dev".to_owned()),
            "gw" => words.extend(["via".to_owned(), rest.next().unwrap_or_default().to_owned()]),
            "or" => {
                let via = rest.next().unwrap_or_default().to_owned();
                words.retain(|word| word != "via");
                let gateway = words.pop().unwrap_or_default();
                words.extend(["nexthop", "via", &gateway, "nexthop", "via", &via].map(str::to_owned));
            }
            kind if first && LEADING.contains(&kind) => {
                leading = Some(kind.to_owned());
                continue;
            }
            // For ip both families' are called default.
            "default6" if first => target = Some("::/0".to_owned()),
            word if first && !ROUTE_WORDS.contains(&word) => target = Some(word.to_owned()),
            word => words.push(word.to_owned()),
        }
        first = false;
    }
    let has = |wanted: &[&str]| words.iter().any(|word| wanted.contains(&word.as_str()));
    let goes = leading.as_deref().is_none_or(|leading| !NOWHERE.contains(&leading));
    let needs_device = goes && !has(&["dev", "nexthop", "via"]);
    // Without a gateway ip takes the link's scope; keepalived takes none.
    let needs_scope = goes && leading.is_none() && !is_v6(line) && !has(&["nexthop", "via", "scope"]);
    let mut spec: Vec<String> = leading.into_iter().chain(target).collect();
    spec.append(&mut words);
    if let (true, Some(device)) = (needs_device, device) {
        spec.extend(["dev".to_owned(), device.to_owned()]);
    }
    if needs_scope {
        spec.extend(["scope".to_owned(), "global".to_owned()]);
    }
    spec.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use keepalived::{Files, Host};

    fn line(text: &str) -> Statement {
        let words = text.split(' ').map(str::to_owned).collect();
        Statement { words, block: vec![], place: keepalived::Place::default() }
    }

    /// What keepalived 2.2.7 leaves in the kernel for each line, in the words of ip.
    #[test]
    fn routes_are_as_keepalived_makes_them() {
        for (text, expected) in [
            ("src 10.0.0.9 to 10.1.0.0/16 via 10.0.0.1 dev eth1", "10.1.0.0/16 src 10.0.0.9 via 10.0.0.1 dev eth1"),
            ("10.1.0.0/16 gw 10.0.0.1 no_track", "10.1.0.0/16 via 10.0.0.1"),
            ("192.0.2.0/24 via 10.0.0.2 or 10.0.0.1", "192.0.2.0/24 nexthop via 10.0.0.2 nexthop via 10.0.0.1"),
            ("192.168.0.0/24 dev eth1", "192.168.0.0/24 dev eth1 scope global"),
            ("192.168.0.0/24 oif eth2", "192.168.0.0/24 dev eth2 scope global"),
            ("192.168.0.0/24 dev eth1 scope link", "192.168.0.0/24 dev eth1 scope link"),
            ("default6 via 2001:db8::9", "::/0 via 2001:db8::9"),
            ("2001:db8:5::/64 dev eth1", "2001:db8:5::/64 dev eth1"),
            ("10.9.0.0/24 via 10.0.0.1 protocol 100", "10.9.0.0/24 via 10.0.0.1"),
            ("blackhole 10.9.0.0/16", "blackhole 10.9.0.0/16"),
        ] {
            assert_eq!(route(&line(text), Some("eth0")), expected, "{text}");
            assert_eq!(not_taken(Kind::Route, &line(text)), None, "{text}");
        }
        for text in ["inet 10.9.0.0/24 dev eth1", "10.9.0.0/24 proto static via 10.0.0.1", "192.0.2.0/24 or 10.0.0.1"] {
            assert!(not_taken(Kind::Route, &line(text)).is_some(), "{text}");
        }
    }

    #[test]
    fn rules_without_a_preference_have_keepalived_s_own() {
        let text = "static_rules {\nfrom 10.5.0.1 table 3\nfrom 10.5.0.2 table 3 priority 77\n}\nvrrp_instance A {\n\
                    interface eth0\nvirtual_router_id 5\nvirtual_ipaddress {\n10.0.0.9\n}\nvirtual_rules {\nfrom 10.5.0.3 table 3\n\
                    from 2001:db8::/64 table 8\ngoto 9 iif eth0\niif eth0 table 3 protocol 5\n}\n}\n";
        let model = Model::read(&Files::one("/k", text), &Host::default());
        let rules = &model.instances[0].rules;
        assert!(not_taken(Kind::Rule, &rules[2]).is_some());
        let shown: Vec<String> = [0, 1, 3].map(|at| spec(Kind::Rule, &rules[at], None, &model)).into();
        assert_eq!(
            shown,
            [
                "from 10.5.0.3 table 3 priority 16383",
                "from 2001:db8::/64 table 8 priority 16384",
                "iif eth0 table 3 priority 16382"
            ]
        );
        assert_eq!(rule(&line("from 10.0.0.9 table 7 priority 5"), &model), "from 10.0.0.9 table 7 priority 5");
    }
}
