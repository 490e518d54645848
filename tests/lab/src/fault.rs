//! The faults: what each does to the cluster, and in what state it must leave it.

use std::str::FromStr;
use std::sync::Arc;
use std::thread;

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::cluster::Cluster;
use crate::control::systole;
use crate::netlink::Netlink;
use crate::network::Namespace;
use crate::node::Node;
use crate::scene::Scene;

/// What goes wrong, or is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// The active node loses power.
    Crash,
    /// The active node is cut off from the others, and lives on.
    Isolate,
    /// The address is deleted on the active node, behind its agent's back.
    Fail,
    /// The active node is put on standby.
    Standby,
    /// The service is moved to another node.
    Move,
    /// All nodes but the active one lose power; they come back later.
    QuorumLoss,
    /// The daemon of the active node is killed; its supervisor starts it again.
    Daemon,
    /// The active node is shut down cleanly; it boots again later.
    Leave,
}

/// Every fault with its name and one line of help.
pub const FAULTS: [(&str, Fault, &str); 8] = [
    ("crash", Fault::Crash, "the active node loses power: its process 1 is killed, its cable is dead"),
    ("isolate", Fault::Isolate, "the active node is cut off from network and engine, and lives on"),
    ("fail", Fault::Fail, "the address is deleted on the active node, behind its agent's back"),
    ("standby", Fault::Standby, "the active node is put on standby"),
    ("move", Fault::Move, "the service is moved to another node"),
    (
        "quorum-loss",
        Fault::QuorumLoss,
        "all nodes but the active one lose power: it must stop the service; then they are switched on again",
    ),
    ("daemon", Fault::Daemon, "the active node's daemon is killed: the service must run on, untouched"),
    ("leave", Fault::Leave, "the active node is shut down: its service moves away first; then it boots again"),
];

impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = FAULTS.iter().find(|(name, ..)| *name == text);
        known
            .map(|(_, fault, _)| *fault)
            .ok_or_else(|| format!("{text:?} is no fault: expected {}", FAULTS.map(|(name, ..)| name).join(", ")))
    }
}

impl Fault {
    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        FAULTS.iter().find(|(_, fault, _)| *fault == self).map_or("fault", |(name, ..)| name)
    }

    /// Whether the service must end up on another node.
    pub fn moves(self) -> bool {
        matches!(self, Self::Crash | Self::Isolate | Self::Standby | Self::Move | Self::Leave)
    }

    /// Whether an answer after the fault says how long the cluster took to bring the service back.
    pub fn interrupts(self) -> bool {
        // Without quorum it has to wait for power; without a daemon the service runs on.
        !matches!(self, Self::QuorumLoss | Self::Daemon)
    }

    /// Does it to the active node; gives a sentence on what was done.
    pub fn strike(self, cluster: &Arc<Cluster>, scene: &Scene, active: &Arc<Node>) -> Result<()> {
        let name = active.name();
        let say = |text: String| cluster.story().lab(text);
        let others = || cluster.nodes().iter().filter(|node| node.name() != name);
        match self {
            Self::Crash => {
                say(format!("{name} loses power: its process 1 is killed, its cable is dead"));
                active.switch_off()
            }
            Self::Isolate => {
                say(format!("{name} is cut off from network and engine, and lives on"));
                cluster.isolate(active)
            }
            Self::Fail => {
                let ip = scene.network.ip;
                let pid = active.pid().context("the active node is off")?;
                say(format!("{ip} is deleted on {name}, behind its agent's back"));
                match Namespace::of_process(pid)?.inside(|| Netlink::open()?.delete_address(ip))? {
                    true => Ok(()),
                    false => bail!("{name} does not have the address {ip}"),
                }
            }
            Self::Standby => {
                say(format!("systole standby {name}"));
                systole(others().next().unwrap_or(active), &["standby", name]).map(drop)
            }
            Self::Move => {
                let target = others().next().context("there is no other node to move to")?;
                say(format!("systole move {} {}", scene.subject, target.name()));
                systole(target, &["move", &scene.subject, target.name()]).map(drop)
            }
            Self::QuorumLoss => {
                let names: Vec<&str> = others().map(|node| node.name()).collect();
                say(format!("{} lose power; {name} is alone", names.join(" and ")));
                at_once(others(), |node| node.switch_off())
            }
            Self::Daemon => {
                say(format!("the daemon of {name} is killed"));
                active.kill_service("systoled")
            }
            Self::Leave => {
                let pid = active.pid().context("the active node is off")?;
                say(format!("{name} is told to shut down"));
                kill(Pid::from_raw(pid as i32), Signal::SIGTERM).with_context(|| format!("shutting {name} down"))
            }
        }
    }
}

/// Does the same to several nodes in the same moment.
pub fn at_once<'a>(
    nodes: impl Iterator<Item = &'a Arc<Node>>,
    work: impl Fn(&Arc<Node>) -> Result<()> + Sync,
) -> Result<()> {
    let work = &work;
    thread::scope(|scope| {
        let running: Vec<_> = nodes.map(|node| scope.spawn(move || work(node))).collect();
        let ended = running.into_iter().map(|one| one.join().expect("work on a node reports its errors"));
        ended.collect::<Vec<_>>().into_iter().collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_is_known_by_its_name() {
        for (name, fault, _) in FAULTS {
            assert_eq!(name.parse(), Ok(fault));
            assert_eq!(fault.name(), name);
        }
        let error = "flood".parse::<Fault>().unwrap_err();
        assert_eq!(
            error,
            "\"flood\" is no fault: expected crash, isolate, fail, standby, move, quorum-loss, daemon, leave"
        );
    }
}
