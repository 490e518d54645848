//! IPsrcaddr: connections that this host begins come from a certain address, since the routes prefer it as their source.
//! The address itself is another resource's.

use std::io;
use std::net::{IpAddr, Ipv4Addr};

use ocf::{ActionMetadata, Agent, Context, ExitCode, Failure, Metadata, Parameter, Status};

use crate::netlink::{Link, Netlink, PROTOCOL_KERNEL, ROUTE_UNICAST, RawRoute, Route, SCOPE_HOST, SCOPE_LINK};
use crate::routing_table::table_number;

/// The agent.
pub struct IPsrcaddr;

/// Flag of an address that is not the first of its network on a link.
const IFA_F_SECONDARY: u32 = 1;

impl Agent for IPsrcaddr {
    fn metadata(&self) -> Metadata {
        let action = ActionMetadata::new;
        Metadata {
            name: "IPsrcaddr".into(),
            version: "1.0".into(),
            ocf_version: Some("1.0".into()),
            shortdesc: "Sets the source address of connections from this host".into(),
            longdesc:
                "Makes routes prefer an address as their source: the default route and that of the address's own \
                       network, or the route to one other network. Order it after the address. IPv4 only, and not for \
                       interfaces whose routes DHCP sets."
                    .into(),
            parameters: parameters(),
            actions: vec![
                action("start", "20s"),
                action("stop", "20s"),
                action("monitor", "20s").every("10s", "0"),
                action("validate-all", "5s"),
                action("meta-data", "5s"),
            ],
            extra_actions: vec![ocf::served::SERVE.into()],
            ..Metadata::default()
        }
    }

    fn start(&self, call: &Context) -> Result<(), Failure> {
        let settings = Settings::read(call)?;
        let mut host = Host::open(&settings)?;
        match host.status()? {
            Found::Ours => return Ok(()),
            Found::NoRoute => return Err(host.no_route()),
            Found::Another => {}
        }
        host.prefer(settings.ip)
    }

    fn stop(&self, call: &Context) -> Result<(), Failure> {
        // What cannot have been started is stopped, and so is what went with its address.
        let Ok(settings) = Settings::read(call) else { return Ok(()) };
        let Ok(mut host) = Host::open(&settings) else { return Ok(()) };
        match host.status()? {
            Found::Ours => host.restore(),
            Found::NoRoute | Found::Another => Ok(()),
        }
    }

    fn monitor(&self, call: &Context) -> Result<Status, Failure> {
        let settings = Settings::read(call)?;
        let mut host = match Host::open(&settings) {
            Err(_) if call.environment.is_probe() => return Ok(Status::Stopped),
            host => host?,
        };
        match host.status()? {
            Found::Ours => Ok(Status::Running),
            Found::NoRoute if !call.environment.is_probe() && settings.destination.is_none() => Err(host.no_route()),
            Found::NoRoute | Found::Another => Ok(Status::Stopped),
        }
    }

    fn validate(&self, call: &Context) -> Result<(), Failure> {
        let settings = Settings::read(call)?;
        match call.environment.check_level {
            Some(10) => Host::open(&settings).map(drop),
            _ => Ok(()),
        }
    }
}

fn parameters() -> Vec<Parameter> {
    let new = Parameter::new;
    vec![
        new("ipaddress", "string", "Source address", "The address to send from. It must be on this host.")
            .default_value("")
            .required(),
        new("cidr_netmask", "string", "Length of the network prefix", "Accepted for compatibility: the address says it.")
            .default_value(""),
        new(
            "destination",
            "string",
            "Destination",
            "The network whose route is to prefer the address; 0.0.0.0/0 for the default route, and with it that of the \
             address's own network.",
        )
        .default_value("0.0.0.0/0"),
        new("proto", "string", "Protocol of the route", "Who shall have made the route: a name such as static, or a number.")
            .default_value(""),
        new("metric", "string", "Metric of the route", "Only a route with this metric, or one made with it.").default_value(""),
        new("table", "string", "Routing table", "Its name or number; main if empty.").default_value(""),
    ]
}

struct Settings {
    ip: Ipv4Addr,
    /// `None` for the default route.
    destination: Option<(Ipv4Addr, u8)>,
    protocol: Option<u8>,
    metric: Option<u32>,
    table: u32,
}

