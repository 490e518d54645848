//! IPaddr2 between two hosts joined by a cable: each a network namespace, the neighbour's view of it told by the
//! kernel's own neighbour table.

use crate::space::{Space, processes_with, until};

/// Two spaces with a cable between them; the first is where the agent runs. Both have a static address. The kernel asks
/// nobody whether an address is free: else link-local ones would come up in the middle of a test.
pub fn cable() -> (Space, Space) {
    let here = Space::new();
    let there = here.neighbour();
    here.run(&format!("ip link add port0 type veth peer name port1 netns {}", there.pid()));
    for (space, port, number) in [(&here, "port0", 1), (&there, "port1", 2)] {
        space.run(&format!("echo 0 > /proc/sys/net/ipv6/conf/{port}/accept_dad"));
        space.run(&format!(
            "ip address add 192.0.2.{number}/24 broadcast + dev {port}; \
             ip address add 2001:db8::{number}/64 dev {port} nodad; ip link set {port} up"
        ));
    }
    for (space, port) in [(&here, "port0"), (&there, "port1")] {
        until("carrier", || space.run(&format!("ip link show {port}")).contains("state UP"));
        until("its link-local address", || {
            let shown = space.run(&format!("ip -6 address show dev {port}"));
            shown.contains("fe80::") && !shown.contains("tentative")
        });
    }
    (here, there)
}

fn addresses(space: &Space) -> String {
    space.run("ip -oneline address show dev port0")
}

pub fn mac(space: &Space, port: &str) -> String {
    space.run(&format!("ip -brief link show {port}")).split_ascii_whitespace().nth(2).unwrap().to_owned()
}

#[test]
fn comes_and_goes_and_the_neighbour_learns_it() {
    let (here, there) = cable();
    let own_mac = mac(&here, "port0");
    for (ip, wrong) in [("192.0.2.7", "02:00:00:00:00:99"), ("2001:db8::7", "02:00:00:00:00:98")] {
        let before = addresses(&here);
        // The neighbour remembers the host that had the address until now.
        there.run(&format!("ip neighbour replace {ip} lladdr {wrong} dev port1 nud stale"));
        here.expect(7, &format!("IPaddr2 monitor ip={ip}"));
        here.expect(0, &format!("IPaddr2 stop ip={ip}"));

        here.expect(0, &format!("IPaddr2 start ip={ip} arp_interval=50"));
        until("the neighbour's new entry", || there.run(&format!("ip neighbour show {ip}")).contains(&own_mac));
        here.expect(0, &format!("IPaddr2 monitor ip={ip}"));
        here.expect(0, &format!("IPaddr2 start ip={ip}"));
        assert_eq!(here.expect(0, &format!("IPaddr2 status ip={ip}")).output, "running\n");
        assert_eq!(addresses(&here).matches(&format!("{ip}/")).count(), 1);

        here.expect(0, &format!("IPaddr2 stop ip={ip}"));
        here.expect(7, &format!("IPaddr2 monitor ip={ip}"));
        here.expect(0, &format!("IPaddr2 stop ip={ip}"));
        assert_eq!(addresses(&here), before, "nothing is left on the link");
        until("the end of the announcements", || processes_with(&["--announce", ip, "50"]).is_empty());
    }
}

