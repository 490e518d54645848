//! `pcs`, as its users know it: the grammar is the crate `pcs`, the CIB comes from a file (`-f`) or the cluster and goes
//! back there whole or not at all. `systole COMMAND` takes the same commands where it has no command of that name.

mod by_hand;
mod edit;
pub mod foresight;
pub mod mistakes;

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::time::Duration;

use ::pcs::agent::Name;
use ::pcs::command_line::CommandLine;
use ::pcs::foresight::{Foresight, State};
use ::pcs::pairs::Pairs;
use ::pcs::{Answer, FAILED, USAGE, World, commands};
use cib::{Document, SCHEMA};

use super::Tool;
use super::agent::{self, Agent};
use super::call::{self, Call};
use super::status::Failure;
use super::store::{self, Store};
use crate::cluster::{View, now};
use crate::commands::cib::differences;
use crate::output::list::List;
use crate::{change, confidential, follows, terminal};

/// The tool.
pub const TOOL: Tool = Tool {
    name: "pcs",
    about: "Configure the cluster, as pcs does it",
    run: |arguments| call::run(arguments, |call| run(call, FAILED)),
};

/// How long an agent may take to tell its metadata: Pacemaker's default for it.
const METADATA_TIMEOUT: Duration = Duration::from_secs(30);
/// How long `--wait` waits unless told: pcs's own.
const WAIT_DEFAULT: Duration = Duration::from_secs(60 * 60);
/// A file that is not there yet begins like this.
const EMPTY: &str = "<configuration><crm_config/><nodes/><resources/><constraints/></configuration><status/>";

/// Commands of `systole` that do what pcs's do which need a running cluster: pcs's words, and ours.
const ELSEWHERE: &[(&[&str], &[&str])] = &[
    (&["status"], &["status"]),
    (&["resource", "status"], &["status"]),
    (&["stonith", "status"], &["status"]),
    (&["cluster", "status"], &["status"]),
    (&["cluster", "report"], &["report"]),
    (&["status", "quorum"], &["quorum", "status"]),
    (&["config", "checkpoint", "view"], &["config", "show"]),
    (&["config", "checkpoint", "diff"], &["config", "diff"]),
    (&["config", "checkpoint", "restore"], &["config", "restore"]),
    (&["config", "checkpoint"], &["config", "history"]),
    (&["stonith", "fence"], &["stonith", "fence"]),
    (&["stonith", "confirm"], &["stonith", "confirm"]),
    (&["stonith", "history"], &["stonith", "history"]),
    (&["host"], &["host"]),
    (&["cluster", "auth"], &["cluster", "auth"]),
    (&["cluster", "authkey"], &["cluster", "authkey"]),
    (&["cluster", "config"], &["cluster", "config"]),
    (&["cluster", "destroy"], &["cluster", "destroy"]),
    (&["cluster", "disable"], &["cluster", "disable"]),
    (&["cluster", "enable"], &["cluster", "enable"]),
    (&["cluster", "link"], &["cluster", "link"]),
    (&["cluster", "node", "add"], &["cluster", "node", "add"]),
    (&["cluster", "node", "clear"], &["cluster", "node", "clear"]),
    (&["cluster", "node", "delete"], &["cluster", "node", "remove"]),
    (&["cluster", "node", "remove"], &["cluster", "node", "remove"]),
    (&["cluster", "reload"], &["cluster", "reload"]),
    (&["cluster", "rename"], &["cluster", "rename"]),
    (&["cluster", "setup"], &["cluster", "setup"]),
    (&["cluster", "start"], &["cluster", "start"]),
    (&["cluster", "stop"], &["cluster", "stop"]),
    (&["cluster", "sync"], &["cluster", "sync"]),
    (&["cluster", "uidgid"], &["cluster", "uidgid"]),
    (&["quorum"], &["quorum"]),
    (&["qdevice"], &["qdevice"]),
];

