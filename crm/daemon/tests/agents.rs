//! Agents as the daemon runs them: what they find in their environment, init scripts, and every agent that Debian has.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use daemon::processes::{self, Agents};
use executor::{Agent, End, Operation, RunId};
use node::{Event, Process, Program};
use systemd::Systemd;
use tokio::sync::mpsc;

/// Debian's, from the package resource-agents.
const DEBIANS: &str = "/usr/lib/ocf/resource.d/heartbeat";
/// How long an agent may take to describe itself or to look whether it runs; a shell takes a tenth of a second.
const PATIENCE: Duration = Duration::from_secs(60);

fn agents(root: &Path) -> Agents {
    Agents {
        ocf_root: root.into(),
        fence_agents: root.into(),
        init_scripts: root.join("init.d"),
        systemd: Systemd::new(),
    }
}

fn operation(class: &str, kind: &str, action: &str, parameters: &[(&str, &str)]) -> Operation {
    Operation {
        id: 1,
        resource: "trial".into(),
        agent: Agent { class: class.into(), provider: (class == "ocf").then(|| "heartbeat".into()), kind: kind.into() },
        action: action.into(),
        interval_ms: 0,
        timeout_ms: 20_000,
        start_delay_ms: 0,
        parameters: parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        target_rc: 0,
    }
}

async fn end_of(agents: &Agents, operation: Operation) -> End {
    let (events, mut ended) = mpsc::channel(1);
    let what = format!("{} of {}", operation.action, operation.agent);
    let _running =
        processes::start(agents, Process::Agent(RunId(1)), &Program::Operation(Arc::new(operation)), &events);
    match tokio::time::timeout(PATIENCE, ended.recv()).await {
        Ok(Some(Event::Ended { end, .. })) => end,
        other => panic!("{what}: {other:?}"),
    }
}

fn script(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[tokio::test]
async fn an_agent_finds_all_that_pacemaker_would_give_it() {
    let root = tempfile::tempdir().unwrap();
    script(
        &root.path().join("resource.d/heartbeat/Trial"),
        "#!/bin/sh\nenv\necho \"arguments=$*\"\necho \"in=$PWD\"\n",
    );
    let parameters = [
        ("ip", "192.0.2.7"),
        ("OCF_CHECK_LEVEL", "10"),
        ("crm_feature_set", "3.19.0"),
        ("CRM_meta_timeout", "20000"),
        ("CRM_meta_on_node", "n1"),
        ("CRM_meta_clone_max", "2"),
        ("CRM_meta_notify_start_uname", "n1 n2"),
    ];
    let end = end_of(&agents(root.path()), operation("ocf", "Trial", "monitor", &parameters)).await;
    let End::Exited { code: 0, output } = end else { panic!("{end:?}") };
    let root = root.path().display();
    for line in [
        "arguments=monitor",
        "in=/",
        &format!("OCF_ROOT={root}"),
        "OCF_RA_VERSION_MAJOR=1",
        "OCF_RA_VERSION_MINOR=1",
        "OCF_EXIT_REASON_PREFIX=ocf-exit-reason:",
        "OCF_RESOURCE_INSTANCE=trial",
        "OCF_RESOURCE_TYPE=Trial",
        "OCF_RESOURCE_PROVIDER=heartbeat",
        "OCF_CHECK_LEVEL=10",
        "OCF_RESKEY_ip=192.0.2.7",
        "OCF_RESKEY_crm_feature_set=3.19.0",
        "OCF_RESKEY_CRM_meta_timeout=20000",
        "OCF_RESKEY_CRM_meta_interval=0",
        "OCF_RESKEY_CRM_meta_name=monitor",
        "OCF_RESKEY_CRM_meta_on_node=n1",
        "OCF_RESKEY_CRM_meta_clone_max=2",
        "OCF_RESKEY_CRM_meta_notify_start_uname=n1 n2",
        "HA_cluster_type=corosync",
        "HA_debug=0",
        "PCMK_service=systoled",
    ] {
        assert!(output.stdout.lines().any(|found| found == line), "{line} is missing in\n{}", output.stdout);
    }
    let path = output.stdout.lines().find_map(|line| line.strip_prefix("PATH=")).unwrap();
    assert!(["/usr/sbin", "/sbin"].iter().all(|place| path.split(':').any(|found| found == *place)), "{path}");
}

#[tokio::test]
async fn init_scripts_are_run_as_lsb_has_it() {
    let root = tempfile::tempdir().unwrap();
    script(&root.path().join("init.d/web"), "#!/bin/sh\necho \"$1\"\n[ \"$1\" != status ] || exit 3\n");
    for class in ["lsb", "service"] {
        for (action, said, expected) in [("monitor", "status", 3), ("start", "start", 0), ("stop", "stop", 0)] {
            let end = end_of(&agents(root.path()), operation(class, "web", action, &[])).await;
            let End::InitScript { code, output } = end else { panic!("{end:?}") };
            assert_eq!((code, output.stdout.trim()), (expected, said), "{class}");
        }
    }
    for kind in ["absent", "../web", ""] {
        let end = end_of(&agents(root.path()), operation("lsb", kind, "start", &[])).await;
        assert!(matches!(end, End::NotStarted { missing: true, .. }), "{kind}: {end:?}");
    }
}

#[tokio::test]
async fn what_is_no_unit_is_not_asked_for() {
    let root = tempfile::tempdir().unwrap();
    for class in ["systemd", "service"] {
        let end = end_of(&agents(root.path()), operation(class, "../etc", "start", &[])).await;
        let End::NotStarted { reason, missing: true } = end else { panic!("{end:?}") };
        assert_eq!(reason, "\"../etc\" is not the name of a unit");
    }
}

/// Nothing is configured for them, so what a probe finds is that it cannot run here; it must say so in OCF's words.
#[tokio::test]
async fn all_agents_of_debian_run() {
    let listed = fs::read_dir(DEBIANS).expect("Debian's agents are missing: apt-get install resource-agents");
    let is_agent = |path: &PathBuf| {
        fs::metadata(path).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    };
    let mut all: Vec<PathBuf> = listed.map(|entry| entry.unwrap().path()).filter(is_agent).collect();
    all.sort();
    assert!(all.len() > 100, "{} agents", all.len());
    let ours = agents(Path::new("/usr/lib/ocf"));
    for path in all {
        let kind = path.file_name().unwrap().to_string_lossy().into_owned();
        let end = end_of(&ours, operation("ocf", &kind, "meta-data", &[])).await;
        let End::Exited { code, output } = end else { panic!("{kind}: {end:?}") };
        // Some are written for an interpreter or library that is not here; then there is nothing to read.
        if code == 0 {
            let metadata = ocf::Metadata::parse(&output.stdout).unwrap_or_else(|error| panic!("{kind}: {error}"));
            assert!(metadata.actions.iter().any(|action| action.name == "monitor"), "{kind}");
        }
    }
}
