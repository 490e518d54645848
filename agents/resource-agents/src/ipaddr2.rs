//! IPaddr2: an IPv4 or IPv6 address that moves with the cluster. Parameters are read in `settings`, the place of the
//! address is found in `place`; the kernel is spoken to through `netlink`, the neighbours through `announce`.

mod describe;
mod place;
mod settings;
mod watch;

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv6Addr};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use ocf::{Agent, Context, ExitCode, Failure, Metadata, Status};

use crate::announce::{Mac, Speaker, mac_text, wait_readable};
use crate::netlink::{
    Address, Events, HARDWARE_ETHERNET, IFA_F_DADFAILED, IFA_F_NODAD, IFA_F_NOPREFIXROUTE, IFA_F_TENTATIVE, Link,
    Netlink, SCOPE_HOST,
};
use crate::run_directory::{Level, log, run_directory};
use place::{Network, broadcast_of, contains, has_route, network_of};
pub use settings::read_protocol as route_protocol;
use settings::{Settings, is_impossible, whole_label};

/// The agent.
pub struct IPaddr2;

/// First argument of the process that sends the announcements after the first.
pub const ANNOUNCE: &str = "--announce";

/// How long a link without carrier may take to find its peer: as long as copper needs to agree on a speed.
const CARRIER_WAIT: Duration = Duration::from_secs(5);
/// How long the kernel may take to find out whether somebody else has an address that it was given without us: a second
/// by default, and as much again for a delay before it.
const DETECTION_WAIT: Duration = Duration::from_secs(4);

impl Agent for IPaddr2 {
    fn metadata(&self) -> Metadata {
        describe::metadata()
    }

    fn start(&self, call: &Context) -> Result<(), Failure> {
        let settings = Settings::read(call)?;
        enter_namespace(&settings)?;
        let mut host = Host::open()?;
        for (address, link) in host.settled(&settings)? {
            match host.fault(&settings, &address, &link)? {
                Some(Fault::Address(why)) => {
                    log(Level::Info, &format!("taking {} from {} first: {why}", settings.ip, link.name));
                    host.delete(&address, &link)?;
                }
                Some(Fault::Link(why)) => return Err(Failure::error(why)),
                None => {
                    log(Level::Info, &format!("{}/{} is on {} already", address.ip, address.prefix, link.name));
                    return Ok(());
                }
            }
        }
        host.take(&settings, &run_directory(call))
    }

    fn stop(&self, call: &Context) -> Result<(), Failure> {
        if call.parameter("ip").is_empty() || is_impossible(call) {
            return Ok(());
        }
        let settings = match Settings::read(call) {
            // Whatever else is wrong: the address is taken from wherever it is.
            Err(failure) if failure.code == ExitCode::NotConfigured => {
                log(Level::Warning, &format!("stopping by the address alone: {}", failure.reason));
                Settings::read(&by_address(call))?
            }
            settings => settings?,
        };
        if let Err(failure) = enter_namespace(&settings) {
            // OCF: what cannot be there is stopped.
            log(Level::Warning, &failure.reason);
            return Ok(());
        }
        Host::open()?.release(&settings, &run_directory(call))
    }

    fn monitor(&self, call: &Context) -> Result<Status, Failure> {
        if call.environment.is_probe() && is_impossible(call) {
            return Ok(Status::Stopped);
        }
        let settings = Settings::read(call)?;
        match enter_namespace(&settings) {
            Err(_) if call.environment.is_probe() => return Ok(Status::Stopped),
            entered => entered?,
        }
        let Some((_, link)) = Host::open()?.judge(&settings)? else { return Ok(Status::Stopped) };
        if settings.refresh_count > 0 {
            announce(&settings, &link, settings.refresh_count)?;
        }
        Ok(Status::Running)
    }

    fn watch(&self, call: &Context, armed: &mut dyn FnMut()) -> Option<Result<Status, Failure>> {
        let mut watch = || {
            let settings = Settings::read(call)?;
            enter_namespace(&settings)?;
            watch::watch(&settings, armed)
        };
        Some(watch())
    }

    fn validate(&self, call: &Context) -> Result<(), Failure> {
        let settings = Settings::read(call)?;
        enter_namespace(&settings)?;
        let (link, _) = Host::open()?.network(&settings)?;
        settings.label.map_or(Ok(()), |label| whole_label(&link.name, &label).map(drop))
    }
}

