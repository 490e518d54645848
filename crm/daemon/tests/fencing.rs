//! Fencing with real programs: three daemons on the embedded engine, a power switch that kills them, one of Debian's
//! fence agents beside it, and an agent that talks nonsense and never ends. Nothing is believed that an agent says: the
//! daemons are looked at.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use wire::request::{from_line, to_line};
use wire::stonith::{FenceOutcome, FenceRecord, StonithReply, StonithRequest, StonithView};
use wire::{OrderId, Reply, Request, Status};

/// How long anything here may take before the test fails; most takes a second.
const PATIENCE: Duration = Duration::from_secs(90);
/// One of Debian's, from the package fence-agents.
const DEBIANS: &str = "/usr/sbin/fence_dummy";
const NODES: [&str; 3] = ["a", "b", "c"];

/// The power switch: off kills the daemon whose process id lies in the directory, on lets the test start it again.
const POWER: &str = r#"#!/bin/sh
action=reboot
while IFS='=' read -r name value; do
    case "$name" in action) action=$value ;; plug) plug=$value ;; dir) dir=$value ;; esac
done
off() { echo off > "$dir/$plug.power"; kill -9 "$(cat "$dir/$plug.pid")"; }
case "$action" in
metadata)
    echo '<resource-agent name="fence_power"><parameters><parameter name="plug"/><parameter name="dir"/></parameters>'
    echo '<actions><action name="on"/><action name="off"/><action name="reboot"/><action name="status"/>'
    echo '<action name="list"/><action name="monitor"/></actions></resource-agent>' ;;
monitor) ;;
list) printf 'a,\nb,\nc,\n' ;;
off) off ;;
on) echo on > "$dir/$plug.power" ;;
reboot) off; echo on > "$dir/$plug.power" ;;
status) [ "$(cat "$dir/$plug.power")" = on ] || exit 2 ;;
*) echo "no action $action" >&2; exit 1 ;;
esac
"#;

/// It prints without end, to both streams, whatever it is asked, and leaves a child behind.
const NOISE: &str = "#!/bin/sh\nsleep 1000 &\nyes '\u{1b}[31m<action name=\"off' >&2 &\nyes '<parameter name=\"'\n";

