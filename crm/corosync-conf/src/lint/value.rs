//! A value is of its key's type and within its bounds.

use super::Subject;
use crate::conf::Entry;
use crate::edit::set_value;
use crate::finding::Finding;
use crate::keys::{Key, Kind, find};
use crate::model::{Address, address};

const RULE: &str = "value";

pub(super) fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let conf = subject.conf;
    let mut findings = Vec::new();
    for section in conf.all_sections() {
        let path = conf.path(section).join(".");
        for entry in conf.entries(section) {
            let full = format!("{path}.{}", entry.key);
            findings.extend(find(&full).and_then(|key| judge(subject, key, &full, entry)));
        }
    }
    findings
}

fn judge(subject: &Subject<'_>, key: &Key, path: &str, entry: &Entry) -> Option<Finding> {
    let value = entry.value.as_str();
    let wanted = key.kind.describe();
    match key.kind {
        Kind::Number { min, max } => {
            let fits = value.parse::<i128>().is_ok_and(|number| (i128::from(min)..=i128::from(max)).contains(&number));
            (!fits).then(|| refused(subject, key, path, entry, &wanted))
        }
        Kind::Switch => match value.parse::<u8>() {
            Ok(0 | 1) => None,
            Ok(_) => Some(
                Finding::warning(RULE, format!("{path} is `{value}`; it is meant to be 0 or 1"))
                    .at(entry.value_span)
                    .why("Corosync takes every number but 0 as 1")
                    .remedy(format!("write `{}: 1`", entry.key))
                    .fix([set_value(subject.conf, entry.value_span, "1")]),
            ),
            Err(_) => Some(refused(subject, key, path, entry, &wanted)),
        },
        Kind::Words(words) if path != "quorum.provider" && !words.contains(&value) => {
            Some(refused(subject, key, path, entry, &wanted))
        }
        // What secauth means is the rule crypto's business.
        Kind::Lenient(words) if path != "totem.secauth" && !words.contains(&value) => Some(
            Finding::warning(RULE, format!("{path} is `{value}`; it is meant to be {wanted}"))
                .at(entry.value_span)
                .why(format!("Corosync says nothing and takes the default, {}", key.default))
                .remedy(format!("give {wanted}")),
        ),
        Kind::Address if key.path != "totem.interface.bindnetaddr" && address(value) == Address::Nothing => Some(
            Finding::error(RULE, format!("{path} is `{value}`, which is neither an IP address nor a host's name"))
                .at(entry.value_span)
                .why("Corosync cannot make an address of it and refuses the file")
                .remedy(match value.split_once([' ', '\t', '#']) {
                    Some((first, _)) if address(first) != Address::Nothing => {
                        format!("nothing may follow the address on its line: `{}: {first}`", entry.key)
                    }
                    _ => "give an IP address, or a name that every node can look up".to_owned(),
                }),
        ),
        _ => None,
    }
}

fn refused(subject: &Subject<'_>, key: &Key, path: &str, entry: &Entry, wanted: &str) -> Finding {
    let value = entry.value.as_str();
    let who = if path.starts_with("quorum.device.net.") || path.starts_with("quorum.device.heuristics.") {
        "corosync-qdevice does not start with it"
    } else {
        "Corosync refuses the file"
    };
    let mended = mended(key.kind, value);
    let comment = value.contains('#');
    let remedy = match &mended {
        Some(mended) if comment => format!("a comment stands on a line of its own: `{}: {mended}`", entry.key),
        Some(mended) => format!("write `{}: {mended}`", entry.key),
        None => format!("give {wanted}; without the line it is {}", key.default),
    };
    Finding::error(RULE, format!("{path} is `{value}`; it has to be {wanted}"))
        .at(entry.value_span)
        .why(who)
        .remedy(remedy)
        .fix(mended.map(|value| set_value(subject.conf, entry.value_span, &value)))
}

/// What was plainly meant, if it is plain: what stands before a comment, other words for on and off, other letters.
fn mended(kind: Kind, value: &str) -> Option<String> {
    let bare = value.split(['#', ';']).next().unwrap_or_default().trim_end();
    // Editors and web pages leave spaces that are none.
    let bare = bare.strip_suffix("//").unwrap_or(bare).trim_matches(|c: char| c.is_whitespace() || c == '\u{200b}');
    let on = ["yes", "on", "true", "enabled"].iter().any(|word| bare.eq_ignore_ascii_case(word));
    let off = ["no", "off", "false", "disabled"].iter().any(|word| bare.eq_ignore_ascii_case(word));
    match kind {
        Kind::Number { min, max } => {
            let number: i64 = bare.parse().ok()?;
            (bare != value && (min..=max).contains(&number)).then(|| number.to_string())
        }
        Kind::Switch if on => Some("1".to_owned()),
        Kind::Switch if off => Some("0".to_owned()),
        Kind::Switch => (bare != value && matches!(bare, "0" | "1")).then(|| bare.to_owned()),
        Kind::Words(words) => {
            let same = words.iter().find(|word| word.eq_ignore_ascii_case(bare));
            let switch =
                words.iter().find(|word| on && matches!(**word, "on" | "yes") || off && matches!(**word, "off" | "no"));
            same.or(switch).map(|word| (*word).to_owned())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{expect, file};
    use crate::Facts;

    #[test]
    fn types_and_bounds() {
        expect(
            &file(
                "    token: 10000    # ten seconds\n    join: 20\n    send_join: 1,5\n    token_warning: 0x10\n    link_mode: Active\n    ip_version: v4\n",
                "",
                "    wait_for_all: yes\n    leaving_timeout: -1\n",
                "logging {\n    debug: yes\n    to_syslog: maybe\n}\n",
            ),
            &Facts::default(),
            &[
                "error value 7:12 totem.token is `10000    # ten seconds`; it has to be a whole number from 30",
                "error value 8:11 totem.join is `20`; it has to be a whole number from 30",
                "error value 9:16 totem.send_join is `1,5`; it has to be a whole number from 0",
                "error value 10:20 totem.token_warning is `0x10`; it has to be a whole number from 0 to 100",
                "error value 11:16 totem.link_mode is `Active`; it has to be passive, active or rr",
                "error value 12:17 totem.ip_version is `v4`; it has to be ipv4, ipv6, ipv4-6 or ipv6-4",
                "error value 36:19 quorum.wait_for_all is `yes`; it has to be 0 or 1",
                "error value 37:22 quorum.leaving_timeout is `-1`; it has to be a whole number from 0",
                "error value 40:12 logging.debug is `yes`; it has to be on, off or trace",
                "error value 41:16 logging.to_syslog is `maybe`; it has to be yes, no, on or off",
            ],
        );
        expect(
            &file("    block_unlisted_ips: off\n", "", "    wait_for_all: 2\n", ""),
            &Facts::default(),
            &[
                "warning value 7:25 totem.block_unlisted_ips is `off`; it is meant to be yes or no",
                "warning value 31:19 quorum.wait_for_all is `2`; it is meant to be 0 or 1",
            ],
        );
    }

    #[test]
    fn addresses_that_cannot_be() {
        let text = file("", "", "", "").replace("10.1.0.2", "10.1.0.300").replace("10.0.0.3", "10.0.0.3 # rack 2");
        expect(
            &text,
            &Facts::default(),
            &[
                "error value 19:21 nodelist.node.ring1_addr is `10.1.0.300`, which is neither an IP address nor a host's name",
                "error value 24:21 nodelist.node.ring0_addr is `10.0.0.3 # rack 2`, which is neither an IP address nor a host's name",
            ],
        );
    }
}
