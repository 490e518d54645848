//! What a daemon has acknowledged is on its disk, whenever it is killed, whatever of a write was done then, and when the
//! disk has no room.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc;

use wire::request::{from_line, to_line};
use wire::write::{AuthorForm, WriteForm};
use wire::{Reply, Request, Why};

use crate::small::{PATIENCE, Small, systoled};

/// Programs that write at the same time: while one's change is flushed, the next ones gather behind it.
const WRITERS: usize = 4;

/// So many changes that are refused one after the other: there is no room at all any more.
const NO_ROOM: usize = 5;

fn mark(name: &str) -> Request {
    let author = AuthorForm { user: "test".into(), host: "a".into(), command: "disk".into(), at: 1 };
    let value = Some("1".to_owned());
    let write = WriteForm::Attribute { node: "a".into(), permanent: true, name: name.into(), value, author };
    Request::Write { write, force: false }
}

/// Writes mark after mark over one connection until the daemon is gone, and tells which were acknowledged.
fn write_on(socket: &Path, writer: &str, acknowledged: &mpsc::Sender<String>) {
    let Ok(stream) = UnixStream::connect(socket) else { return };
    let mut replies = BufReader::new(&stream);
    for number in 0.. {
        let name = format!("mark-{writer}-{number}");
        let mut line = String::new();
        let asked = (&stream).write_all(to_line(&mark(&name)).as_bytes());
        if asked.is_err() || replies.read_line(&mut line).map_or(true, |count| count == 0) {
            return;
        }
        // A line that ends in the middle is no answer.
        if matches!(from_line(&line), Ok(Reply::Written { .. })) && acknowledged.send(name).is_err() {
            return;
        }
    }
}

/// Those of the marks that a node does not hold.
fn missing(small: &Small, marks: &BTreeSet<String>) -> Vec<String> {
    let cib = small.status("a").expect("it answers").cib;
    marks.iter().filter(|mark| !cib.contains(&format!("\"{mark}\""))).cloned().collect()
}

/// The segment that is written to.
fn newest_segment(state: &Path) -> PathBuf {
    let files = fs::read_dir(state).unwrap().flatten().map(|entry| entry.path());
    let mut segments: Vec<PathBuf> = files
        .filter(|path| path.extension().is_some_and(|end| end == "cib"))
        .filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("history-"))
        .collect();
    segments.sort();
    segments.pop().expect("there is one")
}

#[test]
fn killed_in_the_middle_of_writes_a_daemon_holds_all_that_it_acknowledged() {
    let mut small = Small::new(1);
    small.configure("", "");
    small.start("a", 1);
    small.quiet("a", 1);
    let mut marks = BTreeSet::new();
    for (round, enough) in [1, 2, 3, 5, 8, 13, 21, 34, 4, 60].into_iter().enumerate() {
        let (tell, told) = mpsc::channel();
        let socket = small.at("a.sock");
        let before = marks.len();
        std::thread::scope(|scope| {
            for writer in 0..WRITERS {
                let (socket, tell) = (socket.clone(), tell.clone());
                scope.spawn(move || write_on(&socket, &format!("{round}-{writer}"), &tell));
            }
            drop(tell);
            // As soon as so many are there it is killed: others are on their way to the disk at that moment.
            marks.extend((0..enough).map(|_| told.recv_timeout(PATIENCE).expect("a change is made")));
            small.kill("a");
            marks.extend(told.iter());
        });
        assert!(marks.len() >= before + enough);
        // The end of a file as a disk leaves it that has written the half of a block.
        if round % 2 == 0 {
            let mut file = OpenOptions::new().append(true).open(newest_segment(&small.at("a.state"))).unwrap();
            file.write_all(b"<!--systole-change bytes=480 md5=0123456789abcdef0123456789abcdef-->\n<change fr")
                .unwrap();
            fs::write(small.at("a.state").join("history-99999999.cib.new"), "<cib epoch").unwrap();
        }
        small.start("a", 1);
        small.quiet("a", 1);
        let lost = missing(&small, &marks);
        assert!(lost.is_empty(), "round {round}: of {} acknowledged changes are lost: {lost:?}", marks.len());
    }
}

#[test]
fn a_disk_without_room_costs_nothing_that_was_acknowledged() {
    let mut small = Small::new(1);
    // So long that a file with it and some changes is all that there is room for.
    let long = "x".repeat(200_000);
    small.configure(
        "",
        &format!(
            "<rsc_defaults><meta_attributes id=\"d\"><nvpair id=\"d-1\" name=\"note\" value=\"{long}\"/></meta_attributes>\
             </rsc_defaults>"
        ),
    );
    // No file may grow longer: what a disk without room comes to, for any user. The signal that comes with the error is of
    // no use to anyone.
    let script = "trap '' XFSZ; ulimit -f 429; exec \"$0\" \"$@\"";
    let mut shell = Command::new("/bin/sh");
    shell.arg("-c").arg(script).arg(systoled());
    small.start_by("a", "a", 1, shell);
    small.quiet("a", 1);
    let mut marks = BTreeSet::new();
    // A file that is full is followed by one that has room for the whole, as long as that has room.
    let mut refusals = 0;
    for number in 0..2_000 {
        let name = format!("mark-{number}");
        match small.ask("a", &mark(&name)) {
            Some(Reply::Written { .. }) => {
                refusals = 0;
                marks.insert(name);
            }
            Some(Reply::Refused { why: Why::NotDurable, reason }) => {
                assert!(reason.contains("disk"), "{reason}");
                refusals += 1;
            }
            other => panic!("after {} changes: {other:?}", marks.len()),
        }
        if refusals == NO_ROOM {
            break;
        }
    }
    assert!(refusals == NO_ROOM && !marks.is_empty(), "{} were acknowledged, {refusals} refused", marks.len());
    small.kill("a");
    small.start("a", 1);
    small.quiet("a", 1);
    assert_eq!(missing(&small, &marks), Vec::<String>::new(), "{} were acknowledged", marks.len());
    assert!(matches!(small.ask("a", &mark("mark-after")), Some(Reply::Written { .. })), "there is room again");
}
