//! Words of a command line as pcs has them: names, then options behind keywords, `NAME=VALUE` each.

use corosync_conf::keys;

/// A word that cannot be taken.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("`{word}`: {reason}")]
pub struct Wrong {
    /// The word, as it was typed.
    pub word: String,
    /// What was expected instead.
    pub reason: String,
}

impl Wrong {
    pub(crate) fn new(word: &str, reason: impl Into<String>) -> Wrong {
        Wrong { word: word.to_owned(), reason: reason.into() }
    }
}

/// An option: a key of corosync.conf, and its value; an empty value takes the key away.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Setting {
    /// The word, as it was typed.
    pub word: String,
    /// The key's name in its section.
    pub key: &'static str,
    /// The value.
    pub value: String,
}

/// A family of options: pcs's name for each, and the key it stands for.
#[derive(Clone, Copy, Debug)]
pub struct Family {
    /// What the options are called, for messages: `totem`.
    pub called: &'static str,
    /// The section that the keys are in.
    pub section: &'static str,
    /// pcs's name and the key.
    pub options: &'static [(&'static str, &'static str)],
}

/// Options behind `totem`.
pub const TOTEM: Family = Family {
    called: "totem",
    section: "totem",
    options: &[
        ("block_unlisted_ips", "block_unlisted_ips"),
        ("consensus", "consensus"),
        ("downcheck", "downcheck"),
        ("fail_recv_const", "fail_recv_const"),
        ("heartbeat_failures_allowed", "heartbeat_failures_allowed"),
        ("hold", "hold"),
        ("join", "join"),
        ("max_messages", "max_messages"),
        ("max_network_delay", "max_network_delay"),
        ("merge", "merge"),
        ("miss_count_const", "miss_count_const"),
        ("send_join", "send_join"),
        ("seqno_unchanged_const", "seqno_unchanged_const"),
        ("token", "token"),
        ("token_coefficient", "token_coefficient"),
        ("token_retransmit", "token_retransmit"),
        ("token_retransmits_before_loss_const", "token_retransmits_before_loss_const"),
        ("window_size", "window_size"),
    ],
};

/// Options behind `transport knet`.
pub const KNET: Family = Family {
    called: "transport knet",
    section: "totem",
    options: &[
        ("ip_version", "ip_version"),
        ("knet_pmtud_interval", "knet_pmtud_interval"),
        ("link_mode", "link_mode"),
    ],
};

/// Options behind `transport udp` and `transport udpu`.
pub const UDP: Family = Family {
    called: "transport udp",
    section: "totem",
    options: &[("ip_version", "ip_version"), ("netmtu", "netmtu")],
};

/// Options behind `link` with knet.
pub const KNET_LINK: Family = Family {
    called: "link",
    section: "totem.interface",
    options: &[
        ("link_priority", "knet_link_priority"),
        ("linknumber", "linknumber"),
        ("mcastport", "mcastport"),
        ("ping_interval", "knet_ping_interval"),
        ("ping_precision", "knet_ping_precision"),
        ("ping_timeout", "knet_ping_timeout"),
        ("pong_count", "knet_pong_count"),
        ("transport", "knet_transport"),
    ],
};

/// Options behind `link` with udp and udpu.
pub const UDP_LINK: Family = Family {
    called: "link",
    section: "totem.interface",
    options: &[
        ("bindnetaddr", "bindnetaddr"),
        ("broadcast", "broadcast"),
        ("linknumber", "linknumber"),
        ("mcastaddr", "mcastaddr"),
        ("mcastport", "mcastport"),
        ("ttl", "ttl"),
    ],
};

/// Options behind `crypto`.
pub const CRYPTO: Family = Family {
    called: "crypto",
    section: "totem",
    options: &[("cipher", "crypto_cipher"), ("hash", "crypto_hash"), ("model", "crypto_model")],
};

/// Options behind `compression`.
pub const COMPRESSION: Family = Family {
    called: "compression",
    section: "totem",
    options: &[
        ("level", "knet_compression_level"),
        ("model", "knet_compression_model"),
        ("threshold", "knet_compression_threshold"),
    ],
};

/// Options behind `quorum`.
pub const QUORUM: Family = Family {
    called: "quorum",
    section: "quorum",
    options: &[
        ("auto_tie_breaker", "auto_tie_breaker"),
        ("last_man_standing", "last_man_standing"),
        ("last_man_standing_window", "last_man_standing_window"),
        ("wait_for_all", "wait_for_all"),
    ],
};

/// Options of `quorum device` before `model`.
pub const DEVICE: Family = Family {
    called: "device",
    section: "quorum.device",
    options: &[("sync_timeout", "sync_timeout"), ("timeout", "timeout")],
};

/// Options behind `model net`.
pub const DEVICE_NET: Family = Family {
    called: "model net",
    section: "quorum.device.net",
    options: &[
        ("algorithm", "algorithm"),
        ("connect_timeout", "connect_timeout"),
        ("force_ip_version", "force_ip_version"),
        ("host", "host"),
        ("keep_active_partition_tie_breaker", "keep_active_partition_tie_breaker"),
        ("port", "port"),
        ("tie_breaker", "tie_breaker"),
        ("tls", "tls"),
    ],
};

/// Options behind `heuristics`, besides `exec_NAME`.
pub const HEURISTICS: Family = Family {
    called: "heuristics",
    section: "quorum.device.heuristics",
    options: &[("interval", "interval"), ("mode", "mode"), ("sync_timeout", "sync_timeout"), ("timeout", "timeout")],
};