/// The same call, told nothing but which address it is about.
fn by_address(call: &Context) -> Context {
    let mut environment = call.environment.clone();
    let names = ["ip", "unique_clone_address", "network_namespace"];
    environment.parameters.retain(|name, _| names.contains(&name.as_str()));
    Context::new(environment, describe::metadata())
}

/// What may be wrong with an address that is there.
enum Fault {
    /// The address must be taken again.
    Address(String),
    /// The link cannot carry it.
    Link(String),
}

fn link_fault(settings: &Settings, link: &Link) -> Option<String> {
    let state = link.fault.or((!link.up).then_some("DOWN"))?;
    settings.check_link.then(|| {
        format!(
            "{} is to be on {}, but the interface is {state}: look at its cable, its peer or its administrative state, or \
             set check_link_status=false",
            settings.ip, link.name
        )
    })
}

fn enter_namespace(settings: &Settings) -> Result<(), Failure> {
    let Some(name) = &settings.namespace else { return Ok(()) };
    let path = PathBuf::from("/run/netns").join(name);
    let failed = |error: io::Error| {
        Failure::error(format!(
            "entering the network namespace {name} ({}): {error}; create it with: ip netns add {name}",
            path.display()
        ))
    };
    let file = fs::File::open(&path).map_err(failed)?;
    nix::sched::setns(file, nix::sched::CloneFlags::CLONE_NEWNET).map_err(|error| failed(error.into()))
}

/// This host's network, as the kernel shows it.
struct Host {
    netlink: Netlink,
}

impl Host {
    fn open() -> Result<Host, Failure> {
        let netlink = Netlink::open().map_err(|error| Failure::error(format!("opening a netlink socket: {error}")))?;
        Ok(Host { netlink })
    }

    /// Where the address is now, with the link each time.
    ///
    /// With an interface or a prefix given, only those count. Else the loopback device does not, unless the address
    /// is one of its own: LVS hosts have the address there while they do not serve it.
    fn present(&mut self, settings: &Settings) -> Result<Vec<(Address, Link)>, Failure> {
        let only = match &settings.nic {
            None => None,
            Some(nic) => match self.netlink.link_named(nic).map_err(|e| reading("interfaces", e))? {
                Some(link) => Some(link.index),
                None => return Ok(Vec::new()),
            },
        };
        let addresses = self.netlink.addresses(settings.ip).map_err(|e| reading("addresses", e))?;
        let mut found = Vec::new();
        for address in addresses {
            let fits = address.ip == settings.ip
                && only.is_none_or(|link| address.link == link)
                && settings.prefix.is_none_or(|prefix| address.prefix == prefix);
            if !fits {
                continue;
            }
            let link = self.netlink.link_numbered(address.link).map_err(|e| reading("interfaces", e))?;
            if let Some(link) = link
                && (!link.loopback || only.is_some() || settings.ip.is_loopback())
            {
                found.push((address, link));
            }
        }
        Ok(found)
    }

    /// The same, once the kernel knows whether an address that it is still asking about is free.
    fn settled(&mut self, settings: &Settings) -> Result<Vec<(Address, Link)>, Failure> {
        self.when(DETECTION_WAIT, |host| {
            let present = host.present(settings)?;
            let tentative = |(address, _): &(Address, Link)| {
                address.flags & IFA_F_TENTATIVE != 0 && address.flags & IFA_F_DADFAILED == 0
            };
            Ok((!present.iter().any(tentative), present))
        })
    }

    /// The address as it is served: `None` if it is not there, a failure if something is wrong with it.
    fn judge(&mut self, settings: &Settings) -> Result<Option<(Address, Link)>, Failure> {
        let Some((address, link)) = self.present(settings)?.into_iter().next() else { return Ok(None) };
        match self.fault(settings, &address, &link)? {
            Some(Fault::Link(why) | Fault::Address(why)) => Err(Failure::error(why)),
            None => Ok(Some((address, link))),
        }
    }

