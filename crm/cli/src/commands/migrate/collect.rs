//! `systole migrate keepalived collect`: all that matters of this host's keepalived, as one tar: its files with what they
//! include and run, its unit and arguments, and the addresses, routes, rules, mounts and kernel settings of this moment.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command as Program;

use anyhow::{Context as _, bail};
use clap::{Arg, ArgMatches, value_parser};
use keepalived::statement::Statement;
use keepalived::{Files, Host, Model};
use migrate::archive::ARCHIVE_MAX;
use migrate::collected::Collected;
use sha2::{Digest as _, Sha256};

use super::files::{read, this_host};
use super::keeper::{self, Arguments};
use crate::EXIT_OK;
use crate::commands::Command;
use crate::terminal::print;

/// The command.
pub const COMMAND: Command = Command { name: "collect", grammar, run };

/// A script or an included file; the largest known one has some ten KB.
const FILE_MAX: u64 = 1 << 20;
/// Files of a directory that an include may mean, beyond which it is none of keepalived's.
const FOLDER_MAX: usize = 1_000;
/// Where a unit and its environment may be.
const UNITS: &[&str] = &[
    "/etc/systemd/system/keepalived.service",
    "/lib/systemd/system/keepalived.service",
    "/usr/lib/systemd/system/keepalived.service",
    "/etc/default/keepalived",
    "/etc/sysconfig/keepalived",
    "/etc/fstab",
];
/// Changes to a unit lie in these.
const DROP_INS: &[&str] = &["/etc/systemd/system/keepalived.service.d", "/run/systemd/system/keepalived.service.d"];
/// What keepalived or its users set for virtual addresses; of each interface those of the second list.
const SETTINGS: &[&str] = &["net/ipv4/ip_nonlocal_bind", "net/ipv6/ip_nonlocal_bind", "net/ipv4/ip_forward"];
const OF_INTERFACES: &[&str] =
    &["arp_ignore", "arp_announce", "arp_filter", "arp_notify", "rp_filter", "accept_local", "promote_secondaries"];
/// Programs whose words are kept for people.
const NOTES: &[(&str, &[&str])] = &[
    ("address.json", &["ip", "-j", "address", "show"]),
    ("route.json", &["ip", "-j", "route", "show", "table", "all"]),
    ("route6.json", &["ip", "-6", "-j", "route", "show", "table", "all"]),
    ("rule.json", &["ip", "-j", "rule", "show"]),
    ("nft", &["nft", "list", "ruleset"]),
    ("ipvs", &["ipvsadm", "-S", "-n"]),
];

fn grammar() -> clap::Command {
    let after = "The tar is what scan, plan, prove and shadow take as a host's file, and anyone can look into: root/ has the \
                 files by their paths, facts/ what is so at this moment, notes/ all else with checksums. Passwords in the \
                 configuration are in it: keep it as you keep that. Nothing is changed.\n\nExamples:\n  \
                 systole migrate keepalived collect one.tar\n  ssh root@two systole migrate keepalived collect - > two.tar";
    clap::Command::new("")
        .about("Put this host's keepalived, with all it includes and runs, into one tar for the other commands")
        .after_help(after)
        .args(arguments())
        .arg(
            Arg::new("out")
                .value_name("FILE")
                .required(true)
                .value_parser(value_parser!(PathBuf))
                .help("The tar to write; - for the standard output"),
        )
}

fn arguments() -> Vec<Arg> {
    let path = |name: &'static str, value: &'static str| {
        Arg::new(name).long(name).value_name(value).value_parser(value_parser!(PathBuf))
    };
    vec![
        path("pid-file", "FILE").help("keepalived's pid file [/run/keepalived.pid]"),
        path("config", "FILE").help("keepalived.conf, where it does not run [/etc/keepalived/keepalived.conf]"),
        Arg::new("node").long("node").value_name("NAME").help("This host's name [its short name]"),
    ]
}

