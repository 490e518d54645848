//! OCF resource agents of our own, in one program: `systole-agents`.
//!
//! An agent is a file here and a line in [`AGENTS`]. It implements [`ocf::Agent`]; everything around it (reading the
//! environment, printing metadata and reasons, being found by a resource manager) is done once, in `program`.
//! The agents run under any resource manager that speaks OCF, and know nothing of ours.

pub mod announce;
pub mod anything;
mod attribute;
mod bounded;
mod command;
pub mod dummy;
pub mod duplicate;
pub mod echo;
pub mod ethmonitor;
pub mod exportfs;
pub mod filesystem;
pub mod health_check;
pub mod ip_object;
pub mod ipaddr2;
pub mod ipsrcaddr;
pub mod netlink;
pub mod nfsserver;
pub mod notify_hook;
mod people;
pub mod ping;
pub mod portblock;
pub mod program;
pub mod route;
mod routing_table;
mod run_directory;
pub mod serve;
mod startable;
pub mod stateful;
mod supervised;
pub mod tcp_file;

use ocf::Agent;

/// Every agent, by name.
pub const AGENTS: &[(&str, &dyn Agent)] = &[
    ("anything", &anything::Anything),
    ("Dummy", &dummy::Dummy),
    ("ethmonitor", &ethmonitor::EthMonitor),
    ("exportfs", &exportfs::Exportfs),
    ("Filesystem", &filesystem::Filesystem),
    ("HealthCheck", &health_check::HealthCheck),
    ("IpObject", &ip_object::IpObject),
    ("IPaddr2", &ipaddr2::IPaddr2),
    ("IPsrcaddr", &ipsrcaddr::IPsrcaddr),
    ("nfsserver", &nfsserver::Nfsserver),
    ("NotifyHook", &notify_hook::NotifyHook),
    ("ping", &ping::Ping),
    ("portblock", &portblock::Portblock),
    ("Route", &route::Route),
    ("Stateful", &stateful::Stateful),
    ("TcpFile", &tcp_file::TcpFile),
];

/// The agent with this name.
pub fn agent(name: &str) -> Option<&'static dyn Agent> {
    AGENTS.iter().find(|(known, _)| *known == name).map(|(_, agent)| *agent)
}
