//! `systole cluster uidgid`: users and groups besides root that may talk to this host's Corosync.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use clap::{Arg, ArgAction, ArgMatches};
use corosync_conf::Conf;
use host_agent::{Paths, disk};

use crate::EXIT_OK;
use crate::commands::Command;
use crate::terminal::print;

/// The command.
pub const COMMAND: Command = Command { name: "uidgid", grammar, run };

/// A file of that folder has two lines.
const MAX_BYTES: usize = 64 << 10;

fn grammar() -> clap::Command {
    let words = || {
        Arg::new("words")
            .required(true)
            .action(ArgAction::Append)
            .value_name("uid=USER|gid=GROUP")
            .help("Names or numbers, either or both")
    };
    clap::Command::new("")
        .about("List, add or delete users and groups besides root that may talk to this host's Corosync")
        .after_help(
            "Corosync reads them when it starts, and at `systole cluster reload corosync`.\n\nExamples:\n  \
             systole cluster uidgid\n  systole cluster uidgid add uid=monitor gid=monitor",
        )
        .subcommand(clap::Command::new("add").about("Let them in").arg(words()))
        .subcommand(clap::Command::new("delete").visible_alias("remove").about("Let them in no longer").arg(words()))
}

fn run(arguments: &ArgMatches) -> anyhow::Result<u8> {
    let folder = Paths::default().corosync.join("uidgid.d");
    let said = match arguments.subcommand() {
        None => list(&folder)?,
        Some((word, arguments)) => {
            let words: Vec<String> = arguments.get_many("words").into_iter().flatten().cloned().collect();
            let who = Who::read(&words)?;
            if word == "add" { add(&folder, &who)? } else { delete(&folder, &who)? }
        }
    };
    print(&said)?;
    Ok(EXIT_OK)
}

/// A user, a group, or a user with a group.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Who {
    uid: String,
    gid: String,
}

impl Who {
    fn read(words: &[String]) -> anyhow::Result<Who> {
        let mut who = Who::default();
        for word in words {
            let (place, value) = match word.split_once('=') {
                Some(("uid", value)) => (&mut who.uid, value),
                Some(("gid", value)) => (&mut who.gid, value),
                _ => bail!("`{word}`: expected uid=USER or gid=GROUP"),
            };
            ensure!(place.is_empty(), "`{word}`: this option stands there twice");
            let fit = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.');
            ensure!(
                !value.is_empty() && value.len() <= 64 && value.chars().all(fit) && !value.starts_with('-'),
                "`{word}`: expected a name or a number"
            );
            *place = value.to_owned();
        }
        Ok(who)
    }

    fn text(&self) -> String {
        let line =
            |key: &str, value: &str| if value.is_empty() { String::new() } else { format!("  {key}: {value}\n") };
        format!("uidgid {{\n{}{}}}\n", line("uid", &self.uid), line("gid", &self.gid))
    }

    fn called(&self) -> String {
        format!("uid={} gid={}", self.uid, self.gid)
    }
}

/// What the files of the folder say, by the file.
fn all(folder: &Path) -> anyhow::Result<Vec<(PathBuf, Who)>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.with_context(|| format!("reading {}", folder.display()))?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.with_context(|| format!("reading {}", folder.display()))?.path();
        let Some(bytes) = disk::read(&path, MAX_BYTES)? else { continue };
        let conf = Conf::parse(String::from_utf8_lossy(&bytes).into_owned());
        for section in conf.sections(&["uidgid"]) {
            let of = |key| conf.entry_in(section, key).map(|entry| entry.value.clone()).unwrap_or_default();
            found.push((path.clone(), Who { uid: of("uid"), gid: of("gid") }));
        }
    }
    found.sort_by(|left, right| left.0.cmp(&right.0));
    Ok(found)
}

fn list(folder: &Path) -> anyhow::Result<String> {
    let all = all(folder)?;
    if all.is_empty() {
        return Ok("No user or group besides root may talk to Corosync here.\n".into());
    }
    Ok(all.iter().map(|(_, who)| format!("UID/GID: {}\n", who.called())).collect())
}

fn add(folder: &Path, who: &Who) -> anyhow::Result<String> {
    ensure!(!all(folder)?.iter().any(|(_, other)| other == who), "{} stands there already", who.called());
    if !known(who) {
        eprintln!("warning: this host does not know {}: Corosync leaves it out until it does", who.called());
    }
    // Debian's package brings the folder; a host that was set up otherwise may lack it.
    fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    let name = format!("systole-uidgid-{}-{}", who.uid, who.gid);
    disk::write(&folder.join(name), who.text().as_bytes(), 0o644)?;
    Ok(format!("{} is let in once Corosync reads it: `systole cluster reload corosync`.\n", who.called()))
}

fn delete(folder: &Path, who: &Who) -> anyhow::Result<String> {
    let all = all(folder)?;
    let Some((path, _)) = all.iter().find(|(_, other)| other == who) else {
        bail!("{} does not stand there; `systole cluster uidgid` lists what does", who.called());
    };
    let beside = all.iter().filter(|(other, _)| other == path).count();
    ensure!(beside == 1, "{} names others too: change it by hand", path.display());
    disk::remove(path)?;
    Ok(format!("{} is let in no longer, once Corosync starts anew.\n", who.called()))
}

/// Whether this host has such a user and such a group.
fn known(who: &Who) -> bool {
    let number = |text: &str| text.parse::<u32>().is_ok();
    let user = || nix::unistd::User::from_name(&who.uid).is_ok_and(|user| user.is_some());
    let group = || nix::unistd::Group::from_name(&who.gid).is_ok_and(|group| group.is_some());
    (who.uid.is_empty() || number(&who.uid) || user()) && (who.gid.is_empty() || number(&who.gid) || group())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_let_in_is_listed_and_taken_out() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("uidgid.d");
        let read = |line: &str| Who::read(&line.split(' ').map(str::to_owned).collect::<Vec<_>>());
        assert!(list(&folder).unwrap().starts_with("No user"));
        let who = read("uid=0 gid=4").unwrap();
        add(&folder, &who).unwrap();
        assert!(add(&folder, &who).unwrap_err().to_string().contains("stands there already"));
        add(&folder, &read("gid=7").unwrap()).unwrap();
        assert_eq!(list(&folder).unwrap(), "UID/GID: uid= gid=7\nUID/GID: uid=0 gid=4\n");
        fs::write(folder.join("pcs-uidgid-8-"), "uidgid {\n  uid: 8\n}\nuidgid {\n  uid: 9\n}\n").unwrap();
        assert!(delete(&folder, &read("uid=8").unwrap()).unwrap_err().to_string().contains("names others too"));
        delete(&folder, &who).unwrap();
        assert!(delete(&folder, &who).unwrap_err().to_string().contains("does not stand there"));
        for (wrong, why) in [
            ("user=1", "expected uid=USER or gid=GROUP"),
            ("uid=", "expected a name or a number"),
            ("uid=../x", "expected a name or a number"),
            ("uid=1 uid=2", "stands there twice"),
        ] {
            assert!(read(wrong).unwrap_err().to_string().contains(why), "{wrong}");
        }
    }
}
