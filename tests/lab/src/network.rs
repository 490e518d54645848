//! The lab's network: bridges in the stage's namespace, a cable from each to every node, and one to the client.
//!
//! Its addresses follow from the virtual address that the cluster is to keep: same network, same prefix.

use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::thread;

use anyhow::{Context, Result, bail};
use nix::sched::{CloneFlags, setns};

use crate::netlink::Netlink;

/// The bridge that clients and nodes meet at.
pub const LAN: &str = "lan";

/// The bridge of the nodes' second link, which has no clients.
pub const SECOND: &str = "second";

/// An address with the length of its network's prefix.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Address {
    /// The address.
    pub ip: IpAddr,
    /// The length of the network's prefix in bits.
    pub prefix: u8,
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.ip, self.prefix)
    }
}

/// Addresses for `count` hosts in the network of `vip`, none of them in `taken`: the lowest ones, in order.
pub fn host_addresses(vip: Address, taken: &[IpAddr], count: usize) -> Result<Vec<Address>> {
    let width = if vip.ip.is_ipv4() { 32 } else { 128 };
    if vip.prefix > width {
        bail!("the prefix of {vip} is longer than the address");
    }
    let bits = match vip.ip {
        IpAddr::V4(ip) => u128::from(u32::from(ip)),
        IpAddr::V6(ip) => u128::from(ip),
    };
    let host_bits = u32::from(width - vip.prefix);
    let base = if host_bits == 128 { 0 } else { bits >> host_bits << host_bits };
    // The first and the last address of an IPv4 network name the network and everyone in it.
    let last = if host_bits >= 128 { u128::MAX } else { (1u128 << host_bits) - 1 };
    let found: Vec<Address> = (1..last)
        .map(|number| match vip.ip {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::from((base + number) as u32)),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::from(base + number)),
        })
        .filter(|ip| *ip != vip.ip && !taken.contains(ip))
        .take(count)
        .map(|ip| Address { ip, prefix: vip.prefix })
        .collect();
    if found.len() < count {
        bail!("the network of {vip} has no room for {count} more hosts: give the address a shorter prefix");
    }
    Ok(found)
}

/// Makes a bridge. The calling thread is in the stage's network namespace, as for all functions here.
pub fn make_bridge(name: &str) -> Result<()> {
    let mut netlink = Netlink::open()?;
    netlink.add_bridge(name)?;
    netlink.set_up(name, true)
}

/// A network namespace, held open.
pub struct Namespace(File);

impl Namespace {
    /// The one that a process of the stage's pid namespace is in.
    pub fn of_process(pid: u32) -> Result<Self> {
        Self::open(PathBuf::from(format!("/proc/{pid}/ns/net")))
    }

    /// The one that the calling thread is in.
    pub fn of_this_thread() -> Result<Self> {
        Self::open(PathBuf::from("/proc/thread-self/ns/net"))
    }

    fn open(path: PathBuf) -> Result<Self> {
        Ok(Self(File::open(&path).with_context(|| format!("opening {}", path.display()))?))
    }

    /// Does something in this namespace, on a thread of its own, as a thread's namespace is its own affair.
    pub fn inside<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        thread::scope(|scope| {
            scope
                .spawn(|| {
                    setns(self.0.as_fd(), CloneFlags::CLONE_NEWNET).context("entering a network namespace")?;
                    work()
                })
                .join()
                .expect("work in a namespace reports its errors and does not panic")
        })
    }
}

/// A cable from a bridge to a host; `name` is its end at the bridge.
pub fn connect(bridge: &str, name: &str, interface: &str, host: &Namespace) -> Result<()> {
    let mut netlink = Netlink::open()?;
    netlink.add_cable(name, interface, host.0.as_fd())?;
    netlink.attach(name, bridge)?;
    netlink.set_up(name, true)
}

/// Takes the cable away. When this returns the host's end is gone as well: nothing it sends or answers arrives.
pub fn disconnect(name: &str) -> Result<()> {
    Netlink::open()?.delete_link(name)
}

/// Pulls the plug at the bridge, or puts it back.
pub fn plug(name: &str, plugged: bool) -> Result<()> {
    Netlink::open()?.set_up(name, plugged)
}

/// Called in a host's own namespace: gives its interface the address and switches it on.
pub fn configure(interface: &str, address: Address) -> Result<()> {
    let mut netlink = Netlink::open()?;
    netlink.set_up("lo", true)?;
    netlink.add_address(interface, address.ip, address.prefix)?;
    netlink.set_up(interface, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(vip: &str, prefix: u8, taken: &[&str], count: usize) -> String {
        let taken: Vec<IpAddr> = taken.iter().map(|ip| ip.parse().unwrap()).collect();
        match host_addresses(Address { ip: vip.parse().unwrap(), prefix }, &taken, count) {
            Ok(found) => found.iter().map(Address::to_string).collect::<Vec<_>>().join(" "),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn hosts_live_in_the_network_of_the_virtual_address() {
        for (vip, prefix, taken, count, expected) in [
            ("10.0.0.10", 24, &[][..], 2, "10.0.0.1/24 10.0.0.2/24"),
            ("10.0.0.1", 24, &["10.0.0.3"], 3, "10.0.0.2/24 10.0.0.4/24 10.0.0.5/24"),
            ("192.168.7.200", 25, &[], 1, "192.168.7.129/25"),
            ("fd00::10", 64, &["fd00::2"], 2, "fd00::1/64 fd00::3/64"),
            (
                "10.0.0.2",
                30,
                &[],
                2,
                "the network of 10.0.0.2/30 has no room for 2 more hosts: give the address a shorter prefix",
            ),
            (
                "10.0.0.2",
                32,
                &[],
                1,
                "the network of 10.0.0.2/32 has no room for 1 more hosts: give the address a shorter prefix",
            ),
            ("10.0.0.2", 33, &[], 1, "the prefix of 10.0.0.2/33 is longer than the address"),
        ] {
            assert_eq!(hosts(vip, prefix, taken, count), expected);
        }
    }
}
