#![forbid(unsafe_code)]
//! The architecture as a test: who may depend on whom, what pure crates must not know, what every file begins with.
//!
//! Its findings say what to do instead. The rules stand in `ARCHITECTURE.md`; this crate only holds them true.

pub mod layers;
pub mod purity;
pub mod sources;
pub mod workspace;

/// Something that is not as the architecture says: where, what, and what to do instead.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Finding {
    /// Path within the project, with a line where there is one.
    pub place: String,
    /// What is wrong and what to do instead.
    pub message: String,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}

/// A finding.
pub fn finding(place: impl std::fmt::Display, message: impl Into<String>) -> Finding {
    Finding { place: place.to_string(), message: message.into() }
}
