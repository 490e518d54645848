//! The program around the agents: which one is meant, its environment, its answer; and the links by which resource
//! managers find it. What an agent does is in its own file.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use ocf::served::SERVE;
use ocf::{Agent, EXIT_REASON_PREFIX, Environment, Outcome};

use crate::bounded::Deadline;
use crate::{AGENTS, agent, ipaddr2, nfsserver, serve, supervised, tcp_file};

const USAGE: &str = "\
usage: systole-agents AGENT ACTION
       systole-agents list
       systole-agents install OCF_ROOT [--heartbeat]

AGENT ACTION      carry out an action (start, stop, monitor, validate-all, meta-data) of an agent; parameters come as
                  OCF_RESKEY_NAME in the environment. The program may also be called by the name of an agent.
list              the names of the agents
install OCF_ROOT  link every agent as OCF_ROOT/resource.d/systole/AGENT, and with --heartbeat also in the place of
                  the shell agents, OCF_ROOT/resource.d/heartbeat/AGENT; files that are not ours are left alone
";

/// OCF: 2 for a call with wrong arguments.
const WRONG_USE: u8 = 2;

/// Runs the program with these arguments, the program's own name first.
pub fn main(arguments: Vec<OsString>) -> ExitCode {
    let mut words = Vec::with_capacity(arguments.len());
    for word in arguments {
        match word.into_string() {
            Ok(word) => words.push(word),
            Err(word) => return wrong_use(&format!("the argument {word:?} is not UTF-8")),
        }
    }
    let called = words.first().map_or("", String::as_str);
    let name = Path::new(called).file_name().and_then(|name| name.to_str()).unwrap_or("").to_owned();
    let rest = words.get(1..).unwrap_or_default();
    if agent(&name).is_some() {
        return match rest {
            [action] => run_agent(&name, action),
            _ => wrong_use(&format!("{name} expects one argument, the action")),
        };
    }
    let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
    match rest[..] {
        ["list"] => say(&AGENTS.iter().map(|(name, _)| format!("{name}\n")).collect::<String>()),
        ["help" | "--help" | "-h"] => say(USAGE),
        ["install", root] => install(Path::new(root), &["systole"]),
        ["install", "--heartbeat", root] | ["install", root, "--heartbeat"] => {
            install(Path::new(root), &["systole", "heartbeat"])
        }
        [ipaddr2::ANNOUNCE, ..] => match ipaddr2::announce_rest(&words[2..]) {
            Some(()) => ExitCode::SUCCESS,
            None => wrong_use("expected an address, a link, a count and an interval"),
        },
        [own, ..] if nfsserver::OWN_PROCESSES.contains(&own) => nfsserver::own_process(&words[1..]),
        [tcp_file::SERVE, ..] => tcp_file::serve_command(&words[2..]),
        [name, action] if agent(name).is_some() => run_agent(name, action),
        [name, _] => wrong_use(&format!("there is no agent {name:?}; systole-agents list names them")),
        _ => wrong_use("expected an agent and an action"),
    }
}

/// All agents of this program, whichever it was called by.
fn serve_all() -> ExitCode {
    match serve::serve(io::stdin().lock(), io::stdout()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => wrong_use(&format!("serving: {error}")),
    }
}

fn run_agent(name: &str, action: &str) -> ExitCode {
    if action == SERVE {
        return serve_all();
    }
    let Some(agent) = agent(name) else { return wrong_use(&format!("there is no agent {name:?}")) };
    let outcome = match Environment::parse(inherited(), action) {
        Ok(environment) => carry_out(agent, environment),
        Err(error) => {
            Outcome { code: ocf::ExitCode::InvalidParameter, output: String::new(), reason: Some(error.to_string()) }
        }
    };
    if let Some(reason) = &outcome.reason {
        // One line: whoever reads it takes the last line with the mark.
        let _ = writeln!(io::stderr(), "{EXIT_REASON_PREFIX}{}", reason.replace('\n', " "));
    }
    let _ = io::stdout().write_all(outcome.output.as_bytes());
    ExitCode::from(outcome.code.code())
}

/// What this process found in its environment.
pub(crate) fn inherited() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)))
}

fn carry_out(agent: &dyn Agent, environment: Environment) -> Outcome {
    let mut say = |line: &str| {
        let _ = writeln!(io::stdout(), "{line}").and_then(|()| io::stdout().flush());
    };
    let is_only_asked = matches!(environment.action.as_str(), "meta-data" | "usage" | "help");
    if !agent.may_hang() || is_only_asked {
        return ocf::run(agent, environment, &mut say);
    }
    let deadline = Deadline::grace(&ocf::Context::new(environment.clone(), agent.metadata()));
    supervised::run(deadline, || ocf::run(agent, environment, &mut say))
}

