//! Route: a route that moves with the cluster, through a gateway or straight over an interface.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ocf::{ActionMetadata, Agent, Context, ExitCode, Failure, Metadata, Parameter, Status};

use crate::netlink::{Netlink, PROTOCOL_BOOT, ROUTE_UNICAST, Route as KernelRoute, SCOPE_LINK};
use crate::routing_table::table_number;
use crate::startable::startable;

/// The agent.
pub struct Route;

impl Agent for Route {
    fn metadata(&self) -> Metadata {
        let action = ActionMetadata::new;
        Metadata {
            name: "Route".into(),
            version: "1.0".into(),
            ocf_version: Some("1.0".into()),
            shortdesc: "Manages a network route".into(),
            longdesc:
                "Adds a route to the kernel's tables and takes it away again. Order it after the address that it names \
                       as its source."
                    .into(),
            parameters: parameters(),
            actions: vec![
                action("start", "20s"),
                action("stop", "20s"),
                action("monitor", "20s").every("10s", "0"),
                action("reload", "20s"),
                action("meta-data", "5s"),
                action("validate-all", "20s"),
            ],
            extra_actions: vec![ocf::served::SERVE.into()],
            ..Metadata::default()
        }
    }

    fn start(&self, call: &Context) -> Result<(), Failure> {
        let settings = Settings::read(call)?;
        let mut netlink = open()?;
        let wanted = settings.on_this_host(&mut netlink)?;
        if is_there(&mut netlink, &wanted, &settings)? {
            return Ok(());
        }
        netlink.add_route(&wanted, settings.family()).map_err(|error| match error.raw_os_error() {
            Some(libc::EEXIST) => Failure::error(format!(
                "there is a route to {} already, by another way: take it away, or choose another table",
                settings.text
            )),
            Some(libc::EPERM) => Failure::new(
                ExitCode::InsufficientPrivileges,
                format!("adding the route to {}: {error}; the agent must run as root", settings.text),
            ),
            _ => Failure::error(format!("adding the route to {}: {error}", settings.text)),
        })
    }

    fn stop(&self, call: &Context) -> Result<(), Failure> {
        let Some(settings) = startable(Settings::read(call))? else { return Ok(()) };
        let mut netlink = open()?;
        // A route over an interface goes with it.
        let Some(wanted) = settings.resolve(&mut netlink)? else { return Ok(()) };
        if !is_there(&mut netlink, &wanted, &settings)? {
            return Ok(());
        }
        match netlink.delete_route(&wanted, settings.family()) {
            Err(error) if error.raw_os_error() != Some(libc::ESRCH) => {
                Err(Failure::error(format!("taking the route to {} away: {error}", settings.text)))
            }
            _ => Ok(()),
        }
    }

    fn monitor(&self, call: &Context) -> Result<Status, Failure> {
        let settings = Settings::read(call)?;
        let mut netlink = open()?;
        match settings.resolve(&mut netlink)? {
            Some(wanted) if is_there(&mut netlink, &wanted, &settings)? => Ok(Status::Running),
            Some(_) => Ok(Status::Stopped),
            None if call.environment.is_probe() => Ok(Status::Stopped),
            None => Err(settings.no_device()),
        }
    }

    fn validate(&self, call: &Context) -> Result<(), Failure> {
        Settings::read(call)?.on_this_host(&mut open()?).map(drop)
    }

    fn other(&self, action: &str, call: &Context) -> Option<Result<(), Failure>> {
        (action == "reload").then(|| self.start(call))
    }
}

fn parameters() -> Vec<Parameter> {
    let new = Parameter::new;
    vec![
        new(
            "destination",
            "string",
            "Destination",
            "Where the route leads: a network such as 198.51.100.0/24 or 2001:db8:1::/64, a single address, or default.",
        )
        .unique()
        .required(),
        new("device", "string", "Interface", "The interface it leaves by. This or gateway must be given.").default_value(""),
        new("gateway", "string", "Gateway", "The router it leads through. This or device must be given.").default_value(""),
        new("source", "string", "Source address", "The address of this host to send from by this route.").default_value(""),
        new("table", "string", "Routing table", "Its name or number; main if empty.").default_value(""),
        new("family", "string", "Address family", "ip4, ip6, or detect: told from the destination.").default_value("detect"),
    ]
}

