//! Failover of an NFS server for real: the example nfs-vip on three nodes, a client with NFSv3 and one with NFSv4.2 that
//! write and hold locks, a rival for these locks; a planned move, and a crash.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use lab::clock;
use lab::cluster::EngineKind;
use lab::cluster::Ground;
use lab::control;
use lab::fault::Fault;
use lab::field::Field;
use lab::machine::{Link, Plan, Work};
use lab::network::{self, Address};
use lab::node::Node;
use lab::receipt::Evidence;
use lab::scene::Scene;
use lab::story::{Page, Storyteller};
use lab::{adapt, disk, sandbox};

use crate::mount::{GO_ON, Protocol, WORDS};
use crate::verdict::{self, Written};

/// Where the guest has the programs under test and the example.
const PROGRAMS: &str = "/opt/systole";
const EXAMPLE: &str = "/opt/systole/nfs-vip";
/// An emulated processor is slow: a node that says nothing for so long is lost.
const TOKEN_MS: u64 = 15_000;
/// Clients write undisturbed for so long before and after each fault.
const CALM: Duration = Duration::from_secs(5);
/// The first of the clients' cables.
const FIRST_CABLE: usize = 50;

/// Tries it all. Says whether all went as it should.
pub fn run() -> Result<bool> {
    let mut scene = Scene::read(Path::new(EXAMPLE))?;
    let mut changes = adapt::set_nodes(&mut scene, None);
    let privilege = sandbox::enter(Path::new(PROGRAMS), &adapt::writable_directories(&scene)?)?;
    let (disks, why) = disk::kind(privilege);
    if let Some(why) = why {
        bail!("this guest cannot mount disks: {why}");
    }
    let mut adapted = adapt::set_hardware(&mut scene, disks)?;
    changes.append(&mut adapted.changes);
    for wanted in &mut adapted.disks {
        // An administrator makes the directory that is exported, once.
        wanted.answer = Some("data/.made".into());
        disk::make(wanted, disks, "")?;
    }
    let story = Storyteller::new(Page::Stdout);
    story.heading("NFS on three nodes, with the configuration examples/nfs-vip");
    changes.iter().for_each(|change| story.say(&format!("  - {change}")));
    let ground = Ground {
        engine: EngineKind::Embedded,
        token_ms: TOKEN_MS,
        coordinator: None,
        has_device: false,
        is_for_trials: false,
    };
    let server = scene.network.ip.to_string();
    let addresses = clients_addresses(&scene)?;
    let field = Field::build(scene, &ground, "", story)?;
    // Whoever reads of a failure reads all that led to it.
    try_all(&field, &addresses, &server).inspect_err(|_| explain(&field))
}

/// The clients, the faults, the verdict.
fn try_all(field: &Field, addresses: &[Address], server: &str) -> Result<bool> {
    let active = field.wait_for_service()?;
    field.story.say(&format!("  {} serves", active.name()));

    fs::create_dir_all(WORDS).with_context(|| format!("making {WORDS}"))?;
    fs::write(GO_ON, "").with_context(|| format!("making {GO_ON}"))?;
    let clients = Clients::start(field, addresses, server)?;
    let mut all_good = true;
    for fault in [Fault::Move, Fault::Crash] {
        all_good &= strike(field, fault)?;
    }
    all_good &= clients.finish(field)?;
    println!("nfs failover: {}", if all_good { "as it should be" } else { "NOT as it should be" });
    Ok(all_good)
}

fn explain(field: &Field) {
    field.story.tell_again(0);
    for node in field.cluster.nodes() {
        match control::systole(node, &["status"]) {
            Ok(status) => field.story.say(&status),
            Err(error) => field.story.say(&format!("{}: {error:#}", node.name())),
        }
    }
}

/// Addresses for the clients, which no node has.
fn clients_addresses(scene: &Scene) -> Result<Vec<Address>> {
    let vips: Vec<_> = scene.vips.iter().map(|vip| vip.ip).collect();
    // The field takes the first ones: for the nodes and a client of its own.
    let taken = scene.nodes.len() + 1;
    Ok(network::host_addresses(scene.network, &vips, taken + 3)?.split_off(taken))
}

/// Does it to the active node, and tells how long the clients waited.
fn strike(field: &Field, fault: Fault) -> Result<bool> {
    let active = field.holder().context("nobody serves")?;
    field.let_pass(CALM);
    let fault_us = clock::now_us();
    field.story.heading(&format!("The fault: {}", fault.name()));
    field.story.begin(fault_us);
    fault.strike(&field.cluster, &field.scene, &active)?;
    let moved = || Ok(field.holder().filter(|holder| holder.name() != active.name() && field.is_answered()));
    let to = field.expect("the address on another node", moved)?;
    field.expect("both clients to write again", || {
        let mut all = true;
        for protocol in Protocol::ALL {
            let written = written(protocol)?;
            if let Some(error) = written.error {
                bail!("the client with NFSv{}: {error}", protocol.version());
            }
            all &= written.at_us.last().is_some_and(|last| *last > clock::now_us().saturating_sub(1_000_000));
            all &= verdict::next_write_ms(&written.at_us, fault_us).is_some();
        }
        Ok(all.then_some(()))
    })?;
    field.rest()?;
    field.let_pass(CALM);
    // Nobody new gets a lock within the server's grace, nor is refused one: the rival's answer comes when it is over.
    field.expect("the rival to be told who has the locks", || {
        let mut all = true;
        for protocol in Protocol::ALL {
            let (refused, got) = verdict::refusals(&words(&protocol.lock())?, back_us(protocol, fault_us)?);
            all &= got || refused > 0;
        }
        Ok(all.then_some(()))
    })?;
    if fault == Fault::Move {
        control::systole(&to, &["clear", &field.scene.subject])?;
    }

    let (heard, happenings, resources) = (field.client.heard(), field.story.happenings(), field.resources());
    let evidence = Evidence {
        fault,
        fault_us,
        active: active.name(),
        happenings: &happenings,
        heard: &heard,
        until_us: clock::now_us(),
        resources: &resources,
    };
    let moments = evidence.moments();
    let ms = |at: Option<u64>| evidence.since(at).map_or("-".to_owned(), |ms| format!("{ms} ms"));
    println!("{} of {}, since the fault:", fault.name(), active.name());
    println!(
        "  detected {}, fenced {}, stopped {}, address started {}",
        ms(moments.detected),
        ms(moments.fenced),
        ms(moments.stopped),
        ms(moments.started)
    );
    let mut is_good = true;
    for protocol in Protocol::ALL {
        let next = verdict::next_write_ms(&written(protocol)?.at_us, fault_us);
        let next = next.map_or("never".to_owned(), |next| format!("{next:.0} ms"));
        let (refused, got) = verdict::refusals(&words(&protocol.lock())?, back_us(protocol, fault_us)?);
        let lock = match (refused, got) {
            (_, true) => "LOST".to_owned(),
            (0, _) => "not asked for".to_owned(),
            (times, _) => format!("kept, another client was refused it {times} times"),
        };
        println!("  NFSv{}: next successful write {next}; lock {lock}", protocol.version());
        is_good &= !got && refused > 0;
    }
    Ok(is_good)
}

