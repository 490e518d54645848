//! Units of a real systemd, process 1 of a host of its own: absent, masked, failing, slow, and those that just run.

use std::fs;
use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use lab::bare::{self, Host, Networks};
use ocf::ExitCode as Ocf;
use systemd::{Answer, Systemd, UnitName};
use tokio::sync::oneshot;

/// How long anything here may take before the test fails; most takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(60);
/// Where this program lies inside: the directory that cargo builds in may not be on the machine's root.
const INSIDE: &str = "/usr/bin/units-of-systemd";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("--list") => ExitCode::SUCCESS,
        Some("inside") => inside(arguments.get(1).map_or("", String::as_str)),
        first => match outside(first.filter(|word| !word.starts_with('-')).unwrap_or("")) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{error:#}");
                ExitCode::FAILURE
            }
        },
    }
}

fn outside(filter: &str) -> Result<()> {
    if let Some(why) = bare::refusal(&[]) {
        println!("not tested: units of systemd ({why})");
        return Ok(());
    }
    let own = std::env::current_exe().context("finding this program's own file")?;
    let networks = Networks::make()?;
    let mut host = Host::boot(&networks, 1, &[(&own, INSIDE)])?;
    host.booted()?;
    let status = host.command(INSIDE, &["inside", filter]).status().context("running nsenter")?;
    ensure!(status.success(), "inside: {status}");
    Ok(())
}

type Case = fn(Systemd) -> Pin<Box<dyn Future<Output = ()>>>;

macro_rules! cases {
    ($($name:ident)*) => { [$((stringify!($name), (|systemd| Box::pin($name(systemd))) as Case)),*] };
}

