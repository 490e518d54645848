//! System tests: the real program, in namespaces that the tests make.

mod address;
mod debian;
mod exports;
mod file_system;
mod pacemaker;
mod ports;
mod service;
mod small;
mod space;
mod states;
mod tools;
mod watch;