/// Whether `systole` takes a command line for pcs's: its words are, and they are none of its own commands.
pub fn takes(arguments: &[OsString], own: &clap::Command) -> bool {
    let words: Option<Vec<String>> = arguments.iter().map(|word| word.to_str().map(str::to_owned)).collect();
    let Some(line) = words.and_then(|words| CommandLine::read(&words).ok()) else { return false };
    if !commands::knows(&line.words) {
        return false;
    }
    // Ours work on the cluster: with a file pcs's are meant.
    if line.options.has("-f") {
        return true;
    }
    let mut command = own;
    for (at, word) in line.words.iter().enumerate() {
        match command.find_subcommand(word) {
            Some(below) if at == 0 || below.has_subcommands() => command = below,
            Some(_) => return false,
            // A command that takes no words has none of its own there.
            None => return at == 0 || command.has_subcommands() || command.get_positionals().next().is_none(),
        }
    }
    // Every word is one of ours: what stands alone there shows something here.
    command.has_subcommands()
}

/// Does it as `systole`: a command line that is not understood ends with 2 there.
pub fn run_as_systole(arguments: Vec<OsString>) -> u8 {
    call::run(arguments, |call| run(call, USAGE))
}

fn run(call: &mut Call, usage: u8) -> u8 {
    let words: Vec<String> = match call.arguments[1..].iter().map(|word| word.to_str().map(str::to_owned)).collect() {
        Some(words) => words,
        None => {
            call.complain("Error: an argument is no UTF-8 text");
            return usage;
        }
    };
    let line = CommandLine::read(&words).unwrap_or_default();
    let done = if line.options.has("--help") { None } else { act_by_hand(call, &line) };
    match done {
        Some(Ok(status)) => return status,
        Some(Err((status, message))) => {
            call.complain(format!("Error: {message}"));
            return if status == USAGE { usage } else { status };
        }
        None => {}
    }
    if line.words.starts_with(&["cluster".to_owned(), "edit".to_owned()]) && !line.options.has("--help") {
        return match edit::run(call, &line) {
            Ok(Ok(status)) if status == USAGE => usage,
            Ok(Ok(status)) => status,
            Ok(Err(message)) => {
                call.complain(message);
                usage
            }
            Err(failure) => {
                call.complain(format!("Error: {}", failure.message.unwrap_or_default()));
                FAILED
            }
        };
    }
    if let Some(status) = elsewhere(&words) {
        return status;
    }
    let own = usage == USAGE;
    match execute(call, &words, &line, own) {
        Ok((answer, cib)) => {
            // pcs itself hides nothing; and what is saved to be pushed again has to be whole.
            let whole = !own
                || line.options.has(confidential::OPTION)
                || line.words.starts_with(&["cluster", "cib"].map(str::to_owned));
            let secret: Vec<&Document> = cib.iter().collect();
            call.out.push_str(&confidential::text(&answer.out, &secret, whole));
            call.err.push_str(&answer.err);
            if let Some(cib) = cib.filter(|_| own && answer.status != 0) {
                mistakes::meant(&line, &answer.err, &cib).into_iter().for_each(|hint| call.complain(hint));
            }
            if answer.status == USAGE { usage } else { answer.status }
        }
        Err(failure) => {
            let message = failure.message.unwrap_or_default();
            call.complain(format!("Error: {message}"));
            FAILED
        }
    }
}

/// Does what is a classic tool's work, if it is such a command; or says with which status it is refused, and why.
fn act_by_hand(call: &mut Call, line: &CommandLine) -> Option<Result<u8, (u8, String)>> {
    if line.words.get(1).is_some_and(|word| word.starts_with("debug-")) {
        let store = line.options.value("-f").map_or_else(|| Store::of(call), |file| Store::File(file.into()));
        match store.read() {
            Ok(found) => {
                if let Some(message) = by_hand::refuse(&found.document, line) {
                    return Some(Err((FAILED, message)));
                }
            }
            Err(failure) => return Some(Err((FAILED, failure.message.unwrap_or_default()))),
        }
    }
    by_hand::run(call, line).map(|done| done.map_err(|message| (USAGE, message)))
}

