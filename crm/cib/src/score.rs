//! Scores: how much a node is wanted for a resource, with an infinity that dominates whatever it is added to.
//! What a score means for placement is the policy's affair.

use std::fmt;
use std::ops::{Add, AddAssign, Neg, Sub};

/// A number from −1,000,000 to 1,000,000 whose ends mean "never" and "always".
///
/// Invariant: the value is within these ends. Sums saturate, and −INFINITY wins over everything, INFINITY included.
///
/// ```
/// use cib::score::Score;
/// assert_eq!(Score::INFINITY + Score::MINUS_INFINITY, Score::MINUS_INFINITY);
/// assert_eq!(Score::INFINITY - Score::from(5), Score::INFINITY);
/// assert_eq!(Score::parse("-INFINITY"), Some(Score::MINUS_INFINITY));
/// assert_eq!(Score::from(20_000_000).to_string(), "INFINITY");
/// ```
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Score(i32);

/// What INFINITY stands for in sums.
const LIMIT: i32 = 1_000_000;

impl Score {
    /// Always.
    pub const INFINITY: Score = Score(LIMIT);
    /// Never.
    pub const MINUS_INFINITY: Score = Score(-LIMIT);
    /// No preference.
    pub const ZERO: Score = Score(0);

    /// The score as a number from −1,000,000 to 1,000,000.
    pub const fn value(self) -> i32 {
        self.0
    }

    /// Whether this is INFINITY.
    pub const fn is_infinite(self) -> bool {
        self.0 == LIMIT
    }

    /// Whether this is −INFINITY.
    pub const fn is_minus_infinite(self) -> bool {
        self.0 == -LIMIT
    }

    /// Reads a score as Pacemaker does: `INFINITY`, `+INFINITY`, `-INFINITY`, the health colours `red` (−INFINITY),
    /// `yellow` and `green` (0) in any case, or a number at the beginning of the text (what follows it is ignored, and
    /// what is out of range is cut to the range). `None` when there is no number.
    pub fn parse(text: &str) -> Option<Score> {
        match text {
            "INFINITY" | "+INFINITY" => return Some(Score::INFINITY),
            "-INFINITY" => return Some(Score::MINUS_INFINITY),
            _ => {}
        }
        if text.eq_ignore_ascii_case("red") {
            return Some(Score::MINUS_INFINITY);
        }
        if text.eq_ignore_ascii_case("yellow") || text.eq_ignore_ascii_case("green") {
            return Some(Score::ZERO);
        }
        leading_integer(text).map(|(value, _)| Score::from(value))
    }

    /// Like [`parse`](Self::parse), but nothing may follow the number: what the schema allows people to write.
    pub fn parse_exact(text: &str) -> Option<Score> {
        let trimmed = text.trim();
        if let Some((value, rest)) = leading_integer(trimmed) {
            return rest.is_empty().then(|| Score::from(value));
        }
        Score::parse(trimmed)
    }
}

/// The integer a text begins with, after white space, as `strtoll` reads it (saturating), and what follows it.
pub(crate) fn leading_integer(text: &str) -> Option<(i64, &str)> {
    let text = text.trim_start();
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    if end == 0 {
        return None;
    }
    let value = digits[..end].bytes().fold(0i64, |sum, digit| {
        let digit = i64::from(digit - b'0');
        let sum = sum.saturating_mul(10);
        if negative { sum.saturating_sub(digit) } else { sum.saturating_add(digit) }
    });
    Some((value, &digits[end..]))
}

impl From<i32> for Score {
    fn from(value: i32) -> Self {
        Score(value.clamp(-LIMIT, LIMIT))
    }
}

impl From<i64> for Score {
    fn from(value: i64) -> Self {
        Score(value.clamp(i64::from(-LIMIT), i64::from(LIMIT)) as i32)
    }
}

impl Add for Score {
    type Output = Score;

    fn add(self, other: Score) -> Score {
        if self.is_minus_infinite() || other.is_minus_infinite() {
            Score::MINUS_INFINITY
        } else if self.is_infinite() || other.is_infinite() {
            Score::INFINITY
        } else {
            Score::from(self.0 + other.0)
        }
    }
}

impl AddAssign for Score {
    fn add_assign(&mut self, other: Score) {
        *self = *self + other;
    }
}

impl Sub for Score {
    type Output = Score;

    fn sub(self, other: Score) -> Score {
        self + -other
    }
}

impl Neg for Score {
    type Output = Score;

    fn neg(self) -> Score {
        Score(-self.0)
    }
}

impl std::iter::Sum for Score {
    fn sum<I: Iterator<Item = Score>>(scores: I) -> Score {
        scores.fold(Score::ZERO, Score::add)
    }
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            LIMIT => f.pad("INFINITY"),
            value if value == -LIMIT => f.pad("-INFINITY"),
            value => fmt::Display::fmt(&value, f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_pacemaker_reads() {
        for (text, expected) in [
            ("INFINITY", Some(LIMIT)),
            ("+INFINITY", Some(LIMIT)),
            ("-INFINITY", Some(-LIMIT)),
            ("infinity", None),
            ("Red", Some(-LIMIT)),
            ("yellow", Some(0)),
            ("GREEN", Some(0)),
            ("100", Some(100)),
            ("+5", Some(5)),
            (" -7", Some(-7)),
            ("12abc", Some(12)),
            ("1.9", Some(1)),
            ("", None),
            ("-", None),
            ("99999999999999999999999", Some(LIMIT)),
            ("-99999999999999999999999", Some(-LIMIT)),
        ] {
            assert_eq!(Score::parse(text).map(Score::value), expected, "{text:?}");
        }
        assert_eq!(Score::parse_exact("12abc"), None);
        assert_eq!(Score::parse_exact("12"), Some(Score(12)));
        assert_eq!(Score::parse_exact("-INFINITY"), Some(Score::MINUS_INFINITY));
    }

    proptest! {
        #[test]
        fn sums_stay_in_range_and_commute(a in any::<i32>(), b in any::<i32>()) {
            let (a, b) = (Score::from(a), Score::from(b));
            prop_assert_eq!(a + b, b + a);
            prop_assert!(Score::MINUS_INFINITY <= a + b && a + b <= Score::INFINITY);
            prop_assert_eq!(Score::MINUS_INFINITY + a, Score::MINUS_INFINITY);
        }

        #[test]
        fn reading_never_panics_and_display_reads_back(text in ".*", value in any::<i32>()) {
            let _ = (Score::parse(&text), Score::parse_exact(&text));
            let score = Score::from(value);
            prop_assert_eq!(Score::parse(&score.to_string()), Some(score));
        }
    }
}
