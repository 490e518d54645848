//! What a configuration means: instances with all defaults put in, scripts, groups, as keepalived holds them after its
//! own last corrections.

pub mod address;
pub mod defaults;
pub mod instance;
mod number;
pub mod script;
mod track;
mod vmac;

use std::collections::BTreeSet;

pub use address::VirtualAddress;
pub use defaults::Defaults;
pub use instance::{Authentication, Garp, Instance, Tracked, Version};
pub use script::Script;

use crate::expand::{Host, expand};
use crate::files::Files;
use crate::keywords::Side;
use crate::note::{Note, Place, Severity};
use crate::statement::{Statement, parse};

/// A group of instances that fail and recover together.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SyncGroup {
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub place: Place,
    /// Names of its members, in order.
    pub members: Vec<String>,
    /// Everything in it.
    pub statement: Statement,
}

/// What one host's keepalived does.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Model {
    /// What holds for all instances that do not say otherwise.
    pub defaults: Defaults,
    /// The instances, in the order of the file.
    pub instances: Vec<Instance>,
    /// The groups.
    pub groups: Vec<SyncGroup>,
    /// The scripts that are watched.
    pub scripts: Vec<Script>,
    /// All else at the top of the file.
    pub rest: Vec<Statement>,
    /// The virtual servers, with their groups and SSL: what IPVS is told.
    pub servers: Vec<Statement>,
    /// The sessions of BFD.
    pub bfd: Vec<Statement>,
    /// What there is to say.
    pub notes: Vec<Note>,
}

impl Model {
    /// Reads a host's configuration. It never fails: what keepalived ignores is ignored and noted.
    ///
    /// ```
    /// use keepalived::{Files, Host, Model};
    /// let text = "vrrp_instance A {\n interface eth0\n virtual_router_id 51\n virtual_ipaddress {\n 10.0.0.1/24\n }\n}\n";
    /// let model = Model::read(&Files::one("keepalived.conf", text), &Host::default());
    /// assert_eq!(model.instances[0].addresses[0].to_string(), "10.0.0.1/24 dev eth0 scope global");
    /// ```
    pub fn read(files: &Files, host: &Host) -> Model {
        let (lines, mut notes) = expand(files, host);
        let (statements, found) = parse(&lines, Side::Vrrp);
        let (servers, found_there) = parse(&lines, Side::Checker);
        let (sessions, found_for_bfd) = parse(&lines, Side::Bfd);
        // Words outside of blocks are read by all processes; their notes are the same.
        let mut known: BTreeSet<(Place, String)> = BTreeSet::new();
        for note in found.into_iter().chain(found_there).chain(found_for_bfd) {
            if known.insert((note.place.clone(), note.message.clone())) {
                notes.push(note);
            }
        }
        let bfd = sessions.into_iter().filter(|one| one.word() == "bfd_instance").collect();
        let mut model = Model { notes, bfd, ..Model::default() };
        model.template(files);
        for statement in &statements {
            if statement.word() == "global_defs" {
                model.defaults.take(statement, &mut model.notes);
            }
        }
        for statement in statements {
            model.take(statement);
        }
        let is_server = |one: &Statement| matches!(one.word(), "virtual_server" | "virtual_server_group" | "SSL");
        model.servers = servers.into_iter().filter(is_server).collect();
        model.finish();
        model.notes.sort_by(|one, two| (&one.place, one.severity).cmp(&(&two.place, two.severity)));
        model
    }

    fn take(&mut self, statement: Statement) {
        let name = statement.argument(1).unwrap_or_default().to_owned();
        let place = statement.place.clone();
        match statement.word() {
            "vrrp_instance" if name.is_empty() => {
                self.note(&place, "vrrp_instance has no name; keepalived skips it", "vrrp_instance")
            }
            "vrrp_instance" if self.instances.iter().any(|other| other.name == name) => {
                self.note(
                    &place,
                    &format!("there is a vrrp_instance {name} already; keepalived skips this one"),
                    &name,
                );
            }
            "vrrp_instance" => {
                let known = instance::Known {
                    defaults: &self.defaults,
                    scripts: &self.scripts,
                    instances: &self.instances,
                    others: &self.rest,
                    bfd: &self.bfd,
                };
                let instance = instance::read(&statement, &known, &mut self.notes);
                self.instances.push(instance);
            }
            "vrrp_sync_group" if self.groups.iter().any(|other| other.name == name) => {
                self.note(
                    &place,
                    &format!("there is a vrrp_sync_group {name} already; keepalived skips this one"),
                    &name,
                );
            }
            "vrrp_sync_group" => {
                let group = statement.block.iter().filter(|one| one.word() == "group");
                let members = group.flat_map(|group| &group.block).flat_map(|line| line.words.clone()).collect();
                self.groups.push(SyncGroup { name, place, members, statement });
            }
            "vrrp_script" if self.scripts.iter().any(|other| other.name == name) => {
                self.note(&place, &format!("there is a vrrp_script {name} already; keepalived skips this one"), &name);
            }
            "vrrp_script" => self.scripts.extend(script::read(&statement, &mut self.notes)),
            "global_defs" => {}
            _ => self.rest.push(statement),
        }
    }

