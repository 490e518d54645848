#![forbid(unsafe_code)]
//! The OCF contract, shared by both sides: exit codes, environment, metadata, the trait `Agent`.
