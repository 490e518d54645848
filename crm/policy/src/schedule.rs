//! The steps from here to there: actions of every resource, probes, fencing, the order of all of them, and the
//! transition they make. Where resources go is decided before.

pub(crate) mod action;
pub(crate) mod action_index;
pub(crate) mod bundle;
pub(crate) mod clone;
pub(crate) mod config_change;
pub(crate) mod digest;
pub(crate) mod fencing;
pub(crate) mod graph;
pub(crate) mod group;
pub(crate) mod instances;
pub(crate) mod migration;
pub(crate) mod notify;
pub(crate) mod operation;
pub(crate) mod ordering;
pub(crate) mod primitive;
pub(crate) mod probe;
pub(crate) mod promotable;
pub(crate) mod propagate;
pub(crate) mod recurring;
pub(crate) mod remote;
