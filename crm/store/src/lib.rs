#![forbid(unsafe_code)]
//! The configuration on a disk: what was said to be there is there, whatever happens next, and how it came to be can be
//! read for a long time after.
//!
//! A node keeps *segments*, numbered files. A segment begins with a whole configuration and goes on with a *record* for
//! each change after it: who made it, when, and the patch. A change costs one append and one flush, however large the
//! configuration is, and changes that come together share them. When the records outweigh the configuration they belong to, a new
//! segment begins. Old segments are the history.
//!
//! ```text
//!   history-00000007.cib      history-00000008.cib
//!   ┌───────────────────┐     ┌───────────────────┐
//!   │ whole 0.12        │     │ whole 0.85        │◄── written to a .new, flushed, renamed
//!   │ 0.12 → 0.13 patch │     │ 0.85 → 0.86 patch │
//!   │ …                 │     │ 0.86 → 0.87 patch │◄── appended, flushed
//!   │ 0.84 → 0.85 patch │     └───────────────────┘
//!   └───────────────────┘
//! ```
//!
//! Every part carries its length and digest. A record that was not written to its end was acknowledged to nobody and is
//! left out; after any failure of the disk nothing more is appended to that file, a new segment begins instead.
//!
//! [`files`] is all that is asked of a file system; the daemon has the real one, and [`memory`] one that forgets and tears
//! what was not flushed, for tests and for the simulator. [`record`] and [`segment`] are the forms; [`Store`] is who writes.

pub mod files;
pub mod record;
pub mod segment;

pub mod memory;
mod store;

pub use files::Files;
pub use record::Change;
pub use store::{Entry, Error, Found, KEPT, Store};
