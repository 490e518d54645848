//! Routes: read, added, taken away, and given another source address with everything else left as it was.

use std::io;
use std::net::{IpAddr, Ipv4Addr};

use super::{
    Header, Message, NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, NLM_F_REQUEST, Netlink, RTM_GETROUTE,
    RTM_NEWROUTE, aligned, attributes, family, octets, read_ip, u16_at, u32_at,
};

const RTM_DELROUTE: u16 = 25;
const NLM_F_REPLACE: u16 = 0x100;

const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_PRIORITY: u16 = 6;
const RTA_PREFSRC: u16 = 7;
const RTA_TABLE: u16 = 15;
/// The fixed part of a message about a route.
const ROUTE_BYTES: usize = 12;
/// Flag of a route: its gateway is on the link whatever the addresses say. The other flags tell of states.
const ONLINK: u32 = 4;

/// The main routing table.
pub const TABLE_MAIN: u32 = 254;
/// A route to a neighbour, not through a gateway.
pub const SCOPE_LINK: u8 = 253;
/// An address of this host only.
pub const SCOPE_HOST: u8 = 254;
/// A route that leads somewhere.
pub const ROUTE_UNICAST: u8 = 1;
/// Routes made by the kernel.
pub const PROTOCOL_KERNEL: u8 = 2;
/// Routes made by whoever did not say.
pub const PROTOCOL_BOOT: u8 = 3;

/// A route.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Route {
    /// Where it leads; `None` for the default route.
    pub destination: Option<IpAddr>,
    /// Length of the prefix, 0 for the default route.
    pub prefix: u8,
    /// The link it leaves by.
    pub link: Option<u32>,
    /// The router it leads through.
    pub gateway: Option<IpAddr>,
    /// Routing table.
    pub table: u32,
    /// Scope, such as [`SCOPE_LINK`].
    pub scope: u8,
    /// Kind, such as [`ROUTE_UNICAST`].
    pub kind: u8,
    /// Who made it, such as [`PROTOCOL_KERNEL`].
    pub protocol: u8,
    /// The source address it asks for.
    pub source: Option<IpAddr>,
    /// The lower, the better.
    pub metric: u32,
}

/// A route as the kernel told it, with all that we do not understand.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RawRoute(Vec<u8>);

impl Netlink {
    /// Every route of the family that `like` is of, in every table.
    pub fn routes(&mut self, like: IpAddr) -> io::Result<Vec<Route>> {
        self.exchange(dump(like), |header: &Header, body| route(header.kind, body).map(|route| route.0))
    }

    /// The same, each with what it takes to change it.
    pub fn raw_routes(&mut self, like: IpAddr) -> io::Result<Vec<(Route, RawRoute)>> {
        self.exchange(dump(like), |header: &Header, body| {
            route(header.kind, body).map(|(route, body)| (route, RawRoute(body.to_vec())))
        })
    }

    /// Adds a route. Fails with `EEXIST` if there is one to the same place with the same metric.
    pub fn add_route(&mut self, route: &Route, like: IpAddr) -> io::Result<()> {
        self.tell(message(RTM_NEWROUTE, NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, route, like))
    }

    /// Adds a route in the place of one to the same network with the same metric, if there is one.
    pub fn replace_route(&mut self, route: &Route, like: IpAddr) -> io::Result<()> {
        self.tell(message(RTM_NEWROUTE, NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE, route, like))
    }

    /// Takes a route away. Fails with `ESRCH` if there is none.
    pub fn delete_route(&mut self, route: &Route, like: IpAddr) -> io::Result<()> {
        self.tell(message(RTM_DELROUTE, NLM_F_REQUEST | NLM_F_ACK, route, like))
    }

    /// Gives a route another preferred source address, or none.
    pub fn set_source(&mut self, route: &RawRoute, source: Option<Ipv4Addr>) -> io::Result<()> {
        let mut out = Message::new(RTM_NEWROUTE, NLM_F_REQUEST | NLM_F_ACK | NLM_F_REPLACE);
        out.bytes(&with_source(&route.0, source));
        self.tell(out)
    }

