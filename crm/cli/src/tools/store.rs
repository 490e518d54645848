//! Where a classic tool finds the CIB and puts its changes: a file that `CIB_file` or `CIB_shadow` names, or the cluster
//! that the daemon of this machine belongs to.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use cib::{Document, FEATURE_SET, patch, unreached};
use wire::request::Why;
use wire::write::{ExpectedForm, WriteForm};
use wire::{QueryWhat, Reply, Request, Status, Update};

use super::call::Call;
use super::status::{self, Failure};
use crate::change;
use crate::client::Client;
use crate::terminal;

/// Where root's copies are that `CIB_shadow` names, unless `CIB_shadow_dir` says otherwise.
const SHADOW_DIRECTORY: &str = "/var/lib/pacemaker/cib";
/// How often a change is made anew when someone else's came first. Agents of many resources start at once and write at
/// once; each round one of them wins.
const TRIES: usize = 50;

/// Where the CIB is.
#[derive(Debug)]
pub enum Store {
    /// In a file.
    File(PathBuf),
    /// In the cluster; its daemon listens there.
    Live(PathBuf),
}

/// How much of the CIB a tool looks at. What it need not see need not be sent, however large it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    /// All of it.
    Whole,
    /// One section of the configuration; all of it when there is no such section yet.
    Section(&'static str),
    /// The nodes of the configuration, and the names of those that the status knows.
    Nodes,
}

/// A CIB, and what the daemon says beside it when it comes from one.
#[derive(Debug)]
pub struct Found {
    /// The CIB, or the part that was asked for in its place.
    pub document: Document,
    /// How the node that answered sees the cluster.
    pub status: Option<Box<Status>>,
    /// The connection it came by, for what is asked next.
    client: Option<Client>,
}

impl Store {
    /// Where the environment says it is.
    pub fn of(call: &Call) -> Store {
        match call.variable("CIB_shadow") {
            Some(name) => Store::File(shadow_file(call, name)),
            None => Store::behind_shadows(call),
        }
    }

    /// Where it is when no copy of it is worked on.
    pub fn behind_shadows(call: &Call) -> Store {
        match call.variable("CIB_file") {
            Some(file) => Store::File(file.into()),
            None => Store::Live(call.socket()),
        }
    }

    /// Whether there is a cluster behind it.
    pub fn is_live(&self) -> bool {
        matches!(self, Store::Live(_))
    }

    /// Reads the CIB.
    ///
    /// # Errors
    /// When there is none: 105 for a file, 102 for a cluster; or what is there is no CIB.
    pub fn read(&self) -> Result<Found, Failure> {
        match self {
            Store::File(path) => Ok(Found { document: read_file(path)?, status: None, client: None }),
            Store::Live(_) => self.read_part(Part::Whole),
        }
    }

    /// Reads a part of the CIB; a file gives the whole.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn read_part(&self, part: Part) -> Result<Found, Failure> {
        match self {
            Store::File(_) => self.read(),
            Store::Live(socket) => {
                let mut client = connect(socket)?;
                let found = fetch_part(&mut client, part)?;
                Ok(Found { client: Some(client), ..found })
            }
        }
    }

    /// Changes the CIB by what `edit` makes of it, and gives what `edit` gives. In a cluster it is made anew when
    /// someone else was faster. `force`: also without quorum.
    ///
    /// # Errors
    /// When it cannot be read or written, or `edit` refuses. Nothing was changed then.
    pub fn change<T>(&self, force: bool, edit: impl FnMut(&mut Document) -> Result<T, Failure>) -> Result<T, Failure> {
        self.change_part(Part::Whole, force, edit)
    }

    /// As [`change`](Self::change), for an `edit` that looks at this part only.
    ///
    /// # Errors
    /// As [`change`](Self::change).
    pub fn change_part<T>(
        &self,
        part: Part,
        force: bool,
        edit: impl FnMut(&mut Document) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        self.change_found(self.read_part(part)?, part, force, edit)
    }

    /// As [`change_part`](Self::change_part), of a part that was read already: if nobody was faster, it need not be read
    /// again. Each question takes its turn in the daemon.
    ///
    /// # Errors
    /// As [`change`](Self::change).
    pub fn change_found<T>(
        &self,
        found: Found,
        part: Part,
        force: bool,
        mut edit: impl FnMut(&mut Document) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let Found { document: mut before, client, .. } = found;
        let socket = match self {
            Store::File(path) => {
                let mut after = before.clone();
                let made = edit(&mut after)?;
                if !after.same(after.root(), &before, before.root()) {
                    count(&before, &mut after);
                    write_file(path, &after.to_xml())?;
                }
                return Ok(made);
            }
            Store::Live(socket) => socket,
        };
        let mut client = client.map_or_else(|| connect(socket), Ok)?;
        for _ in 0..TRIES {
            let mut after = before.clone();
            let made = edit(&mut after)?;
            let changes = patch::diff(&before, &after);
            if changes.changes.is_empty() {
                return Ok(made);
            }
            let version = version(&before);
            let write = WriteForm::Configure {
                patch: changes.changes.into_iter().map(Into::into).collect(),
                expected: Some(ExpectedForm::Configuration(version.0, version.1)),
                author: change::author(),
            };
            match send(&mut client, Request::Write { write, force })? {
                Ok(()) => {
                    warn_of_unreached(&before, &after);
                    return Ok(made);
                }
                Err(Refusal { why: Why::Outdated, .. }) => before = fetch_part(&mut client, part)?.document,
                Err(refusal) => return Err(refusal.into()),
            }
        }
        let message = format!("nothing was changed: others changed the configuration {TRIES} times meanwhile");
        Err(Failure::new(status::TRY_AGAIN, message))
    }

    /// One write that is no change of the configuration. `edit` does the same to a file.
    ///
    /// # Errors
    /// As [`change`](Self::change).
    pub fn write(
        &self,
        write: WriteForm,
        edit: impl FnMut(&mut Document) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        match self {
            Store::File(_) => self.change(false, edit),
            Store::Live(socket) => ask(socket, Request::Write { write, force: false }),
        }
    }

    /// A change of a transient attribute. `edit` does the same to a file.
    ///
    /// # Errors
    /// As [`change`](Self::change).
    pub fn update(
        &self,
        update: Update,
        edit: impl FnMut(&mut Document) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        match self {
            Store::File(_) => self.change(false, edit),
            Store::Live(socket) => ask(socket, Request::Update(update)),
        }
    }
}

