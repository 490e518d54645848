//! What portblock is told: protocol, ports, address, which half of the pair it is.

use std::net::IpAddr;
use std::path::PathBuf;

use ocf::{Context, Failure};

use super::firewall::Rule;

/// A rule with several ports takes no more of them; a range counts as two.
const MOST_PORTS: usize = 15;

/// Which half of the pair the resource is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    /// Its start blocks.
    Block,
    /// Its start unblocks.
    Unblock,
}

/// Ports and ranges of ports, as they are given.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ports {
    text: String,
    ranges: Vec<(u16, u16)>,
}

impl Ports {
    fn parse(text: &str) -> Option<Ports> {
        let range = |word: &str| {
            let (from, to) = word.split_once(':').unwrap_or((word, word));
            let port = |text: &str| text.parse::<u16>().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
            Some((port(from)?, port(to)?)).filter(|(from, to)| from <= to)
        };
        let ranges: Vec<_> = text.split(',').map(range).collect::<Option<_>>()?;
        let counted: usize = ranges.iter().map(|(from, to)| if from == to { 1 } else { 2 }).sum();
        (counted <= MOST_PORTS).then(|| Ports { text: text.to_owned(), ranges })
    }

    /// As they were given.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Is it one of them?
    pub fn contain(&self, port: u16) -> bool {
        self.ranges.iter().any(|(from, to)| (*from..=*to).contains(&port))
    }
}

/// All parameters.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// `tcp` or `udp`.
    pub protocol: String,
    /// The ports.
    pub ports: Ports,
    /// The address or network, as it was given.
    pub address: String,
    /// The address, if it is a single one.
    pub ip: Option<IpAddr>,
    /// Which half of the pair it is.
    pub side: Side,
    /// What comes in, what goes out.
    pub directions: (bool, bool),
    /// Reset this host's connections when the ports are blocked again.
    pub resets: bool,
    /// Where the list of connections is kept.
    pub tickle_directory: Option<PathBuf>,
    /// What brings the list to the other hosts.
    pub sync_script: Option<String>,
}

impl Settings {
    /// Reads the parameters.
    pub fn read(call: &Context) -> Result<Settings, Failure> {
        let protocol = call.required("protocol")?.to_owned();
        if !matches!(protocol.as_str(), "tcp" | "udp") {
            return Err(call.wrong("protocol", "tcp or udp"));
        }
        let ports = Ports::parse(call.required("portno")?).ok_or_else(|| {
            call.wrong(
                "portno",
                &format!("ports like 80,443 or 100:120, {MOST_PORTS} at most, a range counting as two"),
            )
        })?;
        let side = match call.required("action")? {
            "block" => Side::Block,
            "unblock" => Side::Unblock,
            _ => return Err(call.wrong("action", "block or unblock")),
        };
        let address = call.parameter("ip").to_owned();
        let (base, prefix) =
            address.split_once('/').map_or((address.as_str(), None), |(base, prefix)| (base, Some(prefix)));
        let base: IpAddr = base.parse().map_err(|_| call.wrong("ip", "an address, or a network as ADDRESS/PREFIX"))?;
        let width = if base.is_ipv4() { 32 } else { 128 };
        let length = prefix.map_or(Some(width), |prefix| prefix.parse::<u8>().ok().filter(|prefix| *prefix <= width));
        let length = length.ok_or_else(|| call.wrong("ip", "a prefix that is not longer than the address"))?;
        let directions = match call.parameter("direction") {
            "in" => (true, false),
            "out" => (false, true),
            "both" => (true, true),
            _ => return Err(call.wrong("direction", "in, out or both")),
        };
        let resets = call.boolean("reset_local_on_unblock_stop")?;
        let tickle_directory = Some(call.parameter("tickle_dir")).filter(|path| !path.is_empty()).map(PathBuf::from);
        if let Some(directory) = &tickle_directory {
            if !directory.is_absolute() {
                return Err(call.wrong("tickle_dir", "an absolute path"));
            }
            if side != Side::Unblock {
                return Err(Failure::not_configured(
                    "tickle_dir is set, but action is block: only the resource with action=unblock tells clients",
                ));
            }
        }
        if resets && side != Side::Unblock {
            return Err(Failure::not_configured(
                "reset_local_on_unblock_stop is set, but action is block: only the one with action=unblock resets connections",
            ));
        }
        Ok(Settings {
            ip: (length == width).then_some(base),
            // A block is of packets only; what is TCP's own cannot be done for UDP.
            resets: resets && protocol == "tcp",
            protocol,
            ports,
            address,
            side,
            directions,
            tickle_directory,
            sync_script: Some(call.parameter("sync_script").to_owned()).filter(|script| !script.is_empty()),
        })
    }

