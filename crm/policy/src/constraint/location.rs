//! Location: which nodes a resource would rather (or not) run on, by name, by rule, by pattern, or by health.

use cib::score::Score;
use cib::{Element, boolean, rule};

use crate::constraint::Ignored;
use crate::engine::{Engine, Where};
use crate::model::{Entry, NodeId, ProbeMode, Role, RscFlags, RscId, RscKind, add};
use crate::nvpairs::Context;
use crate::reasons::Source;

/// One location constraint, worked out for all nodes.
#[derive(Clone, Debug)]
pub(crate) struct Location {
    pub id: String,
    pub rsc: RscId,
    /// It holds for this role only.
    pub role: Role,
    pub probe: ProbeMode,
    pub nodes: Vec<(NodeId, i32)>,
}

/// Stands for the id of a constraint in locations that come from the health of nodes.
const HEALTH: &str = "#health";

impl<'a> Engine<'a> {
    pub fn read_location(&mut self, element: Element) -> Ignored {
        let mut sets = self.read_sets(element)?;
        let mut role = None;
        if sets.is_empty()
            && let Some(mut set) = self.set_of_attribute(element, "rsc", false)?
        {
            role = self.attr(element, "role").map(str::to_owned);
            set.role = role.clone();
            sets.push(set);
        }
        if !sets.is_empty() {
            for set in sets {
                for member in &set.members {
                    // What comes before an unknown one counts.
                    let rsc = self.member(member)?;
                    let role = set.role.clone().or_else(|| role.clone());
                    self.add_location(element, rsc, role.as_deref(), set.score.as_deref(), &[])?;
                }
            }
            return Ok(());
        }
        if let Some(id) = self.attr(element, "rsc") {
            let rsc = self.member(id)?;
            return self.add_location(element, rsc, None, None, &[]);
        }
        match self.attr(element, "rsc-pattern") {
            Some(pattern) => self.read_pattern(element, pattern),
            None => Err("it names no resource".into()),
        }
    }

    pub fn rule_holds(&mut self, element: Element, context: &Context) -> bool {
        let verdict = self.in_context(context, |doc, rules| rule::evaluate(doc, element, rules));
        if let Some(when) = verdict.next_change {
            self.recheck_by(when);
        }
        verdict.holds
    }

