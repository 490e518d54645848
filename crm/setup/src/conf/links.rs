//! Links that come, go and change: knet only, as Corosync can change no others while it runs.

use corosync_conf::model::Transport;
use corosync_conf::{Conf, Model, edit};

use super::new::check_address;
use super::{MAX_LINKS, Unfit, finish};
use crate::words::{KNET_LINK, Setting, Wrong, groups};

/// The file with one link more: `NODE=ADDRESS… [options …]`, an address for every node.
///
/// # Errors
/// When a node has no address or two, an address is taken, or there are eight links.
pub fn add(conf: &Conf, words: &[String]) -> Result<Conf, Unfit> {
    let (addresses, settings) = read(conf, words)?;
    let model = Model::of(conf);
    let links = model.links();
    let number = match settings.iter().find(|setting| setting.key == "linknumber") {
        Some(setting) => {
            let number: u32 =
                setting.value.parse().map_err(|_| Wrong::new(&setting.word, "expected a link's number"))?;
            if links.contains(&number) {
                return Err(Wrong::new(&setting.word, "there is such a link: `link update` changes it").into());
            }
            number
        }
        None => (0..).find(|number| !links.contains(number)).unwrap_or_default(),
    };
    if links.len() >= MAX_LINKS || number as usize >= MAX_LINKS {
        return Err(Unfit::Wish(format!("there are at most {MAX_LINKS} links, from 0")));
    }
    let without: Vec<String> = model
        .nodes
        .iter()
        .map(|node| node.called())
        .filter(|name| !addresses.iter().any(|(node, _)| node == name))
        .collect();
    if !without.is_empty() {
        return Err(Unfit::Wish(format!(
            "no address for {}: a link needs one for every node, NODE=ADDRESS",
            without.join(", ")
        )));
    }
    let mut changed = conf.clone();
    for (name, address) in &addresses {
        changed = set_address(&changed, name, number, address)?;
    }
    finish(&set_options(changed, number, &settings)?)
}

/// The file without these links.
///
/// # Errors
/// When there is no such link, or none would be left.
pub fn remove(conf: &Conf, words: &[String]) -> Result<Conf, Unfit> {
    need_knet(conf)?;
    let mut changed = conf.clone();
    if words.is_empty() {
        return Err(Unfit::Wish("expected the numbers of links".into()));
    }
    for word in words {
        let model = Model::of(&changed);
        let links = model.links();
        let Some(number) = word.parse::<u32>().ok().filter(|number| links.contains(number)) else {
            return Err(Wrong::new(word, format!("expected the number of a link: {}", listed(&links))).into());
        };
        if links.len() == 1 {
            return Err(Wrong::new(word, "it is the last link: the nodes would not hear each other").into());
        }
        for name in model.nodes.iter().map(|node| node.called()).collect::<Vec<_>>() {
            let key = format!("ring{number}_addr");
            let model = Model::of(&changed);
            let section =
                model.nodes.iter().find(|node| node.called() == name).and_then(|node| node.sections.first().copied());
            if let Some(section) = section {
                changed = edit::remove_in(&changed, section, &key)?;
            }
        }
        changed = without_interface(changed, number)?;
    }
    finish(&changed)
}

/// The file with a link changed: `NUMBER [NODE=ADDRESS…] [options …]`. Corosync takes changed addresses only when it
/// starts.
///
/// # Errors
/// When there is no such link or node, or an address is taken.
pub fn update(conf: &Conf, words: &[String]) -> Result<Conf, Unfit> {
    let Some((first, rest)) = words.split_first() else {
        return Err(Unfit::Wish("expected the number of a link, and what to change".into()));
    };
    let links = Model::of(conf).links();
    let Some(number) = first.parse::<u32>().ok().filter(|number| links.contains(number)) else {
        return Err(Wrong::new(first, format!("expected the number of a link: {}", listed(&links))).into());
    };
    let (addresses, settings) = read(conf, rest)?;
    if let Some(setting) = settings.iter().find(|setting| setting.key == "linknumber") {
        return Err(Wrong::new(&setting.word, "a link keeps its number: remove it and add it anew").into());
    }
    if addresses.is_empty() && settings.is_empty() {
        return Err(Unfit::Wish("expected what to change: NODE=ADDRESS…, options NAME=VALUE…".into()));
    }
    let mut changed = conf.clone();
    for (name, address) in &addresses {
        changed = set_address(&changed, name, number, address)?;
    }
    finish(&set_options(changed, number, &settings)?)
}

fn need_knet(conf: &Conf) -> Result<(), Unfit> {
    if Model::of(conf).transport == Transport::Knet {
        return Ok(());
    }
    Err(Unfit::Wish("links can be changed with the transport knet alone".into()))
}

/// Nodes with their addresses, and the options behind them.
type Words = (Vec<(String, String)>, Vec<Setting>);

