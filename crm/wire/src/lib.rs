#![forbid(unsafe_code)]
//! Messages between nodes and from tools: versioned, the only types that promise a format.
