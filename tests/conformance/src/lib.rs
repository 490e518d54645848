#![forbid(unsafe_code)]
//! One runner for cases that are folders of text, and clusters made from numbers for laws.

pub mod clusters;
pub mod placer;
pub mod script;
