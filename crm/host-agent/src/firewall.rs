//! What filters packets on this host, and which of the cluster's ports its rules do not name. It is read, never changed;
//! and it is a hint: a rule may let hosts in by their address, or interfaces by their name, which is not followed here.
//! What really comes through, probes say ([`crate::probe`]).

use std::time::Duration;

use wire::host::Firewall;

use crate::units::{Said, hear};

/// Rules of a host with containers are many.
const MAX_RULES: u64 = 4 << 20;
/// They answer from memory.
const ASK_TIME: Duration = Duration::from_secs(10);

/// What filters packets here; nothing where nobody does, or it cannot be told.
pub fn of_this_host(ports: &[String]) -> Option<Firewall> {
    let said = |program: &str, words: &[&str]| -> Option<Said> {
        hear(program, words, ASK_TIME, MAX_RULES).ok().filter(|said| said.success)
    };
    if said("firewall-cmd", &["--state"]).is_some() {
        let rules = said("firewall-cmd", &["--list-all"])?.text;
        return Some(Firewall { what: "firewalld".into(), closed: firewalld(&rules, ports) });
    }
    if let Some(status) = said("ufw", &["status"]).filter(|said| said.text.starts_with("Status: active")) {
        return Some(Firewall { what: "ufw".into(), closed: named(&status.text, ports) });
    }
    let rules = said("nft", &["list", "ruleset"])?.text;
    refuses(&rules).then(|| Firewall { what: "nftables".into(), closed: named(&rules, ports) })
}

/// firewalld knows clusters: its service has the ports of Corosync and of pcsd, which are ours too.
fn firewalld(rules: &str, ports: &[String]) -> Vec<String> {
    let services = rules.lines().find_map(|line| line.trim().strip_prefix("services:")).unwrap_or_default();
    if services.split_whitespace().any(|service| service == "high-availability") || rules.contains("target: ACCEPT") {
        return Vec::new();
    }
    named(rules, ports)
}

/// Whether a chain that sees what comes in lets through only what it names.
fn refuses(rules: &str) -> bool {
    let mut input = false;
    for line in rules.lines().map(str::trim) {
        if line.starts_with("chain ") {
            input = false;
        }
        if line.contains("hook input") {
            if line.contains("policy drop") {
                return true;
            }
            input = true;
        }
        // A last rule of its own that refuses the rest.
        if input && (line == "drop" || line.ends_with("counter drop") || line.starts_with("reject")) {
            return true;
        }
    }
    false
}

/// Ports that rules do not name, alone or in a range.
fn named(rules: &str, ports: &[String]) -> Vec<String> {
    let is_named = |port: &&String| {
        let number: Option<u32> = port.split('/').next().and_then(|number| number.parse().ok());
        let words = rules.split(|letter: char| !letter.is_ascii_digit() && !matches!(letter, '-' | ':'));
        number.is_some_and(|number| words.into_iter().any(|word| covers(word, number)))
    };
    ports.iter().filter(|port| !is_named(port)).cloned().collect()
}

/// Whether `5405`, `5404-5412` or `5404:5412` covers a port.
fn covers(word: &str, port: u32) -> bool {
    let (first, last) = word.split_once(['-', ':']).unwrap_or((word, word));
    match (first.parse::<u32>(), last.parse::<u32>()) {
        (Ok(first), Ok(last)) => (first..=last).contains(&port),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ports() -> Vec<String> {
        ["5405/udp", "5406/udp", "2224/tcp"].map(str::to_owned).to_vec()
    }

    #[test]
    fn ports_that_rules_do_not_name_are_told() {
        let nft = "table inet filter {\n\tchain input {\n\t\ttype filter hook input priority filter; policy drop;\n\t\ttcp dport { 22, 2224 } accept\n\t\tudp dport 5404-5405 accept\n\t}\n}";
        assert!(refuses(nft));
        assert_eq!(named(nft, &ports()), ["5406/udp"]);
        assert!(!refuses(&nft.replace("policy drop", "policy accept")));
        let last = nft.replace("policy drop", "policy accept").replace("\n\t}", "\n\t\tcounter drop\n\t}");
        assert!(refuses(&last));
        let forward =
            "table ip t {\n\tchain FORWARD {\n\t\ttype filter hook forward priority 0; policy drop;\n\t\tdrop\n\t}\n}";
        assert!(!refuses(forward), "what is passed on is no matter");
    }

    #[test]
    fn ufw_and_firewalld_are_read() {
        let ufw = "Status: active\n\nTo                         Action      From\n--                         ------      ----\n5404:5412/udp              ALLOW       10.0.0.0/8\n";
        assert_eq!(named(ufw, &ports()), ["2224/tcp"]);
        let zone = "public (active)\n  target: default\n  services: ssh high-availability\n  ports: \n";
        assert_eq!(firewalld(zone, &ports()), Vec::<String>::new());
        let zone = "public (active)\n  target: default\n  services: ssh\n  ports: 5405/udp 2224/tcp\n";
        assert_eq!(firewalld(zone, &ports()), ["5406/udp"]);
    }

    #[test]
    fn ranges_cover_what_is_between() {
        assert!(covers("5405", 5405) && covers("5404-5412", 5405) && covers("5404:5405", 5405));
        for word in ["", "-", "54", "15405", "5406-5412", "5405-", "99999999999-1"] {
            assert!(!covers(word, 5405), "{word}");
        }
    }
}
