//! What a host offers to set a cluster up from afar, and to change it while it is down: a service with a certificate of
//! its own, tokens instead of passwords, and a fixed list of operations (`wire::host`). What is to be done on which
//! host is decided elsewhere (`crm/setup`); here it is done.
//!
//! Read it in this order: [`identity`] is the certificate, [`tokens`] who may call, [`pam`] who may come
//! with a password, [`throttle`] what wrong tries cost,
//! [`server`] the service, [`operation`] files that are put in force together and taken back, [`units`] services,
//! [`qnetd`] and [`qdevice`] the certificates of a quorum device, [`keepalived`] a host's part of a move from there,
//! [`probe`] packets between hosts, [`about`] what a host is like with [`certificates`] and [`firewall`], [`hosts`] and
//! [`client`] the other side.

pub mod about;
pub mod certificates;
pub mod client;
pub mod disk;
pub mod firewall;
pub mod hosts;
pub mod identity;
pub mod keepalived;
pub mod operation;
pub mod pam;
pub mod paths;
pub mod probe;
pub mod qdevice;
pub mod qnetd;
pub mod server;
pub mod throttle;
pub mod tokens;
pub mod units;

pub use hosts::{Host, Hosts};
pub use identity::Identity;
pub use paths::Paths;
