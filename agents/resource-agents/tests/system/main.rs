//! System tests: the real program, in namespaces that the tests make.

mod address;
mod exports;
mod file_system;
mod ports;
mod service;
mod small;
mod space;
mod tools;
mod watch;