    fn read_pattern(&mut self, element: Element, pattern: &str) -> Ignored {
        let (inverted, pattern) = match pattern.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, pattern),
        };
        let expression = regex::Regex::new(pattern).map_err(|error| format!("'{pattern}' is no pattern: {error}"))?;
        for rsc in self.cluster.top.clone() {
            let id = self.rsc(rsc).id.clone();
            match expression.captures(&id) {
                Some(found) if !inverted => {
                    let groups: Vec<Option<&str>> = found.iter().map(|group| group.map(|g| g.as_str())).collect();
                    self.add_location(element, rsc, None, None, &groups)?;
                }
                None if inverted => self.add_location(element, rsc, None, None, &[])?,
                _ => {}
            }
        }
        Ok(())
    }

    fn add_location(
        &mut self,
        element: Element,
        rsc: RscId,
        role: Option<&str>,
        score: Option<&str>,
        matches: &[Option<&str>],
    ) -> Ignored {
        let probe = match self.attr(element, "resource-discovery").map(str::to_ascii_lowercase).as_deref() {
            None | Some("always") => ProbeMode::Always,
            Some("never") => ProbeMode::Never,
            Some("exclusive") => ProbeMode::Exclusive,
            Some(other) => return Err(format!("resource-discovery is '{other}', expected always, never or exclusive")),
        };
        let score = score.or_else(|| self.attr(element, "score"));
        if let (Some(name), Some(score)) = (self.attr(element, "node"), score) {
            let node = self.cluster.find_node(name).ok_or_else(|| format!("there is no node '{name}'"))?;
            let score = Score::parse(score).ok_or_else(|| format!("'{score}' is no score"))?.value();
            let role = location_role(role.or_else(|| self.attr(element, "role")))?;
            let id = self.doc.id(element).to_owned();
            self.push_location(Location { id, rsc, role, probe, nodes: vec![(node, score)] });
            return Ok(());
        }
        let rules: Vec<Element> = self.doc.children_named(element, "rule").collect();
        if rules.is_empty() {
            return Err("it has neither node and score nor a rule".into());
        }
        rules.into_iter().try_for_each(|rule| self.add_rule_location(rule, rsc, probe, matches))
    }

    fn add_rule_location(
        &mut self,
        element: Element,
        rsc: RscId,
        probe: ProbeMode,
        matches: &[Option<&str>],
    ) -> Ignored {
        let element = self.resolve(element).ok_or("it refers to a rule that is not there")?;
        let id = self.attr(element, "id").ok_or("its rule has no id")?.to_owned();
        let role = location_role(self.attr(element, "role"))?;
        let attribute = self.attr(element, "score-attribute").map(|name| substitute(name, matches));
        let fixed = match (&attribute, self.attr(element, "score")) {
            (Some(_), _) => 0,
            (None, Some(score)) => Score::parse(score).ok_or_else(|| format!("'{score}' is no score"))?.value(),
            (None, None) => return Err("its rule has no score".into()),
        };
        let mut nodes = Vec::new();
        for node in self.cluster.nodes_by_name.clone() {
            let context = Context { node: Some(node), resource: Some(rsc), matches, ..Context::default() };
            if !self.rule_holds(element, &context) {
                continue;
            }
            let score = match &attribute {
                None => fixed,
                Some(name) => {
                    let value = self.node_attribute(node, name, Some(rsc), Where::Current);
                    match value.filter(|value| !value.is_empty()).and_then(Score::parse) {
                        Some(score) => score.value(),
                        None => continue,
                    }
                }
            };
            nodes.push((node, score));
        }
        nodes.reverse();
        self.push_location(Location { id, rsc, role, probe, nodes });
        Ok(())
    }

    fn push_location(&mut self, location: Location) {
        if location.probe == ProbeMode::Exclusive {
            self.set_rsc(location.rsc, RscFlags::EXCLUSIVE_PROBES);
        }
        let at = self.locations.len() as u32;
        self.rsc_mut(location.rsc).locations.push(at);
        self.locations.push(location);
    }

    /// Node health counts as a location constraint on every resource.
    pub fn add_health_locations(&mut self) {
        let raw = &self.cluster.options.raw;
        let option = |name: &str| raw.get(name).unwrap_or_default();
        let strategy = option("node-health-strategy").to_ascii_lowercase();
        let score = |name: &str| Score::parse(option(name)).map_or(0, |score| score.value());
        let infinity = crate::model::INFINITY;
        let (red, yellow, green) = match strategy.as_str() {
            "migrate-on-red" => (-infinity, 0, 0),
            "only-green" => (-infinity, -infinity, 0),
            "progressive" | "custom" => {
                (score("node-health-red"), score("node-health-yellow"), score("node-health-green"))
            }
            _ => return,
        };
        let base = if strategy == "progressive" { score("node-health-base") } else { 0 };
        for node in self.cluster.nodes_by_name.clone() {
            let attributes = self.node(node).attributes.iter().filter(|(name, _)| name.starts_with("#health"));
            let health = attributes.fold(base, |sum, (_, value)| {
                let score = match value.to_ascii_lowercase().as_str() {
                    "red" => red,
                    "yellow" => yellow,
                    "green" => green,
                    _ => Score::parse(value).map_or(0, |score| score.value()),
                };
                add(score, sum)
            });
            if health == 0 {
                continue;
            }
            for rsc in self.cluster.top.clone() {
                if health < 0 && boolean::is_true(self.rsc(rsc).meta("allow-unhealthy-nodes")) {
                    continue;
                }
                let location = Location {
                    id: HEALTH.into(),
                    rsc,
                    role: Role::Unknown,
                    probe: ProbeMode::Always,
                    nodes: vec![(node, health)],
                };
                self.push_location(location);
            }
        }
    }

    pub fn apply_locations(&mut self) {
        for at in (0..self.locations.len()).rev() {
            let location = self.locations[at].clone();
            self.apply_location(location.rsc, &location);
        }
    }

    /// Adds what a constraint says to the scores of a resource and its members. In a group, all members go where the
    /// first one goes, so only its scores count.
    pub fn apply_location(&mut self, rsc: RscId, location: &Location) {
        self.apply_location_here(rsc, location);
        if self.rsc(rsc).is_bundle() {
            return self.apply_location_to_bundle(rsc, location);
        }
        let colocated = matches!(self.rsc(rsc).kind, RscKind::Group { colocated: true, .. });
        let zeroed = || {
            let nodes = location.nodes.iter().map(|(node, _)| (*node, 0)).collect();
            Location { nodes, ..location.clone() }
        };
        for (at, child) in self.children(rsc).into_iter().enumerate() {
            if colocated && at > 0 {
                self.apply_location(child, &zeroed());
            } else {
                self.apply_location(child, location);
            }
        }
    }

    fn apply_location_here(&mut self, rsc: RscId, location: &Location) {
        if location.role > Role::Unknown && location.role != self.rsc(rsc).next_role {
            return;
        }
        for (node, score) in location.nodes.iter().copied() {
            // A node that comes in by a constraint is probed as the node wishes: those of bundles are not.
            let probe = self.node(node).probe;
            let resource = self.rsc_mut(rsc);
            if resource.allowed.get(node).is_none() {
                resource.allowed.insert(node, Entry { score, count: 0, probe });
            } else {
                resource.allowed.add(node, score);
            }
            let entry = resource.allowed.entry(node);
            let stronger = |mode: ProbeMode| match mode {
                ProbeMode::Always => 0,
                ProbeMode::Never => 1,
                ProbeMode::Exclusive => 2,
            };
            if stronger(entry.probe) < stronger(location.probe) {
                entry.probe = location.probe;
                if location.probe == ProbeMode::Exclusive {
                    resource.flags.set(RscFlags::EXCLUSIVE_PROBES);
                }
            }
            self.note(rsc, node, score, || match location.id.as_str() {
                HEALTH => Source::Health,
                id => Source::Location(id.to_owned()),
            });
        }
    }
}

/// The role a location is about; the lower active roles mean any.
fn location_role(text: Option<&str>) -> Result<Role, String> {
    match text.map(|text| (text, Role::parse(text))) {
        None => Ok(Role::Unknown),
        Some((text, None | Some(Role::Unknown))) => Err(format!("'{text}' is no role")),
        Some((_, Some(Role::Started | Role::Unpromoted))) => Ok(Role::Unknown),
        Some((_, Some(role))) => Ok(role),
    }
}

/// Puts what a pattern matched in the place of `%0` to `%9`.
fn substitute(text: &str, matches: &[Option<&str>]) -> String {
    if matches.is_empty() {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match characters.peek().and_then(|next| next.to_digit(10)) {
            Some(digit) if character == '%' => {
                characters.next();
                out.push_str(matches.get(digit as usize).copied().flatten().unwrap_or_default());
            }
            _ => out.push(character),
        }
    }
    out
}
