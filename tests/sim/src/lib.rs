#![forbid(unsafe_code)]
//! Whole clusters in one thread from one seed.