fn read(conf: &Conf, words: &[String]) -> Result<Words, Unfit> {
    need_knet(conf)?;
    let (first, rest) = groups(words, &["options"]);
    let model = Model::of(conf);
    let mut addresses: Vec<(String, String)> = Vec::new();
    for word in first {
        let Some((name, address)) = word.split_once('=') else {
            return Err(Wrong::new(word, "expected NODE=ADDRESS").into());
        };
        if !model.nodes.iter().any(|node| node.called() == name) {
            let names: Vec<String> = model.nodes.iter().map(|node| node.called()).collect();
            return Err(Wrong::new(word, format!("expected a node before `=`: {}", names.join(", "))).into());
        }
        if addresses.iter().any(|(other, _)| other == name) {
            return Err(Wrong::new(word, "this node stands there twice").into());
        }
        check_address(word, address)?;
        let taken = model.nodes.iter().find(|node| node.addresses.values().any(|known| known.value == address));
        if let Some(node) = taken {
            return Err(Wrong::new(word, format!("this is an address of {} already", node.called())).into());
        }
        if addresses.iter().any(|(_, other)| other == address) {
            return Err(Wrong::new(word, "this address stands there twice").into());
        }
        addresses.push((name.to_owned(), address.to_owned()));
    }
    let options: Vec<String> = rest.iter().flat_map(|(_, words)| words.iter().cloned()).collect();
    Ok((addresses, KNET_LINK.read(&options)?))
}

fn listed(links: &[u32]) -> String {
    links.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn set_address(conf: &Conf, name: &str, link: u32, address: &str) -> Result<Conf, Unfit> {
    let model = Model::of(conf);
    let node = model.nodes.iter().find(|node| node.called() == name);
    let Some(section) = node.and_then(|node| node.sections.first().copied()) else { return Ok(conf.clone()) };
    Ok(edit::set_in(conf, section, &format!("ring{link}_addr"), address)?)
}

fn set_options(mut conf: Conf, link: u32, settings: &[Setting]) -> Result<Conf, Unfit> {
    for setting in settings.iter().filter(|setting| setting.key != "linknumber") {
        let section =
            |conf: &Conf| Model::of(conf).interfaces.iter().find(|one| one.link == link).map(|one| one.section);
        if section(&conf).is_none() && !setting.value.is_empty() {
            conf = edit::add_section(&conf, &["totem", "interface"])?;
            let added = super::last(&conf, &["totem", "interface"])?;
            conf = edit::set_in(&conf, added, "linknumber", &link.to_string())?;
        }
        let Some(section) = section(&conf) else { continue };
        conf = match setting.value.as_str() {
            "" => edit::remove_in(&conf, section, setting.key)?,
            value => edit::set_in(&conf, section, setting.key, value)?,
        };
    }
    Ok(conf)
}

fn without_interface(mut conf: Conf, link: u32) -> Result<Conf, Unfit> {
    // A file may have more than one section for a link; each pass takes one away.
    while let Some(section) = Model::of(&conf).interfaces.iter().find(|one| one.link == link).map(|one| one.section) {
        conf = edit::remove_section(&conf, section)?;
    }
    Ok(conf)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "totem {\n  version: 2\n  transport: knet\n}\nnodelist {\n  node {\n    ring0_addr: 10.0.0.1\n    name: a\n    nodeid: 1\n  }\n  node {\n    ring0_addr: 10.0.0.2\n    name: b\n    nodeid: 2\n  }\n}\nquorum {\n  provider: corosync_votequorum\n  two_node: 1\n}\n";

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(ToOwned::to_owned).collect()
    }

    #[test]
    fn a_link_comes_changes_and_goes() {
        let conf = Conf::parse(FILE);
        let two = add(&conf, &words("a=10.1.0.1 b=10.1.0.2 options link_priority=5")).unwrap();
        assert_eq!(Model::of(&two).links(), [0, 1]);
        assert!(two.text().contains("linknumber: 1\n    knet_link_priority: 5\n"), "{}", two.text());
        let changed = update(&two, &words("1 b=10.1.0.9 options link_priority= mcastport=5409")).unwrap();
        assert!(changed.text().contains("ring1_addr: 10.1.0.9"), "{}", changed.text());
        assert!(!changed.text().contains("priority") && changed.text().contains("mcastport: 5409"));
        let one = remove(&changed, &words("0")).unwrap();
        assert_eq!(Model::of(&one).links(), [1]);
        let back = remove(&two, &words("1")).unwrap();
        assert!(!back.text().contains("interface"), "{}", back.text());
    }

    #[test]
    fn what_cannot_work_is_refused() {
        let conf = Conf::parse(FILE);
        let told = |result: Result<Conf, Unfit>| result.unwrap_err().to_string();
        assert!(told(add(&conf, &words("a=10.1.0.1"))).contains("no address for b"));
        assert!(told(add(&conf, &words("a=10.1.0.1 c=10.1.0.2"))).contains("expected a node before `=`: a, b"));
        assert!(told(add(&conf, &words("a=10.1.0.1 b=10.0.0.1"))).contains("address of a already"));
        assert!(told(add(&conf, &words("a=10.1.0.1 b=10.1.0.1"))).contains("stands there twice"));
        assert!(
            told(add(&conf, &words("a=10.1.0.1 b=10.1.0.2 options linknumber=0"))).contains("there is such a link")
        );
        assert!(told(add(&conf, &words("a=10.1.0.1 b=10.1.0.2 options linknumber=8"))).contains("at most 8 links"));
        assert!(told(remove(&conf, &words("0"))).contains("the last link"));
        assert!(told(remove(&conf, &words("4"))).contains("expected the number of a link: 0"));
        assert!(told(update(&conf, &words("0"))).contains("expected what to change"));
    }
}
