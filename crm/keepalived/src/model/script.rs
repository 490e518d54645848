//! `vrrp_script`: a command that is asked again and again.

use crate::model::{micros, switch};
use crate::note::{Note, Place};
use crate::statement::Statement;

/// A script.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Script {
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub place: Place,
    /// The command with its arguments.
    pub command: Vec<String>,
    /// Microseconds between two runs.
    pub interval_us: u64,
    /// Microseconds that a run may take.
    pub timeout_us: u64,
    /// What it is worth; 0 means that its failure is the instance's.
    pub weight: i32,
    /// Whether the weight counts the other way round.
    pub reverse: bool,
    /// Successes in a row before it counts as well.
    pub rise: u32,
    /// Failures in a row before it counts as failed.
    pub fall: u32,
    /// User and group it runs as.
    pub user: Vec<String>,
    /// Whether it counts as failed before the first run.
    pub init_fail: bool,
    /// All of it, for who needs more.
    pub statement: Statement,
}

pub(super) fn read(statement: &Statement, notes: &mut Vec<Note>) -> Option<Script> {
    let warn = |notes: &mut Vec<Note>, one: &Statement, message: String| {
        notes.push(Note::warning(one.place.clone(), message).about(one.word()));
    };
    let Some(name) = statement.argument(1) else {
        warn(notes, statement, "vrrp_script has no name; keepalived skips it".to_owned());
        return None;
    };
    let mut script = Script {
        name: name.to_owned(),
        place: statement.place.clone(),
        command: Vec::new(),
        interval_us: 1_000_000,
        timeout_us: 0,
        weight: 0,
        reverse: false,
        rise: 1,
        fall: 1,
        user: Vec::new(),
        init_fail: false,
        statement: statement.clone(),
    };
    for one in &statement.block {
        let first = one.argument(1).unwrap_or_default();
        match one.word() {
            // A command in one pair of quotes is parted at its blanks.
            "script" if one.words.len() == 2 => {
                script.command = crate::words::quoted(first).unwrap_or_else(|_| vec![first.to_owned()])
            }
            "script" => script.command = one.words[1..].to_vec(),
            "interval" => match micros(first).filter(|interval| *interval > 0) {
                Some(interval) => script.interval_us = interval,
                None => warn(notes, one, format!("interval {first} is no number of seconds; keepalived takes 1")),
            },
            "timeout" => match micros(first).filter(|timeout| *timeout > 0) {
                Some(timeout) => script.timeout_us = timeout,
                None => {
                    warn(notes, one, format!("timeout {first} is no number of seconds; keepalived takes the interval"))
                }
            },
            "weight" => match first.parse::<i32>().ok().filter(|weight| (-253..=253).contains(weight)) {
                Some(weight) => {
                    script.weight = weight;
                    script.reverse = one.argument(2) == Some("reverse");
                }
                None => warn(notes, one, format!("weight {first} is not between -253 and 253; keepalived takes 0")),
            },
            "rise" => script.rise = first.parse().unwrap_or(1).max(1),
            "fall" => script.fall = first.parse().unwrap_or(1).max(1),
            "user" => script.user = one.words[1..].to_vec(),
            "init_fail" => script.init_fail = switch(one).unwrap_or(true),
            _ => {}
        }
    }
    if script.timeout_us == 0 {
        script.timeout_us = script.interval_us;
    }
    if script.command.is_empty() {
        warn(notes, statement, format!("vrrp_script {name} has no script; keepalived ignores it"));
        return None;
    }
    Some(script)
}