/// Does what needs a running cluster as `systole` does it, if it is such a command.
fn elsewhere(words: &[String]) -> Option<u8> {
    let bare = match words {
        [family] => match family.as_str() {
            "resource" | "stonith" => Some("status"),
            "quorum" => Some("quorum config"),
            _ => None,
        },
        _ => None,
    };
    let bare: Vec<&str> = bare.into_iter().flat_map(|ours| ours.split(' ')).collect();
    let (theirs, ours): (&[&str], &[&str]) = match bare.is_empty() {
        false => (&[""], &bare),
        true => *ELSEWHERE.iter().find(|(theirs, _)| {
            words.len() >= theirs.len() && theirs.iter().zip(words).all(|(word, given)| word == given)
        })?,
    };
    let mut argv: Vec<String> = ["systole"].iter().chain(ours).map(|word| (*word).to_owned()).collect();
    for word in &words[theirs.len()..] {
        match word.split_once('=') {
            // What these hide or add, ours shows or not by itself.
            None if matches!(word.as_str(), "--full" | "--hide-inactive" | "--strict") => {}
            None if word == "--from" => argv.push("--since".to_owned()),
            Some(("node", node)) => argv.extend(["--node".to_owned(), node.to_owned()]),
            _ => argv.push(word.clone()),
        }
    }
    Some(crate::run(argv.into_iter().map(OsString::from).collect()))
}

/// Does it; gives the configuration that the answer may tell of, too.
fn execute(
    call: &mut Call,
    words: &[String],
    line: &CommandLine,
    own: bool,
) -> Result<(Answer, Option<Document>), Failure> {
    let world = Machine::of(call);
    let nothing = || Document::new("cib");
    let asks = !commands::knows(&line.words) || commands::is_about_agents(&line.words);
    if asks || line.options.has("--help") || line.options.has("--version") {
        return Ok((::pcs::run(words, &nothing(), &world), None));
    }
    let store = match line.options.value("-f") {
        Some(file) => {
            begin(Path::new(file))?;
            Store::File(file.into())
        }
        None => Store::of(call),
    };
    if line.options.has("--plan") {
        return plan(&store, words, &world).map(|answer| (answer, None));
    }
    let (mut last, mut told) = (None, None);
    store.change(line.options.force(), |document| {
        let mut answer = ::pcs::run(words, document, &world);
        if let (Some(next), false) = (&answer.next, store.is_live()) {
            let message = "nothing was changed: this ends when a cluster has done its part, and a file has none";
            return Err(Failure::new(FAILED, format!("{message} ({} there)", next.left)));
        }
        told = Some(document.clone());
        if let (true, Some(after)) = (own, &answer.cib) {
            let (errors, warnings) = mistakes::told(&mistakes::brought(document, after));
            if let (Some(error), false) = (errors.first(), line.options.force()) {
                return Err(Failure::new(FAILED, format!("nothing was changed: {error}, use --force to override")));
            }
            let warned = errors.iter().chain(&warnings).map(|text| format!("Warning: {text}\n"));
            answer.err.extend(warned);
        }
        if let (true, Some(after)) = (line.options.has("--confirm"), &answer.cib) {
            confirm(call, document, after, store.is_live())?;
        }
        let changes = answer.cib.is_some();
        if let Some(after) = answer.cib.take() {
            *document = after;
        }
        last = Some((answer, changes));
        Ok(())
    })?;
    let Some((mut answer, changed)) = last else { return Err(Failure::silent(FAILED)) };
    if let Some((path, text)) = answer.save.take() {
        store::write_file(Path::new(&path), &text)?;
    }
    if let Store::Live(socket) = &store {
        let wait = line.options.value("--wait").filter(|_| changed);
        let limit =
            wait.and_then(|wait| cib::duration::parse_ms(wait).ok()).map_or(WAIT_DEFAULT, Duration::from_millis);
        finish(call, &store, socket, limit, &mut answer)?;
        if wait.is_some() && answer.status == 0 {
            let (quiet, text) = wait_for(socket, limit)?;
            answer.err.push_str(&text);
            answer.status = if quiet { answer.status } else { FAILED };
        }
    }
    Ok((answer, told))
}

fn wait_for(socket: &Path, limit: Duration) -> Result<(bool, String), Failure> {
    let quiet = change::quiet_within(&mut store::connect(socket)?, limit);
    quiet.map_err(|error| Failure::new(FAILED, format!("{error:#}")))
}

