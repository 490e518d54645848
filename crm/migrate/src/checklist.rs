//! What has to be true after a move, asked of facts: each question with its answer and the evidence for it. Getting the
//! facts is left to the shell.

use core::net::IpAddr;

use cib::{Document, view};

use crate::collected::Collected;
use crate::handover::{Agent, agents};

/// An answer.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Answer {
    /// It is so.
    Good,
    /// It was not tried, or there is nothing it is about.
    Open,
    /// It is not.
    Bad,
}

/// A question with its answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// What is asked.
    pub question: &'static str,
    /// The answer.
    pub answer: Answer,
    /// Why: each a sentence without its full stop.
    pub evidence: Vec<String>,
}

/// What a drill showed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Drill {
    /// The host that was drained.
    pub host: String,
    /// Where its addresses were then.
    pub to: Result<String, String>,
    /// How long it took until they were there, in milliseconds.
    pub ms: u64,
    /// The directories of disks, with the hosts that had them mounted then.
    pub disks: Vec<(String, Vec<String>)>,
}

/// A disk of the configuration: its directory, and the id of what holds it.
fn disks(document: &Document) -> Vec<(String, String)> {
    let context = cib::rule::Context::at(0);
    let resources = document.descend(&["configuration", "resources"]);
    let all = resources.into_iter().flat_map(|resources| document.descendants(resources));
    let filesystems =
        all.filter(|one| document.name(*one) == "primitive" && document.attribute(*one, "type") == Some("Filesystem"));
    filesystems
        .filter_map(|one| {
            let values = view::parameters(document, one, &context);
            Some((values.get("directory")?.to_owned(), document.id(one).to_owned()))
        })
        .collect()
}

/// Where a directory is mounted.
pub fn mounted<'h>(hosts: &'h [Collected], directory: &str) -> Vec<&'h str> {
    let has = |host: &&Collected| host.mounts.iter().any(|(_, place)| place == directory.trim_end_matches('/'));
    hosts.iter().filter(has).map(|host| host.host.as_str()).collect()
}

/// Directories of all disks of a configuration.
pub fn directories(document: &Document) -> Vec<String> {
    disks(document).into_iter().map(|(directory, _)| directory).collect()
}

/// Who has an address, on whatever interface and with whatever prefix.
pub fn holders(hosts: &[Collected], ip: IpAddr) -> Vec<&str> {
    let has = |host: &&Collected| host.addresses.iter().any(|held| held.ip == ip);
    hosts.iter().filter(has).map(|host| host.host.as_str()).collect()
}

/// The checklist: `document` is the cluster's configuration, `plan` the one that was loaded.
pub fn checklist(document: &Document, plan: &Document, hosts: &[Collected], drills: &[Drill]) -> Vec<Finding> {
    let wanted: Vec<Agent> = agents(plan, "", 0);
    vec![
        alone(&wanted, hosts),
        keepalived_is_gone(hosts),
        configured(document, &wanted),
        jumps(drills),
        disk_is_there(document, hosts, &wanted, drills),
        disk_is_nowhere_else(document, hosts, drills),
    ]
}

fn finding(question: &'static str, lines: Vec<(Answer, String)>) -> Finding {
    let answer = lines.iter().map(|(answer, _)| *answer).max().unwrap_or(Answer::Open);
    Finding { question, answer, evidence: lines.into_iter().map(|(_, text)| text).collect() }
}

fn alone(wanted: &[Agent], hosts: &[Collected]) -> Finding {
    let line = |agent: &Agent| match holders(hosts, agent.ip).as_slice() {
        [] => (Answer::Bad, format!("{} is on no host", agent.ip)),
        [host] => (Answer::Good, format!("{} is on {host} alone, of {} hosts asked", agent.ip, hosts.len())),
        many => (Answer::Bad, format!("{} is on {} at once", agent.ip, many.join(" and "))),
    };
    finding("Is each address on one host alone?", wanted.iter().map(line).collect())
}

