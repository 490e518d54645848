//! Recurring monitors without a process each: agents that announce it answer many from one process of theirs, which is
//! started when it is first needed. An answer that does not come is no answer: then the agent is called as ever.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use executor::{End, Operation, Output, Signal};
use node::{Event, Process, Program};
use ocf::EXIT_REASON_PREFIX;
use ocf::served::{self, LONGEST, SERVE};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{ChildStdin, ChildStdout, Command};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::leftovers::Leftovers;
use crate::metadata::{Descriptions, Version, version};
use crate::processes::{self, Agents, Asked};

/// Calls that wait for one process. It answers thousands a second: when more wait, it hangs or the host does, and they are
/// better off on their own.
const WAITING: usize = 64;
/// When a program's file is looked at again. One that was replaced answers for so much longer; looking each time would
/// cost more than all else that a monitor does.
const LOOKED_AT: Duration = Duration::from_secs(10);

/// What serving needs of the daemon, and those who serve.
#[derive(Clone, Debug)]
pub struct Servers {
    /// Where agents lie.
    pub agents: Agents,
    /// What they say of themselves.
    pub descriptions: Descriptions,
    /// Where those at work are noted.
    pub leftovers: Leftovers,
    /// Whom to tell.
    pub events: mpsc::Sender<Event>,
    /// Those who answer.
    pub running: Arc<Mutex<Running>>,
}

/// Processes that answer, and how they are found.
#[derive(Debug, Default)]
pub struct Running {
    /// By the program's file, whatever its agents are called.
    by_file: BTreeMap<PathBuf, Server>,
    /// By the path of an agent, with the time when its file was last looked at.
    by_path: BTreeMap<PathBuf, (Instant, Server)>,
}

impl Running {
    /// The one that answers for an agent, if its file was looked at a moment ago.
    fn known(&self, path: &Path) -> Option<Server> {
        let (at, server) = self.by_path.get(path)?;
        (at.elapsed() < LOOKED_AT && !server.calls.is_closed()).then(|| server.clone())
    }
}

/// A process that answers.
#[derive(Clone, Debug)]
pub struct Server {
    /// Of the program's file; another one is another program.
    version: Version,
    calls: mpsc::Sender<Call>,
    kill: mpsc::Sender<()>,
}

#[derive(Debug)]
struct Call {
    text: String,
    answer: oneshot::Sender<End>,
}

/// There is no answer, and will be none.
struct Lost;

impl Servers {
    /// Has a monitor answered, if its agent is one that does so; `Ended` comes when it has.
    pub fn start(&self, process: Process, operation: &Operation) -> Option<Asked> {
        let is_asked_often = operation.action == "monitor" && operation.is_recurring();
        if !is_asked_often || operation.agent.class != "ocf" {
            return None;
        }
        let path = self.agents.path(&operation.agent).ok()?;
        if !self.descriptions.announces(&path, SERVE) {
            return None;
        }
        let (asked, mut told) = Asked::new();
        let (servers, operation) = (self.clone(), operation.clone());
        tokio::spawn(async move {
            let end = match servers.call(&path, &operation, &mut told).await {
                Ok(end) => end,
                Err(Lost) => servers.alone(operation, told).await,
            };
            // The daemon is gone when nobody takes it.
            let _ = servers.events.send(Event::Ended { process, end }).await;
        });
        Some(asked)
    }

    async fn call(&self, path: &Path, operation: &Operation, told: &mut mpsc::Receiver<Signal>) -> Result<End, Lost> {
        let server = self.server(path).await?;
        let (answer, answered) = oneshot::channel();
        let text = served::call(&operation.agent.kind, &self.agents.environment(operation));
        server.calls.try_send(Call { text, answer }).map_err(|_| Lost)?;
        tokio::select! {
            end = answered => end.map_err(|_| Lost),
            // It took too long, or is not wanted any more: no call can be ended but by ending the process.
            _ = told.recv() => {
                let _ = server.kill.try_send(());
                Ok(End::Signalled { signal: 15, output: Output::default() })
            }
        }
    }

