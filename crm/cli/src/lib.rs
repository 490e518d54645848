#![forbid(unsafe_code)]
//! systole: the command line.
