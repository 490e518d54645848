//! Which processes hold a mount, and how. Found by walking /proc, by calls that do not touch the file system itself, so
//! that a dead one does not hang the search. Ending the holders is left to `stop`.

use std::ffi::CString;
use std::fmt;
use std::fs;
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::mounts::Mount;

/// A process that keeps a mount from going away.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Holder {
    /// Its number.
    pub pid: i32,
    /// Its command line, shortened.
    pub command: String,
    /// What of it is in the mount: `cwd /srv/x`, `fd 3 /srv/x/log`, …; the first thing found.
    pub how: String,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}; {})", self.pid, self.command, self.how)
    }
}

/// A command line longer than this is cut.
const COMMAND_CHARACTERS: usize = 80;

/// Every process that holds the mount, but for this one.
///
/// A path below the mount's place is not enough: a process may have it in another mount namespace, or below the
/// mount, from before it was made. So the number of the mount is compared too. `is_remote` leaves that out where
/// asking for it could hang, and takes only processes that see the same mounts as we do.
pub fn holders(mount: &Mount, is_remote: bool) -> Vec<Holder> {
    let own = std::process::id();
    let Ok(processes) = fs::read_dir("/proc") else { return Vec::new() };
    processes
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok())
        .filter(|pid| i64::from(*pid) != i64::from(own))
        .filter_map(|pid| {
            let how = how_it_holds(pid, mount, is_remote)?;
            Some(Holder { pid, command: command(pid), how })
        })
        .collect()
}

fn how_it_holds(pid: i32, mount: &Mount, is_remote: bool) -> Option<String> {
    let process = PathBuf::from(format!("/proc/{pid}"));
    let same_view = || same_namespace(&process);
    for name in ["cwd", "root", "exe"] {
        let link = process.join(name);
        let Some(target) = below(&link, mount) else { continue };
        let ours = if is_remote { same_view() } else { mount_number(&link) == Some(mount.id) };
        if ours {
            return Some(format!("{name} {target}"));
        }
    }
    if let Ok(descriptors) = fs::read_dir(process.join("fd")) {
        for descriptor in descriptors.flatten() {
            let Some(target) = below(&descriptor.path(), mount) else { continue };
            let number = descriptor.file_name();
            let about = fs::read_to_string(process.join("fdinfo").join(&number)).unwrap_or_default();
            if mount_of_descriptor(&about) == Some(mount.id) {
                return Some(format!("fd {} {target}", number.to_string_lossy()));
            }
        }
    }
    let maps = fs::read(process.join("maps")).ok()?;
    let target = mapped(&String::from_utf8_lossy(&maps), mount)?;
    same_view().then(|| format!("map {target}"))
}

/// The target of a link of /proc, if it lies in the mount by its path. Reading such a link asks no file system.
fn below(link: &Path, mount: &Mount) -> Option<String> {
    let target = fs::read_link(link).ok()?;
    target.starts_with(&mount.point).then(|| target.display().to_string())
}

fn same_namespace(process: &Path) -> bool {
    let theirs = fs::read_link(process.join("ns/mnt"));
    theirs.is_ok_and(|theirs| fs::read_link("/proc/self/ns/mnt").is_ok_and(|ours| ours == theirs))
}

fn mount_of_descriptor(fdinfo: &str) -> Option<u64> {
    fdinfo.lines().find_map(|line| line.strip_prefix("mnt_id:"))?.trim().parse().ok()
}

/// The first file of the mount's device below its place that the process has mapped.
fn mapped(maps: &str, mount: &Mount) -> Option<String> {
    maps.lines().find_map(|line| {
        // addresses, permissions, offset, device, inode, path
        let mut fields = line.split_ascii_whitespace();
        let (major, minor) = fields.nth(3)?.split_once(':')?;
        let device = (u64::from_str_radix(major, 16).ok()?, u64::from_str_radix(minor, 16).ok()?);
        let path = line.find('/').map(|at| &line[at..])?;
        (device == mount.device && Path::new(path).starts_with(&mount.point)).then(|| path.to_owned())
    })
}

fn command(pid: i32) -> String {
    let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let mut text = String::from_utf8_lossy(&words).replace('\0', " ").trim().to_owned();
    if text.is_empty() {
        text = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim().to_owned();
    }
    text.chars().filter(|c| !c.is_control()).take(COMMAND_CHARACTERS).collect()
}

/// The number of the mount that a path leads to, without asking a server for anything newer than we know.
fn mount_number(path: &Path) -> Option<u64> {
    let path = CString::new(path.as_os_str().as_bytes()).ok()?;
    let flags = libc::AT_STATX_DONT_SYNC | libc::AT_NO_AUTOMOUNT;
    let mut answer = MaybeUninit::<libc::statx>::zeroed();
    // SAFETY: the path is a string with its zero, and the kernel writes at most one `statx` through the pointer; a
    // `statx` of zeros is valid, so it is whole whatever the kernel wrote. nix does not offer the call.
    #[allow(unsafe_code)]
    let (result, answer) = unsafe {
        let result = libc::statx(libc::AT_FDCWD, path.as_ptr(), flags, libc::STATX_MNT_ID, answer.as_mut_ptr());
        (result, answer.assume_init())
    };
    (result == 0 && answer.stx_mask & libc::STATX_MNT_ID != 0).then_some(answer.stx_mnt_id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filesystem::mounts::{mounted_at, mounts};

    fn mount() -> Mount {
        Mount {
            id: 41,
            device: (8, 0x11),
            root: "/".into(),
            point: "/srv/data".into(),
            options: "rw".into(),
            fstype: "ext4".into(),
            source: "/dev/sdb1".into(),
        }
    }

    #[test]
    fn maps_and_descriptors() {
        let line = |device: &str, path: &str| format!("7f00-7f01 r-xp 00000000 {device} 1234      {path}\n");
        let cases = [
            (line("08:11", "/srv/data/lib with space.so"), Some("/srv/data/lib with space.so")),
            (line("08:12", "/srv/data/lib.so"), None),
            (line("08:11", "/srv/database/lib.so"), None),
            (line("00:00", "[heap]"), None),
            ("torn".to_owned(), None),
        ];
        for (maps, expected) in cases {
            assert_eq!(mapped(&maps, &mount()).as_deref(), expected, "{maps}");
        }
        assert_eq!(mount_of_descriptor("pos:\t0\nflags:\t02\nmnt_id:\t41\nino:\t2\n"), Some(41));
        assert_eq!(mount_of_descriptor("pos:\t0\n"), None);
    }

    #[test]
    fn the_kernel_numbers_mounts_alike_in_both_places() {
        let mounts = mounts().unwrap();
        assert_eq!(mount_number(Path::new("/")), mounted_at(&mounts, Path::new("/")).map(|mount| mount.id));
    }
}
