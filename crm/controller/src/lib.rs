#![forbid(unsafe_code)]
//! One node's conduct: who is here, who coordinates, which step is next.
//!
//! The controller knows *when* to plan and *which step comes next*, never *what* is right: that is policy's. All
//! members run the same machine; the one that has been in the process group longest coordinates. Read it in this
//! order: [`event`] is what it is told and asks for, [`machine`] the machine itself, [`membership`] turns who is here into writes of node states, [`pending`]
//! remembers what was told and not yet answered, [`walking`] takes one plan from its first action to its last,
//! [`follow_up`] asks for another when what it started may draw others to itself, [`pace`] holds them back when they come
//! too fast, and [`news`] knows what made them necessary,
//! [`quarantine`] holds nodes that come and go, [`brake`] fencings that nothing explains, [`property`] is what of the
//! configuration all this goes by, [`note`] is what the operator reads.
//!
//! ```text
//!   Membership ─► reconcile ─► writes ─► (applied) ─► Plan ─► Planned ─► walk ─► Run / Fence / writes
//!        ▲                                                                        │
//!        └──────────── anything unexpected: stop beginning, let finish, plan again ◄ results
//! ```

pub mod brake;
pub mod event;
pub mod follow_up;
pub mod machine;
pub mod membership;
pub mod news;
pub mod note;
pub mod pace;
pub mod pending;
pub mod property;
pub mod quarantine;
mod recheck;
pub mod walking;

pub use event::{Command, Event};
pub use machine::Controller;
pub use note::{Level, Note};