/// Does the second half of a command when the cluster has come to rest.
fn finish(call: &mut Call, store: &Store, socket: &Path, limit: Duration, answer: &mut Answer) -> Result<(), Failure> {
    while let Some(next) = answer.next.take() {
        // It may take a while, so what is known is said now.
        call.out.push_str(&std::mem::take(&mut answer.out));
        call.err.push_str(&std::mem::take(&mut answer.err));
        let flushed = call.flush();
        flushed.map_err(|error| Failure::new(FAILED, format!("writing the output: {error}")))?;
        let left = |failure: Failure| {
            let why = failure.message.unwrap_or_default();
            Failure::new(FAILED, format!("{why}\n{}", next.left))
        };
        let (quiet, text) = wait_for(socket, limit).map_err(left)?;
        if !quiet {
            return Err(left(Failure::new(
                FAILED,
                format!("the cluster is not at rest after {} s\n{text}", limit.as_secs()),
            )));
        }
        let mut last = None;
        let world = Machine::of(call);
        let changed = store.change(false, |document| {
            let mut second = ::pcs::go_on(&next, document, &world);
            if let Some(after) = second.cib.take() {
                *document = after;
            }
            last = Some(second);
            Ok(())
        });
        changed.map_err(left)?;
        let Some(mut second) = last else { return Err(Failure::silent(FAILED)) };
        if second.status != 0 {
            second.err.push_str(&format!("{}\n", next.left));
        }
        *answer = second;
    }
    Ok(())
}

/// Makes a file that is not there, as pcs does: commands may begin with nothing.
fn begin(path: &Path) -> Result<(), Failure> {
    match path.exists() {
        true => Ok(()),
        false => {
            let text = format!(
                "<cib admin_epoch=\"0\" epoch=\"0\" num_updates=\"0\" validate-with=\"{SCHEMA}\">{EMPTY}</cib>"
            );
            let document = Document::parse(&text).map_err(|error| Failure::new(FAILED, error.to_string()))?;
            store::write_file(path, &document.to_xml())
        }
    }
}

/// Shows what would change and asks whether to do it.
fn confirm(call: &Call, before: &Document, after: &Document, ours: bool) -> Result<(), Failure> {
    if !call.is_read() {
        return Err(Failure::new(
            FAILED,
            "nothing was changed: --confirm asks on a terminal, and there is none".to_owned(),
        ));
    }
    let failed = |error: anyhow::Error| Failure::new(FAILED, format!("{error:#}"));
    terminal::print(&foreseen(before, after, ours)).map_err(failed)?;
    match terminal::ask("Do it?").map_err(failed)? {
        true => Ok(()),
        false => Err(Failure::new(FAILED, "nothing was changed: you said no".to_owned())),
    }
}

fn foreseen(before: &Document, after: &Document, ours: bool) -> String {
    let mut list = List::new();
    list.begin("What would change in the configuration");
    differences::lines(before, after).iter().for_each(|line| list.item(line));
    list.end();
    follows::write(&mut list, &View { ours, ..View::new(after.clone()) }.plan(), "What would follow");
    list.take()
}

/// Says what a command would change, and what the cluster would do then; writes nothing.
fn plan(store: &Store, words: &[String], world: &Machine<'_>) -> Result<Answer, Failure> {
    let found = store.read()?;
    let mut answer = ::pcs::run(words, &found.document, world);
    let Some(after) = answer.cib.take() else { return Ok(answer) };
    answer.out.push_str(&foreseen(&found.document, &after, store.is_live()));
    if store.is_live() {
        store::warn_of_unreached(&found.document, &after);
    }
    answer.out.push_str("Nothing was written (--plan).\n");
    Ok(answer)
}

/// This machine, with its agents.
struct Machine<'c> {
    call: &'c Call,
    /// The same agent is asked once.
    known: OnceCell<BTreeMap<Name, String>>,
}

impl<'c> Machine<'c> {
    fn of(call: &'c Call) -> Self {
        Machine { call, known: OnceCell::new() }
    }
}