struct Settings {
    text: String,
    destination: Option<IpAddr>,
    prefix: u8,
    device: Option<String>,
    gateway: Option<IpAddr>,
    source: Option<IpAddr>,
    table: u32,
    is_six: bool,
}

impl Settings {
    fn read(call: &Context) -> Result<Settings, Failure> {
        let text = call.required("destination")?.to_owned();
        let is_clone = call.environment.meta.contains_key("clone");
        if is_clone && call.environment.meta.get("clone_node_max").is_some_and(|most| most != "1") {
            return Err(Failure::not_configured(
                "a route is there once on a node: set the clone's meta attribute clone-node-max=1",
            ));
        }
        let ip = |name: &str| match call.parameter(name) {
            "" => Ok(None),
            text => text.parse::<IpAddr>().map(Some).map_err(|_| call.wrong(name, "an IPv4 or IPv6 address")),
        };
        let (gateway, source) = (ip("gateway")?, ip("source")?);
        let device = call.given("device").map(str::to_owned);
        if device.is_none() && gateway.is_none() {
            return Err(Failure::not_configured(
                "neither device nor gateway is set: a route needs one of them, or both",
            ));
        }
        let (destination, prefix) = read_destination(&text)
            .ok_or_else(|| call.wrong("destination", "a network such as 198.51.100.0/24, an address, or default"))?;
        let said = match call.parameter("family") {
            "ip4" => Some(false),
            "ip6" => Some(true),
            "detect" => None,
            _ => return Err(call.wrong("family", "ip4, ip6 or detect")),
        };
        let seen = destination.or(gateway).or(source).map(|ip| ip.is_ipv6());
        let is_six = said.or(seen).unwrap_or(false);
        if [destination, gateway, source].into_iter().flatten().any(|ip| ip.is_ipv6() != is_six) {
            return Err(Failure::not_configured(format!(
                "destination {text}, gateway and source must all be of one family, {}",
                if is_six { "IPv6" } else { "IPv4" }
            )));
        }
        let table = table_number(call.parameter("table"))
            .ok_or_else(|| call.wrong("table", "a number, or a name from /etc/iproute2/rt_tables"))?;
        Ok(Settings { text, destination, prefix, device, gateway, source, table, is_six })
    }

    /// Some address of the route's family, for the kernel to know which it is.
    fn family(&self) -> IpAddr {
        if self.is_six { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() }
    }

    /// The route with its interface's number; `None` if there is no such interface.
    fn resolve(&self, netlink: &mut Netlink) -> Result<Option<KernelRoute>, Failure> {
        let link = match &self.device {
            None => None,
            Some(name) => match netlink.link_named(name).map_err(reading)? {
                None => return Ok(None),
                Some(link) => Some(link.index),
            },
        };
        Ok(Some(KernelRoute {
            destination: self.destination,
            prefix: self.prefix,
            link,
            gateway: self.gateway,
            table: self.table,
            scope: if self.gateway.is_none() && !self.is_six { SCOPE_LINK } else { 0 },
            kind: ROUTE_UNICAST,
            protocol: PROTOCOL_BOOT,
            source: self.source,
            metric: 0,
        }))
    }

    /// The same, once it is known that this host can have it. What is missing may be there on another host.
    fn on_this_host(&self, netlink: &mut Netlink) -> Result<KernelRoute, Failure> {
        let route = self.resolve(netlink)?.ok_or_else(|| self.no_device())?;
        if let Some(source) = self.source
            && !netlink.addresses(source).map_err(reading)?.iter().any(|address| address.ip == source)
        {
            return Err(Failure::not_installed(format!(
                "the source address {source} is not on this host: order the route after the address's resource"
            )));
        }
        if let Some(gateway) = self.gateway
            && !netlink.reaches(gateway).map_err(reading)?
        {
            return Err(Failure::not_installed(format!("no route of this host leads to the gateway {gateway}")));
        }
        Ok(route)
    }