/// Says what a change of a cluster's configuration brought that the cluster does not run.
pub fn warn_of_unreached(before: &Document, after: &Document) {
    for unreached in unreached::came(before, after) {
        terminal::complain(&format!("Warning: {}", unreached.sentence()));
    }
}

/// Asks the daemon for something that is done or refused.
///
/// # Errors
/// When it is refused, or the connection breaks.
pub fn ask(socket: &Path, request: Request) -> Result<(), Failure> {
    send(&mut connect(socket)?, request)?.map_err(Failure::from)
}

/// Why a daemon does not do what it is asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// The kind of reason.
    pub why: Why,
    /// The reason in words.
    pub reason: String,
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Failure {
        let status = match refusal.why {
            Why::NoQuorum => status::NO_QUORUM,
            Why::Outdated => status::OLD,
            Why::NotFound => status::NO_SUCH,
            Why::Exists => status::EXISTS,
            Why::Invalid => status::BAD_CONFIGURATION,
            Why::Busy => status::TRY_AGAIN,
            Why::Denied => status::NOT_PERMITTED,
            Why::NotDurable | Why::Other => status::ERROR,
        };
        match refusal.why {
            // It may well have been changed, and says so.
            Why::NotDurable => Failure::new(status, refusal.reason),
            _ => Failure::new(status, format!("nothing was changed: {}", refusal.reason)),
        }
    }
}

/// A connection to the daemon.
///
/// # Errors
/// When nobody listens: 102.
pub fn connect(socket: &Path) -> Result<Client, Failure> {
    Client::connect(socket).map_err(|error| disconnected(&error))
}

/// What a broken connection is to a tool: 102.
pub fn disconnected(error: &anyhow::Error) -> Failure {
    Failure::new(status::DISCONNECTED, format!("Could not connect to the CIB: {error:#}"))
}

/// The CIB as the daemon has it.
///
/// # Errors
/// When the connection breaks, or what comes is no CIB.
pub fn fetch(client: &mut Client) -> Result<Found, Failure> {
    let status = client.status().map_err(|error| disconnected(&error))?;
    let document = Document::parse(&status.cib)
        .map_err(|error| Failure::new(status::BAD_DATA, format!("reading the CIB that systoled sent: {error}")))?;
    Ok(Found { document, status: Some(Box::new(status)), client: None })
}

/// A part of the CIB as the daemon has it, in its place: nothing else stands there.
///
/// # Errors
/// As [`fetch`].
pub fn fetch_part(client: &mut Client, part: Part) -> Result<Found, Failure> {
    let mut ask = |section: Option<&str>, path: Option<&str>, what| {
        client.query(section, path, what).map_err(|error| disconnected(&error))
    };
    let section = match part {
        Part::Whole => return fetch(client),
        Part::Section(section) => section,
        Part::Nodes => "nodes",
    };
    let (items, (admin_epoch, epoch, num_updates)) = ask(Some(section), None, QueryWhat::Whole)?;
    // Where a new section goes, only the whole can tell.
    let [item] = &items[..] else { return fetch(client) };
    let states = match part {
        Part::Nodes => ask(None, Some("/cib/status/node_state"), QueryWhat::NoChildren)?.0.concat(),
        Part::Whole | Part::Section(_) => String::new(),
    };
    let text = format!(
        "<cib admin_epoch=\"{admin_epoch}\" epoch=\"{epoch}\" num_updates=\"{num_updates}\"><configuration>{item}\
         </configuration><status>{states}</status></cib>"
    );
    let document = Document::parse(&text)
        .map_err(|error| Failure::new(status::BAD_DATA, format!("reading what systoled sent of the CIB: {error}")))?;
    Ok(Found { document, status: None, client: None })
}

