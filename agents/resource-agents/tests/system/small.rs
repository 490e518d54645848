//! The small agents, each at its work: routes, source addresses, attributes, promotion and programs without an agent.

use std::fs;

use crate::address::cable;
use crate::space::{Space, is_root, until};
use crate::tools;

#[test]
fn routes_come_and_go() {
    let (here, _there) = cable();
    let cases = [
        ("destination=198.51.100.0/24 gateway=192.0.2.2", "198.51.100.0/24 via 192.0.2.2 dev port0"),
        (
            "destination=198.51.100.0/24 device=port0 source=192.0.2.1",
            "198.51.100.0/24 dev port0 scope link src 192.0.2.1",
        ),
        ("destination=198.51.100.9 gateway=192.0.2.2 device=port0 table=77", "198.51.100.9 via 192.0.2.2 dev port0"),
        ("destination=default gateway=192.0.2.2", "default via 192.0.2.2 dev port0"),
        ("destination=2001:db8:1::/48 gateway=2001:db8::2", "2001:db8:1::/48 via 2001:db8::2 dev port0"),
        ("destination=2001:db8:2::/48 device=port0", "2001:db8:2::/48 dev port0"),
    ];
    let shown = || here.run("ip route show table all; ip -6 route show table all");
    let before = shown();
    for (parameters, expected) in cases {
        here.expect(7, &format!("Route monitor {parameters}"));
        here.expect(0, &format!("Route validate-all {parameters}"));
        for _ in 0..2 {
            here.expect(0, &format!("Route start {parameters}"));
        }
        assert!(shown().contains(expected), "{parameters}: expected {expected} in\n{}", shown());
        here.expect(0, &format!("Route monitor {parameters}"));
        here.expect(0, &format!("Route reload {parameters}"));
        for _ in 0..2 {
            here.expect(0, &format!("Route stop {parameters}"));
        }
        here.expect(7, &format!("Route monitor {parameters}"));
        assert_eq!(shown(), before, "{parameters}");
    }
    here.refuse(5, "Route start destination=198.51.100.0/24 device=port9", &["no network interface port9"]);
    here.expect(7, "Route monitor destination=198.51.100.0/24 device=port9");
    here.expect(5, "Route monitor destination=198.51.100.0/24 device=port9 OCF_RESKEY_CRM_meta_interval=10000");
    here.expect(0, "Route stop destination=198.51.100.0/24 device=port9");
    here.refuse(5, "Route start destination=198.51.100.0/24 device=port0 source=192.0.2.99", &["192.0.2.99"]);
    here.refuse(5, "Route start destination=198.51.100.0/24 gateway=203.0.113.1", &["gateway 203.0.113.1"]);
    here.run("ip route add 198.51.100.0/24 via 192.0.2.2");
    here.refuse(1, "Route start destination=198.51.100.0/24 device=port0 source=192.0.2.1", &["another way"]);
}

#[test]
fn what_cannot_have_been_started_is_stopped() {
    let here = Space::new();
    for call in [
        "Route stop",
        "Route stop destination=here",
        "portblock stop protocol=tcp action=block",
        "TcpFile stop",
        "nfsserver stop nfs_ip=host",
    ] {
        here.expect(0, call);
        here.expect(6, &call.replace(" stop", " start"));
    }
}

#[test]
fn connections_come_from_the_address() {
    let (here, _there) = cable();
    here.run("ip route add default via 192.0.2.2 mtu 1400");
    here.refuse(5, "IPsrcaddr start ipaddress=192.0.2.7", &["192.0.2.7 is not on this host"]);
    here.expect(7, "IPsrcaddr monitor ipaddress=192.0.2.7");
    here.expect(0, "IPsrcaddr stop ipaddress=192.0.2.7");
    here.expect(0, "IPaddr2 start ip=192.0.2.7");
    let source = |to: &str| here.run(&format!("ip route get {to}"));
    for (parameters, to) in
        [("ipaddress=192.0.2.7", "203.0.113.1"), ("ipaddress=192.0.2.7 destination=198.51.100.0/24", "198.51.100.1")]
    {
        here.expect(7, &format!("IPsrcaddr monitor {parameters}"));
        for _ in 0..2 {
            here.expect(0, &format!("IPsrcaddr start {parameters}"));
        }
        here.expect(0, &format!("IPsrcaddr monitor {parameters}"));
        assert!(source(to).contains("src 192.0.2.7"), "{parameters}: {}", source(to));
        assert!(here.run("ip route show default").contains("mtu 1400"), "all else stays as it was");
        for _ in 0..2 {
            here.expect(0, &format!("IPsrcaddr stop {parameters}"));
        }
        here.expect(7, &format!("IPsrcaddr monitor {parameters}"));
        assert!(source(to).contains("src 192.0.2.1"), "{parameters}: {}", source(to));
    }
    // The only address there is: with it nothing changes, but a resource that is stopped must be seen to be.
    here.expect(0, "IPaddr2 stop ip=192.0.2.7");
    here.run("ip route replace default via 192.0.2.2 mtu 1400");
    for (action, code) in [("monitor", 7), ("start", 0), ("monitor", 0), ("stop", 0), ("stop", 0), ("monitor", 7)] {
        here.expect(code, &format!("IPsrcaddr {action} ipaddress=192.0.2.1"));
    }
    assert!(here.run("ip route show default").contains("mtu 1400"), "all else stays as it was");
    assert!(source("203.0.113.1").contains("src 192.0.2.1"), "{}", source("203.0.113.1"));
    here.expect(0, "IPaddr2 start ip=192.0.2.7");
    here.run("ip route del default");
    here.expect(7, "IPsrcaddr monitor ipaddress=192.0.2.7");
    let recurring = "OCF_RESKEY_CRM_meta_interval=10000";
    here.refuse(1, &format!("IPsrcaddr monitor ipaddress=192.0.2.7 {recurring}"), &["no default route"]);
    here.refuse(1, "IPsrcaddr start ipaddress=192.0.2.7", &["no default route"]);
    here.expect(0, "IPsrcaddr stop ipaddress=192.0.2.7");
}

