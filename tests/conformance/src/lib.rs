#![forbid(unsafe_code)]
//! One runner for cases that are folders of text.

pub mod script;
