//! What the lines of Corosync and its quorum device say, to cause and remedy: one entry a kind of line. Lines that tell
//! of nothing wrong are passed over.

use corosync_conf::Severity::{self, Error, Warning};

/// A kind of line.
#[derive(Clone, Copy, Debug)]
pub struct Sign {
    /// What such a line contains, in this order.
    pub fragments: &'static [&'static str],
    /// How bad it is.
    pub severity: Severity,
    /// What it means.
    pub cause: &'static str,
    /// What to do.
    pub remedy: &'static str,
}

/// What was found of one kind.
#[derive(Clone, Debug)]
pub struct Told<'t> {
    /// The kind.
    pub sign: &'static Sign,
    /// How many lines.
    pub count: usize,
    /// The first of them.
    pub first: &'t str,
    /// And the last.
    pub last: &'t str,
}

/// All kinds. Of a line that fits several the first counts.
pub const SIGNS: &[Sign] = &[
    Sign {
        fragments: &["Totem is unable to form a cluster"],
        severity: Error,
        cause: "packets do not come back: a firewall, or an address that is not this host's",
        remedy: "let UDP 5405 to 5412 through between the nodes; `systole doctor` compares names and addresses",
    },
    Sign {
        fragments: &["Corosync main process was not scheduled"],
        severity: Warning,
        cause: "the host gave Corosync no processor for longer than most of the token's time: too many guests, slow swap, \
                or a paused virtual machine",
        remedy: "`systole cluster config update totem token=…` with more than the longest pause, and less load on the host",
    },
    Sign {
        fragments: &["Received config version", "different than my config version"],
        severity: Error,
        cause: "this node came with another version of the configuration than the others run with, and left again",
        remedy: "`systole cluster sync` on a node that is right gives its file to all; then start this one",
    },
    Sign {
        fragments: &["Token has not been received"],
        severity: Warning,
        cause: "the token stayed away for most of its time: a node is slow, or packets are lost",
        remedy: "look for pauses and for links that went down at the same time; a longer token tolerates more",
    },
    Sign {
        fragments: &["A processor failed, forming new configuration"],
        severity: Warning,
        cause: "a node was not heard for the token's time and counts as lost",
        remedy: "the next membership says which; its own journal of that moment says why",
    },
    Sign {
        fragments: &["Retransmit List"],
        severity: Warning,
        cause: "packets arrive late, or not at all: a crowded network, or a node that is slower than the rest",
        remedy: "give Corosync a network of its own, and look at the slowest node's load",
    },
    Sign {
        fragments: &["FAILED TO RECEIVE"],
        severity: Error,
        cause: "this node did not receive what all others have, again and again, and was put out",
        remedy: "its network card, its cable and its MTU; `corosync-cfgtool -n` shows the MTU of each link",
    },
    Sign {
        fragments: &["possible MTU misconfiguration detected"],
        severity: Warning,
        cause: "large packets do not pass although the interface allows them: jumbo frames that a switch does not let through",
        remedy: "the same MTU on every interface and switch of the link",
    },
    Sign {
        fragments: &["host:", "has no active links"],
        severity: Error,
        cause: "no link leads to that node any more",
        remedy: "if the node runs, its cable, switch or firewall; a second link over another switch keeps one fault from \
                 being this one: `systole cluster link add`",
    },
    Sign {
        fragments: &["link:", "is down"],
        severity: Warning,
        cause: "a link to that node is down",
        remedy: "cable, switch or interface of that link; the others carry the cluster meanwhile",
    },
    Sign {
        fragments: &["Packet failed to decrypt"],
        severity: Error,
        cause: "somebody sends with another shared key: a node that was forgotten when the key was changed, or another \
                cluster at the same addresses",
        remedy: "`systole doctor` compares the keys; `systole cluster sync` gives this host's to all",
    },
    Sign {
        fragments: &["Activity suspended on this node"],
        severity: Error,
        cause: "the node lost its quorum",
        remedy: "`systole quorum status` shows who is missing",
    },
    Sign {
        fragments: &["cannot be changed at run-time"],
        severity: Warning,
        cause: "a key was changed that Corosync reads only when it starts",
        remedy: "stop and start the cluster, or put the old value back: until then the file lies",
    },
    Sign {
        fragments: &["Unable to reload config file"],
        severity: Error,
        cause: "this node refused its file and runs on with what it had",
        remedy: "`systole corosync lint` says what is wrong with the file",
    },
    Sign {
        fragments: &["failed to parse node address"],
        severity: Error,
        cause: "a name in the nodelist leads nowhere on this host",
        remedy: "/etc/hosts on every node, or addresses in the nodelist",
    },
    Sign {
        fragments: &["expected_votes", "must be configured"],
        severity: Error,
        cause: "votequorum found no nodes: a name in the nodelist leads nowhere, or there is no nodelist",
        remedy: "/etc/hosts on every node, or addresses in the nodelist",
    },
    Sign {
        fragments: &["No valid name found for local host"],
        severity: Error,
        cause: "this host is in no entry of the nodelist, by its name or by an address",
        remedy: "`systole doctor join` on a node says what does not go together",
    },
    Sign {
        fragments: &["Could only read", "bits of minimum"],
        severity: Error,
        cause: "the shared key is cut short",
        remedy: "`systole cluster authkey corosync` gives all nodes a new one",
    },
    Sign {
        fragments: &["Could not open", "authkey"],
        severity: Error,
        cause: "there is no shared key",
        remedy: "`systole cluster sync` on a node that has it",
    },
    Sign {
        fragments: &["two_node and quorum device cannot be configured at the same time"],
        severity: Error,
        cause: "with a quorum device a node alone is not enough any more",
        remedy: "`systole corosync lint --fix` takes two_node away",
    },
    Sign {
        fragments: &["configuration error:"],
        severity: Error,
        cause: "votequorum refuses what the file says of quorum, which `corosync -t` does not see",
        remedy: "`systole corosync lint` names the line",
    },
    Sign {
        fragments: &["Invalid quorum provider"],
        severity: Error,
        cause: "the quorum provider is misspelt",
        remedy: "quorum.provider: corosync_votequorum",
    },
    Sign {
        fragments: &["parse error in config"],
        severity: Error,
        cause: "Corosync does not take the file",
        remedy: "`systole corosync lint` shows the line and what to write",
    },
    Sign {
        fragments: &["Couldn't store new ring id"],
        severity: Error,
        cause: "the disk of /var/lib/corosync is full or does not take writes",
        remedy: "free space there: Corosync ends without it",
    },
    Sign {
        fragments: &["Could not set SCHED_RR"],
        severity: Warning,
        cause: "Corosync runs with the priority of any program: under load it is late",
        remedy: "in a container, let it have real-time scheduling",
    },
    Sign {
        fragments: &["Can't connect to qnetd host"],
        severity: Error,
        cause: "the witness is not reached",
        remedy: "`systole qdevice status net` on its host, and TCP 5403 through its firewall",
    },
    Sign {
        fragments: &["Connect timeout"],
        severity: Error,
        cause: "the witness does not answer in time",
        remedy: "its host, and TCP 5403 through firewalls on the way",
    },
    Sign {
        fragments: &["Server didn't send echo reply"],
        severity: Warning,
        cause: "the connection to the witness went silent, and is made anew",
        remedy: "if it comes often, the network to the witness",
    },
];

