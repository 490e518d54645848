#![forbid(unsafe_code)]
//! The architecture as a test.