fn run(arguments: &ArgMatches) -> anyhow::Result<u8> {
    let pid_file = arguments.get_one::<PathBuf>("pid-file").map(PathBuf::as_path);
    let node = arguments.get_one::<String>("node").cloned().unwrap_or_else(this_host);
    let running = keeper::running(pid_file)?;
    let there = running.map_or(Arguments::default(), |running| running.arguments);
    let config = arguments.get_one::<PathBuf>("config").cloned();
    // Where its addresses were handed over, it does not run, and the backup knows what it read.
    let config = config.or_else(|| there.words.is_empty().then(super::adopt::handed_over).flatten());
    let config = config.unwrap_or_else(|| there.configuration());
    let collected = gather(&config, &node, &there)?;
    let bytes = collected.to_archive();
    if bytes.len() > ARCHIVE_MAX {
        bail!("what {} names has more than {} MiB: nothing was written", config.display(), ARCHIVE_MAX >> 20);
    }
    let out = arguments.get_one::<PathBuf>("out").expect("it is required");
    if out.as_os_str() == "-" {
        std::io::stdout().lock().write_all(&bytes).context("writing the tar")?;
        return Ok(EXIT_OK);
    }
    write_private(out, &bytes)?;
    print(&format!("{} files of {node} are in {}.\n", collected.files.len(), out.display()))?;
    Ok(EXIT_OK)
}

/// A file that only its owner may read: passwords are in it.
pub(super) fn write_private(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let context = || format!("writing {}", path.display());
    // Whole or not at all: whoever reads it later never finds half of it.
    let mut name = path.file_name().with_context(context)?.to_owned();
    name.push(".new");
    let new = path.with_file_name(name);
    let mut file =
        fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new).with_context(context)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).with_context(context)?;
    fs::rename(&new, path).with_context(context)
}

/// All of it, as a value.
pub(super) fn gather(config: &Path, node: &str, arguments: &Arguments) -> anyhow::Result<Collected> {
    let files = read(config)?;
    let model = Model::read(&files, &Host { config_id: node.to_owned(), instance: node.to_owned() });
    let mut found: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for path in included(&files) {
        take(&path, &mut found);
    }
    for path in named(&model) {
        take(&path, &mut found);
    }
    UNITS.iter().for_each(|path| take(path, &mut found));
    DROP_INS.iter().flat_map(|folder| listed(folder)).for_each(|path| take(&path, &mut found));
    if !found.contains_key(files.main()) {
        bail!("{} cannot be read, or has more than {} MiB", files.main(), FILE_MAX >> 20);
    }
    let mut notes: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for (name, words) in NOTES {
        // Not every host has all of these programs, and without them there is nothing of theirs.
        if let Ok(output) = Program::new(words[0]).args(&words[1..]).output()
            && output.status.success()
        {
            notes.insert((*name).to_owned(), output.stdout);
        }
    }
    notes.insert("sysctl".to_owned(), settings().into_bytes());
    let sums = found.iter().map(|(path, bytes)| format!("{}  {path}\n", checksum(bytes)));
    notes.insert("sha256sums".to_owned(), sums.collect::<String>().into_bytes());
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let mounts = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ');
        Some((words.next()?.to_owned(), words.next()?.to_owned()))
    });
    Ok(Collected {
        host: node.to_owned(),
        configuration: files.main().to_owned(),
        arguments: arguments.words.clone(),
        unit: arguments.unit.clone(),
        addresses: keeper::addresses()?,
        enabled: enabled(&arguments.unit),
        mounts: mounts.collect(),
        files: found,
        notes,
    })
}

