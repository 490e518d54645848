//! Daemons as users run them, on a small cluster with agents of the test's own.

mod alerts;
mod bad_input;
mod disk;
mod memory;
mod serving;
mod small;
mod watchdog;
mod watching;
