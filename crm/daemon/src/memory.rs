//! The memory of what happened: each plan that changes something, with its input and its reasons, and a line for each record
//! that nodes tell each other. All of it lies in the state directory, bounded, written by a thread that nobody waits for.
//!
//! Inputs are files as Pacemaker writes them (`pengine/pe-input-N.bz2`, the time in `execution-date`), so that its tools and
//! ours read them. Records are in `history.jsonl`; the one before it, when that is full, in `history.1.jsonl`.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use bzip2::Compression;
use bzip2::read::BzDecoder;
use bzip2::write::BzEncoder;
use cib::Cib;
use node::{ClientId, Event};
use outline::Summary;
use tokio::sync::mpsc;
use wire::record::{Change, Happening, Kept, MOST_CHANGES, Planned, Record};
use wire::{Reply, Request, WhichPlan, Why};

use crate::store::Told;

/// Inputs at most, whatever the cluster's option says: Pacemaker's own default.
const MOST_INPUTS: u64 = 4000;
/// What they may take together, in bytes: four thousand of a cluster of a hundred resources take a third.
const MOST_BYTES: u64 = 256 * 1024 * 1024;
/// The longest input that is read back, in bytes unpacked: as long as any configuration.
const LONGEST: u64 = 512 * 1024 * 1024;
/// A history longer than this begins anew, and the one before is kept.
const HISTORY_BYTES: u64 = 4 * 1024 * 1024;
/// The longest record, in bytes: two hundred changes with their reasons take a third.
const RECORD_BYTES: usize = 128 * 1024;
/// What waits for the thread. A plan holds the CIB it was made from; more than these come only while a disk hangs.
const WAITING: usize = 64;
/// A plan is put away so long after it was made: in that time it is carried out, and that comes first.
const LATER: Duration = Duration::from_secs(1);

enum Order {
    Plan { made: Instant, at: i64, cib: Arc<Cib> },
    Record(Record),
    Recall { client: ClientId, request: Request },
}

/// The thread's end of the loop.
#[derive(Debug)]
pub struct Keeper {
    orders: SyncSender<Order>,
}

/// A way to give it plans from where they are made.
#[derive(Clone, Debug)]
pub struct Plans {
    orders: SyncSender<Order>,
}

impl Plans {
    /// Keeps the plan that was made from this CIB at that time, if it changes something.
    pub fn keep(&self, at: i64, cib: Arc<Cib>) {
        // When the disk is far behind, what is kept of the past is the least.
        let _ = self.orders.try_send(Order::Plan { made: Instant::now(), at, cib });
    }
}

impl Keeper {
    /// Starts the thread. `me` is the name of this node.
    ///
    /// # Errors
    /// When there can be no thread.
    pub fn start(
        state: &Path,
        me: &str,
        told: mpsc::Sender<Told>,
        events: mpsc::Sender<Event>,
    ) -> anyhow::Result<Keeper> {
        let (orders, taken) = sync_channel(WAITING);
        let archive = Archive { state: state.to_owned(), me: me.to_owned() };
        std::thread::Builder::new()
            .name("keeper".into())
            .spawn(move || serve(&archive, &taken, &told, &events))
            .context("starting the thread that keeps plans")?;
        Ok(Keeper { orders })
    }

    /// For those who make plans.
    pub fn plans(&self) -> Plans {
        Plans { orders: self.orders.clone() }
    }

    /// Keeps a record.
    pub fn record(&self, record: Record) {
        // As with plans.
        let _ = self.orders.try_send(Order::Record(record));
    }

    /// Answers a tool; at once when there is no room.
    pub fn recall(&self, client: ClientId, request: Request) -> Option<Reply> {
        match self.orders.try_send(Order::Recall { client, request }) {
            Ok(()) => None,
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                Some(Reply::Refused { why: Why::Busy, reason: "the disk of this node is far behind; try again".into() })
            }
        }
    }
}

fn serve(archive: &Archive, orders: &Receiver<Order>, told: &mpsc::Sender<Told>, events: &mpsc::Sender<Event>) {
    let complain = |error: anyhow::Error| tracing::warn!(event = "kept", "what happened is not kept: {error:#}");
    while let Ok(order) = orders.recv() {
        match order {
            Order::Plan { made, at, cib } => {
                std::thread::sleep(LATER.saturating_sub(made.elapsed()));
                match archive.keep(at, &cib) {
                    Ok(Some(record)) => drop(events.blocking_send(Event::Record(record))),
                    Ok(None) => {}
                    Err(error) => complain(error),
                }
            }
            Order::Record(record) => archive.append(&record).unwrap_or_else(complain),
            Order::Recall { client, request } => {
                let reply = archive.recall(&request).unwrap_or_else(|error| Reply::refused(format!("{error:#}")));
                drop(told.blocking_send(Told::Reply(client, reply)));
            }
        }
    }
}

