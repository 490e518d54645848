//! The file of a new cluster.

use corosync_conf::{Conf, edit};

use super::{MAX_LINKS, Node, Unfit, check, set_all, with_two_node};
use crate::words::{
    COMPRESSION, CRYPTO, Family, KNET, KNET_LINK, QUORUM, Setting, TOTEM, UDP, UDP_LINK, Wrong, closest, groups,
};

/// What `cluster setup` asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wish {
    /// The cluster's name.
    pub name: String,
    /// Its nodes, with the addresses that were named; none for the one that their host agents are called at.
    pub nodes: Vec<Node>,
    transport: Transport,
    options: Vec<(Family, Vec<Setting>)>,
    links: Vec<Vec<Setting>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Transport {
    Knet,
    Udp,
    Udpu,
}

impl PartialEq for Family {
    fn eq(&self, other: &Family) -> bool {
        self.called == other.called
    }
}

impl Eq for Family {}

const KEYWORDS: &[&str] = &["transport", "totem", "quorum"];
const KNET_KEYWORDS: &[&str] = &["link", "compression", "crypto"];

/// Reads `NAME NODE [addr=ADDRESS]… … [transport …] [totem …] [quorum …]`, as pcs does.
///
/// # Errors
/// When a word cannot be taken.
pub fn read(words: &[String]) -> Result<Wish, Wrong> {
    let (first, rest) = groups(words, KEYWORDS);
    let Some((name, node_words)) = first.split_first() else {
        return Err(Wrong::new(
            "",
            "expected a name for the cluster, then its nodes: setup NAME NODE [addr=ADDRESS]… …",
        ));
    };
    let nodes = nodes(node_words)?;
    if nodes.is_empty() {
        return Err(Wrong::new(name, "expected nodes behind the cluster's name: setup NAME NODE [addr=ADDRESS]… …"));
    }
    check_cluster_name(name)?;
    let mut wish =
        Wish { name: name.clone(), nodes, transport: Transport::Knet, options: Vec::new(), links: Vec::new() };
    for (position, (keyword, words)) in rest.iter().enumerate() {
        if rest[..position].iter().any(|(other, _)| other == keyword) {
            return Err(Wrong::new(keyword, "this word stands there twice"));
        }
        match *keyword {
            "transport" => wish.read_transport(words)?,
            "totem" => wish.options.push((TOTEM, TOTEM.read(words)?)),
            _ => wish.options.push((QUORUM, QUORUM.read(words)?)),
        }
    }
    Ok(wish)
}

/// Nodes with the addresses behind them.
///
/// # Errors
/// When a name cannot be, stands there twice, or an address has no node before it.
pub fn nodes(words: &[String]) -> Result<Vec<Node>, Wrong> {
    let mut nodes: Vec<Node> = Vec::new();
    for word in words {
        if let Some((option, value)) = word.split_once('=') {
            let Some(node) = nodes.last_mut() else {
                return Err(Wrong::new(word, "expected a node's name before its addresses"));
            };
            if option != "addr" {
                return Err(Wrong::new(word, "nodes have no other option than addr=ADDRESS"));
            }
            check_address(word, value)?;
            if node.addresses.len() == MAX_LINKS {
                return Err(Wrong::new(word, format!("a node has at most {MAX_LINKS} addresses, one a link")));
            }
            node.addresses.push(value.to_owned());
        } else {
            check_name(word)?;
            if nodes.iter().any(|node| node.name == *word) {
                return Err(Wrong::new(word, "this node stands there twice"));
            }
            nodes.push(Node { name: word.clone(), addresses: Vec::new() });
        }
    }
    Ok(nodes)
}

/// Names of nodes are names of hosts.
pub(crate) fn check_name(word: &str) -> Result<(), Wrong> {
    let fit = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '.' | '_');
    if word.len() > 64 || !word.chars().all(fit) || !word.starts_with(|letter: char| letter.is_ascii_alphanumeric()) {
        return Err(Wrong::new(word, "expected a node's name: at most 64 letters, digits, dots and dashes"));
    }
    Ok(())
}

/// A cluster's name goes into every packet.
pub(super) fn check_cluster_name(word: &str) -> Result<(), Wrong> {
    let fit = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '.' | '_');
    if word.is_empty() || word.len() > 255 || !word.chars().all(fit) {
        return Err(Wrong::new(
            word,
            "expected a cluster's name: at most 255 letters, digits, dots, dashes and underlines",
        ));
    }
    Ok(())
}

/// Addresses that would bring each host to itself cannot join hosts.
pub(crate) fn check_address(word: &str, address: &str) -> Result<(), Wrong> {
    use corosync_conf::model::{Address, address as read};
    let wrong = |reason: &str| Err(Wrong::new(word, reason));
    let parsed: Option<core::net::IpAddr> = address.parse().ok();
    if parsed.is_some_and(|ip| ip.is_loopback() || ip.is_unspecified() || ip.is_multicast()) || address == "localhost" {
        return wrong("this address leads each host to itself, or to nobody: expected one that the other nodes reach");
    }
    let name = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '.' | '_');
    if parsed.is_none() && !(read(address) == Address::Name && !address.is_empty() && address.chars().all(name)) {
        return wrong("expected an IP address or a host's name");
    }
    Ok(())
}

