//! The quorum device: a host that is no node and only votes, so that of two halves one goes on.

use corosync_conf::votequorum::{Cluster, Rules};
use corosync_conf::{Conf, Model, edit};

use super::new::check_address;
use super::{Unfit, finish, set_all, with_two_node};
use crate::words::{DEVICE, DEVICE_NET, HEURISTICS, Setting, Wrong, groups};

const SECTION: [&str; 2] = ["quorum", "device"];
const NET: [&str; 3] = ["quorum", "device", "net"];
const COMMANDS: [&str; 3] = ["quorum", "device", "heuristics"];

/// The words of a command line, read.
struct Words {
    generic: Vec<Setting>,
    net: Vec<Setting>,
    heuristics: Vec<Setting>,
    /// `exec_NAME` with its command.
    commands: Vec<(String, String)>,
}

/// The host that a command line names, if it names one.
pub fn host(words: &[String]) -> Option<&str> {
    words.iter().find_map(|word| word.strip_prefix("host=")).filter(|host| !host.is_empty())
}

/// The host of the device that a file has.
pub fn host_of(conf: &Conf) -> Option<String> {
    conf.value(&["quorum", "device", "net", "host"]).map(|entry| entry.value.clone())
}

/// Whether corosync-qdevice and QNetd know each other by certificates.
pub fn is_encrypted(conf: &Conf) -> bool {
    conf.value(&["quorum", "device", "net", "tls"]).is_none_or(|entry| entry.value != "off")
}

/// The file with a quorum device: `[OPTION=VALUE]… model net host=HOST algorithm=ffsplit|lms [OPTION=VALUE]…
/// [heuristics OPTION=VALUE…]`. Votes follow from the algorithm, and `two_node` goes.
///
/// # Errors
/// When there is one already, a word cannot be taken, or the result would be refused.
pub fn add(conf: &Conf, words: &[String]) -> Result<Conf, Unfit> {
    if Model::of(conf).quorum.device.is_some() {
        return Err(Unfit::Wish(
            "the cluster has a quorum device: `systole quorum device update` changes it, `remove` takes it away".into(),
        ));
    }
    let quorum = Model::of(conf).quorum;
    for (key, on) in [
        ("auto_tie_breaker", quorum.auto_tie_breaker),
        ("last_man_standing", quorum.last_man_standing),
        ("allow_downscale", quorum.allow_downscale),
    ] {
        if on.is_some() {
            return Err(Unfit::Wish(format!(
                "{key} does not go with a quorum device, which does the same better: `systole quorum update {key}=` takes \
                 it away while the cluster is stopped"
            )));
        }
    }
    let words = read(conf, words, true)?;
    for needed in ["host", "algorithm"] {
        if !words.net.iter().any(|setting| setting.key == needed && !setting.value.is_empty()) {
            return Err(Unfit::Wish(format!("expected {needed}=… behind `model net`")));
        }
    }
    let mut conf = conf.clone();
    // What an earlier device left, without a model, would get one.
    while let Some(section) = conf.sections(&SECTION).first().copied() {
        conf = edit::remove_section(&conf, section)?;
    }
    let conf = edit::set(&conf, &["quorum", "device", "model"], "net")?;
    finish(&with_two_node(with_votes(with(conf, &words)?)?)?)
}

/// The file with a changed device; an empty value takes an option away.
///
/// # Errors
/// When there is none, a word cannot be taken, or the result would be refused.
pub fn update(conf: &Conf, words: &[String]) -> Result<Conf, Unfit> {
    need(conf)?;
    if words.iter().all(|word| !word.contains('=')) {
        return Err(Unfit::Wish(
            "expected options to change: [timeout=… sync_timeout=…] [model …] [heuristics …]".into(),
        ));
    }
    let words = read(conf, words, false)?;
    if let Some(setting) = words.net.iter().find(|it| it.value.is_empty() && matches!(it.key, "host" | "algorithm")) {
        return Err(Wrong::new(&setting.word, "a device needs it: `quorum device remove` takes the device away").into());
    }
    finish(&with_votes(with(conf.clone(), &words)?)?)
}

/// The file without the device. Of two nodes each is enough again.
///
/// # Errors
/// When there is none.
pub fn remove(conf: &Conf) -> Result<Conf, Unfit> {
    need(conf)?;
    let mut conf = conf.clone();
    while let Some(section) = conf.sections(&SECTION).first().copied() {
        conf = edit::remove_section(&conf, section)?;
    }
    finish(&with_two_node(conf)?)
}

fn need(conf: &Conf) -> Result<(), Unfit> {
    match Model::of(conf).quorum.device {
        Some(_) => Ok(()),
        None => Err(Unfit::Wish("the cluster has no quorum device: `systole quorum device add` gives it one".into())),
    }
}

