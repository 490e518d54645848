//! Digests of operation parameters, byte for byte those of Pacemaker: how a changed configuration is told from an
//! unchanged one. Which parameters an operation has is for the policy to say.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use md5::{Digest as _, Md5};

use crate::Pairs;

/// The parameters of one operation by name, `CRM_meta_*` included.
pub type Parameters = BTreeMap<String, String>;

/// What holds names and values, in the byte order of names.
pub trait Named {
    /// All of them.
    fn pairs(&self) -> impl Iterator<Item = (&str, &str)>;
}

impl Named for Parameters {
    fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl Named for Pairs {
    fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.iter()
    }
}

/// The parameters that are secret in every agent whose metadata does not say otherwise.
pub const SECRET_BY_DEFAULT: [&str; 3] = ["passwd", "password", "user"];

/// MD5 in hexadecimal.
pub fn md5(text: &str) -> String {
    const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    let digest = Md5::digest(text.as_bytes());
    digest.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|digit| DIGITS[usize::from(digit)]).collect()
}

/// The digest of exactly these parameters: the MD5 of ` <parameters a="v" …/>` with a blank in front, a line end
/// behind and the names in byte order.
///
/// ```
/// use cib::digest::{of, Parameters};
/// // What every operation without parameters has in every Pacemaker cluster.
/// assert_eq!(of(&Parameters::new()), "f2317cad3d54cec5d7d7aa7d0bf35cf8");
/// ```
pub fn of(parameters: &impl Named) -> String {
    of_pairs(parameters.pairs())
}

fn of_pairs<'p>(parameters: impl Iterator<Item = (&'p str, &'p str)>) -> String {
    // Room for the parameters of most agents.
    let mut text = String::with_capacity(256);
    text.push_str(" <parameters");
    for (name, value) in parameters {
        text.push(' ');
        text.push_str(name);
        text.push_str("=\"");
        let plain = |byte: u8| !byte.is_ascii_control() && !matches!(byte, b'<' | b'>' | b'&' | b'"');
        if value.bytes().all(plain) {
            text.push_str(value);
            text.push('"');
            continue;
        }
        for character in value.chars() {
            match character {
                '<' => text.push_str("&lt;"),
                '>' => text.push_str("&gt;"),
                '&' => text.push_str("&amp;"),
                '"' => text.push_str("&quot;"),
                control if control.is_ascii_control() => {
                    let _ = write!(text, "&#x{:02X};", control as u32);
                }
                other => text.push(other),
            }
        }
        text.push('"');
    }
    text.push_str("/>\n");
    md5(&text)
}

/// What counts in a digest: no `CRM_meta_*` (but `CRM_meta_timeout` when the operation recurs), none of the names the
/// cluster adds itself.
fn counts(name: &str, interval_ms: u64) -> bool {
    if name.starts_with("CRM_meta_") {
        return name == "CRM_meta_timeout" && interval_ms > 0;
    }
    !matches!(name, "id" | "crm_feature_set" | "op-digest" | "on_node" | "on_node_uuid" | "pcmk_external_ip")
}

/// `op-digest`: over all parameters that count.
pub fn all(parameters: &impl Named, interval_ms: u64) -> String {
    of_pairs(parameters.pairs().filter(|(name, _)| counts(name, interval_ms)))
}

/// `op-restart-digest`: over the parameters that cannot be reloaded (`op-force-restart` lists them).
pub fn restart(parameters: &impl Named, interval_ms: u64, force_restart: &[&str]) -> String {
    of_pairs(parameters.pairs().filter(|(name, _)| counts(name, interval_ms) && force_restart.contains(name)))
}

/// `op-secure-digest`: over all but the secret parameters (`op-secure-params` lists them).
pub fn secure(parameters: &impl Named, interval_ms: u64, secret: &[&str]) -> String {
    of_pairs(parameters.pairs().filter(|(name, _)| counts(name, interval_ms) && !secret.contains(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(pairs: &[(&str, &str)]) -> Parameters {
        pairs.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect()
    }

    #[test]
    fn empty_is_the_well_known_digest() {
        assert_eq!(of(&Parameters::new()), "f2317cad3d54cec5d7d7aa7d0bf35cf8");
    }

    #[test]
    fn meta_does_not_count_but_the_timeout_of_recurring_does() {
        let some = parameters(&[("CRM_meta_timeout", "20000"), ("CRM_meta_name", "monitor"), ("id", "x"), ("ip", "1")]);
        assert_eq!(all(&some, 0), of(&parameters(&[("ip", "1")])));
        assert_eq!(all(&some, 10_000), of(&parameters(&[("CRM_meta_timeout", "20000"), ("ip", "1")])));
    }

    #[test]
    fn restart_and_secure_take_their_part() {
        let some = parameters(&[("ip", "1"), ("passwd", "secret"), ("state", "/x")]);
        assert_eq!(restart(&some, 0, &["state"]), of(&parameters(&[("state", "/x")])));
        assert_eq!(secure(&some, 0, &SECRET_BY_DEFAULT), of(&parameters(&[("ip", "1"), ("state", "/x")])));
    }

    #[test]
    fn escapes_as_the_peer_writes_it() {
        let text = " <parameters a=\"&lt;&amp;&quot;&gt;&#x0A;'é\"/>\n";
        assert_eq!(of(&parameters(&[("a", "<&\">\n'é")])), md5(text));
    }
}
