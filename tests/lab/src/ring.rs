//! Debian's Corosync in the lab's nodes: knet with encryption over two links, votequorum, a key that the lab makes.
//!
//! What a node needs for it is added to the node's plan; it is started and ended by the node's process 1, and asked with
//! its own tools. [`Ring::bare`] makes nodes with nothing but Corosync, for tests of what speaks to it.

use std::fs::{self, File};
use std::io::Read as _;
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::machine::{Link, Plan, Work};
use crate::network::{self, Address};
use crate::node::Node;
use crate::sandbox::LAB;
use crate::services::Service;
use crate::story::Storyteller;
use crate::wait::until;
use crate::witness::Witness;

/// Its program, and the name of its process.
pub const COROSYNC: &str = "corosync";

/// Where Debian puts it.
const PROGRAM: &str = "/usr/sbin/corosync";

/// A node's part of the quorum device, and the device itself.
const DEVICE_CLIENT: &str = "corosync-qdevice";
const DEVICE_SERVER: &str = "corosync-qnetd";

/// Corosync takes 128 to 4096 bytes; its own `corosync-keygen` makes 256.
const KEY_BYTES: usize = 256;

/// Corosync on a busy machine: reading its configuration and forming a ring takes a second or two.
const START: Duration = Duration::from_secs(60);

/// Nodes of a lab share their processors, those of a cluster do not. In real time, which is its default, three or five
/// Corosyncs on two processors keep one another's threads from running: none hears the others in time, all of them begin
/// memberships again and again, and nothing else on the machine gets a turn.
pub const SHARED: &str = "  sched_rr: no\n  priority: max\n";

/// Its log in the node's `/run`.
const LOG: &str = "corosync.log";

/// What it keeps where; one of each for every node, outliving the node's power.
const DISKS: [&str; 2] = ["/etc/corosync", "/var/lib/corosync"];

/// Its connections to clients are files here.
const MEMORY: &str = "/dev/shm";

/// Whether Corosync is installed here.
pub fn is_installed() -> bool {
    Path::new(PROGRAM).exists()
}

/// Whether Debian's quorum device is installed here too.
pub fn is_device_installed() -> bool {
    is_installed() && [DEVICE_CLIENT, DEVICE_SERVER].iter().all(|name| on_path(name))
}

fn on_path(program: &str) -> bool {
    ["/usr/sbin", "/usr/bin"].iter().any(|place| Path::new(place).join(program).exists())
}

/// Addresses for the nodes' second link, from the block that RFC 2544 sets apart for test beds.
pub fn second_link(count: usize) -> Vec<Address> {
    let address = |number: usize| Ipv4Addr::new(198, 18, 1, u8::try_from(number).unwrap_or(u8::MAX));
    (1..=count).map(|number| Address { ip: IpAddr::V4(address(number)), prefix: 24 }).collect()
}

/// Who has the majority.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Votes {
    /// Most of the nodes.
    #[default]
    Nodes,
    /// Corosync's `two_node`: one of two is enough, once both were there together.
    TwoNode,
    /// Most of the nodes and a quorum device at this address together.
    Device(IpAddr),
}

impl Votes {
    /// What `corosync.conf` has of it.
    fn configuration(self, token_ms: u64) -> String {
        match self {
            Self::Nodes => String::new(),
            Self::TwoNode => "  two_node: 1\n".to_owned(),
            // The device is given the time to notice itself that a node is gone, and to say whom it votes for.
            Self::Device(ip) => format!(
                "  device {{\n    model: net\n    votes: 1\n    timeout: {}\n    sync_timeout: {}\n    net {{\n      \
                 host: {ip}\n      algorithm: ffsplit\n      tls: off\n    }}\n  }}\n",
                4 * token_ms,
                8 * token_ms,
            ),
        }
    }
}

/// How the ring's Corosync is set up.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Setup {
    /// Names of the nodes; their numbers count from 1.
    pub names: Vec<String>,
    /// Each node's addresses, link by link.
    pub addresses: Vec<Vec<Address>>,
    /// After so long without the token, in milliseconds, a node is lost; whatever the number of nodes.
    pub token_ms: u64,
    /// Who has the majority.
    pub votes: Votes,
}

