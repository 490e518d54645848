//! The hub machine under scripts: `tests/conformance/cases/embedded/*.txt`. `UPDATE=1` rewrites the answers.
//!
//! A line that begins with `>` is one turn of the hub: events with `;` between, all of which happen before it is asked
//! what to do. The lines below it are what it does. Clients are numbers; `hub` starts another hub.
//!
//! ```text
//! > hub token=1000 expected-votes=3      > 1 send TEXT           > time MS   (the clock goes on, timers fire in time)
//! > 1 member ID NAME VOTES               > 1 pong                > sleep MS  (the hub wakes up late)
//! > 1 presence ID NAME                   > 1 closed              > 1 behind
//! > 1 control REQUEST                    > 1 garbage             > 1 caught-up
//! > 1 connect                            > 1 old-member          > takes-messages
//! ```

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use embedded::frame::{PROTOCOL, ToClient, ToHub};
use embedded::{ClientId, Command, Config, Event, Hub, Reply};
use engine::{Host, Membership, NodeId};

#[test]
fn scripts_give_the_answers_written_below_them() {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/conformance/cases/embedded");
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(&cases).expect("the cases").map(|entry| entry.expect("a case").path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "no cases in {}", cases.display());
    let update = std::env::var_os("UPDATE").is_some();
    let mut wrong = Vec::new();
    for path in paths {
        let expected = std::fs::read_to_string(&path).expect("a case");
        let actual = run(&expected, &path);
        if actual != expected && update {
            std::fs::write(&path, &actual).expect("the case is rewritten");
        } else if actual != expected {
            wrong.push(format!("{}:\n{}", path.display(), difference(&expected, &actual)));
        }
    }
    assert!(wrong.is_empty(), "{}\nUPDATE=1 rewrites them", wrong.join("\n"));
}

fn difference(expected: &str, actual: &str) -> String {
    let line = expected.lines().zip(actual.lines()).position(|(left, right)| left != right);
    let line = line.unwrap_or(expected.lines().count().min(actual.lines().count()));
    let at = |text: &str| text.lines().nth(line).unwrap_or("(the end)").to_owned();
    format!("  line {}: expected {:?}, got {:?}", line + 1, at(expected), at(actual))
}

fn run(script: &str, path: &Path) -> String {
    let mut runner = Runner { hub: Hub::new(&Config::default()), now: Duration::ZERO, met: BTreeSet::new() };
    let mut output = String::new();
    for (number, line) in script.lines().enumerate() {
        if let Some(turn) = line.strip_prefix("> ") {
            writeln!(output, "{line}").expect("a string");
            let answer = runner.turn(turn).unwrap_or_else(|| panic!("{}:{}: {line:?}", path.display(), number + 1));
            output.push_str(&answer);
        } else if line.is_empty() || line.starts_with('#') {
            writeln!(output, "{line}").expect("a string");
        }
    }
    output
}

struct Runner {
    hub: Hub,
    now: Duration,
    met: BTreeSet<ClientId>,
}

impl Runner {
    /// Runs one turn; none when the line is not one.
    fn turn(&mut self, turn: &str) -> Option<String> {
        let mut output = String::new();
        for step in turn.split("; ") {
            let (word, rest) = step.split_once(' ').unwrap_or((step, ""));
            match word {
                "hub" => *self = Runner { hub: Hub::new(&config(rest)?), now: Duration::ZERO, met: BTreeSet::new() },
                "time" => self.time(rest.parse().ok()?, &mut output),
                "sleep" => {
                    self.now += Duration::from_millis(rest.parse().ok()?);
                    self.hub.handle(self.now, Event::Timeout);
                }
                "takes-messages" => writeln!(output, "{}", self.hub.takes_messages()).expect("a string"),
                client => self.event(ClientId(client.parse().ok()?), rest)?,
            }
        }
        self.drain("", &mut output);
        Some(output)
    }

    fn time(&mut self, ms: u64, output: &mut String) {
        let end = self.now + Duration::from_millis(ms);
        while let Some(due) = self.hub.deadline().filter(|due| *due <= end) {
            self.now = due;
            self.hub.handle(due, Event::Timeout);
            self.drain(&format!("at {}: ", due.as_millis()), output);
        }
        self.now = end;
    }

