//! Virtual servers in the words of ldirectord, which serves IPVS as keepalived did, and of haproxy, which is a proxy.
//! What neither can say is told, word by word.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use keepalived::statement::Statement;

/// Words that have a counterpart, or none to lose: how often a check is made again, and what only people read.
const SAID: &[&str] = &[
    "delay_loop",
    "lb_algo",
    "lvs_sched",
    "lb_kind",
    "lvs_method",
    "persistence_timeout",
    "persistence_granularity",
    "protocol",
    "virtualhost",
    "sorry_server",
    "real_server",
    "weight",
    "inhibit_on_failure",
    "connect_timeout",
    "retry",
    "nb_get_retry",
    "connect_port",
    "url",
    "path",
    "status_code",
    "TCP_CHECK",
    "HTTP_GET",
    "SSL_GET",
    "SMTP_CHECK",
    "DNS_CHECK",
    "MISC_CHECK",
    "PING_CHECK",
    "misc_path",
    "misc_timeout",
    "name",
    "ip_family",
    "smtp_alert",
    "snmp_name",
    "delay_before_retry",
    "warmup",
    "fast_recovery",
];
/// Seconds between two checks of keepalived's, if nothing is said.
const DELAY_LOOP: &str = "60";
/// Seconds for a connection of a check.
const CONNECT_TIMEOUT: &str = "5";
/// Seconds a client stays with a server, if it stays at all and nothing is said.
const PERSISTENCE: &str = "360";

/// A file of another balancer, and what is lost in it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Balancer {
    /// The file.
    pub text: String,
    /// Words without a counterpart, and services that are left out.
    pub lost: BTreeSet<String>,
}

struct Service<'s> {
    /// Addresses with ports, or marks of the firewall.
    entries: Vec<(String, Option<String>)>,
    statement: &'s Statement,
    reals: Vec<&'s Statement>,
    /// How the first server is checked: ldirectord and haproxy check all of a service alike.
    check: Option<&'s Statement>,
}

fn value<'s>(block: &'s Statement, word: &str) -> Option<&'s str> {
    block.block.iter().rev().find(|one| one.word() == word)?.argument(1)
}

fn has(block: &Statement, word: &str) -> bool {
    block.block.iter().any(|one| one.word() == word)
}

fn endpoint(words: &[String]) -> Option<(String, Option<String>)> {
    let first = words.first()?;
    if first == "fwmark" {
        return Some((format!("fwmark {}", words.get(1)?), None));
    }
    Some((first.clone(), Some(words.get(1).cloned().unwrap_or_else(|| "0".to_owned()))))
}

fn services(servers: &[Statement]) -> Vec<Service<'_>> {
    let group =
        |name: &str| servers.iter().find(|one| one.word() == "virtual_server_group" && one.argument(1) == Some(name));
    let service = |statement: &'_ Statement| -> Vec<(String, Option<String>)> {
        match (statement.argument(1), statement.argument(2)) {
            (Some("group"), Some(name)) => {
                let lines = group(name).into_iter().flat_map(|group| &group.block);
                lines.filter_map(|line| endpoint(&line.words)).collect()
            }
            _ => endpoint(&statement.words[1..]).into_iter().collect(),
        }
    };
    servers
        .iter()
        .filter(|one| one.word() == "virtual_server")
        .map(|statement| {
            let reals: Vec<&Statement> = statement.block.iter().filter(|one| one.word() == "real_server").collect();
            let is_check = |one: &&&Statement| one.word().ends_with("_CHECK") || one.word().ends_with("_GET");
            let check =
                reals.first().and_then(|real| real.block.iter().collect::<Vec<_>>().iter().find(is_check).copied());
            Service { entries: service(statement), statement, reals, check }
        })
        .collect()
}

fn lose(statement: &Statement, lost: &mut BTreeSet<String>) {
    for inner in &statement.block {
        if !SAID.contains(&inner.word()) {
            lost.insert(inner.word().to_owned());
        }
        lose(inner, lost);
    }
}

