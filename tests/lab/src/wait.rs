//! Waiting, with a bound, and with a word about what is waited for when it takes longer than a blink.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::story::Storyteller;

/// Between two looks. As long as the client's rhythm: nothing is measured by looking.
const LOOK: Duration = Duration::from_millis(5);

/// After this a waiting person wants to know for what.
const PATIENCE: Duration = Duration::from_secs(1);

/// And is told again each time this has passed.
const AGAIN: Duration = Duration::from_secs(5);

/// Waits until `look` finds something, no longer than `limit`; `what` ends the sentence "waiting for …".
pub fn until<T>(
    story: &Storyteller,
    what: &str,
    limit: Duration,
    mut look: impl FnMut() -> Result<Option<T>>,
) -> Result<Option<T>> {
    let began = Instant::now();
    let mut speak = PATIENCE;
    loop {
        if let Some(found) = look()? {
            return Ok(Some(found));
        }
        let waited = began.elapsed();
        if waited >= limit {
            return Ok(None);
        }
        if waited >= speak {
            story.say(&format!("  … waiting for {what} ({} s, at most {} s)", waited.as_secs(), limit.as_secs()));
            speak = waited + AGAIN;
        }
        thread::sleep(LOOK);
    }
}