    fn fault(&mut self, settings: &Settings, address: &Address, link: &Link) -> Result<Option<Fault>, Failure> {
        let ip = settings.ip;
        if address.flags & IFA_F_DADFAILED != 0 {
            return Ok(Some(Fault::Address(format!("the kernel found another host with {ip} on {}", link.name))));
        }
        if let (Some(label), Some(actual)) = (&settings.label, &address.label)
            && *actual != format!("{}:{label}", link.name)
        {
            return Ok(Some(Fault::Address(format!("{ip} has the label {actual}, expected {}:{label}", link.name))));
        }
        if let Some(why) = link_fault(settings, link) {
            return Ok(Some(Fault::Link(why)));
        }
        let wants_route = settings.check_link && !settings.no_prefix_route && !link.loopback;
        if wants_route && !has_route(address, &self.netlink.routes(ip).map_err(|e| reading("routes", e))?) {
            return Ok(Some(Fault::Address(format!(
                "{ip}/{} is on {}, but no route leads to its network by this interface: nothing can be answered from it; \
                 somebody took the route away, or set noprefixroute=true if there is to be none",
                address.prefix, link.name
            ))));
        }
        Ok(None)
    }

    /// Looks until the first part of the answer is true, at each change that the kernel tells; at most for so long.
    fn when<T>(
        &mut self,
        wait: Duration,
        mut look: impl FnMut(&mut Host) -> Result<(bool, T), Failure>,
    ) -> Result<T, Failure> {
        let until = Instant::now() + wait;
        let mut events: Option<Events> = None;
        loop {
            let (settled, seen) = look(self)?;
            if settled || Instant::now() >= until {
                return Ok(seen);
            }
            match &mut events {
                // Subscribe, and look once more before waiting: it may just have changed.
                None => events = Some(Events::open().map_err(|e| reading("changes", e))?),
                Some(events) => {
                    wait_readable(events, until).map_err(|e| reading("changes", e))?;
                    events.read().map_err(|e| reading("changes", e))?;
                }
            }
        }
    }

    /// The link and the prefix that the address belongs to.
    fn network(&mut self, settings: &Settings) -> Result<(Link, u8), Failure> {
        let ip = settings.ip;
        let given = match &settings.nic {
            None => None,
            Some(nic) => Some(self.netlink.link_named(nic).map_err(|e| reading("interfaces", e))?.ok_or_else(|| {
                Failure::not_configured(format!(
                    "there is no network interface {nic} on this host: correct parameter nic, or leave it out to let the \
                     routes decide"
                ))
            })?),
        };
        if let (Some(link), Some(prefix)) = (&given, settings.prefix) {
            return Ok((link.clone(), prefix));
        }
        if let IpAddr::V6(six) = ip
            && given.is_none()
            && six.is_unicast_link_local()
        {
            return Err(Failure::not_configured(format!(
                "{ip} is a link-local address, which every interface could have: set parameter nic"
            )));
        }
        let routes = self.netlink.routes(ip).map_err(|e| reading("routes", e))?;
        let only = given.as_ref().map(|link| link.index);
        let found = network_of(ip, only, settings.prefix, settings.route_protocol, &routes);
        let network = match found {
            Some(network) => network,
            None => self.loopback_network(ip)?.ok_or_else(|| {
                let on = given.as_ref().map_or(String::new(), |link| format!(" on {}", link.name));
                Failure::error(format!(
                    "no route{on} leads to a network with {ip}, so its interface and prefix are unknown: set parameters nic \
                     and cidr_netmask, or give the interface a static address in that network"
                ))
            })?,
        };
        match self.netlink.link_numbered(network.link).map_err(|e| reading("interfaces", e))? {
            Some(link) => Ok((link, network.prefix)),
            None => Err(Failure::error(format!("interface {} vanished while {ip} was placed on it", network.link))),
        }
    }

    /// The network of an address that only this host can reach.
    fn loopback_network(&mut self, ip: IpAddr) -> Result<Option<Network>, Failure> {
        if !ip.is_loopback() {
            return Ok(None);
        }
        let addresses = self.netlink.addresses(ip).map_err(|e| reading("addresses", e))?;
        let around = addresses.iter().find(|address| contains(address.ip, address.prefix, ip));
        Ok(around.map(|address| Network { link: address.link, prefix: address.prefix }))
    }

