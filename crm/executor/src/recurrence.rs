//! When a recurring operation comes again. Whether it may run then lies with the machine.

use std::time::Duration;

/// From so many recurring operations on they are spread over their intervals. A plan gives them in one moment, and so
/// they would come again in one moment, for ever; a few of them do no harm, and are easier to follow in a log.
pub const SPREAD_FROM: usize = 32;

/// So much of the interval lies at least between two runs: a monitor that takes long is not asked without a pause.
const SHORTEST_PAUSE: u32 = 4;

/// When an operation that ended now is due again: an interval later, or at the next of its moments where it has an
/// anchor, which is any of them.
pub(crate) fn next(now: Duration, interval: Duration, anchor: Option<Duration>) -> Duration {
    let Some(anchor) = anchor.filter(|_| !interval.is_zero()) else { return now + interval };
    let earliest = now + interval / SHORTEST_PAUSE;
    let phase = anchor.as_nanos() % interval.as_nanos();
    let missing = (phase + interval.as_nanos() - earliest.as_nanos() % interval.as_nanos()) % interval.as_nanos();
    earliest + Duration::from_nanos(u64::try_from(missing).unwrap_or(0))
}

/// The anchor of an operation that is spread: another one for each, and the same after every start of the daemon.
pub(crate) fn anchor(resource: &str, action: &str, interval: Duration) -> Duration {
    // FNV-1a: what is wanted is that names that differ little lie far apart.
    let bytes = resource.bytes().chain([0]).chain(action.bytes());
    let hash =
        bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    // Its upper bits depend on all that went in.
    let part = (u128::from(hash >> 32) * interval.as_nanos()) >> 32;
    Duration::from_nanos(u64::try_from(part).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn without_an_anchor_it_is_an_interval_later() {
        assert_eq!(next(SECOND * 3, SECOND * 10, None), SECOND * 13);
    }

    #[test]
    fn with_an_anchor_it_is_at_its_moments_but_not_at_once() {
        let next =
            |now: u64, anchor: u64| next(SECOND * now as u32, SECOND * 12, Some(SECOND * anchor as u32)).as_secs();
        // Moments 2, 14, 26, …; at least 3 s between.
        assert_eq!([next(0, 2), next(2, 2), next(11, 2), next(12, 2), next(14, 26)], [14, 14, 14, 26, 26]);
    }

    #[test]
    fn a_thousand_are_spread_evenly() {
        let mut tenths = [0u32; 10];
        for number in 0..1000 {
            let anchor = anchor(&format!("vip-{number}"), "monitor", SECOND * 10);
            tenths[anchor.as_secs() as usize] += 1;
        }
        assert!(tenths.iter().all(|count| (60..=140).contains(count)), "{tenths:?}");
    }
}
