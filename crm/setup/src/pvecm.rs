//! What a line of Proxmox's `pvecm` means on a plain cluster, and what was meant by lines that circulate and do not work.

use crate::words::Wrong;

/// Words of our own, and what there is to say about them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Meant {
    /// The words, as `systole cluster setup` takes them.
    pub words: Vec<String>,
    /// What is different here, a sentence each.
    pub notes: Vec<String>,
}

/// `pvecm create NAME [--linkN ADDRESS[,priority=P]]… [--nodeid 1] [--votes 1] [--token-coefficient MS]`, on the host that
/// is called `me`.
///
/// # Errors
/// When a word cannot be taken.
pub fn create(words: &[String], me: &str) -> Result<Meant, Wrong> {
    let mut meant = Meant::default();
    let mut name = None;
    let mut links: Vec<(u32, String, Option<String>)> = Vec::new();
    let mut totem = Vec::new();
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        let Some(option) = word.strip_prefix("--").or_else(|| word.strip_prefix('-')) else {
            if name.replace(word).is_some() {
                return Err(Wrong::new(word, "expected one name: pvecm create NAME [--link0 ADDRESS]…"));
            }
            continue;
        };
        let (option, value) = match option.split_once('=') {
            Some((option, value)) => (option, value),
            None => match rest.next() {
                Some(value) => (option, value.as_str()),
                None => return Err(Wrong::new(word, "expected a value behind it")),
            },
        };
        match option {
            _ if link_number(option).is_some() => {
                let number = link_number(option).unwrap_or(0);
                let (address, priority) = link(word, value)?;
                if option.starts_with("ring") {
                    meant.notes.push(format!("{option} is what --link{number} was called before Proxmox VE 6.2"));
                }
                links.push((number, address, priority));
            }
            "bindnet0_addr" | "bindnet1_addr" | "rrp_mode" => meant.notes.push(format!(
                "{option} was for Corosync 2: with its successor a link's addresses say which network it is, and it is left out"
            )),
            "nodeid" | "votes" if value != "1" => {
                return Err(Wrong::new(word, "the first node has number 1 and one vote: `systole cluster setup` makes it so"));
            }
            "nodeid" | "votes" => {}
            "token-coefficient" | "token_coefficient" => totem.push(format!("token_coefficient={value}")),
            _ => {
                return Err(Wrong::new(
                    word,
                    "expected --linkN ADDRESS[,priority=P], --nodeid, --votes or --token-coefficient",
                ));
            }
        }
    }
    let Some(name) = name else {
        return Err(Wrong::new("create", "expected the cluster's name: pvecm create NAME [--link0 ADDRESS]…"));
    };
    links.sort_by_key(|(number, ..)| *number);
    if let Some((at, (number, ..))) = links.iter().enumerate().find(|(at, (number, ..))| *at as u32 != *number) {
        let reason = format!("links are numbered from 0, each once: expected --link{at}");
        return Err(Wrong::new(&format!("--link{number}"), reason));
    }
    meant.words = vec![name.clone(), me.to_owned()];
    meant.words.extend(links.iter().map(|(_, address, _)| format!("addr={address}")));
    if links.iter().any(|(.., priority)| priority.is_some()) {
        meant.words.extend(["transport".to_owned(), "knet".to_owned()]);
        for (number, _, priority) in &links {
            meant.words.push("link".to_owned());
            meant.words.push(format!("linknumber={number}"));
            meant.words.extend(priority.iter().map(|priority| format!("link_priority={priority}")));
        }
    }
    if !totem.is_empty() {
        meant.words.push("totem".to_owned());
        meant.words.extend(totem);
    }
    Ok(meant)
}

/// `linkN`, or as it was called before.
fn link_number(option: &str) -> Option<u32> {
    let old = option.strip_prefix("ring").and_then(|rest| rest.strip_suffix("_addr"));
    option.strip_prefix("link").or(old)?.parse().ok()
}

/// `[address=]ADDRESS[,priority=P]`.
fn link(word: &str, value: &str) -> Result<(String, Option<String>), Wrong> {
    let (mut address, mut priority) = (None, None);
    for part in value.split(',') {
        match part.split_once('=') {
            None => address = Some(part.to_owned()),
            Some(("address", value)) => address = Some(value.to_owned()),
            Some(("priority", value)) => priority = Some(value.to_owned()),
            Some((other, _)) => {
                return Err(Wrong::new(word, format!("{other}: expected ADDRESS[,priority=P]")));
            }
        }
    }
    match address.filter(|address| !address.is_empty()) {
        Some(address) => Ok((address, priority)),
        None => Err(Wrong::new(word, "expected ADDRESS[,priority=P]")),
    }
}

/// A line that circulates, and what was meant by it.
#[derive(Clone, Copy, Debug)]
pub struct Mistake {
    /// The words, in the order they come; others may stand between them.
    pub words: &'static [&'static str],
    /// What is wrong with it, and what does what was meant.
    pub answer: &'static str,
}