fn keepalived_is_gone(hosts: &[Collected]) -> Finding {
    let line = |host: &Collected| match (host.arguments.is_empty(), host.enabled.as_str()) {
        (false, _) => (Answer::Bad, format!("keepalived runs on {}: {}", host.host, host.arguments.join(" "))),
        (true, "enabled" | "enabled-runtime") => {
            (Answer::Bad, format!("systemd starts keepalived on {} at boot: systemctl disable keepalived", host.host))
        }
        (true, _) => (Answer::Good, format!("keepalived does not run on {}, and nothing starts it", host.host)),
    };
    finding("Is keepalived out of the way?", hosts.iter().map(line).collect())
}

fn configured(document: &Document, wanted: &[Agent]) -> Finding {
    let there = agents(document, "", 0);
    let mut lines: Vec<(Answer, String)> = wanted
        .iter()
        .map(|agent| match there.iter().find(|other| other.ip == agent.ip) {
            Some(other) => (Answer::Good, format!("{} is {} of the cluster", agent.ip, other.id)),
            None => (Answer::Bad, format!("no resource of the cluster has {}", agent.ip)),
        })
        .collect();
    if view::property(document, "maintenance-mode", 0) == Some("true") {
        lines.push((Answer::Bad, "the cluster is in maintenance-mode: it watches and moves nothing".to_owned()));
    }
    finding("Does the cluster look after the addresses?", lines)
}

fn jumps(drills: &[Drill]) -> Finding {
    let line = |drill: &Drill| match &drill.to {
        Ok(host) => {
            (Answer::Good, format!("{} drained: its addresses were on {host} within {} ms", drill.host, drill.ms))
        }
        Err(why) => (Answer::Bad, format!("{} drained: {why}", drill.host)),
    };
    let mut found = finding("Does an address jump when its host fails?", drills.iter().map(line).collect());
    if drills.is_empty() {
        found.evidence.push("not tried: --drill drains each holder and lets it come back".to_owned());
    }
    found
}

fn disk_is_there(document: &Document, hosts: &[Collected], wanted: &[Agent], drills: &[Drill]) -> Finding {
    let mut lines = Vec::new();
    for (directory, id) in disks(document) {
        let on = mounted(hosts, &directory);
        let with: Vec<&str> = wanted.iter().flat_map(|agent| holders(hosts, agent.ip)).collect();
        lines.push(match on.iter().find(|host| with.contains(host)) {
            Some(host) => (Answer::Good, format!("{directory} ({id}) is mounted on {host}, which has the address")),
            None => (Answer::Bad, format!("{directory} ({id}) is not mounted where the address is")),
        });
        for drill in drills {
            if let (Ok(to), Some((_, on))) = (&drill.to, drill.disks.iter().find(|(other, _)| *other == directory)) {
                let good = on.contains(to);
                let answer = if good { Answer::Good } else { Answer::Bad };
                let not = if good { "" } else { " not" };
                lines.push((answer, format!("with {} drained it was{not} mounted on {to}", drill.host)));
            }
        }
    }
    let none = lines.is_empty();
    let mut found = finding("Is the disk mounted on the host with the address?", lines);
    if none {
        found.evidence.push("this configuration has no disk".to_owned());
    }
    found
}

