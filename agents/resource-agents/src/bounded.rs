//! System calls that may never come back, such as those on a device that has gone away: done in a thread of their
//! own, and waited for no longer than the action may take.

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use ocf::Context;

/// The time for an action when the resource manager names none: what the metadata advise for the longest.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);

/// What an action may need after its deadline for a last try and for naming who is to blame. Less than the second that
/// is kept of a timeout of usual length.
const GRACE: Duration = Duration::from_millis(800);

/// When an action must have given its answer, so that its reason is heard before the resource manager ends it.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    end: Instant,
}

impl Deadline {
    /// From the action's timeout: a tenth of it, a second at most, is kept for giving the answer.
    pub fn of(call: &Context) -> Deadline {
        let timeout = call.environment.timeout_ms.filter(|ms| *ms > 0).map_or(DEFAULT_TIMEOUT, Duration::from_millis);
        let spare = (timeout / 10).min(Duration::from_secs(1));
        // A year is as good as for ever, and does not run over the end of time.
        let wait = (timeout - spare).min(Duration::from_secs(365 * 86_400));
        Deadline { end: Instant::now() + wait }
    }

    /// A little later: when somebody who watches the action gives it up.
    pub fn grace(call: &Context) -> Deadline {
        Deadline { end: Deadline::of(call).end + GRACE }
    }

    /// What is left.
    pub fn left(&self) -> Duration {
        self.end.saturating_duration_since(Instant::now())
    }

    /// Is the time up?
    pub fn is_over(&self) -> bool {
        self.left().is_zero()
    }

    /// This one, or so long from now if that is sooner.
    pub fn at_most(&self, limit: Duration) -> Deadline {
        Deadline { end: self.end.min(Instant::now() + limit) }
    }

    /// The moment in the middle between now and the deadline.
    pub fn half(&self) -> Deadline {
        Deadline { end: Instant::now() + self.left() / 2 }
    }
}

/// Does the work in a thread and waits for it; `None` when it did not come back in time. The thread is then left to
/// the end of the process: nothing can call it back.
pub fn within<T: Send + 'static>(limit: Duration, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (send, receive) = mpsc::channel();
    thread::Builder::new().name("bounded".into()).spawn(move || drop(send.send(work()))).ok()?;
    receive.recv_timeout(limit).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hangs_is_given_up() {
        let (keep, wait) = mpsc::channel::<()>();
        assert_eq!(within(Duration::from_millis(1), move || wait.recv().is_ok()), None);
        drop(keep);
        assert_eq!(within(Duration::from_secs(60), || 7), Some(7));
    }
}