fn inside(filter: &str) -> ExitCode {
    write_units();
    let cases = cases! {
        a_unit_is_started_found_and_stopped
        what_is_absent_cannot_be_started_and_need_not_be_stopped
        what_is_masked_or_broken_says_so
        a_failing_unit_says_how_it_failed
        a_start_that_leaves_nothing_running_is_none
        a_slow_unit_is_waited_for
        who_is_told_to_end_says_where_the_unit_stands
        a_unit_belongs_to_the_cluster_while_it_runs
        a_unit_that_dies_is_noticed_at_once
        systemds_own_count_of_starts_does_not_count
        many_units_start_together
        the_bus_may_go_and_come_back
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let mut passed = 0;
    for (name, case) in cases.iter().filter(|(name, _)| name.contains(filter)) {
        let begun = Instant::now();
        runtime.block_on(async {
            tokio::time::timeout(PATIENCE, case(Systemd::new())).await.unwrap_or_else(|_| panic!("{name} hangs"));
        });
        println!("{name}: {} ms", begun.elapsed().as_millis());
        passed += 1;
    }
    println!("test result: ok. {passed} passed; 0 failed");
    ExitCode::SUCCESS
}

fn write_units() {
    let units = [
        ("good", "ExecStart=/bin/sleep infinity\nRestart=always\nRestartSec=0"),
        ("slow", "ExecStartPre=/bin/sleep 2\nExecStart=/bin/sleep infinity"),
        ("stubborn", "ExecStart=/bin/sleep infinity\nExecStop=/bin/sleep 300"),
        ("endless", "ExecStartPre=/bin/sleep 300\nExecStart=/bin/sleep infinity"),
        ("failing", "Type=oneshot\nRemainAfterExit=yes\nExecStart=/bin/sh -c 'exit 3'"),
        ("killed", "Type=notify\nExecStart=/bin/sh -c 'kill -9 $$$$'"),
        ("late", "Type=notify\nTimeoutStartSec=300ms\nExecStart=/bin/sleep infinity"),
        ("once", "Type=oneshot\nExecStart=/bin/true"),
        ("kept", "Type=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true"),
        ("broken", "Restart=no"),
        ("many@", "ExecStart=/bin/sleep infinity"),
    ];
    for (name, service) in units {
        write(&format!("{name}.service"), &format!("[Service]\n{service}\n"));
    }
    write("unmet.service", "[Unit]\nConditionPathExists=/no/such/path\n[Service]\nExecStart=/bin/sleep infinity\n");
    write(
        "needy.service",
        "[Unit]\nRequires=failing.service\nAfter=failing.service\n[Service]\nExecStart=/bin/sleep 99\n",
    );
    write("data.mount", "[Mount]\nWhat=tmpfs\nWhere=/data\nType=tmpfs\n");
    std::os::unix::fs::symlink("/dev/null", "/etc/systemd/system/hidden.service").expect("the overlay takes it");
    systemctl(&["daemon-reload"]);
}

fn write(name: &str, text: &str) {
    fs::write(format!("/etc/systemd/system/{name}"), text).expect("the overlay takes it");
}

/// What systemctl prints, for whom nothing here is responsible.
fn systemctl(arguments: &[&str]) -> String {
    let output = Command::new("systemctl").args(arguments).output().expect("systemctl is there");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn unit(name: &str) -> UnitName {
    UnitName::new(name).expect("a name")
}

async fn run(systemd: &Systemd, name: &str, action: &str) -> Answer {
    // Held until the end, so that nobody tells the operation to end.
    let (_not_said, end) = oneshot::channel();
    systemd.carry_out(&unit(name), action, end).await.expect("systemd can be spoken to")
}

async fn code(systemd: &Systemd, name: &str, action: &str) -> Ocf {
    run(systemd, name, action).await.code
}

async fn a_unit_is_started_found_and_stopped(systemd: Systemd) {
    for name in ["good", "kept", "data.mount"] {
        assert_eq!(code(&systemd, name, "monitor").await, Ocf::NotRunning, "{name}");
        for action in ["start", "start", "monitor", "status"] {
            assert_eq!(
                run(&systemd, name, action).await,
                Answer { code: Ocf::Ok, reason: String::new() },
                "{name} {action}"
            );
        }
        assert_eq!(systemctl(&["is-active", unit(name).as_str()]), "active");
        for action in ["stop", "stop"] {
            assert_eq!(code(&systemd, name, action).await, Ocf::Ok, "{name} {action}");
        }
        assert_eq!(systemctl(&["is-active", unit(name).as_str()]), "inactive");
        assert_eq!(code(&systemd, name, "monitor").await, Ocf::NotRunning, "{name}");
    }
    assert_eq!(code(&systemd, "good", "promote").await, Ocf::Unimplemented);
}

async fn what_is_absent_cannot_be_started_and_need_not_be_stopped(systemd: Systemd) {
    let start = run(&systemd, "absent", "start").await;
    assert_eq!(start.code, Ocf::NotInstalled);
    assert!(start.reason.contains("no unit absent.service"), "{}", start.reason);
    assert_eq!(code(&systemd, "absent", "stop").await, Ocf::Ok);
    assert_eq!(code(&systemd, "absent", "monitor").await, Ocf::NotRunning);
    assert!(!systemd.knows(&unit("absent")).await.unwrap() && systemd.knows(&unit("good")).await.unwrap());
    assert!(!Path::new("/run/systemd/system/absent.service.d").exists(), "nothing is left behind");
}

async fn what_is_masked_or_broken_says_so(systemd: Systemd) {
    for (name, said) in [("hidden", "systemctl unmask hidden.service"), ("broken", "systemd refuses it")] {
        let start = run(&systemd, name, "start").await;
        assert!(start.code == Ocf::Error && start.reason.contains(said), "{start:?}");
        assert_eq!(code(&systemd, name, "monitor").await, Ocf::NotRunning, "{name}");
        assert_eq!(code(&systemd, name, "stop").await, Ocf::Ok, "{name}");
        assert!(!Path::new(&format!("/run/systemd/system/{name}.service.d")).exists(), "nothing is left behind");
    }
}

async fn a_failing_unit_says_how_it_failed(systemd: Systemd) {
    for (name, said) in [
        ("failing", "its main process exited with status 3"),
        ("killed", "its main process was ended by signal 9"),
        ("late", "within the unit's own time"),
        ("needy", "a unit that it requires could not be started"),
    ] {
        let start = run(&systemd, name, "start").await;
        assert!(start.code == Ocf::Error && start.reason.contains(said), "{name}: {start:?}");
        assert_eq!(code(&systemd, name, "monitor").await, Ocf::NotRunning, "{name}");
        assert_eq!(code(&systemd, name, "stop").await, Ocf::Ok, "{name}");
    }
    let found = run(&systemd, "failing", "monitor").await;
    assert!(found.reason.contains("failing.service has failed: its main process exited with status 3"), "{found:?}");
}

async fn a_start_that_leaves_nothing_running_is_none(systemd: Systemd) {
    for (name, said) in [("once", "RemainAfterExit=yes"), ("unmet", "a condition in its unit file")] {
        let start = run(&systemd, name, "start").await;
        assert!(start.code == Ocf::Error && start.reason.contains(said), "{name}: {start:?}");
    }
}

async fn a_slow_unit_is_waited_for(systemd: Systemd) {
    let begun = Instant::now();
    let (start, (found, asked)) = tokio::join!(run(&systemd, "slow", "start"), async {
        // Asked while it is on its way: the answer waits until there is one.
        while systemctl(&["is-active", "slow.service"]) != "activating" {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        (run(&systemd, "slow", "monitor").await, Instant::now())
    });
    assert_eq!((start.code, found.code), (Ocf::Ok, Ocf::Ok));
    assert!(asked.duration_since(begun) >= Duration::from_secs(2), "it was answered before it was known");
    assert_eq!(code(&systemd, "slow", "stop").await, Ocf::Ok);
}

async fn who_is_told_to_end_says_where_the_unit_stands(systemd: Systemd) {
    for (name, action, said) in
        [("endless", "start", "activating (start-pre)"), ("stubborn", "stop", "deactivating (stop)")]
    {
        if action == "stop" {
            assert_eq!(code(&systemd, name, "start").await, Ocf::Ok);
        }
        let (tell, end) = oneshot::channel();
        let unit = unit(name);
        let (answer, ()) = tokio::join!(systemd.carry_out(&unit, action, end), async {
            while !said.starts_with(&systemctl(&["is-active", unit.as_str()])) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            tell.send(()).expect("it waits");
        });
        let answer = answer.expect("systemd can be spoken to");
        assert!(answer.code == Ocf::Error && answer.reason.contains(said), "{name}: {answer:?}");
        systemctl(&["kill", "--signal=KILL", unit.as_str()]);
        assert_eq!(code(&systemd, name, "stop").await, Ocf::Ok, "{name}");
    }
}

async fn a_unit_belongs_to_the_cluster_while_it_runs(systemd: Systemd) {
    let show = |property: &str| systemctl(&["show", "--value", "--property", property, "good.service"]);
    assert_eq!(show("Restart"), "always");
    assert_eq!(code(&systemd, "good", "start").await, Ocf::Ok);
    assert_eq!(show("Restart"), "no");
    assert!(show("Before").contains("systoled.service"), "on the way down the resource manager goes first");
    assert_eq!(show("NeedDaemonReload"), "no");
    assert_eq!(code(&systemd, "good", "stop").await, Ocf::Ok);
    assert_eq!(show("Restart"), "always");
    assert!(!Path::new("/run/systemd/system/good.service.d").exists());
}

async fn a_unit_that_dies_is_noticed_at_once(systemd: Systemd) {
    let stopped = systemd.watch(&unit("good"), async || {}).await.unwrap();
    assert_eq!(stopped.code, Ocf::NotRunning, "what went before it was watched is noticed as well");
    assert_eq!(code(&systemd, "good", "start").await, Ocf::Ok);
    let name = unit("good");
    let (tell, armed) = oneshot::channel();
    let (end, killed) = tokio::join!(systemd.watch(&name, async || tell.send(()).unwrap()), async {
        armed.await.unwrap();
        systemctl(&["kill", "--signal=KILL", "good.service"]);
        Instant::now()
    });
    let end = end.unwrap();
    println!("    noticed {} ms after systemctl was done", killed.elapsed().as_millis());
    assert_eq!(end.code, Ocf::NotRunning);
    assert!(end.reason.contains("good.service has failed: its main process was ended by signal 9"), "{end:?}");
    assert_eq!(systemctl(&["is-active", "good.service"]), "failed", "systemd does not start it again");
    assert_eq!(code(&systemd, "good", "stop").await, Ocf::Ok);
}

async fn systemds_own_count_of_starts_does_not_count(systemd: Systemd) {
    for turn in 0..10 {
        let start = run(&systemd, "failing", "start").await;
        assert!(start.reason.contains("exited with status 3"), "turn {turn}: {start:?}");
    }
    assert_eq!(code(&systemd, "failing", "stop").await, Ocf::Ok);
}

async fn many_units_start_together(systemd: Systemd) {
    const MANY: usize = 40;
    let names: Vec<String> = (0..MANY).map(|number| format!("many@{number}")).collect();
    for action in ["start", "monitor", "stop"] {
        let begun = Instant::now();
        let all: Vec<_> = names
            .iter()
            .map(|name| {
                let (systemd, name) = (systemd.clone(), name.clone());
                tokio::spawn(async move { code(&systemd, &name, action).await })
            })
            .collect();
        for one in all {
            assert_eq!(one.await.unwrap(), Ocf::Ok, "{action}");
        }
        println!("    {action} of {MANY}: {} ms", begun.elapsed().as_millis());
    }
    assert_eq!(code(&systemd, "many@7", "monitor").await, Ocf::NotRunning);
}

async fn the_bus_may_go_and_come_back(systemd: Systemd) {
    assert_eq!(code(&systemd, "good", "start").await, Ocf::Ok);
    systemctl(&["restart", "dbus.service"]);
    let until = Instant::now() + PATIENCE;
    loop {
        let (_not_said, end) = oneshot::channel();
        match systemd.carry_out(&unit("good"), "monitor", end).await {
            Ok(answer) => break assert_eq!(answer.code, Ocf::Ok),
            // The old connection may not have noticed yet, and systemd must find the new bus.
            Err(error) => assert!(Instant::now() < until, "{error:?}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(code(&systemd, "good", "stop").await, Ocf::Ok);
}
