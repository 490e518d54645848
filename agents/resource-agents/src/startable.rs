//! A stop with parameters that nothing can have been started with. There is nothing to stop then, and saying otherwise
//! would have the node fenced for a mistake in its configuration. What runs with other parameters is stopped with those:
//! whoever started it remembers them.

use ocf::{ExitCode, Failure};

use crate::run_directory::{Level, log};

/// What a stop has to work with; none when nothing can have been started with it.
///
/// # Errors
/// What else is wrong.
pub fn startable<S>(read: Result<S, Failure>) -> Result<Option<S>, Failure> {
    match read {
        Err(failure) if failure.code == ExitCode::NotConfigured => {
            log(Level::Warning, &format!("there is nothing to stop: {}", failure.reason));
            Ok(None)
        }
        read => read.map(Some),
    }
}