    /// The rules that block.
    pub fn rules(&self) -> Vec<Rule> {
        let (incoming, outgoing) = self.directions;
        let mut rules = Vec::new();
        if incoming {
            rules.push(Rule::drop_in(self));
        }
        if outgoing {
            rules.push(Rule::drop_out(self));
        }
        rules
    }

    /// The file with the list of connections; it has the name of the address.
    pub fn kept_file(&self) -> Option<PathBuf> {
        Some(self.tickle_directory.as_ref()?.join(self.ip?.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(changes: &[(&str, &str)]) -> Result<Settings, String> {
        let mut parameters = vec![("protocol", "tcp"), ("portno", "2049"), ("action", "unblock"), ("ip", "192.0.2.9")];
        parameters.retain(|(name, _)| changes.iter().all(|(changed, _)| changed != name));
        parameters.extend(changes);
        let mut environment = ocf::Environment::new("x", "heartbeat", "portblock", "start");
        environment.add_attributes(parameters);
        let call = Context::new(environment, super::super::describe::metadata());
        Settings::read(&call).map_err(|failure| failure.to_string())
    }

    #[test]
    fn rules_are_the_shell_agents() {
        let rules = read(&[("direction", "both"), ("portno", "111,2049:2050")]).unwrap().rules();
        let shown: Vec<String> = rules.iter().map(|rule| format!("{rule:?}").replace(['"', ','], "")).collect();
        assert_eq!(
            shown,
            [
                "Rule { chain: INPUT words: [-p tcp -d 192.0.2.9 -m multiport --dports 1112049:2050 -j DROP] }",
                "Rule { chain: OUTPUT words: [-p tcp -s 192.0.2.9 -m multiport --sports 1112049:2050 -j DROP] }"
            ]
        );
        let ports = Ports::parse("111,2049:2050").unwrap();
        assert_eq!([110, 111, 2049, 2050, 2051].map(|port| ports.contain(port)), [false, true, true, true, false]);
    }

    #[test]
    fn the_list_of_connections_needs_a_single_address() {
        let file = |ip: &str| read(&[("tickle_dir", "/t"), ("ip", ip)]).unwrap().kept_file();
        assert_eq!(file("192.0.2.9"), Some(PathBuf::from("/t/192.0.2.9")));
        assert_eq!(file("192.0.2.9/32"), Some(PathBuf::from("/t/192.0.2.9")));
        assert_eq!(file("0.0.0.0/0"), None);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (changes, words) in [
            (&[("protocol", "icmp")][..], "tcp or udp"),
            (&[("portno", "0x50")], "ports like"),
            (&[("portno", "70000")], "ports like"),
            (&[("portno", "+80")], "ports like"),
            (&[("portno", "9:8")], "ports like"),
            (&[("portno", "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16")], "15 at most"),
            (&[("action", "")], "not set"),
            (&[("action", "open")], "block or unblock"),
            (&[("ip", "host")], "an address"),
            (&[("ip", "192.0.2.0/33")], "not longer"),
            (&[("direction", "up")], "in, out or both"),
            (&[("tickle_dir", "t")], "absolute"),
            (&[("tickle_dir", "/t"), ("action", "block")], "only the resource with action=unblock"),
            (&[("reset_local_on_unblock_stop", "yes"), ("action", "block")], "only the one with action=unblock"),
        ] {
            let message = read(changes).expect_err(words);
            assert!(message.contains("not configured (6)") && message.contains(words), "{changes:?}: {message}");
        }
    }
}
