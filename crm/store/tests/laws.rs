//! What was put is there, at whatever operation the power goes, the disk fails or fills up.

use std::collections::BTreeMap;
use std::sync::Arc;

use cib::patch::Change as Step;
use cib::{Author, Cib, Patch, Write};
use proptest::prelude::*;
use store::memory::{Failure, MemoryFiles};
use store::{Change, Entry, Files as _, KEPT, Store, segment};

/// The node whose disk it is.
struct Model {
    cib: Cib,
    /// Every configuration that there was, by version, without status and moment.
    known: BTreeMap<(u64, u64), String>,
}

fn text(cib: &Cib) -> String {
    let document = cib.document();
    document.element_to_xml(document.descend(&["configuration"]).unwrap())
}

impl Model {
    fn new() -> Model {
        let cib = Cib::fresh("test");
        let known = BTreeMap::from([(segment::configuration(&cib), text(&cib))]);
        Model { cib, known }
    }

    fn write(&mut self, write: &Write) -> Option<Entry> {
        let from = segment::configuration(&self.cib);
        let applied = self.cib.apply(write).unwrap();
        if !applied.configuration {
            return None;
        }
        let to = segment::configuration(&self.cib);
        self.known.insert(to, text(&self.cib));
        Some(Entry::Change(Change { from, to, author: Author::default(), patch: applied.patch }))
    }

    /// What one deed asks of the disk.
    fn act(&mut self, deed: u16) -> Vec<Entry> {
        let attribute = |name: String, value: Option<String>| Write::Attribute {
            node: "n".into(),
            lifetime: cib::Lifetime::Permanent,
            name,
            value,
            author: Author { user: "u".into(), at: 7, ..Author::default() },
        };
        let mut entries: Vec<Option<Entry>> = vec![self.write(&Write::Node { id: "1".into(), uname: "n".into() })];
        match deed % 8 {
            0 => entries.push(Some(Entry::Whole(Arc::new(self.cib.clone())))),
            1 => {
                // Another member's, with versions of its own.
                let mut other = Cib::fresh("other");
                let write = Write::Node { id: "1".into(), uname: format!("m{deed}") };
                for _ in 0..deed % 5 {
                    other.apply(&write).unwrap();
                }
                let mut document = other.into_document();
                let (epoch, root) = (self.cib.version().epoch + u64::from(deed % 3), document.root());
                document.set(root, "admin_epoch", &(self.cib.version().admin_epoch + 1).to_string());
                document.set(root, "epoch", &epoch.to_string());
                self.cib = Cib::new(document).unwrap();
                self.known.insert(segment::configuration(&self.cib), text(&self.cib));
                entries = vec![Some(Entry::Whole(Arc::new(self.cib.clone())))];
            }
            2 => entries.push(self.write(&attribute("a".into(), None))),
            3 => {
                let xml = format!("<rsc_location id=\"l{deed}\"/>");
                let path = "/cib/configuration/constraints".into();
                let changes = vec![Step::Create { path, position: 0, xml }];
                let author = Author::default();
                entries.push(self.write(&Write::Configure { patch: Patch { changes }, expected: None, author }));
            }
            count => {
                for n in 0..count {
                    entries.push(self.write(&attribute(format!("a{n}"), Some(format!("{deed}-{n}")))));
                }
            }
        }
        entries.into_iter().flatten().collect()
    }
}

