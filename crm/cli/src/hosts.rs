//! The hosts of a cluster, through their host agents: asked all at once, and changed all or none. What is asked is
//! decided in `setup`; this is its hands.

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::{Context as _, bail, ensure};
use corosync_conf::{Conf, Model, edit};
use host_agent::hosts::Host;
use host_agent::{Hosts, Paths, about, client};
use nix::unistd::geteuid;
use setup::change::{Answers, Change, Expect, Outcome, Plan, Rest, Step, others_concerned, rest};
use wire::host::{About, Answer, Call, Content, HostFile, NewFile};

/// The hosts that this one can call, itself included.
pub struct Field {
    hosts: Hosts,
    /// This host's name.
    pub me: String,
}

/// What hosts said of themselves, and those that said nothing, each with the reason.
pub struct Abouts {
    /// Those that answered.
    pub known: BTreeMap<String, About>,
    /// Those that did not.
    pub silent: BTreeMap<String, String>,
}

impl Field {
    /// Reads the list of hosts.
    ///
    /// # Errors
    /// When it cannot be read: only root may.
    pub fn load() -> anyhow::Result<Field> {
        Field::at(&Paths::default())
    }

    /// The same, from another place.
    ///
    /// # Errors
    /// As [`Field::load`].
    pub fn at(paths: &Paths) -> anyhow::Result<Field> {
        let hosts = Hosts::load(paths).context("only root may read the list of hosts")?;
        ensure!(
            !hosts.hosts.is_empty() || geteuid().is_root(),
            "no list of hosts can be read: only root may, so run the command as root"
        );
        Ok(Field { hosts, me: about::host_name() })
    }

    /// All names.
    pub fn names(&self) -> Vec<String> {
        self.hosts.hosts.keys().cloned().collect()
    }

    /// The list as text, for other hosts.
    pub fn text(&self) -> String {
        self.hosts.text()
    }

    /// A host's first address, without its port.
    pub fn address(&self, name: &str) -> Option<String> {
        Some(bare(self.hosts.hosts.get(name)?.addresses.first()?).to_owned())
    }

    /// Where a host's agent listens first.
    pub fn agent(&self, name: &str) -> Option<String> {
        self.hosts.hosts.get(name)?.addresses.first().cloned()
    }

    /// The name of the host that is called so, or has this address.
    pub fn find(&self, named: &str) -> Option<String> {
        let names = self.hosts.hosts.keys();
        let has = |name: &&String| {
            let addresses = &self.hosts.hosts[*name].addresses;
            *name == named || addresses.iter().any(|address| bare(address) == named)
        };
        names.clone().find(has).cloned()
    }

    /// Whether all of these can be called.
    ///
    /// # Errors
    /// When one is not enrolled here, with what to do.
    pub fn need(&self, names: &[String]) -> anyhow::Result<()> {
        let unknown: Vec<&str> =
            names.iter().filter(|name| !self.hosts.hosts.contains_key(*name)).map(String::as_str).collect();
        ensure!(
            unknown != [self.me.as_str()],
            "{me}, this host, is not enrolled yet: `systole host auth {me} addr=ADDRESS`, with the address that other hosts \
             reach it at; its own agent has to run, `systemctl enable --now systole-host-agent`",
            me = self.me
        );
        ensure!(
            unknown.is_empty(),
            "not enrolled on this host: {}. Make a token on each with `systole host-agent token`, and give it here: \
             `systole host auth NAME addr=ADDRESS --token TOKEN`; for this host itself no token is needed",
            unknown.join(", ")
        );
        Ok(())
    }