fn read(conf: &Conf, words: &[String], new: bool) -> Result<Words, Unfit> {
    let (generic, rest) = groups(words, &["model", "heuristics"]);
    let mut read =
        Words { generic: DEVICE.read(generic)?, net: Vec::new(), heuristics: Vec::new(), commands: Vec::new() };
    if new && !rest.iter().any(|(keyword, _)| *keyword == "model") {
        return Err(Unfit::Wish("expected `model net host=HOST algorithm=ffsplit|lms`".into()));
    }
    for (keyword, words) in rest {
        if keyword == "heuristics" {
            let (commands, options): (Vec<_>, Vec<_>) =
                words.iter().cloned().partition(|word| word.starts_with("exec_"));
            read.heuristics.extend(HEURISTICS.read(&options)?);
            read.commands = commands.iter().map(|word| command(word)).collect::<Result<_, _>>()?;
            continue;
        }
        let words = match words.split_first() {
            Some((model, words)) if model == "net" => words,
            Some((other, _)) if !other.contains('=') => {
                return Err(Wrong::new(other, "the only model of a quorum device is net").into());
            }
            _ if new => return Err(Wrong::new(keyword, "expected net behind it, the only model there is").into()),
            _ => words,
        };
        read.net.extend(DEVICE_NET.read(words)?);
    }
    read.net.iter().try_for_each(|setting| check(conf, setting))?;
    Ok(read)
}

/// What a list of allowed values does not say.
fn check(conf: &Conf, setting: &Setting) -> Result<(), Wrong> {
    match setting.key {
        "host" if !setting.value.is_empty() => check_address(&setting.word, &setting.value),
        "algorithm" if !matches!(setting.value.as_str(), "" | "ffsplit" | "lms") => Err(Wrong::new(
            &setting.word,
            "expected ffsplit, one vote to exactly one half, or lms, with which the last node that is left goes on",
        )),
        "tie_breaker" if !matches!(setting.value.as_str(), "" | "lowest" | "highest") => {
            let ids: Vec<String> =
                Model::of(conf).nodes.iter().filter_map(|node| Some(node.id.as_ref()?.value.to_string())).collect();
            match ids.contains(&setting.value) {
                true => Ok(()),
                false => Err(Wrong::new(
                    &setting.word,
                    format!("expected lowest, highest, or a node's id: {}", ids.join(", ")),
                )),
            }
        }
        _ => Ok(()),
    }
}

/// `exec_NAME=COMMAND`: corosync-qdevice runs it without a shell.
fn command(word: &str) -> Result<(String, String), Wrong> {
    let (name, value) =
        word.split_once('=').ok_or_else(|| Wrong::new(word, "expected exec_NAME=/ABSOLUTE/PATH and arguments"))?;
    let fit = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_');
    if name == "exec_" || !name.chars().all(fit) {
        return Err(Wrong::new(word, "a name is of letters, digits, dashes and underlines"));
    }
    if !value.is_empty() && !value.starts_with('/') {
        return Err(Wrong::new(word, "expected a command with its absolute path"));
    }
    Ok((name.to_owned(), value.to_owned()))
}

fn with(conf: Conf, words: &Words) -> Result<Conf, Unfit> {
    let conf = set_all(conf, &SECTION, &words.generic)?;
    let conf = set_all(conf, &NET, &words.net)?;
    let mut conf = set_all(conf, &COMMANDS, &words.heuristics)?;
    for (name, command) in &words.commands {
        let path = [COMMANDS[0], COMMANDS[1], COMMANDS[2], name];
        conf = match command.as_str() {
            "" => edit::remove(&conf, &path)?,
            command => edit::set(&conf, &path, command)?,
        };
    }
    Ok(conf)
}

/// The votes that the algorithm needs: one, or with `lms` as many as Corosync counts by itself.
fn with_votes(conf: Conf) -> Result<Conf, Unfit> {
    let lms = conf.value(&["quorum", "device", "net", "algorithm"]).is_some_and(|entry| entry.value == "lms");
    let votes = ["quorum", "device", "votes"];
    Ok(if lms { edit::remove(&conf, &votes)? } else { edit::set(&conf, &votes, "1")? })
}

