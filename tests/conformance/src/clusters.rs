//! Plausible clusters from a number: configurations that are valid, whose constraints do not contradict each other's
//! order, with nothing known yet of what runs. What happens to them is for others to say.

use std::collections::BTreeSet;
use std::fmt::Write as _;

/// How large a cluster is.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Full nodes, from 1.
    pub nodes: usize,
    /// Primitives, groups and clones.
    pub resources: usize,
    /// Location, colocation and order constraints.
    pub constraints: usize,
    /// Whether there is anything but primitives, and scores that are not plain: groups, clones, promotable ones.
    pub collectives: bool,
}

/// Numbers in a row from a first one (splitmix64).
#[derive(Clone, Debug)]
pub struct Chance(u64);

impl Chance {
    /// Begins a row.
    pub fn new(seed: u64) -> Self {
        Chance(seed)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((x ^ (x >> 31)) % end.max(1) as u64) as usize
    }

    /// One of several.
    pub fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }

    /// True once in `times`.
    pub fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }
}

/// Names of the nodes, in the order of their ids.
pub const NODES: [&str; 6] = ["amber", "birch", "cedar", "dogwood", "elm", "fir"];

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Primitive,
    Group,
    Clone,
    Promotable,
}

/// The cluster of that seed and size, as the text of a CIB.
pub fn cluster(seed: u64, size: Size) -> String {
    let chance = &mut Chance::new(seed);
    let fencing = size.collectives && chance.once_in(2);
    let mut out = String::from(
        "<cib validate-with=\"pacemaker-3.9\" crm_feature_set=\"3.19.0\" admin_epoch=\"0\" epoch=\"1\" \
         num_updates=\"0\" have-quorum=\"1\" dc-uuid=\"1\" execution-date=\"1700000000\">\n<configuration>\n<crm_config>\n",
    );
    options(&mut out, chance, fencing);
    out.push_str("</crm_config>\n<nodes>\n");
    for (index, name) in NODES.iter().take(size.nodes).enumerate() {
        let _ = writeln!(out, "<node id=\"{}\" uname=\"{name}\"/>", index + 1);
    }
    out.push_str("</nodes>\n<resources>\n");
    if fencing {
        let parameters = nvset("instance_attributes", "fence", &[("pcmk_host_list", &NODES[..size.nodes].join(" "))]);
        let _ = writeln!(out, "<primitive id=\"fence\" class=\"stonith\" type=\"fence_xvm\">{parameters}</primitive>");
    }
    let kinds: Vec<Kind> = (0..size.resources).map(|index| resource(&mut out, chance, index, size)).collect();
    out.push_str("</resources>\n<constraints>\n");
    let mut used = BTreeSet::new();
    for index in 0..size.constraints {
        constraint(&mut out, chance, index, size, &kinds, &mut used);
    }
    out.push_str("</constraints>\n</configuration>\n<status>\n");
    for (index, name) in NODES.iter().take(size.nodes).enumerate() {
        let _ = writeln!(
            out,
            "<node_state id=\"{}\" uname=\"{name}\" in_ccm=\"true\" crmd=\"online\" join=\"member\" expected=\"member\"/>",
            index + 1
        );
    }
    out.push_str("</status>\n</cib>\n");
    out
}

fn options(out: &mut String, chance: &mut Chance, fencing: bool) {
    let mut options = vec![("stonith-enabled", if fencing { "true" } else { "false" })];
    if chance.once_in(3) {
        options.push(("no-quorum-policy", chance.one(&["stop", "freeze", "ignore"])));
    }
    if fencing && chance.once_in(4) {
        options.push(("concurrent-fencing", chance.one(&["true", "false"])));
    }
    if chance.once_in(5) {
        options.push(("start-failure-is-fatal", "false"));
    }
    out.push_str(&nvset("cluster_property_set", "options", &options));
}

fn nvset(kind: &str, owner: &str, pairs: &[(&str, &str)]) -> String {
    if pairs.is_empty() {
        return String::new();
    }
    let pairs: String = pairs
        .iter()
        .map(|(name, value)| format!("<nvpair id=\"{owner}-{name}\" name=\"{name}\" value=\"{value}\"/>"))
        .collect();
    format!("<{kind} id=\"{owner}-{kind}\">{pairs}</{kind}>")
}