fn disk_is_nowhere_else(document: &Document, hosts: &[Collected], drills: &[Drill]) -> Finding {
    let mut lines = Vec::new();
    for (directory, id) in disks(document) {
        let now: Vec<String> = mounted(hosts, &directory).into_iter().map(str::to_owned).collect();
        let then = drills.iter().flat_map(|drill| drill.disks.iter().filter(|(other, _)| *other == directory));
        for on in std::iter::once(&now).chain(then.map(|(_, on)| on)) {
            lines.push(match on.len() {
                0 | 1 => (Answer::Good, format!("{directory} ({id}) is mounted on {}", list(on))),
                _ => (Answer::Bad, format!("{directory} ({id}) is mounted on {} at once", list(on))),
            });
        }
        for host in hosts {
            let fstab = host.files.get("/etc/fstab").map(|bytes| String::from_utf8_lossy(bytes).into_owned());
            let mounts_itself = fstab.unwrap_or_default().lines().any(|line| {
                let words: Vec<&str> = line.split_ascii_whitespace().collect();
                !line.trim_start().starts_with('#')
                    && words.get(1) == Some(&directory.as_str())
                    && !words.get(3).is_some_and(|options| options.split(',').any(|word| word == "noauto"))
            });
            if mounts_itself {
                let text = format!("/etc/fstab of {} mounts {directory} at boot: take the line out", host.host);
                lines.push((Answer::Bad, text));
            }
        }
    }
    let none = lines.is_empty();
    let mut found = finding("Is the disk mounted nowhere else?", lines);
    if none {
        found.evidence.push("this configuration has no disk".to_owned());
    }
    found
}

fn list(hosts: &[String]) -> String {
    if hosts.is_empty() { "no host".to_owned() } else { hosts.join(" and ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handover::Held;

    const CIB: &str = r#"<cib><configuration><crm_config/><nodes/><resources><group id="g">
        <primitive id="disk" class="ocf" provider="heartbeat" type="Filesystem"><instance_attributes id="d"><nvpair id="d1" name="directory" value="/srv"/></instance_attributes></primitive>
        <primitive id="ip" class="ocf" provider="heartbeat" type="IPaddr2"><instance_attributes id="i"><nvpair id="i1" name="ip" value="10.0.0.9"/></instance_attributes></primitive>
        </group></resources><constraints/></configuration></cib>"#;

    fn host(name: &str, held: bool, mounted: bool) -> Collected {
        let address = Held { ip: "10.0.0.9".parse().unwrap(), prefix: 24, device: "eth0".into() };
        Collected {
            host: name.to_owned(),
            addresses: if held { vec![address] } else { Vec::new() },
            mounts: if mounted { vec![("/dev/vda".into(), "/srv".into())] } else { Vec::new() },
            ..Collected::default()
        }
    }

    /// The answers as letters.
    fn answers(hosts: &[Collected], drills: &[Drill]) -> String {
        let cib = Document::parse(CIB).unwrap();
        let all = checklist(&cib, &cib, hosts, drills);
        all.iter()
            .map(|one| match one.answer {
                Answer::Good => '+',
                Answer::Open => '?',
                Answer::Bad => '-',
            })
            .collect()
    }

    #[test]
    fn each_question_can_be_answered_either_way() {
        let drill = |to: Result<&str, &str>, on: &[&str]| Drill {
            host: "one".into(),
            to: to.map(str::to_owned).map_err(str::to_owned),
            ms: 7,
            disks: vec![("/srv".into(), on.iter().map(|host| (*host).to_owned()).collect())],
        };
        let good = [host("one", true, true), host("two", false, false)];
        assert_eq!(answers(&good, &[]), "+++?++");
        assert_eq!(answers(&good, &[drill(Ok("two"), &["two"])]), "++++++");
        assert_eq!(answers(&good, &[drill(Err("it was nowhere"), &[])]), "+++-++");
        assert_eq!(answers(&good, &[drill(Ok("two"), &["one"])]), "++++-+");
        assert_eq!(answers(&good, &[drill(Ok("two"), &["one", "two"])]), "+++++-");
        assert_eq!(answers(&[host("one", true, true), host("two", true, false)], &[]), "-++?++");
        assert_eq!(answers(&[host("one", true, false), host("two", false, true)], &[]), "+++?-+");
        let mut late = good.clone();
        late[1].arguments = vec!["keepalived".into()];
        late[0].files.insert("/etc/fstab".into(), b"/dev/vda /srv ext4 defaults 0 0\n".to_vec());
        assert_eq!(answers(&late, &[]), "+-+?+-");
    }
}
