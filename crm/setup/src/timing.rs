//! Timers from one number: how soon services are back after a host is lost, or how long a pause a host may have and
//! still belong to the cluster. One of them is given, the other follows; the inequality is shown with its slack.
//!
//! ```text
//! token + coefficient × (nodes - 2) = T, without a word for so long a node is missed
//! 1.2 × T                               in which the others agree who is left (Corosync's consensus)
//! fencing + recovery                    until services run again
//! ```
//!
//! Source: corosync.conf(5); what Corosync 3.1.7 was measured to do.

use core::time::Duration;

/// Below this, a busy host is missed though nothing is wrong.
pub const LEAST_TOKEN: u64 = 1_000;
/// Corosync's own, per node beyond the second.
const COEFFICIENT: u64 = 650;
/// From the membership to services that run again: a plan, a start, and the neighbours told.
const RECOVERY: u64 = 500;
/// A pause of this length must not be taken for a loss, so the token waits by this much longer, in percent.
const PAUSE_MARGIN: u64 = 20;
/// A watchdog that is shorter bites hosts that are only busy.
const LEAST_WATCHDOG: u64 = 5_000;

/// What is wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wish {
    /// Services run again so soon after a host is lost.
    FailoverWithin(Duration),
    /// A host may say nothing for so long and still belong.
    ToleratePause(Duration),
}

/// The timers that follow, all in milliseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Timers {
    /// `totem.token`.
    pub token: u64,
    /// `totem.token_coefficient`.
    pub coefficient: u64,
    /// The token's time with these nodes.
    pub effective: u64,
    /// Corosync's consensus, which follows.
    pub consensus: u64,
    /// What was said of fencing.
    pub fencing: u64,
    /// What is kept for recovery.
    pub recovery: u64,
    /// The longest pause that is tolerated.
    pub pause: u64,
    /// The watchdog's own time, for hosts with one: a pause that is tolerated must not let it bite.
    pub watchdog: u64,
    /// `stonith-watchdog-timeout` for it.
    pub watchdog_wait: u64,
}

impl Timers {
    /// The timers for so many nodes, if each fencing takes so long.
    ///
    /// # Errors
    /// When the wish cannot be had; with the least that can.
    pub fn derive(wish: Wish, nodes: usize, fencing: Duration) -> Result<Timers, String> {
        let beyond_two = u64::try_from(nodes.saturating_sub(2)).unwrap_or(u64::MAX);
        let fencing = milliseconds(fencing);
        let effective = match wish {
            Wish::FailoverWithin(within) => {
                // T + 1.2 T in whole milliseconds.
                let left = milliseconds(within).saturating_sub(fencing).saturating_sub(RECOVERY);
                left * 10 / 22
            }
            Wish::ToleratePause(pause) => pause_needs(milliseconds(pause)).max(LEAST_TOKEN),
        };
        if effective < LEAST_TOKEN {
            let least = LEAST_TOKEN * 22 / 10 + fencing + RECOVERY;
            return Err(format!(
                "the least that can be had is {}: {} until a host is missed and the others agree, {} for fencing, {} for recovery",
                seconds(least),
                seconds(LEAST_TOKEN * 22 / 10),
                seconds(fencing),
                seconds(RECOVERY)
            ));
        }
        // Corosync adds its coefficient unless told; where that would be more than the whole, it gets none.
        let coefficient =
            if effective >= LEAST_TOKEN + COEFFICIENT.saturating_mul(beyond_two) { COEFFICIENT } else { 0 };
        let pause = effective * 100 / (100 + PAUSE_MARGIN);
        let watchdog = (pause * 2).max(LEAST_WATCHDOG).div_ceil(1000) * 1000;
        Ok(Timers {
            token: effective - coefficient * beyond_two,
            coefficient,
            effective,
            consensus: effective * 12 / 10,
            fencing,
            recovery: RECOVERY,
            pause,
            watchdog,
            watchdog_wait: watchdog * 2,
        })
    }

    /// From a host's last word until its services run again.
    pub fn failover(&self) -> u64 {
        self.effective + self.consensus + self.fencing + self.recovery
    }

    /// The options for `totem`, as words.
    pub fn words(&self) -> Vec<String> {
        vec![format!("token={}", self.token), format!("token_coefficient={}", self.coefficient)]
    }

