//! Our agents beside those of Debian's packages `resource-agents` and `pacemaker-resource-agents`: what they say about
//! themselves, parameter by parameter, and what Debian's `ocf-tester` says about ours.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use ocf::{ActionMetadata, Metadata, Parameter};

use crate::address::cable;
use crate::space::{PACKAGES, Space, is_root};
use crate::tools;

const AGENTS: &str = "/usr/lib/ocf/resource.d";

/// Each agent of ours that has one of the same name there.
const NAMESAKES: &[(&str, &str)] = &[
    ("heartbeat", "Dummy"),
    ("heartbeat", "Filesystem"),
    ("heartbeat", "IPaddr2"),
    ("heartbeat", "IPsrcaddr"),
    ("heartbeat", "Route"),
    ("heartbeat", "Stateful"),
    ("heartbeat", "anything"),
    ("heartbeat", "ethmonitor"),
    ("heartbeat", "exportfs"),
    ("heartbeat", "nfsserver"),
    ("heartbeat", "portblock"),
    ("pacemaker", "ping"),
];

/// What an agent prints for `meta-data`.
fn metadata(agent: &Path, arguments: &[&str]) -> Metadata {
    let mut command = Command::new(agent);
    command.args(arguments).env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("OCF_ROOT", "/usr/lib/ocf");
    let output = command.output().unwrap_or_else(|error| panic!("{}: {error}; {PACKAGES}", agent.display()));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Metadata::parse(&text).unwrap_or_else(|error| panic!("{}: {error}\n{text}", agent.display()))
}

/// All that a configuration can depend on.
fn facts(parameter: &Parameter, modern: bool) -> String {
    let unique = if modern { parameter.unique_group.clone() } else { parameter.unique.then(|| parameter.name.clone()) };
    format!(
        "type={} default={:?} required={} unique={unique:?} reloadable={}",
        parameter.content.kind, parameter.content.default, parameter.required, parameter.reloadable
    )
}

fn action(action: &ActionMetadata) -> String {
    format!(
        "timeout={:?} interval={:?} depth={:?} role={:?}",
        action.timeout_ms(),
        action.interval_ms(),
        action.depth,
        action.role
    )
}

