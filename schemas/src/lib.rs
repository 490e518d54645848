#![forbid(unsafe_code)]
//! The RELAX NG schemas of what this project reads and writes, as text: this crate only includes them. They are our own,
//! written from what the readers accept; any RELAX NG validator takes them:
//!
//! ```text
//! xmllint --noout --relaxng schemas/cib.rng cib.xml
//! ```
//!
//! The readers themselves do not validate: they keep what they do not know. `cib::relaxng` holds a CIB against its
//! schema for `cib::check`, which says most things more plainly than a schema can.

/// The CIB: configuration spelled out, status open.
pub const CIB: &str = include_str!("../cib.rng");

/// What an OCF resource agent, or a fence agent, says of itself.
pub const OCF_METADATA: &str = include_str!("../ocf-metadata.rng");
