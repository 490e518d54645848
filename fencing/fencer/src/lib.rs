#![forbid(unsafe_code)]
//! One fencing operation as a machine: devices, topology levels, history.
