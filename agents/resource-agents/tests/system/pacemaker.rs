//! Our agents under Debian's own Pacemaker: a cluster of one node, on Debian's Corosync, in namespaces of its own, in which
//! our agents stand in the places of their namesakes. Pacemaker probes, starts, watches, recovers, reloads, promotes and
//! stops them; what it says and what the kernel has is held against each other.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::space::is_root;

/// For what Pacemaker does in its own time: it waits a second or two before it plans. Reached only when it never comes.
const PATIENCE: Duration = Duration::from_secs(180);
const NEEDED: &str = "apt-get install corosync pacemaker pacemaker-cli-utils";
/// A monitor that is not waited for long.
const INTERVAL: &str = "2s";

/// What the node is made of: its own network, directories and agents, and Corosync. `$1` is our program, `$2` a directory.
const FURNISH: &str = r#"set -eu
hostname node1
ip link set lo up
ip link add port0 type veth peer name port1
ip link set port0 up
ip link set port1 up
ip address add 192.0.2.9/24 dev port0
ip route add default via 192.0.2.2
for place in /etc/corosync /etc/pacemaker /var/lib/corosync /var/lib/pacemaker /var/log /run /dev/shm /var/lib/nfs; do
    mkdir -p $place
    mount -t tmpfs own $place
done
touch /var/lib/nfs/etab /var/lib/nfs/rmtab
mkdir -p /var/log/pacemaker /run/crm /run/resource-agents "$2/ocf"
for place in cib pengine cores blackbox; do mkdir /var/lib/pacemaker/$place; done
cp "$2/cib.xml" /var/lib/pacemaker/cib/cib.xml
chmod 600 /var/lib/pacemaker/cib/cib.xml
chown -R hacluster:haclient /var/lib/pacemaker /run/crm /var/log/pacemaker
"$1" install "$2/ocf" >"$2/installed"
cp -a "$2/ocf/resource.d/systole" "$2/ocf/resource.d/heartbeat"
cp -a "$2/ocf/resource.d/systole" "$2/ocf/resource.d/pacemaker"
mount -t overlay -o "lowerdir=$2/ocf/resource.d:/usr/lib/ocf/resource.d" agents /usr/lib/ocf/resource.d
cat >/etc/corosync/corosync.conf <<END
totem {
    version: 2
    cluster_name: test
    transport: udpu
    token: 10000
}
nodelist {
    node {
        ring0_addr: 127.0.0.1
        nodeid: 1
        name: node1
    }
}
quorum {
    provider: corosync_votequorum
}
logging {
    to_logfile: yes
    logfile: /var/log/corosync.log
    to_syslog: no
    to_stderr: no
}
system {
    sched_rr: no
    move_to_root_cgroup: no
}
END
corosync
"#;

/// A host with nothing but a cluster of its own.
struct Host {
    keeper: Child,
    /// Process 1 inside, as this machine numbers it.
    first: String,
    directory: tempfile::TempDir,
}

impl Host {
    fn boot() -> Host {
        let mut keeper = Command::new("unshare")
            .args(["--net", "--mount", "--ipc", "--uts", "--pid", "--fork", "--mount-proc", "--kill-child"])
            // A shell between two commands takes note of whatever has ended: daemons leave their children to process 1.
            .args(["sh", "-c", "echo here; while sleep 0.2; do :; done"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(keeper.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "here\n", "namespaces are made");
        let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", keeper.id())).unwrap();
        Host { first: children.trim().to_owned(), keeper, directory: tempfile::tempdir().unwrap() }
    }

    fn enter(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.first, "--net", "--mount", "--ipc", "--uts", "--pid", "--", program]);
        command.stdin(Stdio::null()).env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command
    }