impl World for Machine<'_> {
    fn metadata(&self, name: &Name) -> Result<String, String> {
        if let Some(text) = self.known.get().and_then(|known| known.get(name)) {
            return Ok(text.clone());
        }
        if matches!(name.standard.as_str(), "systemd" | "lsb" | "service") {
            return service(name);
        }
        let found = Agent { class: name.standard.clone(), provider: name.provider.clone(), kind: name.kind.clone() };
        let ended = agent::run(&found, "metadata", "meta-data", &BTreeMap::new(), None, METADATA_TIMEOUT)
            .map_err(|failure| failure.message.unwrap_or_else(|| "it cannot be run".to_owned()))?;
        if ended.rc != 0 || ended.out.trim().is_empty() {
            return Err(format!("it gave exit status {} and no metadata", ended.rc));
        }
        // A race of changes asks again; the first agent that was asked for is the one that counts.
        let _ = self.known.set(BTreeMap::from([(name.clone(), ended.out.clone())]));
        Ok(ended.out)
    }

    fn validate(&self, name: &Name, parameters: &Pairs) -> Result<(), String> {
        let asked = Agent { class: name.standard.clone(), provider: name.provider.clone(), kind: name.kind.clone() };
        let parameters: BTreeMap<String, String> = parameters.iter().cloned().collect();
        let ended = agent::run(&asked, "validate", "validate-all", &parameters, None, METADATA_TIMEOUT)
            .map_err(|failure| failure.message.unwrap_or_else(|| "it cannot be run".to_owned()))?;
        match ended.rc {
            0 => Ok(()),
            rc => Err(format!("{} (exit status {rc})", ended.reason().unwrap_or_else(|| ended.err.trim()))),
        }
    }

    fn foresee(&self, cib: &Document) -> Result<Foresight, String> {
        foresight::of(cib)
    }

    fn state(&self, cib: &Document, resource: &str) -> Option<State> {
        foresight::state(cib, resource)
    }

    fn standards(&self) -> Vec<String> {
        agent::standards().into_iter().map(str::to_owned).collect()
    }

    fn providers(&self) -> Vec<String> {
        agent::providers()
    }

    fn agents(&self, standard: &str, provider: Option<&str>) -> Vec<String> {
        agent::agents(standard, provider)
    }

    fn now(&self) -> i64 {
        now()
    }

    fn local_node(&self) -> Option<String> {
        let found = store::fetch(&mut store::connect(&self.call.socket()).ok()?).ok()?;
        found.status.map(|status| status.node.clone())
    }

    fn read(&self, path: &str) -> Result<String, String> {
        fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))
    }
}