fn joined(ip: &str, port: &str) -> String {
    if ip.contains(':') { format!("[{ip}]:{port}") } else { format!("{ip}:{port}") }
}

/// A value as both read one: without what would end it.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace(['"', '\\', '\n', '\r'], ""))
}

impl Service<'_> {
    fn is_udp(&self) -> bool {
        value(self.statement, "protocol").is_some_and(|protocol| protocol.eq_ignore_ascii_case("UDP"))
    }

    fn algorithm(&self) -> &str {
        value(self.statement, "lb_algo").or_else(|| value(self.statement, "lvs_sched")).unwrap_or("wlc")
    }

    /// Seconds a client stays with its server.
    fn persistence(&self) -> Option<&str> {
        has(self.statement, "persistence_timeout")
            .then(|| value(self.statement, "persistence_timeout").unwrap_or(PERSISTENCE))
    }

    fn request(&self) -> Option<&str> {
        let url = self.check?.block.iter().find(|one| one.word() == "url")?;
        value(url, "path")
    }

    fn status(&self) -> Option<&str> {
        let url = self.check?.block.iter().find(|one| one.word() == "url")?;
        value(url, "status_code")
    }

    fn host(&self) -> Option<&str> {
        let check = self.check.and_then(|check| value(check, "virtualhost"));
        check.or_else(|| value(self.statement, "virtualhost"))
    }

    fn timeout(&self) -> &str {
        let check = self.check.and_then(|check| value(check, "connect_timeout"));
        check.or_else(|| value(self.statement, "connect_timeout")).unwrap_or(CONNECT_TIMEOUT)
    }
}

/// ldirectord.cf.
pub(super) fn ldirectord(servers: &[Statement]) -> Balancer {
    let mut out =
        Balancer { text: "checktimeout=5\nautoreload=yes\nquiescent=no\nfork=yes\n".to_owned(), ..Balancer::default() };
    for service in services(servers) {
        lose(service.statement, &mut out.lost);
        let default = value(service.statement, "lb_kind").or_else(|| value(service.statement, "lvs_method"));
        for (ip, port) in &service.entries {
            let place = match port {
                Some(port) => joined(ip, port),
                None => ip.trim_start_matches("fwmark ").to_owned(),
            };
            let _ = writeln!(out.text, "\nvirtual={place}");
            let mut line = |text: String| out.text += &format!("\t{text}\n");
            for real in &service.reals {
                let Some((ip, Some(port))) = endpoint(&real.words[1..]) else { continue };
                let kind = forwarding(value(real, "lvs_method").or(default));
                line(format!("real={} {kind} {}", joined(&ip, &port), value(real, "weight").unwrap_or("1")));
            }
            if let Some(sorry) = service.statement.block.iter().find(|one| one.word() == "sorry_server")
                && let Some((ip, Some(port))) = endpoint(&sorry.words[1..])
            {
                line(format!("fallback={} {}", joined(&ip, &port), forwarding(default)));
            }
            line(format!("scheduler={}", service.algorithm()));
            let protocol = if port.is_none() {
                "fwm"
            } else if service.is_udp() {
                "udp"
            } else {
                "tcp"
            };
            line(format!("protocol={protocol}"));
            if let Some(seconds) = service.persistence() {
                line(format!("persistent={seconds}"));
                if let Some(mask) = value(service.statement, "persistence_granularity") {
                    line(format!("netmask={mask}"));
                }
            }
            line(format!("checkinterval={}", value(service.statement, "delay_loop").unwrap_or(DELAY_LOOP)));
            line(format!("checktimeout={}", service.timeout()));
            if let Some(port) = service.check.and_then(|check| value(check, "connect_port")) {
                line(format!("checkport={port}"));
            }
            if service.reals.iter().any(|real| has(real, "inhibit_on_failure")) {
                line("quiescent=yes".to_owned());
            }
            match service.check.map(Statement::word) {
                Some(word @ ("HTTP_GET" | "SSL_GET")) => {
                    line("checktype=negotiate".to_owned());
                    line(format!("service={}", if word == "HTTP_GET" { "http" } else { "https" }));
                    line(format!("request={}", quoted(service.request().unwrap_or("/"))));
                    if let Some(host) = service.host() {
                        line(format!("virtualhost={host}"));
                    }
                }
                Some("SMTP_CHECK") => line("checktype=negotiate\n\tservice=smtp".to_owned()),
                Some("DNS_CHECK") => {
                    line("checktype=negotiate\n\tservice=dns".to_owned());
                    let name = service.check.and_then(|check| value(check, "name")).unwrap_or(".");
                    line(format!("request={}", quoted(name)));
                }
                Some("MISC_CHECK") => {
                    let path = service.check.and_then(|check| value(check, "misc_path")).unwrap_or_default();
                    line(format!("checktype=external\n\tcheckcommand={}", quoted(path)));
                }
                Some("PING_CHECK") => line("checktype=ping".to_owned()),
                Some("TCP_CHECK") => line("checktype=connect".to_owned()),
                Some(other) => {
                    out.lost.insert(other.to_owned());
                    out.text += "\tchecktype=on\n";
                }
                None => line("checktype=on".to_owned()),
            }
        }
    }
    out
}

