//! portblock with the real packet filter and a client at the other end of a cable.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, ChildStdout, Stdio};

use crate::space::{Space, until};

const BLOCK: &str = "protocol=tcp portno=2049 action=block ip=10.0.0.9 OCF_RESOURCE_INSTANCE=block";
const UNBLOCK: &str = "protocol=tcp portno=2049 action=unblock ip=10.0.0.9 OCF_RESOURCE_INSTANCE=unblock";

fn rules(space: &Space) -> usize {
    space.run("iptables -w -S").lines().filter(|line| line.starts_with("-A")).count()
}

/// What each action of the pair answers in each state; and how many rules there are then.
#[test]
fn the_pair_in_all_its_states() {
    let space = Space::new();
    for (line, code, left) in [
        (format!("monitor {BLOCK}"), 7, 0),
        (format!("monitor {UNBLOCK}"), 7, 0),
        (format!("validate-all {BLOCK}"), 0, 0),
        (format!("start {BLOCK}"), 0, 1),
        (format!("start {BLOCK}"), 0, 1),
        (format!("monitor {BLOCK}"), 0, 1),
        (format!("monitor {UNBLOCK}"), 7, 1),
        (format!("start {UNBLOCK}"), 0, 0),
        (format!("start {UNBLOCK}"), 0, 0),
        // The ports are open, and both count as started.
        (format!("monitor {UNBLOCK}"), 0, 0),
        (format!("monitor {BLOCK}"), 0, 0),
        (format!("stop {UNBLOCK}"), 0, 1),
        (format!("stop {UNBLOCK}"), 0, 1),
        (format!("monitor {UNBLOCK}"), 7, 1),
        (format!("stop {BLOCK}"), 0, 0),
        (format!("stop {BLOCK}"), 0, 0),
        (format!("monitor {BLOCK}"), 7, 0),
        (format!("start {BLOCK} direction=both"), 0, 2),
        (format!("stop {BLOCK} direction=both"), 0, 0),
    ] {
        space.expect(code, &format!("portblock {line}"));
        assert_eq!(rules(&space), left, "rules after {line}");
    }
    for (line, code, words) in [
        ("start protocol=icmp portno=1 action=block", 6, "tcp or udp"),
        ("monitor portno=1 action=block", 6, "protocol is not set"),
        (
            "validate-all protocol=tcp portno=1 action=unblock ip=10.0.0.9 tickle_dir=/no/such/directory",
            5,
            "tickle_dir",
        ),
    ] {
        space.refuse(code, &format!("portblock {line}"), &[words]);
    }
}

fn begin(space: &Space, program: &str) -> (Child, BufReader<ChildStdout>) {
    let mut child = space
        .enter("perl")
        .args(["-MIO::Socket::INET", "-e", program])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("these tests need perl (package perl-base)");
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    assert_eq!(line, "begun\n", "{program}");
    (child, output)
}

#[test]
fn connections_do_not_outlive_the_address() {
    let server = Space::new();
    let client = server.neighbour();
    server.run(&format!("ip link add cable type veth peer name far && ip link set far netns {}", client.pid()));
    server.run("ip addr add 10.0.0.9/24 dev cable && ip link set cable up");
    client.run("ip addr add 10.0.0.3/24 dev far && ip link set far up");
    let directory = server.path("tickle");
    std::fs::create_dir(&directory).unwrap();
    let unblock = format!("{UNBLOCK} tickle_dir={} reset_local_on_unblock_stop=true", directory.display());
    server.expect(0, &format!("portblock start {unblock}"));

    let listen = "$l = IO::Socket::INET->new(Listen => 5, LocalAddr => '10.0.0.9', LocalPort => 2049, ReuseAddr => 1) or \
                  die $@; $| = 1; print \"begun\\n\"; push @c, $l->accept while 1;";
    let connect = "$s = IO::Socket::INET->new(PeerAddr => '10.0.0.9:2049') or die $@; $| = 1; print \"begun\\n\"; \
                   $n = sysread($s, $b, 1); print defined $n ? 'closed' : $!;";
    let (mut service, _) = begin(&server, listen);
    let (mut asker, mut heard) = begin(&client, connect);
    until("the connection in the list", || {
        server.expect(0, &format!("portblock monitor {unblock}"));
        std::fs::read_to_string(directory.join("10.0.0.9")).is_ok_and(|text| text.contains("10.0.0.9:2049\t10.0.0.3:"))
    });

    let established = |space: &Space| {
        let table = space.run("cat /proc/net/tcp");
        table.lines().filter(|line| line.split_whitespace().nth(3) == Some("01")).count()
    };
    server.expect(0, &format!("portblock stop {unblock}"));
    assert_eq!(
        (established(&server), established(&client)),
        (0, 1),
        "the server's side is gone, and the client does not know"
    );
    assert_eq!(rules(&server), 1, "the ports are blocked, and only that is left");

    // As on the next host: the client learns at once what its own timers would tell it in a quarter of an hour.
    server.expect(0, &format!("portblock start {unblock}"));
    let mut said = String::new();
    heard.read_to_string(&mut said).unwrap();
    assert_eq!(said, "Connection reset by peer");
    asker.wait().unwrap();
    service.kill().unwrap();
    service.wait().unwrap();
}
