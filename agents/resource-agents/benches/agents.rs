//! What IPaddr2 and Filesystem cost, beside Debian's agents in the same run: `cargo bench -p resource-agents`. It makes
//! namespaces for itself, as root or without; where Debian's agents are not installed, ours are measured alone.

use std::fs;
use std::net::IpAddr;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;
use ocf::{Context, Environment};
use resource_agents::announce::{Mac, Speaker, wait_readable};
use resource_agents::netlink::Netlink;

const DEBIANS: &str = "/usr/lib/ocf/resource.d/heartbeat";
const IP: &str = "192.0.2.7";
/// Calls that a figure is the mean of; a shell agent takes fifty times as long.
const CALLS: u32 = 200;
const CALLS_OF_SHELL: u32 = 20;
/// Checks in one process.
const CHECKS: u32 = 20_000;
/// Starts that a figure is the median of.
const STARTS: usize = 11;
/// File systems that are stopped at once.
const FILE_SYSTEMS: usize = 10;

fn main() {
    if std::env::var_os("INSIDE").is_none() {
        let mut unshare = Command::new("unshare");
        if !nix::unistd::geteuid().is_root() {
            unshare.args(["--user", "--map-root-user"]);
        }
        let own = std::env::current_exe().expect("this program has a file");
        let error = unshare.args(["--net", "--mount"]).arg(own).env("INSIDE", "1").exec();
        panic!("unshare: {error}; the benchmark makes namespaces for itself");
    }
    let bench = Bench::new();
    bench.monitors();
    bench.checks();
    bench.starts();
    bench.stops();
}

/// One side of a comparison.
struct Side {
    name: &'static str,
    calls: u32,
    program: fn(&str) -> Command,
}

const OURS: Side = Side {
    name: "ours",
    calls: CALLS,
    program: |agent| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_systole-agents"));
        command.arg(agent);
        command
    },
};
const SHELL: Side =
    Side { name: "Debian", calls: CALLS_OF_SHELL, program: |agent| Command::new(Path::new(DEBIANS).join(agent)) };

struct Bench {
    directory: tempfile::TempDir,
    sides: Vec<Side>,
}

