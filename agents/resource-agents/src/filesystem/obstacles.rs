//! What keeps a mount from going away besides processes: loop devices and swap on its files, exports by NFS. They are
//! named, so that a person can release them; nothing here touches them.

use std::fs;
use std::path::{Path, PathBuf};

/// Where the kernel's NFS server and its tools say what is exported.
const EXPORTS: [&str; 2] = ["/proc/fs/nfsd/exports", "/var/lib/nfs/etab"];

/// Everything of that kind below a directory, each with what to do about it.
pub fn obstacles(point: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for (device, file) in loop_devices().filter(|(_, file)| file.starts_with(point)) {
        found.push(format!("loop device {device} is on {}: detach it with losetup -d {device}", file.display()));
    }
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    for file in first_paths(&read("/proc/swaps")).filter(|file| file.starts_with(point)) {
        found.push(format!("this host swaps to {0}: end that with swapoff {0}", file.display()));
    }
    for list in EXPORTS {
        for directory in first_paths(&read(list)).filter(|directory| directory.starts_with(point)) {
            let line = format!(
                "{} is exported by NFS: stop its export first (order the exportfs resource after this one)",
                directory.display()
            );
            if !found.contains(&line) {
                found.push(line);
            }
        }
    }
    found
}

fn loop_devices() -> impl Iterator<Item = (String, PathBuf)> {
    fs::read_dir("/sys/block").into_iter().flatten().flatten().filter_map(|entry| {
        let file = fs::read_to_string(entry.path().join("loop/backing_file")).ok()?;
        Some((format!("/dev/{}", entry.file_name().to_string_lossy()), PathBuf::from(file.trim_end())))
    })
}

/// The path at the beginning of each line; blanks in it are written as \040.
fn first_paths(text: &str) -> impl Iterator<Item = PathBuf> {
    text.lines()
        .filter_map(|line| line.split_ascii_whitespace().next())
        .filter(|word| word.starts_with('/'))
        .map(|word| PathBuf::from(word.replace("\\040", " ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_the_kernel_are_read() {
        let swaps =
            "Filename\tType\tSize\tUsed\tPriority\n/srv/data/swap\tfile\t1\t0\t-2\n/dev/sda2 partition 1 0 -1\n";
        let exports = "# Version 1.1\n/srv/my\\040data\t192.0.2.0/24(rw,sync)\n";
        let paths = |text: &str| first_paths(text).map(|path| path.display().to_string()).collect::<Vec<_>>();
        assert_eq!(paths(swaps), ["/srv/data/swap", "/dev/sda2"]);
        assert_eq!(paths(exports), ["/srv/my data"]);
        assert_eq!(obstacles(Path::new("/no/such/place")), Vec::<String>::new());
    }
}