struct Cluster {
    directory: tempfile::TempDir,
    hub: Child,
    daemons: Vec<Option<Child>>,
    boots: u32,
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for child in self.daemons.iter_mut().flatten().chain([&mut self.hub]) {
            // They are ours; one that is gone already is as good.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Cluster {
    fn start() -> Cluster {
        let directory = tempfile::tempdir().unwrap();
        let at = directory.path();
        let agents = at.join("agents");
        fs::create_dir(&agents).unwrap();
        for (name, text) in [("fence_power", POWER), ("fence_noise", NOISE)] {
            fs::write(agents.join(name), text).unwrap();
            fs::set_permissions(agents.join(name), fs::Permissions::from_mode(0o755)).unwrap();
        }
        assert!(Path::new(DEBIANS).exists(), "{DEBIANS} is missing: apt-get install fence-agents");
        std::os::unix::fs::symlink(DEBIANS, agents.join("fence_dummy")).unwrap();
        fs::write(at.join("outlet"), "on").unwrap();
        fs::write(at.join("cib.xml"), configuration(at)).unwrap();
        let hub = Command::new(env!("CARGO_BIN_EXE_systoled"))
            .args(["hub", "--expected-votes", "3", "--socket"])
            .arg(at.join("hub.sock"))
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut cluster = Cluster { directory, hub, daemons: vec![None, None, None], boots: 0 };
        let hub_socket = cluster.at("hub.sock");
        wait_for("the hub listens", || UnixStream::connect(&hub_socket).is_ok());
        (0..NODES.len()).for_each(|index| cluster.boot(index));
        cluster
    }

    fn at(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn boot(&mut self, index: usize) {
        let name = NODES[index];
        self.boots += 1;
        fs::write(self.at(&format!("{name}.boot")), format!("boot {}\n", self.boots)).unwrap();
        fs::write(self.at(&format!("{name}.power")), "on\n").unwrap();
        let log = fs::OpenOptions::new().create(true).append(true).open(self.at(&format!("{name}.log"))).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_systoled"));
        command.args(["run", "--name", name, "--id", &(index + 1).to_string(), "--engine"]).arg(self.at("hub.sock"));
        for (option, file) in [
            ("--cib", "cib.xml".to_owned()),
            ("--state", format!("{name}.state")),
            ("--socket", format!("{name}.sock")),
            ("--fence-agents", "agents".to_owned()),
            ("--boot-id", format!("{name}.boot")),
            ("--watchdog", format!("{name}.watchdog")),
        ] {
            command.arg(option).arg(self.at(&file));
        }
        let child = command.stderr(log).spawn().unwrap();
        fs::write(self.at(&format!("{name}.pid")), child.id().to_string()).unwrap();
        self.daemons[index] = Some(child);
    }

    /// Hosts whose power is on again start anew, as hosts do.
    fn tick(&mut self) {
        for (index, name) in NODES.iter().enumerate() {
            let Some(daemon) = &mut self.daemons[index] else { continue };
            let dead = daemon.try_wait().unwrap().is_some();
            let power = fs::read_to_string(self.at(&format!("{name}.power"))).unwrap_or_default();
            if dead && power.trim() == "on" {
                self.boot(index);
            }
        }
    }

    fn ask(&self, node: &str, request: &Request) -> Option<Reply> {
        let stream = UnixStream::connect(self.at(&format!("{node}.sock"))).ok()?;
        (&stream).write_all(to_line(request).as_bytes()).ok()?;
        let mut line = String::new();
        BufReader::new(&stream).read_line(&mut line).ok()?;
        from_line(&line).ok()
    }

    fn status(&self, node: &str) -> Option<Status> {
        match self.ask(node, &Request::Status)? {
            Reply::Status(status) => Some(*status),
            _ => None,
        }
    }

    fn view(&self, node: &str) -> StonithView {
        match self.ask(node, &Request::Stonith(StonithRequest::Show)) {
            Some(Reply::Stonith(reply)) => match *reply {
                StonithReply::View(view) => view,
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    }

    fn all_are_up(&mut self) {
        self.until("all nodes are up and quiet", |cluster| {
            let up = |status: Status| status.members.len() == 3 && status.synced && status.quiet;
            NODES.iter().all(|node| cluster.status(node).is_some_and(up)).then_some(())
        });
    }

    fn until<T>(&mut self, what: &str, mut holds: impl FnMut(&mut Cluster) -> Option<T>) -> T {
        let begun = Instant::now();
        loop {
            self.tick();
            if let Some(found) = holds(self) {
                return found;
            }
            if begun.elapsed() > PATIENCE {
                for node in NODES {
                    eprintln!("{node}:\n{}", fs::read_to_string(self.at(&format!("{node}.log"))).unwrap_or_default());
                }
                panic!("{what}: not within {PATIENCE:?}");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn fence(&mut self, at: &str, target: &str, action: &str) -> FenceRecord {
        let request = StonithRequest::Fence {
            target: target.into(),
            action: action.into(),
            timeout_ms: 20_000,
            delay_ms: 0,
            user: "the test".into(),
        };
        let id = match self.ask(at, &Request::Stonith(request)) {
            Some(Reply::Stonith(reply)) => match *reply {
                StonithReply::Begun(id) => id,
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        };
        self.over(at, &id)
    }

    fn over(&mut self, at: &str, id: &OrderId) -> FenceRecord {
        self.until("the fencing is over", |cluster| {
            let history = cluster.view(at).history;
            history.into_iter().find(|record| record.id == *id && record.outcome != FenceOutcome::Pending)
        })
    }

    fn boot_id(&self, node: &str) -> Option<String> {
        let cib = self.status("a")?.cib;
        let state = cib.split("<node_state ").skip(1).find(|part| part.contains(&format!("uname=\"{node}\"")))?;
        let pair = state.split("name=\"#boot-id\" value=\"").nth(1)?;
        pair.split('"').next().map(str::to_owned)
    }
}

fn configuration(at: &Path) -> String {
    let device = |id: &str, agent: &str, parameters: &[(&str, &str)]| {
        let pairs: String = parameters
            .iter()
            .map(|(name, value)| format!("<nvpair id=\"{id}-{name}\" name=\"{name}\" value=\"{value}\"/>"))
            .collect();
        format!(
            "<primitive id=\"{id}\" class=\"stonith\" type=\"{agent}\"><instance_attributes id=\"{id}-i\">{pairs}\
             </instance_attributes></primitive>"
        )
    };
    let directory = at.to_str().unwrap();
    let outlet = at.join("outlet");
    let noise =
        [("pcmk_host_list", "c"), ("pcmk_off_timeout", "2s"), ("pcmk_off_retries", "1"), ("pcmk_reboot_timeout", "2s")];
    let devices = [
        device("noise", "fence_noise", &noise).replace(
            "</primitive>",
            "<meta_attributes id=\"noise-m\"><nvpair id=\"noise-m1\" name=\"is-managed\" value=\"false\"/></meta_attributes></primitive>",
        ),
        device("outlet", "fence_dummy", &[("type", "file"), ("status_file", outlet.to_str().unwrap()), ("pcmk_host_check", "none")]),
        device("power", "fence_power", &[("dir", directory)]),
    ];
    let levels = "<fencing-level id=\"f1\" target=\"c\" index=\"1\" devices=\"noise\"/>\
                  <fencing-level id=\"f2\" target=\"c\" index=\"2\" devices=\"power,outlet\"/>\
                  <fencing-level id=\"f3\" target=\"b\" index=\"1\" devices=\"power\"/>\
                  <fencing-level id=\"f4\" target=\"a\" index=\"1\" devices=\"outlet\"/>";
    // No other node may use the switch: who is told to fence must ask it.
    let only_a = "<rsc_location id=\"l1\" rsc=\"power\" node=\"b\" score=\"-INFINITY\"/>\
                  <rsc_location id=\"l2\" rsc=\"power\" node=\"c\" score=\"-INFINITY\"/>";
    format!(
        "<cib validate-with=\"pacemaker-3.9\" epoch=\"1\" num_updates=\"0\" admin_epoch=\"0\"><configuration><crm_config>\
         <cluster_property_set id=\"o\"><nvpair id=\"o-1\" name=\"stonith-timeout\" value=\"20s\"/>\
         </cluster_property_set></crm_config><nodes/><resources>{}</resources><constraints>{only_a}</constraints>\
         <fencing-topology>{levels}</fencing-topology></configuration></cib>",
        devices.concat()
    )
}

fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn nodes_are_cut_off_for_real() {
    let mut cluster = Cluster::start();
    cluster.all_are_up();
    let before = cluster.until("c says which start of its host this is", |cluster| cluster.boot_id("c"));

    // By hand, told to b, which may not use the switch. The noisy device fails first; then power and outlet are both
    // switched off, then both on.
    let record = cluster.fence("b", "c", "reboot");
    let FenceOutcome::Done(devices) = &record.outcome else { panic!("{record:?}") };
    assert_eq!((devices.as_slice(), record.delegate.as_str()), (&["power".to_owned(), "outlet".to_owned()][..], "b"));
    assert_eq!(fs::read_to_string(cluster.at("outlet")).unwrap(), "on");
    let after = cluster.until("c has started anew", |cluster| cluster.boot_id("c").filter(|now| *now != before));
    assert_ne!(before, after);
    cluster.all_are_up();

    // A daemon dies with its host: the cluster fences it by itself, and all remember the same.
    let b = cluster.daemons[1].as_mut().unwrap();
    fs::write(cluster.directory.path().join("b.power"), "hung\n").unwrap();
    b.kill().unwrap();
    let of_b = |view: StonithView| {
        let done = |record: &FenceRecord| record.target == "b" && matches!(record.outcome, FenceOutcome::Done(_));
        view.history.into_iter().find(done)
    };
    let record = cluster.until("the cluster fences b", |cluster| of_b(cluster.view("a")));
    assert_eq!((record.origin.as_str(), record.action.as_str()), ("the cluster", "reboot"));
    cluster.all_are_up();
    assert_eq!(of_b(cluster.view("c")).map(|record| record.id), Some(record.id.clone()));
    cluster.until("b is told what it missed", |cluster| of_b(cluster.view("b")));
    cluster.until("the history is on disk", |cluster| {
        let kept = fs::read_to_string(cluster.at("a.state/fence-history.json")).ok()?;
        (wire::stonith::history_from_text(&kept).len() >= 2).then_some(())
    });

    // All the while the watchdog was fed, and no agent that hung was left behind.
    let watchdog = fs::read_to_string(cluster.at("a.watchdog")).unwrap();
    assert!(watchdog.starts_with("fed "), "{watchdog}");
    let agent = cluster.at("agents/fence_noise");
    let left = || {
        let of = |pid: &Path| fs::read(pid.join("cmdline")).unwrap_or_default();
        let all = fs::read_dir("/proc").unwrap().filter_map(Result::ok).map(|entry| of(&entry.path()));
        let name = agent.to_str().unwrap().as_bytes().to_vec();
        all.filter(|line| line.windows(name.len()).any(|part| part == name)).count()
    };
    cluster.until("no agent that hung is left", |_| (left() == 0).then_some(()));

    // A device that says it is done and did nothing to the node is not believed.
    let record = cluster.fence("b", "a", "off");
    assert!(matches!(&record.outcome, FenceOutcome::Failed(why) if why.contains("still heard")), "{record:?}");
    assert!(cluster.status("b").is_some_and(|status| status.members.len() == 3));
}
