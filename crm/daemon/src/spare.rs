//! Memory that is free goes back to the host. A plan takes several times what a daemon at rest holds, and the C library
//! keeps what was freed for later, in the heap of each thread that planned. What is freed when is not known here; this
//! says when it is worth looking.

use std::time::{Duration, Instant};

/// So long after something happened. A plan is put away and told of a second after it was made, its orders and results
/// come within a few: while they do, the memory is needed again at once.
const AFTER: Duration = Duration::from_secs(10);

/// When free memory is given back next.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spare {
    due: Option<Instant>,
}

impl Spare {
    /// Something happened that leaves free memory behind. However much more happens, it is given back once in [`AFTER`].
    pub fn happened(&mut self, now: Instant) {
        self.due.get_or_insert(now + AFTER);
    }

    /// When to look again, if anything happened.
    pub fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Whether it is to be given back now; then it is not again until something happens.
    pub fn is_due(&mut self, now: Instant) -> bool {
        self.due.take_if(|due| *due <= now).is_some()
    }
}

/// Gives all whole pages that are free back to the host. It takes milliseconds, and as long as the heap of a thread is
/// looked through, that thread waits where it asks for memory: this is for a thread that nobody waits for.
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    #[allow(unsafe_code)] // It is the C library's; it takes no pointer, and locks each heap itself.
    unsafe {
        libc::malloc_trim(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_given_back_once_after_a_burst() {
        let (start, mut spare) = (Instant::now(), Spare::default());
        assert!(spare.due().is_none() && !spare.is_due(start + AFTER));
        for second in 0..5 {
            spare.happened(start + Duration::from_secs(second));
        }
        assert_eq!(spare.due(), Some(start + AFTER));
        assert!(!spare.is_due(start + Duration::from_secs(9)));
        assert!(spare.is_due(start + AFTER) && !spare.is_due(start + 2 * AFTER));
        spare.happened(start + 2 * AFTER);
        assert_eq!(spare.due(), Some(start + 3 * AFTER));
    }
}