fn written(protocol: Protocol) -> Result<Written> {
    Ok(verdict::written(&words(&protocol.records())?))
}

/// When the client's writes went on after a fault: what is answered from then on, the next server has answered.
fn back_us(protocol: Protocol, fault_us: u64) -> Result<u64> {
    let waited = verdict::next_write_ms(&written(protocol)?.at_us, fault_us).unwrap_or_default();
    Ok(fault_us + (waited * 1000.0) as u64)
}

fn words(name: &str) -> Result<String> {
    let path = Path::new(WORDS).join(name);
    fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))
}

/// The clients, each a host of its own.
struct Clients {
    hosts: Vec<Arc<Node>>,
}

impl Clients {
    fn start(field: &Field, addresses: &[Address], server: &str) -> Result<Clients> {
        let writers = Protocol::ALL
            .map(|protocol| (format!("nfs{}", protocol.version()), vec!["write", protocol.version(), server]));
        let all = writers.into_iter().chain([("rival".to_owned(), vec!["rival", server])]);
        let mut hosts = Vec::new();
        for (number, ((name, work), address)) in all.zip(addresses).enumerate() {
            let own = PathBuf::from(sandbox::LAB).join("clients").join(&name);
            for directory in ["run", "nfs/sm", "nfs/sm.bak", "nfs/rpc_pipefs"] {
                let path = own.join(directory);
                fs::create_dir_all(&path).with_context(|| format!("making {}", path.display()))?;
            }
            let program = Path::new(sandbox::PROGRAMS).join("systole-guest").display().to_string();
            let plan = Plan {
                links: vec![Link { interface: "eth0".to_owned(), address: address.to_string() }],
                run: own.join("run").display().to_string(),
                disks: vec![(own.join("nfs").display().to_string(), "/var/lib/nfs".to_owned())],
                memory: vec!["/mnt".to_owned()],
                work: Work::Become([program].into_iter().chain(work.into_iter().map(str::to_owned)).collect()),
                name,
            };
            let host = Node::new(plan, FIRST_CABLE + number, field.witness.clone(), field.story.clone());
            host.switch_on()?;
            hosts.push(host);
        }
        field
            .expect("both clients to write", || {
                let begun =
                    |protocol: Protocol| words(&protocol.records()).is_ok_and(|words| words.lines().count() > 10);
                let fights = |protocol: Protocol| words(&protocol.lock()).is_ok_and(|words| words.contains("refused"));
                Ok(Protocol::ALL.into_iter().all(|protocol| begun(protocol) && fights(protocol)).then_some(()))
            })
            .with_context(|| {
                format!(
                    "they say {:?}",
                    Protocol::ALL.map(|protocol| (words(&protocol.records()), words(&protocol.lock())))
                )
            })?;
        Ok(Clients { hosts })
    }

    /// Stops them and holds their words against what is on the disk.
    fn finish(&self, field: &Field) -> Result<bool> {
        fs::remove_file(GO_ON).with_context(|| format!("removing {GO_ON}"))?;
        let ended =
            |protocol: Protocol| words(&protocol.records()).is_ok_and(|words| verdict::written(&words).has_ended);
        field.expect("both clients to end", || Ok(Protocol::ALL.into_iter().all(ended).then_some(())))?;
        let active = field.holder().context("nobody serves")?;
        let directory =
            field.scene.file_systems.first().context("the example has no file system")?.directory.join("data");
        let mut is_good = true;
        for protocol in Protocol::ALL {
            let file = directory.join(protocol.records());
            let output = active.inside("cat")?.arg(&file).output().context("reading the records on the server")?;
            let content = String::from_utf8_lossy(&output.stdout).into_owned();
            let acknowledged = verdict::written(&words(&protocol.records())?).at_us.len();
            let trouble = verdict::records(&content, acknowledged);
            is_good &= trouble.is_none() && acknowledged > 0;
            let trouble = trouble.unwrap_or_else(|| "each is on the disk once, in order".to_owned());
            println!("NFSv{}: {acknowledged} records acknowledged; {trouble}", protocol.version());
        }
        self.hosts.iter().try_for_each(|host| host.switch_off())?;
        Ok(is_good)
    }
}
