//! systole: the command line.