    fn take(&mut self, settings: &Settings, run_directory: &std::path::Path) -> Result<(), Failure> {
        let ip = settings.ip;
        let (link, prefix) = self.network(settings)?;
        let label = settings.label.as_deref().map(|label| whole_label(&link.name, label)).transpose()?;
        if settings.lvs && !link.loopback {
            self.take_from_loopback(ip, run_directory)?;
        }
        self.set_up(settings, &link)?;
        let speaker = speaker(ip, &link)?;
        if let Some(speaker) = speaker.as_ref().filter(|_| !settings.conflict_wait.is_zero()) {
            refuse_owned(speaker, settings, &link)?;
        }
        let around = self.netlink.addresses(ip).map_err(|e| reading("addresses", e))?;
        let network = Network { link: link.index, prefix };
        let mut flags = 0;
        if settings.no_prefix_route {
            flags |= IFA_F_NOPREFIXROUTE;
        }
        if ip.is_ipv6() {
            // We have asked already; the kernel would make the address wait for a second and more.
            flags |= IFA_F_NODAD;
        }
        let address = Address {
            ip,
            prefix,
            link: link.index,
            scope: if ip.is_ipv4() && ip.is_loopback() { SCOPE_HOST } else { 0 },
            label,
            broadcast: broadcast_of(settings.broadcast, ip, network, &around),
            flags,
            preferred_s: settings.preferred_s.filter(|_| ip.is_ipv6()),
        };
        if let (IpAddr::V6(six), Some(label)) = (ip, settings.source_label) {
            self.label_source(six, label, true);
        }
        match self.netlink.add_address(&address) {
            Err(error) if error.raw_os_error() != Some(libc::EEXIST) => {
                return Err(denied(&format!("adding {ip}/{prefix} to {}", link.name), error));
            }
            _ => log(Level::Info, &format!("added {ip}/{prefix} to {}", link.name)),
        }
        // What the next monitor would find wrong is said now, while another node can still be tried.
        let now = link_now(self, &link)?;
        if let Some(Fault::Link(why) | Fault::Address(why)) = self.fault(settings, &address, &now)? {
            self.delete(&address, &link)?;
            return Err(Failure::error(why));
        }
        match speaker {
            Some(speaker) => announce_with(speaker, settings, &link, settings.announce_count),
            None => Ok(()),
        }
    }

    /// Sets a link up and waits until it can carry packets: who is asked over a link without carrier cannot answer,
    /// and an address there would fail at the first monitor, over and over.
    fn set_up(&mut self, settings: &Settings, link: &Link) -> Result<(), Failure> {
        if !link.up {
            self.netlink.set_up(link.index).map_err(|error| denied(&format!("setting {} up", link.name), error))?;
        }
        let now = self.when(CARRIER_WAIT, |host| {
            let now = link_now(host, link)?;
            Ok((now.up && now.fault.is_none(), now))
        })?;
        match link_fault(settings, &now) {
            Some(why) => Err(Failure::error(why)),
            None => Ok(()),
        }
    }

    fn release(&mut self, settings: &Settings, run_directory: &std::path::Path) -> Result<(), Failure> {
        let ip = settings.ip;
        for (address, link) in self.present(settings)? {
            self.delete(&address, &link)?;
            log(Level::Info, &format!("took {ip}/{} from {}", address.prefix, link.name));
        }
        if let Some((_, link)) = self.present(settings)?.first() {
            return Err(Failure::error(format!(
                "{ip} is still on {} after it was deleted: something adds it again",
                link.name
            )));
        }
        if let (IpAddr::V6(six), Some(label)) = (ip, settings.source_label) {
            self.label_source(six, label, false);
        }
        if settings.flush_routes {
            for path in ["/proc/sys/net/ipv4/route/flush", "/proc/sys/net/ipv6/route/flush"] {
                if let Err(error) = fs::write(path, "1") {
                    log(Level::Warning, &format!("flushing cached routes through {path}: {error}"));
                }
            }
        }
        if settings.lvs { self.give_to_loopback(ip, run_directory) } else { Ok(()) }
    }

    fn delete(&mut self, address: &Address, link: &Link) -> Result<(), Failure> {
        match self.netlink.delete_address(address) {
            Err(error) if error.raw_os_error() != Some(libc::EADDRNOTAVAIL) => {
                Err(denied(&format!("taking {}/{} from {}", address.ip, address.prefix, link.name), error))
            }
            _ => Ok(()),
        }
    }

