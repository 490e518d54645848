//! Filesystem in a mount namespace: a bind mount anywhere, an image with ext4 where the tests run as root.

use std::fs;
use std::process::{Child, Stdio};

use crate::space::{Space, is_root, until};

/// A process inside, told by a line on its standard output that it has begun.
fn begin(space: &Space, script: &str) -> Child {
    use std::io::{BufRead as _, BufReader};
    let mut child = space
        .enter("sh")
        .args(["-c", script])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .process_group_of_its_own()
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "begun\n", "{script}");
    child
}

trait OwnGroup {
    fn process_group_of_its_own(&mut self) -> &mut Self;
}

impl OwnGroup for std::process::Command {
    fn process_group_of_its_own(&mut self) -> &mut Self {
        std::os::unix::process::CommandExt::process_group(self, 0)
    }
}

/// A space with a directory `data` that has a file, and the parameters of a bind mount of it on `mnt`.
fn bind() -> (Space, String) {
    let space = Space::new();
    fs::create_dir(space.path("data")).unwrap();
    fs::write(space.path("data/file"), "content\n").unwrap();
    let parameters = format!(
        "device={} directory={} fstype=none options=bind",
        space.path("data").display(),
        space.path("mnt").display()
    );
    (space, parameters)
}

fn mount_points(space: &Space) -> usize {
    space
        .run("cat /proc/self/mountinfo")
        .lines()
        .filter(|line| line.contains(&space.directory.path().display().to_string()))
        .count()
}

#[test]
fn a_bind_mount_comes_and_goes() {
    let (space, parameters) = bind();
    space.expect(0, &format!("Filesystem stop {parameters}"));
    space.expect(7, &format!("Filesystem monitor {parameters}"));
    for _ in 0..2 {
        space.expect(0, &format!("Filesystem start {parameters}"));
        space.expect(0, &format!("Filesystem monitor {parameters}"));
    }
    assert_eq!(space.run(&format!("cat {}/file", space.path("mnt").display())), "content\n");
    assert_eq!(mount_points(&space), 1, "the second start mounts nothing");
    space.expect(0, &format!("Filesystem monitor {parameters} OCF_CHECK_LEVEL=10"));
    space.expect(0, &format!("Filesystem monitor {parameters} OCF_CHECK_LEVEL=20"));
    space.refuse(6, &format!("Filesystem monitor {parameters} OCF_CHECK_LEVEL=15"), &["0, 10 or 20"]);
    assert_eq!(fs::read_dir(space.path("data/.Filesystem_status")).unwrap().count(), 1);
    space.expect(0, &format!("Filesystem stop {parameters} OCF_CHECK_LEVEL=20"));
    assert_eq!(fs::read_dir(space.path("data/.Filesystem_status")).unwrap().count(), 0);
    space.expect(7, &format!("Filesystem monitor {parameters}"));
    space.expect(0, &format!("Filesystem stop {parameters}"));
    assert_eq!(mount_points(&space), 0);
}

#[test]
fn a_directory_below_a_symbolic_link_is_made_and_found() {
    let (space, parameters) = bind();
    fs::create_dir(space.path("real")).unwrap();
    std::os::unix::fs::symlink(space.path("real"), space.path("link")).unwrap();
    let parameters = parameters.replace("/mnt ", "/link/deep/mnt ");
    for _ in 0..2 {
        space.expect(0, &format!("Filesystem start {parameters}"));
        space.expect(0, &format!("Filesystem monitor {parameters}"));
    }
    space.expect(0, &format!("Filesystem stop {parameters}"));
    space.expect(7, &format!("Filesystem monitor {parameters}"));
    assert_eq!(mount_points(&space), 0);
}

#[test]
fn options_reach_a_bind_mount() {
    let (space, parameters) = bind();
    space.expect(0, &format!("Filesystem start {parameters},ro,noexec"));
    let line = space.run("cat /proc/self/mountinfo").lines().find(|line| line.contains("/mnt ")).unwrap().to_owned();
    assert!(line.contains(" ro,") && line.contains("noexec"), "{line}");
    space.refuse(
        1,
        &format!("Filesystem monitor {parameters},ro,noexec OCF_CHECK_LEVEL=20"),
        &["status file", "Read-only"],
    );
    space.expect(0, &format!("Filesystem stop {parameters}"));
}

