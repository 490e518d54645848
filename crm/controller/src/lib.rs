#![forbid(unsafe_code)]
//! One node's conduct: who is here, who coordinates, which step is next.
