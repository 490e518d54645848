//! Fence agents of our own, one multicall binary.
