#![forbid(unsafe_code)]
//! systoled: the one program that touches the world.

pub mod supervise;