impl Wish {
    /// Sets options for `totem` that follow from something else.
    ///
    /// # Errors
    /// When one is named as well: then nobody knows which is meant.
    pub fn derived(&mut self, words: &[String]) -> Result<(), Wrong> {
        let settings = TOTEM.read(words)?;
        let named = self.options.iter().filter(|(family, _)| *family == TOTEM).flat_map(|(_, settings)| settings);
        if let Some(both) = named.into_iter().find(|setting| settings.iter().any(|other| other.key == setting.key)) {
            return Err(Wrong::new(
                &both.word,
                "this follows from --failover-within or --tolerate-pause: name one of them",
            ));
        }
        self.options.push((TOTEM, settings));
        Ok(())
    }

    fn read_transport(&mut self, words: &[String]) -> Result<(), Wrong> {
        let Some((kind, words)) = words.split_first() else {
            return Err(Wrong::new("transport", "expected knet, udp or udpu behind it"));
        };
        self.transport = match kind.as_str() {
            "knet" => Transport::Knet,
            "udp" => Transport::Udp,
            "udpu" => Transport::Udpu,
            _ => {
                let meant = closest(kind, ["knet", "udp", "udpu"].into_iter());
                let meant = meant.map_or(String::new(), |close| format!("; did you mean {close}?"));
                return Err(Wrong::new(kind, format!("expected knet, udp or udpu{meant}")));
            }
        };
        let (first, rest) = groups(words, KNET_KEYWORDS);
        let (family, link) = if self.transport == Transport::Knet { (KNET, KNET_LINK) } else { (UDP, UDP_LINK) };
        self.options.push((family, family.read(first)?));
        for (keyword, words) in rest {
            let family = match keyword {
                "link" => {
                    self.links.push(link.read(words)?);
                    continue;
                }
                "crypto" => CRYPTO,
                _ => COMPRESSION,
            };
            if self.transport != Transport::Knet {
                return Err(Wrong::new(keyword, "only knet can do this: transport knet"));
            }
            self.options.push((family, family.read(words)?));
        }
        Ok(())
    }

    /// The file. All nodes have their addresses now.
    ///
    /// # Errors
    /// When the parts do not go together.
    pub fn conf(&self) -> Result<Conf, Unfit> {
        let links = self.same_links()?;
        let mut conf = Conf::parse(String::new());
        let mut totem = vec![("version", "2"), ("config_version", "1"), ("cluster_name", &self.name)];
        totem.push((
            "transport",
            match self.transport {
                Transport::Knet => "knet",
                Transport::Udp => "udp",
                Transport::Udpu => "udpu",
            },
        ));
        if self.transport == Transport::Knet {
            totem.extend([("crypto_cipher", "aes256"), ("crypto_hash", "sha256")]);
        }
        for (key, value) in totem {
            conf = edit::set(&conf, &["totem", key], value)?;
        }
        for (family, settings) in self.options.iter().filter(|(family, _)| family.section == "totem") {
            // What is set empty is what a new file does not have anyhow.
            debug_assert!(family.section == "totem");
            conf = set_all(conf, &["totem"], settings)?;
        }
        conf = self.with_interfaces(conf, links)?;
        for (position, node) in self.nodes.iter().enumerate() {
            conf = super::nodes::push(&conf, node, position as u32 + 1)?;
        }
        conf = edit::set(&conf, &["quorum", "provider"], "corosync_votequorum")?;
        for (_, settings) in self.options.iter().filter(|(family, _)| family.section == "quorum") {
            conf = set_all(conf, &["quorum"], settings)?;
        }
        conf = with_two_node(conf)?;
        for (key, value) in [
            ("to_logfile", "yes"),
            ("logfile", "/var/log/corosync/corosync.log"),
            ("to_syslog", "yes"),
            ("timestamp", "on"),
        ] {
            conf = edit::set(&conf, &["logging", key], value)?;
        }
        check(&conf)?;
        Ok(conf)
    }

    /// How many links all nodes have.
    fn same_links(&self) -> Result<usize, Unfit> {
        let count = self.nodes[0].addresses.len();
        let most = if self.transport == Transport::Knet { MAX_LINKS } else { 1 };
        for node in &self.nodes {
            if node.addresses.len() != count || count == 0 {
                return Err(Unfit::Wish(format!(
                    "{} has {} addresses, {} has {count}: every node needs one for each link",
                    node.name,
                    node.addresses.len(),
                    self.nodes[0].name
                )));
            }
        }
        let mut seen: Vec<(&str, &str)> = Vec::new();
        for (node, address) in self.nodes.iter().flat_map(|node| node.addresses.iter().map(|one| (&node.name, one))) {
            if let Some((_, other)) = seen.iter().find(|(known, _)| known == address) {
                return Err(Unfit::Wish(format!(
                    "{address} is the address of {other} and of {node}: each needs its own"
                )));
            }
            seen.push((address, node));
        }
        if count > most {
            return Err(Unfit::Wish(format!("{count} addresses a node: this transport has at most {most} links")));
        }
        Ok(count)
    }