fn say(text: &str) -> ExitCode {
    let _ = io::stdout().write_all(text.as_bytes());
    ExitCode::SUCCESS
}

fn wrong_use(message: &str) -> ExitCode {
    let _ = write!(io::stderr(), "systole-agents: {message}\n{USAGE}");
    ExitCode::from(WRONG_USE)
}

fn install(root: &Path, providers: &[&str]) -> ExitCode {
    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(error) => {
            let _ = writeln!(io::stderr(), "systole-agents: finding the program's own file: {error}");
            return ExitCode::FAILURE;
        }
    };
    match link_all(root, providers, &program) {
        Ok(links) => say(&links.iter().map(|link| format!("{}\n", link.display())).collect::<String>()),
        Err(message) => {
            let _ = writeln!(io::stderr(), "systole-agents: {message}");
            ExitCode::FAILURE
        }
    }
}

/// Makes the links; nothing is changed unless all of them can be made.
fn link_all(root: &Path, providers: &[&str], program: &Path) -> Result<Vec<PathBuf>, String> {
    if !root.is_dir() {
        return Err(format!("{} is not a directory; expected the OCF root, such as /usr/lib/ocf", root.display()));
    }
    let directories = providers.iter().map(|provider| root.join("resource.d").join(provider));
    let links: Vec<PathBuf> =
        directories.flat_map(|directory| AGENTS.iter().map(move |(name, _)| directory.join(name))).collect();
    let foreign: Vec<String> =
        links.iter().filter(|link| !is_free(link, program)).map(|link| link.display().to_string()).collect();
    if !foreign.is_empty() {
        return Err(format!(
            "not ours, so left alone and nothing was changed: {}; move these files away first",
            foreign.join(", ")
        ));
    }
    for link in &links {
        replace_link(link, program)
            .map_err(|error| format!("linking {} to {}: {error}", link.display(), program.display()))?;
    }
    Ok(links)
}

/// May a link stand here: is there nothing, or a link of ours (to a program of this name)?
fn is_free(link: &Path, program: &Path) -> bool {
    match fs::symlink_metadata(link) {
        Err(error) => error.kind() == io::ErrorKind::NotFound,
        Ok(_) => fs::read_link(link).is_ok_and(|target| target.file_name() == program.file_name()),
    }
}

fn replace_link(link: &Path, program: &Path) -> io::Result<()> {
    if let Some(directory) = link.parent() {
        fs::create_dir_all(directory)?;
    }
    // By way of a new name, so that no moment is without the agent.
    let new = link.with_extension("new");
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    std::os::unix::fs::symlink(program, &new)?;
    fs::rename(&new, link)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn installs_again_and_refuses_what_is_not_ours() {
        let root = tempfile::tempdir().unwrap();
        let program = Path::new("/opt/systole/systole-agents");
        let links = link_all(root.path(), &["systole", "heartbeat"], program).unwrap();
        assert_eq!(links.len(), AGENTS.len() * 2);
        let newer = Path::new("/usr/libexec/systole-agents");
        link_all(root.path(), &["systole"], newer).unwrap();
        assert_eq!(fs::read_link(root.path().join("resource.d/systole/Dummy")).unwrap(), newer);

        let shell = root.path().join("resource.d/heartbeat/IPaddr2");
        fs::remove_file(&shell).unwrap();
        fs::write(&shell, "#!/bin/sh\n").unwrap();
        fs::remove_file(root.path().join("resource.d/heartbeat/Dummy")).unwrap();
        let message = link_all(root.path(), &["heartbeat"], newer).unwrap_err();
        assert!(message.contains("heartbeat/IPaddr2"), "{message}");
        assert!(!root.path().join("resource.d/heartbeat/Dummy").exists(), "nothing changes when one is in the way");
        assert!(link_all(Path::new("/no/such/root"), &["systole"], newer).is_err());
    }

    #[test]
    fn every_agent_describes_itself_under_its_own_name() {
        for (name, agent) in AGENTS {
            let metadata = agent.metadata();
            assert_eq!(metadata.name, *name);
            assert_eq!(ocf::Metadata::parse(&metadata.to_xml()).unwrap(), parsed_back(metadata), "{name}");
        }
    }

    /// What a document of its version can carry of the metadata.
    fn parsed_back(mut metadata: ocf::Metadata) -> ocf::Metadata {
        if metadata.ocf_version.as_deref() != Some("1.0") {
            return metadata;
        }
        for parameter in &mut metadata.parameters {
            parameter.unique_group = None;
            parameter.deprecated = false;
        }
        metadata
    }
}