/// What lines tell, the worst first, and in the order it came.
pub fn read(text: &str) -> Vec<Told<'_>> {
    let mut found: Vec<Told<'_>> = Vec::new();
    for line in text.lines() {
        let Some(sign) = SIGNS.iter().find(|sign| contains(line, sign.fragments)) else { continue };
        match found.iter_mut().find(|told| core::ptr::eq(told.sign, sign)) {
            Some(told) => {
                told.count += 1;
                told.last = line;
            }
            None => found.push(Told { sign, count: 1, first: line, last: line }),
        }
    }
    found.sort_by_key(|told| told.sign.severity);
    found
}

fn contains(line: &str, fragments: &[&str]) -> bool {
    let mut rest = line;
    fragments.iter().all(|fragment| match rest.find(fragment) {
        Some(at) => {
            rest = &rest[at + fragment.len()..];
            true
        }
        None => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_told_with_cause_and_remedy_the_worst_first() {
        let journal = "Nov 21 10:00:00 n1 corosync[7]:   [KNET  ] link: host: 2 link: 0 is down\n\
            Nov 21 10:00:00 n1 corosync[7]:   [KNET  ] host: host: 2 has no active links\n\
            Nov 21 10:00:02 n1 corosync[7]:   [TOTEM ] Token has not been received in 2737 ms\n\
            Nov 21 10:00:03 n1 corosync[7]:   [TOTEM ] A processor failed, forming new configuration: token timed out (3650ms), waiting 4380ms for consensus.\n\
            Nov 21 10:00:09 n1 corosync[7]:   [MAIN  ] Completed service synchronization, ready to provide service.\n\
            Nov 21 10:10:00 n1 corosync[7]:   [KNET  ] link: host: 3 link: 0 is down\n";
        let told = read(journal);
        let shown: Vec<(Severity, usize, &str)> =
            told.iter().map(|told| (told.sign.severity, told.count, told.sign.fragments[0])).collect();
        assert_eq!(
            shown,
            [
                (Error, 1, "host:"),
                (Warning, 2, "link:"),
                (Warning, 1, "Token has not been received"),
                (Warning, 1, "A processor failed, forming new configuration"),
            ]
        );
        assert!(told[1].first.contains("10:00:00") && told[1].last.contains("10:10:00"));
        assert!(read("").is_empty());
    }

    #[test]
    fn of_what_votequorum_refuses_the_known_case_comes_before_the_rest() {
        let line = "Service engine 'corosync_quorum' failed to load for reason 'configuration error: two_node and quorum device cannot be configured at the same time!'";
        assert!(read(line)[0].sign.remedy.contains("--fix"));
        let line = "'configuration error: quorum.device is not compatible with last_man_standing'";
        assert!(read(line)[0].sign.cause.starts_with("votequorum refuses"));
    }

    #[test]
    fn every_kind_is_reached_by_its_own_fragments() {
        for sign in SIGNS {
            let line = sign.fragments.join(" x ");
            let first = SIGNS.iter().find(|other| contains(&line, other.fragments)).unwrap();
            assert!(core::ptr::eq(first, sign), "{line} is taken by {:?}", first.fragments);
            assert!(!sign.cause.is_empty() && !sign.remedy.is_empty(), "{line}");
        }
    }
}