    /// A label that is not set makes the address work less well for LVS, and no more.
    fn label_source(&mut self, ip: Ipv6Addr, label: u32, add: bool) {
        let (result, settled) = match add {
            true => (self.netlink.add_address_label(ip, label), libc::EEXIST),
            false => (self.netlink.delete_address_label(ip, label), libc::ESRCH),
        };
        if let Err(error) = result
            && error.raw_os_error() != Some(settled)
        {
            log(Level::Warning, &format!("the label {label} of {ip} in the rules for source addresses: {error}"));
        }
    }

    /// Takes an address that only the loopback device has (LVS), and notes that it is to be given back.
    fn take_from_loopback(&mut self, ip: IpAddr, run_directory: &std::path::Path) -> Result<(), Failure> {
        for address in self.netlink.addresses(ip).map_err(|e| reading("addresses", e))? {
            if address.ip != ip || address.prefix != 32 {
                continue;
            }
            let link = self.netlink.link_numbered(address.link).map_err(|e| reading("interfaces", e))?;
            if let Some(link) = link.filter(|link| link.loopback) {
                let note = loopback_note(ip, run_directory);
                fs::create_dir_all(run_directory).and_then(|()| fs::write(&note, format!("{}\n", link.name))).map_err(
                    |error| Failure::error(format!("noting {ip} of {} in {}: {error}", link.name, note.display())),
                )?;
                self.delete(&address, &link)?;
            }
        }
        Ok(())
    }

    fn give_to_loopback(&mut self, ip: IpAddr, run_directory: &std::path::Path) -> Result<(), Failure> {
        let note = loopback_note(ip, run_directory);
        let Ok(name) = fs::read_to_string(&note) else { return Ok(()) };
        let name = name.trim();
        let link = self.netlink.link_named(name).map_err(|e| reading("interfaces", e))?;
        let link = link.ok_or_else(|| Failure::error(format!("{} names no interface: {name:?}", note.display())))?;
        let address = Address {
            ip,
            prefix: 32,
            link: link.index,
            scope: SCOPE_HOST,
            label: None,
            broadcast: None,
            flags: 0,
            preferred_s: None,
        };
        match self.netlink.add_address(&address) {
            Err(error) if error.raw_os_error() != Some(libc::EEXIST) => {
                Err(denied(&format!("giving {ip} back to {name}"), error))
            }
            _ => fs::remove_file(&note)
                .map_err(|error| Failure::error(format!("removing the note {}: {error}", note.display()))),
        }
    }
}

fn link_now(host: &mut Host, link: &Link) -> Result<Link, Failure> {
    let now = host.netlink.link_numbered(link.index).map_err(|e| reading("interfaces", e))?;
    now.ok_or_else(|| Failure::error(format!("interface {} vanished while an address was placed on it", link.name)))
}

fn loopback_note(ip: IpAddr, run_directory: &std::path::Path) -> PathBuf {
    run_directory.join(format!("IPaddr2-loopback-{ip}"))
}

fn reading(what: &str, error: io::Error) -> Failure {
    Failure::error(format!("reading the {what} of this host over netlink: {error}"))
}

fn denied(doing: &str, error: io::Error) -> Failure {
    match error.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) => Failure::new(
            ExitCode::InsufficientPrivileges,
            format!("{doing}: {error}; the agent must run as root or with CAP_NET_ADMIN"),
        ),
        _ => Failure::error(format!("{doing}: {error}")),
    }
}

/// A socket for the link's neighbours; `None` for links that have no neighbours to tell.
fn speaker(ip: IpAddr, link: &Link) -> Result<Option<Speaker>, Failure> {
    if link.loopback {
        return Ok(None);
    }
    let (HARDWARE_ETHERNET, Ok(mac)) = (link.hardware, Mac::try_from(link.mac.as_slice())) else {
        log(Level::Warning, &format!("{} is not an Ethernet link: {ip} is not announced on it", link.name));
        return Ok(None);
    };
    Speaker::open(link.index, mac, ip).map(Some).map_err(|error| {
        let code = match error.raw_os_error() {
            Some(libc::EPERM | libc::EACCES) => ExitCode::InsufficientPrivileges,
            _ => ExitCode::Error,
        };
        Failure::new(
            code,
            format!(
                "opening a packet socket on {}: {error}; without one {ip} cannot be announced to the neighbours: run the agent \
                 as root or with CAP_NET_RAW",
                link.name
            ),
        )
    })
}