    /// Asks hosts, all at once.
    pub fn ask(&self, calls: Vec<(String, Call)>) -> Answers {
        let one = |name: &str, call: &Call| match self.hosts.hosts.get(name) {
            Some(host) => ask(host, call),
            None => Err("it is not enrolled on this host".into()),
        };
        std::thread::scope(|scope| {
            let asked: Vec<_> = calls
                .into_iter()
                .map(|(name, call)| {
                    let thread = scope.spawn({
                        let name = name.clone();
                        move || one(&name, &call)
                    });
                    (name, thread)
                })
                .collect();
            let answer = |thread: std::thread::ScopedJoinHandle<'_, _>| {
                thread.join().unwrap_or_else(|_| Err("asking it failed".into()))
            };
            asked.into_iter().map(|(name, thread)| (name, answer(thread))).collect()
        })
    }

    /// What hosts say of themselves.
    pub fn abouts(&self, names: &[String]) -> Abouts {
        let mut abouts = Abouts { known: BTreeMap::new(), silent: BTreeMap::new() };
        for (name, answer) in self.ask(names.iter().map(|name| (name.clone(), Call::About)).collect()) {
            match answer {
                Ok(Answer::About(about)) => {
                    abouts.known.insert(name, *about);
                }
                Ok(other) => {
                    abouts.silent.insert(name, format!("it answered something else: {other:?}"));
                }
                Err(reason) => {
                    abouts.silent.insert(name, reason);
                }
            }
        }
        abouts
    }

    /// What hosts say of themselves, once what an earlier command left half-way is finished or taken back.
    ///
    /// # Errors
    /// When one does not answer, or cannot end an earlier operation.
    pub fn settled(&self, names: &[String]) -> anyhow::Result<BTreeMap<String, About>> {
        let abouts = self.abouts(names);
        if let Some((name, reason)) = abouts.silent.first_key_value() {
            bail!("{name}: {reason}");
        }
        let mut known = abouts.known;
        let others = others_concerned(&known);
        if others.is_empty() && known.values().all(|about| about.pending.is_none()) {
            return Ok(known);
        }
        let more = self.abouts(&others);
        if let Some((name, reason)) = more.silent.first_key_value() {
            bail!(
                "an earlier command ended half-way, and whether {name} holds a part of it is not known ({reason}): bring \
                 its host agent back first"
            );
        }
        known.extend(more.known);
        for rest in rest(&known) {
            self.end(rest, &known)?;
        }
        Ok(self.abouts(names).known)
    }

    /// The same of this host alone, whatever others hold.
    ///
    /// # Errors
    /// When its agent does not answer, or cannot end an earlier operation.
    pub fn settled_here(&self) -> anyhow::Result<()> {
        let me = std::slice::from_ref(&self.me);
        let mut abouts = self.abouts(me);
        if let Some((name, reason)) = abouts.silent.first_key_value() {
            bail!("{name}: {reason}");
        }
        for pending in abouts.known.values_mut().filter_map(|about| about.pending.as_mut()) {
            pending.whole.hosts.retain(|host| *host == self.me);
            pending.whole.then.iter_mut().for_each(|group| group.retain(|task| task.host == self.me));
        }
        rest(&abouts.known).into_iter().try_for_each(|rest| self.end(rest, &abouts.known))
    }

    fn end(&self, rest: Rest, known: &BTreeMap<String, About>) -> anyhow::Result<()> {
        match rest {
            Rest::Finish { operation, hosts, then } => {
                eprintln!("An earlier command ended half-way, with its files in force everywhere: it is finished now.");
                // A file that is gone is not read again.
                let runs = |host: &&String| {
                    let is_there = |about: &About| about.files.iter().any(|state| state.file == HostFile::CorosyncConf);
                    known.get(*host).is_some_and(|about| about.engine.is_some() && is_there(about))
                };
                if let Some(host) = hosts.iter().find(runs) {
                    all_done(&self.ask(vec![(host.clone(), Call::Reload)]))?;
                }
                for group in then {
                    all_done(&self.ask(group.into_iter().map(|task| (task.host, task.deed.call())).collect()))?;
                }
                self.ask_each(&hosts, &Call::Settle { operation })
            }
            Rest::Undo { operation, hosts } => {
                eprintln!(
                    "An earlier command ended half-way: what it did is taken back first. Services that it stopped are not \
                     started again."
                );
                self.ask_each(&hosts, &Call::Undo { operation })?;
                self.back_in_force(&hosts)
            }
        }
    }

    fn ask_each(&self, hosts: &[String], call: &Call) -> anyhow::Result<()> {
        all_done(&self.ask(hosts.iter().map(|host| (host.clone(), call.clone())).collect()))
    }

    /// Engines that have read a file which was taken back since run with a newer version than their file has, and take the
    /// old configuration only as a newer one still.
    fn back_in_force(&self, hosts: &[String]) -> anyhow::Result<()> {
        let known = self.abouts(hosts).known;
        let engine = |about: &About| about.engine.as_ref().and_then(|engine| engine.config_version);
        let Some(runs) = known.values().filter_map(engine).max() else { return Ok(()) };
        let running: Vec<String> =
            known.iter().filter(|(_, about)| about.engine.is_some()).map(|(host, _)| host.clone()).collect();
        let read = Call::Read { file: HostFile::CorosyncConf };
        let Ok(Answer::File { content: Some(Content(bytes)) }) = self.ask(vec![(running[0].clone(), read)]).remove(0).1
        else {
            return Ok(());
        };
        let conf = Conf::parse(String::from_utf8_lossy(&bytes).into_owned());
        if setup::conf::version(&conf).is_none_or(|version| version >= runs) {
            return Ok(());
        }
        let newer = edit::set(&conf, &["totem", "config_version"], &(runs + 1).to_string())?;
        let content = Some(Content(newer.text().as_bytes().to_vec()));
        let nodes: Vec<String> = Model::of(&newer).nodes.iter().map(|node| node.called()).collect();
        let file = NewFile { file: HostFile::CorosyncConf, content };
        let members: Vec<String> = running.into_iter().filter(|host| nodes.contains(host)).collect();
        let plan = Plan {
            operation: format!("{}-back-{}", runs + 1, std::process::id()),
            files: nodes.iter().map(|host| (host.clone(), vec![file.clone()])).collect(),
            reload: members.first().cloned(),
            expect: Some(Expect { hosts: members.clone(), version: Some(runs + 1), members, device: None }),
            ..Plan::default()
        };
        self.change(plan).map(drop)
    }

    /// Carries a change through, and says on the way what is being done.
    ///
    /// # Errors
    /// When it could not be made; then everything is as it was, or the error says where not.
    pub fn change(&self, plan: Plan) -> anyhow::Result<Vec<String>> {
        let mut change = Change::new(plan);
        let mut said = "";
        let start = Instant::now();
        loop {
            let step = change.step();
            if change.doing() != said {
                said = change.doing();
                if !matches!(said, "done") {
                    eprintln!("[{:5.1} s] {said}", start.elapsed().as_secs_f32());
                }
            }
            match step {
                Step::Ask(calls) => {
                    let answers = self.ask(calls);
                    change.told(answers);
                }
                Step::Pause(time) => std::thread::sleep(time),
                Step::Done(Outcome::Made(left)) => return Ok(left),
                Step::Done(Outcome::NotMade { reason, left }) if left.is_empty() => {
                    bail!("{reason}. Everything is as it was")
                }
                Step::Done(Outcome::NotMade { reason, left }) => bail!(
                    "{reason}. It could not be taken back everywhere: {}. Run the command again when these hosts answer: \
                     it takes the rest back first",
                    left.join("; ")
                ),
            }
        }
    }
}

/// An address without its port.
fn bare(address: &str) -> &str {
    let bare = address.rsplit_once(':').map_or(address, |(bare, _)| bare);
    bare.trim_start_matches('[').trim_end_matches(']')
}

/// The error without the name of the host, which stands before it already.
fn ask(host: &Host, call: &Call) -> Result<Answer, String> {
    client::call(host, call).map_err(|error| {
        let chain: Vec<String> = error.chain().skip(1).map(ToString::to_string).collect();
        chain.join(": ")
    })
}

/// Fails if one of the hosts did not do it.
///
/// # Errors
/// With the hosts that did not, and why.
pub fn all_done(answers: &Answers) -> anyhow::Result<()> {
    let failed: Vec<String> = answers
        .iter()
        .filter_map(|(name, answer)| answer.as_ref().err().map(|reason| format!("{name}: {reason}")))
        .collect();
    ensure!(failed.is_empty(), "{}", failed.join("; "));
    Ok(())
}