impl Setup {
    /// The text of `corosync.conf`.
    pub fn configuration(&self) -> String {
        let nodes = self.names.iter().zip(&self.addresses).zip(1..).map(|((name, addresses), id)| {
            let rings =
                addresses.iter().zip(0..).map(|(address, link)| format!("    ring{link}_addr: {}\n", address.ip));
            format!("  node {{\n    name: {name}\n    nodeid: {id}\n{}  }}\n", rings.collect::<String>())
        });
        // A link counts as dead well before the token does, so that a lost link costs no member on a busy machine either.
        let (interval, timeout) = ((self.token_ms / 10).max(1), (self.token_ms / 3).max(1));
        let links = (0..self.addresses.first().map_or(0, Vec::len)).map(|link| {
            format!(
                "  interface {{\n    linknumber: {link}\n    knet_ping_interval: {interval}\n    knet_ping_timeout: \
                 {timeout}\n  }}\n"
            )
        });
        format!(
            "totem {{\n  version: 2\n  cluster_name: lab\n  transport: knet\n  crypto_cipher: aes256\n  crypto_hash: sha256\n  \
             token: {}\n  token_coefficient: 0\n{}}}\nnodelist {{\n{}}}\nquorum {{\n  provider: corosync_votequorum\n{}}}\n\
             system {{\n  allow_knet_handle_fallback: yes\n{SHARED}}}\n\
             logging {{\n  to_stderr: no\n  to_syslog: no\n  to_logfile: yes\n  logfile: /run/{LOG}\n  timestamp: \
             hires\n}}\n",
            self.token_ms,
            links.collect::<String>(),
            nodes.collect::<String>(),
            self.votes.configuration(self.token_ms),
        )
    }

    /// Gives each node its configuration, and all the same key.
    pub fn write(&self) -> Result<()> {
        let mut key = [0; KEY_BYTES];
        File::open("/dev/urandom").and_then(|mut chance| chance.read_exact(&mut key)).context("making the key")?;
        for name in &self.names {
            for disk in DISKS {
                let directory = own(name, disk);
                fs::create_dir_all(&directory).with_context(|| format!("making {}", directory.display()))?;
            }
            let directory = own(name, DISKS[0]);
            write(&directory.join("corosync.conf"), self.configuration().as_bytes())?;
            write(&directory.join("authkey"), &key)?;
        }
        Ok(())
    }
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let written = fs::write(path, bytes).and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(0o600)));
    written.with_context(|| format!("writing {}", path.display()))
}

/// What a node has of a directory that is its own.
fn own(node: &str, directory: &str) -> PathBuf {
    Path::new(LAB).join("nodes").join(node).join(directory.trim_start_matches('/').replace('/', "-"))
}

/// A node's `corosync.conf` as the stage sees it: a test may change it before Corosync starts.
pub fn configuration_file(node: &str) -> PathBuf {
    own(node, DISKS[0]).join("corosync.conf")
}

/// What is in it.
pub fn read_configuration(node: &str) -> Result<String> {
    let path = configuration_file(node);
    fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))
}

/// Gives a node another one; its Corosync reads it when it is told to.
pub fn write_configuration(node: &str, text: &str) -> Result<()> {
    write(&configuration_file(node), text.as_bytes())
}

/// A configuration of this lab without one of its nodes.
pub fn without(text: &str, node: &str) -> Result<String> {
    let begin = format!("  node {{\n    name: {node}\n");
    let (before, rest) = text.split_once(&begin).with_context(|| format!("there is no node {node} in it"))?;
    let (_, after) = rest.split_once("  }\n").context("a node has no end in it")?;
    Ok(format!("{before}{after}"))
}

/// Where a node's plan has its directories for Corosync.
pub fn disks(node: &str) -> Vec<(String, String)> {
    DISKS.iter().map(|disk| (own(node, disk).display().to_string(), (*disk).to_owned())).collect()
}