fn resource(out: &mut String, chance: &mut Chance, index: usize, size: Size) -> Kind {
    let kinds = [Kind::Primitive, Kind::Primitive, Kind::Group, Kind::Clone, Kind::Promotable];
    let kind = if size.collectives { kinds[chance.below(kinds.len())] } else { Kind::Primitive };
    let name = format!("r{index}");
    let mut meta = Vec::new();
    let stickiness = chance.below(300).to_string();
    if chance.once_in(3) {
        meta.push(("resource-stickiness", stickiness.as_str()));
    }
    let (clone_max, promoted_max) = ((1 + chance.below(size.nodes)).to_string(), (1 + chance.below(2)).to_string());
    match kind {
        Kind::Primitive => {
            if size.collectives && chance.once_in(4) {
                meta.push(("allow-migrate", "true"));
            }
            if size.collectives && chance.once_in(6) {
                meta.push(("priority", chance.one(&["5", "10", "-5"])));
            }
            out.push_str(&primitive(&name, false, &meta));
        }
        Kind::Group => {
            let members: String =
                (0..2 + chance.below(2)).map(|member| primitive(&format!("{name}m{member}"), false, &[])).collect();
            let meta = nvset("meta_attributes", &name, &meta);
            let _ = writeln!(out, "<group id=\"{name}\">{meta}{members}</group>");
        }
        Kind::Clone | Kind::Promotable => {
            if chance.once_in(2) {
                meta.push(("interleave", "true"));
            }
            if chance.once_in(3) {
                meta.push(("ordered", "true"));
            }
            if chance.once_in(3) {
                meta.push(("clone-max", &clone_max));
            }
            if chance.once_in(4) {
                meta.push(("notify", "true"));
            }
            if kind == Kind::Promotable {
                meta.push(("promotable", "true"));
                meta.push(("promoted-max", &promoted_max));
            }
            let inner = primitive(&format!("{name}i"), kind == Kind::Promotable, &[]);
            let inner = if kind == Kind::Clone && chance.once_in(4) {
                let second = primitive(&format!("{name}j"), false, &[]);
                format!("<group id=\"{name}g\">{inner}{second}</group>")
            } else {
                inner
            };
            let _ = writeln!(out, "<clone id=\"{name}\">{}{inner}</clone>", nvset("meta_attributes", &name, &meta));
        }
    }
    kind
}

fn primitive(name: &str, promotable: bool, meta: &[(&str, &str)]) -> String {
    let monitor = |interval, role| {
        let role = if promotable { format!(" role=\"{role}\"") } else { String::new() };
        format!("<op id=\"{name}-monitor-{interval}\" name=\"monitor\" interval=\"{interval}\"{role}/>")
    };
    let second = if promotable { monitor("11s", "Unpromoted") } else { String::new() };
    let first = monitor("10s", "Promoted");
    let kind = if promotable { "Stateful" } else { "Dummy" };
    let meta = nvset("meta_attributes", name, meta);
    format!(
        "<primitive id=\"{name}\" class=\"ocf\" provider=\"pacemaker\" type=\"{kind}\">{meta}\
         <operations>{first}{second}</operations></primitive>\n"
    )
}

/// A later resource depends on an earlier one, never the other way round: so no two constraints contradict each other.
fn constraint(
    out: &mut String,
    chance: &mut Chance,
    index: usize,
    size: Size,
    kinds: &[Kind],
    used: &mut BTreeSet<(usize, usize, usize)>,
) {
    let later = chance.below(kinds.len());
    let score = chance.one(&["INFINITY", "-INFINITY", "50", "-50", "200"]);
    // Keeping the instances of two clones apart, one by one, has no place of rest: Pacemaker moves them about as well.
    let clone = |at: usize| matches!(kinds[at], Kind::Clone | Kind::Promotable);
    let kind = if later == 0 { 0 } else { chance.below(3) };
    let earlier = chance.below(later);
    // Two constraints of one kind on one pair contradict or repeat each other.
    if kind != 0 && !used.insert((kind, later, earlier)) {
        return;
    }
    let promoted = |chance: &mut Chance, at: usize| kinds[at] == Kind::Promotable && chance.once_in(2);
    let _ = match kind {
        0 => {
            let node = NODES[chance.below(size.nodes)];
            let role = if kinds[later] == Kind::Promotable { " role=\"Promoted\"" } else { "" };
            let rule = format!(
                "<rsc_location id=\"c{index}\" rsc=\"r{later}\"><rule id=\"c{index}-rule\" score=\"{score}\"{role}>\
                 <expression id=\"c{index}-node\" attribute=\"#uname\" operation=\"eq\" value=\"{node}\"/></rule>\
                 </rsc_location>"
            );
            let plain = format!("<rsc_location id=\"c{index}\" rsc=\"r{later}\" node=\"{node}\" score=\"{score}\"/>");
            writeln!(out, "{}", if role.is_empty() { plain } else { rule })
        }
        1 => {
            let score = if clone(later) && clone(earlier) { score.trim_start_matches('-') } else { score };
            let role = if promoted(chance, earlier) { " with-rsc-role=\"Promoted\"" } else { "" };
            writeln!(
                out,
                "<rsc_colocation id=\"c{index}\" rsc=\"r{later}\" with-rsc=\"r{earlier}\" score=\"{score}\"{role}/>"
            )
        }
        _ => {
            let kind = if size.collectives { chance.one(&["Mandatory", "Optional"]) } else { "Mandatory" };
            let action = if promoted(chance, earlier) { " first-action=\"promote\" then-action=\"start\"" } else { "" };
            writeln!(out, "<rsc_order id=\"c{index}\" first=\"r{earlier}\" then=\"r{later}\" kind=\"{kind}\"{action}/>")
        }
    };
}
