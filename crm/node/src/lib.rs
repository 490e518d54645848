#![forbid(unsafe_code)]
//! One node as one machine: controller, executor, fencer and the replica of the CIB, wired together.