#[test]
fn hosts_that_answer_are_counted() {
    let (here, _there) = cable();
    let bin = tools::install(&here);
    let pidfile = here.path("ping");
    let common =
        format!("{bin} pidfile={} name=net multiplier=100 attempts=2 timeout=300ms dampen=0", pidfile.display());
    let call = |code: i32, action: &str, rest: &str| {
        let list = format!("ping {action} {common} {rest}");
        here.expect(code, &list)
    };
    // Blanks part hosts from each other, and words of this test; a tab does for both.
    let hosts = "host_list=192.0.2.2\t192.0.2.3\t2001:db8::2\tno-such-host.invalid";
    call(7, "monitor", hosts);
    assert_eq!(tools::calls(&here), "");
    call(0, "start", hosts);
    assert_eq!(tools::calls(&here), "attrd_updater -n net -B 200 -d 0\n");
    for _ in 0..2 {
        call(0, "monitor", hosts);
        assert_eq!(tools::calls(&here), "attrd_updater -n net -v 200 -d 0\n");
    }
    let answer = call(1, "monitor", &format!("{hosts} failure_score=300"));
    assert!(answer.reason.contains("2 of 4 hosts answer"), "{answer:#?}");
    call(0, "reload-agent", hosts);
    call(0, "validate-all", hosts);
    call(6, "validate-all", "attempts=1");
    here.refuse(2, "ping validate-all host_list=::1 pidfile=/proc/x OCF_CHECK_LEVEL=10", &["pidfile"]);
    tools::calls(&here);
    call(0, "stop", hosts);
    assert_eq!(tools::calls(&here), "attrd_updater -D -n net -d 0\n");
    call(0, "stop", hosts);
    call(7, "monitor", hosts);
}

#[test]
fn an_interface_that_works_is_told_from_one_that_does_not() {
    let (here, there) = cable();
    let bin = tools::install(&here);
    let common = format!("{bin} interface=port0 repeat_count=2 repeat_interval=0 pktcnt_timeout=0 multiplier=5");
    let value = |line: &str| {
        here.expect(0, line);
        let calls = tools::calls(&here);
        calls.trim().rsplit(' ').next().unwrap_or("").to_owned()
    };
    here.expect(7, &format!("ethmonitor monitor {common}"));
    assert_eq!(value(&format!("ethmonitor start {common} link_status_only=true")), "5");
    // Nothing is received and no neighbour known, until there is one.
    here.run("ip neighbour flush all");
    assert_eq!(value(&format!("ethmonitor monitor {common}")), "0");
    here.run("ip neighbour replace 192.0.2.2 lladdr 02:00:00:00:00:99 dev port0 nud stale");
    assert_eq!(value(&format!("ethmonitor monitor {common}")), "5");
    here.run("ip neighbour flush all");
    here.run("ip neighbour replace 192.0.2.77 lladdr 02:00:00:00:00:99 dev port0 nud stale");
    assert_eq!(value(&format!("ethmonitor monitor {common}")), "0");
    // Packets that come in are as good as an answer.
    let mut talk = there.enter("sh");
    let mut talk =
        talk.args(["-c", "while :; do bash -c 'echo > /dev/udp/192.0.2.1/9'; sleep 0.02; done"]).spawn().unwrap();
    let working = format!("ethmonitor monitor {common}").replace("pktcnt_timeout=0", "pktcnt_timeout=10");
    assert_eq!(value(&working), "5");
    talk.kill().unwrap();
    talk.wait().unwrap();

    there.run("ip link set port1 down");
    until("loss of carrier", || here.run("ip link show port0").contains("DOWN"));
    assert_eq!(value(&format!("ethmonitor monitor {common} link_status_only=true")), "0");
    assert_eq!(value(&format!("ethmonitor monitor {common} name=eth").replace("port0", "port9")), "0");
    here.refuse(6, &format!("ethmonitor validate-all {common}").replace("port0", "port9"), &["port9"]);
    here.refuse(6, "ethmonitor start interface=eth0:1", &["interface"]);
    here.expect(0, &format!("ethmonitor stop {common}"));
    assert_eq!(tools::calls(&here), "attrd_updater -D -n ethmonitor-port0\n");
    here.expect(7, &format!("ethmonitor monitor {common}"));
}

