#![forbid(unsafe_code)]
//! What should be and what is, as one value: the CIB.

pub mod document;

pub use document::{Document, Element, ParseError, Position};
