//! `cargo xtask test`: builds everything, passes all tests, says how many.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result, bail};
use nix::unistd::geteuid;

use crate::{build, guest};

/// What the tests need besides Rust.
const NEEDED: [Needed; 18] = [
    Needed { program: "unshare", package: "util-linux", for_root_only: false },
    Needed { program: "nsenter", package: "util-linux", for_root_only: false },
    Needed { program: "setpriv", package: "util-linux", for_root_only: false },
    Needed { program: "mount", package: "mount", for_root_only: false },
    Needed { program: "ip", package: "iproute2", for_root_only: false },
    Needed { program: "iptables", package: "iptables", for_root_only: false },
    Needed { program: "exportfs", package: "nfs-kernel-server", for_root_only: false },
    // Our agents are held beside Debian's, tested by its tester, and killed before each of their steps.
    Needed {
        program: "/usr/lib/ocf/resource.d/pacemaker/ping",
        package: "pacemaker-resource-agents",
        for_root_only: false,
    },
    Needed { program: "xmllint", package: "libxml2-utils", for_root_only: false },
    Needed { program: "strace", package: "strace", for_root_only: false },
    Needed { program: "fence_dummy", package: "fence-agents", for_root_only: false },
    // It comes with all agents.
    Needed { program: "ocf-tester", package: "resource-agents", for_root_only: false },
    // Units are tried on a systemd that runs in namespaces of its own.
    Needed { program: "systemctl", package: "systemd", for_root_only: true },
    Needed { program: "dbus-daemon", package: "dbus", for_root_only: true },
    // Images need loop devices, which only root has.
    Needed { program: "mkfs.ext4", package: "e2fsprogs", for_root_only: true },
    // Without it the trials are held on the embedded engine alone, and say so.
    Needed { program: "corosync", package: "corosync", for_root_only: true },
    // Our agents are run by Pacemaker as well.
    Needed { program: "pacemakerd", package: "pacemaker", for_root_only: true },
    Needed { program: "crm_mon", package: "pacemaker-cli-utils", for_root_only: true },
];

/// What root is given besides, if it can be had: a quorum device. Without it trials with one are left out.
const WANTED: [&str; 2] = ["corosync-qdevice", "corosync-qnetd"];

/// Where Debian has them. Not all of these are in the path of someone who is not root.
const PLACES: [&str; 4] = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// A program, and the Debian package that it comes in. One outside those places has its whole path.
struct Needed {
    program: &'static str,
    package: &'static str,
    for_root_only: bool,
}

/// Options of the tests.
#[derive(clap::Args)]
pub struct Arguments {
    /// Test only this package of the workspace
    #[arg(long, short, value_name = "NAME")]
    package: Option<String>,
    /// Boot a guest with a kernel of its own instead, and try there what needs one: failover of an NFS server
    #[arg(long, conflicts_with_all = ["package", "filter"])]
    guest: bool,
    /// Run only tests whose name contains this
    #[arg(value_name = "FILTER")]
    filter: Option<String>,
}

/// Runs them.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    if arguments.guest {
        if !is_here(guest::EMULATOR.0) {
            install(&[guest::EMULATOR.1])?;
        }
        return guest::run();
    }
    let missing = missing(geteuid().is_root(), is_here);
    if !missing.is_empty() {
        install(&missing)?;
    }
    install_what_is_wanted();
    build::run(build::cargo().args(["build", "--workspace"])).context("building the workspace")?;
    let own = std::env::current_exe().context("finding this program's own file")?;
    let programs = own.parent().context("this program lies nowhere")?;

    let mut tests = build::cargo();
    tests.args(["test", "--no-fail-fast"]).env(build::PROGRAMS, programs).stdout(Stdio::piped());
    match &arguments.package {
        Some(package) => tests.args(["--package", package]),
        None => tests.arg("--workspace"),
    };
    tests.args(&arguments.filter);
    let no_namespaces = namespaces().err();
    if let Some(why) = &no_namespaces {
        tests.env(build::NO_NAMESPACES, why);
    }
    let mut running = tests.spawn().context("starting the tests")?;
    let mut sum = Sum::default();
    let output = running.stdout.take().context("the tests were started without a pipe")?;
    for line in BufReader::new(output).lines() {
        let line = line.context("reading the tests' output")?;
        println!("{line}");
        sum.add(&line);
    }
    let status = running.wait().context("waiting for the tests")?;
    println!("\n{} passed, {} failed", sum.passed, sum.failed);
    if let Some(why) = &no_namespaces {
        println!(
            "not tested: whole clusters on this machine, as it gives no namespaces ({why}); `cargo xtask demo` says more"
        );
    }
    if !status.success() && sum.failed == 0 {
        bail!("the tests could not all be built or run: see above");
    }
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Whether this machine gives namespaces to who runs this, which system tests cannot do without; the kernel's refusal if
/// not.
fn namespaces() -> Result<(), String> {
    let mut unshare = Command::new("unshare");
    if !geteuid().is_root() {
        unshare.args(["--user", "--map-root-user"]);
    }
    let output = unshare.args(["--mount", "--net", "--uts", "--ipc", "--pid", "--fork", "true"]).output();
    let output = output.map_err(|error| format!("unshare: {error}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
    }
}

/// How the tests went, over all programs of tests.
#[derive(Default, PartialEq, Debug)]
struct Sum {
    passed: usize,
    failed: usize,
}

impl Sum {
    /// Counts a line such as `test result: ok. 12 passed; 0 failed; 0 ignored; …`.
    fn add(&mut self, line: &str) {
        let Some((_, counts)) = line.strip_prefix("test result: ").and_then(|result| result.split_once(". ")) else {
            return;
        };
        for count in counts.split("; ") {
            match count.split_once(' ') {
                Some((number, "passed")) => self.passed += number.parse().unwrap_or(0),
                Some((number, "failed")) => self.failed += number.parse().unwrap_or(0),
                _ => {}
            }
        }
    }
}

/// The packages of the programs that are not here.
fn missing(is_root: bool, is_here: impl Fn(&str) -> bool) -> Vec<&'static str> {
    let needed = NEEDED.iter().filter(|needed| is_root || !needed.for_root_only);
    let mut packages: Vec<&str> =
        needed.filter(|needed| !is_here(needed.program)).map(|needed| needed.package).collect();
    packages.dedup();
    packages
}

