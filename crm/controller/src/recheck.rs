//! When a coordinator plans though nothing happened: at an interval, and when a plan says that something changes by itself.

use std::time::Duration;

/// How often a coordinator plans though nothing happened when `cluster-recheck-interval` is not set.
pub(crate) const RECHECK_INTERVAL: Duration = Duration::from_secs(15 * 60);

/// When that is. An `interval` of 0 means never; `asked` is when the plan was asked for, in seconds since 1970 as well, and
/// `date` when a failure is to be forgotten or a rule begins to hold.
pub(crate) fn at(now: Duration, interval: Duration, asked: (Duration, i64), date: Option<i64>) -> Option<Duration> {
    let regular = (!interval.is_zero()).then(|| now + interval);
    // At least a second, or a date that has passed would be looked at without end.
    let left = |date: i64| Duration::from_secs(u64::try_from(date.saturating_sub(asked.1)).unwrap_or(0).max(1));
    regular.into_iter().chain(date.map(|date| asked.0 + left(date))).min()
}
