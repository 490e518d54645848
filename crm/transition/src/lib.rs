#![forbid(unsafe_code)]
//! A plan as a graph of actions, and walking it.
//!
//! `policy` makes a [`Transition`]; `controller` takes a [`Walk`] through it; [`check`] says what must hold for every
//! one. A node of the graph is an [`Action`], an edge `a -> b` says "b after a". What is right to do is policy's
//! business, who does it the controller's: this crate only knows order.

pub mod action;
pub mod graph;
pub mod walk;

pub mod check;

pub mod dot;
pub mod xml;

pub use action::{Action, ActionKind, ClusterAction, Resource};
pub use check::check;
pub use graph::{ActionId, Settings, Transition};
pub use walk::{Outcome, Walk};