impl Family {
    /// Reads options.
    ///
    /// # Errors
    /// When a word is no option of this family, stands there twice, or its value cannot be; with what could.
    pub fn read(&self, words: &[String]) -> Result<Vec<Setting>, Wrong> {
        let mut settings: Vec<Setting> = Vec::new();
        for word in words {
            let setting = self.setting(word)?;
            if settings.iter().any(|other| other.key == setting.key) {
                return Err(Wrong::new(word, "this option stands there twice"));
            }
            settings.push(setting);
        }
        Ok(settings)
    }

    fn setting(&self, word: &str) -> Result<Setting, Wrong> {
        let names = || self.options.iter().map(|(name, _)| *name);
        let Some((name, value)) = word.split_once('=') else {
            return Err(Wrong::new(word, format!("expected a {} option, NAME=VALUE", self.called)));
        };
        let Some((_, key)) = self.options.iter().find(|(known, _)| *known == name) else {
            let list = names().collect::<Vec<_>>().join(", ");
            let meant = closest(name, names()).map_or(String::new(), |close| format!(" Did you mean {close}?"));
            return Err(Wrong::new(
                word,
                format!("no {} option is called {name}.{meant} There are: {list}", self.called),
            ));
        };
        let found = keys::find(&format!("{}.{key}", self.section)).filter(|_| !value.is_empty());
        if let Some(found) = found.filter(|found| !fits(found.kind, value)) {
            return Err(Wrong::new(word, format!("expected {}", found.kind.describe())));
        }
        if value.contains(['\n', '\r', '{', '}']) || value.trim() != value {
            return Err(Wrong::new(word, "a value is one line without braces and without blanks around it"));
        }
        Ok(Setting { word: word.to_owned(), key, value: value.to_owned() })
    }
}

/// Whether Corosync would take the value, and mean by it what is said.
fn fits(kind: keys::Kind, value: &str) -> bool {
    match kind {
        keys::Kind::Number { min, max } => {
            value.bytes().all(|byte| byte.is_ascii_digit())
                && value.parse().is_ok_and(|value| (min..=max).contains(&value))
        }
        keys::Kind::Switch => matches!(value, "0" | "1"),
        keys::Kind::Words(words) | keys::Kind::Lenient(words) => words.contains(&value),
        keys::Kind::Address | keys::Kind::Text => true,
    }
}

/// The name that is closest to a mistyped one, if any is close.
pub fn closest<'n>(typed: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let scored = names.map(|name| (strsim::jaro_winkler(typed, name), name)).filter(|(score, _)| *score > 0.8);
    scored.max_by(|(left, _), (right, _)| left.total_cmp(right)).map(|(_, name)| name)
}

/// Words in groups: those before the first keyword, and then each keyword with the words behind it.
pub fn groups<'w>(words: &'w [String], keywords: &[&str]) -> (&'w [String], Vec<(&'w str, &'w [String])>) {
    let starts: Vec<usize> = (0..words.len()).filter(|at| keywords.contains(&words[*at].as_str())).collect();
    let first = starts.first().copied().unwrap_or(words.len());
    let ends = starts.iter().skip(1).copied().chain([words.len()]);
    let grouped = starts.iter().zip(ends).map(|(start, end)| (words[*start].as_str(), &words[start + 1..end]));
    (&words[..first], grouped.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(ToOwned::to_owned).collect()
    }

    #[test]
    fn words_are_grouped_by_keywords() {
        let line = words("a b totem token=1 quorum link x=1 link");
        let (first, rest) = groups(&line, &["totem", "link", "quorum"]);
        assert_eq!(first, ["a", "b"]);
        let names: Vec<(&str, usize)> = rest.iter().map(|(name, words)| (*name, words.len())).collect();
        assert_eq!(names, [("totem", 1), ("quorum", 0), ("link", 1), ("link", 0)]);
    }

    #[test]
    fn wrong_options_are_answered_with_what_could_be() {
        let told = |family: Family, line: &str| family.read(&words(line)).unwrap_err().to_string();
        assert!(
            told(TOTEM, "tokn=5000").starts_with("`tokn=5000`: no totem option is called tokn. Did you mean token?")
        );
        assert_eq!(told(TOTEM, "token=soon"), "`token=soon`: expected a whole number from 30");
        assert_eq!(told(TOTEM, "token"), "`token`: expected a totem option, NAME=VALUE");
        assert_eq!(told(QUORUM, "wait_for_all=yes"), "`wait_for_all=yes`: expected 0 or 1");
        assert_eq!(told(TOTEM, "token=1000 token=2000"), "`token=2000`: this option stands there twice");
        assert!(told(CRYPTO, "cipher=rot13").contains("aes256"));
        assert_eq!(KNET_LINK.read(&words("link_priority=3")).unwrap()[0].key, "knet_link_priority");
        assert_eq!(TOTEM.read(&words("token=")).unwrap()[0].value, "", "takes it away");
    }

    #[test]
    fn every_option_is_a_key_that_corosync_knows() {
        for family in
            [TOTEM, KNET, UDP, KNET_LINK, UDP_LINK, CRYPTO, COMPRESSION, QUORUM, DEVICE, DEVICE_NET, HEURISTICS]
        {
            for (name, key) in family.options {
                assert!(keys::find(&format!("{}.{key}", family.section)).is_some(), "{} {name}", family.called);
            }
        }
    }
}
