#![forbid(unsafe_code)]
//! OCF resource agents of our own, one multicall binary.
