//! The table: actions of agents in states that nobody plans for, and the exit codes the contract gives them. Each agent
//! is started and stopped twice, killed before each step that it takes, put to sleep in between, called without room on
//! the disk, without rights, and without what it must be told.

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::process::Stdio;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::address::cable;
use crate::space::{PACKAGES, Space, answer, until};
use crate::tools;

/// More steps than any action takes; who needs more does not end.
const MOST_STEPS: usize = 400;
/// The steps that change something, or begin to.
const STEPS: &str =
    "sendto,write,unlink,unlinkat,rename,renameat,renameat2,mkdir,mkdirat,mount,umount2,ioctl,clone,clone3,vfork,bind";

/// Every agent, in a place where it can work.
struct Stage {
    here: Space,
    _there: Space,
    agents: Vec<(&'static str, String)>,
}

fn stage() -> Stage {
    let (here, there) = cable();
    let sbin = tools::install(&here);
    here.run("ip address add 192.0.2.9/24 dev port0; ip route add default via 192.0.2.2");
    let directory = here.directory.path().display().to_string();
    fs::create_dir(here.path("data")).unwrap();
    let agents = vec![
        ("Dummy", String::new()),
        ("Stateful", sbin.clone()),
        ("IPaddr2", "ip=192.0.2.7 arp_count=1 conflict_wait_ms=1".into()),
        ("IPaddr2", "ip=2001:db8::7 arp_count=1 conflict_wait_ms=1".into()),
        ("Filesystem", format!("device={directory}/data directory={directory}/mnt fstype=none options=bind,ro")),
        ("Route", "destination=198.51.100.0/24 device=port0".into()),
        ("IPsrcaddr", "ipaddress=192.0.2.9".into()),
        ("ethmonitor", format!("interface=port0 link_status_only=true {sbin}")),
        ("ping", format!("host_list=192.0.2.1 pidfile={directory}/ping {sbin}")),
        ("anything", format!("binfile=/bin/sleep cmdline_options=600 pidfile={directory}/pid workdir=/")),
    ];
    Stage { here, _there: there, agents }
}

impl Stage {
    fn each(&self, mut check: impl FnMut(&Space, &dyn Fn(&str) -> String)) {
        for (agent, parameters) in &self.agents {
            let line = |action: &str| format!("{agent} {action} {parameters}").trim_end().to_owned();
            check(&self.here, &line);
        }
    }
}

#[test]
fn started_twice_and_stopped_twice() {
    stage().each(|here, line| {
        for (action, code) in [
            ("validate-all", 0),
            ("monitor", 7),
            ("stop", 0),
            ("monitor", 7),
            ("start", 0),
            ("monitor", 0),
            ("start", 0),
            ("monitor", 0),
            ("stop", 0),
            ("monitor", 7),
            ("stop", 0),
            ("monitor", 7),
            ("meta-data", 0),
            ("no-such-action", 3),
        ] {
            here.expect(code, &line(action));
        }
    });
}

/// Calls an action that is killed before the step of this number; false when it ended before it got there.
fn killed_before(here: &Space, line: &str, step: usize) -> bool {
    let inject = format!("inject={STEPS}:signal=SIGKILL:when={step}");
    let mut strace = vec!["strace", "-qq", "-o", "/dev/null", "-e", &inject];
    // Its threads take steps, too. A program that is to stay would be waited for.
    if !line.starts_with("anything") {
        strace.push("-f");
    }
    let mut command = here.command_by(&strace, line);
    let output = command.output().unwrap_or_else(|error| panic!("strace: {error}; {PACKAGES}"));
    let status = output.status;
    match (status.code(), status.signal()) {
        (_, Some(9)) | (Some(137), _) => true,
        _ => {
            let answer = answer(output);
            // One that has another process do the action lives to tell.
            if answer.code == 1 && answer.reason.contains("was killed before it could answer") {
                return true;
            }
            assert_eq!(answer.code, 0, "{line} with strace, step {step}: {answer:#?}");
            false
        }
    }
}

#[test]
fn killed_before_every_step() {
    let mut steps = 0;
    stage().each(|here, line| {
        for action in ["start", "stop"] {
            for step in 1.. {
                assert!(step < MOST_STEPS, "{} does not end", line(action));
                if action == "stop" {
                    here.expect(0, &line("start"));
                }
                if !killed_before(here, &line(action), step) {
                    break;
                }
                steps += 1;
                // Whatever is left: it is told for sure, a stop clears it, and a start works after it.
                let found = here.call(&line("monitor"));
                assert!([0, 1, 7].contains(&found.code), "{} killed before step {step}: {found:#?}", line(action));
                here.expect(0, &line("stop"));
                here.expect(7, &line("monitor"));
            }
            here.expect(0, &line("start"));
            here.expect(0, &line("monitor"));
            here.expect(0, &line("stop"));
        }
    });
    assert!(steps > 50, "only {steps} steps were seen");
}

#[test]
fn put_to_sleep_in_between() {
    stage().each(|here, line| {
        for (action, after) in [("start", 0), ("stop", 7)] {
            let mut command = here.command(&line(action));
            let mut process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            let pid = Pid::from_raw(i32::try_from(process.id()).unwrap());
            kill(pid, Signal::SIGSTOP).unwrap();
            // Others can still ask. What they hear is one or the other; in the middle of a stop also that it ended.
            let found = here.call(&line("monitor")).code;
            let possible: &[i32] = if action == "start" { &[0, 7] } else { &[0, 1, 7] };
            assert!(possible.contains(&found), "{}: {found}", line(action));
            kill(pid, Signal::SIGCONT).unwrap();
            assert_eq!(process.wait().unwrap().code(), Some(0), "{}", line(action));
            here.expect(after, &line("monitor"));
        }
    });
}

/// A file system of four pages, all of them used.
fn full(here: &Space) -> String {
    let place = here.path("full");
    fs::create_dir(&place).unwrap();
    let place = place.display();
    here.run(&format!("mount -t tmpfs -o size=16k,nr_inodes=3 full {place}; touch {place}/a {place}/b"));
    here.run(&format!("dd if=/dev/zero of={place}/a bs=16k count=1 2>/dev/null"));
    place.to_string()
}

#[test]
fn without_room_on_the_disk() {
    let stage = stage();
    let here = &stage.here;
    let full = full(here);
    let sbin = tools::install(here);
    here.run("ip address add 192.0.2.8/32 dev lo");
    let cases = [
        format!("Dummy start state={full}/x/state"),
        format!("Stateful start state={full}/state {sbin}"),
        format!("ping start host_list=192.0.2.1 pidfile={full}/ping {sbin}"),
        format!("ethmonitor start interface=port0 link_status_only=true HA_RSCTMP={full} {sbin}"),
        format!("anything start binfile=/bin/sleep cmdline_options=600 pidfile={full}/pid workdir=/"),
        format!("IPaddr2 start ip=192.0.2.8 lvs_support=true HA_RSCTMP={full}/run"),
    ];
    for line in cases {
        here.refuse(1, &line, &[&full, "No space left"]);
        here.expect(7, &line.replace(" start ", " monitor "));
        here.expect(0, &line.replace(" start ", " stop "));
    }
    let mounted = format!("device={full} directory={full}.too fstype=none options=bind");
    here.expect(0, &format!("Filesystem start {mounted}"));
    here.refuse(1, &format!("Filesystem monitor {mounted} OCF_CHECK_LEVEL=20"), &["status file", "No space left"]);
    here.expect(0, &format!("Filesystem stop {mounted}"));
}

#[test]
fn without_the_right_to_do_it() {
    let stage = stage();
    let lame = ["setpriv", "--bounding-set", "-all", "--inh-caps", "-all", "--"];
    for (agent, parameters) in &stage.agents {
        let needs_rights = ["IPaddr2", "Filesystem", "Route", "IPsrcaddr"].contains(agent);
        for (action, code) in [("start", if needs_rights { 4 } else { 0 }), ("stop", 0)] {
            // ping asks by a raw socket, unless its group may ask otherwise.
            if *agent == "ping" && action == "start" {
                continue;
            }
            let line = format!("{agent} {action} {parameters}");
            let answer = answer(stage.here.command_by(&lame, line.trim_end()).output().unwrap());
            assert_eq!(answer.code, code, "{line}: {answer:#?}");
            assert_eq!(answer.reason.is_empty(), code == 0, "{line}: {answer:#?}");
        }
    }
}

#[test]
fn without_what_it_must_be_told() {
    let here = Space::new();
    // agent: start, validate-all, monitor, stop
    let cases = [
        ("IPaddr2", [6, 6, 6, 0], "ip"),
        ("Filesystem", [6, 6, 6, 6], "device"),
        ("Route", [6, 6, 6, 0], "destination"),
        ("IPsrcaddr", [6, 6, 6, 0], "ipaddress"),
        ("ping", [6, 6, 6, 0], "host_list"),
        ("ethmonitor", [6, 6, 6, 0], "interface"),
        ("anything", [6, 6, 6, 6], "binfile"),
    ];
    for (agent, codes, parameter) in cases {
        for (action, code) in ["start", "validate-all", "monitor", "stop"].iter().zip(codes) {
            let answer = here.expect(code, &format!("{agent} {action}"));
            let wanted = format!("parameter {parameter} is not set");
            assert_eq!(answer.reason.contains(&wanted), code == 6, "{agent} {action}: {answer:#?}");
        }
    }
}

#[test]
fn a_program_that_sleeps_is_stopped_all_the_same() {
    let here = Space::new();
    let pidfile = here.path("pid");
    let line = |action: &str| {
        format!("anything {action} binfile=/bin/sleep cmdline_options=600 pidfile={} stop_timeout=1", pidfile.display())
    };
    here.expect(0, &line("start"));
    let pid: i32 = fs::read_to_string(&pidfile).unwrap().trim().parse().unwrap();
    kill(Pid::from_raw(pid), Signal::SIGSTOP).unwrap();
    here.expect(0, &line("monitor"));
    here.expect(0, &line("stop"));
    until("its end", || kill(Pid::from_raw(pid), None).is_err());
    here.expect(7, &line("monitor"));
}