impl Settings {
    fn read(call: &Context) -> Result<Settings, Failure> {
        let ip: Ipv4Addr =
            call.required("ipaddress")?.parse().map_err(|_| call.wrong("ipaddress", "an IPv4 address"))?;
        if ip.is_loopback() {
            return Err(Failure::not_configured(format!(
                "{ip} is an address of the loopback device: nothing comes back to it"
            )));
        }
        let destination = match call.parameter("destination") {
            "0.0.0.0/0" => None,
            text => {
                let network = text.split_once('/').and_then(|(network, prefix)| {
                    Some((network.parse().ok()?, prefix.parse().ok().filter(|prefix| (1..=32).contains(prefix))?))
                });
                Some(network.ok_or_else(|| call.wrong("destination", "a network such as 198.51.100.0/24"))?)
            }
        };
        let number = |name: &str| match call.parameter(name) {
            "" => Ok(None),
            text => text.parse().map(Some).map_err(|_| call.wrong(name, "a whole number")),
        };
        Ok(Settings {
            ip,
            destination,
            protocol: crate::ipaddr2::route_protocol(call)?,
            metric: number("metric")?,
            table: table_number(call.parameter("table"))
                .ok_or_else(|| call.wrong("table", "a number, or a name from /etc/iproute2/rt_tables"))?,
        })
    }

    fn like(&self) -> IpAddr {
        self.ip.into()
    }
}

/// The route that matters, and what it prefers.
enum Found {
    /// Our address.
    Ours,
    /// Another, or none.
    Another,
    /// There is no such route.
    NoRoute,
}

/// This host, with the link that has the address.
struct Host<'a> {
    settings: &'a Settings,
    netlink: Netlink,
    link: Link,
    /// Length of the address's own prefix.
    prefix: u8,
}