/// SHA-256, in hexadecimal.
pub(super) fn checksum(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What systemd does with keepalived at boot; empty where systemd does not run.
fn enabled(unit: &str) -> String {
    if !keeper::has_systemd() {
        return String::new();
    }
    let output = Program::new("systemctl").args(["is-enabled", keeper::unit_or_packages(unit)]).output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
}

/// The main file and all that it may include, wherever that lies.
fn included(files: &Files) -> BTreeSet<String> {
    let mut files = files.clone();
    let mut done: BTreeSet<String> = BTreeSet::new();
    let mut open = vec![files.main().to_owned()];
    while let Some(path) = open.pop() {
        if !done.insert(path.clone()) {
            continue;
        }
        let text = files.text(&path).unwrap_or_default().to_owned();
        for line in text.lines() {
            let mut words = line.split_ascii_whitespace();
            let (Some(word), Some(pattern)) = (words.next(), words.next()) else { continue };
            if !word.starts_with("include") {
                continue;
            }
            if pattern.starts_with('/') {
                // The longest part without a wildcard is a directory: all in it may be meant.
                let plain = pattern.find(['*', '?', '[', '{']).map_or(pattern, |at| &pattern[..at]);
                for other in listed(keepalived::files::directory(plain)) {
                    if files.text(&other).is_none()
                        && let Some(bytes) = bytes_of(&other)
                    {
                        files.add(&other, String::from_utf8_lossy(&bytes).into_owned());
                    }
                }
            }
            let folder = keepalived::files::directory(&path).to_owned();
            open.extend(files.matching(&folder, pattern).into_iter().map(str::to_owned));
        }
    }
    done
}

/// Files that the configuration runs or reads: every word that is a path of one.
fn named(model: &Model) -> BTreeSet<String> {
    fn words(statement: &Statement, found: &mut BTreeSet<String>) {
        for word in statement.words.iter().flat_map(|word| word.split_ascii_whitespace()) {
            let word = word.trim_matches(['"', '\'']);
            if word.starts_with('/') && word.len() > 1 {
                found.insert(word.to_owned());
            }
        }
        statement.block.iter().for_each(|inner| words(inner, found));
    }
    let mut found = BTreeSet::new();
    let instances = model.instances.iter().map(|one| &one.statement);
    let groups = model.groups.iter().map(|one| &one.statement);
    let scripts = model.scripts.iter().map(|one| &one.statement);
    let rest = model.defaults.statements.iter().chain(&model.rest).chain(&model.servers).chain(&model.bfd);
    instances.chain(groups).chain(scripts).chain(rest).for_each(|statement| words(statement, &mut found));
    found
}

fn listed(folder: &str) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut found: Vec<String> = entries
        .flatten()
        .filter(|entry| entry.path().is_file())
        .filter_map(|entry| Some(entry.path().to_str()?.to_owned()))
        .take(FOLDER_MAX)
        .collect();
    found.sort();
    found
}

fn bytes_of(path: &str) -> Option<Vec<u8>> {
    let meta = fs::metadata(path).ok()?;
    if !meta.is_file() || meta.len() > FILE_MAX {
        return None;
    }
    fs::read(path).ok()
}

/// Programs of the system come back with their packages: only what people wrote is kept.
fn take(path: &str, found: &mut BTreeMap<String, Vec<u8>>) {
    if let Some(bytes) = bytes_of(path).filter(|bytes| !bytes.starts_with(b"\x7fELF")) {
        found.insert(path.to_owned(), bytes);
    }
}

/// Kernel settings as lines of sysctl.conf.
fn settings() -> String {
    let mut names: Vec<String> = SETTINGS.iter().map(|name| (*name).to_owned()).collect();
    if let Ok(entries) = fs::read_dir("/proc/sys/net/ipv4/conf") {
        let mut interfaces: Vec<String> =
            entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
        interfaces.sort();
        for interface in interfaces {
            names.extend(OF_INTERFACES.iter().map(|name| format!("net/ipv4/conf/{interface}/{name}")));
        }
    }
    let line = |name: &String| {
        let value = fs::read_to_string(format!("/proc/sys/{name}")).ok()?;
        Some(format!("{name} = {}\n", value.trim()))
    };
    names.iter().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn includes_and_scripts_come_along_wherever_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        fs::create_dir_all(at("far")).unwrap();
        fs::create_dir_all(at("etc")).unwrap();
        fs::write(at("far/web.conf"), format!("vrrp_script s {{\nscript \"{} -x\"\n}}\n", at("check"))).unwrap();
        fs::write(at("far/other.txt"), "no").unwrap();
        fs::write(at("check"), "#!/bin/sh\n").unwrap();
        let main = format!("include {}/*.conf\nvrrp_instance A {{\nnotify /bin/true\n}}\n", at("far"));
        fs::write(at("etc/keepalived.conf"), main).unwrap();
        let files = read(Path::new(&at("etc/keepalived.conf"))).unwrap();
        let all = included(&files);
        assert!(all.iter().any(|path| path.ends_with("far/web.conf")), "{all:?}");
        assert!(!all.iter().any(|path| path.ends_with("other.txt")), "{all:?}");
        let collected = Files::one("/a", fs::read_to_string(at("far/web.conf")).unwrap());
        assert!(named(&Model::read(&collected, &Host::default())).contains(&at("check")));
    }
}