    fn event(&mut self, client: ClientId, what: &str) -> Option<()> {
        if self.met.insert(client) {
            self.hub.handle(self.now, Event::Connected { client });
        }
        let (word, rest) = what.split_once(' ').unwrap_or((what, ""));
        let words: Vec<&str> = rest.split(' ').collect();
        let host = || Some(Host { id: NodeId(words.first()?.parse().ok()?), name: (*words.get(1)?).into() });
        let votes = || words.get(2)?.parse().ok();
        let frame = match word {
            "connect" => return Some(()),
            "member" => ToHub::Member { protocol: PROTOCOL, host: host()?, votes: votes()? },
            "old-member" => ToHub::Member { protocol: PROTOCOL - 1, host: host()?, votes: votes()? },
            "presence" => ToHub::Presence { protocol: PROTOCOL, host: host()? },
            "control" => ToHub::Control { protocol: PROTOCOL, request: rest.into() },
            "send" => ToHub::Send { payload: rest.into() },
            "pong" => ToHub::Pong,
            _ => {
                let event = match word {
                    "closed" => Event::Closed { client },
                    "garbage" => Event::Garbage { client, what: "a frame of unknown kind 99".into() },
                    "behind" => Event::Behind { client },
                    "caught-up" => Event::CaughtUp { client },
                    _ => return None,
                };
                self.hub.handle(self.now, event);
                return Some(());
            }
        };
        self.hub.handle(self.now, Event::Received { client, frame });
        Some(())
    }

    fn drain(&mut self, prefix: &str, output: &mut String) {
        while let Some(command) = self.hub.poll() {
            writeln!(output, "{prefix}{}", describe(&command)).expect("a string");
        }
    }
}

fn config(words: &str) -> Option<Config> {
    let (mut token, mut expected_votes) = (Config::default().token(), None);
    for word in words.split_whitespace() {
        match word.split_once('=')? {
            ("token", ms) => token = Duration::from_millis(ms.parse().ok()?),
            ("expected-votes", votes) => expected_votes = Some(votes.parse().ok()?),
            _ => return None,
        }
    }
    Config::new(token, expected_votes).ok()
}

fn describe(command: &Command) -> String {
    match command {
        Command::Send { to, frame } => {
            let to: Vec<String> = to.iter().map(|client| client.0.to_string()).collect();
            format!("{} <- {}", to.join(","), describe_frame(frame))
        }
        Command::Close { client, reason: None } => format!("{} closed", client.0),
        Command::Close { client, reason: Some(reason) } => format!("{} closed: {reason}", client.0),
        Command::Stop => "stop".into(),
    }
}

fn describe_frame(frame: &ToClient) -> String {
    match frame {
        ToClient::Welcome { token_ms } => format!("welcome, token {token_ms} ms"),
        ToClient::Refused { reason } => format!("refused: {reason}"),
        ToClient::Membership(membership) => describe_membership(membership),
        ToClient::Delivered { from, payload } => format!("from {from}: {}", String::from_utf8_lossy(payload)),
        ToClient::Ping => "ping".into(),
        ToClient::Removed { reason } => format!("removed: {reason}"),
        ToClient::Reply(Reply::Done) => "done".into(),
        ToClient::Reply(Reply::Refused(reason)) => format!("not done: {reason}"),
        ToClient::Reply(Reply::Status(status)) => status.to_string().trim_end().replace('\n', "\n    "),
    }
}

fn describe_membership(membership: &Membership) -> String {
    let Membership { number, hosts, members, quorate, votes, expected_votes } = membership;
    let hosts: Vec<String> = hosts.iter().map(|host| format!("{}:{}", host.id, host.name)).collect();
    let members: Vec<String> = members.iter().map(|member| format!("{} since {}", member.id, member.since)).collect();
    let quorum = if *quorate { "quorate" } else { "no quorum" };
    let (hosts, members) = (hosts.join(" "), members.join(", "));
    format!("membership {number}: hosts {hosts}; members {members}; votes {votes} of {expected_votes}, {quorum}")
}
