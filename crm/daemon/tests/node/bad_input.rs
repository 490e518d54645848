//! What no daemon should have to take: noise and messages of another version in the group, a node that calls itself as
//! another does, tools that send without end or do not listen, an engine whose libraries are not what they should be.
//! Each is refused or bounded, told once with what and from whom, and the cluster goes on.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::process::Command;

use embedded::{Client, Identity, SocketPath};
use engine::{Engine as _, Event, NodeId};
use wire::write::{AuthorForm, WriteForm};
use wire::{Message, Reply, Request};

use crate::small::{PATIENCE, Small, systoled};

/// Whether a change of the configuration is made.
fn writes(small: &Small, node: &str, value: &str) -> bool {
    let author = AuthorForm { user: "test".into(), host: node.into(), command: "bad input".into(), at: 1 };
    let (name, value) = ("mark".to_owned(), Some(value.to_owned()));
    let write = WriteForm::Attribute { node: "a".into(), permanent: true, name, value, author };
    matches!(small.ask(node, &Request::Write { write, force: false }), Some(Reply::Written { .. }))
}

/// The lines of a daemon's log that hold all of these words.
fn told(small: &Small, node: &str, words: &[&str]) -> Vec<String> {
    let log = small.read(&format!("{node}.log"));
    log.lines().filter(|line| words.iter().all(|word| line.contains(word))).map(str::to_owned).collect()
}

/// Joins the group as node 3, says these things twenty times each, and stays until all of them came back.
fn say(small: &Small, said: &[Vec<u8>]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let socket: SocketPath = small.at("hub.sock").display().to_string().parse().unwrap();
    let talk = async {
        let mut stranger = Client::connect(socket, Identity::new(NodeId(3), "c", 1).unwrap());
        while !matches!(stranger.event().await, Event::Membership(view) if view.has_member(NodeId(3))) {}
        for bytes in said.iter().cycle().take(20 * said.len()) {
            stranger.send(bytes.clone()).unwrap();
            // One at a time, so that the engine is never too busy to take it.
            while !matches!(stranger.event().await, Event::Delivered { from: NodeId(3), .. }) {}
        }
        stranger.leave().await;
    };
    runtime.block_on(async { tokio::time::timeout(PATIENCE, talk).await.expect("all comes back") });
}

#[test]
fn noise_and_messages_of_a_newer_version_are_told_once() {
    let mut small = Small::new(2);
    small.configure("", "");
    small.start("a", 1);
    small.start("b", 2);
    small.quiet("a", 2);
    let piece = wire::frame::cut(&Message::Held { admin_epoch: 0, epoch: 1 }, 4096).remove(0);
    let mut newer = piece.clone();
    newer[7] = 99;

    // A change that is made comes after the noise in everybody's order, so all of that was heard before it.
    let goes_on = |node| small.until("the cluster goes on", || writes(&small, node, node).then_some(()));
    say(&small, &[newer]);
    for node in ["a", "b"] {
        goes_on(node);
        let told = told(&small, node, &["from node 3", "protocol 99", "upgrade this node"]);
        assert_eq!(told.len(), 1, "{node} says it once: {told:?}");
    }
    say(&small, &[b"\x00\xffnobody understands this".to_vec(), piece[..piece.len() - 1].to_vec(), Vec::new()]);
    for node in ["a", "b"] {
        goes_on(node);
        let told = told(&small, node, &["from node 3", "no message of Systole's"]);
        assert_eq!(told.len(), 1, "{node} says it once: {told:?}");
    }
}

#[test]
fn a_node_that_calls_itself_as_another_is_refused() {
    let mut small = Small::new(2);
    small.configure("", "");
    small.start("a", 1);
    small.start("b", 2);
    small.quiet("a", 2);
    // Its files are its own, its name is not.
    small.start_as("c", "a", 3);
    let reason = "the name a belongs to node id 1: give each node a name of its own";
    small.until("it is told why", || (!told(&small, "c", &[reason]).is_empty()).then_some(()));
    small.quiet("b", 2);
    assert!(writes(&small, "b", "after"), "the cluster goes on");
    // It goes on trying, for somebody may mend the other one.
    assert_eq!(told(&small, "c", &[reason]).len(), 1, "{:?}", told(&small, "c", &[reason]));
}

#[test]
fn tools_that_send_without_end_or_do_not_listen_are_cut_off() {
    let mut small = Small::new(1);
    // A reply that no socket's buffer has room for.
    let long = "x".repeat(4 << 20);
    small.configure(
        "",
        &format!(
            "<rsc_defaults><meta_attributes id=\"d\"><nvpair id=\"d-1\" name=\"note\" value=\"{long}\"/></meta_attributes>\
             </rsc_defaults>"
        ),
    );
    small.start("a", 1);
    small.quiet("a", 1);

    let mut deaf = UnixStream::connect(small.at("a.sock")).unwrap();
    deaf.write_all(wire::request::to_line(&Request::Status).as_bytes()).unwrap();

    let mut endless = UnixStream::connect(small.at("a.sock")).unwrap();
    let (block, mut sent) = (vec![b'x'; 1 << 20], 0_u64);
    while sent < 1 << 30 {
        match endless.write(&block) {
            Ok(count) => sent += count as u64,
            Err(_) => break,
        }
    }
    assert!(sent < 200 << 20, "{sent} bytes of a gigabyte were taken");
    let mut reply = String::new();
    // What it said is lost where the connection was reset.
    if BufReader::new(&endless).read_line(&mut reply).is_ok() && !reply.is_empty() {
        assert!(reply.contains("expected a line of at most"), "{reply}");
    }

    // Others are served meanwhile.
    assert!(writes(&small, "a", "meanwhile"));
    let me = format!("process {} of user", std::process::id());
    for what in ["without the end of a request", "did not take its reply of"] {
        small.until(what, || (told(&small, "a", &[&me, what]).len() == 1).then_some(()));
    }
    // Nothing but what was in the socket's buffer comes any more.
    let mut rest = Vec::new();
    let read = deaf.read_to_end(&mut rest);
    assert!(read.is_err() || rest.len() < 4 << 20, "{} bytes", rest.len());
    assert!(writes(&small, "a", "after"));
}

#[test]
fn missing_libraries_of_the_engine_are_told_with_their_packages() {
    let directory = tempfile::tempdir().unwrap();
    let engine = |broken: &[&str]| {
        for file in broken {
            fs::write(directory.path().join(file), "no library").unwrap();
        }
        let output = Command::new(systoled()).arg("engine").env("LD_LIBRARY_PATH", directory.path()).output().unwrap();
        assert!(!output.status.success());
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    };
    let said = engine(&["libcpg.so.4"]);
    assert!(said.contains("libcpg4"), "{said}");
    let said = engine(&["libquorum.so.5", "libvotequorum.so.8", "libcmap.so.4", "libcfg.so.7"]);
    for package in ["libcpg4", "libquorum5", "libvotequorum8", "libcmap4", "libcfg7"] {
        assert!(said.contains(package), "{package}: {said}");
    }
}