    /// Names that only now can be looked up.
    fn finish(&mut self) {
        let names: BTreeSet<String> = self.instances.iter().map(|instance| instance.name.clone()).collect();
        let mut notes = Vec::new();
        for group in &self.groups {
            for member in group.members.iter().filter(|member| !names.contains(*member)) {
                let message = format!(
                    "group {} has a member {member}, and there is no such instance; keepalived ignores it",
                    group.name
                );
                notes.push(Note::warning(group.place.clone(), message).about(member));
            }
        }
        self.notes.extend(notes);
        for group in &mut self.groups {
            group.members.retain(|member| names.contains(member));
        }
    }

    /// A template is no configuration: what stands in its braces is not known.
    fn template(&mut self, files: &Files) {
        let Some(text) = files.text(files.main()) else { return };
        // Generators define names as well.
        let generates = text.contains("~SEQ") || text.contains("~LST");
        let blank = |line: &str| undefined(line).is_some_and(|name| !generates && !text.contains(&format!("${name}=")));
        let live = |line: &str| !line.trim_start().starts_with(['#', '!']);
        let found = text.lines().position(|line| live(line) && (is_template(line) || blank(line)));
        if let Some(line) = found {
            let place = Place { file: files.main().to_owned(), line: line + 1 };
            self.notes.push(Note::error(place, "this is a template: give the rendered file, as it lies on the host"));
        }
    }

    fn note(&mut self, place: &Place, message: &str, word: &str) {
        self.notes.push(Note::warning(place.clone(), message).about(word));
    }

    /// Whether something was found that keeps the configuration from being used at all.
    pub fn has_errors(&self) -> bool {
        self.notes.iter().any(|note| note.severity == Severity::Error)
    }
}

/// Whether a line has the marks of a template. Containers' tools take formats in the same braces, in commands.
fn is_template(line: &str) -> bool {
    let format = ["docker", "podman", "--format", "crictl"].iter().any(|word| line.contains(word));
    let braces = ["{{", "{%", "<%"].iter().any(|mark| line.contains(mark)) && !format;
    let shell = line.contains("${env") || line.contains("KEEPALIVED_") || line.contains("${") && line.contains(":-");
    let place = |word: &str| {
        let inner = word.strip_prefix('<').and_then(|word| word.strip_suffix('>'));
        inner.is_some_and(|inner| {
            !inner.is_empty() && inner.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b))
        })
    };
    braces || shell || line.split_ascii_whitespace().any(place)
}

/// The name in `${NAME}` behind a word that every instance needs, where a shell or envsubst was to put its value.
fn undefined(line: &str) -> Option<&str> {
    let mut words = line.split_ascii_whitespace();
    let word = words.next().filter(|word| matches!(*word, "interface" | "virtual_router_id" | "priority" | "state"));
    word?;
    let name = words.next()?.strip_prefix("${")?.strip_suffix('}')?;
    (!name.starts_with('_') && !name.contains(' ')).then_some(name)
}

/// A switch: on by its name alone, or by a word behind it.
pub(crate) fn switch(statement: &Statement) -> Option<bool> {
    match statement.argument(1) {
        None | Some("on" | "true" | "yes") => Some(true),
        Some("off" | "false" | "no") => Some(false),
        Some(_) => None,
    }
}

/// A decimal number of seconds, in microseconds.
pub(crate) fn micros(text: &str) -> Option<u64> {
    let text = text.strip_prefix('+').unwrap_or(text);
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let fraction: u64 = format!("{fraction:0<6}")[..6].parse().ok()?;
    whole.checked_mul(1_000_000)?.checked_add(fraction)
}