/// `admin_epoch` and `epoch` of a CIB.
fn version(document: &Document) -> (u64, u64) {
    let number = |name| document.attribute(document.root(), name).and_then(|text| text.parse().ok()).unwrap_or(0);
    (number("admin_epoch"), number("epoch"))
}

/// Asks on a connection; the inner error is the daemon's.
///
/// # Errors
/// When the connection breaks: whether it was done is not known then.
pub fn send(client: &mut Client, request: Request) -> Result<Result<(), Refusal>, Failure> {
    match client.ask(&request).map_err(|error| disconnected(&error))? {
        Reply::Refused { why, reason } => Ok(Err(Refusal { why, reason })),
        _ => Ok(Ok(())),
    }
}

fn read_file(path: &Path) -> Result<Document, Failure> {
    let mut text = String::new();
    // It may be a pipe: drbd's fencing helper gives the CIB as /proc/self/fd/0.
    let read = fs::File::open(path).and_then(|mut file| file.read_to_string(&mut text));
    read.map_err(|error| {
        let message = format!("Could not connect to the CIB: reading {}: {error}", path.display());
        Failure::new(status::NO_SUCH, message)
    })?;
    let document = Document::parse(&text)
        .map_err(|error| Failure::new(status::BAD_DATA, error.render(&path.display().to_string(), &text)))?;
    match document.name(document.root()) {
        "cib" => Ok(document),
        other => {
            let message = format!("{}: expected <cib> as the outermost element, found <{other}>", path.display());
            Err(Failure::new(status::BAD_DATA, message))
        }
    }
}

/// Raises the version as a cluster would: `epoch` for the configuration, else `num_updates`.
fn count(before: &Document, after: &mut Document) {
    let root = after.root();
    let number = |document: &Document, name: &str| {
        document.attribute(document.root(), name).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0)
    };
    let versions = ["admin_epoch", "epoch", "num_updates"];
    let told = versions.iter().any(|name| number(before, name) != number(after, name));
    if told {
        return;
    }
    let same = {
        let (old, new) = (before.child(before.root(), "configuration"), after.child(root, "configuration"));
        match (old, new) {
            (Some(old), Some(new)) => after.same(new, before, old),
            (old, new) => old.is_some() == new.is_some(),
        }
    };
    let own = |document: &Document| {
        let own: Vec<(String, String)> =
            document.attributes(document.root()).map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        own
    };
    if same && own(before) == own(after) {
        let updates = number(before, "num_updates") + 1;
        after.set(root, "num_updates", &updates.to_string());
    } else {
        let epoch = number(before, "epoch") + 1;
        after.set(root, "epoch", &epoch.to_string());
        after.set(root, "num_updates", "0");
    }
    if after.attribute(root, "admin_epoch").is_none() {
        after.set(root, "admin_epoch", "0");
    }
    if after.attribute(root, "crm_feature_set").is_none() {
        after.set(root, "crm_feature_set", FEATURE_SET);
    }
}

/// The file of the copy that `CIB_shadow` may name.
pub fn shadow_file(call: &Call, name: &str) -> PathBuf {
    let directory = match call.variable("CIB_shadow_dir") {
        Some(directory) => directory.into(),
        None if nix::unistd::geteuid().is_root() => PathBuf::from(SHADOW_DIRECTORY),
        None => Path::new(call.variable("HOME").unwrap_or("/")).join(".cib"),
    };
    directory.join(format!("shadow.{name}"))
}

/// Writes a file whole or not at all: beside it first, then in its place.
///
/// # Errors
/// When it cannot be written; what was there stays.
pub fn write_file(path: &Path, text: &str) -> Result<(), Failure> {
    write_with_mode(path, text, 0o666)
}

/// The same; a new file is not for all to read, for a configuration may hold passwords.
///
/// # Errors
/// As [`write_file`].
pub fn write_private(path: &Path, text: &str) -> Result<(), Failure> {
    write_with_mode(path, text, 0o640)
}