/// Mistakes that stand in guides.
pub const MISTAKES: &[Mistake] = &[
    Mistake {
        words: &["corosync-cfgtool", "-R"],
        answer: "it does not show rings: it lets Corosync read its file again on all nodes. `corosync-cfgtool -s` and \
                 `systole cluster status` show links; `systole cluster reload` reads again and sees that every node does",
    },
    Mistake {
        words: &["corosync-cfgtool", "-c"],
        answer: "there is no such option. `systole corosync lint` checks the file, and more than `corosync -t` does",
    },
    Mistake {
        words: &["pvecm", "expected"],
        answer: "it wants a number, `pvecm expected 1`, and changes what is expected; `pvecm status` shows it. It cannot go \
                 below the votes that are there",
    },
    Mistake { words: &["pvecm", "list"], answer: "`pvecm nodes` lists the nodes" },
    Mistake {
        words: &["pvecm", "join"],
        answer: "it is called `pvecm add`, and on a plain cluster `systole cluster node add NODE`, on a host that is a \
                 node already",
    },
    Mistake { words: &["pvecm", "remove"], answer: "it is called `pvecm delnode NODE`" },
    Mistake {
        words: &["pvecm", "links"],
        answer: "`systole cluster status` names links that are down, `corosync-cfgtool -s` shows all of this node's",
    },
    Mistake { words: &["pvecm", "qdevice", "add"], answer: "it is called `pvecm qdevice setup ADDRESS`" },
    Mistake {
        words: &["openssl", "pve-root-ca.pem", "-fingerprint"],
        answer: "that is the authority's fingerprint; joining compares the one of the host's own certificate, which \
                 `pvesh get /cluster/config/join` shows. On a plain cluster the token of `systole host-agent token` has it",
    },
    Mistake {
        words: &["token", "1000", "default"],
        answer: "the token's time is 3000 ms by default since Corosync 3, and 650 ms more for each node above two; \
                 `systole corosync explain totem.token`",
    },
    Mistake {
        words: &["systemctl", "restart", "corosync"],
        answer: "most of the file is read again while Corosync runs: `systole cluster reload`. `systole corosync explain \
                 KEY` says of each key whether that is so",
    },
    Mistake {
        words: &["nc", "-zvu"],
        answer: "a UDP port that does not answer looks open to it. `systole cluster status` says which links are connected",
    },
    Mistake {
        words: &["no-quorum-policy", "ignore"],
        answer: "then both halves of a split start everything. Two nodes want `two_node` and fencing, or better a witness: \
                 `systole quorum device add`",
    },
    Mistake {
        words: &["stonith-enabled", "false"],
        answer: "without fencing a lost node may still write to what it shared. `systole stonith test` proves a device",
    },
];

/// What was meant by a line, if it is one that circulates.
pub fn meant_by(line: &[String]) -> Option<&'static Mistake> {
    let has = |mistake: &&Mistake| {
        let mut rest = line.iter().flat_map(|word| word.split(['=', ':'])).map(|word| word.trim_end_matches(','));
        mistake.words.iter().all(|wanted| rest.any(|word| word.ends_with(wanted)))
    };
    MISTAKES.iter().find(has)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(ToOwned::to_owned).collect()
    }

    #[test]
    fn create_becomes_setup() {
        let told = |line: &str| create(&words(line), "pve1").map(|meant| meant.words.join(" "));
        assert_eq!(told("prod").unwrap(), "prod pve1");
        assert_eq!(
            told("prod --link0 10.0.1.11,priority=20 --link1=address=10.0.2.11 --votes 1").unwrap(),
            "prod pve1 addr=10.0.1.11 addr=10.0.2.11 transport knet link linknumber=0 link_priority=20 link linknumber=1"
        );
        assert_eq!(told("prod --token-coefficient 125").unwrap(), "prod pve1 totem token_coefficient=125");
        let old = create(&words("prod -bindnet0_addr 10.0.1.0 -ring0_addr 10.0.1.11"), "pve1").unwrap();
        assert_eq!(old.words, ["prod", "pve1", "addr=10.0.1.11"]);
        assert!(old.notes[0].contains("Corosync 2") && old.notes[1].contains("--link0"), "{:?}", old.notes);
        for (line, why) in [
            ("", "expected the cluster's name"),
            ("a b", "expected one name"),
            ("a --link0", "expected a value"),
            ("a --link1 10.0.0.1", "expected --link0"),
            ("a --link0 10.0.0.1 --link0 10.0.0.2", "expected --link1"),
            ("a --link0 ,priority=1", "expected ADDRESS"),
            ("a --link0 10.0.0.1,mtu=1", "mtu: expected"),
            ("a --votes 2", "one vote"),
            ("a --colour red", "expected --linkN"),
        ] {
            let error = told(line).unwrap_err().to_string();
            assert!(error.contains(why), "{line}: {error}");
        }
    }

    #[test]
    fn mistakes_are_answered_and_what_works_is_not() {
        for (line, answer) in [
            ("corosync-cfgtool -R", "does not show rings"),
            ("sudo /usr/sbin/corosync-cfgtool -c", "no such option"),
            ("pvecm expected", "wants a number"),
            ("openssl x509 -in /etc/pve/pve-root-ca.pem -fingerprint -sha256 -noout", "the authority's fingerprint"),
            ("pcs property set no-quorum-policy=ignore", "both halves"),
            ("pcs property set stonith-enabled=false", "systole stonith test"),
            ("nc -zvu 10.0.0.1 5405", "looks open"),
        ] {
            let mistake = meant_by(&words(line)).unwrap_or_else(|| panic!("{line}"));
            assert!(mistake.answer.contains(answer), "{line}: {}", mistake.answer);
        }
        for line in ["corosync-cfgtool -s", "pvecm status", "pcs property set no-quorum-policy=stop", ""] {
            assert!(meant_by(&words(line)).is_none(), "{line}");
        }
    }
}
