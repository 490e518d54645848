//! The calendar of rules: ISO 8601 dates to and from Unix seconds, and the parts of a moment that a date_spec looks at.
//! Everything is UTC: replicas on hosts with different time zones have to come to the same plan.

use crate::score::leading_integer;

/// Seconds in a day; rules know no leap seconds.
const DAY: i64 = 86_400;

/// Years beyond this are refused in reading, so that no sum here can overflow.
const MAX_YEAR: i64 = 9999;

/// Moments farther from 1970 than this (some 100,000 years) are cut to it, for the same reason.
const MAX_UNIX: i64 = 3_200_000_000_000;

/// A moment taken apart, as `date_spec` names its parts. ISO weeks begin on Monday, which is weekday 1.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Calendar {
    /// Year.
    pub year: i64,
    /// Month, 1 to 12.
    pub month: i64,
    /// Day of the month, from 1.
    pub day: i64,
    /// Hour, 0 to 23.
    pub hour: i64,
    /// Minute, 0 to 59.
    pub minute: i64,
    /// Second, 0 to 59.
    pub second: i64,
    /// Day of the year, from 1.
    pub year_day: i64,
    /// The year the ISO week belongs to.
    pub week_year: i64,
    /// ISO week, 1 to 53.
    pub week: i64,
    /// Day of the week, Monday is 1.
    pub week_day: i64,
}

impl Calendar {
    /// Takes a moment apart.
    pub fn at(unix: i64) -> Calendar {
        let unix = unix.clamp(-MAX_UNIX, MAX_UNIX);
        let days = unix.div_euclid(DAY);
        let seconds = unix.rem_euclid(DAY);
        let (year, month, day) = civil_from_days(days);
        let week_day = week_day_of(days);
        // The week belongs to the year in which its Thursday lies.
        let thursday = days + 4 - week_day;
        let week_year = civil_from_days(thursday).0;
        Calendar {
            year,
            month,
            day,
            hour: seconds / 3600,
            minute: seconds / 60 % 60,
            second: seconds % 60,
            year_day: days - days_from_civil(year, 1, 1) + 1,
            week_year,
            week: (thursday - days_from_civil(week_year, 1, 1)) / 7 + 1,
            week_day,
        }
    }
}

/// Reads an ISO 8601 date and time: `2024-02-29`, `20240229`, `2024-060`, `2024-W09-4`, each with an optional
/// `T12:30:00` or ` 12:30:00` and an optional offset (`Z`, `+02:00`; UTC without one); a time alone means the day of
/// `now`; `epoch` is 1970-01-01. `None` for anything else.
///
/// ```
/// use cib::date::parse;
/// assert_eq!(parse("1970-01-02T00:00:10Z", 0), Some(86_410));
/// assert_eq!(parse("1970-01-01 02:00:00 +01:00", 0), Some(3600));
/// assert_eq!(parse("2023-02-29", 0), None);
/// ```
pub fn parse(text: &str, now: i64) -> Option<i64> {
    let now = now.clamp(-MAX_UNIX, MAX_UNIX);
    let text = text.trim();
    if let Some(time) = text.strip_prefix('T') {
        return time_of_day(time).map(|seconds| now.div_euclid(DAY) * DAY + seconds);
    }
    if text.as_bytes().get(2) == Some(&b':') {
        return time_of_day(text).map(|seconds| now.div_euclid(DAY) * DAY + seconds);
    }
    if text.eq_ignore_ascii_case("epoch") {
        return Some(0);
    }
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == '-' || c == 'W')).unwrap_or(text.len());
    let days = date(&text[..end])?;
    let rest = &text[end..];
    let seconds = match rest.chars().next() {
        None => 0,
        Some('T' | ' ') => time_of_day(&rest[1..])?,
        Some(_) => return None,
    };
    Some(days * DAY + seconds)
}

/// Writes a moment as `2024-02-29 12:30:00Z`.
pub fn format(unix: i64) -> String {
    let at = Calendar::at(unix);
    format!("{:04}-{:02}-{:02} {:02}:{:02}:{:02}Z", at.year, at.month, at.day, at.hour, at.minute, at.second)
}

/// Writes a moment as `Thu Feb 29 12:30:00 2024`, which `cib-last-written` has been from the beginning.
pub fn ctime(unix: i64) -> String {
    const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let at = Calendar::at(unix);
    let day = DAYS[(at.week_day - 1) as usize];
    let month = MONTHS[(at.month - 1) as usize];
    format!("{day} {month} {:2} {:02}:{:02}:{:02} {:04}", at.day, at.hour, at.minute, at.second, at.year)
}