/// Whether the nodes that run are enough by themselves, as long as a device that the file may have has no vote: while it
/// is made known, started again, or gone.
pub fn quorate_without(conf: &Conf, running: &[String]) -> bool {
    let model = Model::of(conf);
    let Some(rules) = Rules::of(&model) else { return false };
    let lost: Vec<u32> = model
        .nodes
        .iter()
        .filter(|node| !running.contains(&node.called()))
        .filter_map(|node| Some(node.id.as_ref()?.value))
        .collect();
    let mut cluster = Cluster::running(rules);
    cluster.device(false);
    cluster.lose(&lost);
    !cluster.quorate().is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(nodes: usize) -> Conf {
        let node = |id| format!("  node {{\n    ring0_addr: 10.0.0.{id}\n    name: n{id}\n    nodeid: {id}\n  }}\n");
        let list: String = (1..=nodes).map(node).collect();
        let two_node = if nodes == 2 { "  two_node: 1\n" } else { "" };
        Conf::parse(format!(
            "totem {{\n  version: 2\n  cluster_name: hacl\n  config_version: 3\n  transport: knet\n}}\nnodelist {{\n{list}}}\nquorum {{\n  provider: corosync_votequorum\n{two_node}}}\n"
        ))
    }

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(ToOwned::to_owned).collect()
    }

    const ADD: &str =
        "timeout=20000 model net host=10.0.0.9 algorithm=ffsplit tie_breaker=2 heuristics mode=on exec_ping=/bin/true";

    #[test]
    fn a_device_comes_changes_and_goes() {
        let before = file(2);
        let conf = add(&before, &words(ADD)).unwrap();
        let expected = "  device {\n    model: net\n    timeout: 20000\n    votes: 1\n    net {\n      host: 10.0.0.9\n      algorithm: ffsplit\n      tie_breaker: 2\n    }\n    heuristics {\n      mode: on\n      exec_ping: /bin/true\n    }\n  }\n}\n";
        assert!(conf.text().ends_with(expected), "{}", conf.text());
        assert!(!conf.text().contains("two_node"));
        assert_eq!((super::super::version(&conf), host_of(&conf).as_deref()), (Some(4), Some("10.0.0.9")));
        assert!(is_encrypted(&conf));

        let lms = update(&conf, &words("timeout= model algorithm=lms tls=off heuristics exec_ping=")).unwrap();
        for gone in ["votes: 1", "timeout: 20000", "exec_ping"] {
            assert!(!lms.text().contains(gone), "{gone}: {}", lms.text());
        }
        assert!(!is_encrypted(&lms));
        assert!(update(&lms, &words("model net algorithm=ffsplit")).unwrap().text().contains("votes: 1"));

        let without = remove(&lms).unwrap();
        assert_eq!(without.text(), before.text().replace("config_version: 3", "config_version: 6"));
    }

    #[test]
    fn what_cannot_be_is_refused_with_what_could() {
        let told = |line: &str| add(&file(2), &words(line)).unwrap_err().to_string();
        for (line, why) in [
            ("", "expected `model net host=HOST algorithm=ffsplit|lms`"),
            ("model disk host=10.0.0.9", "the only model of a quorum device is net"),
            ("model", "expected net behind it"),
            ("model net algorithm=ffsplit", "expected host="),
            ("model net host=10.0.0.9", "expected algorithm="),
            ("model net host=127.0.0.1 algorithm=lms", "leads each host to itself"),
            ("model net host=10.0.0.9 algorithm=best", "expected "),
            ("model net host=10.0.0.9 algorithm=lms tie_breaker=7", "a node's id: 1, 2"),
            ("model net host=10.0.0.9 algorithm=lms prot=1", "Did you mean port?"),
            ("model net host=10.0.0.9 algorithm=lms heuristics exec_a=true", "with its absolute path"),
            ("model net host=10.0.0.9 algorithm=lms heuristics exec_=/bin/true", "a name is of letters"),
            ("votes=1 model net host=10.0.0.9 algorithm=lms", "no device option is called votes"),
        ] {
            assert!(told(line).contains(why), "{line}: {}", told(line));
        }
        let conf = add(&file(2), &words(ADD)).unwrap();
        assert!(add(&conf, &words(ADD)).unwrap_err().to_string().contains("has a quorum device"));
        assert!(update(&conf, &words("model host=")).unwrap_err().to_string().contains("a device needs it"));
        assert!(update(&conf, &words("model")).unwrap_err().to_string().contains("expected options"));
        assert!(remove(&file(2)).unwrap_err().to_string().contains("has no quorum device"));
        for other in ["auto_tie_breaker", "last_man_standing"] {
            let conf = Conf::parse(file(2).text().replace("two_node", other));
            let told = add(&conf, &words(ADD)).unwrap_err().to_string();
            assert!(told.starts_with(&format!("{other} does not go with a quorum device")), "{told}");
        }
    }

    #[test]
    fn who_is_enough_while_the_device_is_silent() {
        let named = |ids: &[u32]| ids.iter().map(|id| format!("n{id}")).collect::<Vec<_>>();
        let two = add(&file(2), &words(ADD)).unwrap();
        assert!(quorate_without(&two, &named(&[1, 2])));
        assert!(!quorate_without(&two, &named(&[1])));
        assert!(quorate_without(&remove(&two).unwrap(), &named(&[1])), "two_node");
        let lms = add(&file(4), &words("model net host=q algorithm=lms")).unwrap();
        assert!(quorate_without(&lms, &named(&[1, 2, 3, 4])));
        assert!(!quorate_without(&lms, &named(&[1, 2, 3])));
    }
}