/// Does the deeds on a disk that fails once, then lets the power go, and looks. Gives how many operations there were.
fn try_it(deeds: &[u16], failure: Option<(u64, Failure)>, full_at: Option<usize>, seed: usize) -> u64 {
    let mut model = Model::new();
    let mut files = MemoryFiles::default();
    files.failure = failure;
    let (mut store, found) = Store::open(files).unwrap();
    assert!(found.cib.is_none());
    let mut safe: Option<(u64, u64)> = None;
    // What may be there: the last that is safe, and all after it.
    let mut order = vec![segment::configuration(&model.cib)];
    let put = |store: &mut Store<MemoryFiles>, entries: &[Entry]| store.put(entries).ok();
    safe = put(&mut store, &[Entry::Whole(Arc::new(model.cib.clone()))]).or(safe);
    let mut random = seed;
    let mut choose = move |n: usize| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % n
    };
    for (index, deed) in deeds.iter().enumerate() {
        store.files().full = full_at == Some(index);
        let entries = model.act(*deed);
        for entry in &entries {
            order.push(match entry {
                Entry::Change(change) => change.to,
                Entry::Whole(cib) => segment::configuration(cib),
            });
        }
        let mut done = put(&mut store, &entries);
        if done.is_none() && index % 2 == 0 {
            // The node gives the whole when something failed.
            done = put(&mut store, &[Entry::Whole(Arc::new(model.cib.clone()))]);
        }
        if let Some(at) = done {
            assert_eq!(at, segment::configuration(&model.cib));
            safe = Some(at);
        }
    }
    let operations = store.files().operations;
    for again in 0..2 {
        let mut files = store.into_files();
        files.full = false;
        if again == 0 {
            files.crash(&mut choose)
        } else {
            files.daemon_dies()
        }
        let (opened, found) = Store::open(files).unwrap();
        store = opened;
        assert_eq!(found.problems, Vec::<String>::new(), "a crash damages nothing");
        match (&found.cib, safe) {
            (None, None) => {}
            (None, Some(safe)) => panic!("{safe:?} was safe and nothing is there"),
            (Some(cib), safe) => {
                let at = segment::configuration(cib);
                assert_eq!(Some(&text(cib)), model.known.get(&at), "what is there was once so");
                let last = |version| order.iter().rposition(|known| *known == version).unwrap();
                assert!(safe.is_none_or(|safe| last(at) >= last(safe)), "{safe:?} was safe, found {at:?}");
            }
        }
        // It goes on from there.
        let before = found.cib.unwrap_or_else(|| Cib::fresh("test"));
        model.cib = before;
        let mut entries = vec![Entry::Whole(Arc::new(model.cib.clone()))];
        entries.extend(model.act(5));
        safe = Some(store.put(&entries).unwrap());
        order.push(safe.unwrap());
        let history = store.history().unwrap();
        assert!(history.windows(2).all(|pair| pair[0].to == pair[1].from), "the history has no holes");
        assert_eq!(history.last().map(|change| change.to), safe);
        // Some of it: each look reads all that is kept.
        for change in history.iter().rev().take(3) {
            let cib = store.configuration(change.to).unwrap().unwrap();
            assert_eq!(Some(&text(&cib)), model.known.get(&change.to));
        }
    }
    operations
}

