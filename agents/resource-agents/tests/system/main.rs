//! System tests: the real program, in namespaces that the tests make.

mod address;
mod file_system;
mod service;
mod small;
mod space;
mod tools;
mod watch;
