//! The server scope: the name by which NFSv4 clients know that a server is the one they had before. The kernel takes it
//! from the host name of whoever starts the server, so it is started under another one, in a uts namespace of its own.

use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use nix::sched::{CloneFlags, unshare};
use nix::unistd::sethostname;
use ocf::Failure;

/// First argument of a process that runs a program under another host name.
pub const WITH_SCOPE: &str = "--with-scope";

/// What to call so that the program whose words follow runs under this name.
pub fn wrapped(name: &str) -> Result<(PathBuf, Vec<String>), Failure> {
    let own =
        std::env::current_exe().map_err(|error| Failure::error(format!("finding the agent's own program: {error}")))?;
    Ok((own, vec![WITH_SCOPE.to_owned(), name.to_owned()]))
}

/// That process: a name, a program and its arguments.
pub fn command(arguments: &[String]) -> ExitCode {
    let [name, program, rest @ ..] = arguments else {
        let _ = writeln!(std::io::stderr(), "expected a name and a program");
        return ExitCode::from(2);
    };
    if let Err(error) = unshare(CloneFlags::CLONE_NEWUTS).and_then(|()| sethostname(name)) {
        let _ = writeln!(std::io::stderr(), "taking the name {name}: {}", error.desc());
        return ExitCode::FAILURE;
    }
    let error = Command::new(program).args(rest).exec();
    let _ = writeln!(std::io::stderr(), "starting {program}: {error}");
    ExitCode::FAILURE
}