    fn with_interfaces(&self, mut conf: Conf, links: usize) -> Result<Conf, Unfit> {
        let mut taken = Vec::new();
        for settings in &self.links {
            let named = settings.iter().find(|setting| setting.key == "linknumber");
            let free = || (0..MAX_LINKS).map(|number| number.to_string()).find(|number| !taken.contains(number));
            let number = match named {
                Some(setting) => setting.value.clone(),
                None => free().unwrap_or_default(),
            };
            let word = named.map_or("link", |setting| &setting.word);
            if !number.parse::<usize>().is_ok_and(|number| number < links) {
                return Err(Wrong::new(
                    word,
                    format!("there are {links} links, from 0: the nodes have as many addresses"),
                )
                .into());
            }
            if taken.contains(&number) {
                return Err(Wrong::new(word, "options of this link stand there twice").into());
            }
            let others: Vec<&Setting> =
                settings.iter().filter(|setting| setting.key != "linknumber" && !setting.value.is_empty()).collect();
            if !others.is_empty() {
                conf = edit::add_section(&conf, &["totem", "interface"])?;
                let section = super::last(&conf, &["totem", "interface"])?;
                conf = edit::set_in(&conf, section, "linknumber", &number)?;
                for setting in others {
                    let section = super::last(&conf, &["totem", "interface"])?;
                    conf = edit::set_in(&conf, section, setting.key, &setting.value)?;
                }
            }
            taken.push(number);
        }
        Ok(conf)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(ToOwned::to_owned).collect()
    }

    fn made(line: &str) -> String {
        read(&words(line)).unwrap().conf().unwrap().text().to_owned()
    }

    fn refused(line: &str) -> String {
        match read(&words(line)) {
            Err(wrong) => wrong.to_string(),
            Ok(wish) => wish.conf().unwrap_err().to_string(),
        }
    }

    #[test]
    fn two_nodes_with_two_links() {
        let text = made(
            "hacl node1 addr=10.0.0.1 addr=10.1.0.1 node2 addr=10.0.0.2 addr=10.1.0.2 transport knet link linknumber=1 \
             link_priority=10 totem token=5000 quorum wait_for_all=1",
        );
        let expected = "\
totem {
    version: 2
    config_version: 1
    cluster_name: hacl
    transport: knet
    crypto_cipher: aes256
    crypto_hash: sha256
    token: 5000
    interface {
        linknumber: 1
        knet_link_priority: 10
    }
}

nodelist {
    node {
        ring0_addr: 10.0.0.1
        ring1_addr: 10.1.0.1
        name: node1
        nodeid: 1
    }
    node {
        ring0_addr: 10.0.0.2
        ring1_addr: 10.1.0.2
        name: node2
        nodeid: 2
    }
}

quorum {
    provider: corosync_votequorum
    wait_for_all: 1
    two_node: 1
}

logging {
    to_logfile: yes
    logfile: /var/log/corosync/corosync.log
    to_syslog: yes
    timestamp: on
}
";
        assert_eq!(text, expected);
    }

    #[test]
    fn two_node_mode_is_for_two_nodes_that_nothing_else_decides_between() {
        assert!(!made("c a addr=10.0.0.1 b addr=10.0.0.2 d addr=10.0.0.3").contains("two_node"));
        assert!(!made("c a addr=10.0.0.1 b addr=10.0.0.2 quorum auto_tie_breaker=1").contains("two_node"));
    }

    #[test]
    fn what_cannot_work_is_refused_before_any_host_is_touched() {
        for (line, why) in [
            ("", "expected a name for the cluster"),
            ("c", "expected nodes"),
            ("c addr=10.0.0.1", "expected a node's name before"),
            ("c a adr=10.0.0.1", "nodes have no other option"),
            ("c a a", "stands there twice"),
            ("c a addr=127.0.0.1", "leads each host to itself"),
            ("c a addr=10.0.0.300", "expected an IP address"),
            ("c a addr=10.0.0.1 b addr=10.0.0.1", "is the address of a and of b"),
            ("c a addr=10.0.0.1 addr=10.1.0.1 b addr=10.0.0.2", "every node needs one for each link"),
            ("c a/b addr=10.0.0.1", "expected a node's name"),
            ("c a addr=10.0.0.1 transport knt", "did you mean knet?"),
            ("c a addr=10.0.0.1 transport", "expected knet, udp or udpu behind it"),
            ("c a addr=10.0.0.1 transport udpu crypto cipher=aes256", "only knet can do this"),
            ("c a addr=10.0.0.1 transport knet link linknumber=1 mcastport=5", "there are 1 links"),
            ("c a addr=10.0.0.1 addr=10.1.0.1 transport udpu", "at most 1 links"),
            ("c a addr=10.0.0.1 totem consensus=10", "consensus"),
            ("c a addr=10.0.0.1 totem totem", "stands there twice"),
        ] {
            let said = refused(line);
            assert!(said.contains(why), "{line}: {said}");
        }
    }
}
