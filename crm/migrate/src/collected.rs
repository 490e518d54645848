//! What `collect` found on a host, as an archive holds it and as a value: keepalived's files under `root/`, and under
//! `facts/` what is so at this moment. Getting it is left to the shell.

use core::net::IpAddr;
use std::collections::BTreeMap;

use keepalived::{Files, Host, Model};

use crate::archive;
use crate::handover::Held;

/// Where the host's own files are in the archive.
const ROOT: &str = "root";

/// How a host is, as far as a handover matters.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Collected {
    /// The host's name.
    pub host: String,
    /// keepalived's configuration, by its path.
    pub configuration: String,
    /// How keepalived was started, the program first; empty if it does not run.
    pub arguments: Vec<String>,
    /// The unit of systemd's that it runs as; empty if systemd did not start it.
    pub unit: String,
    /// Its addresses, in the kernel's order.
    pub addresses: Vec<Held>,
    /// Whether systemd starts keepalived at boot: what `systemctl is-enabled` says; empty without systemd.
    pub enabled: String,
    /// What is mounted where: device and directory.
    pub mounts: Vec<(String, String)>,
    /// Files of the host by their paths: configuration, includes, scripts, units.
    pub files: BTreeMap<String, Vec<u8>>,
    /// All else, for people: routes, rules, kernel settings, firewall.
    pub notes: BTreeMap<String, Vec<u8>>,
}

impl Collected {
    /// As an archive.
    pub fn to_archive(&self) -> Vec<u8> {
        let mut all = BTreeMap::new();
        let mut fact = |name: &str, text: String| all.insert(format!("facts/{name}"), text.into_bytes());
        fact("host", format!("{}\n", self.host));
        fact("configuration", format!("{}\n", self.configuration));
        fact("arguments", self.arguments.iter().map(|word| format!("{word}\n")).collect());
        fact("unit", format!("{}\n", self.unit));
        let line = |one: &Held| format!("{} {}/{}\n", one.device, one.ip, one.prefix);
        fact("addresses", self.addresses.iter().map(line).collect());
        fact("enabled", format!("{}\n", self.enabled));
        fact("mounts", self.mounts.iter().map(|(what, place)| format!("{what} {place}\n")).collect());
        for (path, bytes) in &self.files {
            all.insert(format!("{ROOT}{path}"), bytes.clone());
        }
        for (name, bytes) in &self.notes {
            all.insert(format!("notes/{name}"), bytes.clone());
        }
        archive::write(&all)
    }

    /// From an archive.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn from_archive(bytes: &[u8]) -> Result<Collected, String> {
        let mut all = archive::read(bytes)?;
        let mut fact = |name: &str| {
            let bytes = all.remove(&format!("facts/{name}"));
            bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        };
        let missing =
            || "it has no facts/configuration: expected what `systole migrate keepalived collect` writes".to_owned();
        let configuration = fact("configuration").ok_or_else(missing)?.trim().to_owned();
        let lines =
            |text: Option<String>| -> Vec<String> { text.unwrap_or_default().lines().map(str::to_owned).collect() };
        let mut collected = Collected {
            host: fact("host").unwrap_or_default().trim().to_owned(),
            configuration,
            arguments: lines(fact("arguments")),
            unit: fact("unit").unwrap_or_default().trim().to_owned(),
            enabled: fact("enabled").unwrap_or_default().trim().to_owned(),
            mounts: lines(fact("mounts"))
                .iter()
                .filter_map(|line| line.split_once(' '))
                .map(|(what, place)| (what.to_owned(), place.to_owned()))
                .collect(),
            ..Collected::default()
        };
        for line in lines(fact("addresses")) {
            let held = address(&line)
                .ok_or_else(|| format!("facts/addresses has {line:?}: expected DEVICE ADDRESS/PREFIX"))?;
            collected.addresses.push(held);
        }
        for (name, bytes) in all {
            if let Some(path) = name.strip_prefix(&format!("{ROOT}/")) {
                collected.files.insert(format!("/{path}"), bytes);
            } else if let Some(name) = name.strip_prefix("notes/") {
                collected.notes.insert(name.to_owned(), bytes);
            }
        }
        if !collected.files.contains_key(&collected.configuration) {
            return Err(format!("it has no {}, which facts/configuration names", collected.configuration));
        }
        Ok(collected)
    }

    /// The files as keepalived reads them.
    pub fn to_files(&self) -> Files {
        let text = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).into_owned();
        let main = self.files.get(&self.configuration).map(text).unwrap_or_default();
        let mut files = Files::one(self.configuration.clone(), main);
        for (path, bytes) in self.files.iter().filter(|(path, _)| **path != self.configuration) {
            files.add(path, text(bytes));
        }
        files
    }

    /// What keepalived does there, by its files, and by its addresses where the files leave it to them.
    pub fn model(&self, node: &str) -> Model {
        let host = Host { config_id: node.to_owned(), instance: node.to_owned() };
        let mut model = Model::read(&self.to_files(), &host);
        let virtual_ones: Vec<IpAddr> = model
            .instances
            .iter()
            .flat_map(|one| one.addresses.iter().chain(&one.excluded))
            .map(|address| address.ip)
            .collect();
        for instance in &mut model.instances {
            let v6 = instance.addresses.first().is_some_and(|address| address.ip.is_ipv6());
            // Adverts come from the first address of the interface that is no virtual one; over IPv6 from its link-local.
            let fits = |held: &&Held| {
                Some(&held.device) == instance.interface.as_ref()
                    && !virtual_ones.contains(&held.ip)
                    && match held.ip {
                        IpAddr::V4(_) => !v6,
                        IpAddr::V6(ip) => v6 && ip.is_unicast_link_local(),
                    }
            };
            if instance.source.is_none() {
                instance.source = self.addresses.iter().find(fits).map(|held| held.ip);
            }
        }
        model
    }
}

