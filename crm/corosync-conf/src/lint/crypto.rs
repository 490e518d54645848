//! Encryption is on, and what is written about it means what it seems to mean.

use super::Subject;
use crate::edit::set_value;
use crate::finding::Finding;
use crate::model::Transport;

const RULE: &str = "crypto";

pub(super) fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let (conf, model) = (subject.conf, subject.model);
    let get = |key: &str| conf.value(&["totem", key]);
    let mut findings = Vec::new();
    let secauth = get("secauth");
    let on = secauth.is_some_and(|entry| entry.value == "on");
    let cipher = get("crypto_cipher").filter(|entry| entry.value != "none");
    let hash = get("crypto_hash").filter(|entry| entry.value != "none");
    if let Some(entry) = secauth.filter(|entry| !matches!(entry.value.as_str(), "on" | "off")) {
        findings.push(
            Finding::warning(RULE, format!("secauth is `{}`, which means off", entry.value))
                .at(entry.value_span)
                .why("only the word `on` switches it on: packets go unsigned and in clear, and nothing says so")
                .remedy("write `secauth: on`, and give all nodes the same /etc/corosync/authkey"),
        );
    } else if !on && cipher.is_none() && hash.is_none() && model.transport == Transport::Knet {
        let mut finding = Finding::warning(RULE, "packets are neither signed nor encrypted")
            .why("whoever reaches the port can take part in the cluster, and stop it")
            .remedy("write `crypto_cipher: aes256` and `crypto_hash: sha256`, and give all nodes the same /etc/corosync/authkey (corosync-keygen makes one)");
        finding.span = secauth
            .map(|entry| entry.value_span)
            .or_else(|| conf.sections(&["totem"]).first().map(|section| conf.section(*section).name_span));
        findings.push(finding);
    }
    if let (Some(cipher), None, false) = (cipher, hash, on) {
        let finding = Finding::error(RULE, "crypto_cipher needs crypto_hash")
            .at(cipher.key_span)
            .why("Corosync refuses a file with encryption and without signature")
            .remedy("write `crypto_hash: sha256`");
        findings.push(match get("crypto_hash") {
            Some(none) => finding.fix([set_value(conf, none.value_span, "sha256")]),
            None => finding,
        });
    }
    if let Some(weak) = hash.filter(|entry| matches!(entry.value.as_str(), "md5" | "sha1")) {
        findings.push(
            Finding::advice(RULE, format!("{} is an old hash", weak.value))
                .at(weak.value_span)
                .why("signatures by it are no longer thought safe")
                .remedy("write `crypto_hash: sha256` on all nodes and reload"),
        );
    }
    if let Some(key) = get("key") {
        findings.push(
            Finding::warning(RULE, "the shared key stands in the file")
                .at(key.key_span)
                .why("this file is readable by all, and is sent to support: whoever has the key can take part in the cluster")
                .remedy("make a new one with corosync-keygen, in /etc/corosync/authkey, and take the line away"),
        );
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::tests::{expect, file};
    use crate::Facts;

    #[test]
    fn off_in_other_words() {
        let plain = file("    secauth: yes\n", "", "", "");
        let plain = plain.replace("    crypto_cipher: aes256\n    crypto_hash: sha256\n", "");
        expect(&plain, &Facts::default(), &["warning crypto 5:14 secauth is `yes`, which means off"]);
        let none = plain.replace("    secauth: yes\n", "");
        expect(&none, &Facts::default(), &["warning crypto 1:1 packets are neither signed nor encrypted"]);
        expect(
            &plain.replace("secauth: yes", "crypto_cipher: aes128"),
            &Facts::default(),
            &["error crypto 5:5 crypto_cipher needs crypto_hash"],
        );
        expect(
            &plain.replace("secauth: yes", "crypto_hash: md5\n    key: abc"),
            &Facts::default(),
            &["warning crypto 6:5 the shared key stands in the file", "advice crypto 5:18 md5 is an old hash"],
        );
    }
}
