//! What plans warn of, told once. A plan is made at every event, and each finds the same things to ignore in the same
//! configuration; which of them an operator reads is decided here, the log writes them.

use std::collections::BTreeSet;

use cib::Version;
use controller::{Level, Note};

/// So many warnings are told for one version of the configuration: who has more reads none of them.
const MOST: usize = 50;

/// The warnings that were told for the newest version of the configuration.
#[derive(Debug, Default)]
pub struct Warned {
    /// `admin_epoch` and `epoch`: a change of the status alone makes nothing new.
    version: (u64, u64),
    told: BTreeSet<String>,
    /// That there are more was told as well.
    full: bool,
}

impl Warned {
    /// What is new among the warnings of a plan made of that version.
    pub fn news(&mut self, version: Version, warnings: Vec<String>) -> Vec<Note> {
        let version = (version.admin_epoch, version.epoch);
        if version != self.version {
            *self = Warned { version, ..Warned::default() };
        }
        let mut news = Vec::new();
        for warning in warnings {
            if self.told.contains(&warning) {
                continue;
            }
            if self.told.len() == MOST {
                if !self.full {
                    self.full = true;
                    let text = format!("more than {MOST} warnings; `crm_simulate -L -V` names them all");
                    news.push(Note::new(Level::Warning, "plan_ignores", text));
                }
                break;
            }
            news.push(Note::new(Level::Warning, "plan_ignores", warning.clone()));
            self.told.insert(warning);
        }
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(epoch: u64, num_updates: u64) -> Version {
        Version { admin_epoch: 0, epoch, num_updates }
    }

    fn said(warned: &mut Warned, version: Version, warnings: &[&str]) -> Vec<String> {
        let warnings = warnings.iter().map(|text| (*text).to_owned()).collect();
        warned.news(version, warnings).into_iter().map(|note| note.message).collect()
    }

    #[test]
    fn each_is_told_once_for_a_configuration() {
        let mut warned = Warned::default();
        assert_eq!(said(&mut warned, version(7, 0), &["a", "b", "a"]), ["a", "b"]);
        assert!(said(&mut warned, version(7, 5), &["b", "a"]).is_empty());
        assert_eq!(said(&mut warned, version(7, 9), &["a", "c"]), ["c"]);
        assert_eq!(said(&mut warned, version(8, 0), &["a"]), ["a"]);
    }

    #[test]
    fn too_many_are_told_as_too_many() {
        let mut warned = Warned::default();
        let many: Vec<String> = (0..MOST + 20).map(|number| format!("{number:03}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let first = said(&mut warned, version(1, 0), &many);
        assert_eq!((first.len(), first[MOST].starts_with("more than")), (MOST + 1, true));
        assert!(said(&mut warned, version(1, 1), &many).is_empty());
    }
}
