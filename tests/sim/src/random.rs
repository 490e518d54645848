//! Chance from a seed: the same seed gives the same numbers on every machine. What they decide lies with the callers.

use std::time::Duration;

/// A generator: SplitMix64, whose next number depends on one word and which every seed fits.
#[derive(Clone, Debug)]
pub struct Random {
    state: u64,
}

impl Random {
    /// A generator of this seed.
    pub fn new(seed: u64) -> Self {
        Random { state: seed }
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A generator of its own, so that what it is asked does not shift what others get.
    pub fn fork(&mut self) -> Random {
        Random::new(self.number())
    }

    /// A number from 0 up to but without `bound`; 0 when the bound is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        if bound == 0 { 0 } else { (self.number() % bound as u64) as usize }
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.number() % (high.saturating_sub(low) + 1)
    }

    /// True so many times in a hundred.
    pub fn percent(&mut self, chance: u64) -> bool {
        self.number() % 100 < chance
    }

    /// One of these.
    ///
    /// # Panics
    /// When there are none.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    /// A length of time between these, in milliseconds, to the microsecond.
    pub fn ms(&mut self, low: u64, high: u64) -> Duration {
        Duration::from_micros(self.between(low * 1000, high * 1000))
    }

    /// A length of time that is short as a rule and long at times: an agent, a disk, a network under load.
    pub fn mostly_short(&mut self, low_ms: u64, high_ms: u64) -> Duration {
        let high_ms = if self.percent(90) { low_ms + (high_ms - low_ms) / 10 } else { high_ms };
        self.ms(low_ms, high_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_of_a_seed_are_fixed_and_lie_within_their_bounds() {
        let mut random = Random::new(0);
        assert_eq!(random.number(), 0xe220_a839_7b1d_cdaf, "SplitMix64's first number for seed 0");
        for _ in 0..1000 {
            assert!((3..=9).contains(&random.between(3, 9)));
            assert!(random.below(4) < 4);
            assert!((5..=80).contains(&random.mostly_short(5, 80).as_millis()));
        }
        assert_eq!(random.below(0), 0);
    }
}
