#![forbid(unsafe_code)]
//! One node's conduct: who is here, who coordinates, which step is next.
//!
//! The controller knows *when* to plan and *which step comes next*, never *what* is right: that is policy's. All
//! members run the same machine; the one that has been in the process group longest coordinates. Read it in this
//! order: [`machine`] is the machine itself, [`membership`] turns who is here into writes of node states, [`pending`]
//! remembers what was told and not yet answered, [`walking`] takes one plan from its first action to its last,
//! [`follow_up`] asks for another when what it started may draw others to itself,
//! [`quarantine`] holds nodes that come and go, [`brake`] fencings that nothing explains, [`property`] is what of the
//! configuration all this goes by, [`note`] is what the operator reads.
//!
//! ```text
//!   Membership ─► reconcile ─► writes ─► (applied) ─► Plan ─► Planned ─► walk ─► Run / Fence / writes
//!        ▲                                                                        │
//!        └──────────── anything unexpected: stop beginning, let finish, plan again ◄ results
//! ```

pub mod brake;
pub mod follow_up;
pub mod machine;
pub mod membership;
pub mod note;
pub mod pace;
pub mod pending;
pub mod property;
pub mod quarantine;
mod recheck;
pub mod walking;

pub use machine::{Command, Controller, Event};
pub use note::{Level, Note};
