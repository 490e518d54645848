//! The shared disk: what all nodes can reach and one at a time may mount.
//!
//! As root an image file with ext4 on it, which the `Filesystem` agent attaches to a loop device where it is mounted;
//! the device goes with the mount. Otherwise a directory, which is bound to the mount point.

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::adapt::{Disk, Disks};
use crate::sandbox::Privilege;

/// Enough for ext4 with a journal; sparse, in memory.
const IMAGE_BYTES: u64 = 64 << 20;

/// Which kind this machine allows, and why not the better one.
pub fn kind(privilege: Privilege) -> (Disks, Option<String>) {
    if privilege == Privilege::UserNamespace || !is_outermost_user_namespace() {
        let reason = "not root: the shared disk is a bind-mounted directory instead of an image with ext4";
        return (Disks::Directories, Some(reason.to_owned()));
    }
    if mkfs().is_none() {
        let reason = "no mkfs.ext4 here, so the shared disk is a bind-mounted directory; for an image with ext4: \
                      apt-get install e2fsprogs";
        return (Disks::Directories, Some(reason.to_owned()));
    }
    if let Err(error) = File::options().read(true).write(true).open("/dev/loop-control") {
        let reason = format!(
            "/dev/loop-control cannot be opened ({error}), so the shared disk is a bind-mounted directory; for an image \
             with ext4: modprobe loop"
        );
        return (Disks::Directories, Some(reason));
    }
    (Disks::Images, None)
}

/// Makes the disk, with `answer` as the content of the file that the service answers with.
pub fn make(disk: &Disk, kind: Disks, answer: &str) -> Result<()> {
    let parent = disk.device.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(parent).with_context(|| format!("making {}", parent.display()))?;
    match kind {
        Disks::Directories => fill(&disk.device, disk, answer),
        Disks::Images => {
            let content = disk.device.with_extension("content");
            fill(&content, disk, answer)?;
            let image = File::create(&disk.device).with_context(|| format!("making {}", disk.device.display()))?;
            image.set_len(IMAGE_BYTES).with_context(|| format!("making {}", disk.device.display()))?;
            let Some(mkfs) = mkfs() else { bail!("mkfs.ext4 is not here any more: apt-get install e2fsprogs") };
            let output = Command::new(mkfs)
                .args(["-q", "-F", "-E", "lazy_itable_init=1,lazy_journal_init=1", "-d"])
                .arg(&content)
                .arg(&disk.device)
                .output()
                .context("running mkfs.ext4")?;
            if !output.status.success() {
                bail!("mkfs.ext4 failed: {}", String::from_utf8_lossy(&output.stderr).trim());
            }
            fs::remove_dir_all(&content).with_context(|| format!("removing {}", content.display()))
        }
    }
}

fn fill(directory: &Path, disk: &Disk, answer: &str) -> Result<()> {
    fs::create_dir_all(directory).with_context(|| format!("making {}", directory.display()))?;
    if let Some(file) = &disk.answer {
        let path = directory.join(file);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).with_context(|| format!("making {}", parent.display()))?;
        }
        fs::write(&path, answer).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}

/// A container's root may be root of its user namespace only, and such a one mounts no disks.
fn is_outermost_user_namespace() -> bool {
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    map.split_whitespace().eq(["0", "0", "4294967295"])
}

/// Debian keeps it out of a user's PATH.
fn mkfs() -> Option<&'static str> {
    ["/usr/sbin/mkfs.ext4", "/sbin/mkfs.ext4", "/usr/bin/mkfs.ext4"].into_iter().find(|path| Path::new(path).exists())
}