fn is_here(program: &str) -> bool {
    PLACES.iter().any(|place| Path::new(place).join(program).exists())
}

/// A machine without it passes all tests but those.
fn install_what_is_wanted() {
    let wanted: Vec<&str> = WANTED.into_iter().filter(|program| !is_here(program)).collect();
    if !geteuid().is_root() || wanted.is_empty() {
        return;
    }
    if let Err(error) = install(&wanted) {
        println!("not tested: two nodes with a quorum device, as {} cannot be installed: {error:#}", wanted.join(", "));
    }
}

/// Installs packages as root; names them otherwise.
fn install(missing: &[&str]) -> Result<()> {
    let command = format!("apt-get install -y {}", missing.join(" "));
    if !geteuid().is_root() {
        bail!("the tests need packages that are not here; as root: {command}");
    }
    println!("{command}");
    let _quiet = NoServices::begin();
    let install = || {
        let mut apt = Command::new("apt-get");
        apt.args(["install", "-y"]).args(missing).env("DEBIAN_FRONTEND", "noninteractive");
        build::run(&mut apt)
    };
    // On a machine that was just set up there are no package lists yet.
    install().or_else(|_| {
        build::run(Command::new("apt-get").arg("update"))?;
        install()
    })
}

/// While it lives, packages that are installed start no services: the lab brings a Corosync of its own for each node, and
/// none is to run on this machine. See the Debian policy manual on invoke-rc.d.
struct NoServices {
    is_ours: bool,
}

/// Asked by Debian's packages before they start a service; 101 forbids it.
const SERVICE_POLICY: &str = "/usr/sbin/policy-rc.d";

impl NoServices {
    fn begin() -> Self {
        let forbid = || -> std::io::Result<()> {
            let mut file = fs::File::create_new(SERVICE_POLICY)?;
            file.write_all(b"#!/bin/sh\nexit 101\n")?;
            file.set_permissions(fs::Permissions::from_mode(0o755))
        };
        // One that is there already is the administrator's.
        Self { is_ours: forbid().is_ok() }
    }
}

impl Drop for NoServices {
    fn drop(&mut self) {
        if self.is_ours {
            let _ = fs::remove_file(SERVICE_POLICY);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_named_once_and_only_to_those_who_need_them() {
        assert_eq!(missing(true, |_| true), Vec::<&str>::new());
        assert_eq!(
            missing(true, |_| false),
            [
                "util-linux",
                "mount",
                "iproute2",
                "iptables",
                "nfs-kernel-server",
                "pacemaker-resource-agents",
                "libxml2-utils",
                "strace",
                "fence-agents",
                "resource-agents",
                "systemd",
                "dbus",
                "e2fsprogs",
                "corosync",
                "pacemaker",
                "pacemaker-cli-utils"
            ]
        );
        assert_eq!(missing(false, |program| program != "mkfs.ext4" && program != "ip"), ["iproute2"]);
    }

    #[test]
    fn results_are_summed_up() {
        let mut sum = Sum::default();
        for line in [
            "running 3 tests",
            "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s",
            "test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s",
            "test result: nonsense",
        ] {
            sum.add(line);
        }
        assert_eq!(sum, Sum { passed: 13, failed: 2 });
    }
}
