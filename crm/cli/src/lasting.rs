//! How long a change is to last: `--for 2h`, `--until 06:00`. What happens at the end is the crate `expiring`'s.

use cib::{date, duration};
use clap::{Arg, ArgMatches};
use expiring::Kind;
use jiff::civil::{DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _, Zoned};

use crate::change::Ends;
use crate::cluster::now;

/// Longer than a year nobody remembers what it was for.
const LONGEST_S: i64 = 366 * 24 * 60 * 60;

/// `--for` and `--until`.
pub fn arguments() -> [Arg; 2] {
    [
        Arg::new("for")
            .long("for")
            .value_name("TIME")
            .value_parser(|text: &str| seconds(text))
            .conflicts_with("until")
            .help("Take it back by itself after this time, such as 90s, 30min, 2h, 3d"),
        Arg::new("until")
            .long("until")
            .value_name("WHEN")
            .value_parser(|text: &str| moment(text, &Zoned::now()))
            .help("Take it back by itself then: 06:00 (the next one), 2026-12-24 18:00, or 2026-12-24T18:00:00Z"),
    ]
}

/// `--revert-after`.
pub fn revert_argument() -> Arg {
    Arg::new("revert-after")
        .long("revert-after")
        .value_name("TIME")
        .value_parser(|text: &str| seconds(text))
        .help("Take it back by itself after this time, such as 2m, unless `systole confirm` comes before")
}

/// What the arguments of a command say of its end, if it has such arguments.
pub fn of(arguments: &ArgMatches) -> Option<Ends> {
    let given = |name| arguments.try_get_one::<i64>(name).ok().flatten().copied();
    let wish = |until| Ends { kind: Kind::Wish, until };
    let trial = given("revert-after").map(|seconds| Ends { kind: Kind::Trial, until: now() + seconds });
    let after = given("for").map(|seconds| wish(now() + seconds));
    trial.or(after).or_else(|| given("until").map(wish))
}

/// Seconds of a duration from now.
fn seconds(text: &str) -> Result<i64, String> {
    let wrong = || format!("'{text}' is no time; expected a number with its unit, such as 90s, 30min, 2h, 3d or PT2H");
    let trimmed = text.trim();
    let days =
        trimmed.strip_suffix('d').or_else(|| trimmed.strip_suffix("days")).and_then(|days| days.trim().parse().ok());
    let seconds = match days {
        Some(days) => i64::saturating_mul(days, 24 * 60 * 60),
        // Seconds are what a bare number means in a CIB; here it is more likely a slip.
        None if trimmed.bytes().all(|byte| byte.is_ascii_digit()) => return Err(wrong()),
        None => i64::try_from(duration::parse_ms(trimmed).map_err(|_| wrong())? / 1000).map_err(|_| wrong())?,
    };
    match seconds {
        1..=LONGEST_S => Ok(seconds),
        ..=0 => Err(format!("'{text}' is over at once; {}", wrong())),
        _ => Err(format!("'{text}' is more than a year; leave it out for something that lasts")),
    }
}

/// A moment in seconds since 1970, seen from `now` and in its time zone.
fn moment(text: &str, now: &Zoned) -> Result<i64, String> {
    let text = text.trim();
    let zone: &TimeZone = now.time_zone();
    let wrong = || format!("'{text}' is no moment; expected such as 06:00, 2026-12-24 18:00 or 2026-12-24T18:00:00Z");
    let has_zone = text.ends_with('Z') || text.rsplit_once('T').is_some_and(|(_, time)| time.contains(['+', '-']));
    let at = if has_zone {
        date::parse(text, now.timestamp().as_second()).ok_or_else(wrong)?
    } else if let Some(time) = time_alone(text) {
        let today = now.date().to_datetime(time).to_zoned(zone.clone()).map_err(|_| wrong())?;
        let next = if today.timestamp() > now.timestamp() {
            today
        } else {
            let tomorrow = now.date().checked_add(1.day()).map_err(|_| wrong())?;
            tomorrow.to_datetime(time).to_zoned(zone.clone()).map_err(|_| wrong())?
        };
        next.timestamp().as_second()
    } else {
        let local: DateTime = text.parse().map_err(|_| wrong())?;
        local.to_zoned(zone.clone()).map_err(|_| wrong())?.timestamp().as_second()
    };
    match at - now.timestamp().as_second() {
        ..=0 => Err(format!("'{text}' is past")),
        LONGEST_S.. => Err(format!("'{text}' is more than a year away; leave it out for something that lasts")),
        _ => Ok(at),
    }
}

