#![forbid(unsafe_code)]
//! What we ask of a cluster engine: membership, quorum, totally ordered messages.
