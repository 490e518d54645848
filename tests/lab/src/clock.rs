//! The clock that all namespaces share: microseconds of CLOCK_MONOTONIC, as `systoled` writes them in its log.

use nix::time::{ClockId, clock_gettime};

/// Microseconds since some moment before all of us; comparable between all processes of this machine.
pub fn now_us() -> u64 {
    let time = clock_gettime(ClockId::CLOCK_MONOTONIC).expect("every Linux has CLOCK_MONOTONIC");
    time.tv_sec() as u64 * 1_000_000 + time.tv_nsec() as u64 / 1_000
}

/// From one moment to another, in milliseconds; negative if `to` came first.
pub fn ms_between(from_us: u64, to_us: u64) -> f64 {
    (to_us as f64 - from_us as f64) / 1_000.0
}
