#![forbid(unsafe_code)]
//! The RELAX NG schemas of the CIB, of agent metadata and of output, as text: this crate only includes them.