    /// Does a route lead there?
    pub fn reaches(&mut self, ip: IpAddr) -> io::Result<bool> {
        let mut message = Message::new(RTM_GETROUTE, NLM_F_REQUEST | NLM_F_ACK);
        message.bytes(&[family(ip), if ip.is_ipv4() { 32 } else { 128 }, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        message.attribute(RTA_DST, &octets(ip));
        match self.exchange(message, |_, _| None::<()>) {
            Ok(_) => Ok(true),
            Err(error) => match error.raw_os_error() {
                Some(libc::ENETUNREACH | libc::EHOSTUNREACH | libc::EACCES | libc::EINVAL) => Ok(false),
                _ => Err(error),
            },
        }
    }
}

fn dump(like: IpAddr) -> Message {
    let mut message = Message::new(RTM_GETROUTE, NLM_F_REQUEST | NLM_F_DUMP);
    message.bytes(&[family(like), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    message
}

fn route(kind: u16, body: &[u8]) -> Option<(Route, &[u8])> {
    (kind == RTM_NEWROUTE).then(|| read_route(body).map(|route| (route, body))).flatten()
}

pub(super) fn read_route(body: &[u8]) -> Option<Route> {
    let mut route = Route {
        prefix: *body.get(1)?,
        table: u32::from(*body.get(4)?),
        protocol: *body.get(5)?,
        scope: *body.get(6)?,
        kind: *body.get(7)?,
        ..Route::default()
    };
    for (kind, value) in attributes(body.get(ROUTE_BYTES..)?) {
        match kind {
            RTA_DST => route.destination = read_ip(value),
            RTA_OIF => route.link = u32_at(value, 0),
            RTA_GATEWAY => route.gateway = read_ip(value),
            RTA_PREFSRC => route.source = read_ip(value),
            RTA_PRIORITY => route.metric = u32_at(value, 0)?,
            RTA_TABLE => route.table = u32_at(value, 0)?,
            _ => {}
        }
    }
    Some(route)
}

fn message(kind: u16, flags: u16, route: &Route, like: IpAddr) -> Message {
    let mut message = Message::new(kind, flags);
    // A number too large for the fixed part stands in the attribute alone.
    let table = u8::try_from(route.table).unwrap_or(0);
    message.bytes(&[family(like), route.prefix, 0, 0, table, route.protocol, route.scope, route.kind, 0, 0, 0, 0]);
    message.attribute(RTA_TABLE, &route.table.to_ne_bytes());
    for (kind, ip) in [(RTA_DST, route.destination), (RTA_GATEWAY, route.gateway), (RTA_PREFSRC, route.source)] {
        if let Some(ip) = ip {
            message.attribute(kind, &octets(ip));
        }
    }
    if let Some(link) = route.link {
        message.attribute(RTA_OIF, &link.to_ne_bytes());
    }
    if route.metric != 0 {
        message.attribute(RTA_PRIORITY, &route.metric.to_ne_bytes());
    }
    message
}

/// The body of a message about a route, with this preferred source in the place of whatever it had.
fn with_source(body: &[u8], source: Option<Ipv4Addr>) -> Vec<u8> {
    let (fixed, mut rest) = body.split_at(ROUTE_BYTES.min(body.len()));
    let mut out = fixed.to_vec();
    if let Some(flags) = out.get_mut(8..ROUTE_BYTES) {
        let kept = u32_at(fixed, 8).unwrap_or(0) & ONLINK;
        flags.copy_from_slice(&kept.to_ne_bytes());
    }
    // Whole attributes are carried over, marks in their kind included.
    while let (Some(length), Some(kind)) = (u16_at(rest, 0).map(usize::from), u16_at(rest, 2)) {
        let Some(whole) = rest.get(..length).filter(|whole| whole.len() >= 4) else { break };
        if kind != RTA_PREFSRC {
            out.extend(whole);
            out.resize(aligned(out.len()), 0);
        }
        rest = rest.get(aligned(length)..).unwrap_or(&[]);
    }
    if let Some(source) = source {
        out.extend(8_u16.to_ne_bytes());
        out.extend(RTA_PREFSRC.to_ne_bytes());
        out.extend(source.octets());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Route {
        Route {
            destination: Some(IpAddr::from([198, 51, 100, 0])),
            prefix: 24,
            link: Some(3),
            gateway: Some(IpAddr::from([192, 0, 2, 1])),
            table: 1000,
            scope: 0,
            kind: ROUTE_UNICAST,
            protocol: PROTOCOL_BOOT,
            source: Some(IpAddr::from([192, 0, 2, 7])),
            metric: 50,
        }
    }

    #[test]
    fn a_route_goes_out_and_comes_back() {
        let bytes = message(RTM_NEWROUTE, 0, &example(), IpAddr::from([0; 4])).finish(1);
        assert_eq!(read_route(&bytes[16..]), Some(example()));
    }

    #[test]
    fn another_source_changes_nothing_else() {
        let bytes = message(RTM_NEWROUTE, 0, &example(), IpAddr::from([0; 4])).finish(1);
        let source = Ipv4Addr::new(192, 0, 2, 9);
        for wanted in [Some(source), None] {
            let changed = with_source(&bytes[16..], wanted);
            assert_eq!(read_route(&changed), Some(Route { source: wanted.map(IpAddr::from), ..example() }));
        }
        for length in 0..bytes.len() - 16 {
            let _ = with_source(&bytes[16..16 + length], Some(source));
        }
    }
}
