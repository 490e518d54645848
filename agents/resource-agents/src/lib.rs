//! OCF resource agents of our own, one multicall binary.