/// The files.
struct Archive {
    state: PathBuf,
    me: String,
}

impl Archive {
    fn plans(&self) -> PathBuf {
        self.state.join("pengine")
    }

    /// Keeps a plan, and gives what is told of it; nothing for one that changes nothing.
    fn keep(&self, at: i64, cib: &Cib) -> anyhow::Result<Option<Record>> {
        let plan = policy::plan(&policy::Input { explain: true, ..policy::Input::new(cib.document(), at) });
        let changes = changes(&Summary::of(&plan.cluster));
        if changes.is_empty() {
            return Ok(None);
        }
        let option = cib::view::property(cib.document(), "pe-input-series-max", at).and_then(|text| text.parse().ok());
        let most = match option.unwrap_or(-1) {
            0 => return Ok(None),
            option => u64::try_from(option).unwrap_or(MOST_INPUTS).min(MOST_INPUTS),
        };
        let directory = self.plans();
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&directory)
            .with_context(|| format!("making {}", directory.display()))?;
        let last = fs::read_to_string(directory.join("pe-input.last")).ok();
        let number = last.and_then(|text| text.trim().parse().ok()).unwrap_or(0u64) % most;
        let name = format!("pe-input-{number}");
        let mut document = cib.document().clone();
        let root = document.root();
        document.set(root, "execution-date", &at.to_string());
        let version = cib.version();
        let version = (version.admin_epoch, version.epoch, version.num_updates);
        let text = told(&self.me, at, version, &changes, &plan);
        for (ending, text) in [("bz2", document.to_xml()), ("plan.bz2", text)] {
            let path = directory.join(format!("{name}.{ending}"));
            pack(&path, &text).with_context(|| format!("writing {}", path.display()))?;
        }
        fs::write(directory.join("pe-input.last"), format!("{}\n", (number + 1) % most))?;
        shorten(&directory)?;
        let count = changes.len();
        let changes = changes.into_iter().take(MOST_CHANGES).collect();
        let what = Happening::Planned(Planned { input: format!("{name}.bz2"), version, changes, count });
        Ok(Some(Record { at, node: self.me.clone(), what }))
    }

    fn append(&self, record: &Record) -> anyhow::Result<()> {
        let line = wire::request::to_line(record);
        if line.len() > RECORD_BYTES {
            anyhow::bail!("a record of {} bytes from {} is too long", line.len(), record.node);
        }
        let path = self.state.join("history.jsonl");
        if fs::metadata(&path).is_ok_and(|file| file.len() > HISTORY_BYTES) {
            fs::rename(&path, self.state.join("history.1.jsonl")).context("beginning a new history")?;
        }
        let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(&path)?;
        file.write_all(line.as_bytes()).with_context(|| format!("writing {}", path.display()))
    }

    /// All that is kept, oldest first. Lines that a crash cut short, or that a newer build wrote, are passed over.
    fn records(&self) -> Vec<Record> {
        let text = |name| fs::read_to_string(self.state.join(name)).unwrap_or_default();
        let all = text("history.1.jsonl") + &text("history.jsonl");
        all.lines().filter_map(|line| wire::request::from_line(line).ok()).collect()
    }

    fn recall(&self, request: &Request) -> anyhow::Result<Reply> {
        Ok(match request {
            Request::Records { since } => {
                Reply::Records(self.records().into_iter().filter(|record| record.at >= *since).collect())
            }
            Request::Plan(WhichPlan::At(at)) => {
                // The newest one of them.
                let plan = self.records().into_iter().rev().find_map(|record| match record.what {
                    Happening::Planned(planned) if record.at <= *at => Some((record.node, planned.input)),
                    _ => None,
                });
                match plan {
                    None => {
                        return Ok(missing("no plan of that time or before it is kept; `systole history` lists them"));
                    }
                    Some((node, input)) if node != self.me => {
                        return Ok(missing(&format!(
                            "{node} made the plan of that time ({input}) and keeps it: ask there"
                        )));
                    }
                    Some((_, input)) => self.plan(&input)?,
                }
            }
            Request::Plan(WhichPlan::Input(input)) => self.plan(input)?,
            _ => Reply::refused("this is nothing that is kept"),
        })
    }

    fn plan(&self, input: &str) -> anyhow::Result<Reply> {
        let number = input.strip_prefix("pe-input-").and_then(|rest| rest.strip_suffix(".bz2"));
        let Some(number) = number.filter(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
        else {
            return Ok(missing(&format!("'{input}' is no input; expected a name such as pe-input-12.bz2")));
        };
        let path = self.plans().join(input);
        if !path.exists() {
            return Ok(missing(&format!("{} does not keep {input} any more", self.me)));
        }
        let xml = unpack(&path).with_context(|| format!("reading {}", path.display()))?;
        let plan = unpack(&self.plans().join(format!("pe-input-{number}.plan.bz2"))).unwrap_or_default();
        let document = cib::Document::parse(&xml).with_context(|| format!("reading {}", path.display()))?;
        let at = document.attribute(document.root(), "execution-date").and_then(|text| text.parse().ok());
        Ok(Reply::Plan(Box::new(Kept { input: input.to_owned(), at: at.unwrap_or(0), xml, plan })))
    }
}