/// What of a node is empty after a reboot, for Corosync.
pub fn memory() -> Vec<String> {
    vec![MEMORY.to_owned()]
}

/// Corosync as a program of a node. As Debian's unit, nobody starts it again when it dies.
pub fn service() -> Service {
    let command = vec![PROGRAM.to_owned(), "-f".to_owned()];
    Service { name: COROSYNC.to_owned(), command, again: false, log: Some("/run/corosync.out".to_owned()) }
}

/// A node's part of the quorum device, once its Corosync is there.
pub fn device_client() -> Service {
    shell(
        DEVICE_CLIENT,
        "until corosync-cmapctl totem.cluster_name >/dev/null 2>&1; do sleep 0.2; done; exec corosync-qdevice -f",
        true,
    )
}

/// The quorum device itself, on a host of its own.
pub fn device_server() -> Service {
    shell(DEVICE_SERVER, "exec corosync-qnetd -f -s off", false)
}

/// A program of Debian's that expects its unit to have made its directory.
fn shell(name: &str, script: &str, again: bool) -> Service {
    let script = format!("mkdir -p /run/{name}; {script}");
    let command = ["/bin/sh", "-c", &script].map(str::to_owned).to_vec();
    Service { name: name.to_owned(), command, again, log: Some(format!("/run/{name}.out")) }
}

/// What a node's Corosync says of the cluster.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Quorum {
    /// Whether those it sees have quorum.
    pub is_quorate: bool,
    /// The numbers of those it sees.
    pub members: Vec<u32>,
}

/// Asks a node's Corosync; `None` when it does not answer.
pub fn quorum(node: &Node) -> Result<Option<Quorum>> {
    if node.service(COROSYNC).is_none() {
        return Ok(None);
    }
    let output = node.inside("corosync-quorumtool")?.arg("-s").output().context("running corosync-quorumtool")?;
    Ok(parse(&String::from_utf8_lossy(&output.stdout)))
}

/// What a node's Corosync is doing and wrote last: for the reader of a wait in vain.
pub fn account(node: &Node) -> String {
    const LINES: usize = 4;
    let Some(pid) = node.service(COROSYNC) else { return "its corosync does not run".to_owned() };
    let about = |file: &str| fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
    let status = about("status");
    let state = status.lines().find_map(|line| line.strip_prefix("State:")).unwrap_or("gone").trim().to_owned();
    let log = fs::read(node.run_directory().join(LOG)).unwrap_or_default();
    let log = String::from_utf8_lossy(&log);
    let lines: Vec<&str> = log.lines().collect();
    let last = lines[lines.len().saturating_sub(LINES)..].join("\n      ");
    format!("its corosync is in state {state} {}, its last words:\n      {last}", about("wchan"))
}

/// How many votes there are to be, from what `corosync-quorumtool -s` says.
pub fn expected_votes(text: &str) -> Option<u32> {
    text.lines().find_map(|line| line.strip_prefix("Expected votes:")?.trim().parse().ok())
}

fn parse(text: &str) -> Option<Quorum> {
    let (_, table) = text.split_once("Nodeid")?;
    let is_quorate = text.lines().any(|line| line.strip_prefix("Quorate:").is_some_and(|value| value.trim() == "Yes"));
    let rows = table.lines().skip(1).filter_map(|line| line.split_whitespace().next()?.parse().ok());
    Some(Quorum { is_quorate, members: rows.collect() })
}

/// Nodes that run nothing but Corosync.
pub struct Ring {
    nodes: Vec<Arc<Node>>,
    story: Storyteller,
}

