//! The spellings of truth and of time that agents and their metadata use.

/// A boolean as agents read it; `None` when it is neither a word for yes nor one for no.
pub fn boolean(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" | "on" | "y" | "ja" => Some(true),
        "0" | "false" | "no" | "off" | "n" | "nein" | "" => Some(false),
        _ => None,
    }
}

/// A length of time as in `timeout="20s"`, in milliseconds. A bare number means seconds.
pub fn duration_ms(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let number: u64 = text[..digits].parse().ok()?;
    match text[digits..].trim() {
        "" | "s" | "sec" => number.checked_mul(1_000),
        "ms" | "msec" => Some(number),
        "us" | "usec" => Some(number / 1_000),
        "m" | "min" => number.checked_mul(60_000),
        "h" | "hr" => number.checked_mul(3_600_000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let cases = [
            ("20", Some(20_000)),
            ("20s", Some(20_000)),
            (" 5 sec ", Some(5_000)),
            ("1500ms", Some(1_500)),
            ("2min", Some(120_000)),
            ("1h", Some(3_600_000)),
            ("0", Some(0)),
            ("", None),
            ("-5", None),
            ("5 days", None),
            ("99999999999999999999", None),
            ("18446744073709551615", None),
        ];
        for (text, expected) in cases {
            assert_eq!(duration_ms(text), expected, "{text:?}");
        }
    }

    #[test]
    fn booleans() {
        for yes in ["1", "true", "Yes", "ON", "ja"] {
            assert_eq!(boolean(yes), Some(true), "{yes:?}");
        }
        for no in ["0", "false", "No", "off", ""] {
            assert_eq!(boolean(no), Some(false), "{no:?}");
        }
        assert_eq!(boolean("maybe"), None);
    }
}
