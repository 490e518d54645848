//! Options of the engine: `cluster config update` and `quorum update`.

use corosync_conf::keys::{self, Change};
use corosync_conf::{Conf, Model, edit};

use super::{Unfit, finish, set_all, with_two_node};
use crate::words::{COMPRESSION, CRYPTO, Family, KNET, QUORUM, TOTEM, UDP, Wrong, groups};

/// A changed file, and what has to be so that it takes effect.
#[derive(Clone, Debug)]
pub struct Changed {
    /// The file.
    pub conf: Conf,
    /// Keys that a reload does not change: Corosync has to be stopped everywhere.
    pub restart: Vec<String>,
}

/// Changes options as `[transport …] [compression …] [crypto …] [totem …]` says.
///
/// # Errors
/// When a word cannot be taken, or the result would be refused.
pub fn update(conf: &Conf, words: &[String]) -> Result<Changed, Unfit> {
    let (first, rest) = groups(words, &["transport", "compression", "crypto", "totem"]);
    if let Some(word) = first.first() {
        return Err(Wrong::new(word, "expected transport, compression, crypto or totem, and options behind it").into());
    }
    if rest.iter().all(|(_, words)| words.is_empty()) {
        return Err(Unfit::Wish(
            "expected options to change: [transport …] [compression …] [crypto …] [totem …]".into(),
        ));
    }
    let knet = Model::of(conf).transport == corosync_conf::model::Transport::Knet;
    let mut changed = Changed { conf: conf.clone(), restart: Vec::new() };
    for (keyword, words) in rest {
        let family = match keyword {
            "totem" => TOTEM,
            "transport" if knet => KNET,
            "transport" => UDP,
            _ if !knet => return Err(Wrong::new(keyword, "only the transport knet can do this").into()),
            "crypto" => CRYPTO,
            _ => COMPRESSION,
        };
        changed = apply(changed, family, words)?;
    }
    Ok(Changed { conf: finish(&changed.conf)?, ..changed })
}

/// Changes votequorum's options. All of them are read when Corosync starts.
///
/// # Errors
/// As [`update`].
pub fn update_quorum(conf: &Conf, words: &[String]) -> Result<Changed, Unfit> {
    if words.is_empty() {
        return Err(Unfit::Wish(
            "expected options: auto_tie_breaker, last_man_standing, last_man_standing_window, wait_for_all".into(),
        ));
    }
    let changed = apply(Changed { conf: conf.clone(), restart: Vec::new() }, QUORUM, words)?;
    Ok(Changed { conf: finish(&with_two_node(changed.conf)?)?, ..changed })
}

fn apply(mut changed: Changed, family: Family, words: &[String]) -> Result<Changed, Unfit> {
    let settings = family.read(words)?;
    for setting in &settings {
        let path = format!("{}.{}", family.section, setting.key);
        if keys::find(&path).is_some_and(|key| key.change == Change::Restart) {
            changed.restart.push(path);
        }
    }
    changed.conf = set_all(changed.conf, &[family.section], &settings)?;
    Ok(changed)
}

/// The cluster under another name; Corosync reads it when it starts.
///
/// # Errors
/// When the name cannot be written.
pub fn rename(conf: &Conf, name: &str) -> Result<Changed, Unfit> {
    super::new::check_cluster_name(name)?;
    let conf = edit::set(conf, &["totem", "cluster_name"], name)?;
    Ok(Changed { conf: finish(&conf)?, restart: vec!["totem.cluster_name".into()] })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "totem {\n  version: 2\n  token: 3000\n  transport: knet\n}\nnodelist {\n  node {\n    ring0_addr: 10.0.0.1\n    name: a\n    nodeid: 1\n  }\n}\nquorum {\n  provider: corosync_votequorum\n}\n";

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(ToOwned::to_owned).collect()
    }

    #[test]
    fn options_are_set_and_taken_away_in_place() {
        let changed = update(&Conf::parse(FILE), &words("totem token=5000 crypto cipher=aes256 hash=sha256")).unwrap();
        let text = changed.conf.text();
        assert!(text.contains("token: 5000\n  transport: knet\n  crypto_cipher: aes256\n"), "{text}");
        assert!(changed.restart.is_empty());
        let back = update(&changed.conf, &words("totem token=")).unwrap();
        assert!(!back.conf.text().contains("token"), "{}", back.conf.text());
        assert_eq!(super::super::version(&back.conf), Some(2));
    }

    #[test]
    fn what_a_reload_does_not_change_is_told() {
        let changed = update(&Conf::parse(FILE), &words("transport ip_version=ipv4 totem token=1000")).unwrap();
        assert_eq!(changed.restart, ["totem.ip_version"]);
        let changed = update_quorum(&Conf::parse(FILE), &words("wait_for_all=1")).unwrap();
        assert!(changed.conf.text().contains("wait_for_all: 1"));
        let changed = rename(&Conf::parse(FILE), "hacl2").unwrap();
        assert!(changed.conf.text().contains("cluster_name: hacl2"));
        assert_eq!(changed.restart, ["totem.cluster_name"]);
        assert!(rename(&Conf::parse(FILE), "a b").is_err());
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let told = |line: &str| update(&Conf::parse(FILE), &words(line)).unwrap_err().to_string();
        assert!(told("token=1000").contains("expected transport, compression"));
        assert!(told("").contains("expected options to change"));
        assert!(told("totem token=5").contains("expected a whole number from 30"));
    }
}