#[test]
fn takes_its_place_from_the_routes_or_from_the_parameters() {
    let (here, _there) = cable();
    let cases = [
        ("ip=192.0.2.7", "192.0.2.7/24 brd 192.0.2.255"),
        ("ip=192.0.2.7 nic=port0 cidr_netmask=28 broadcast=+", "192.0.2.7/28 brd 192.0.2.15"),
        ("ip=192.0.2.7 nic=port0 cidr_netmask=255.255.255.255", "192.0.2.7/32"),
        ("ip=203.0.113.7 nic=port0 cidr_netmask=24 iflabel=vip", "port0:vip"),
        ("ip=2001:db8::7", "2001:db8::7/64"),
        ("ip=fe80::7 nic=port0", "fe80::7/64"),
        ("ip=2001:db8::7 preferred_lft=0", "deprecated"),
        ("ip=192.0.2.7 noprefixroute=true", "noprefixroute"),
    ];
    for (parameters, expected) in cases {
        here.expect(0, &format!("IPaddr2 start {parameters}"));
        let shown = addresses(&here);
        assert!(shown.contains(expected), "{parameters}: expected {expected} in\n{shown}");
        here.expect(0, &format!("IPaddr2 monitor {parameters}"));
        here.expect(0, &format!("IPaddr2 stop {parameters}"));
        here.expect(7, &format!("IPaddr2 monitor {parameters}"));
    }
    here.refuse(1, "IPaddr2 start ip=198.51.100.7", &["no route", "cidr_netmask"]);
    here.refuse(6, "IPaddr2 start ip=198.51.100.7 nic=port9", &["no network interface port9"]);
    here.refuse(6, "IPaddr2 start ip=fe80::7", &["link-local", "nic"]);
    here.refuse(6, "IPaddr2 validate-all ip=192.0.2.700", &["parameter ip"]);
    here.expect(0, "IPaddr2 validate-all ip=192.0.2.7");
    here.expect(0, "IPaddr2 stop ip=198.51.100.7 nic=port9");
    here.expect(0, "IPaddr2 stop ip=192.0.2.700");
    here.expect(7, "IPaddr2 monitor ip=192.0.2.700");
}

#[test]
fn a_stop_takes_the_address_whatever_else_is_wrong() {
    let (here, _there) = cable();
    for wrong in ["cidr_netmask=33", "nic=lost0 cidr_netmask=x", "arp_count=many"] {
        here.expect(0, "IPaddr2 start ip=192.0.2.7");
        here.expect(6, &format!("IPaddr2 monitor ip=192.0.2.7 {wrong}"));
        here.expect(0, &format!("IPaddr2 stop ip=192.0.2.7 {wrong}"));
        here.expect(7, "IPaddr2 monitor ip=192.0.2.7");
    }
}

#[test]
fn leaves_an_address_to_the_host_that_has_it() {
    let (here, there) = cable();
    there.run("ip address add 192.0.2.9/24 dev port1; ip address add 2001:db8::9/64 dev port1 nodad");
    let owner = mac(&there, "port1");
    // The neighbour of a test on a busy machine may take its time.
    let slow = "conflict_wait_ms=2000";
    for ip in ["192.0.2.9", "2001:db8::9"] {
        let before = addresses(&here);
        here.refuse(1, &format!("IPaddr2 start ip={ip} {slow}"), &[ip, "is in use", &owner]);
        assert_eq!(addresses(&here), before);
        here.expect(7, &format!("IPaddr2 monitor ip={ip}"));
    }
    there.run("ip address del 192.0.2.9/24 dev port1");
    here.expect(0, "IPaddr2 start ip=192.0.2.9");
}

#[test]
fn a_link_without_carrier_is_a_failure_unless_told_otherwise() {
    let (here, there) = cable();
    here.expect(0, "IPaddr2 start ip=192.0.2.7");
    there.run("ip link set port1 down");
    until("loss of carrier", || here.run("ip link show port0").contains("DOWN"));
    here.refuse(1, "IPaddr2 monitor ip=192.0.2.7", &["port0", "DOWN"]);
    here.expect(0, "IPaddr2 monitor ip=192.0.2.7 check_link_status=false");
    here.refuse(1, "IPaddr2 start ip=192.0.2.7", &["port0", "DOWN"]);
    here.expect(0, "IPaddr2 stop ip=192.0.2.7");
    here.expect(7, "IPaddr2 monitor ip=192.0.2.7");

    // Not a start that succeeds and a monitor that fails, over and over.
    here.refuse(1, "IPaddr2 start ip=192.0.2.7", &["port0", "DOWN", "check_link_status"]);
    here.expect(7, "IPaddr2 monitor ip=192.0.2.7");
    here.expect(0, "IPaddr2 start ip=192.0.2.7 check_link_status=false");
    here.expect(0, "IPaddr2 monitor ip=192.0.2.7 check_link_status=false");
}

