//! What an instance tracks: a line of `track_script`, `track_interface` and their like. keepalived looks names up while it
//! reads, so what stands further below is not there.

use crate::model::Tracked;
use crate::model::instance::Known;
use crate::note::Note;
use crate::statement::Statement;

/// The weight that keepalived puts in the place of one of 254, the largest it reads.
const WEIGHT_MAX: i32 = 253;

/// Reads one line; nothing if keepalived ignores it.
pub(super) fn read(
    kind: &'static str,
    line: &Statement,
    before: &[Tracked],
    known: &Known<'_>,
    notes: &mut Vec<Note>,
) -> Option<Tracked> {
    let name = line.word();
    let mut warn = |message: String, word: &str| notes.push(Note::warning(line.place.clone(), message).about(word));
    let named = |words: &[&str], statements: &[Statement]| {
        statements.iter().any(|one| words.contains(&one.word()) && one.argument(1) == Some(name))
    };
    let (what, is_known) = match kind {
        "track_script" => ("vrrp_script", known.scripts.iter().any(|script| script.name == name)),
        "track_file" => ("track_file", named(&["track_file", "vrrp_track_file"], known.others)),
        "track_process" => ("vrrp_track_process", named(&["vrrp_track_process"], known.others)),
        "track_bfd" => ("bfd_instance", named(&["bfd_instance"], known.bfd)),
        _ => ("interface", true),
    };
    if !is_known {
        warn(format!("there is no {what} {name} above this line, so keepalived ignores it: it was never asked"), name);
        return None;
    }
    if before.iter().any(|other| other.name == name) {
        warn(format!("{name} is tracked already; keepalived ignores the second"), name);
        return None;
    }
    let mut tracked = Tracked { name: name.to_owned(), weight: None, reverse: false, place: line.place.clone() };
    let mut words = line.words[1..].iter().map(String::as_str).peekable();
    while let Some(word) = words.next() {
        match (word, words.peek().copied()) {
            ("weight", None) => warn("weight has no number behind it; keepalived ignores it".to_owned(), word),
            ("weight", Some(value)) => {
                words.next();
                tracked.weight = weight(kind, value, &mut warn);
                if words.peek() == Some(&"reverse") {
                    words.next();
                    tracked.reverse = true;
                }
            }
            _ => warn(format!("{word} is not known behind what is tracked; keepalived ignores it"), word),
        }
    }
    Some(tracked)
}

fn weight(kind: &str, value: &str, warn: &mut dyn FnMut(String, &str)) -> Option<i32> {
    match value.parse::<i32>().ok().filter(|weight| weight.abs() <= WEIGHT_MAX + 1) {
        Some(weight) if matches!(kind, "track_script" | "track_interface") && weight.abs() > WEIGHT_MAX => {
            let taken = weight.clamp(-WEIGHT_MAX, WEIGHT_MAX);
            warn(format!("a weight here is {WEIGHT_MAX} at most; keepalived takes {taken}"), value);
            Some(taken)
        }
        None => {
            warn(format!("weight {value} is not between -254 and 254; keepalived ignores it"), value);
            None
        }
        weight => weight,
    }
}