#[test]
fn holders_are_ended_and_others_are_not() {
    let (space, parameters) = bind();
    let (data, mnt) = (space.path("data").display().to_string(), space.path("mnt").display().to_string());
    // It stands in the directory from before the mount: the path is the same, the mount is not.
    fs::create_dir(space.path("mnt")).unwrap();
    let mut below = begin(&space, &format!("cd {mnt}; echo begun; exec sleep 600"));
    space.expect(0, &format!("Filesystem start {parameters}"));
    // The same files by another way.
    let mut beside = begin(&space, &format!("cd {data}; exec 3<{data}/file; echo begun; exec sleep 600"));
    let mut inside = begin(&space, &format!("cd {mnt}; echo begun; exec sleep 600"));
    let mut reading = begin(&space, &format!("exec 3<{mnt}/file; echo begun; exec sleep 600"));

    let parameters = format!("{parameters} CRM_meta_timeout=10000");
    let without = format!("{parameters} force_unmount=false CRM_meta_timeout=400");
    space.refuse(
        1,
        &format!("Filesystem stop {without}"),
        &[&inside.id().to_string(), "sleep 600", "cwd", "fd 3", "force_unmount"],
    );
    space.expect(0, &format!("Filesystem monitor {parameters}"));

    let answer = space.expect(0, &format!("Filesystem stop {parameters}"));
    for (name, child, ended) in [
        ("inside", &mut inside, true),
        ("reading", &mut reading, true),
        ("beside", &mut beside, false),
        ("below", &mut below, false),
    ] {
        if ended {
            child.wait().unwrap();
            assert!(answer.log.contains(&child.id().to_string()), "{name} is not named: {}", answer.log);
        } else {
            assert!(child.try_wait().unwrap().is_none(), "{name} was ended: {}", answer.log);
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
    space.expect(7, &format!("Filesystem monitor {parameters}"));
}

#[test]
fn a_holder_that_does_not_listen_is_killed_in_time() {
    let (space, parameters) = bind();
    space.expect(0, &format!("Filesystem start {parameters}"));
    let mut deaf =
        begin(&space, &format!("trap '' TERM; cd {}; echo begun; exec sleep 600", space.path("mnt").display()));
    let answer = space.expect(0, &format!("Filesystem stop {parameters} CRM_meta_timeout=1000"));
    assert!(answer.log.contains("SIGTERM") && answer.log.contains("SIGKILL"), "{}", answer.log);
    deaf.wait().unwrap();
    space.expect(7, &format!("Filesystem monitor {parameters}"));
}

#[test]
fn what_is_mounted_inside_goes_first() {
    let (space, parameters) = bind();
    space.expect(0, &format!("Filesystem start {parameters}"));
    let mnt = space.path("mnt").display().to_string();
    space.run(&format!(
        "mkdir {mnt}/inner; mount -t tmpfs t {mnt}/inner; mkdir {mnt}/inner/core; mount -t tmpfs t {mnt}/inner/core"
    ));
    let mut holder = begin(&space, &format!("cd {mnt}/inner/core; echo begun; exec sleep 600"));
    space.expect(0, &format!("Filesystem stop {parameters}"));
    holder.wait().unwrap();
    assert_eq!(mount_points(&space), 0);
}

#[test]
fn what_is_not_ours_is_left_alone() {
    let (space, parameters) = bind();
    let mnt = space.path("mnt").display().to_string();
    space.run(&format!("mkdir {mnt}; mount -t tmpfs other {mnt}"));
    space.expect(7, &format!("Filesystem monitor {parameters}"));
    space.refuse(
        1,
        &format!("Filesystem monitor {parameters} CRM_meta_interval=1000"),
        &["other (tmpfs)", "expected", "data"],
    );
    space.refuse(1, &format!("Filesystem start {parameters}"), &["other (tmpfs) is mounted on"]);
    space.expect(0, &format!("Filesystem stop {parameters}"));
    assert_eq!(mount_points(&space), 1, "somebody else's mount stays");
    space.run(&format!("umount {mnt}; mkdir {mnt}/inner; mount -t tmpfs other {mnt}/inner"));
    space.refuse(6, &format!("Filesystem start {parameters}"), &["below", "would be hidden"]);
}

#[test]
fn what_cannot_be_mounted_is_explained() {
    let space = Space::new();
    let base = format!("Filesystem start directory={}", space.path("mnt").display());
    fs::write(space.path("no-image"), "text\n").unwrap();
    let file = space.path("no-image").display().to_string();
    let here = space.directory.path().display().to_string();
    space.refuse(
        5,
        &format!("{base} device=/dev/no-such-device fstype=ext4"),
        &["/dev/no-such-device", "expected a block device"],
    );
    space.refuse(6, &format!("{base} device={here} fstype=ext4"), &["is a directory", "bind"]);
    space.refuse(
        5,
        &format!("{base} device={file} fstype=no-such-type"),
        &["does not know the file system no-such-type"],
    );
    space.refuse(5, &format!("{base} device={here}/none fstype=none options=bind"), &["none", "expected a directory"]);
    space.refuse(6, &format!("{base} fstype=ext4"), &["parameter device is not set"]);
    space.expect(0, &format!("{base} device=scratch fstype=tmpfs options=size=64k"));
    space.expect(0, &format!("Filesystem stop directory={here}/mnt device=scratch fstype=tmpfs"));
    assert_eq!(mount_points(&space), 0);
}

/// An image needs a loop device, and loop devices need root of the whole machine; without it this test is of the
/// message that says so.
#[test]
fn an_image_is_mounted_through_a_loop_device() {
    let space = Space::new();
    let (image, mnt) = (space.path("disk.img").display().to_string(), space.path("mnt").display().to_string());
    let parameters = format!("device={image} directory={mnt} fstype=ext4");
    fs::File::create(&image).unwrap().set_len(16 << 20).unwrap();
    if !is_root() {
        eprintln!("not root: the image is not mounted here, only refused; run this test as root to mount it");
        space.refuse(4, &format!("Filesystem start {parameters}"), &["loop", "disk.img"]);
        return;
    }
    space
        .run(&format!("mkfs.ext4 -q -F {image} || {{ echo 'needs mkfs.ext4 of the package e2fsprogs' >&2; exit 1; }}"));
    let loops = || {
        let devices = fs::read_dir("/sys/block").unwrap().flatten();
        let files = devices.filter_map(|device| fs::read_to_string(device.path().join("loop/backing_file")).ok());
        files.filter(|file| file.trim_end() == image).count()
    };
    for fstype in ["ext4", "auto"] {
        let parameters = format!("device={image} directory={mnt} fstype={fstype}");
        for _ in 0..2 {
            space.expect(0, &format!("Filesystem start {parameters} run_fsck=no"));
            space.expect(0, &format!("Filesystem monitor {parameters}"));
        }
        assert_eq!(loops(), 1);
        space.expect(0, &format!("Filesystem monitor {parameters} OCF_CHECK_LEVEL=10"));
        space.expect(0, &format!("Filesystem monitor {parameters} OCF_CHECK_LEVEL=20"));
        let mut holder = begin(&space, &format!("cd {mnt}; exec 3>{mnt}/log; echo begun; exec sleep 600"));
        // A second way to the same device would keep it busy for the next host.
        space.run(&format!("mkdir -p {mnt}.too; mount --bind {mnt} {mnt}.too"));
        let other = format!("device={image}.other directory={mnt} fstype=ext4");
        fs::write(format!("{image}.other"), "").unwrap();
        space.expect(7, &format!("Filesystem monitor {other}"));
        for _ in 0..2 {
            space.expect(0, &format!("Filesystem stop {parameters}"));
            space.expect(7, &format!("Filesystem monitor {parameters}"));
        }
        holder.wait().unwrap();
        until("the loop device's end", || loops() == 0);
        assert_eq!(mount_points(&space), 0);
    }
    fs::write(&image, vec![0; 1 << 20]).unwrap();
    space.refuse(1, &format!("Filesystem start {parameters} run_fsck=no"), &["expected ext4 on it"]);
    until("the loop device's end", || loops() == 0);
}

/// Thaws what was frozen, however the test ends: else nothing on this machine could unmount it.
struct Frozen<'a>(&'a Space, String);

impl Frozen<'_> {
    fn freeze(space: &Space, mnt: String) -> Frozen<'_> {
        space.run(&format!("fsfreeze --freeze {mnt}"));
        Frozen(space, mnt)
    }
}

