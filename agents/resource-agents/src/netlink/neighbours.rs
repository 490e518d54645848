//! What this host remembers of its neighbours on a link, and how much the link has received.

use std::io;
use std::net::{IpAddr, Ipv4Addr};

use super::{
    Header, Message, NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, Netlink, RTM_GETLINK, RTM_NEWLINK, attributes, family,
    read_ip, u32_at,
};

const RTM_NEWNEIGH: u16 = 28;
const RTM_GETNEIGH: u16 = 30;
const NDA_DST: u16 = 1;
const NDA_CACHEINFO: u16 = 3;
const IFLA_STATS64: u16 = 23;

impl Netlink {
    /// The IPv4 neighbours on a link, the one that was heard of last first.
    pub fn neighbours(&mut self, link: u32) -> io::Result<Vec<IpAddr>> {
        let mut message = Message::new(RTM_GETNEIGH, NLM_F_REQUEST | NLM_F_DUMP);
        message.bytes(&[family(Ipv4Addr::UNSPECIFIED.into()), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        let mut found = self.exchange(message, |header: &Header, body| {
            (header.kind == RTM_NEWNEIGH).then(|| read_neighbour(body)).flatten().filter(|(on, _, _)| *on == link)
        })?;
        found.sort_by_key(|(_, ip, age)| (*age, *ip));
        Ok(found.into_iter().map(|(_, ip, _)| ip).collect())
    }

    /// How many packets the link has received.
    pub fn received_packets(&mut self, link: u32) -> io::Result<u64> {
        let message = Message::link(RTM_GETLINK, NLM_F_REQUEST | NLM_F_ACK, link, 0, 0);
        let counts = self.exchange(message, |header: &Header, body| {
            let mut all =
                (header.kind == RTM_NEWLINK).then(|| attributes(body.get(16..).unwrap_or(&[]))).into_iter().flatten();
            all.find_map(|(kind, value)| (kind == IFLA_STATS64).then(|| value.get(..8)).flatten())
                .map(|count| u64::from_ne_bytes(count.try_into().expect("8 bytes")))
        })?;
        counts.first().copied().ok_or_else(|| io::Error::other("the kernel did not count"))
    }
}

/// The link, the address, and how long ago it was confirmed.
fn read_neighbour(body: &[u8]) -> Option<(u32, IpAddr, u32)> {
    let (mut ip, mut age) = (None, u32::MAX);
    for (kind, value) in attributes(body.get(12..)?) {
        match kind {
            NDA_DST => ip = read_ip(value),
            NDA_CACHEINFO => age = u32_at(value, 0)?,
            _ => {}
        }
    }
    Some((u32_at(body, 4)?, ip?, age))
}