/// Days since 1970 of a date without its time.
fn date(text: &str) -> Option<i64> {
    let parts: Vec<&str> = text.split('-').collect();
    let (year, month, day) = match parts.as_slice() {
        [year, week, day] if week.starts_with('W') => {
            return week_date(number(year)?, number(&week[1..])?, number(day)?);
        }
        [year, month, day] => (number(year)?, number(month)?, number(day)?),
        [year, ordinal] => {
            let (year, ordinal) = (number(year)?, number(ordinal)?);
            let first = days_from_civil(year, 1, 1);
            let length = days_from_civil(year + 1, 1, 1) - first;
            return ((1..=MAX_YEAR).contains(&year) && (1..=length).contains(&ordinal)).then(|| first + ordinal - 1);
        }
        [all] if all.len() == 8 && !all.contains('W') => (number(&all[..4])?, number(&all[4..6])?, number(&all[6..])?),
        _ => return None,
    };
    let valid =
        (1..=MAX_YEAR).contains(&year) && (1..=12).contains(&month) && (1..=days_in_month(year, month)).contains(&day);
    valid.then(|| days_from_civil(year, month, day))
}

fn week_date(year: i64, week: i64, day: i64) -> Option<i64> {
    if !(1..=MAX_YEAR).contains(&year) || !(1..=53).contains(&week) || !(1..=7).contains(&day) {
        return None;
    }
    // 4 January always lies in week 1.
    let fourth = days_from_civil(year, 1, 4);
    let days = fourth - week_day_of(fourth) + 1 + (week - 1) * 7 + day - 1;
    (Calendar::at(days * DAY).week_year == year).then_some(days)
}

/// Seconds from midnight UTC; below 0 or beyond a day when an offset moves them there.
fn time_of_day(text: &str) -> Option<i64> {
    let text = text.trim_start();
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == ':')).unwrap_or(text.len());
    let seconds = hours_minutes_seconds(&text[..end])?;
    let rest = text[end..].trim();
    // A fraction of a second is dropped.
    let rest = match rest.strip_prefix(['.', ',']) {
        Some(fraction) => fraction.trim_start_matches(|c: char| c.is_ascii_digit()).trim_start(),
        None => rest,
    };
    let offset = match rest.chars().next() {
        None => 0,
        Some('Z' | 'z') if rest.len() == 1 => 0,
        Some('+') => hours_minutes_seconds(&rest[1..])?,
        Some('-') => -hours_minutes_seconds(&rest[1..])?,
        Some(_) => return None,
    };
    Some(seconds - offset)
}

fn hours_minutes_seconds(text: &str) -> Option<i64> {
    let two = |at: usize| text.get(at..at + 2).and_then(number);
    let (hour, minute, second) = if text.contains(':') {
        let mut parts = text.split(':').map(number);
        let fields = (parts.next()??, parts.next().unwrap_or(Some(0))?, parts.next().unwrap_or(Some(0))?);
        if parts.next().is_some() {
            return None;
        }
        fields
    } else {
        match text.len() {
            1 => (number(text)?, 0, 0),
            2 => (two(0)?, 0, 0),
            4 => (two(0)?, two(2)?, 0),
            6 => (two(0)?, two(2)?, two(4)?),
            _ => return None,
        }
    };
    let valid = (hour < 24 && minute < 60 && second < 60) || (hour == 24 && minute == 0 && second == 0);
    valid.then_some(hour * 3600 + minute * 60 + second)
}

