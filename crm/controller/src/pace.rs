//! How fast plans may follow each other: a storm of them is answered by pauses that grow.

use std::collections::VecDeque;
use std::time::Duration;

/// More plans than this within [`STORM_WINDOW`] are a storm: something fails as fast as it is tried, and a pause keeps the
/// node usable for whoever comes to look.
pub const STORM_PLANS: usize = 50;
/// See [`STORM_PLANS`].
pub const STORM_WINDOW: Duration = Duration::from_secs(5);
/// So many plans make one when a change of the members has cut a pause short: enough to see to whoever came or went, and no
/// second storm for what the pause was for.
pub const STORM_PLANS_IN_PAUSE: usize = 10;
/// The first pause in a storm; each that follows is twice as long, up to [`STORM_PAUSE_MAX`]. Who goes on failing after one
/// will not get better by being tried more.
pub const STORM_PAUSE: Duration = Duration::from_secs(10);
/// The longest pause in a storm; also how long after one it takes for a storm to be another one.
pub const STORM_PAUSE_MAX: Duration = Duration::from_secs(60);

/// The plans of late, and the last pause.
#[derive(Debug, Default)]
pub struct Pace {
    recent: VecDeque<Duration>,
    /// When the last pause is over, and how long it is.
    pause: Option<(Duration, Duration)>,
}

impl Pace {
    /// A plan is about to be asked for: how long to pause instead, if it is one too many.
    pub fn plan(&mut self, now: Duration) -> Option<Duration> {
        while self.recent.front().is_some_and(|time| *time + STORM_WINDOW <= now) {
            self.recent.pop_front();
        }
        let cut_short = self.pause.is_some_and(|(over, _)| now < over);
        if self.recent.len() < if cut_short { STORM_PLANS_IN_PAUSE } else { STORM_PLANS } {
            self.recent.push_back(now);
            return None;
        }
        let pause = match self.pause {
            Some((over, pause)) if now < over + STORM_PAUSE_MAX => (pause * 2).min(STORM_PAUSE_MAX),
            _ => STORM_PAUSE,
        };
        self.recent.clear();
        self.pause = Some((now + pause, pause));
        Some(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pauses of a node that plans every millisecond whenever it may, until then.
    fn pauses(pace: &mut Pace, mut now: Duration, until: Duration) -> Vec<u64> {
        let mut pauses = Vec::new();
        while now < until {
            match pace.plan(now) {
                Some(pause) => {
                    pauses.push(pause.as_secs());
                    now += pause;
                }
                None => now += Duration::from_millis(1),
            }
        }
        pauses
    }

    #[test]
    fn pauses_grow_in_a_storm_and_begin_anew_in_the_next() {
        let mut pace = Pace::default();
        let end = Duration::from_secs(200);
        assert_eq!(pauses(&mut pace, Duration::ZERO, end), [10, 20, 40, 60, 60, 60]);
        let later = Duration::from_secs(1000);
        assert_eq!(pauses(&mut pace, later, later + Duration::from_secs(5)), [10]);
    }

    #[test]
    fn a_pause_that_is_cut_short_gives_a_few_plans_and_no_second_storm() {
        let mut pace = Pace::default();
        let mut now = Duration::ZERO;
        while pace.plan(now).is_none() {
            now += Duration::from_millis(1);
        }
        now += Duration::from_secs(3);
        let given = (0..).take_while(|_| pace.plan(now).is_none()).count();
        assert_eq!(given, STORM_PLANS_IN_PAUSE);
    }

    #[test]
    fn plans_one_after_the_other_are_no_storm() {
        let mut pace = Pace::default();
        for number in 0..1000 {
            assert_eq!(pace.plan(STORM_WINDOW * number / 50), None);
        }
    }
}