fn missing(reason: &str) -> Reply {
    Reply::Refused { why: Why::NotFound, reason: reason.to_owned() }
}

fn changes(summary: &Summary) -> Vec<Change> {
    let nodes = summary.nodes.iter().map(|change| Change {
        verb: change.what.clone(),
        of: change.node.clone(),
        is_node: true,
        details: String::new(),
        reason: change.reason.clone(),
        blocked: false,
    });
    let resources = summary.resources.iter().map(|change| Change {
        verb: change.verb.to_owned(),
        of: change.resource.clone(),
        is_node: false,
        details: change.details.clone(),
        reason: change.reason.clone(),
        blocked: change.blocked,
    });
    nodes.chain(resources).collect()
}

/// The plan in words, and why each resource that changes goes where it goes.
fn told(me: &str, at: i64, version: (u64, u64, u64), changes: &[Change], plan: &policy::Plan) -> String {
    let (admin_epoch, epoch, num_updates) = version;
    let mut text = format!(
        "Plan of {me} at {}, from version {admin_epoch}.{epoch}.{num_updates}, systoled {}\n",
        cib::date::format(at),
        env!("CARGO_PKG_VERSION")
    );
    for Change { verb, of, details, reason, blocked, .. } in changes {
        let because = reason.as_ref().map(|reason| format!("  because: {reason}")).unwrap_or_default();
        let blocked = if *blocked { "  (cannot be done now)" } else { "" };
        text.push_str(&format!("  {}{because}{blocked}\n", [verb.as_str(), of, details].join("  ").trim_end()));
    }
    text.push_str("Why\n");
    for change in changes.iter().filter(|change| !change.is_node) {
        if let Some(explanation) = plan.reasons.explain(&change.of) {
            explanation.to_string().lines().for_each(|line| text.push_str(&format!("  {line}\n")));
        }
    }
    text
}

fn pack(path: &Path, text: &str) -> io::Result<()> {
    let beside = path.with_extension("new");
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    let mut packer = BzEncoder::new(file, Compression::fast());
    packer.write_all(text.as_bytes())?;
    packer.finish()?;
    fs::rename(&beside, path)
}

fn unpack(path: &Path) -> anyhow::Result<String> {
    let mut text = String::new();
    let read = BzDecoder::new(File::open(path)?).take(LONGEST).read_to_string(&mut text)?;
    anyhow::ensure!((read as u64) < LONGEST, "it is longer than {} MiB", LONGEST >> 20);
    Ok(text)
}

