//! Fencing levels in the configuration: adding, removing, checking them. A target is written as in pcs: a node's name,
//! `regexp%PATTERN` or `attrib%NAME=VALUE`.

use anyhow::bail;
use cib::{Document, Element};

/// The levels there may be.
pub const LEVELS: std::ops::RangeInclusive<u32> = 1..=9;

/// Whom a level is for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LevelTarget {
    /// A node.
    Node(String),
    /// Nodes by their names.
    Pattern(String),
    /// Nodes with an attribute.
    Attribute(String, String),
}

impl LevelTarget {
    /// Reads one.
    ///
    /// # Errors
    /// When an attribute has no value.
    pub fn parse(text: &str) -> anyhow::Result<LevelTarget> {
        if let Some(pattern) = text.strip_prefix("regexp%") {
            return Ok(LevelTarget::Pattern(pattern.to_owned()));
        }
        match text.strip_prefix("attrib%").map(|rest| rest.split_once('=')) {
            Some(Some((name, value))) if !name.is_empty() => {
                Ok(LevelTarget::Attribute(name.to_owned(), value.to_owned()))
            }
            Some(_) => bail!("{text:?} names no attribute; expected attrib%NAME=VALUE"),
            None => Ok(LevelTarget::Node(text.strip_prefix("node%").unwrap_or(text).to_owned())),
        }
    }

    fn of(document: &Document, level: Element) -> Option<LevelTarget> {
        let text = |name| document.attribute(level, name).map(str::to_owned);
        match (text("target"), text("target-pattern"), text("target-attribute")) {
            (Some(node), ..) => Some(LevelTarget::Node(node)),
            (_, Some(pattern), _) => Some(LevelTarget::Pattern(pattern)),
            (_, _, Some(name)) => Some(LevelTarget::Attribute(name, text("target-value")?)),
            _ => None,
        }
    }

    /// For people.
    pub fn text(&self) -> String {
        match self {
            LevelTarget::Node(name) => name.clone(),
            LevelTarget::Pattern(pattern) => format!("regexp%{pattern}"),
            LevelTarget::Attribute(name, value) => format!("attrib%{name}={value}"),
        }
    }
}

/// One level.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Level {
    /// Its element.
    pub element: Element,
    /// Whom it is for.
    pub target: LevelTarget,
    /// Its place.
    pub index: u32,
    /// Its devices.
    pub devices: Vec<String>,
}

/// All levels, by target and index.
pub fn all(document: &Document) -> Vec<Level> {
    let Some(topology) = document.descend(&["configuration", "fencing-topology"]) else { return Vec::new() };
    let mut levels: Vec<Level> = document
        .children_named(topology, "fencing-level")
        .filter_map(|element| {
            let devices = document.attribute(element, "devices")?;
            Some(Level {
                element,
                target: LevelTarget::of(document, element)?,
                index: document.attribute(element, "index")?.parse().ok()?,
                devices: devices.split(',').map(|device| device.trim().to_owned()).collect(),
            })
        })
        .collect();
    levels.sort_by_key(|level| (level.target.text(), level.index));
    levels
}

/// Adds one.
///
/// # Errors
/// When there is the same already, or the index is none.
pub fn add(document: &mut Document, index: u32, target: &LevelTarget, devices: &[String]) -> anyhow::Result<()> {
    if !LEVELS.contains(&index) {
        bail!("a fencing level goes from {} to {}, and {index} does not", LEVELS.start(), LEVELS.end());
    }
    let same = |level: &Level| level.target == *target && level.index == index && level.devices == devices;
    if all(document).iter().any(same) {
        bail!("level {index} for {} with {} is there already", target.text(), devices.join(", "));
    }
    let configuration = document.descend(&["configuration"]).expect("every CIB has a configuration");
    let topology = document
        .child(configuration, "fencing-topology")
        .unwrap_or_else(|| document.append(configuration, "fencing-topology"));
    let sound: String = target.text().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let taken = |document: &Document, id: &str| document.children(topology).any(|level| document.id(level) == id);
    let id = (0..)
        .map(|number| if number == 0 { format!("fl-{sound}-{index}") } else { format!("fl-{sound}-{index}-{number}") })
        .find(|id| !taken(document, id))
        .expect("there are more numbers than levels");
    let level = document.append(topology, "fencing-level");
    document.set(level, "id", &id);
    match target {
        LevelTarget::Node(name) => document.set(level, "target", name),
        LevelTarget::Pattern(pattern) => document.set(level, "target-pattern", pattern),
        LevelTarget::Attribute(name, value) => {
            document.set(level, "target-attribute", name);
            document.set(level, "target-value", value);
        }
    }
    document.set(level, "index", &index.to_string());
    document.set(level, "devices", &devices.join(","));
    Ok(())
}