impl Drop for Frozen<'_> {
    fn drop(&mut self) {
        let _ = self.0.enter("fsfreeze").args(["--unfreeze", &self.1]).status();
    }
}

#[test]
fn a_device_that_hangs_does_not_hang_the_agent() {
    if !is_root() {
        eprintln!("not root: no image can be mounted and frozen here");
        return;
    }
    let space = Space::new();
    let (image, mnt) = (space.path("disk.img").display().to_string(), space.path("mnt").display().to_string());
    fs::File::create(&image).unwrap().set_len(16 << 20).unwrap();
    space.run(&format!("mkfs.ext4 -q -F {image}"));
    let parameters = format!("device={image} directory={mnt} fstype=ext4 CRM_meta_timeout=1000");
    space.expect(0, &format!("Filesystem start {parameters}"));
    let frozen = Frozen::freeze(&space, mnt.clone());
    // Whoever writes is stuck, and not even SIGKILL ends that; the answer comes all the same, and so does the end.
    let deep = format!("Filesystem monitor {parameters} OCF_CHECK_LEVEL=20");
    space.refuse(1, &deep, &["did not come back in time"]);
    space.expect(0, &format!("Filesystem monitor {parameters}"));
    let mut writer = begin(&space, &format!("cd {mnt}; echo begun; exec touch {mnt}/file"));
    until("a process that is stuck", || {
        let answer = space.call(&format!("Filesystem stop-check {parameters}"));
        answer.output.contains(&format!("process {} ", writer.id())) && answer.output.contains("waits in the kernel")
    });
    space.refuse(1, &format!("Filesystem stop {parameters}"), &[&writer.id().to_string()]);
    drop(frozen);
    writer.wait().unwrap();
    until("its stop", || space.call(&format!("Filesystem stop {parameters}")).code == 0);
    space.expect(7, &format!("Filesystem monitor {parameters}"));
}

