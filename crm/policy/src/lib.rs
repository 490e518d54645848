#![forbid(unsafe_code)]
//! Where everything should run, and the steps from here to there.