fn write_with_mode(path: &Path, text: &str, mode: u32) -> Result<(), Failure> {
    // Behind a symbolic link lies the file that is meant.
    let place = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let name = place.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let beside = place.with_file_name(format!(".{name}.{}", std::process::id()));
    let written = (|| {
        let mut new = fs::OpenOptions::new();
        let mut file = new.write(true).create(true).truncate(true).mode(mode).open(&beside)?;
        if let Ok(old) = fs::metadata(&place) {
            fs::set_permissions(&beside, old.permissions())?;
            // Only root can keep a foreign owner; for others the file becomes their own, as with any editor.
            let owner = std::os::unix::fs::MetadataExt::uid(&old);
            let group = std::os::unix::fs::MetadataExt::gid(&old);
            let _ = std::os::unix::fs::chown(&beside, Some(owner), Some(group));
        }
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&beside, &place)
    })();
    written.map_err(|error| {
        // What was begun is of no use to anybody.
        let _ = fs::remove_file(&beside);
        Failure::cannot_create(path, &error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead as _, BufReader};
    use wire::request::{from_line, to_line};
    use wire::write::ChangeForm;

    /// A daemon that knows two sections and takes one write; gives what it was asked.
    fn daemon(path: &Path) -> std::thread::JoinHandle<Vec<Request>> {
        let listener = std::os::unix::net::UnixListener::bind(path).unwrap();
        std::thread::spawn(move || {
            let mut asked = Vec::new();
            let mut stream = BufReader::new(listener.accept().unwrap().0);
            let mut line = String::new();
            while stream.read_line(&mut line).unwrap() > 0 {
                let request: Request = from_line(&line).unwrap();
                let items = match &request {
                    Request::Query { section: Some(section), .. } if section == "nodes" => {
                        vec!["<nodes><node id='1' uname='a'/></nodes>".to_owned()]
                    }
                    Request::Query { xpath: Some(path), .. } if path == "/cib/status/node_state" => {
                        vec!["<node_state id='1' uname='a'/>".into(), "<node_state id='2' uname='b'/>".into()]
                    }
                    _ => Vec::new(),
                };
                let version = (1, 7, 3);
                let reply = match &request {
                    Request::Write { .. } => Reply::Written { version },
                    Request::Status => Reply::refused("a whole CIB was asked for"),
                    _ => Reply::Found { items, version },
                };
                asked.push(request);
                stream.get_mut().write_all(to_line(&reply).as_bytes()).unwrap();
                line.clear();
            }
            asked
        })
    }

    #[test]
    fn a_part_is_changed_without_the_whole() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let daemon = daemon(&path);
        let store = Store::Live(path);
        let changed = store.change_part(Part::Nodes, false, |document| {
            assert_eq!(super::super::target::id(document, "b").ok().as_deref(), Some("2"));
            let nodes = document.descend(&["configuration", "nodes"]).unwrap();
            let node = document.child(nodes, "node").unwrap();
            document.set(node, "type", "member");
            Ok(())
        });
        changed.unwrap();
        let asked = daemon.join().unwrap();
        let Some(Request::Write { write: WriteForm::Configure { patch, expected, .. }, .. }) = asked.last() else {
            panic!("{asked:?}");
        };
        assert_eq!(*expected, Some(ExpectedForm::Configuration(1, 7)));
        let path = "/cib/configuration/nodes/node[@id='1']";
        assert!(matches!(&patch[..], [ChangeForm::Modify { path: p, .. }] if p == path), "{patch:?}");
        assert!(!asked.contains(&Request::Status));
    }

    #[test]
    fn what_stands_alone_is_judged_by_its_section() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let daemon = daemon(&path);
        let set = "<instance_attributes id='s'><nvpair id='s-rack' name='rack' value='7'/></instance_attributes>";
        let write = WriteForm::Edit {
            operation: wire::write::OperationForm::Modify { create: true },
            section: Some("nodes".into()),
            xpath: None,
            all: false,
            xml: Some(format!("<node id='1' uname='a'>{set}</node>")),
            expected: None,
            author: change::author(),
        };
        super::super::cibadmin::make(&Store::Live(path), &write, false).unwrap();
        let asked = daemon.join().unwrap();
        let looked_up: Vec<&str> = asked
            .iter()
            .filter_map(|request| match request {
                Request::Query { xpath: Some(path), .. } => Some(path.as_str()),
                _ => None,
            })
            .collect();
        assert_eq!(looked_up, ["//*[@id='s']", "//*[@id='s-rack']"]);
        assert!(matches!(asked.last(), Some(Request::Write { write: made, .. }) if *made == write), "{asked:?}");
    }

    #[test]
    fn a_section_that_is_not_there_needs_the_whole() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let daemon = daemon(&path);
        assert!(Store::Live(path).read_part(Part::Section("op_defaults")).is_err());
        assert_eq!(daemon.join().unwrap().last(), Some(&Request::Status));
    }
}
