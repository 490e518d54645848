//! An engine for nodes on one machine.