impl Host<'_> {
    fn open(settings: &Settings) -> Result<Host<'_>, Failure> {
        let mut netlink =
            Netlink::open().map_err(|error| Failure::error(format!("opening a netlink socket: {error}")))?;
        let addresses = netlink.addresses(settings.like()).map_err(reading)?;
        let own = addresses.iter().find(|address| address.ip == settings.like());
        let own = own.ok_or_else(|| {
            Failure::not_installed(format!(
                "{} is not on this host: order this resource after the address's, on the same node",
                settings.ip
            ))
        })?;
        let link = netlink.link_numbered(own.link).map_err(reading)?;
        let link = link.ok_or_else(|| Failure::error(format!("the interface of {} vanished", settings.ip)))?;
        if link.loopback {
            return Err(Failure::not_configured(format!(
                "{} is on the loopback device: it cannot be a preferred source",
                settings.ip
            )));
        }
        Ok(Host { settings, netlink, link, prefix: own.prefix })
    }

    /// The routes to the destination by our link, the best first.
    fn routes_to(&mut self, destination: Option<(Ipv4Addr, u8)>) -> Result<Vec<(Route, RawRoute)>, Failure> {
        let mut routes = self.netlink.raw_routes(self.settings.like()).map_err(reading)?;
        let (network, prefix) = match destination {
            None => (None, 0),
            Some((network, prefix)) => (Some(IpAddr::from(network)), prefix),
        };
        let settings = self.settings;
        routes.retain(|(route, _)| {
            (route.destination, route.prefix, route.table) == (network, prefix, settings.table)
                && route.kind == ROUTE_UNICAST
                && route.link == Some(self.link.index)
                && settings.metric.is_none_or(|metric| route.metric == metric)
        });
        routes.sort_by_key(|(route, _)| route.metric);
        Ok(routes)
    }

    fn status(&mut self) -> Result<Found, Failure> {
        let routes = self.routes_to(self.settings.destination)?;
        Ok(match routes.first() {
            Some((route, _)) if route.source == Some(self.settings.like()) => Found::Ours,
            Some(_) => Found::Another,
            // One to another network is made, not changed.
            None if self.settings.destination.is_some() => Found::Another,
            None => Found::NoRoute,
        })
    }

    fn no_route(&self) -> Failure {
        Failure::error(format!(
            "there is no default route by {}, the interface of {}",
            self.link.name, self.settings.ip
        ))
    }

    fn own_network(&self) -> (Ipv4Addr, u8) {
        let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix)).unwrap_or(0);
        (Ipv4Addr::from(u32::from(self.settings.ip) & mask), self.prefix)
    }

    fn prefer(&mut self, source: Ipv4Addr) -> Result<(), Failure> {
        let mut changes = Vec::new();
        if self.settings.destination.is_none() {
            let network = self.own_network();
            changes.push(self.routes_to(Some(network))?);
        }
        changes.push(self.routes_to(self.settings.destination)?);
        if let Some((network, prefix)) = self.settings.destination
            && changes.iter().all(Vec::is_empty)
        {
            let route = Route {
                destination: Some(network.into()),
                prefix,
                link: Some(self.link.index),
                gateway: None,
                table: self.settings.table,
                scope: SCOPE_LINK,
                kind: ROUTE_UNICAST,
                protocol: self.settings.protocol.unwrap_or(PROTOCOL_KERNEL),
                source: Some(source.into()),
                metric: self.settings.metric.unwrap_or(0),
            };
            return self.netlink.replace_route(&route, self.settings.like()).map_err(|error| changing(&route, error));
        }
        for (route, raw) in changes.iter().filter_map(|routes| routes.first()) {
            if route.source != Some(source.into()) {
                self.netlink.set_source(raw, Some(source)).map_err(|error| changing(route, error))?;
            }
        }
        Ok(())
    }

    /// The routes prefer the link's first address again, as the kernel had it.
    fn restore(&mut self) -> Result<(), Failure> {
        let addresses = self.netlink.addresses(self.settings.like()).map_err(reading)?;
        let first = addresses.iter().find_map(|address| match address.ip {
            IpAddr::V4(ip)
                if address.link == self.link.index
                    && address.flags & IFA_F_SECONDARY == 0
                    && address.scope != SCOPE_HOST
                    && ip != self.settings.ip =>
            {
                Some(ip)
            }
            _ => None,
        });
        match first {
            Some(first) => self.prefer(first),
            // Ours is the only address: the kernel chooses it of itself, and nothing says any more that we have chosen it.
            None if self.settings.destination.is_none() => self.forget(),
            None => self.delete(),
        }
    }

    /// The default route prefers no address.
    fn forget(&mut self) -> Result<(), Failure> {
        match self.routes_to(None)?.first() {
            Some((route, raw)) => self.netlink.set_source(raw, None).map_err(|error| changing(route, error)),
            None => Ok(()),
        }
    }

    fn delete(&mut self) -> Result<(), Failure> {
        for (route, _) in self.routes_to(self.settings.destination)? {
            match self.netlink.delete_route(&route, self.settings.like()) {
                Err(error) if error.raw_os_error() != Some(libc::ESRCH) => return Err(changing(&route, error)),
                _ => {}
            }
        }
        Ok(())
    }
}

fn reading(error: io::Error) -> Failure {
    Failure::error(format!("reading this host's routes and addresses over netlink: {error}"))
}

fn changing(route: &Route, error: io::Error) -> Failure {
    let network =
        route.destination.map_or("the default route".to_owned(), |ip| format!("the route to {ip}/{}", route.prefix));
    let code = match error.raw_os_error() {
        Some(libc::EPERM) => ExitCode::InsufficientPrivileges,
        _ => ExitCode::Error,
    };
    Failure::new(code, format!("changing the source address of {network}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refused() {
        let cases = [
            ("", "ipaddress is not set"),
            ("ipaddress=2001:db8::1", "an IPv4 address"),
            ("ipaddress=127.0.0.1", "loopback"),
            ("ipaddress=192.0.2.7 destination=198.51.100.0", "a network such as"),
            ("ipaddress=192.0.2.7 destination=198.51.100.0/40", "a network such as"),
            ("ipaddress=192.0.2.7 metric=low", "metric"),
            ("ipaddress=192.0.2.7 table=no-such-table", "table"),
            ("ipaddress=192.0.2.7 proto=fidonet", "proto"),
        ];
        for (line, expected) in cases {
            let mut environment = ocf::Environment::new("s", "systole", "IPsrcaddr", "start");
            environment.add_attributes(line.split(' ').filter_map(|word| word.split_once('=')));
            let failure = Settings::read(&Context::new(environment, IPsrcaddr.metadata())).err().expect(line);
            assert_eq!(failure.code, ExitCode::NotConfigured);
            assert!(failure.reason.contains(expected), "{line}: {}", failure.reason);
        }
    }
}