#[test]
fn promotion_is_remembered() {
    let here = Space::new();
    let bin = tools::install(&here);
    let call = |code: i32, action: &str| here.expect(code, &format!("Stateful {action} {bin}"));
    for (action, code) in [
        ("monitor", 7),
        ("promote", 7),
        ("demote", 7),
        ("start", 0),
        ("start", 0),
        ("monitor", 0),
        ("promote", 0),
        ("promote", 0),
        ("monitor", 8),
        ("start", 8),
        ("stop", 8),
        ("demote", 0),
        ("demote", 0),
        ("monitor", 0),
        ("stop", 0),
        ("stop", 0),
        ("monitor", 7),
    ] {
        call(code, action);
    }
    let scores = tools::calls(&here);
    assert!(scores.starts_with("crm_attribute --promotion -v 5\n"), "{scores}");
    assert!(scores.contains("crm_attribute --promotion -v 10\n"), "{scores}");
    assert!(scores.ends_with("crm_attribute --promotion -D\n"), "{scores}");
    call(0, "start");
    fs::write(here.path("run/Stateful-test.state"), "half a wo").unwrap();
    assert!(call(1, "monitor").reason.contains("Stateful-test.state"));
    call(0, "stop");
    call(7, "monitor");
}

#[test]
fn any_program_can_be_a_resource() {
    let here = Space::new();
    let pidfile = here.path("pid");
    let log = here.path("log/out");
    // Inside a user namespace there is nobody but root.
    let user = if is_root() { "nobody" } else { "root" };
    let common =
        format!("binfile=/bin/sh pidfile={} logfile={} user={user} workdir=/", pidfile.display(), log.display());
    let options = "cmdline_options=-c\t'id\t-un;\texec\tsleep\t600'";
    let call = |code: i32, action: &str, more: &str| here.expect(code, &format!("anything {action} {common} {more}"));
    let pid = || fs::read_to_string(&pidfile).unwrap().trim().to_owned();

    call(7, "monitor", options);
    call(0, "start", options);
    let first = pid();
    call(0, "start", options);
    assert_eq!(pid(), first);
    call(0, "monitor", options);
    call(0, "monitor", &format!("{options} monitor_hook=true"));
    assert!(call(1, "monitor", &format!("{options} monitor_hook=false")).reason.contains("monitor_hook"));
    until("the log", || fs::read_to_string(&log).is_ok_and(|text| text.contains(user)));

    // It dies unseen; the file alone is not taken for it, and neither is who has its number now.
    here.run(&format!("kill -9 {first}"));
    until("its end", || here.call(&format!("anything monitor {common} {options}")).code == 1);
    fs::write(&pidfile, "1\n").unwrap();
    let old = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1);
    fs::File::options().write(true).open(&pidfile).unwrap().set_modified(old).unwrap();
    assert!(call(1, "monitor", options).reason.contains("ended without being stopped"));
    call(0, "start", options);
    call(0, "stop", options);
    call(0, "stop", options);
    call(7, "monitor", options);

    // One that does not listen gets SIGKILL, within the time.
    let deaf = "cmdline_options=-c\t'trap\t\"\"\tTERM;\twhile\t:;\tdo\tsleep\t0.1;\tdone'";
    call(0, "start", deaf);
    call(0, "stop", &format!("{deaf} stop_timeout=1"));
    call(7, "monitor", deaf);

    assert!(call(1, "start", "cmdline_options=-c\tfalse").reason.contains("ended"));
    call(0, "stop", options);
    here.refuse(5, &format!("anything start {common}").replace("/bin/sh", "/no/such/program"), &["/no/such/program"]);
    here.refuse(
        5,
        &format!("anything start {common}").replace(&format!("user={user}"), "user=no-such-user"),
        &["no-such-user"],
    );
    here.refuse(5, &format!("anything validate-all {common}").replace("workdir=/", "workdir=/no/such"), &["/no/such"]);
    here.refuse(6, "anything start", &["binfile"]);
}
