//! The time as an agent wants it: strftime(3)'s words, and `%N` for parts of a second, as date(1) has it.

use crate::variable;

/// A moment, with the hour as this host's zone has it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Moment {
    /// Seconds since 1970.
    pub unix: i64,
    /// And microseconds.
    pub microseconds: u32,
}

/// The variables that tell the time. `strftime` writes a format that has no `%N` left.
pub fn variables(moment: Moment, format: &str, strftime: impl Fn(&str) -> String) -> Vec<(String, String)> {
    let Moment { unix, microseconds } = moment;
    let mut all = Vec::new();
    for (name, value) in [
        ("timestamp", strftime(&with_fractions(format, microseconds))),
        ("timestamp_epoch", unix.to_string()),
        ("timestamp_usec", microseconds.to_string()),
    ] {
        all.extend(variable(name, value));
    }
    all
}

/// The format with each `%N` written out: `%06N` are six digits, without a number there are nine.
fn with_fractions(format: &str, microseconds: u32) -> String {
    let nanoseconds = format!("{:09}", u64::from(microseconds) * 1000);
    let mut out = String::with_capacity(format.len());
    let mut rest = format;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        let word = &rest[at + 1..];
        let digits = word.len() - word.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        if word[digits..].starts_with('N') {
            // More digits than there are say nothing more; and none, or 0, are all.
            let count = word[..digits].parse().ok().filter(|count| (1..=9).contains(count)).unwrap_or(9);
            out.push_str(&nanoseconds[..count]);
            rest = &word[digits + 1..];
        } else {
            // Taken with the character after it, for `%%N` is no fraction.
            let length = word.chars().next().map_or(0, char::len_utf8);
            out.push('%');
            out.push_str(&word[..length]);
            rest = &word[length..];
        }
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_second_have_as_many_digits_as_were_asked_for() {
        for (format, expected) in [
            ("%H:%M:%S.%06N", "%H:%M:%S.012345"),
            ("%3N", "012"),
            ("%N", "012345000"),
            ("%%N %N", "%%N 012345000"),
            ("%99N", "012345000"),
            ("%é%", "%é%"),
            ("%-d %5", "%-d %5"),
            ("", ""),
        ] {
            assert_eq!(with_fractions(format, 12_345), expected, "{format}");
        }
    }

    #[test]
    fn the_time_goes_by_all_its_names() {
        let moment = Moment { unix: 1_700_000_000, microseconds: 250_000 };
        let variables = variables(moment, "%H.%1N", |format| format.replace("%H", "22"));
        let text: Vec<String> = variables.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert!(text.contains(&"CRM_alert_timestamp=22.2".to_owned()), "{text:?}");
        assert!(text.contains(&"CRM_notify_timestamp_usec=250000".to_owned()), "{text:?}");
    }
}
