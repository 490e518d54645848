//! The hosts of a cluster, through their host agents: asked all at once, and changed all or none. What is asked is
//! decided in `setup`; this is its hands.

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::{Context as _, bail, ensure};
use host_agent::hosts::Host;
use host_agent::{Hosts, Paths, about, client};
use setup::change::{Answers, Change, Outcome, Plan, Rest, Step, rest};
use wire::host::{About, Answer, Call};

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
        let rests = rest(&abouts.known);
        if rests.is_empty() {
            return Ok(abouts.known);
        }
        for rest in rests {
            self.end(rest, &abouts.known)?;
        }
        Ok(self.abouts(names).known)
    }

    fn end(&self, rest: Rest, known: &BTreeMap<String, About>) -> anyhow::Result<()> {
        let (hosts, call) = match rest {
            Rest::Finish { operation, hosts } => {
                eprintln!("An earlier command ended half-way, with its files in force everywhere: it is finished now.");
                let running = hosts.iter().find(|host| known.get(*host).is_some_and(|about| about.engine.is_some()));
                if let Some(host) = running {
                    all_done(&self.ask(vec![(host.clone(), Call::Reload)]))?;
                }
                (hosts, Call::Settle { operation })
            }
            Rest::Undo { operation, hosts } => {
                eprintln!("An earlier command ended half-way: what it did is taken back first.");
                (hosts, Call::Undo { operation })
            }
        };
        all_done(&self.ask(hosts.into_iter().map(|host| (host, call.clone())).collect()))
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
