//! What a host is like: everything a change has to know before it is made, and has to find after it.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use corosync::cmap::{Cmap, Map};
use sha2::{Digest as _, Sha256};
use wire::host::{About, Engine, EngineDevice, EngineNode, EngineVotes, FileState, HostFile, hexadecimal};

use crate::paths::Paths;
use crate::{certificates, disk, firewall, operation, units};

/// No file that a host tells of is larger.
const MAX_FILE: usize = 1 << 20;

/// A program that is asked something answers within this.
const ASK_TIME: Duration = Duration::from_secs(10);
/// Names that are looked up: a nodelist of 32 with two links has 64.
const MAX_NAMES: usize = 300;

/// The host's name, as `uname -n` says.
pub fn host_name() -> String {
    nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok()).unwrap_or_default()
}

/// Milliseconds since 1970.
pub fn clock() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// What this host is like now.
///
/// # Errors
/// When its files cannot be read.
pub fn about(paths: &Paths) -> anyhow::Result<About> {
    let host = host_name();
    Ok(About {
        clock_kept: clock_kept(),
        certificates: certificates::of_this_host(paths),
        watchdog: watchdog(Path::new(WATCHDOGS)),
        firewall: firewall::of_this_host(&ports(paths)),
        free: free(paths),
        resolved: resolved(paths, &host),
        host,
        systole: env!("CARGO_PKG_VERSION").into(),
        corosync: corosync_version(),
        addresses: addresses(),
        clock: clock(),
        files: files(paths)?,
        units: units::states(),
        engine: engine(),
        pending: operation::pending(paths)?,
        settled: operation::settled(paths),
        remembers: paths.memory.iter().any(|folder| has_entries(folder)),
    })
}

fn corosync_version() -> Option<String> {
    let said = units::run("corosync", &["-v"], ASK_TIME).ok()?;
    let line = said.text.lines().next()?;
    let version = line.split('\'').nth(1).unwrap_or(line);
    Some(version.to_owned())
}

fn addresses() -> Vec<String> {
    let Ok(interfaces) = nix::ifaddrs::getifaddrs() else { return Vec::new() };
    let ip = |one: nix::ifaddrs::InterfaceAddress| {
        let address = one.address?;
        let v4 = address.as_sockaddr_in().map(|address| std::net::IpAddr::V4(address.ip()));
        let ip = v4.or_else(|| address.as_sockaddr_in6().map(|address| std::net::IpAddr::V6(address.ip())))?;
        (!ip.is_loopback()).then(|| ip.to_string())
    };
    interfaces.filter_map(ip).collect()
}

fn files(paths: &Paths) -> anyhow::Result<Vec<FileState>> {
    use std::os::unix::fs::PermissionsExt as _;
    let mut files = Vec::new();
    for file in HostFile::ALL {
        let path = paths.file(file);
        let Some(bytes) = operation::read(paths, file)? else { continue };
        let mode = std::fs::metadata(&path).map_or(0, |meta| meta.permissions().mode() & 0o7777);
        files.push(FileState { file, sha256: hexadecimal(&Sha256::digest(&bytes)), bytes: bytes.len() as u64, mode });
    }
    Ok(files)
}

/// What Corosync says; nothing when it does not run, or is on its way up or down.
pub fn engine() -> Option<Engine> {
    let status = corosync::Status::read().ok()?;
    let map = Cmap::connect(Map::Configuration).ok()?;
    let statistics = Cmap::connect(Map::Statistics).ok();
    let mtu = |node: u32, link: u8| -> Option<u32> {
        let mtu = statistics.as_ref()?.text(&format!("stats.knet.node{node}.link{link}.mtu")).ok()??;
        mtu.parse().ok().filter(|mtu| *mtu > 0)
    };
    let mtus = |node: &corosync::NodeStatus| {
        let links = node.links.iter().filter(|link| link.connected);
        links.filter_map(|link| Some((u32::from(link.number), mtu(node.id.0, link.number)?))).collect()
    };
    let number = |key: &str| map.text(key).ok().flatten().and_then(|text| text.parse().ok());
    let nodes = status.nodes.iter().map(|node| EngineNode {
        id: node.id.0,
        name: node.name.clone(),
        member: node.member.unwrap_or(false),
        votes: node.votes,
        links: node.links.iter().map(|link| (u32::from(link.number), link.connected)).collect(),
        mtus: mtus(node),
    });
    Some(Engine {
        cluster: status.cluster.clone(),
        config_version: number("totem.config_version"),
        token: number("runtime.config.totem.token"),
        me: status.me.0,
        quorate: status.quorate,
        nodes: nodes.collect(),
        votes: status.votes.as_ref().map(|votes| EngineVotes {
            expected: votes.expected,
            total: votes.total,
            quorum: votes.quorum,
            rules: votes.flags.names().map(str::to_owned).collect(),
        }),
        device: status.votes.as_ref().filter(|votes| votes.flags.has_device()).map(|votes| EngineDevice {
            votes: votes.device_votes,
            alive: votes.flags.device_is_alive(),
            casts: votes.flags.device_votes(),
        }),
    })
}