    /// A command line of a shell inside, with its words; what it printed if it succeeded.
    fn try_run(&self, line: &str, words: &[&str]) -> Result<String, String> {
        let output = self.enter("sh").args(["-c", line, "sh"]).args(words).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let errors = text(&output.stderr);
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(errors) }
    }

    fn run(&self, line: &str) -> String {
        self.try_run(line, &[]).unwrap_or_else(|errors| panic!("{line}: {errors}"))
    }

    /// What Pacemaker says of resources and of what was done with them.
    fn status(&self) -> String {
        self.try_run("crm_mon --one-shot --output-as=xml --inactive --include=all", &[]).unwrap_or_default()
    }

    /// Waits for something that comes by itself, and shows what Pacemaker says when it does not.
    fn until(&self, what: &str, mut holds: impl FnMut(&str) -> bool) {
        let begin = Instant::now();
        loop {
            let status = self.status();
            if holds(&status) {
                return;
            }
            if begin.elapsed() > PATIENCE {
                let log = self.run("grep -E ' (error|warning|notice):' /var/log/pacemaker/pacemaker.log | tail -n 60");
                panic!("{what} did not come in {PATIENCE:?}\n{status}\n{log}");
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.keeper.kill();
        let _ = self.keeper.wait();
    }
}

/// A resource as it is configured: its agent, its parameters, and what shows from outside that it is active.
struct Resource {
    id: &'static str,
    agent: &'static str,
    parameters: &'static str,
    /// A command line that succeeds while it is active, and fails before and after.
    shown_by: &'static str,
}

/// Where `DIR` is, in parameters, the test's own directory is meant.
const RESOURCES: &[Resource] = &[
    Resource { id: "dummy", agent: "heartbeat:Dummy", parameters: "state=DIR/dummy", shown_by: "test -e DIR/dummy" },
    Resource {
        id: "address",
        agent: "heartbeat:IPaddr2",
        parameters: "ip=192.0.2.7 cidr_netmask=24 iflabel=vip",
        shown_by: "ip address show dev port0 | grep -q '192.0.2.7/24.*port0:vip'",
    },
    Resource {
        id: "address6",
        agent: "systole:IPaddr2",
        parameters: "ip=2001:db8::7 cidr_netmask=64 nic=port0",
        shown_by: "ip address show dev port0 | grep -q 2001:db8::7/64",
    },
    Resource {
        id: "route",
        agent: "heartbeat:Route",
        parameters: "destination=198.51.100.0/24 device=port0",
        shown_by: "ip route | grep -q 198.51.100.0/24",
    },
    Resource {
        id: "object",
        agent: "systole:IpObject",
        parameters: "kind=route|spec=203.0.113.0/24 dev port0",
        shown_by: "ip route | grep -q 203.0.113.0/24",
    },
    Resource {
        id: "source",
        agent: "heartbeat:IPsrcaddr",
        parameters: "ipaddress=192.0.2.9",
        shown_by: "ip route show default | grep -q 'src 192.0.2.9'",
    },
    Resource {
        id: "bound",
        agent: "heartbeat:Filesystem",
        parameters: "device=DIR/data|directory=DIR/bound|fstype=none|options=bind",
        shown_by: "grep -q ' DIR/bound ' /proc/mounts",
    },
    Resource {
        id: "disk",
        agent: "heartbeat:Filesystem",
        parameters: "device=DIR/disk.img|directory=DIR/disk|fstype=ext4",
        shown_by: "grep -q ' DIR/disk ext4 ' /proc/mounts",
    },
    Resource {
        id: "closed",
        agent: "heartbeat:portblock",
        parameters: "action=block ip=192.0.2.9 portno=2049 protocol=tcp",
        shown_by: "iptables -w -S | grep -q 2049",
    },
    Resource {
        id: "export",
        agent: "heartbeat:exportfs",
        parameters: "directory=DIR/data clientspec=192.0.2.0/24 fsid=7 options=rw",
        shown_by: "grep -q '^DIR/data' /var/lib/nfs/etab",
    },
    Resource {
        id: "program",
        agent: "heartbeat:anything",
        parameters: "binfile=/bin/sleep cmdline_options=987654 pidfile=DIR/program.pid",
        shown_by: "pgrep -x -f '/bin/sleep 987654'",
    },
    Resource {
        id: "service",
        agent: "systole:TcpFile",
        parameters: "port=8080 file=DIR/cib.xml",
        shown_by: "bash -c '</dev/tcp/127.0.0.1/8080'",
    },
    Resource {
        id: "reach",
        agent: "pacemaker:ping",
        parameters: "host_list=192.0.2.9 dampen=0 multiplier=100 name=reached",
        shown_by: "crm_attribute --type status --node node1 --name reached --query --quiet | grep -q 100",
    },
    Resource {
        id: "cable",
        agent: "heartbeat:ethmonitor",
        parameters: "interface=port0 link_status_only=true name=cable",
        shown_by: "crm_attribute --type status --node node1 --name cable --query --quiet | grep -q 1",
    },
    Resource {
        id: "healthy",
        agent: "systole:HealthCheck",
        parameters: "attribute=healthy script=/bin/true weight=7",
        shown_by: "crm_attribute --type status --node node1 --name healthy --query --quiet",
    },
];

/// With these it is no configuration. Pacemaker must hear that, and why.
const WRONG: &[(&str, &str, &str, &str)] = &[
    ("wrong-address", "heartbeat:IPaddr2", "ip=192.0.2.300", "192.0.2.300"),
    ("wrong-server", "heartbeat:nfsserver", "nfs_lease_time=soon", "nfs_lease_time"),
];

fn primitive(id: &str, agent: &str, parameters: &str, directory: &str) -> String {
    let (provider, name) = agent.split_once(':').expect("PROVIDER:NAME");
    let separator = if parameters.contains('|') { '|' } else { ' ' };
    let pairs = parameters.split(separator).map(|pair| pair.split_once('=').expect("NAME=VALUE"));
    let pairs: String = pairs
        .map(|(name, value)| {
            let value = value.replace("DIR", directory);
            format!("<nvpair id='{id}-{name}' name='{name}' value='{value}'/>")
        })
        .collect();
    format!(
        "<primitive id='{id}' class='ocf' provider='{provider}' type='{name}'><instance_attributes id='{id}-i'>{pairs}\
         </instance_attributes><operations><op id='{id}-m' name='monitor' interval='{INTERVAL}' timeout='60s'/></operations>\
         </primitive>"
    )
}

/// The whole configuration, as it lies on the node's disk when Pacemaker is started.
fn configuration(directory: &str) -> String {
    let mut resources: String =
        RESOURCES.iter().map(|one| primitive(one.id, one.agent, one.parameters, directory)).collect();
    resources.extend(WRONG.iter().map(|(id, agent, parameters, _)| primitive(id, agent, parameters, directory)));
    format!(
        "<cib crm_feature_set='3.16.1' validate-with='pacemaker-3.9' epoch='1' num_updates='0' admin_epoch='0'>\
         <configuration><crm_config><cluster_property_set id='p'>\
         <nvpair id='p1' name='stonith-enabled' value='false'/><nvpair id='p2' name='dc-deadtime' value='1s'/>\
         </cluster_property_set></crm_config><nodes/><resources>{resources}\
         <clone id='roles'><meta_attributes id='roles-m'><nvpair id='roles-p' name='promotable' value='true'/>\
         </meta_attributes><primitive id='role' class='ocf' provider='pacemaker' type='Stateful'><operations>\
         <op id='role-m1' name='monitor' interval='2s' role='Master' timeout='60s'/>\
         <op id='role-m2' name='monitor' interval='3s' role='Slave' timeout='60s'/></operations></primitive></clone>\
         </resources><constraints/></configuration><status/></cib>"
    )
}

/// The line of a resource in what Pacemaker says.
fn line<'a>(status: &'a str, id: &str) -> &'a str {
    let own = format!("<resource id=\"{id}\" ");
    status.lines().find(|line| line.contains(&own)).unwrap_or("")
}

