//! How long a program of this host is kept from running though it is due: what a busy host, a hypervisor or a snapshot
//! does to a token.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Each pause that is longer than this by more than a moment is seen.
const NAP: Duration = Duration::from_millis(5);

/// A thread that naps, and looks how long it slept.
pub(super) struct Pauses {
    end: Arc<AtomicBool>,
    thread: Option<JoinHandle<Duration>>,
}

impl Pauses {
    /// Begins. Without a thread for it nothing is measured.
    pub(super) fn watch() -> Pauses {
        let end = Arc::new(AtomicBool::new(false));
        let seen = end.clone();
        let nap = move || {
            let mut longest = Duration::ZERO;
            while !seen.load(Ordering::Relaxed) {
                let before = Instant::now();
                std::thread::sleep(NAP);
                longest = longest.max(before.elapsed().saturating_sub(NAP));
            }
            longest
        };
        Pauses { end, thread: std::thread::Builder::new().name("pauses".into()).spawn(nap).ok() }
    }

    /// Ends, and gives the longest in microseconds.
    pub(super) fn end(mut self) -> u64 {
        self.end.store(true, Ordering::Relaxed);
        let longest = self.thread.take().and_then(|thread| thread.join().ok()).unwrap_or_default();
        u64::try_from(longest.as_micros()).unwrap_or(u64::MAX)
    }
}
