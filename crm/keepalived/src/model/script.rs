//! `vrrp_script`: a command that is asked again and again.

use crate::model::number::{SECONDS_MAX, number, set};
use crate::note::{Note, Place};
use crate::statement::Statement;

/// The largest weight a script may have.
const WEIGHT_MAX: i32 = 253;
/// Successes or failures in a row that may be asked for.
const TIMES_MAX: u32 = i32::MAX as u32;

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
            "script" => {
                // A command in one pair of quotes is parted at its blanks.
                script.command = crate::words::quoted(first).unwrap_or_else(|_| vec![first.to_owned()]);
                if one.words.len() > 2 {
                    let rest = one.words[2..].join(" ");
                    let message = format!(
                        "keepalived runs {first} alone, without `{rest}`: a command with arguments has to stand in quotes"
                    );
                    notes.push(Note::warning(one.place.clone(), message).about(&one.words[2]));
                }
            }
            "interval" => set(&mut script.interval_us, seconds(one, notes)),
            "timeout" => set(&mut script.timeout_us, seconds(one, notes)),
            "weight" => {
                if let Some(weight) = weight(one, notes) {
                    script.weight = weight;
                    script.reverse = one.argument(2) == Some("reverse");
                }
                if let Some(other) = one.argument(2).filter(|other| *other != "reverse") {
                    let message =
                        format!("behind a weight stands reverse or nothing, not {other}; keepalived ignores it");
                    notes.push(Note::warning(one.place.clone(), message).about(other));
                }
            }
            "rise" => script.rise = number(one, 1..=TIMES_MAX, notes).unwrap_or(1),
            "fall" => script.fall = number(one, 1..=TIMES_MAX, notes).unwrap_or(1),
            "user" => script.user = one.words[1..].to_vec(),
            "init_fail" => script.init_fail = true,
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

/// Whole seconds, of which there is at least one, in microseconds; nothing if keepalived ignores the line.
fn seconds(one: &Statement, notes: &mut Vec<Note>) -> Option<u64> {
    let seconds = number(one, 0..=SECONDS_MAX, notes)?;
    if seconds == 0 {
        let message = format!("{} is at least one second; keepalived takes that", one.word());
        notes.push(Note::warning(one.place.clone(), message).about(one.argument(1).unwrap_or(one.word())));
    }
    Some(u64::from(seconds.max(1)) * 1_000_000)
}

/// A weight; nothing if keepalived ignores it.
fn weight(one: &Statement, notes: &mut Vec<Note>) -> Option<i32> {
    let text = one.argument(1)?;
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let end = unsigned.find(|c: char| !c.is_ascii_digit()).unwrap_or(unsigned.len());
    let size = if end == 0 { Some(0) } else { unsigned[..end].parse::<i32>().ok() };
    let Some(size) = size.filter(|size| *size <= WEIGHT_MAX) else {
        let message = format!("weight {text} is not between -{WEIGHT_MAX} and {WEIGHT_MAX}; keepalived takes 0");
        notes.push(Note::warning(one.place.clone(), message).about(text));
        return None;
    };
    let found = if text.starts_with('-') { -size } else { size };
    if end == 0 || end < unsigned.len() {
        let message = format!("weight {text} is no whole number; keepalived reads it as {found}");
        notes.push(Note::warning(one.place.clone(), message).about(text));
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use crate::{Files, Host, Model};

    #[track_caller]
    fn expect(text: &str, command: &str, numbers: (u64, u64, i32, u32, u32), notes: usize) {
        let model = Model::read(&Files::one("/k", format!("vrrp_script s {{\n{text}\n}}\n")), &Host::default());
        let script = &model.scripts[0];
        let found = (script.interval_us, script.timeout_us, script.weight, script.rise, script.fall);
        assert_eq!((script.command.join("|").as_str(), found), (command, numbers));
        assert_eq!(model.notes.len(), notes, "{:?}", model.notes);
    }

    #[test]
    fn as_keepalived_reads_them() {
        let second = 1_000_000;
        expect("script \"/bin/x -a 'b c'\"", "/bin/x|-a|b c", (second, second, 0, 1, 1), 0);
        expect("script /bin/x -a\ninterval 2.5", "/bin/x", (2 * second, 2 * second, 0, 1, 1), 2);
        expect("script /bin/x\nscript /bin/y\ntimeout 0\ninterval 4", "/bin/y", (4 * second, second, 0, 1, 1), 1);
        expect("script /bin/x\nweight -253 reverse\nrise 3\nfall 0", "/bin/x", (second, second, -253, 3, 1), 1);
        expect("script /bin/x\nweight 254\nrise abc", "/bin/x", (second, second, 0, 1, 1), 2);
        expect("script /bin/x\nweight 3.5", "/bin/x", (second, second, 3, 1, 1), 1);
    }
}