fn address(line: &str) -> Option<Held> {
    let (device, rest) = line.split_once(' ')?;
    let (ip, prefix) = rest.split_once('/')?;
    Some(Held { ip: ip.parse().ok()?, prefix: prefix.parse().ok()?, device: device.to_owned() })
}

/// Addresses of keepalived's that more than one host holds at this moment, or none, each in a sentence with what it
/// means today.
pub fn at_this_moment(hosts: &[(String, Model, &Collected)]) -> Vec<String> {
    let mut holders: BTreeMap<IpAddr, Vec<&str>> = BTreeMap::new();
    for (_, model, _) in hosts {
        for address in model.instances.iter().flat_map(|one| one.addresses.iter().chain(&one.excluded)) {
            holders.entry(address.ip).or_default();
        }
    }
    for (host, _, collected) in hosts {
        for held in &collected.addresses {
            if let Some(list) = holders.get_mut(&held.ip).filter(|list| !list.contains(&host.as_str())) {
                list.push(host);
            }
        }
    }
    let silent: Vec<&str> =
        hosts.iter().filter(|(.., found)| found.arguments.is_empty()).map(|(host, ..)| host.as_str()).collect();
    let mut found: Vec<String> = silent.iter().map(|host| format!("keepalived does not run on {host}")).collect();
    for (ip, list) in holders {
        match list.as_slice() {
            [] => found.push(format!("nobody of these hosts holds {ip}")),
            [host] => found.push(format!("{ip} is on {host}")),
            many => found.push(format!(
                "{ip} is on {} at once: two masters that do not hear each other; nothing can be handed over before that is \
                 mended",
                many.join(" and ")
            )),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "include conf.d/*.conf\n";
    const WEB: &str = "vrrp_instance A {\ninterface eth0\nvirtual_router_id 7\npriority 100\nvirtual_ipaddress {\n10.0.0.9/24\n}\n}\n";

    fn host(name: &str, addresses: &[(&str, &str, u8)]) -> Collected {
        let held = |(device, ip, prefix): &(&str, &str, u8)| Held {
            device: (*device).to_owned(),
            ip: ip.parse().unwrap(),
            prefix: *prefix,
        };
        Collected {
            host: name.to_owned(),
            configuration: "/etc/keepalived/keepalived.conf".to_owned(),
            arguments: vec!["keepalived".into(), "-D".into()],
            unit: "keepalived.service".to_owned(),
            addresses: addresses.iter().map(held).collect(),
            enabled: "enabled".to_owned(),
            mounts: vec![("/dev/vda".into(), "/srv".into())],
            files: BTreeMap::from([
                ("/etc/keepalived/keepalived.conf".to_owned(), TEXT.into()),
                ("/etc/keepalived/conf.d/web.conf".to_owned(), WEB.into()),
            ]),
            notes: BTreeMap::from([("rules".to_owned(), b"x".to_vec())]),
        }
    }

    #[test]
    fn an_archive_holds_all_of_it() {
        let one = host("one", &[("eth0", "10.0.0.9", 24), ("eth0", "10.0.0.1", 24)]);
        let again = Collected::from_archive(&one.to_archive()).unwrap();
        assert_eq!(again, one);
        let model = again.model("one");
        assert_eq!(model.instances[0].source, Some("10.0.0.1".parse().unwrap()), "never a virtual address");
        let none = archive::write(&BTreeMap::from([("a".to_owned(), Vec::new())]));
        assert!(Collected::from_archive(&none).unwrap_err().contains("facts/configuration"));
    }

    #[test]
    fn two_masters_are_told() {
        let hosts = [host("one", &[("eth0", "10.0.0.9", 24)]), host("two", &[("eth0", "10.0.0.9", 24)])];
        let all: Vec<_> = hosts.iter().map(|one| (one.host.clone(), one.model(&one.host), one)).collect();
        assert_eq!(at_this_moment(&all[..1]), ["10.0.0.9 is on one"]);
        assert!(at_this_moment(&all)[0].starts_with("10.0.0.9 is on one and two at once"));
    }
}
