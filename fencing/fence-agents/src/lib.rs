#![forbid(unsafe_code)]
//! Fence agents of our own, one multicall binary.
