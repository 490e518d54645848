//! A host of Proxmox VE: its corosync.conf is shared by its own file system, which takes a new one only whole, by a
//! rename, and only with quorum; from there it goes to every node's Corosync by itself.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use corosync_conf::Conf;
use host_agent::about;
use setup::conf::{check, version};

use crate::terminal::print;

/// Where that file system is.
const ROOT: &str = "/etc/pve";
/// It answers this of itself, and nothing else does.
const MEMBERS: &str = ".members";
/// How long a changed file may take to each node's Corosync: the file system tells the others with the next token.
const TAKEN_WITHIN: Duration = Duration::from_secs(30);
/// How often it is looked.
const LOOK: Duration = Duration::from_millis(250);

/// The host, as one of Proxmox's.
#[derive(Clone, Debug)]
pub struct Proxmox {
    root: PathBuf,
}

impl Proxmox {
    /// This host, if it is one.
    pub fn here() -> Option<Proxmox> {
        Proxmox::at(Path::new(ROOT))
    }

    fn at(root: &Path) -> Option<Proxmox> {
        root.join(MEMBERS).exists().then(|| Proxmox { root: root.to_owned() })
    }

    fn file(&self) -> PathBuf {
        self.root.join("corosync.conf")
    }

    /// The file that all nodes share.
    ///
    /// # Errors
    /// When the host is in no cluster, or the file cannot be read.
    pub fn conf(&self) -> anyhow::Result<Conf> {
        match fs::read_to_string(self.file()) {
            Ok(text) => Ok(Conf::parse(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                bail!(
                    "this Proxmox host is in no cluster: `pvecm create NAME` makes one, `pvecm add ADDRESS` joins one"
                )
            }
            Err(error) => Err(error).with_context(|| format!("reading {}", self.file().display())),
        }
    }

    /// Gives all nodes a changed file.
    ///
    /// # Errors
    /// When Corosync would refuse it, somebody else changed the file meanwhile, or the file system takes nothing. Then
    /// the file is as it was.
    pub fn put(&self, old: &Conf, new: &Conf) -> anyhow::Result<()> {
        check(new)?;
        let path = self.file();
        ensure!(
            self.conf()?.text() == old.text(),
            "{} was changed by somebody else in this moment: look at it, and run the command again",
            path.display()
        );
        ensure!(
            version(new) > version(old),
            "the new configuration needs a higher version than {}: Proxmox takes no other",
            version(old).unwrap_or(0)
        );
        self.write("corosync.conf.bak", old.text())?;
        let fresh = self.write("corosync.conf.new", new.text())?;
        fs::rename(&fresh, &path).with_context(|| format!("renaming {} to {}", fresh.display(), path.display()))
    }

    fn write(&self, name: &str, text: &str) -> anyhow::Result<PathBuf> {
        let path = self.root.join(name);
        fs::write(&path, text).map_err(|error| {
            let read_only = matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem);
            let why = match read_only {
                true => {
                    ": without quorum Proxmox's file system takes nothing; `systole pvecm status` shows who is missing"
                }
                false => "",
            };
            anyhow::Error::new(error).context(format!("writing {}{why}", path.display()))
        })?;
        Ok(path)
    }

    /// Changes the file and waits until this node's Corosync runs with it.
    ///
    /// # Errors
    /// As [`Proxmox::put`]; or when Corosync does not take it.
    pub fn change(&self, old: &Conf, new: &Conf) -> anyhow::Result<()> {
        let before = about::engine();
        self.put(old, new)?;
        if before.is_none() {
            return print("Written. Corosync does not run on this host; it starts with the new configuration.\n");
        }
        let end = Instant::now() + TAKEN_WITHIN;
        let runs = || about::engine().and_then(|engine| engine.config_version);
        while runs() != version(new) {
            ensure!(
                Instant::now() < end,
                "the file is written, and Corosync still runs with version {} of it: `journalctl -u corosync -u \
                 pve-cluster` says why. What it was before is {}.bak; give it a higher config_version to go back to it",
                runs().map_or("none".into(), |version| version.to_string()),
                self.file().display()
            );
            std::thread::sleep(LOOK);
        }
        print(&format!("Done: Corosync runs with version {}.\n", version(new).unwrap_or(0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "logging {\n  debug: off\n}\n\nnodelist {\n  node {\n    name: pve1\n    nodeid: 1\n    quorum_votes: 1\n    ring0_addr: 10.0.1.11\n  }\n  node {\n    name: pve2\n    nodeid: 2\n    quorum_votes: 1\n    ring0_addr: 10.0.1.12\n  }\n  node {\n    name: pve3\n    nodeid: 3\n    quorum_votes: 1\n    ring0_addr: 10.0.1.13\n  }\n}\n\nquorum {\n  provider: corosync_votequorum\n}\n\ntotem {\n  cluster_name: prod\n  config_version: 14\n  interface {\n    linknumber: 0\n  }\n  ip_version: ipv4-6\n  link_mode: passive\n  secauth: on\n  version: 2\n}\n";

    fn host() -> (tempfile::TempDir, Proxmox) {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(MEMBERS), "{}").unwrap();
        fs::write(folder.path().join("corosync.conf"), FILE).unwrap();
        let host = Proxmox::at(folder.path()).unwrap();
        (folder, host)
    }

    #[test]
    fn a_file_comes_whole_with_a_higher_version_and_the_old_one_stays() {
        let (folder, host) = host();
        let old = host.conf().unwrap();
        let new = setup::conf::nodes::remove(&old, "pve3").unwrap();
        host.put(&old, &new).unwrap();
        let text = host.conf().unwrap();
        assert!(text.text().contains("config_version: 15") && !text.text().contains("pve3"), "{}", text.text());
        assert_eq!(fs::read_to_string(folder.path().join("corosync.conf.bak")).unwrap(), FILE);
        assert!(!folder.path().join("corosync.conf.new").exists());
        // From what was read before, it would undo what somebody else did.
        let error = host.put(&old, &new).unwrap_err().to_string();
        assert!(error.contains("changed by somebody else"), "{error}");
    }

    #[test]
    fn what_proxmox_would_not_take_is_not_written() {
        let (folder, host) = host();
        let old = host.conf().unwrap();
        let same = Conf::parse(FILE.replace("debug: off", "debug: on"));
        assert!(host.put(&old, &same).unwrap_err().to_string().contains("higher version than 14"));
        let broken =
            Conf::parse(FILE.replace("version: 2", "version: 1").replace("config_version: 14", "config_version: 15"));
        assert!(host.put(&old, &broken).unwrap_err().to_string().contains("would refuse"));
        assert_eq!(host.conf().unwrap().text(), FILE);
        assert!(!folder.path().join("corosync.conf.bak").exists());
        fs::remove_file(folder.path().join("corosync.conf")).unwrap();
        assert!(host.conf().unwrap_err().to_string().contains("in no cluster"));
        assert!(Proxmox::at(&folder.path().join("none")).is_none());
    }
}