/// A time of day without a date: of a date with a time the time would be read as well.
fn time_alone(text: &str) -> Option<Time> {
    if text.contains('-') { None } else { text.parse().ok() }
}

/// A moment in the past, for what looks back: as [`moment`], a time alone means the last one; `2h` means so long ago.
pub fn past(text: &str) -> Result<i64, String> {
    past_of(text, &Zoned::now())
}

fn past_of(text: &str, now: &Zoned) -> Result<i64, String> {
    let unix = now.timestamp().as_second();
    if let Ok(seconds) = seconds(text) {
        return Ok(unix - seconds);
    }
    let wrong =
        || format!("'{text}' is no moment; expected such as 2h (ago), 06:00, 2026-12-24 18:00 or 2026-12-24T18:00:00Z");
    let text = text.trim();
    if let Some(time) = time_alone(text) {
        let on = |days: i64| {
            let day = now.date().checked_sub(days.days()).ok()?;
            Some(day.to_datetime(time).to_zoned(now.time_zone().clone()).ok()?.timestamp().as_second())
        };
        return on(0).filter(|at| *at <= unix).or_else(|| on(1)).ok_or_else(wrong);
    }
    if let Ok(stamp) = text.parse::<Timestamp>() {
        return Ok(stamp.as_second());
    }
    let local: DateTime = text.parse().map_err(|_| wrong())?;
    Ok(local.to_zoned(now.time_zone().clone()).map_err(|_| wrong())?.timestamp().as_second())
}

/// A moment as people here read it.
pub fn local(unix: i64) -> String {
    match Timestamp::from_second(unix) {
        Ok(stamp) => stamp.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string(),
        Err(_) => date::format(unix),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-21 17:30, two hours east of Greenwich.
    fn evening() -> Zoned {
        "2026-11-21T17:30:00+02:00[+02:00]".parse().unwrap()
    }

    #[test]
    fn durations_are_bounded_and_need_a_unit() {
        for (text, expected) in
            [("90s", 90), ("2h", 7200), ("30min", 1800), ("3d", 259_200), ("PT2H", 7200), ("2 m", 120)]
        {
            assert_eq!(seconds(text), Ok(expected), "{text}");
        }
        for (text, words) in [
            ("2", "with its unit"),
            ("0s", "over at once"),
            ("soon", "no time"),
            ("900d", "a year"),
            ("-1h", "no time"),
        ] {
            assert!(seconds(text).unwrap_err().contains(words), "{text}: {:?}", seconds(text));
        }
    }

    #[test]
    fn moments_are_the_next_ones_of_here() {
        let now = evening();
        let unix = now.timestamp().as_second();
        for (text, ahead) in [
            ("18:00", 1800),
            ("06:00", 12 * 3600 + 1800),
            ("2026-11-21 18:30", 3600),
            ("2026-11-21T18:30", 3600),
            ("2026-11-23 18:30", 2 * 24 * 3600 + 3600),
            ("2026-11-21T16:30:00Z", 3600),
        ] {
            assert_eq!(moment(text, &now), Ok(unix + ahead), "{text}");
        }
        for (text, words) in [
            ("2026-11-21 17:00", "is past"),
            ("2029-01-01 00:00", "more than a year"),
            ("25:00", "no moment"),
            ("", "no moment"),
        ] {
            assert!(moment(text, &now).unwrap_err().contains(words), "{text}");
        }
    }

    #[test]
    fn what_is_past_is_the_last_one_of_here() {
        let now = evening();
        let unix = now.timestamp().as_second();
        for (text, ago) in [
            ("2h", 7200),
            ("17:00", 1800),
            ("18:00", 23 * 3600 + 1800),
            ("2026-11-21T15:00:00Z", 1800),
            ("2026-11-21 16:30", 3600),
        ] {
            assert_eq!(past_of(text, &now), Ok(unix - ago), "{text}");
        }
        assert!(past_of("yesterday", &now).is_err());
    }
}
