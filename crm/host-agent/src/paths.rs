//! Where a host agent keeps what it knows, and where the files stand that it takes and gives.

use std::path::{Path, PathBuf};

use wire::host::HostFile;

/// The folders.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Paths {
    /// The agent's own.
    pub state: PathBuf,
    /// Corosync's configuration.
    pub corosync: PathBuf,
    /// What Corosync and Systole remember of a cluster.
    pub memory: Vec<PathBuf>,
}

impl Default for Paths {
    fn default() -> Paths {
        Paths {
            state: "/var/lib/systole-host-agent".into(),
            corosync: "/etc/corosync".into(),
            memory: vec!["/var/lib/corosync".into(), "/var/lib/systole".into()],
        }
    }
}

impl Paths {
    /// Where a file stands; of the quorum device's certificates the folder.
    pub fn file(&self, file: HostFile) -> PathBuf {
        match file {
            HostFile::CorosyncConf => self.corosync.join("corosync.conf"),
            HostFile::Authkey => self.corosync.join("authkey"),
            HostFile::Hosts => self.state.join("hosts"),
            HostFile::QdeviceKeys => self.qdevice().join("net/nssdb"),
        }
    }

    /// The permissions of a file that is new.
    pub fn mode(file: HostFile) -> u32 {
        match file {
            HostFile::CorosyncConf => 0o644,
            HostFile::Authkey => 0o400,
            HostFile::Hosts | HostFile::QdeviceKeys => 0o600,
        }
    }

    /// Where corosync-qdevice has its own.
    pub(crate) fn qdevice(&self) -> PathBuf {
        self.corosync.join("qdevice")
    }

    /// QNetd's certificates.
    pub(crate) fn qnetd(&self) -> PathBuf {
        self.corosync.join("qnetd/nssdb")
    }

    /// Where certificates are made, out of the way of those in force.
    pub(crate) fn making(&self) -> PathBuf {
        self.state.join("qdevice.making")
    }

    /// The figures of the last probe that was made from this host.
    pub fn probe(&self) -> PathBuf {
        self.state.join("probe")
    }

    pub(crate) fn tokens(&self) -> PathBuf {
        self.state.join("tokens")
    }

    pub(crate) fn certificate(&self) -> PathBuf {
        self.state.join("certificate.pem")
    }

    pub(crate) fn key(&self) -> PathBuf {
        self.state.join("key.pem")
    }

    pub(crate) fn operation(&self) -> PathBuf {
        self.state.join("operation")
    }

    pub(crate) fn backups(&self) -> PathBuf {
        self.state.join("backups")
    }

    pub(crate) fn lock(&self) -> PathBuf {
        self.state.join("lock")
    }
}

/// The folder that a path is in.
pub(crate) fn folder(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("/"))
}
