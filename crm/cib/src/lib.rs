#![forbid(unsafe_code)]
//! What should be and what is, as one value: the CIB.

pub mod document;

pub mod boolean;
pub mod date;
pub mod duration;
pub mod score;

pub mod nvset;
pub mod rule;

pub mod check;
pub mod digest;
pub mod file;
pub mod option;
pub mod patch;
pub mod view;

mod replica;
mod write;

pub use document::{Document, Element, ParseError, Position};
pub use patch::Patch;
pub use replica::Cib;
pub use write::{Applied, Lifetime, OpResult, OpStatus, Refused, Version, Write};
