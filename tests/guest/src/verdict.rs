//! What the clients' words and the server's disk say together: every record once, locks kept, and how long a client had
//! to wait.

use crate::writer;

/// What a writer has said.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Written {
    /// When each record was acknowledged, in order of their numbers.
    pub at_us: Vec<u64>,
    /// It came to its end in good order.
    pub has_ended: bool,
    /// What went wrong.
    pub error: Option<String>,
}

/// Reads a writer's words.
pub fn written(words: &str) -> Written {
    let mut out = Written::default();
    for line in words.lines() {
        match line.split_once(' ') {
            None if line == "end" => out.has_ended = true,
            Some(("error", what)) => out.error = Some(what.to_owned()),
            Some((number, at)) => match (number.parse::<usize>(), at.parse()) {
                (Ok(number), Ok(at)) if number == out.at_us.len() => out.at_us.push(at),
                _ => out.error = Some(format!("its words are torn: {line:?}")),
            },
            None => {}
        }
    }
    out
}

/// How long the client waited for the first record that was acknowledged after a moment and not begun before its loss:
/// from the moment to the end of the longest silence that reaches beyond it. `None` when there was none after it.
pub fn next_write_ms(at_us: &[u64], since_us: u64) -> Option<f64> {
    let pairs = at_us.windows(2).filter(|pair| pair[1] > since_us);
    let longest = pairs.max_by_key(|pair| pair[1] - pair[0])?;
    Some(longest[1].saturating_sub(since_us) as f64 / 1000.0)
}

/// What is wrong with the records on the disk, given how many were acknowledged; nothing, as a rule. One more than
/// those may be there: the last one, whose answer nobody waited for.
pub fn records(content: &str, acknowledged: usize) -> Option<String> {
    let count = content.len() / writer::RECORD;
    if !content.len().is_multiple_of(writer::RECORD) {
        return Some(format!("the file ends within a record, after {count}"));
    }
    for number in 0..count {
        let found = content.get(number * writer::RECORD..(number + 1) * writer::RECORD);
        if found != Some(writer::record(number as u64).as_str()) {
            return Some(format!("where record {number} belongs stands {found:?}"));
        }
    }
    if count < acknowledged {
        return Some(format!("{acknowledged} records were acknowledged, {count} are there"));
    }
    (count > acknowledged + 1).then(|| format!("{count} records are there, {acknowledged} were acknowledged"))
}

/// How often the rival was refused since a moment, and whether it ever got the lock.
pub fn refusals(words: &str, since_us: u64) -> (usize, bool) {
    let times = |what: &str| {
        let lines = words.lines().filter_map(move |line| line.strip_prefix(what)?.trim().parse::<u64>().ok());
        lines.collect::<Vec<_>>()
    };
    let refused = times("refused").into_iter().filter(|at| *at > since_us).count();
    (refused, !times("got").is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_writers_words() {
        let good = written("begun\n0 1000\n1 2000\nend\n");
        assert_eq!((good.at_us, good.has_ended, good.error), (vec![1000, 2000], true, None));
        assert_eq!(written("begun\n0 1000\nerror writing: stale\n").error.as_deref(), Some("writing: stale"));
        assert!(written("0 1000\n2 3000\n").error.is_some());
    }

    #[test]
    fn the_wait_ends_with_the_longest_silence() {
        let at = [1000, 2000, 3000, 9000, 9500];
        assert_eq!(next_write_ms(&at, 2500), Some(6.5));
        // A record that was on its way when it happened is not the end of it.
        assert_eq!(next_write_ms(&at, 2999), Some(6.001));
        assert_eq!(next_write_ms(&at, 9600), None);
    }

    #[test]
    fn each_record_once() {
        let three = [0, 1, 2].map(writer::record).concat();
        assert_eq!(records(&three, 3), None);
        assert_eq!(records(&three, 2), None);
        for (content, acknowledged) in [
            (three.as_str(), 4),
            (three.as_str(), 1),
            (&three[..30], 2),
            (&[0, 1, 1].map(writer::record).concat(), 3),
            (&[0, 2].map(writer::record).concat(), 2),
        ] {
            assert!(records(content, acknowledged).is_some(), "{content:?} {acknowledged}");
        }
    }

    #[test]
    fn refusals_are_counted_from_a_moment_on() {
        assert_eq!(refusals("refused 10\nrefused 20\nrefused 30\n", 15), (2, false));
        assert_eq!(refusals("refused 10\ngot 20\n", 0), (1, true));
    }
}