/// Removes the oldest until what is left is within its bound.
fn shorten(directory: &Path) -> io::Result<()> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let file = entry.metadata()?;
        files.insert((file.modified()?, entry.file_name()), file.len());
    }
    let mut all: u64 = files.values().sum();
    for ((_, name), length) in files {
        if all <= MOST_BYTES {
            break;
        }
        fs::remove_file(directory.join(name))?;
        all -= length;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(directory: &Path) -> Archive {
        Archive { state: directory.to_owned(), me: "one".into() }
    }

    /// A resource that is to be started; with so many inputs to keep.
    fn cib(most: i64) -> Cib {
        let text = format!(
            "<cib validate-with='pacemaker-3.9' admin_epoch='0' epoch='7' num_updates='2' have-quorum='1'><configuration>\
             <crm_config><cluster_property_set id='o'><nvpair id='o1' name='stonith-enabled' value='false'/>\
             <nvpair id='o2' name='pe-input-series-max' value='{most}'/></cluster_property_set></crm_config>\
             <nodes><node id='1' uname='one'/></nodes><resources><primitive id='web' class='ocf' provider='p' type='T'/>\
             </resources><constraints/></configuration><status><node_state id='1' uname='one' in_ccm='true' crmd='online' \
             join='member' expected='member'/></status></cib>"
        );
        Cib::parse(&text).unwrap()
    }

    fn reply(archive: &Archive, which: WhichPlan) -> Result<Kept, String> {
        match archive.recall(&Request::Plan(which)).unwrap() {
            Reply::Plan(kept) => Ok(*kept),
            Reply::Refused { reason, .. } => Err(reason),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_plan_is_kept_with_its_input_and_reasons_and_found_by_its_time() {
        let directory = tempfile::tempdir().unwrap();
        let archive = archive(directory.path());
        for at in [1000, 2000] {
            let record = archive.keep(at, &cib(-1)).unwrap().unwrap();
            let Happening::Planned(planned) = &record.what;
            assert_eq!((planned.changes[0].verb.as_str(), planned.version, planned.count), ("Start", (0, 7, 2), 1));
            archive.append(&record).unwrap();
        }
        let kept = reply(&archive, WhichPlan::At(1999)).unwrap();
        assert_eq!((kept.input.as_str(), kept.at), ("pe-input-0.bz2", 1000));
        assert!(kept.xml.contains("execution-date=\"1000\"") && kept.xml.contains("<primitive id=\"web\""));
        assert!(kept.plan.contains("Start  web  one") && kept.plan.contains("Why\n"), "{}", kept.plan);
        assert_eq!(reply(&archive, WhichPlan::At(9999)).unwrap().input, "pe-input-1.bz2");
        assert!(reply(&archive, WhichPlan::At(999)).unwrap_err().contains("no plan of that time"));
        for wrong in ["pe-input-7.bz2", "../history.jsonl", "pe-input-.bz2", "pe-input-0/../x.bz2"] {
            assert!(reply(&archive, WhichPlan::Input(wrong.into())).is_err(), "{wrong}");
        }
        let Reply::Records(since) = archive.recall(&Request::Records { since: 1500 }).unwrap() else { panic!() };
        assert_eq!(since.len(), 1);
    }

    #[test]
    fn another_nodes_plan_is_named_with_its_keeper() {
        let directory = tempfile::tempdir().unwrap();
        let archive = archive(directory.path());
        let mut record = archive.keep(5, &cib(-1)).unwrap().unwrap();
        record.node = "two".into();
        archive.append(&record).unwrap();
        let error = reply(&archive, WhichPlan::At(10)).unwrap_err();
        assert!(error.contains("two made the plan") && error.contains("ask there"), "{error}");
    }

    #[test]
    fn inputs_are_kept_in_turn_and_as_many_as_the_cluster_wants() {
        let directory = tempfile::tempdir().unwrap();
        let archive = archive(directory.path());
        assert!(archive.keep(1, &cib(0)).unwrap().is_none());
        for at in 0..7 {
            archive.keep(at, &cib(3)).unwrap().unwrap();
        }
        let mut names: Vec<String> = fs::read_dir(archive.plans())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.ends_with(".bz2") && !name.ends_with(".plan.bz2"))
            .collect();
        names.sort();
        assert_eq!(names, ["pe-input-0.bz2", "pe-input-1.bz2", "pe-input-2.bz2"]);
        assert_eq!(reply(&archive, WhichPlan::Input("pe-input-0.bz2".into())).unwrap().at, 6);
    }

    #[test]
    fn a_plan_that_changes_nothing_is_not_kept_and_a_damaged_history_is_read_on() {
        let directory = tempfile::tempdir().unwrap();
        let archive = archive(directory.path());
        let quiet = cib(-1).document().to_xml().replace("<primitive id=\"web\"", "<primitive id=\"\"");
        let quiet = quiet.replace("<resources>", "<resources/><!--").replace("</resources>", "-->");
        assert!(archive.keep(1, &Cib::parse(&quiet).unwrap()).unwrap().is_none());
        fs::write(directory.path().join("history.jsonl"), "{\"at\":1,\nnonsense\n").unwrap();
        let record = archive.keep(7, &cib(-1)).unwrap().unwrap();
        archive.append(&record).unwrap();
        assert_eq!(archive.records(), [record]);
    }
}
