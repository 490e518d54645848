//! What is mounted where in this mount namespace, as `/proc/self/mountinfo` tells it. Reading it never blocks, however
//! dead a device or server is.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

/// One mount.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mount {
    /// Its number; no two mounts of a running kernel have the same.
    pub id: u64,
    /// Device number of the file system: major, minor.
    pub device: (u64, u64),
    /// Which part of the file system is mounted.
    pub root: PathBuf,
    /// Where.
    pub point: PathBuf,
    /// Options of the mount.
    pub options: String,
    /// Kind of file system.
    pub fstype: String,
    /// What was mounted: a device, `SERVER:PATH`, or any word.
    pub source: String,
}

/// Every mount, in the order in which they were made: of two at one place the later one is seen.
pub fn mounts() -> io::Result<Vec<Mount>> {
    fs::read("/proc/self/mountinfo").map(|bytes| parse(&bytes))
}

/// Reads mountinfo, see proc_pid_mountinfo(5). A line that is not one of its own is passed over.
pub fn parse(bytes: &[u8]) -> Vec<Mount> {
    bytes.split(|byte| *byte == b'\n').filter_map(parse_line).collect()
}

fn parse_line(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|byte| *byte == b' ');
    let mut text = || fields.next().map(|field| String::from_utf8_lossy(&unescape(field)).into_owned());
    let id = text()?.parse().ok()?;
    let _parent = text()?;
    let device = text()?;
    let (major, minor) = device.split_once(':')?;
    let device = (major.parse().ok()?, minor.parse().ok()?);
    let mut fields = line.split(|byte| *byte == b' ').skip(3);
    let mut path = || fields.next().map(|field| PathBuf::from(OsString::from_vec(unescape(field))));
    let (root, point) = (path()?, path()?);
    let mut text = || fields.next().map(|field| String::from_utf8_lossy(&unescape(field)).into_owned());
    let options = text()?;
    // Any number of optional fields, ended by a dash.
    while text()? != "-" {}
    Some(Mount { id, device, root, point, options, fstype: text()?, source: text()? })
}

/// Space, tab, newline and backslash are written as three octal digits.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(field.len());
    let mut at = 0;
    while at < field.len() {
        let digits =
            field.get(at + 1..at + 4).filter(|d| field[at] == b'\\' && d.iter().all(|b| (b'0'..=b'7').contains(b)));
        match digits {
            Some(digits) => {
                out.push(digits.iter().fold(0u8, |value, digit| value.wrapping_mul(8).wrapping_add(digit - b'0')));
                at += 4;
            }
            None => {
                out.push(field[at]);
                at += 1;
            }
        }
    }
    out
}

/// The mount that is seen at this place.
pub fn mounted_at<'a>(mounts: &'a [Mount], point: &Path) -> Option<&'a Mount> {
    mounts.iter().rev().find(|mount| mount.point == point)
}

/// The mounts below this place, innermost and latest first: the order to unmount them in.
pub fn mounted_below<'a>(mounts: &'a [Mount], point: &'a Path) -> impl Iterator<Item = &'a Mount> {
    mounts.iter().rev().filter(move |mount| mount.point != point && mount.point.starts_with(point))
}

/// Other places where the same file system is mounted, latest first.
pub fn mounted_elsewhere<'a>(mounts: &'a [Mount], mount: &'a Mount) -> impl Iterator<Item = &'a Mount> {
    mounts.iter().rev().filter(move |other| other.device == mount.device && !other.point.starts_with(&mount.point))
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = "\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro
30 22 0:21 / /proc rw,nosuid - proc proc rw
41 22 8:17 / /srv/my\\040data rw,noatime shared:7 master:2 - xfs /dev/sdb1 rw
42 41 0:44 / /srv/my\\040data/tmp rw - tmpfs tmpfs rw,size=1024k
43 42 0:45 / /srv/my\\040data/tmp/deep rw - tmpfs none rw
44 22 8:17 /sub /opt/sub ro - xfs /dev/sdb1 rw
45 22 0:50 / /srv/my\\040database rw - nfs4 server:/export\\134x rw
46 22 0:51 / /srv/my\\040data rw - tmpfs over rw
nonsense
47 22 8:x / /y rw - a b c
48 22 8:1 / /short rw
";

    #[test]
    fn reading() {
        let mounts = parse(EXAMPLE.as_bytes());
        assert_eq!(mounts.iter().map(|m| m.id).collect::<Vec<_>>(), [22, 30, 41, 42, 43, 44, 45, 46]);
        let data = Path::new("/srv/my data");
        assert_eq!(mounted_at(&mounts, data).unwrap().source, "over", "the later one hides the earlier");
        assert_eq!(mounted_at(&mounts, Path::new("/srv")), None);
        let below: Vec<u64> = mounted_below(&mounts, data).map(|m| m.id).collect();
        assert_eq!(below, [43, 42], "innermost first, and not its neighbour with a longer name");
        let elsewhere: Vec<u64> = mounted_elsewhere(&mounts, &mounts[2]).map(|m| m.id).collect();
        assert_eq!(elsewhere, [44]);
        assert_eq!(mounts[2].device, (8, 17));
        assert_eq!(mounts[6].source, "server:/export\\x");
    }

    #[test]
    fn this_process_has_mounts() {
        let mounts = mounts().unwrap();
        assert!(mounts.iter().any(|mount| mount.point == Path::new("/")), "{mounts:?}");
    }
}
