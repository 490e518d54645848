//! The clocks of a daemon: one that only ever goes on, and the wall's, which people and time servers set.

use std::path::PathBuf;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use node::Now;

/// Both clocks.
#[derive(Debug)]
pub struct Clock {
    started: Instant,
    /// A file with seconds that the wall clock is to be off.
    offset: Option<PathBuf>,
}

impl Clock {
    /// It begins now.
    pub fn start(offset: Option<PathBuf>) -> Clock {
        Clock { started: Instant::now(), offset }
    }

    /// When the clock that only goes on began.
    pub fn started(&self) -> Instant {
        self.started
    }

    /// What both say.
    pub fn now(&self) -> Now {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64);
        Now { monotonic: self.started.elapsed(), unix: unix.saturating_add(self.offset_s()) }
    }

    /// A file that is not there, or holds no number, is no offset: nobody has turned the clock yet.
    fn offset_s(&self) -> i64 {
        let text = self.offset.as_ref().and_then(|path| std::fs::read_to_string(path).ok());
        text.and_then(|text| text.trim().parse().ok()).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wall_clock_is_off_by_what_the_file_says_and_the_other_one_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("offset");
        let clock = Clock::start(Some(path.clone()));
        let right = Clock::start(None);
        let off = || clock.now().unix - right.now().unix;
        assert!((-1..=0).contains(&off()), "without the file it is right");
        for (text, seconds) in [("-3600\n", -3600), ("86400", 86400), ("nonsense", 0)] {
            std::fs::write(&path, text).unwrap();
            assert!((seconds - 1..=seconds).contains(&off()), "{text:?}: {}", off());
        }
        let before = clock.now().monotonic;
        std::fs::write(&path, "-1000000").unwrap();
        assert!(clock.now().monotonic >= before);
    }
}