fn forwarding(kind: Option<&str>) -> &'static str {
    match kind {
        Some(kind) if kind.eq_ignore_ascii_case("NAT") => "masq",
        Some(kind) if kind.eq_ignore_ascii_case("TUN") => "ipip",
        _ => "gate",
    }
}

/// haproxy.cfg. A service of UDP or of a firewall's mark is left out: haproxy serves connections of TCP alone.
pub(super) fn haproxy(servers: &[Statement]) -> Balancer {
    let mut out = Balancer {
        text: "global\n    log /dev/log local0\n\ndefaults\n    log global\n    mode tcp\n    timeout connect 5s\n    timeout client \
               60s\n    timeout server 60s\n"
            .to_owned(),
        ..Balancer::default()
    };
    for service in services(servers) {
        lose(service.statement, &mut out.lost);
        let places: Vec<String> =
            service.entries.iter().filter_map(|(ip, port)| Some(joined(ip, port.as_deref()?))).collect();
        if service.is_udp() || places.len() < service.entries.len() || places.is_empty() {
            out.lost.insert(service.statement.words.join(" "));
            continue;
        }
        let _ = writeln!(out.text, "\nlisten {}", places[0].replace([':', '[', ']'], "_"));
        let mut line = |text: String| out.text += &format!("    {text}\n");
        // Backups have the file as well, without the address.
        places.iter().for_each(|place| line(format!("bind {place} transparent")));
        let balance = match service.algorithm() {
            "lc" | "wlc" | "lblc" | "lblcr" | "sed" | "nq" => "leastconn",
            "sh" | "mh" => "source",
            "fo" => "first",
            _ => "roundrobin",
        };
        line(format!("balance {balance}"));
        if let Some(seconds) = service.persistence() {
            let v6 = places[0].starts_with('[');
            let kind = if v6 { "ipv6" } else { "ip" };
            line(format!("stick-table type {kind} size 100k expire {seconds}s"));
            line("stick on src".to_owned());
        }
        let mut options = format!("check inter {}s", value(service.statement, "delay_loop").unwrap_or(DELAY_LOOP));
        match service.check.map(Statement::word) {
            Some(word @ ("HTTP_GET" | "SSL_GET")) => {
                line("option httpchk".to_owned());
                let host = service.host().map_or(String::new(), |host| format!(" ver HTTP/1.1 hdr Host {host}"));
                line(format!("http-check send meth GET uri {}{host}", service.request().unwrap_or("/")));
                let status = service.status().unwrap_or("200");
                line(format!("http-check expect status {status}"));
                if word == "SSL_GET" {
                    options += " check-ssl verify none";
                }
            }
            Some("SMTP_CHECK") => line("option smtpchk".to_owned()),
            Some("TCP_CHECK") | None => {}
            Some(other) => {
                out.lost.insert(other.to_owned());
            }
        }
        if let Some(port) = service.check.and_then(|check| value(check, "connect_port")) {
            options += &format!(" port {port}");
        }
        let mut line = |text: String| out.text += &format!("    {text}\n");
        line(format!("timeout check {}s", service.timeout()));
        let mut number = 0;
        for real in &service.reals {
            let Some((ip, Some(port))) = endpoint(&real.words[1..]) else { continue };
            number += 1;
            let weight = value(real, "weight").unwrap_or("1");
            line(format!("server server{number} {} {options} weight {weight}", joined(&ip, &port)));
        }
        if let Some(sorry) = service.statement.block.iter().find(|one| one.word() == "sorry_server")
            && let Some((ip, Some(port))) = endpoint(&sorry.words[1..])
        {
            line(format!("server sorry {} backup", joined(&ip, &port)));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use keepalived::{Files, Host, Model};

    const TEXT: &str = "virtual_server_group G {\n10.0.0.9 53\n}\nvirtual_server group G {\nprotocol UDP\nlb_kind DR\nreal_server 10.0.1.2 53 {\nDNS_CHECK {\nname a.example\n}\n}\n}\nvirtual_server 10.0.0.9 80 {\ndelay_loop 6\nlb_algo rr\nlb_kind NAT\npersistence_timeout 50\nalpha\nsorry_server 10.0.1.9 80\nreal_server 10.0.1.1 80 {\nweight 3\nHTTP_GET {\nurl {\npath /ok\nstatus_code 204\n}\nconnect_timeout 3\n}\n}\n}\n";

    fn servers() -> Vec<Statement> {
        Model::read(&Files::one("/k", TEXT), &Host::default()).servers
    }

    #[test]
    fn ldirectord_has_every_service() {
        let made = ldirectord(&servers());
        assert!(
            made.text.contains("virtual=10.0.0.9:53\n\treal=10.0.1.2:53 gate 1\n\tscheduler=wlc\n\tprotocol=udp\n"),
            "{}",
            made.text
        );
        assert!(made.text.contains("\tservice=dns\n\trequest=\"a.example\"\n"), "{}", made.text);
        let web = "virtual=10.0.0.9:80\n\treal=10.0.1.1:80 masq 3\n\tfallback=10.0.1.9:80 masq\n\tscheduler=rr\n\tprotocol=tcp\n\t\
                   persistent=50\n\tcheckinterval=6\n\tchecktimeout=3\n\tchecktype=negotiate\n\tservice=http\n\trequest=\"/ok\"\n";
        assert!(made.text.contains(web), "{}", made.text);
        assert_eq!(made.lost.into_iter().collect::<Vec<_>>(), ["alpha"]);
    }

    #[test]
    fn haproxy_has_what_is_of_tcp() {
        let made = haproxy(&servers());
        let web = "listen 10.0.0.9_80\n    bind 10.0.0.9:80 transparent\n    balance roundrobin\n    stick-table type ip size 100k \
                   expire 50s\n    stick on src\n    option httpchk\n    http-check send meth GET uri /ok\n    http-check expect \
                   status 204\n    timeout check 3s\n    server server1 10.0.1.1:80 check inter 6s weight 3\n    server sorry \
                   10.0.1.9:80 backup\n";
        assert!(made.text.contains(web), "{}", made.text);
        assert!(!made.text.contains(":53"), "{}", made.text);
        assert_eq!(made.lost.into_iter().collect::<Vec<_>>(), ["alpha", "virtual_server group G"]);
    }
}
