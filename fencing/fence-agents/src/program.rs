//! The program around the fence agents: which one is meant, where its options come from, its answer and exit status;
//! and the links by which clusters find them.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::ExitCode;

use crate::request::{Action, Request};
use crate::{AGENTS, Answer, FenceAgent, agent};

const USAGE: &str = "\
usage: systole-fence-agents AGENT [OPTION...]
       systole-fence-agents list
       systole-fence-agents install DIRECTORY

AGENT              act as this fence agent; without options on the command line they are read from standard input, one
                   name=value a line. The program may also be called by the name of an agent.
list               the names of the agents
install DIRECTORY  link every agent as DIRECTORY/AGENT, such as in /usr/sbin; files that are not ours are left alone
";

/// A cluster sends some hundred bytes of options.
const INPUT_BYTES: u64 = 64 * 1024;
/// Exit status of `status` for a host that is off.
const OFF: u8 = 2;

/// Runs the program with these arguments, the program's own name first.
pub fn main(arguments: Vec<OsString>) -> ExitCode {
    let words: Result<Vec<String>, OsString> = arguments.into_iter().map(OsString::into_string).collect();
    let words = match words {
        Ok(words) => words,
        Err(word) => return fail(&format!("the argument {word:?} is not UTF-8")),
    };
    let called = Path::new(words.first().map_or("", String::as_str));
    let name = called.file_name().and_then(|name| name.to_str()).unwrap_or("");
    let rest = words.get(1..).unwrap_or_default();
    if let Some(agent) = agent(name) {
        return run(agent, rest);
    }
    match rest {
        [word] if word == "list" => say(&AGENTS.iter().map(|(name, _)| format!("{name}\n")).collect::<String>()),
        [word, directory] if word == "install" => match install(Path::new(directory)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(message) => fail(&message),
        },
        [word] if word == "--help" || word == "-h" => say(USAGE),
        [name, options @ ..] => match agent(name) {
            Some(agent) => run(agent, options),
            None => fail(&format!("there is no fence agent {name:?}\n{USAGE}")),
        },
        [] => fail(&format!("expected a fence agent\n{USAGE}")),
    }
}

fn run(agent: &dyn FenceAgent, arguments: &[String]) -> ExitCode {
    let metadata = agent.metadata();
    if arguments.iter().any(|argument| argument == "--help" || argument == "-h") {
        return say(&help(&metadata));
    }
    let request = match arguments {
        [] => read_input().and_then(|text| Request::from_lines(&text)),
        arguments => Request::from_arguments(arguments, &metadata),
    };
    let answer = request.and_then(|request| match request.action()? {
        Action::Metadata => Ok(None),
        action => agent.carry_out(action, &request).map(Some),
    });
    match answer {
        Err(message) => fail(&message),
        Ok(None) => say(&metadata.to_fence_xml()),
        Ok(Some(Answer::Done)) => ExitCode::SUCCESS,
        Ok(Some(Answer::Hosts(hosts))) => say(&hosts.iter().map(|host| format!("{host},\n")).collect::<String>()),
        Ok(Some(Answer::Power(true))) => say("Status: ON\n"),
        Ok(Some(Answer::Power(false))) => {
            say("Status: OFF\n");
            ExitCode::from(OFF)
        }
    }
}

fn read_input() -> Result<String, String> {
    let mut text = String::new();
    let read = io::stdin().lock().take(INPUT_BYTES + 1).read_to_string(&mut text);
    let read = read.map_err(|error| format!("reading options from standard input: {error}"))?;
    match read as u64 > INPUT_BYTES {
        true => Err(format!("more than {INPUT_BYTES} bytes of options on standard input")),
        false => Ok(text),
    }
}

fn help(metadata: &ocf::Metadata) -> String {
    let mut out =
        format!("usage: {} [OPTION...]; options also as name=value lines on standard input\n\n", metadata.name);
    for parameter in &metadata.parameters {
        let mixed = parameter.getopt.as_deref().unwrap_or("");
        out += &format!("  {mixed:<28} {}\n", parameter.shortdesc);
    }
    out
}

fn install(directory: &Path) -> Result<(), String> {
    if !directory.is_dir() {
        return Err(format!(
            "{} is not a directory; expected one for programs, such as /usr/sbin",
            directory.display()
        ));
    }
    let program = std::env::current_exe().map_err(|error| format!("finding the program's own file: {error}"))?;
    for (name, _) in AGENTS {
        let link = directory.join(name);
        let ours = fs::read_link(&link).is_ok_and(|target| target.file_name() == program.file_name());
        if fs::symlink_metadata(&link).is_ok() && !ours {
            return Err(format!("{} is not ours, so left alone; move it away first", link.display()));
        }
        let new = directory.join(format!(".{name}.new"));
        let _ = fs::remove_file(&new);
        symlink(&program, &new)
            .and_then(|()| fs::rename(&new, &link))
            .map_err(|error| format!("linking {} to {}: {error}", link.display(), program.display()))?;
    }
    Ok(())
}

fn say(text: &str) -> ExitCode {
    let _ = io::stdout().write_all(text.as_bytes());
    ExitCode::SUCCESS
}

fn fail(message: &str) -> ExitCode {
    let _ = writeln!(io::stderr(), "{}", message.trim_end());
    ExitCode::FAILURE
}