#[test]
fn at_every_operation_the_power_goes_or_the_disk_fails() {
    let deeds = [4, 2, 7, 1, 3, 0, 12, 9, 6, 2];
    let operations = try_it(&deeds, None, None, 1);
    assert!(operations > 20, "{operations}");
    for at in 0..=operations {
        for seed in 0..2 {
            try_it(&deeds, Some((at, Failure::Dies)), None, seed);
            try_it(&deeds, Some((at, Failure::Once)), None, seed);
        }
    }
    for full_at in 0..deeds.len() {
        for seed in 0..2 {
            try_it(&deeds, None, Some(full_at), seed);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn what_was_safe_is_there(
        deeds in proptest::collection::vec(any::<u16>(), 1..14), at in 0u64..60, dies: bool, seed in any::<u32>(),
    ) {
        let failure = if dies { Failure::Dies } else { Failure::Once };
        try_it(&deeds, Some((at, failure)), None, seed as usize);
    }
}

#[test]
fn the_history_is_kept_and_has_a_bound() {
    let mut model = Model::new();
    let (mut store, _) = Store::open(MemoryFiles::default()).unwrap();
    store.put(&[Entry::Whole(Arc::new(model.cib.clone()))]).unwrap();
    store.put(&model.act(0)).unwrap();
    let flushes = store.files().flushes;
    for round in 0..3_000u32 {
        let write = Write::Attribute {
            node: "n".into(),
            lifetime: cib::Lifetime::Permanent,
            name: "a".into(),
            value: Some(format!("{round} {}", "x".repeat(100))),
            author: Author { user: "me".into(), host: "here".into(), command: "set".into(), at: i64::from(round) },
        };
        let entry = model.write(&write).unwrap();
        store.put(&[entry]).unwrap();
    }
    let flushes = store.files().flushes - flushes;
    assert!(flushes < 3_000 + 60, "{flushes}: one flush for each, and few more");
    let history = store.history().unwrap();
    assert!(history.len() >= KEPT && history.len() < 2_000, "{}", history.len());
    let version = history[history.len() - KEPT].to;
    let kept = store.configuration(version).unwrap().unwrap();
    assert_eq!(Some(&text(&kept)), model.known.get(&version));
    let names = store.files().list().unwrap();
    assert!(names.len() < 6, "{names:?}");
}

#[test]
fn what_is_damaged_is_told_and_the_last_good_one_counts() {
    let mut model = Model::new();
    let (mut store, _) = Store::open(MemoryFiles::default()).unwrap();
    store.put(&[Entry::Whole(Arc::new(model.cib.clone()))]).unwrap();
    let good = store.put(&model.act(3)).unwrap();
    let mut files = store.into_files();
    // A flipped byte in the first of two changes that follow.
    let name = segment::name(1);
    let length = files.read(&name).unwrap().len();
    let (mut store, _) = Store::open(files).unwrap();
    store.put(&model.act(3 + 8)).unwrap();
    store.put(&model.act(3 + 16)).unwrap();
    let mut files = store.into_files();
    let mut bytes = files.read(&name).unwrap();
    bytes[length + 80] ^= 1;
    files.create(&name, &bytes).unwrap();
    let (_, found) = Store::open(files.clone()).unwrap();
    assert_eq!(found.cib.map(|cib| segment::configuration(&cib)), Some(good));
    assert!(found.problems[0].contains("is damaged behind version"), "{:?}", found.problems);
    // Nothing good at all is an error and not an empty cluster.
    files.create(&name, b"garbage").unwrap();
    let error = Store::open(files).unwrap_err().to_string();
    assert!(error.contains("no good configuration is left"), "{error}");
}

#[test]
fn what_earlier_releases_wrote_is_read() {
    let mut files = MemoryFiles::default();
    let of = |epoch: u64| Cib::parse(&format!("<cib epoch='{epoch}'><configuration/><status/></cib>")).unwrap();
    for (name, epoch) in [("cib.xml", 7), ("cib.xml.old", 6)] {
        files.create(name, cib::file::encode(&of(epoch)).as_bytes()).unwrap();
    }
    files.create("cib.xml.new", b"<cib").unwrap();
    let (mut store, found) = Store::open(files).unwrap();
    assert_eq!((found.cib.unwrap().version().epoch, found.problems.len()), (7, 0));
    // Once there is a segment, it counts.
    store.put(&[Entry::Whole(Arc::new(of(3)))]).unwrap();
    let (_, found) = Store::open(store.into_files()).unwrap();
    assert_eq!(found.cib.unwrap().version().epoch, 3);
}

#[test]
fn a_change_that_does_not_follow_needs_the_whole() {
    let mut model = Model::new();
    let (mut store, _) = Store::open(MemoryFiles::default()).unwrap();
    store.put(&[Entry::Whole(Arc::new(model.cib.clone()))]).unwrap();
    model.act(3);
    let late = model.act(3 + 8);
    assert!(store.put(&late).unwrap_err().to_string().contains("does not follow"));
    let whole = Entry::Whole(Arc::new(model.cib.clone()));
    assert_eq!(store.put(&[whole]).unwrap(), segment::configuration(&model.cib));
}