fn refuse_owned(speaker: &Speaker, settings: &Settings, link: &Link) -> Result<(), Failure> {
    let ip = settings.ip;
    match speaker.find_owner(settings.conflict_wait) {
        Ok(None) => Ok(()),
        Ok(Some(owner)) => Err(Failure::error(format!(
            "{ip} is in use: {} answers for it on {}; two hosts with one address serve neither, so take it from that host \
             first",
            mac_text(owner),
            link.name
        ))),
        // A link without carrier has nobody to ask, and nobody who could answer twice.
        Err(error) if error.raw_os_error() == Some(libc::ENETDOWN) => Ok(()),
        Err(error) => Err(Failure::error(format!("asking on {} who has {ip}: {error}", link.name))),
    }
}

fn announce(settings: &Settings, link: &Link, count: u64) -> Result<(), Failure> {
    match speaker(settings.ip, link)? {
        Some(speaker) => announce_with(speaker, settings, link, count),
        None => Ok(()),
    }
}

/// The first announcement at once; the rest from a process of their own, so that nobody waits for them.
fn announce_with(speaker: Speaker, settings: &Settings, link: &Link, count: u64) -> Result<(), Failure> {
    if let Err(error) = speaker.announce() {
        // The address is there, and the rest may still get through.
        log(Level::Warning, &format!("announcing {} on {}: {error}", settings.ip, link.name));
    }
    let rest = count.saturating_sub(1);
    let socket = speaker.into_socket();
    if !settings.background {
        repeat(&socket, settings.ip, link.index, rest, settings.announce_interval);
        return Ok(());
    }
    let spawned = std::env::current_exe().and_then(|program| {
        Command::new(program)
            .arg(ANNOUNCE)
            .args([settings.ip.to_string(), link.index.to_string()])
            .args([rest.to_string(), settings.announce_interval.as_millis().to_string()])
            .env_clear()
            .current_dir("/")
            // Even with nothing left to send: it closes the socket, which takes its time.
            .stdin(socket)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // A group of its own: whoever ends the agent's group does not mean this one.
            .process_group(0)
            .spawn()
    });
    if let Err(error) = spawned {
        log(Level::Warning, &format!("announcing {} in the background: {error}", settings.ip));
    }
    Ok(())
}

/// What the process in the background does: arguments are address, number of the link, count, interval in ms; the
/// packet socket is its standard input.
pub fn announce_rest(arguments: &[String]) -> Option<()> {
    let [ip, link, count, interval] = arguments else { return None };
    let interval = Duration::from_millis(interval.parse().ok()?);
    let socket = io::stdin().as_fd().try_clone_to_owned().ok()?;
    repeat(&socket, ip.parse().ok()?, link.parse().ok()?, count.parse().ok()?, interval);
    Some(())
}

/// Announces as long as the address is there: it ends at once when a stop takes it away, so nothing is left to end.
fn repeat(socket: &OwnedFd, ip: IpAddr, link: u32, count: u64, interval: Duration) {
    let Ok(changes) = Netlink::watch_addresses() else { return };
    let Ok(mut netlink) = Netlink::open() else { return };
    for _ in 0..count {
        let until = Instant::now() + interval;
        loop {
            let changed = wait_readable(&changes, until).unwrap_or(false);
            let addresses = netlink.addresses(ip).unwrap_or_default();
            if !addresses.iter().any(|address| address.ip == ip && address.link == link) {
                return;
            }
            if !changed {
                break;
            }
            let mut news = [0; 8192];
            let _ = nix::unistd::read(&changes, &mut news);
        }
        let mac = netlink.link_numbered(link).ok().flatten().and_then(|link| Mac::try_from(link.mac.as_slice()).ok());
        let speaker =
            mac.zip(socket.try_clone().ok()).and_then(|(mac, socket)| Speaker::with(socket, link, mac, ip).ok());
        if let Some(speaker) = speaker {
            let _ = speaker.announce();
        }
    }
}