    fn no_device(&self) -> Failure {
        let name = self.device.as_deref().unwrap_or("");
        Failure::not_installed(format!("there is no network interface {name} on this host: correct parameter device"))
    }
}

fn read_destination(text: &str) -> Option<(Option<IpAddr>, u8)> {
    if text == "default" {
        return Some((None, 0));
    }
    let (ip, prefix) = match text.split_once('/') {
        None => (text, None),
        Some((ip, prefix)) => (ip, Some(prefix.parse::<u8>().ok()?)),
    };
    let ip: IpAddr = ip.parse().ok()?;
    let most = if ip.is_ipv4() { 32 } else { 128 };
    let prefix = prefix.unwrap_or(most);
    match prefix {
        0 => Some((None, 0)),
        _ => (prefix <= most).then_some((Some(ip), prefix)),
    }
}

/// Is there a route that has all that is asked for? What was not said may be as it is.
fn is_there(netlink: &mut Netlink, wanted: &KernelRoute, settings: &Settings) -> Result<bool, Failure> {
    let routes = netlink.routes(settings.family()).map_err(reading)?;
    Ok(routes.iter().any(|route| {
        (route.destination, route.prefix, route.table) == (wanted.destination, wanted.prefix, wanted.table)
            && wanted.link.is_none_or(|link| route.link == Some(link))
            && wanted.gateway.is_none_or(|gateway| route.gateway == Some(gateway))
            && wanted.source.is_none_or(|source| route.source == Some(source))
    }))
}

fn open() -> Result<Netlink, Failure> {
    Netlink::open().map_err(|error| Failure::error(format!("opening a netlink socket: {error}")))
}

fn reading(error: io::Error) -> Failure {
    Failure::error(format!("reading this host's routes over netlink: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destinations() {
        let ip = |text: &str| Some(text.parse::<IpAddr>().unwrap());
        let cases = [
            ("default", Some((None, 0))),
            ("0.0.0.0/0", Some((None, 0))),
            ("198.51.100.0/24", Some((ip("198.51.100.0"), 24))),
            ("198.51.100.9", Some((ip("198.51.100.9"), 32))),
            ("2001:db8::/32", Some((ip("2001:db8::"), 32))),
            ("198.51.100.0/33", None),
            ("somewhere", None),
        ];
        for (text, expected) in cases {
            assert_eq!(read_destination(text), expected, "{text}");
        }
    }

    #[test]
    fn refused() {
        let cases = [
            ("device=eth0", "destination is not set"),
            ("destination=198.51.100.0/24", "neither device nor gateway"),
            ("destination=198.51.100.0/24 gateway=2001:db8::1", "one family"),
            ("destination=198.51.100.0/24 gateway=192.0.2.1 family=ip6", "one family"),
            ("destination=198.51.100.0/24 gateway=there", "gateway"),
            ("destination=198.51.100.0/24 device=eth0 family=decnet", "family"),
            ("destination=198.51.100.0/24 device=eth0 table=no-such-table", "table"),
            ("destination=default device=eth0 CRM_meta_clone=0 CRM_meta_clone_node_max=2", "clone-node-max"),
        ];
        for (line, expected) in cases {
            let mut environment = ocf::Environment::new("r", "systole", "Route", "start");
            environment.add_attributes(line.split(' ').filter_map(|word| word.split_once('=')));
            let failure = Settings::read(&Context::new(environment, Route.metadata())).err().expect(line);
            assert_eq!(failure.code, ExitCode::NotConfigured);
            assert!(failure.reason.contains(expected), "{line}: {}", failure.reason);
        }
    }
}