#[test]
fn all_that_debians_agents_take_ours_take() {
    let own = Path::new(env!("CARGO_BIN_EXE_systole-agents"));
    let mut differences = Vec::new();
    for (provider, name) in NAMESAKES {
        let theirs = metadata(&Path::new(AGENTS).join(provider).join(name), &["meta-data"]);
        let ours = metadata(own, &[name, "meta-data"]);
        let modern = theirs.ocf_version.as_deref() == Some("1.1");
        assert_eq!(ours.ocf_version, theirs.ocf_version, "{name}");
        assert!(!theirs.parameters.is_empty(), "{name}");
        for parameter in &theirs.parameters {
            let wanted = facts(parameter, modern);
            let found = ours.parameter(&parameter.name).map(|parameter| facts(parameter, modern));
            if found.as_ref() != Some(&wanted) {
                differences.push(format!("{name} parameter {}: {found:?}, Debian has {wanted}", parameter.name));
            }
        }
        let list = |metadata: &Metadata| -> BTreeMap<String, Vec<String>> {
            let mut all = BTreeMap::<String, Vec<String>>::new();
            for one in &metadata.actions {
                all.entry(one.name.clone()).or_default().push(action(one));
            }
            all
        };
        let (wanted, found) = (list(&theirs), list(&ours));
        for (action, wanted) in &wanted {
            if found.get(action) != Some(wanted) {
                differences.push(format!("{name} action {action}: {:?}, Debian has {wanted:?}", found.get(action)));
            }
        }
        for action in found.keys().filter(|action| !wanted.contains_key(*action)) {
            differences.push(format!("{name} action {action}: Debian has none, and pcs would make an operation of it"));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// The program where everybody may run it, with links to it, as it is installed: the tester runs it as nobody, too.
fn installed(space: &Space) -> String {
    fs::set_permissions(space.directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let program = space.path("systole-agents");
    fs::copy(env!("CARGO_BIN_EXE_systole-agents"), &program).unwrap();
    let root = space.path("ocf");
    fs::create_dir_all(&root).unwrap();
    space.run(&format!("{} install {}", program.display(), root.display()));
    root.join("resource.d/systole").display().to_string()
}

/// Runs the tester; what it complains of, one a line.
fn complaints(space: &Space, agents: &str, sbin: &str, agent: &str, parameters: &str) -> Vec<String> {
    let tester = Path::new("/usr/sbin/ocf-tester");
    assert!(tester.exists(), "no ocf-tester: {PACKAGES}");
    let options: Vec<String> = parameters
        .split(' ')
        .filter(|word| !word.is_empty())
        .flat_map(|word| ["-o".to_owned(), word.to_owned()])
        .collect();
    let output = space
        .enter("/usr/sbin/ocf-tester")
        .args(["-n", "tested"])
        .args(options)
        .arg(format!("{agents}/{agent}"))
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("HA_RSCTMP", space.path("run"))
        .envs(sbin.split_once('='))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    let found: Vec<String> = text.lines().filter(|line| line.starts_with("* rc=")).map(str::to_owned).collect();
    let passed = text.contains("passed all tests");
    assert_eq!(passed, found.is_empty() && output.status.success(), "{agent} {parameters}:\n{text}");
    found
}

#[test]
fn debians_tester_passes_our_agents() {
    if !is_root() {
        // It becomes nobody, and inside a user namespace there is no nobody.
        eprintln!("not root: ocf-tester is not run here");
        return;
    }
    let (here, _there) = cable();
    let (agents, sbin) = (installed(&here), tools::install(&here));
    here.run("ip address add 192.0.2.9/24 dev port0; ip route add default via 192.0.2.2");
    let directory = here.directory.path().display().to_string();
    fs::create_dir(here.path("data")).unwrap();
    let image = format!("{directory}/disk.img");
    fs::File::create(&image).unwrap().set_len(16 << 20).unwrap();
    here.run(&format!("mkfs.ext4 -q -F {image}"));
    let cases = [
        ("Dummy", String::new()),
        ("Stateful", String::new()),
        ("IPaddr2", "ip=192.0.2.7".into()),
        ("IPaddr2", "ip=192.0.2.7 nic=port0 cidr_netmask=24 iflabel=vip arp_bg=false arp_count=1".into()),
        ("IPaddr2", "ip=2001:db8::7".into()),
        ("IPaddr2", "ip=2001:db8::7 nic=port0 cidr_netmask=64 preferred_lft=0".into()),
        ("Filesystem", format!("device={directory}/data directory={directory}/mnt fstype=none options=bind")),
        ("Filesystem", format!("device={image} directory={directory}/mnt fstype=ext4")),
        ("Route", "destination=198.51.100.0/24 device=port0".into()),
        ("Route", "destination=2001:db8:1::/48 gateway=2001:db8::2".into()),
        ("IPsrcaddr", "ipaddress=192.0.2.9".into()),
        ("ethmonitor", "interface=port0 link_status_only=true".into()),
        ("anything", format!("binfile=/bin/sleep cmdline_options=600 pidfile={directory}/pid")),
    ];
    for (agent, parameters) in cases {
        assert_eq!(complaints(&here, &agents, &sbin, agent, &parameters), Vec::<String>::new(), "{agent} {parameters}");
    }
    // The document type is that of OCF 1.0. ping follows 1.1, as Debian's does, which is told the same.
    let ping = complaints(&here, &agents, &sbin, "ping", &format!("host_list=192.0.2.2 pidfile={directory}/ping"));
    assert_eq!(ping, ["* rc=4: Your agent produces meta-data which does not conform to ra-api-1.dtd"]);
}
