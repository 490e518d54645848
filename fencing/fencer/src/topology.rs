//! The routes to a target: the levels that are for it, or each device for itself.
//! Whether a device can fence the target is asked when its turn comes, not here.

use regex::Regex;

use crate::{Action, Level, Target, TargetMatch};

/// The device that every node has: its own watchdog, which ends it when nobody feeds it.
pub const WATCHDOG: &str = "watchdog";
/// The indexes a level may have, as in Pacemaker.
pub const LEVELS: std::ops::RangeInclusive<u32> = 1..=9;

/// One step of a route: one device doing one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    pub device: String,
    pub action: Action,
    /// The second half of a reboot by several devices: the target is off already, so that a failure
    /// here leaves it safe, and its device is known to be for it.
    pub afterwards: bool,
    /// That its device is not for the target is no failure: others of the route may be.
    pub skipped_if_unfit: bool,
}

/// Steps that must all succeed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Route {
    /// The level's index, when it comes from the topology.
    pub level: Option<u32>,
    pub steps: Vec<Step>,
}

/// The levels as configured, their patterns made ready.
#[derive(Debug, Default)]
pub(crate) struct Topology {
    levels: Vec<(Level, Option<Regex>)>,
}

impl Topology {
    /// Takes the levels in, and says what is wrong with them.
    pub(crate) fn new(levels: Vec<Level>) -> (Self, Vec<String>) {
        let mut problems = Vec::new();
        let mut ready = Vec::new();
        for level in levels {
            if !LEVELS.contains(&level.index) {
                let (first, last) = (LEVELS.start(), LEVELS.end());
                problems.push(format!("fencing level {} is ignored: levels go from {first} to {last}", level.index));
                continue;
            }
            let pattern = match &level.target {
                TargetMatch::Pattern(pattern) => match Regex::new(pattern) {
                    Ok(regex) => Some(regex),
                    Err(error) => {
                        // The error draws a picture over several lines; its last line says it in words.
                        let error = error.to_string();
                        let error = error.lines().last().unwrap_or_default();
                        problems.push(format!(
                            "fencing level {} is for no node: {pattern:?} is not a regular expression ({error})",
                            level.index
                        ));
                        continue;
                    }
                },
                _ => None,
            };
            ready.push((level, pattern));
        }
        ready.sort_by_key(|(level, _)| level.index);
        (Topology { levels: ready }, problems)
    }

    /// Every level, by index.
    pub(crate) fn levels(&self) -> impl Iterator<Item = &Level> {
        self.levels.iter().map(|(level, _)| level)
    }

    /// The routes for a target by the topology; empty when no level is for it. Levels that name the
    /// node go before patterns and attributes, and levels of different kinds are not mixed.
    pub(crate) fn routes(&self, target: &Target, action: Action) -> Vec<Route> {
        let named =
            |level: &Level| matches!(&level.target, TargetMatch::Node(name) if name.eq_ignore_ascii_case(&target.name));
        let by_name = self.levels().find(|level| named(level));
        let by_rule = || self.levels.iter().find(|(level, pattern)| matches(level, pattern.as_ref(), target));
        let Some(first) = by_name.or_else(|| by_rule().map(|(level, _)| level)) else { return Vec::new() };
        self.levels().filter(|level| level.target == first.target).map(|level| route(level, action)).collect()
    }
}

fn matches(level: &Level, pattern: Option<&Regex>, target: &Target) -> bool {
    match &level.target {
        TargetMatch::Node(name) => name.eq_ignore_ascii_case(&target.name),
        TargetMatch::Pattern(_) => pattern.is_some_and(|pattern| pattern.is_match(&target.name)),
        TargetMatch::Attribute { name, value } => target.attributes.get(name) == Some(value),
    }
}

fn route(level: &Level, action: Action) -> Route {
    let all = |action, afterwards| {
        level.devices.iter().map(move |device| Step {
            device: device.clone(),
            action,
            afterwards,
            skipped_if_unfit: false,
        })
    };
    let steps = match action {
        // A node with two supplies reboots only if both are off at the same moment.
        Action::Reboot if level.devices.len() > 1 => all(Action::Off, false).chain(all(Action::On, true)).collect(),
        action => all(action, false).collect(),
    };
    Route { level: Some(level.index), steps }
}

/// Without a topology, each device is a route of its own.
pub(crate) fn single<'a>(devices: impl Iterator<Item = &'a str>, action: Action) -> Vec<Route> {
    devices.map(|device| Route { level: None, steps: vec![step(device, action)] }).collect()
}

/// A node is let in by every device that has something to do for that, as far as they are for it.
pub(crate) fn all_that_fit<'a>(devices: impl Iterator<Item = &'a str>, action: Action) -> Route {
    let steps = devices.map(|device| Step { skipped_if_unfit: true, ..step(device, action) }).collect();
    Route { level: None, steps }
}

fn step(device: &str, action: Action) -> Step {
    Step { device: device.to_owned(), action, afterwards: false, skipped_if_unfit: false }
}
