#![forbid(unsafe_code)]
//! An engine for nodes on one machine.