/// What is known of every service: they tell nothing of themselves.
fn service(name: &Name) -> Result<String, String> {
    let unit = name.kind.split('@').next().unwrap_or_default();
    let there = agent::agents(&name.standard, None);
    if !there.iter().any(|known| *known == name.kind || known.trim_end_matches('@') == unit) {
        return Err(format!("there is no {} service {}", name.standard, name.kind));
    }
    // Pacemaker's own values for services.
    let (timeout, interval) = if name.standard == "lsb" { ("15", "15") } else { ("100", "60") };
    let action = |name: &str| format!("<action name=\"{name}\" timeout=\"{timeout}\"/>");
    let actions: String = ["start", "stop", "status"].into_iter().map(action).collect();
    Ok(format!(
        "<resource-agent name=\"service\"><version>1.0</version><parameters/><actions>{actions}\
         <action name=\"monitor\" timeout=\"{timeout}\" interval=\"{interval}\"/><action name=\"meta-data\" timeout=\"5\"/>\
         </actions></resource-agent>"
    ))
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::os::unix::net::UnixListener;

    use wire::request::{from_line, to_line};
    use wire::{Reply, Request};

    use super::*;
    use crate::commands::tests::{cluster, status};

    fn takes_words(text: &str) -> bool {
        takes(&text.split(' ').map(OsString::from).collect::<Vec<_>>(), &crate::grammar())
    }

    #[test]
    fn commands_of_both_stay_those_of_systole() {
        for own in [
            "status",
            "move web n1",
            "node release n1",
            "stonith fence n1",
            "cib show",
            "config history",
            "cluster stop",
            "stonith level add",
        ] {
            assert!(!takes_words(own), "{own}");
        }
        for theirs in [
            "resource create a b",
            "-f x node standby n1",
            "stonith create f x",
            "cluster cib",
            "constraint",
            "property set a=b",
            "config",
            "resource restart a",
            "resource move a",
            "stonith refresh f",
        ] {
            assert!(takes_words(theirs), "{theirs}");
        }
    }

    fn pcs(directory: &Path, words: &str) -> (u8, String, String) {
        let file = directory.join("cib.xml").display().to_string();
        let arguments = ["pcs", "-f", &file].into_iter().chain(words.split(' ')).map(OsString::from).collect();
        let mut call = Call::kept(arguments, BTreeMap::new(), Vec::new());
        let status = run(&mut call, FAILED);
        (status, call.out, call.err)
    }

    #[test]
    fn a_file_is_made_changed_and_kept_when_a_command_is_wrong() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        assert_eq!(pcs(path, "property set no-quorum-policy=freeze").0, 0);
        assert!(pcs(path, "property").1.contains(" no-quorum-policy: freeze"));
        let before = fs::read_to_string(path.join("cib.xml")).unwrap();
        let (status, _, err) = pcs(path, "property set no-quorum-polcy=stop");
        assert!(status == FAILED && err.contains("did you mean 'no-quorum-policy'?"), "{err}");
        assert_eq!(pcs(path, "no such command").0, FAILED);
        assert_eq!(fs::read_to_string(path.join("cib.xml")).unwrap(), before);
    }

    /// Answers the requests of one connection after the other; gives the writes it was asked for.
    fn daemon(path: &Path, connections: Vec<Vec<Reply>>) -> std::thread::JoinHandle<Vec<String>> {
        let listener = UnixListener::bind(path).unwrap();
        std::thread::spawn(move || {
            let mut writes = Vec::new();
            for replies in connections {
                let (stream, _) = listener.accept().unwrap();
                let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
                for reply in replies {
                    let Some(Ok(line)) = lines.next() else { break };
                    if let Request::Write { write, .. } = from_line(&line).unwrap() {
                        writes.push(format!("{write:?}"));
                    }
                    (&stream).write_all(to_line(&reply).as_bytes()).unwrap();
                }
            }
            writes
        })
    }

    #[test]
    fn a_move_leaves_nothing_behind() {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("socket");
        let before = cluster().document;
        let mut moved = before.clone();
        let known = cluster().cluster();
        let web = crate::cluster::resource(&known, "web").unwrap();
        crate::by_hand::prefer(&mut moved, &crate::by_hand::Target::of(&known, web), "two");
        let moved = foresight::of(&moved).unwrap().after;
        let tells = |cib: &Document| Reply::Status(Box::new(wire::Status { cib: cib.to_xml(), ..status() }));
        let written = || Reply::Written { version: (0, 13, 0) };
        let connections = vec![vec![tells(&before), written()], vec![tells(&moved)], vec![tells(&moved), written()]];
        let daemon = daemon(&socket, connections);
        let arguments = ["pcs", "resource", "move", "web", "two"].map(OsString::from).to_vec();
        let variables = BTreeMap::from([("SYSTOLE_SOCKET".to_owned(), socket.display().to_string())]);
        let mut call = Call::kept(arguments, variables, Vec::new());
        let status = run(&mut call, FAILED);
        assert_eq!(status, 0, "{}", call.err);
        assert!(call.err.contains("has been removed\nresource 'web' is started on node 'two'"), "{}", call.err);
        let writes = daemon.join().unwrap();
        assert_eq!(writes.len(), 2, "{writes:?}");
        assert!(writes[0].contains("cli-prefer-web") && writes[0].contains("Create"), "{}", writes[0]);
        assert!(writes[1].contains("cli-prefer-web") && writes[1].contains("Delete"), "{}", writes[1]);
    }

    #[test]
    fn a_move_is_refused_where_no_cluster_ends_it() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("cib.xml");
        let before = cluster().document.to_xml();
        fs::write(&file, &before).unwrap();
        let arguments = ["pcs", "resource", "move", "web", "two"].map(OsString::from).to_vec();
        let variables = BTreeMap::from([("CIB_file".to_owned(), file.display().to_string())]);
        let mut call = Call::kept(arguments, variables, Vec::new());
        assert_eq!(run(&mut call, FAILED), FAILED);
        assert!(call.err.contains("nothing was changed: this ends when a cluster"), "{}", call.err);
        assert_eq!(fs::read_to_string(&file).unwrap(), before);
    }

    #[test]
    fn a_plan_writes_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let (status, out, _) = pcs(directory.path(), "property set stonith-enabled=false --plan");
        assert!(status == 0 && out.contains("+ ") && out.contains("Nothing was written"), "{out}");
        assert!(!fs::read_to_string(directory.path().join("cib.xml")).unwrap().contains("stonith-enabled"));
    }

    #[test]
    fn a_cib_is_saved_to_a_file() {
        let directory = tempfile::tempdir().unwrap();
        let copy = directory.path().join("copy.xml");
        assert_eq!(pcs(directory.path(), &format!("cluster cib {}", copy.display())).0, 0);
        assert!(fs::read_to_string(copy).unwrap().starts_with("<cib"));
    }
}