    /// The process that answers for the program at that path.
    async fn server(&self, path: &Path) -> Result<Server, Lost> {
        let lock = || self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let known = lock().known(path);
        if let Some(server) = known {
            return Ok(server);
        }
        let looked = path.to_owned();
        // A file system may hang.
        let found = tokio::task::spawn_blocking(move || {
            let file = looked.canonicalize().ok()?;
            version(&file).map(|version| (file, version))
        });
        let (file, version) = found.await.ok().flatten().ok_or(Lost)?;
        let mut running = lock();
        let answers = |server: &&Server| server.version == version && !server.calls.is_closed();
        let server = match running.by_file.get(&file).filter(answers) {
            Some(server) => server.clone(),
            // One of an older version ends once it has answered: nobody calls it any more.
            None => self.begin(path, version).map_err(|_| Lost)?,
        };
        running.by_file.insert(file, server.clone());
        running.by_path.insert(path.to_owned(), (Instant::now(), server.clone()));
        Ok(server)
    }

    fn begin(&self, path: &Path, version: Version) -> io::Result<Server> {
        let mut command = Command::new(path);
        processes::apart(&mut command).arg(SERVE);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let group = child.id().and_then(|id| i32::try_from(id).ok()).unwrap_or(0);
        self.leftovers.begun(group);
        let (calls, mut called) = mpsc::channel(WAITING);
        let (kill, mut killed) = mpsc::channel(1);
        let leftovers = self.leftovers.clone();
        tokio::spawn(async move {
            if let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) {
                tokio::select! {
                    () = answer(input, output, &mut called) => {}
                    _ = killed.recv() => {}
                }
            }
            // Whoever waits hears of it by this.
            drop(called);
            processes::signal(group, Signal::Kill);
            let _ = child.wait().await;
            leftovers.ended(group);
        });
        Ok(Server { version, calls, kill })
    }

    /// A monitor as a process of its own.
    async fn alone(&self, operation: Operation, mut told: mpsc::Receiver<Signal>) -> End {
        let prepared = match processes::prepare(&self.agents, &Program::Operation(Arc::new(operation))) {
            Ok(prepared) => prepared,
            Err(end) => return end,
        };
        let mut command = prepared.command;
        let child = match command.spawn() {
            Ok(child) => child,
            Err(error) => return processes::not_started(command.as_std().get_program().as_ref(), &error),
        };
        let group = child.id().and_then(|id| i32::try_from(id).ok()).unwrap_or(0);
        self.leftovers.begun(group);
        let ending = processes::watch(child, prepared.input);
        tokio::pin!(ending);
        let end = loop {
            tokio::select! {
                end = &mut ending => break end,
                Some(signal) = told.recv() => processes::signal(group, signal),
            }
        };
        self.leftovers.ended(group);
        end
    }
}

/// Answers calls until there are no more, or one is not answered.
async fn answer(mut input: ChildStdin, output: ChildStdout, calls: &mut mpsc::Receiver<Call>) {
    let mut output = BufReader::new(output);
    while let Some(call) = calls.recv().await {
        if input.write_all(call.text.as_bytes()).await.is_err() {
            return;
        }
        let mut line = String::new();
        let read = (&mut output).take(LONGEST).read_line(&mut line).await;
        let Some((code, reason)) = read.ok().and_then(|_| served::read_answer(&line)) else { return };
        let stderr = reason.map_or_else(String::new, |reason| format!("{EXIT_REASON_PREFIX}{reason}\n"));
        // Who asked may have gone.
        let _ = call.answer.send(End::Exited { code, output: Output { stdout: String::new(), stderr } });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use executor::RunId;
    use std::os::unix::fs::PermissionsExt as _;

    /// It notes each start; what it does is said by the parameter `way`, and a monitor of its own always gives 0.
    const AGENT: &str = r#"#!/bin/sh
echo "$1" >> HERE/starts
case "$1" in
meta-data)
    echo '<?xml version="1.0"?><?systole actions="serve"?><resource-agent name="Many" version="1.0"><version>1.1</version>'
    echo '<parameters/><actions><action name="monitor" timeout="20s"/></actions></resource-agent>' ;;
serve)
    while IFS= read -r line; do
        case "$line" in
        OCF_RESKEY_way=die) exit 0 ;;
        OCF_RESKEY_way=babble) echo "all is well" ;;
        OCF_RESKEY_way=hang) exec sleep 1000 ;;
        "") echo "7 it is gone" ;;
        esac
    done ;;