impl Ring {
    /// So many nodes, `node1` and so on, off. To be called on the lab's stage, see [`crate::sandbox`].
    pub fn bare(count: usize, token_ms: u64, story: &Storyteller) -> Result<Self> {
        if !is_installed() {
            bail!("there is no {PROGRAM}: apt-get install corosync");
        }
        let names: Vec<String> = (1..=count).map(|number| format!("node{number}")).collect();
        let first = |number: usize| {
            let ip = Ipv4Addr::new(198, 18, 0, u8::try_from(number).unwrap_or(u8::MAX));
            Address { ip: IpAddr::V4(ip), prefix: 24 }
        };
        let addresses: Vec<Vec<Address>> =
            second_link(count).into_iter().zip(1..).map(|(second, number)| vec![first(number), second]).collect();
        network::make_bridge(network::LAN)?;
        network::make_bridge(network::SECOND)?;
        Setup { names: names.clone(), addresses: addresses.clone(), token_ms, votes: Votes::Nodes }.write()?;
        let witness = Witness::start(Vec::new(), Vec::new(), story.clone())?;
        let plan = |((name, addresses), number): ((String, Vec<Address>), usize)| {
            let link = |(address, link): (&Address, usize)| Link {
                interface: format!("eth{link}"),
                address: address.to_string(),
            };
            let plan = Plan {
                links: addresses.iter().zip(0..).map(link).collect(),
                run: format!("{LAB}/nodes/{name}/run"),
                disks: disks(&name),
                memory: memory(),
                work: Work::LookAfter(vec![service()]),
                name,
            };
            Node::new(plan, number, witness.clone(), story.clone())
        };
        let nodes = names.into_iter().zip(addresses).zip(1..).map(plan).collect();
        Ok(Self { nodes, story: story.clone() })
    }

    /// The nodes, in order.
    pub fn nodes(&self) -> &[Arc<Node>] {
        &self.nodes
    }

    /// Switches all on, and waits until each sees all.
    pub fn switch_on(&self) -> Result<()> {
        for node in &self.nodes {
            node.switch_on()?;
        }
        let all: Vec<u32> = (1..).take(self.nodes.len()).collect();
        let wanted = Quorum { is_quorate: true, members: all };
        self.nodes.iter().try_for_each(|node| self.wait_for(node, &wanted))
    }

    /// Waits until a node's Corosync says just this.
    pub fn wait_for(&self, node: &Node, wanted: &Quorum) -> Result<()> {
        let mut last = None;
        let look = || {
            last = quorum(node)?;
            Ok((last.as_ref() == Some(wanted)).then_some(()))
        };
        match until(&self.story, &format!("{} to see {wanted:?}", node.name()), START, look)? {
            Some(()) => Ok(()),
            None => bail!("Corosync of {} does not come to {wanted:?}; lastly it said {last:?}", node.name()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tool_is_understood() {
        let text = "Quorum information\n------------------\nNodes:            2\n\nVotequorum information\nQuorum: 2\n\
                    Quorate:          Yes\nFlags:            Quorate \n\nMembership information\n\
                    ----------------------\n    Nodeid      Votes Name\n         1          1 node1 (local)\n         \
                    3          1 node3\n";
        assert_eq!(parse(text), Some(Quorum { is_quorate: true, members: vec![1, 3] }));
        let activity = text.replace("Yes", "No");
        assert_eq!(parse(&activity), Some(Quorum { is_quorate: false, members: vec![1, 3] }));
        assert_eq!(expected_votes(&text.replace("Quorum: 2", "Expected votes:   3")), Some(3));
        assert_eq!(parse("Cannot initialize QUORUM service\n"), None);
    }

    #[test]
    fn each_node_is_listed_with_all_its_links() {
        let setup = Setup {
            names: vec!["a".to_owned()],
            addresses: vec![[second_link(1), second_link(2)[1..].to_vec()].concat()],
            token_ms: 700,
            votes: Votes::TwoNode,
        };
        let text = setup.configuration();
        let node =
            "  node {\n    name: a\n    nodeid: 1\n    ring0_addr: 198.18.1.1\n    ring1_addr: 198.18.1.2\n  }\n";
        assert!(text.contains(node), "{text}");
        assert!(text.contains("  token: 700\n"), "{text}");
        assert!(text.contains("votequorum\n  two_node: 1\n}\n"), "{text}");
        assert_eq!(without(&text, "a").unwrap(), text.replace(node, ""));
        assert!(without(&text, "b").is_err());
    }
}