#[test]
fn a_lost_route_is_a_failure_and_is_not_taken_for_a_start() {
    let (here, _there) = cable();
    for (ip, network) in [("192.0.2.7", "192.0.2.0/24"), ("2001:db8::7", "2001:db8::/64")] {
        here.expect(0, &format!("IPaddr2 start ip={ip}"));
        // IPv6 keeps a route for each of the addresses.
        here.run(&format!(
            "while ip route del {network} dev port0 2>/dev/null; do :; done; \
                           while ip -6 route del {network} dev port0 2>/dev/null; do :; done"
        ));
        here.refuse(1, &format!("IPaddr2 monitor ip={ip}"), &["no route", "noprefixroute"]);
        here.expect(0, &format!("IPaddr2 monitor ip={ip} noprefixroute=true"));
        here.expect(0, &format!("IPaddr2 stop ip={ip}"));
    }
    // The host's own address in the network makes ours a second one, for which the kernel makes no route.
    here.refuse(1, "IPaddr2 start ip=192.0.2.7 nic=port0 cidr_netmask=24", &["no route"]);
    here.expect(7, "IPaddr2 monitor ip=192.0.2.7");
    here.expect(0, "IPaddr2 start ip=192.0.2.7 nic=port0 cidr_netmask=24 noprefixroute=true");
}

#[test]
fn waits_for_the_kernel_that_is_still_asking() {
    let (here, there) = cable();
    here.run("echo 1 > /proc/sys/net/ipv6/conf/port0/accept_dad; ip address add 2001:db8::7/64 dev port0");
    here.expect(0, "IPaddr2 start ip=2001:db8::7");
    let shown = addresses(&here);
    let ours = shown.lines().find(|line| line.contains("2001:db8::7/64")).expect("the address is there");
    assert!(!ours.contains("tentative"), "{ours}");
    // The neighbour has it, and the kernel finds out.
    there.run("ip address add 2001:db8::8/64 dev port1 nodad");
    here.run("ip address add 2001:db8::8/64 dev port0");
    until("the kernel's verdict", || {
        addresses(&here).lines().any(|line| line.contains("2001:db8::8/64") && line.contains("dadfailed"))
    });
    here.refuse(1, "IPaddr2 monitor ip=2001:db8::8", &["another host"]);
    here.refuse(1, "IPaddr2 start ip=2001:db8::8 conflict_wait_ms=2000", &["in use"]);
    here.expect(7, "IPaddr2 monitor ip=2001:db8::8");
}

#[test]
fn sets_a_link_up_and_serves_on_it() {
    let (here, _there) = cable();
    here.run("ip link set port0 down");
    here.expect(0, "IPaddr2 start ip=192.0.2.7 nic=port0 cidr_netmask=24");
    here.expect(0, "IPaddr2 monitor ip=192.0.2.7 nic=port0 cidr_netmask=24");
}

#[test]
fn lvs_hosts_keep_the_address_on_the_loopback_device() {
    let (here, _there) = cable();
    here.run("ip address add 192.0.2.7/32 dev lo");
    let lo = || here.run("ip -oneline -4 address show dev lo");
    here.expect(7, "IPaddr2 monitor ip=192.0.2.7 lvs_support=true");
    here.expect(0, "IPaddr2 start ip=192.0.2.7 lvs_support=true");
    assert!(!lo().contains("192.0.2.7"));
    here.expect(0, "IPaddr2 stop ip=192.0.2.7 lvs_support=true");
    assert!(lo().contains("192.0.2.7/32"));
}

#[test]
fn says_what_is_missing_without_the_right_to_send_frames() {
    let (here, _there) = cable();
    let output = here
        .enter("setpriv")
        .args(["--bounding-set", "-net_raw", "--inh-caps", "-net_raw", "--"])
        .args([env!("CARGO_BIN_EXE_systole-agents"), "IPaddr2", "start"])
        .env("OCF_RESKEY_ip", "192.0.2.7")
        .output()
        .unwrap();
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(4), "{log}");
    assert!(ocf::exit_reason(&log).unwrap().contains("CAP_NET_RAW"), "{log}");
    here.expect(7, "IPaddr2 monitor ip=192.0.2.7");
}