impl Bench {
    fn new() -> Bench {
        let directory = tempfile::tempdir().expect("a directory for files");
        let bin = directory.path().join("bin");
        fs::create_dir(&bin).expect("a directory for programs");
        // The shell agent wants to see modprobe, and never calls it here.
        shell(&format!("printf '#!/bin/sh\\n' > {0}/modprobe; chmod +x {0}/modprobe", bin.display()));
        shell(
            "ip link set lo up; ip link add port0 type veth peer name port1; ip link set port1 up; ip link set port0 up; \
             ip address add 192.0.2.1/24 dev port0",
        );
        let mut sides = vec![OURS];
        match Path::new(DEBIANS).join("IPaddr2").exists() {
            true => sides.push(SHELL),
            false => println!("not compared: Debian's agents are not here (apt-get install resource-agents)"),
        }
        Bench { directory, sides }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn command(&self, side: &Side, agent: &str, action: &str, parameters: &[(&str, &str)]) -> Command {
        let mut command = (side.program)(agent);
        command.arg(action).env_clear();
        command.env("PATH", format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", self.path("bin").display()));
        command.envs([("OCF_ROOT", "/usr/lib/ocf"), ("OCF_RESOURCE_INSTANCE", "bench")]);
        command.env("HA_RSCTMP", self.path("run"));
        command.envs([("OCF_RESKEY_CRM_meta_interval", "10000"), ("OCF_RESKEY_CRM_meta_timeout", "20000")]);
        command.envs(parameters.iter().map(|(name, value)| (format!("OCF_RESKEY_{name}"), value)));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    fn call(&self, side: &Side, agent: &str, action: &str, parameters: &[(&str, &str)]) {
        let status = self.command(side, agent, action, parameters).status().expect("an agent that can be run");
        assert!(status.success(), "{} {agent} {action}: {status}", side.name);
    }

    fn monitors(&self) {
        let address = [("ip", IP), ("nic", "port0"), ("cidr_netmask", "24")];
        let (data, mnt) = (self.path("data").display().to_string(), self.path("mnt").display().to_string());
        fs::create_dir(&data).expect("a directory to mount");
        fs::create_dir(&mnt).expect("a mount point");
        let files = [("device", data.as_str()), ("directory", &mnt), ("fstype", "none"), ("options", "bind")];
        for (agent, parameters) in [("IPaddr2", &address[..]), ("Filesystem", &files[..])] {
            self.call(&OURS, agent, "start", parameters);
            let mut figures = Vec::new();
            for side in &self.sides {
                let (begin, before) = (Instant::now(), cpu());
                for _ in 0..side.calls {
                    self.call(side, agent, "monitor", parameters);
                }
                let wall = begin.elapsed() / side.calls;
                figures.push((side.name, (cpu() - before) / side.calls, format!(" (wall {})", text(wall))));
            }
            self.call(&OURS, agent, "stop", parameters);
            show(&format!("{agent} monitor, CPU of a process"), &figures);
        }
    }

    /// What a watcher or the executor does without a process.
    fn checks(&self) {
        let address = [("ip", IP), ("nic", "port0"), ("cidr_netmask", "24")];
        self.call(&OURS, "IPaddr2", "start", &address);
        let mut environment = Environment::new("bench", "systole", "IPaddr2", "monitor");
        environment.add_attributes(address);
        let agent = resource_agents::agent("IPaddr2").expect("it is one of ours");
        let call = Context::new(environment, agent.metadata());
        let begin = Instant::now();
        for _ in 0..CHECKS {
            agent.monitor(&call).expect("the address is there");
        }
        show("IPaddr2 check in a running process", &[("ours", begin.elapsed() / CHECKS, String::new())]);
        self.call(&OURS, "IPaddr2", "stop", &address);
    }

    /// From the start of the agent's process until a neighbour hears the announcement.
    fn starts(&self) {
        let address = [("ip", IP), ("nic", "port0"), ("cidr_netmask", "24"), ("arp_count", "1")];
        let mut netlink = Netlink::open().expect("netlink");
        let port = netlink.link_named("port1").expect("netlink").expect("port1");
        let mac = Mac::try_from(port.mac.as_slice()).expect("an Ethernet link");
        let ip: IpAddr = IP.parse().expect("an address");
        let mut figures = Vec::new();
        for side in &self.sides {
            let mut times = Vec::new();
            for _ in 0..STARTS {
                let ear = Speaker::open(port.index, mac, ip).expect("a packet socket needs root");
                ear.listen().expect("a packet socket");
                let begin = Instant::now();
                let mut process = self.command(side, "IPaddr2", "start", &address).spawn().expect("an agent");
                // The question before the start has no sender; the announcement has.
                let heard = loop {
                    assert!(wait_readable(&ear, begin + Duration::from_secs(10)).expect("poll"), "no announcement");
                    if ear.hear_announcement().expect("a frame") {
                        break begin.elapsed();
                    }
                };
                assert!(process.wait().expect("its end").success());
                times.push(heard);
                self.call(&OURS, "IPaddr2", "stop", &address);
            }
            times.sort();
            figures.push((side.name, times[STARTS / 2], String::new()));
        }
        show("IPaddr2 start until the announcement is heard", &figures);
    }

    /// All at once, each held by a process.
    fn stops(&self) {
        let mut figures = Vec::new();
        for side in &self.sides {
            figures.push((
                side.name,
                self.stop(side, FILE_SYSTEMS),
                format!(" (one alone {})", text(self.stop(side, 1))),
            ));
        }
        show(&format!("Filesystem, stop of {FILE_SYSTEMS} busy ones"), &figures);
    }

    fn stop(&self, side: &Side, count: usize) -> Duration {
        let mut holders: Vec<Child> = Vec::new();
        let mut places = Vec::new();
        for number in 0..count {
            let (data, mnt) = (self.path(&format!("data{number}")), self.path(&format!("mnt{number}")));
            fs::create_dir_all(&data).expect("a directory to mount");
            fs::create_dir_all(&mnt).expect("a mount point");
            places.push((data.display().to_string(), mnt.display().to_string()));
        }
        let parameters: Vec<[(&str, &str); 4]> = places
            .iter()
            .map(|(data, mnt)| [("device", data.as_str()), ("directory", mnt), ("fstype", "none"), ("options", "bind")])
            .collect();
        for (parameters, (_, mnt)) in parameters.iter().zip(&places) {
            self.call(&OURS, "Filesystem", "start", parameters);
            holders.push(Command::new("sleep").arg("600").current_dir(mnt).spawn().expect("sleep"));
        }
        let begin = Instant::now();
        let stops: Vec<Child> = parameters
            .iter()
            .map(|parameters| self.command(side, "Filesystem", "stop", parameters).spawn().expect("an agent"))
            .collect();
        for mut stop in stops {
            assert!(stop.wait().expect("its end").success(), "{} Filesystem stop", side.name);
        }
        let took = begin.elapsed();
        for mut holder in holders {
            holder.wait().expect("the stop ended it");
        }
        took
    }
}

/// What all processes that ended have used.
fn cpu() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("the kernel counts");
    let microseconds = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Duration::from_micros(microseconds.unsigned_abs())
}

fn show(what: &str, figures: &[(&str, Duration, String)]) {
    let all: Vec<String> =
        figures.iter().map(|(name, figure, more)| format!("{name} {}{more}", text(*figure))).collect();
    let ratio = match figures {
        [(_, ours, _), (_, theirs, _)] => format!("   ratio {:.1}", theirs.as_secs_f64() / ours.as_secs_f64()),
        _ => String::new(),
    };
    println!("{what:<46} {}{ratio}", all.join("   "));
}

fn text(time: Duration) -> String {
    match time.as_micros() {
        0..1000 => format!("{:.1} µs", time.as_secs_f64() * 1e6),
        _ => format!("{:.2} ms", time.as_secs_f64() * 1e3),
    }
}

fn shell(line: &str) {
    let status = Command::new("sh").args(["-c", line]).status().expect("sh");
    assert!(status.success(), "{line}");
}