/// Whether a time service keeps the clock: the kernel is told so by all of them.
fn clock_kept() -> Option<bool> {
    let said = units::run("timedatectl", &["show", "--property=NTPSynchronized", "--value"], ASK_TIME).ok()?;
    match said.text.as_str() {
        "yes" if said.success => Some(true),
        "no" if said.success => Some(false),
        _ => None,
    }
}

/// Free space where the cluster writes, in percent.
fn free(paths: &Paths) -> Vec<(String, u8)> {
    let folders = paths.memory.iter().chain([&paths.state, &paths.corosync]);
    let percent = |folder: &std::path::PathBuf| {
        let stat = nix::sys::statvfs::statvfs(folder).ok()?;
        let percent = (stat.blocks_available() * 100).checked_div(stat.blocks())?;
        Some((folder.display().to_string(), u8::try_from(percent).unwrap_or(100)))
    };
    folders.filter_map(percent).collect()
}

/// Where the kernel shows its watchdogs.
const WATCHDOGS: &str = "/sys/class/watchdog";

/// What the first watchdog calls itself.
fn watchdog(folder: &Path) -> Option<String> {
    let mut all: Vec<_> = std::fs::read_dir(folder).ok()?.filter_map(|entry| Some(entry.ok()?.path())).collect();
    all.sort();
    let identity = std::fs::read_to_string(all.first()?.join("identity")).unwrap_or_default();
    Some(if identity.trim().is_empty() { "nameless".into() } else { identity.trim().to_owned() })
}

/// The ports that the cluster needs open on this host: the host agent's, one of Corosync's for each link, and QNetd's where
/// its certificates are.
fn ports(paths: &Paths) -> Vec<String> {
    let text = disk::read(&paths.file(HostFile::CorosyncConf), MAX_FILE).ok().flatten().unwrap_or_default();
    let conf = corosync_conf::Conf::parse(String::from_utf8_lossy(&text).into_owned());
    let model = corosync_conf::Model::of(&conf);
    let links = model.links().into_iter().map(|link| format!("{}/udp", model.port(link)));
    let agent = format!("{}/tcp", wire::host::PORT);
    let qnetd = paths.qnetd().exists().then(|| "5403/tcp".to_owned());
    links.chain([agent]).chain(qnetd).collect()
}

/// What names stand for here: those in corosync.conf, and the host's own.
fn resolved(paths: &Paths, host: &str) -> Vec<(String, Vec<String>)> {
    use corosync_conf::model::{Address, address};
    use std::net::ToSocketAddrs as _;
    let text = disk::read(&paths.file(HostFile::CorosyncConf), MAX_FILE).ok().flatten().unwrap_or_default();
    let conf = corosync_conf::Conf::parse(String::from_utf8_lossy(&text).into_owned());
    let model = corosync_conf::Model::of(&conf);
    let named = model.nodes.iter().flat_map(|node| node.addresses.values().map(|placed| placed.value.clone()));
    let names = named.filter(|name| address(name) == Address::Name).chain([host.to_owned()]).take(MAX_NAMES);
    let look_up = |name: String| {
        let found = (name.as_str(), 0)
            .to_socket_addrs()
            .map_or(Vec::new(), |all| all.map(|one| one.ip().to_string()).collect());
        (name, found)
    };
    names.map(look_up).collect()
}

/// Whether there is anything in a folder.
fn has_entries(folder: &Path) -> bool {
    std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some())
}
