//! The shared key is there, long enough, and nobody else's to read.

use super::{Authkey, Subject};
use crate::finding::Finding;

const RULE: &str = "authkey";

/// What Corosync asks for: 1024 bits.
const LEAST_BYTES: u64 = 128;

pub(super) fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let conf = subject.conf;
    let on = [("secauth", &["on"][..]), ("crypto_cipher", &["aes256", "aes192", "aes128"])];
    let needs = on
        .iter()
        .find_map(|(key, words)| conf.value(&["totem", key]).filter(|entry| words.contains(&entry.value.as_str())));
    let hash = conf.value(&["totem", "crypto_hash"]).filter(|entry| entry.value != "none");
    let (Some(needs), Some(key)) = (needs.or(hash), subject.facts.authkey) else { return Vec::new() };
    if conf.value(&["totem", "key"]).is_some() {
        return Vec::new();
    }
    let path = conf.value(&["totem", "keyfile"]).map_or("/etc/corosync/authkey", |entry| &entry.value);
    let mut findings = Vec::new();
    match key {
        Authkey::Missing => findings.push(
            Finding::error(RULE, format!("{path} is not there"))
                .at(needs.key_span)
                .why("encryption is on, so Corosync does not start without the shared key")
                .remedy("copy it from another node, or make one with corosync-keygen and copy it to all"),
        ),
        Authkey::Present { bytes, mode } => {
            if bytes < LEAST_BYTES {
                findings.push(
                    Finding::error(RULE, format!("{path} has {bytes} bytes"))
                        .at(needs.key_span)
                        .why(format!("Corosync wants {LEAST_BYTES} at least and does not start"))
                        .remedy("make a new one with corosync-keygen and copy it to all nodes"),
                );
            }
            if mode & 0o077 != 0 {
                findings.push(
                    Finding::warning(RULE, format!("{path} can be read by others (mode {:04o})", mode & 0o7777))
                        .at(needs.key_span)
                        .why("whoever reads it can take part in the cluster; Corosync does not look")
                        .remedy(format!("chmod 0400 {path}; if strangers have accounts here, make a new one")),
                );
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::Authkey;
    use super::super::tests::{expect, file};
    use crate::Facts;

    #[test]
    fn the_key_is_looked_at() {
        let with = |authkey| Facts { authkey: Some(authkey), ..Facts::default() };
        let text = file("", "", "", "");
        expect(&text, &with(Authkey::Present { bytes: 256, mode: 0o100_400 }), &[]);
        expect(&text, &with(Authkey::Missing), &["error authkey 5:5 /etc/corosync/authkey is not there"]);
        expect(
            &text,
            &with(Authkey::Present { bytes: 8, mode: 0o644 }),
            &[
                "error authkey 5:5 /etc/corosync/authkey has 8 bytes",
                "warning authkey 5:5 /etc/corosync/authkey can be read by others (mode 0644)",
            ],
        );
    }
}