esac
"#;

    struct Host {
        directory: tempfile::TempDir,
        servers: Servers,
        happened: mpsc::Receiver<Event>,
    }

    impl Host {
        async fn new() -> Host {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("resource.d/test/Many");
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, AGENT.replace("HERE", &directory.path().display().to_string())).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
            let agents = Agents {
                ocf_root: directory.path().into(),
                fence_agents: directory.path().into(),
                init_scripts: directory.path().into(),
                systemd: systemd::Systemd::new(),
            };
            let (events, happened) = mpsc::channel(16);
            let servers = Servers {
                agents,
                descriptions: Descriptions::default(),
                leftovers: Leftovers::open(&directory.path().join("left")).unwrap(),
                events,
                running: Arc::default(),
            };
            let host = Host { directory, servers, happened };
            assert!(host.monitor(0, "well").is_none(), "what it announces is not known yet");
            host.servers.descriptions.describe(&host.servers.agents, &operation("well").agent).await.unwrap();
            host
        }

        fn monitor(&self, process: u64, way: &str) -> Option<Asked> {
            self.servers.start(Process::Agent(RunId(process)), &operation(way))
        }

        /// How the next one ended: its exit code, or none.
        async fn end(&mut self) -> (u64, Option<i32>) {
            let event = tokio::time::timeout(Duration::from_secs(60), self.happened.recv()).await.expect("it ends");
            match event {
                Some(Event::Ended { process: Process::Agent(run), end: End::Exited { code, output } }) => {
                    assert!(code == 0 || output.stderr == "ocf-exit-reason:it is gone\n", "{output:?}");
                    (run.0, Some(code))
                }
                Some(Event::Ended { process: Process::Agent(run), .. }) => (run.0, None),
                other => panic!("{other:?}"),
            }
        }

        fn starts(&self) -> Vec<String> {
            let noted = std::fs::read_to_string(self.directory.path().join("starts")).unwrap();
            noted.lines().map(str::to_owned).collect()
        }
    }

    fn operation(way: &str) -> Operation {
        Operation {
            id: 1,
            resource: "many".into(),
            agent: executor::Agent { class: "ocf".into(), provider: Some("test".into()), kind: "Many".into() },
            action: "monitor".into(),
            interval_ms: 10_000,
            timeout_ms: 20_000,
            start_delay_ms: 0,
            parameters: [("way".to_owned(), way.to_owned())].into(),
            target_rc: 0,
        }
    }

    #[tokio::test]
    async fn one_process_answers_many() {
        let mut host = Host::new().await;
        let mut asked = Vec::new();
        for number in 0..20 {
            asked.push(host.monitor(number, "well").expect("it is served"));
        }
        let mut ends = Vec::new();
        for _ in 0..20 {
            ends.push(host.end().await);
        }
        ends.sort_unstable();
        assert!(ends.into_iter().eq((0..20).map(|number| (number, Some(7)))));
        assert_eq!(host.starts(), ["meta-data", "serve"]);
        let once = Operation { interval_ms: 0, ..operation("well") };
        assert!(host.servers.start(Process::Agent(RunId(1)), &once).is_none(), "a probe is a process");
    }

    #[tokio::test]
    async fn who_is_not_answered_is_called_as_ever() {
        for way in ["die", "babble"] {
            let mut host = Host::new().await;
            let _asked = host.monitor(1, way).unwrap();
            assert_eq!(host.end().await, (1, Some(0)));
            assert_eq!(host.starts(), ["meta-data", "serve", "monitor"], "{way}");
            // The next process serves again.
            let _asked = host.monitor(2, "well").unwrap();
            assert_eq!(host.end().await, (2, Some(7)));
        }
    }

    #[tokio::test]
    async fn one_that_hangs_takes_nobody_along() {
        let mut host = Host::new().await;
        let hanging = host.monitor(1, "hang").unwrap();
        let _asked = host.monitor(2, "well").unwrap();
        while !host.starts().contains(&"serve".to_owned()) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        hanging.signal(Signal::Term);
        let mut ends = [host.end().await, host.end().await];
        ends.sort_unstable();
        // The second may have been answered before the first hung, or after it was ended.
        assert!(ends[0] == (1, None) && matches!(ends[1], (2, Some(0 | 7))), "{ends:?}");
    }
}