/// Digits only, at most nine of them.
fn number(text: &str) -> Option<i64> {
    if text.is_empty() || text.len() > 9 || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

/// A length of calendar time, as the `duration` of a rule gives it.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default)]
pub struct Span {
    /// Years: they lead to the same day of the year, which after a February is not always the same date.
    pub years: i64,
    /// Months, after the years: the day is cut to the last of the month that is reached.
    pub months: i64,
    /// Days, with weeks as seven of them.
    pub days: i64,
    /// Seconds, with minutes and hours in them.
    pub seconds: i64,
}

/// No field of a duration can be larger than this in either direction (some 70,000 years in months).
const MAX_FIELD: i64 = 800_000;

impl Span {
    /// Reads the attributes of a `duration` element; `None` when one of them is no number.
    pub fn from_attributes<'a>(attributes: impl Iterator<Item = (&'a str, &'a str)>) -> Option<Span> {
        let mut span = Span::default();
        for (name, value) in attributes {
            let (field, factor, limit) = match name {
                "years" => (&mut span.years, 1, MAX_YEAR),
                "months" => (&mut span.months, 1, MAX_FIELD),
                "weeks" => (&mut span.days, 7, MAX_FIELD),
                "days" => (&mut span.days, 1, MAX_FIELD * 7),
                "hours" => (&mut span.seconds, 3600, MAX_FIELD * 200),
                "minutes" => (&mut span.seconds, 60, MAX_FIELD * 10_000),
                "seconds" => (&mut span.seconds, 1, MAX_FIELD * 1_000_000),
                _ => continue,
            };
            let (value, rest) = leading_integer(value)?;
            if !rest.trim().is_empty() || !(-limit..=limit).contains(&value) {
                return None;
            }
            *field += value * factor;
        }
        Some(span)
    }

    /// The moment that lies this much after `unix`.
    pub fn after(&self, unix: i64) -> i64 {
        let at = Calendar::at(unix);
        let (year, month, day) = civil_from_days(days_from_civil(at.year + self.years, 1, 1) + at.year_day - 1);
        let months = year * 12 + month - 1 + self.months;
        let (year, month) = (months.div_euclid(12), months.rem_euclid(12) + 1);
        let day = day.min(days_in_month(year, month));
        (days_from_civil(year, month, day) + self.days) * DAY + unix.rem_euclid(DAY) + self.seconds
    }
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn week_day_of(days: i64) -> i64 {
    // 1970-01-01 was a Thursday.
    (days + 3).rem_euclid(7) + 1
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar. Years are counted from March, so that the leap day is
/// the last of its year and every month before it has a fixed offset.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let from_march = (month + 9) % 12;
    let year = if month <= 2 { year - 1 } else { year };
    let leaps = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    let before_month = (153 * from_march + 2) / 5;
    year * 365 + leaps + before_month + day - 1 - 719_468
}

/// The inverse of [`days_from_civil`].
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    // 146,097 days are 400 years. The estimate is at most one year too late.
    let mut year = (shifted * 400).div_euclid(146_097);
    while days_from_civil(year, 3, 1) > days {
        year -= 1;
    }
    while days_from_civil(year + 1, 3, 1) <= days {
        year += 1;
    }
    let within = days - days_from_civil(year, 3, 1);
    let from_march = (5 * within + 2) / 153;
    let day = within - (153 * from_march + 2) / 5 + 1;
    let month = (from_march + 2) % 12 + 1;
    (if month <= 2 { year + 1 } else { year }, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_beyond_all_bounds_is_none() {
        for value in [i64::MIN, i64::MAX, -MAX_YEAR - 1] {
            assert_eq!(Span::from_attributes([("years", value.to_string().as_str())].into_iter()), None);
        }
    }
    use proptest::prelude::*;

    #[test]
    fn reads_the_forms_of_iso_8601() {
        for (text, expected) in [
            ("1970-01-01", "1970-01-01 00:00:00Z"),
            ("epoch", "1970-01-01 00:00:00Z"),
            ("2024-02-29T12:30:05Z", "2024-02-29 12:30:05Z"),
            ("2024-02-29 12:30:05", "2024-02-29 12:30:05Z"),
            ("20240229T123005Z", "2024-02-29 12:30:05Z"),
            ("2024-060", "2024-02-29 00:00:00Z"),
            ("2009-W01-1", "2008-12-29 00:00:00Z"),
            ("2009-W53-7", "2010-01-03 00:00:00Z"),
            ("2024-01-01T00:30:00+01:00", "2023-12-31 23:30:00Z"),
            ("2024-01-01 00:30 -0130", "2024-01-01 02:00:00Z"),
            ("2023-12-31T24:00:00Z", "2024-01-01 00:00:00Z"),
            ("T10:00", "1970-01-01 10:00:00Z"),
            ("10:00:01", "1970-01-01 10:00:01Z"),
        ] {
            assert_eq!(parse(text, 5).map(format).as_deref(), Some(expected), "{text}");
        }
        for text in ["", "2024", "2023-02-29", "2024-13-01", "2024-01-01T25:00", "2008-W53-1", "x", "2024-01-01Q", "٣:"]
        {
            assert_eq!(parse(text, 0), None, "{text}");
        }
    }

    #[test]
    fn ctime_is_what_the_c_library_prints() {
        assert_eq!(ctime(1_709_209_805), "Thu Feb 29 12:30:05 2024");
        assert_eq!(ctime(0), "Thu Jan  1 00:00:00 1970");
    }

    #[test]
    fn adds_by_the_calendar() {
        let after = |start: &str, span: Span| format(span.after(parse(start, 0).unwrap()));
        assert_eq!(after("2024-01-31", Span { months: 1, ..Span::default() }), "2024-02-29 00:00:00Z");
        assert_eq!(after("2024-02-29", Span { years: 1, ..Span::default() }), "2025-03-01 00:00:00Z");
        assert_eq!(after("2023-03-01", Span { years: 1, ..Span::default() }), "2024-02-29 00:00:00Z");
        assert_eq!(after("2023-12-31", Span { days: 1, seconds: 3661, ..Span::default() }), "2024-01-01 01:01:01Z");
        assert_eq!(after("2024-03-31", Span { months: -13, ..Span::default() }), "2023-02-28 00:00:00Z");
    }

    proptest! {
        #[test]
        fn days_and_civil_are_inverse(days in -4_000_000i64..4_000_000) {
            let (year, month, day) = civil_from_days(days);
            prop_assert!((1..=12).contains(&month) && (1..=days_in_month(year, month)).contains(&day));
            prop_assert_eq!(days_from_civil(year, month, day), days);
        }

        #[test]
        fn format_reads_back(unix in 0i64..200_000_000_000) {
            prop_assert_eq!(parse(&format(unix), 0), Some(unix));
            let at = Calendar::at(unix);
            let week = format!("{:04}-W{:02}-{}", at.week_year, at.week, at.week_day);
            prop_assert_eq!(parse(&week, 0), Some(unix.div_euclid(DAY) * DAY));
        }

        #[test]
        fn never_panics(text in ".*", digits in "[-0-9TWZ:+. ]*") {
            let _ = (parse(&text, 0), parse(&digits, 0));
            let _ = Span::from_attributes([("years", &*text), ("months", &*digits)].into_iter()).map(|s| s.after(0));
        }
    }
}
