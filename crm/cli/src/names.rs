//! Names that users type: what they may have meant when there is nothing of that name.

use std::collections::BTreeSet;

use anyhow::anyhow;

/// Lists of names longer than this are not shown: `systole status` shows them better.
const MOST_SHOWN: usize = 12;

/// The error for a name that is not known, with the nearest one that is.
pub fn unknown<'a>(kind: &str, name: &str, known: impl Iterator<Item = &'a str>) -> anyhow::Error {
    let known: BTreeSet<&str> = known.collect();
    let hint = match nearest(name, known.iter().copied()) {
        Some(near) => format!("did you mean '{near}'?"),
        None if known.is_empty() => format!("the configuration has no {kind}"),
        None if known.len() > MOST_SHOWN => format!("there are {} others, see `systole status`", known.len()),
        None => format!("there is {}", known.into_iter().collect::<Vec<_>>().join(", ")),
    };
    anyhow!("there is no {kind} '{name}'; {hint}")
}

/// The known name that differs from `name` by the fewest slips of the hand, if these are few for its length and no
/// other name is as near.
pub fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let most = (name.chars().count() / 3).max(1);
    let mut far: Vec<(usize, &str)> =
        known.map(|other| (distance(&name.to_lowercase(), &other.to_lowercase()), other)).collect();
    far.sort_unstable();
    match far[..] {
        [(first, _), (second, _), ..] if first == second => None,
        [(first, near), ..] if first <= most => Some(near),
        _ => None,
    }
}

/// Letters put in, left out, changed or swapped with their neighbour between two words.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![(0..=b.len()).collect::<Vec<usize>>()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let changed = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = changed.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_of_the_hand_are_understood() {
        let known = ["node1", "node2", "web", "database", "web-vip"];
        for (typed, meant) in [
            ("ndoe1", Some("node1")),
            ("node", None),
            ("node12", None),
            ("WEB", Some("web")),
            ("databse", Some("database")),
            ("webvip", Some("web-vip")),
            ("mail", None),
            ("", None),
        ] {
            assert_eq!(nearest(typed, known.into_iter()), meant, "{typed}");
        }
    }

    #[test]
    fn the_error_helps() {
        let text = |name, known: &[&'static str]| unknown("resource", name, known.iter().copied()).to_string();
        assert_eq!(text("wbe", &["web"]), "there is no resource 'wbe'; did you mean 'web'?");
        assert_eq!(text("mail", &["web", "db"]), "there is no resource 'mail'; there is db, web");
        assert_eq!(text("web", &[]), "there is no resource 'web'; the configuration has no resource");
    }
}