#[test]
fn what_would_keep_a_stop_from_working_is_named() {
    let (space, parameters) = bind();
    let check = |more: &str| space.expect(0, &format!("Filesystem stop-check {parameters}{more}")).output;
    assert_eq!(check(""), "");
    space.expect(0, &format!("Filesystem start {parameters}"));
    assert_eq!(check(""), "");
    let mnt = space.path("mnt").display().to_string();
    space.run(&format!("mkdir {mnt}/inner; mount -t tmpfs t {mnt}/inner"));
    let mut holder = begin(&space, &format!("cd {mnt}; echo begun; exec sleep 600"));
    let named = check("");
    assert!(named.contains(&format!("{mnt}/inner (tmpfs) is mounted inside")), "{named}");
    assert!(named.contains(&format!("process {} (sleep 600; cwd {mnt}) is ended", holder.id())), "{named}");
    assert!(check(" force_unmount=false").contains("set force_unmount=true"));
    assert!(holder.try_wait().unwrap().is_none() && mount_points(&space) == 2, "a question changes nothing");
    if is_root() {
        fs::File::create(space.path("data/disk.img")).unwrap().set_len(1 << 20).unwrap();
        let device = space.run(&format!("losetup --find --show {mnt}/disk.img")).trim().to_owned();
        let named = check("");
        let refused = space.call(&format!("Filesystem stop {parameters} CRM_meta_timeout=500"));
        space.run(&format!("losetup --detach {device}"));
        assert!(named.contains(&format!("losetup -d {device}")), "{named}");
        assert!(refused.code == 1 && refused.reason.contains(&device), "{refused:#?}");
        until("the loop device's end", || !check("").contains("losetup"));
    }
    space.expect(0, &format!("Filesystem stop {parameters}"));
    holder.wait().unwrap();
    space.refuse(3, "Dummy stop-check", &["stop-check"]);
}

#[test]
fn moved_aside_nobody_new_finds_it() {
    let (space, parameters) = bind();
    let parameters = format!("{parameters} force_unmount=move");
    // A mount can be moved only where mounts are not shared with other namespaces.
    let (directory, mnt) = (space.directory.path().display().to_string(), space.path("mnt").display().to_string());
    space.run(&format!("mount --bind {directory} {directory}; mount --make-private {directory}"));
    space.expect(0, &format!("Filesystem start {parameters}"));
    // Each that is ended is followed by two others, from outside.
    let script = format!(
        "echo begun; while :; do (cd {mnt}/. && test -e file && exec sleep 600) 2>/dev/null; sleep 0.001; done"
    );
    let mut spawner = begin(&space, &script);
    let answer = space.expect(0, &format!("Filesystem stop {parameters}"));
    assert!(answer.log.contains("moved"), "{}", answer.log);
    space.expect(7, &format!("Filesystem monitor {parameters}"));
    spawner.kill().unwrap();
    spawner.wait().unwrap();
    assert!(!space.path(".mnt.stopping").exists());

    // A stop that was killed in between is seen, and the next one ends it.
    space.expect(0, &format!("Filesystem start {parameters}"));
    space.run(&format!("mkdir {directory}/.mnt.stopping; mount --move {mnt} {directory}/.mnt.stopping"));
    space.refuse(1, &format!("Filesystem monitor {parameters}"), &[".mnt.stopping"]);
    space.refuse(1, &format!("Filesystem start {parameters}"), &["stop it again"]);
    space.expect(0, &format!("Filesystem stop {parameters}"));
    space.expect(7, &format!("Filesystem monitor {parameters}"));
}
