//! How fast plans may follow each other: a storm of plans that do something is answered by pauses that grow, and many
//! that have nothing to do by a breath between them.

use std::collections::VecDeque;
use std::time::Duration;

/// More plans with something to do than this within [`STORM_WINDOW`] are a storm: something fails as fast as it is tried,
/// and a pause keeps the node usable for whoever comes to look.
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

/// As many plans with nothing to do come of somebody who writes attributes without end: then so long passes between two.
/// What fails meanwhile waits no longer, and planning leaves the processors to others.
pub const BREATH: Duration = Duration::from_millis(250);

/// After a plan could not be made: the same CIB would fail the same way, so it is left time to change.
pub const PLAN_PAUSE: Duration = Duration::from_secs(30);

/// What has to pass before the next plan.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Wait {
    /// Plans undo each other.
    Storm {
        /// For so long.
        pause: Duration,
        /// What most of the plans were asked for, where it was only attributes: the last of these.
        because: Option<String>,
    },
    /// Plans have nothing to do.
    Breath,
}

/// The plans of late, and the last pause.
#[derive(Debug, Default)]
pub struct Pace {
    /// When the plan that is being made was asked for.
    asked: Option<Asked>,
    /// Those that had something to do.
    recent: VecDeque<Asked>,
    /// Those that had not.
    idle: VecDeque<Asked>,
    /// When the last pause is over, and how long it is.
    pause: Option<(Duration, Duration)>,
}

/// A plan that was asked for.
#[derive(Debug)]
struct Asked {
    at: Duration,
    /// The attribute that it was asked for, where it was nothing else.
    because: Option<String>,
}

impl Pace {
    /// The plan has nothing to do, or is too old now that it comes.
    pub fn idle(&mut self) {
        self.idle.extend(self.asked.take());
    }

    /// The plan has something to do.
    pub fn busy(&mut self) {
        self.recent.extend(self.asked.take());
    }

    /// A plan is about to be asked for, for an attribute where it is nothing else: what has to pass first, if it is one too
    /// many.
    pub fn plan(&mut self, now: Duration, because: Option<String>) -> Option<Wait> {
        // One that was never made counts as well.
        self.busy();
        for plans in [&mut self.recent, &mut self.idle] {
            while plans.front().is_some_and(|plan| plan.at + STORM_WINDOW <= now) {
                plans.pop_front();
            }
        }
        if self.idle.len() >= STORM_PLANS && self.idle.back().is_some_and(|plan| now < plan.at + BREATH) {
            return Some(Wait::Breath);
        }
        let cut_short = self.pause.is_some_and(|(over, _)| now < over);
        if self.recent.len() < if cut_short { STORM_PLANS_IN_PAUSE } else { STORM_PLANS } {
            self.asked = Some(Asked { at: now, because });
            return None;
        }
        let pause = match self.pause {
            Some((over, pause)) if now < over + STORM_PAUSE_MAX => (pause * 2).min(STORM_PAUSE_MAX),
            _ => STORM_PAUSE,
        };
        let plans = std::mem::take(&mut self.recent);
        let most = plans.len() / 2;
        let mut attributes: Vec<String> = plans.into_iter().filter_map(|plan| plan.because).collect();
        self.pause = Some((now + pause, pause));
        Some(Wait::Storm { pause, because: attributes.pop().filter(|_| attributes.len() >= most) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pauses of a node that plans every millisecond whenever it may, until then.
    fn pauses(pace: &mut Pace, mut now: Duration, until: Duration) -> Vec<u64> {
        let mut pauses = Vec::new();
        while now < until {
            match pace.plan(now, None) {
                Some(Wait::Storm { pause, because: None }) => {
                    pauses.push(pause.as_secs());
                    now += pause;
                }
                Some(other) => panic!("all of them had something to do, and nothing was written: {other:?}"),
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
        while pace.plan(now, None).is_none() {
            now += Duration::from_millis(1);
        }
        now += Duration::from_secs(3);
        let given = (0..).take_while(|_| pace.plan(now, None).is_none()).count();
        assert_eq!(given, STORM_PLANS_IN_PAUSE);
    }

    #[test]
    fn plans_with_nothing_to_do_take_a_breath_and_hold_nothing_up() {
        let mut pace = Pace::default();
        let (mut now, mut plans) = (Duration::ZERO, 0);
        while now < Duration::from_secs(60) {
            match pace.plan(now, None) {
                None => {
                    pace.idle();
                    plans += 1;
                    now += Duration::from_millis(1);
                }
                Some(wait) => {
                    assert_eq!(wait, Wait::Breath);
                    now += BREATH;
                }
            }
        }
        assert!((240..1000).contains(&plans), "{plans}");
        // Then there is something to do, and all of it can be tried before it is called a storm.
        let begun = pauses(&mut pace, now + BREATH, now + STORM_WINDOW);
        assert_eq!(begun, [10]);
    }

    #[test]
    fn plans_one_after_the_other_are_no_storm() {
        let mut pace = Pace::default();
        for number in 0..1000 {
            assert_eq!(pace.plan(STORM_WINDOW * number / 50, None), None);
        }
    }

    #[test]
    fn a_storm_of_attributes_is_called_so_and_one_of_failures_is_not() {
        for (every, expected) in [(1, Some("attribute load of a")), (3, None)] {
            let mut pace = Pace::default();
            let because = |number: u32| (number.is_multiple_of(every)).then(|| "attribute load of a".to_owned());
            let wait = (0..).find_map(|number| pace.plan(Duration::from_millis(number.into()), because(number)));
            let Some(Wait::Storm { because, .. }) = wait else { panic!("{wait:?}") };
            assert_eq!(because.as_deref(), expected, "every {every}");
        }
    }
}
