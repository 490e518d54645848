//! corosync.conf: a new one, and one with something changed. Comments, order and blanks of what is not changed stay.

pub mod device;
pub mod links;
pub mod new;
pub mod nodes;
pub mod options;

use corosync_conf::conf::SectionId;
use corosync_conf::edit::{self, Refused};
use corosync_conf::{Conf, Facts, Model, Severity, lint};

use crate::words::{Setting, Wrong};

/// The most links that knet has.
pub const MAX_LINKS: usize = 8;

/// A node as it is named on a command line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Its addresses, one a link.
    pub addresses: Vec<String>,
}

/// Why a file cannot be changed as wanted.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Unfit {
    /// A word of the command line.
    #[error(transparent)]
    Word(#[from] Wrong),
    /// The file as it is.
    #[error("{0}")]
    File(#[from] Refused),
    /// The file as it would be.
    #[error("corosync would refuse the result: {0}")]
    Result(String),
    /// The wish.
    #[error("{0}")]
    Wish(String),
}

/// A file's text with the next configuration version, if it can be used.
///
/// # Errors
/// When Corosync would refuse it.
pub fn finish(conf: &Conf) -> Result<Conf, Unfit> {
    let version = conf.value(&["totem", "config_version"]).and_then(|entry| entry.value.parse::<u64>().ok());
    let conf = edit::set(conf, &["totem", "config_version"], &(version.unwrap_or(0) + 1).to_string())?;
    check(&conf)?;
    Ok(conf)
}

/// The version that [`finish`] gave.
pub fn version(conf: &Conf) -> Option<u64> {
    conf.value(&["totem", "config_version"])?.value.parse().ok()
}

/// Whether Corosync would take the file.
///
/// # Errors
/// When it would not.
pub fn check(conf: &Conf) -> Result<(), Unfit> {
    let errors = lint(conf, &Facts::default()).into_iter().filter(|finding| finding.severity == Severity::Error);
    let errors: Vec<String> = errors.map(|finding| format!("{}: {}", finding.message, finding.remedy)).collect();
    if errors.is_empty() { Ok(()) } else { Err(Unfit::Result(errors.join("; "))) }
}

/// Whether votequorum's two-node mode belongs into a file: two nodes, and nothing else that breaks a tie.
fn suits_two_node(model: &Model<'_>) -> bool {
    model.nodes.len() == 2 && model.quorum.device.is_none() && model.quorum.auto_tie_breaker.is_none()
}

/// `two_node` as it has to be with these nodes.
fn with_two_node(conf: Conf) -> Result<Conf, Refused> {
    let model = Model::of(&conf);
    match (suits_two_node(&model), model.quorum.two_node.is_some()) {
        (true, false) => edit::set(&conf, &["quorum", "two_node"], "1"),
        (false, true) => edit::remove(&conf, &["quorum", "two_node"]),
        _ => Ok(conf),
    }
}

/// Sets options in a section; an empty value takes a key away.
fn set_all(mut conf: Conf, path: &[&str], settings: &[Setting]) -> Result<Conf, Refused> {
    for setting in settings {
        let path = [path, &[setting.key]].concat();
        conf = match setting.value.as_str() {
            "" => edit::remove(&conf, &path)?,
            value => edit::set(&conf, &path, value)?,
        };
    }
    Ok(conf)
}

/// The section that was added last.
fn last(conf: &Conf, path: &[&str]) -> Result<SectionId, Refused> {
    conf.sections(path).last().copied().ok_or(Refused::Unwritable)
}
