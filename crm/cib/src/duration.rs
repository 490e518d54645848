//! Durations as a CIB writes them, in milliseconds: `10`, `10s`, `500ms`, `5min`, `1h`, `PT10S`.
//! Durations within rules, which depend on the calendar, are in [`date`](crate::date).

use crate::score::leading_integer;

/// Pacemaker keeps intervals in 32 bits; longer ones are cut to this (49 days).
pub const MAX_INTERVAL_MS: u64 = u32::MAX as u64;

/// Why a text is no duration.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Error {
    /// There is no number at the beginning.
    #[error("'{0}' is not a duration; expected a number with a unit, for example 30s, 500ms, 5min, 1h or PT1M30S")]
    NoNumber(String),
    /// The unit is unknown.
    #[error("'{0}' is not a duration: its unit is unknown; the units are ms, us, s, sec, m, min, h and hr")]
    Unit(String),
    /// A time cannot run backwards.
    #[error("'{0}' is not a duration: it is negative")]
    Negative(String),
}

/// Reads a duration: a number and a unit (seconds without one), or an ISO 8601 duration, in which a year counts 365
/// days and a month 30. As in Pacemaker only the beginning of a unit is looked at and a fraction is dropped.
///
/// ```
/// use cib::duration::parse_ms;
/// assert_eq!(parse_ms("10"), Ok(10_000));
/// assert_eq!(parse_ms("5 min"), Ok(300_000));
/// assert_eq!(parse_ms("PT1M30S"), Ok(90_000));
/// assert!(parse_ms("soon").is_err());
/// ```
pub fn parse_ms(text: &str) -> Result<u64, Error> {
    if text.starts_with('P') {
        let seconds = iso_seconds(text).ok_or_else(|| Error::NoNumber(text.into()))?;
        let seconds = u64::try_from(seconds).map_err(|_| Error::Negative(text.into()))?;
        return Ok(seconds.saturating_mul(1000));
    }
    let (number, rest) = leading_integer(text).ok_or_else(|| Error::NoNumber(text.into()))?;
    let unit = rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.').trim_start();
    let number = u64::try_from(number).map_err(|_| Error::Negative(text.into()))?;
    // The order matters: "ms" before "m".
    let begins = |with: &str| unit.get(..with.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(with));
    let (multiplier, divisor) = match () {
        () if unit.is_empty() || begins("s") => (1000, 1),
        () if begins("ms") => (1, 1),
        () if begins("us") => (1, 1000),
        () if begins("m") => (60_000, 1),
        () if begins("h") => (3_600_000, 1),
        () => return Err(Error::Unit(text.into())),
    };
    Ok(number.saturating_mul(multiplier) / divisor)
}

/// The interval of an operation: like [`parse_ms`], cut to [`MAX_INTERVAL_MS`], and 0 for what is missing or wrong.
pub fn interval_ms(text: Option<&str>) -> u64 {
    text.and_then(|t| parse_ms(t).ok()).unwrap_or(0).min(MAX_INTERVAL_MS)
}

/// Seconds of an ISO 8601 duration whose calendar units have fixed lengths.
fn iso_seconds(text: &str) -> Option<i64> {
    let mut rest = text.strip_prefix('P')?;
    if rest.is_empty() {
        return None;
    }
    let (mut in_time, mut seconds) = (false, 0i64);
    while let Some(first) = rest.chars().next() {
        if first == '/' || first.is_ascii_whitespace() {
            break;
        }
        if first == 'T' {
            (in_time, rest) = (true, &rest[1..]);
            continue;
        }
        let (number, after) = leading_integer(rest)?;
        let unit = after.chars().next()?;
        let length = match (unit, in_time) {
            ('Y', _) => 365 * 86_400,
            ('M', false) => 30 * 86_400,
            ('M', true) => 60,
            ('W', _) => 7 * 86_400,
            ('D', _) => 86_400,
            ('H', _) => 3600,
            ('S', _) => 1,
            _ => return None,
        };
        seconds = seconds.saturating_add(number.saturating_mul(length));
        rest = &after[1..];
    }
    Some(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_pacemaker_reads() {
        for (text, expected) in [
            ("10", Some(10_000)),
            ("10s", Some(10_000)),
            ("10 SEC", Some(10_000)),
            ("500ms", Some(500)),
            ("500msec", Some(500)),
            ("2500us", Some(2)),
            ("5m", Some(300_000)),
            ("5min", Some(300_000)),
            ("1h", Some(3_600_000)),
            ("2hr", Some(7_200_000)),
            ("3.9s", Some(3000)),
            ("PT10S", Some(10_000)),
            ("P1DT2H", Some(93_600_000)),
            ("P1W", Some(604_800_000)),
            ("P1M", Some(2_592_000_000)),
            ("PT1M", Some(60_000)),
            ("P", None),
            ("PT5", None),
            ("P5X", None),
            ("", None),
            ("s", None),
            ("5 parsecs", None),
            ("-1", None),
        ] {
            assert_eq!(parse_ms(text).ok(), expected, "{text:?}");
        }
        assert_eq!(interval_ms(Some("900000000s")), MAX_INTERVAL_MS);
        assert_eq!(interval_ms(Some("often")), 0);
    }

    proptest! {
        #[test]
        fn never_panics(text in "P?T?[-+0-9a-zA-Z. /]*") {
            let _ = parse_ms(&text);
        }

        #[test]
        fn never_panics_on_anything(text in ".*") {
            let _ = parse_ms(&text);
        }
    }
}