    /// The inequality and what else follows, a line each.
    pub fn explain(&self, wish: Wish) -> Vec<String> {
        let sum = format!(
            "token {} + consensus {} + fencing {} + recovery {} = {}",
            seconds(self.effective),
            seconds(self.consensus),
            seconds(self.fencing),
            seconds(self.recovery),
            seconds(self.failover())
        );
        let first = match wish {
            Wish::FailoverWithin(within) => {
                let within = milliseconds(within);
                let slack = within.saturating_sub(self.failover());
                format!("{sum}, within {}: {} of slack", seconds(within), seconds(slack))
            }
            Wish::ToleratePause(_) => format!("{sum} until services run again after a loss"),
        };
        vec![
            first,
            format!("a host may pause for {} before it is missed", seconds(self.pause)),
            format!(
                "a watchdog of {}, and stonith-watchdog-timeout={}s, do not bite in such a pause",
                seconds(self.watchdog),
                self.watchdog_wait / 1000
            ),
        ]
    }
}

/// The token's time that bears a pause, both in milliseconds.
pub fn pause_needs(pause: u64) -> u64 {
    pause.saturating_mul(100 + PAUSE_MARGIN) / 100
}

/// A time as `5s`, `1500ms`, `2m` or plain seconds.
pub fn parse(text: &str) -> Result<Duration, String> {
    let wrong = || format!("expected a time such as 5s, 1500ms or 2m, not `{text}`");
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    let factor = match &text[digits.len()..] {
        "ms" => 1,
        "s" | "" => 1_000,
        "m" | "min" => 60_000,
        _ => return Err(wrong()),
    };
    match number.checked_mul(factor).filter(|ms| (1..=3_600_000).contains(ms)) {
        Some(ms) => Ok(Duration::from_millis(ms)),
        None => Err(format!("expected a time of at most an hour, not `{text}`")),
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX / 200)
}

fn seconds(ms: u64) -> String {
    if ms.is_multiple_of(1000) { format!("{} s", ms / 1000) } else { format!("{}.{:03} s", ms / 1000, ms % 1000) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn within(ms: u64) -> Wish {
        Wish::FailoverWithin(Duration::from_millis(ms))
    }

    #[test]
    fn what_is_wished_is_kept_for_every_number_of_nodes() {
        for nodes in 1..=32 {
            for ms in [3_000, 5_000, 10_000, 60_000] {
                for fencing in [0, 200] {
                    let timers = Timers::derive(within(ms), nodes, Duration::from_millis(fencing)).unwrap();
                    assert!(timers.failover() <= ms, "{nodes} nodes, {ms}: {timers:?}");
                    assert!(timers.failover() + 50 > ms, "no more is given away: {timers:?}");
                    assert!(timers.token >= LEAST_TOKEN && timers.watchdog > timers.pause);
                    // Corosync's own sum.
                    assert_eq!(timers.token + timers.coefficient * (nodes.saturating_sub(2) as u64), timers.effective);
                }
                let pause = Wish::ToleratePause(Duration::from_millis(ms));
                let timers = Timers::derive(pause, nodes, Duration::ZERO).unwrap();
                assert!(timers.pause >= ms && timers.effective > ms);
            }
        }
    }

    #[test]
    fn too_much_is_refused_with_what_can_be_had() {
        let refused = Timers::derive(within(2_000), 3, Duration::from_secs(4)).unwrap_err();
        assert!(refused.starts_with("the least that can be had is 6.700 s"), "{refused}");
    }

    #[test]
    fn the_sum_is_shown() {
        let wish = within(5_000);
        let lines = Timers::derive(wish, 2, Duration::ZERO).unwrap().explain(wish);
        assert_eq!(
            lines[0],
            "token 2.045 s + consensus 2.454 s + fencing 0 s + recovery 0.500 s = 4.999 s, within 5 s: 0.001 s of slack"
        );
    }

    #[test]
    fn times_are_read() {
        assert_eq!(parse("5s").unwrap(), Duration::from_secs(5));
        assert_eq!(parse("1500ms").unwrap(), Duration::from_millis(1500));
        assert_eq!(parse("2m").unwrap(), Duration::from_secs(120));
        for wrong in ["", "s", "5 s", "5h", "-1s", "0", "99999999999999999999s", "5é"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
