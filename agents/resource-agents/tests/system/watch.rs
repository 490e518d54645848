//! IPaddr2's `watch`: what it notices, and that it notices nothing else.

use crate::address::{cable, mac};
use crate::space::{Space, until};

/// Takes an address on the first of two joined hosts, and watches it.
fn watched(here: &Space, ip: &str) -> crate::space::Watcher {
    here.expect(0, &format!("IPaddr2 start ip={ip}"));
    let mut watch = here.watch(&format!("IPaddr2 watch ip={ip}"));
    assert_eq!(watch.first, "watching\n");
    assert!(watch.stays());
    watch
}

#[test]
fn what_goes_is_noticed() {
    let cases = [
        ("ip address flush to IP dev port0", 7, ""),
        ("ip link del port0", 7, ""),
        ("ip link set port0 down", 1, "DOWN"),
        ("while ip route del NETWORK dev port0 2>/dev/null; do :; done", 1, "no route"),
    ];
    for (ip, network) in [("192.0.2.7", "192.0.2.0/24"), ("2001:db8::7", "2001:db8::/64")] {
        for (command, code, reason) in cases {
            let (here, _there) = cable();
            // Else the kernel takes the address away with the link, and says so first.
            here.run("sysctl -qw net.ipv6.conf.port0.keep_addr_on_down=1");
            let watch = watched(&here, ip);
            here.run(&command.replace("IP", ip).replace("NETWORK", network));
            let answer = watch.end();
            assert_eq!(answer.code, code, "{command}: {answer:#?}");
            assert!(answer.reason.contains(reason), "{command}: {answer:#?}");
        }
    }
}

#[test]
fn lost_carrier_is_noticed() {
    let (here, there) = cable();
    let watch = watched(&here, "192.0.2.7");
    there.run("ip link set port1 down");
    let answer = watch.end();
    assert_eq!(answer.code, 1, "{answer:#?}");
    assert!(answer.reason.contains("DOWN"), "{answer:#?}");
}

#[test]
fn another_owner_is_noticed() {
    let (here, there) = cable();
    for ip in ["192.0.2.7", "2001:db8::7"] {
        let watch = watched(&here, ip);
        there.expect(0, &format!("IPaddr2 start ip={ip} nic=port1 conflict_wait_ms=0"));
        let answer = watch.end();
        assert_eq!(answer.code, 1, "{answer:#?}");
        assert!(answer.reason.contains(&mac(&there, "port1")), "{answer:#?}");
        there.expect(0, &format!("IPaddr2 stop ip={ip} nic=port1"));
    }
}

#[test]
fn what_is_not_ours_is_not_minded() {
    let (here, there) = cable();
    let mut watch = watched(&here, "192.0.2.7");
    let mut other = watched(&here, "192.0.2.9");
    here.run(
        "ip address add 192.0.2.10/24 dev port0; ip address del 192.0.2.10/24 dev port0; \
         ip link add port9 type veth peer name port8; ip link del port9; \
         ip route add 198.51.100.0/24 via 192.0.2.2; ip route del 198.51.100.0/24; ip link set port0 mtu 1400",
    );
    // Somebody who wants to talk to it asks for it as well.
    there.run("bash -c 'echo > /dev/udp/192.0.2.7/9'");
    // The last word that both hear: one that concerns the other alone.
    here.expect(0, "IPaddr2 stop ip=192.0.2.9");
    until("the end of the other", || !other.stays());
    assert_eq!(other.end().code, 7);
    assert!(watch.stays());
    let answer = watch.leave();
    assert_eq!((answer.code, answer.reason.as_str()), (0, ""), "its caller went, and nothing was wrong");
}

#[test]
fn what_is_wrong_already_is_said_at_once() {
    let (here, there) = cable();
    let watch = here.watch("IPaddr2 watch ip=192.0.2.7");
    assert_eq!((watch.first.clone().as_str(), watch.end().code), ("", 7));
    here.expect(0, "IPaddr2 start ip=192.0.2.7");
    there.run("ip link set port1 down");
    until("loss of carrier", || here.run("ip link show port0").contains("DOWN"));
    let watch = here.watch("IPaddr2 watch ip=192.0.2.7");
    assert_eq!((watch.first.clone().as_str(), watch.end().code), ("", 1));
    assert_eq!(here.watch("IPaddr2 watch ip=192.0.2.700").end().code, 6);
    assert_eq!(here.watch("Dummy watch").end().code, 3);
}
