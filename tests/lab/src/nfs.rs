//! The kernel's NFS server of a node. It is not a process of the node and outlives it, with its network and its mounts: so
//! when a node loses power, the lab ends it as well.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::ifaddrs::getifaddrs;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

use crate::network::Namespace;
use crate::sandbox;

const PLACE: &str = "/proc/fs/nfsd";
/// The kernel lets go of a file system in a few milliseconds; on an emulated processor in some hundred.
const RELEASE: Duration = Duration::from_secs(20);
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// What has to be ended with a node; taken while it is on.
pub struct Server {
    namespace: Namespace,
    loops: Vec<String>,
}

impl Server {
    /// The server of the node with this process 1, if this kernel has servers.
    pub fn of(pid: u32) -> Option<Server> {
        let known = fs::read_to_string("/proc/filesystems").unwrap_or_default();
        if !known.lines().any(|line| line.split_whitespace().last() == Some("nfsd")) {
            return None;
        }
        let mounts = fs::read_to_string(format!("/proc/{pid}/mountinfo")).unwrap_or_default();
        let source = |line: &str| Some(line.split_once(" - ")?.1.split(' ').nth(1)?.strip_prefix("/dev/")?.to_owned());
        let loops = mounts.lines().filter_map(source).filter(|device| device.starts_with("loop")).collect();
        Some(Server { namespace: Namespace::of_process(pid).ok()?, loops })
    }

    /// Ends it. Its helpers have to run still, or the kernel waits for them; the cable is cut, so that no client sees it.
    pub fn end(&self) -> Result<()> {
        self.namespace.inside(|| {
            // The files of a server are those of the network namespace they are mounted from.
            unshare(CloneFlags::CLONE_NEWNS).context("making a mount namespace")?;
            sandbox::remount("/", None, MsFlags::MS_REC | MsFlags::MS_PRIVATE).context("making mounts private")?;
            mount(Some("nfsd"), PLACE, Some("nfsd"), MsFlags::empty(), None::<&str>).context("mounting nfsd")?;
            // Locks of NFSv3 are kept by the kernel as long as anyone on this machine uses such locks: the clients do.
            for address in getifaddrs().context("looking for the node's addresses")? {
                let ip = address.address.as_ref().and_then(|address| Some(address.as_sockaddr_in()?.ip()));
                if let Some(ip) = ip {
                    fs::write(Path::new(PLACE).join("unlock_ip"), format!("{ip}\n"))
                        .context("giving up the node's locks")?;
                }
            }
            fs::write(Path::new(PLACE).join("threads"), "0\n").context("ending the node's NFS server")
        })
    }

    /// Waits until the kernel has let go of what the node had mounted, when every process of it is dead.
    pub fn wait_for_release(&self) -> Result<()> {
        let end = Instant::now() + RELEASE;
        let is_held = |device: &String| Path::new("/sys/block").join(device).join("loop/backing_file").exists();
        while let Some(device) = self.loops.iter().find(|device| is_held(device)) {
            if Instant::now() >= end {
                bail!("/dev/{device} is still in use after the node has lost its power");
            }
            thread::sleep(LOOK_AGAIN);
        }
        Ok(())
    }
}
