#![forbid(unsafe_code)]
//! corosync.conf: read with places, checked, explained, changed; and votequorum's arithmetic.
//!
//! Corosync's own check (`corosync -t`) says nothing about many files that cannot work as they are meant. This crate
//! does: [`lint::lint`] knows all of its keys and the rules between them. It is pure: the text and what is known about
//! the host come in as values.
//!
//! Read it in this order: [`conf`] is the file as sections and keys, [`keys`] the list of all keys, [`model`] what a
//! file means, [`lint`] the rules, one a file, [`edit`] changes that leave the rest of the text as it was,
//! [`votequorum`] who is quorate when, and [`what_if`] that question asked for every loss.

pub mod conf;
pub mod edit;
pub mod finding;
pub mod keys;
pub mod lint;
pub mod model;
pub mod votequorum;
pub mod what_if;

pub use conf::Conf;
pub use finding::{Edit, Finding, Severity, Span, apply};
pub use lint::{Facts, lint};
pub use model::Model;
