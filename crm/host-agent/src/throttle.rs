//! What wrong tries cost: a few are free, then each address waits. Pure; time comes in.

use core::net::IpAddr;
use core::time::Duration;
use std::collections::BTreeMap;

/// Wrong tries that cost nothing: a person mistypes a token.
const FREE: u32 = 5;
/// What one more costs, and how soon one is forgotten.
const PAUSE: Duration = Duration::from_secs(10);
/// Addresses that are kept. When there are more, all that are not known wait.
const MAX_ADDRESSES: usize = 1024;

/// The wrong tries of each address.
#[derive(Clone, Debug, Default)]
pub struct Throttle {
    tries: BTreeMap<IpAddr, Tries>,
}

#[derive(Clone, Copy, Debug)]
struct Tries {
    count: u32,
    last: Duration,
}

impl Throttle {
    /// How long an address has to wait before its next try counts; nothing if it need not.
    pub fn wait(&mut self, address: IpAddr, now: Duration) -> Option<Duration> {
        self.tries.retain(|_, tries| tries.left(now) > 0);
        match self.tries.get(&address) {
            Some(tries) if tries.left(now) >= FREE => Some((tries.last + PAUSE).saturating_sub(now)),
            None if self.tries.len() >= MAX_ADDRESSES => Some(PAUSE),
            _ => None,
        }
    }

    /// Takes in a wrong try; gives how many of that address count now.
    pub fn wrong(&mut self, address: IpAddr, now: Duration) -> u32 {
        let tries = self.tries.entry(address).or_insert(Tries { count: 0, last: now });
        *tries = Tries { count: tries.left(now).saturating_add(1), last: now };
        tries.count
    }
}

impl Tries {
    /// Those that are not forgotten.
    fn left(self, now: Duration) -> u32 {
        let forgotten = now.saturating_sub(self.last).as_secs() / PAUSE.as_secs();
        self.count.saturating_sub(u32::try_from(forgotten).unwrap_or(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guesser_waits_and_others_do_not() {
        let (guesser, other) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let at = Duration::from_secs;
        let mut throttle = Throttle::default();
        for _ in 0..FREE {
            assert_eq!(throttle.wait(guesser, at(100)), None);
            throttle.wrong(guesser, at(100));
        }
        assert_eq!(throttle.wait(guesser, at(103)), Some(at(7)));
        assert_eq!(throttle.wait(other, at(103)), None);
        assert_eq!(throttle.wait(guesser, at(110)), None, "one is forgotten");
        throttle.wrong(guesser, at(110));
        assert_eq!(throttle.wait(guesser, at(110)), Some(at(10)));
        assert_eq!(throttle.wait(guesser, at(200)), None);
        assert!(throttle.tries.is_empty(), "forgotten");
    }

    #[test]
    fn a_flood_of_addresses_does_not_fill_the_memory() {
        let mut throttle = Throttle::default();
        for number in 0..MAX_ADDRESSES as u32 {
            let address = IpAddr::from(number.to_be_bytes());
            assert_eq!(throttle.wait(address, Duration::ZERO), None);
            throttle.wrong(address, Duration::ZERO);
        }
        assert_eq!(throttle.wait(IpAddr::from([200, 0, 0, 1]), Duration::ZERO), Some(PAUSE));
    }
}