/// Removes those that fit; how many there were.
pub fn remove(
    document: &mut Document,
    index: Option<u32>,
    target: Option<&LevelTarget>,
    devices: Option<&[String]>,
) -> usize {
    let fits = |level: &Level| {
        index.is_none_or(|index| index == level.index)
            && target.is_none_or(|target| *target == level.target)
            && devices.is_none_or(|devices| devices == level.devices)
    };
    let gone: Vec<Level> = all(document).into_iter().filter(fits).collect();
    for level in &gone {
        document.remove(level.element);
    }
    if let Some(topology) = document.descend(&["configuration", "fencing-topology"])
        && document.children(topology).next().is_none()
    {
        document.remove(topology);
    }
    gone.len()
}

/// What is wrong with the levels.
pub fn verify(document: &Document) -> Vec<String> {
    let context = cib::rule::Context::at(0);
    let devices = cib::view::fence_devices(document, &context);
    let nodes = cib::view::nodes(document, &context);
    let mut wrong = Vec::new();
    for level in all(document) {
        let what = format!("level {} for {}", level.index, level.target.text());
        if !LEVELS.contains(&level.index) {
            wrong.push(format!("{what} is never used: levels go from {} to {}", LEVELS.start(), LEVELS.end()));
        }
        for name in &level.devices {
            if name != "watchdog" && !devices.iter().any(|device| device.id == name) {
                wrong.push(format!("{what} names {name:?}, which is no fence device"));
            }
        }
        if let LevelTarget::Node(name) = &level.target
            && !nodes.iter().any(|node| node.uname == name)
        {
            wrong.push(format!("{what} is for no node: none is called {name:?}"));
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_come_and_go_without_a_trace() {
        let text = "<cib><configuration><nodes><node id='1' uname='one'/></nodes><resources>\
                    <primitive id='pdu' class='stonith' type='fence_apc'/></resources></configuration></cib>";
        let mut document = Document::parse(text).unwrap();
        let before = document.to_xml();
        let devices = ["pdu".to_owned()];
        for target in ["one", "regexp%^n.*", "attrib%rack=7"] {
            let target = LevelTarget::parse(target).unwrap();
            add(&mut document, 1, &target, &devices).unwrap();
            assert!(add(&mut document, 1, &target, &devices).unwrap_err().to_string().contains("already"));
        }
        assert_eq!(all(&document).len(), 3);
        assert_eq!(verify(&document), Vec::<String>::new());
        let two = LevelTarget::parse("two").unwrap();
        add(&mut document, 2, &two, &["pdu".into(), "gone".into()]).unwrap();
        assert_eq!(verify(&document).len(), 2, "{:?}", verify(&document));
        assert!(add(&mut document, 10, &two, &devices).is_err() && LevelTarget::parse("attrib%rack").is_err());
        assert_eq!(remove(&mut document, Some(2), None, None), 1);
        assert_eq!(remove(&mut document, None, Some(&LevelTarget::Pattern("^n.*".into())), Some(&devices)), 1);
        assert_eq!(remove(&mut document, None, None, None), 2);
        assert_eq!(document.to_xml(), before);
    }
}
