//! What agents say of themselves (`meta-data`), asked away from the loop, and once for each version of an agent's file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use executor::{Agent, End, Operation, Signal};
use node::{Event, Program};
use ocf::Metadata;
use tokio::sync::mpsc;

use crate::processes::{self, Agents};

/// How long an agent may take. Results wait for it the first time; a shell on a loaded host prints a page within a second.
const PATIENCE: Duration = Duration::from_secs(10);

/// Whether a file is another one than before.
pub(crate) type Version = (SystemTime, u64);

/// What was read from one version of a file.
type Read = (Version, Arc<Metadata>);

/// The descriptions that were read, by the agent's file.
#[derive(Clone, Debug, Default)]
pub struct Descriptions {
    known: Arc<Mutex<BTreeMap<PathBuf, Read>>>,
}

impl Descriptions {
    /// Asks an agent; the answer comes as [`Event::Described`].
    pub fn ask(&self, agents: &Agents, agent: Agent, events: &mpsc::Sender<Event>) {
        let (descriptions, agents, events) = (self.clone(), agents.clone(), events.clone());
        tokio::spawn(async move {
            let metadata = descriptions.describe(&agents, &agent).await;
            // The daemon is gone when nobody takes it.
            let _ = events.send(Event::Described { agent, metadata }).await;
        });
    }

    /// Whether an agent has been asked, and announces an action beyond those of the contract.
    pub(crate) fn announces(&self, path: &Path, action: &str) -> bool {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(path).is_some_and(|(_, metadata)| metadata.extra_actions.iter().any(|known| known == action))
    }

    /// What an agent says of itself, or why it does not.
    pub(crate) async fn describe(&self, agents: &Agents, agent: &Agent) -> Result<Arc<Metadata>, String> {
        let prepared = processes::prepare(agents, &program(agent)).map_err(said)?;
        let path = PathBuf::from(prepared.command.as_std().get_program());
        // A file system may hang.
        let looked = path.clone();
        let version = tokio::task::spawn_blocking(move || version(&looked)).await.ok().flatten();
        if let Some((then, metadata)) = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&path)
            && version == Some(*then)
        {
            return Ok(Arc::clone(metadata));
        }
        let mut command = prepared.command;
        let child = command.spawn().map_err(|error| said(processes::not_started(&path, &error)))?;
        let group = child.id().and_then(|id| i32::try_from(id).ok());
        let Ok(end) = tokio::time::timeout(PATIENCE, processes::watch(child, prepared.input)).await else {
            group.into_iter().for_each(|group| processes::signal(group, Signal::Kill));
            return Err(format!("it has not printed its metadata within {} s", PATIENCE.as_secs()));
        };
        let text = match end {
            End::Exited { code: 0, output } => output.stdout,
            other => return Err(said(other)),
        };
        let metadata = Metadata::parse(&text).map(Arc::new).map_err(|error| error.to_string())?;
        if let Some(version) = version {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            known.insert(path, (version, Arc::clone(&metadata)));
        }
        Ok(metadata)
    }
}

pub(crate) fn version(path: &Path) -> Option<Version> {
    let file = std::fs::metadata(path).ok()?;
    Some((file.modified().ok()?, file.len()))
}

fn program(agent: &Agent) -> Program {
    if agent.class == "stonith" {
        let options = [("action".to_owned(), "metadata".to_owned())].into();
        return Program::Fence { agent: agent.kind.clone(), options };
    }
    Program::Operation(Arc::new(Operation {
        id: 0,
        resource: agent.kind.clone(),
        agent: agent.clone(),
        // OCF: no parameter is needed for it.
        action: "meta-data".into(),
        interval_ms: 0,
        timeout_ms: PATIENCE.as_millis() as u32,
        start_delay_ms: 0,
        parameters: BTreeMap::new(),
        target_rc: 0,
    }))
}

fn said(end: End) -> String {
    match end {
        End::NotStarted { reason, .. } => reason,
        End::Signalled { signal, .. } => format!("it was ended by signal {signal}"),
        End::Exited { code, output } | End::InitScript { code, output } => {
            let line = output.stderr.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default().to_owned();
            format!("its action meta-data ended with {code} {line}").trim_end().to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;
    use systemd::Systemd;

    fn script(path: &Path, text: &str) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn printing(version: &str, count: &Path) -> String {
        format!("echo x >> {}; echo \"<resource-agent name='y' version='{version}'/>\"", count.display())
    }

    #[tokio::test]
    async fn an_agent_is_asked_once_for_each_version_of_its_file() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        let (y, count) = (root.join("resource.d/x/y"), root.join("count"));
        let agents = Agents {
            ocf_root: root.into(),
            fence_agents: root.join("fence"),
            init_scripts: root.into(),
            systemd: Systemd::new(),
        };
        let descriptions = Descriptions::default();
        let agent = |class: &str, provider: Option<&str>, kind: &str| Agent {
            class: class.into(),
            provider: provider.map(str::to_owned),
            kind: kind.into(),
        };
        let web = agent("ocf", Some("x"), "y");
        let times = || std::fs::read_to_string(&count).unwrap_or_default().lines().count();

        assert!(descriptions.describe(&agents, &web).await.unwrap_err().contains("install the package"));
        script(&y, &format!("test \"$1\" = meta-data || exit 3; {}", printing("1", &count)));
        for _ in 0..3 {
            assert_eq!(descriptions.describe(&agents, &web).await.unwrap().version, "1");
        }
        assert_eq!(times(), 1);
        script(&y, &format!("{} # the next", printing("2", &count)));
        assert_eq!(descriptions.describe(&agents, &web).await.unwrap().version, "2");
        assert_eq!(times(), 2);
        script(&y, "echo it is broken >&2; exit 1 # and again another one");
        let error = descriptions.describe(&agents, &web).await.unwrap_err();
        assert_eq!(error, "its action meta-data ended with 1 it is broken");
        script(&y, "echo nonsense");
        assert!(descriptions.describe(&agents, &web).await.is_err());

        // Fence agents are asked on their standard input.
        let fence = agents.fence_agents.join("fence_y");
        script(&fence, &format!("read line; test \"$line\" = action=metadata || exit 3; {}", printing("4", &count)));
        let fence = agent("stonith", None, "fence_y");
        assert_eq!(descriptions.describe(&agents, &fence).await.unwrap().version, "4");
    }
}
