//! exportfs with the real program, on a `/var/lib/nfs` of the test's own. The kernel's NFS server is not needed for it.

use std::fs;

use crate::space::Space;

/// A space with an empty `/var/lib/nfs` and directories to export.
fn space() -> Space {
    let space = Space::new();
    space.run("mount -t tmpfs nfs /var/lib/nfs && touch /var/lib/nfs/etab /var/lib/nfs/rmtab");
    for name in ["a", "b", "my data"] {
        fs::create_dir(space.path(name)).unwrap();
    }
    space
}

fn listed(space: &Space) -> String {
    space.run("cat /var/lib/nfs/etab")
}

/// What each action answers in each state, as a table: a line is an action, its parameters, and the exit status.
#[test]
fn actions_and_states() {
    let space = space();
    let (a, b, none) = (space.path("a"), space.path("b"), space.path("none"));
    let (a, b, none) = (a.display(), b.display(), none.display());
    let file = space.path("file");
    fs::write(&file, "").unwrap();
    let base = format!("directory={a} clientspec=10.0.0.0/8 fsid=7");
    for (line, code, reason) in [
        (format!("monitor {base}"), 7, ""),
        (format!("stop {base}"), 0, ""),
        (format!("validate-all {base}"), 0, ""),
        (format!("start {base}"), 0, ""),
        (format!("start {base}"), 0, ""),
        (format!("monitor {base}"), 0, ""),
        // Another resource, which is not started though the list names its export.
        (format!("monitor {base} OCF_RESOURCE_INSTANCE=other"), 7, ""),
        (format!("stop {base} OCF_RESOURCE_INSTANCE=other"), 0, ""),
        (format!("monitor {base}"), 0, ""),
        (format!("start directory={b} clientspec=* fsid=7 OCF_RESOURCE_INSTANCE=second"), 6, "fsid 7"),
        (format!("start directory={b} clientspec=* fsid=8 OCF_RESOURCE_INSTANCE=second"), 0, ""),
        (format!("stop {base}"), 0, ""),
        (format!("stop {base}"), 0, ""),
        (format!("monitor {base}"), 7, ""),
        (format!("monitor directory={b} clientspec=* fsid=8 OCF_RESOURCE_INSTANCE=second"), 0, ""),
        (format!("stop directory={b} clientspec=* fsid=8 OCF_RESOURCE_INSTANCE=second"), 0, ""),
        (format!("start directory={none} clientspec=* fsid=1"), 6, "cannot be exported"),
        (format!("monitor directory={none} clientspec=* fsid=1"), 7, ""),
        (format!("stop directory={none} clientspec=* fsid=1"), 0, ""),
        (format!("validate-all directory={} clientspec=* fsid=1", file.display()), 5, "is no directory"),
        (format!("start directory={a} clientspec=* fsid=1 options=no_such_option"), 1, "no_such_option"),
        (format!("stop directory={a} clientspec=* fsid=1 options=no_such_option"), 0, ""),
        (format!("start directory={a} clientspec=* fsid=1,2"), 6, "without a comma"),
        ("monitor clientspec=* fsid=1".to_owned(), 6, "parameter directory is not set"),
        (format!("monitor directory={a} fsid=1"), 6, "parameter clientspec is not set"),
    ] {
        let answer = space.expect(code, &format!("exportfs {line}"));
        assert!(answer.reason.contains(reason), "{line}: {answer:#?}");
    }
    assert_eq!(listed(&space), "", "everything was taken back");
}

#[test]
fn exports_of_others_are_left_alone() {
    let space = space();
    let (a, b) = (space.path("a").display().to_string(), space.path("b").display().to_string());
    space.run(&format!("exportfs -o ro,fsid=1 '*:{b}' && exportfs -o ro,fsid=2 '10.0.0.1:{a}'"));
    let before = listed(&space);
    let parameters = format!("directory={a} clientspec=fd00::/64 fsid=2 options=rw,fsid=9");
    space.expect(0, &format!("exportfs start {parameters}"));
    let during = listed(&space);
    assert!(during.contains("fd00::/64(rw") && during.contains("fsid=2") && !during.contains("fsid=9"), "{during}");
    space.expect(0, &format!("exportfs monitor {parameters}"));
    space.expect(0, &format!("exportfs stop {parameters}"));
    assert_eq!(listed(&space), before);
}

#[test]
fn several_directories_are_one_resource() {
    let space = space();
    let directories = format!("{}/\u{a0}{}", space.path("a").display(), space.path("b").display());
    // The test's line is cut at spaces; any white space separates directories.
    let directories = directories.replace('\u{a0}', "\t");
    let parameters = format!("directory={directories} clientspec=* fsid=20");
    space.expect(0, &format!("exportfs start {parameters}"));
    let list = listed(&space);
    assert!(list.contains("fsid=20") && list.contains("fsid=21"), "{list}");
    space.run(&format!("exportfs -u '*:{}'", space.path("b").display()));
    space.refuse(1, &format!("exportfs monitor {parameters}"), &["1 of 2 directories", "/b"]);
    // What is left of it is taken back as well.
    space.expect(0, &format!("exportfs stop {parameters}"));
    assert_eq!(listed(&space), "");

    space.expect(0, &format!("exportfs start {parameters}"));
    space.run("exportfs -ua");
    space.expect(7, &format!("exportfs monitor {parameters}"));
    space.expect(0, &format!("exportfs start {parameters}"));
    space.expect(0, &format!("exportfs monitor {parameters}"));
}

#[test]
fn who_mounted_it_moves_with_the_directory() {
    let space = space();
    let a = space.path("a").display().to_string();
    let parameters = format!("directory={a} clientspec=* fsid=1");
    let lines = format!("10.0.0.1:{a}:0x00000001\n");
    space.expect(0, &format!("exportfs start {parameters}"));
    space.run(&format!("printf '10.0.0.1:{a}:0x00000001\\n10.0.0.2:/other:0x00000001\\n' >/var/lib/nfs/rmtab"));
    space.expect(0, &format!("exportfs monitor {parameters}"));
    assert_eq!(fs::read_to_string(space.path("a/.rmtab")).unwrap(), lines);
    space.expect(0, &format!("exportfs stop {parameters}"));

    space.run("echo 10.0.0.3:/other:0x00000001 >/var/lib/nfs/rmtab");
    space.expect(0, &format!("exportfs start {parameters}"));
    assert_eq!(space.run("cat /var/lib/nfs/rmtab"), format!("{lines}10.0.0.3:/other:0x00000001\n"));
    space.expect(0, &format!("exportfs stop {parameters}"));

    fs::remove_file(space.path("a/.rmtab")).unwrap();
    let none = format!("{parameters} rmtab_backup=none");
    space.expect(0, &format!("exportfs start {none}"));
    space.expect(0, &format!("exportfs monitor {none}"));
    space.expect(0, &format!("exportfs stop {none}"));
    assert!(!space.path("a/.rmtab").exists());
}
