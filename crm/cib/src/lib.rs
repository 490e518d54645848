#![forbid(unsafe_code)]
//! What should be and what is, as one value: the CIB. Everything here is a pure function of values; disks, clocks and
//! the network belong to others, and so does every decision about where something runs.
//!
//! The crate is in four layers, and is best read in this order.
//!
//! 1. [`document`] holds XML as it was written: unknown elements, attributes, their order and comments stay. Each element
//!    knows its place in the text, so that whatever is said about it can point there.
//! 2. The vocabulary of values: [`score`], [`duration`], [`boolean`], [`date`]; [`rule`], which says whether a condition
//!    holds and when that may change; [`nvset`], which says which of several sets of pairs counts, and why; [`digest`], by
//!    which changed parameters are noticed; [`option`], the table of all options with type and default.
//! 3. [`view`] reads a document as properties, nodes, resources, devices and constraints; [`check`] says what is wrong with
//!    it, and how to mend it; [`upgrade`] says what one of an older schema means today.
//! 4. [`Cib`] is the document as every member of the cluster holds it. It changes by [`Write`]s alone, which all members
//!    apply in the same order; [`patch`] is how people's changes travel; [`file`] is its form on a disk.
//!
//! Where Pacemaker has a form or a rule, it is kept, so that its tools read what stands here, and its configurations mean
//! the same.
//!
//! # From a configuration to a result
//!
//! ```
//! use cib::{Author, Cib, OpResult, OpStatus, Write, check, patch, rule::Context, view};
//!
//! // A new cluster, and a first configuration for it.
//! let author = |at| Author { user: "root".into(), host: "alpha".into(), command: "systole cib apply".into(), at };
//! let mut cib = Cib::fresh("example");
//! let xml = r#"<configuration>
//!   <crm_config/>
//!   <nodes><node id="1" uname="alpha"/></nodes>
//!   <resources>
//!     <primitive id="ip" class="ocf" provider="heartbeat" type="IPaddr2">
//!       <instance_attributes id="ip-params"><nvpair id="ip-ip" name="ip" value="192.0.2.7"/></instance_attributes>
//!     </primitive>
//!   </resources>
//!   <constraints/>
//! </configuration>"#;
//! cib.apply(&Write::Replace { xml: xml.into(), expected: None, author: author(1_700_000_000) })?;
//! assert!(check::check(cib.document()).is_empty());
//!
//! // Someone changes the address: what differs becomes a patch, made for the version that was looked at.
//! let mut wanted = cib.document().clone();
//! let address = wanted.descendants(wanted.root()).find(|e| wanted.id(*e) == "ip-ip").unwrap();
//! wanted.set(address, "value", "192.0.2.8");
//! let patch = patch::diff(cib.document(), &wanted);
//! let expected = Some(cib.version().into());
//! let change = Write::Configure { patch, expected, author: author(1_700_000_060) };
//! assert!(cib.apply(&change)?.configuration);
//! assert_eq!(cib.version().to_string(), "0.2.0");
//! // The same change once more comes too late.
//! assert!(cib.apply(&change).is_err());
//!
//! let ip = view::resource(cib.document(), "ip").unwrap();
//! assert_eq!(view::parameters(cib.document(), ip, &Context::at(0)).get("ip"), Some("192.0.2.8"));
//!
//! // A start failed on alpha: it becomes history, and counts.
//! cib.apply(&Write::Result(OpResult {
//!     node: "alpha".into(),
//!     resource: "ip".into(),
//!     class: "ocf".into(),
//!     provider: Some("heartbeat".into()),
//!     kind: "IPaddr2".into(),
//!     operation: "start".into(),
//!     status: OpStatus::Done,
//!     rc: 1,
//!     started_at: 1_700_000_061,
//!     ..OpResult::default()
//! }))?;
//! assert!(cib.document().to_xml().contains(r#"name="fail-count-ip#start_0" value="INFINITY""#));
//! # Ok::<(), cib::Refused>(())
//! ```

pub mod document;

pub mod boolean;
pub mod date;
pub mod duration;
pub mod score;

pub mod nvset;
mod pairs;
pub mod rule;

pub mod digest;
pub mod option;

pub mod check;
pub mod relaxng;
pub mod unreached;
pub mod upgrade;
pub mod view;

pub mod patch;
mod replica;
mod write;
pub mod xpath;

pub mod file;

pub use document::{Document, Element, Name, Names, ParseError, Position};
pub use pairs::Pairs;
pub use patch::Patch;
pub use replica::{Cib, Error, FEATURE_SET, SCHEMA};
pub use write::{
    Applied, Author, Expected, Lifetime, NodeAttribute, OpResult, OpStatus, Operation, Place, Refused, Version, Write,
};
