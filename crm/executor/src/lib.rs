#![forbid(unsafe_code)]
//! The queue of operations on this node, recurring ones included.