/// What was done with a resource, as Pacemaker's history has it.
fn history<'a>(status: &'a str, id: &str) -> impl Iterator<Item = &'a str> {
    let own = format!("<resource_history id=\"{id}\" ");
    let lines = status.lines().skip_while(move |line| !line.contains(&own)).skip(1);
    lines.take_while(|line| line.contains("<operation_history "))
}

#[test]
fn debians_pacemaker_runs_our_agents() {
    if !is_root() {
        eprintln!("not root: our agents are not tried under Pacemaker here");
        return;
    }
    for program in ["/usr/sbin/corosync", "/usr/sbin/pacemakerd", "/usr/sbin/crm_mon"] {
        assert!(Path::new(program).exists(), "no {program}: {NEEDED}");
    }
    let host = Host::boot();
    let directory = host.directory.path().display().to_string();
    let command = |line: &str| line.replace("DIR", &directory);
    fs::create_dir(host.directory.path().join("data")).unwrap();
    fs::write(host.directory.path().join("cib.xml"), configuration(&directory)).unwrap();
    host.run(&command("truncate -s 16M DIR/disk.img && mkfs.ext4 -q -F DIR/disk.img"));
    let own = env!("CARGO_BIN_EXE_systole-agents");
    host.try_run(FURNISH, &[own, &directory]).unwrap_or_else(|errors| panic!("furnishing the node: {errors}"));
    let begin = Instant::now();
    while host.try_run("corosync-quorumtool -s", &[]).is_err() {
        assert!(begin.elapsed() < PATIENCE, "Corosync does not come up: {}", host.run("cat /var/log/corosync.log"));
        std::thread::sleep(Duration::from_millis(200));
    }
    let is_shown = |resource: &Resource| host.try_run(&command(resource.shown_by), &[]).is_ok();
    for resource in RESOURCES {
        assert!(!is_shown(resource), "{} is active before anyone has started it", resource.id);
    }
    host.run("PCMK_logfacility=none setsid pacemakerd </dev/null >/var/log/pacemaker/console.log 2>&1 &");

    for resource in RESOURCES {
        host.until(&format!("the start of {} and its monitor", resource.id), |status| {
            let found = line(status, resource.id);
            let is_watched = |operation: &str| {
                ["task=\"monitor\"", "rc=\"0\"", "interval=\"2000ms\""].iter().all(|word| operation.contains(word))
            };
            found.contains("role=\"Started\"")
                && found.contains("failed=\"false\"")
                && history(status, resource.id).any(is_watched)
        });
        host.until(&format!("what shows that {} is active", resource.id), |_| is_shown(resource));
    }
    host.until("the promotion", |status| {
        ["role=\"Promoted\"", "role=\"Master\""].iter().any(|role| line(status, "role").contains(role))
    });

    // Wrong parameters: Pacemaker hears what is wrong and shows it to people, and does not run it.
    for (id, _, _, words) in WRONG {
        host.until(&format!("the word that {id} is not configured"), |status| {
            let own = format!("<failure op_key=\"{id}_");
            let told = |line: &str| [&own, "exitcode=\"6\"", words].iter().all(|word| line.contains(*word));
            status.lines().any(told) && line(status, id).contains("role=\"Stopped\"")
        });
    }
    let status = host.status();
    let failed: Vec<_> = status.lines().filter(|line| line.contains("<failure ") && !line.contains("wrong-")).collect();
    assert!(failed.is_empty(), "{failed:#?}");

    // What goes is noticed by Pacemaker's monitor, and comes back.
    host.run("ip address del 192.0.2.7/24 dev port0");
    host.until("the address's return", |status| {
        let counted = history_head(status, "address").contains("fail-count=\"1\"");
        counted && line(status, "address").contains("role=\"Started\"") && is_shown(&RESOURCES[1])
    });

    // A parameter that can be reloaded is: the agent is not stopped for it.
    let results = |action: &str| {
        let log = host.run("cat /var/log/pacemaker/pacemaker.log");
        let is_meant =
            |line: &&str| line.contains(&format!("Result of {action}")) && line.contains(" for reach on node1: ok");
        log.lines().filter(is_meant).count()
    };
    assert_eq!((results("reload"), results("stop")), (0, 0));
    host.run("crm_resource --resource reach --set-parameter attempts --parameter-value 2");
    host.until("the reload", |_| results("reload") > 0 || results("stop") > 0);
    assert_eq!((results("reload"), results("stop"), results("start")), (1, 0, 1));

    // All of it is stopped, without a failure, and nothing of it is left.
    host.run("crm_attribute --type crm_config --name stop-all-resources --update true");
    let all = RESOURCES.iter().map(|resource| resource.id).chain(["role"]);
    for id in all {
        host.until(&format!("the stop of {id}"), |status| line(status, id).contains("role=\"Stopped\""));
    }
    for resource in RESOURCES {
        assert!(!is_shown(resource), "{} has left something behind", resource.id);
    }
    host.run("pacemakerd --shutdown");
}

/// What Pacemaker says of a resource before its history.
fn history_head<'a>(status: &'a str, id: &str) -> &'a str {
    let own = format!("<resource_history id=\"{id}\" ");
    status.lines().find(|line| line.contains(&own)).unwrap_or("")
}
