//! NFS-Ganesha: an NFS server that is a process. Its memory of clients lies below `/var/lib/nfs` as well, so the shared
//! directory serves it too; lease, grace and exports are its own configuration's.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::thread;
use std::time::Duration;

use ocf::{Failure, Status};

use super::settings::Settings;
use super::{daemons, programs};
use crate::bounded::Deadline;
use crate::command;

const PROGRAM: &str = "ganesha.nfsd";
/// The kernel's name of the process; it keeps fifteen bytes of a program's name, and Ganesha may give itself another.
const NAMES: [&str; 2] = ["ganesha.nfsd", "main"];
const PORT: u16 = 2049;
/// An answer comes at once from a server that lives.
const ANSWER_WAIT: Duration = Duration::from_secs(5);
/// Between two questions to one that is starting.
const ASK_AGAIN: Duration = Duration::from_millis(50);
/// The NFS program and the version that is asked; its procedure 0 does nothing but answer.
const NFS: u32 = 100_003;
const VERSION: u32 = 4;

/// Starts it, and returns when it answers.
pub fn start(settings: &Settings, deadline: Deadline) -> Result<(), Failure> {
    if !settings.ganesha_config.is_file() {
        return Err(Failure::not_installed(format!(
            "ganesha_config {} is not there: write it, or name another",
            settings.ganesha_config.display()
        )));
    }
    if !settings.v4_only {
        programs::start_for_locks(deadline)?;
    }
    // It keeps its memory there, and does not make the directory.
    let memory = Path::new(super::memory::OWN).join("ganesha");
    std::fs::create_dir_all(&memory)
        .map_err(|error| Failure::error(format!("making {}: {error}", memory.display())))?;
    let program = command::need(PROGRAM, "nfs-ganesha")?;
    let (program, mut words) = match &settings.scope {
        None => (program, Vec::new()),
        Some(name) => {
            let (wrapper, mut words) = super::scope::wrapped(name)?;
            words.push(program.display().to_string());
            (wrapper, words)
        }
    };
    words.extend(["-f".to_owned(), settings.ganesha_config.display().to_string()]);
    words.extend(["-L", "/var/log/ganesha.log", "-p", "/run/ganesha.pid"].map(str::to_owned));
    let ran = command::run(&program, &words, deadline)?;
    if !ran.is_good() {
        return Err(Failure::error(format!("starting {PROGRAM}: {}; see /var/log/ganesha.log", ran.words())));
    }
    loop {
        match answers(deadline) {
            Ok(()) => return Ok(()),
            Err(why) if deadline.at_most(ASK_AGAIN).is_over() || processes().is_empty() => {
                return Err(Failure::error(format!("{PROGRAM} does not answer: {why}; see /var/log/ganesha.log")));
            }
            Err(_) => thread::sleep(ASK_AGAIN),
        }
    }
}

/// Ends it.
pub fn stop(settings: &Settings, deadline: Deadline) -> Result<(), Failure> {
    daemons::end(processes(), PROGRAM, deadline)?;
    if settings.v4_only {
        return Ok(());
    }
    daemons::end(daemons::named("rpc.statd"), "rpc.statd", deadline)
}

/// Whether it runs, and answers.
pub fn monitor(_settings: &Settings, deadline: Deadline) -> Result<Status, Failure> {
    if processes().is_empty() {
        return Ok(Status::Stopped);
    }
    answers(deadline)
        .map(|()| Status::Running)
        .map_err(|why| Failure::error(format!("{PROGRAM} runs, but does not answer: {why}")))
}

fn processes() -> Vec<nix::unistd::Pid> {
    let is_it = |pid: &nix::unistd::Pid| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let program = line.split(|byte| *byte == 0).next().unwrap_or_default().to_owned();
        Path::new(&String::from_utf8_lossy(&program).into_owned()).file_name().is_some_and(|name| name == PROGRAM)
    };
    NAMES.iter().flat_map(|name| daemons::named(name)).filter(is_it).collect()
}

/// Asks the server for a sign of life, as RFC 5531 has it.
fn answers(deadline: Deadline) -> Result<(), String> {
    let wait = deadline.left().clamp(Duration::from_millis(1), ANSWER_WAIT);
    let address = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), PORT);
    let mut connection = TcpStream::connect_timeout(&address, wait).map_err(|error| error.to_string())?;
    connection.set_read_timeout(Some(wait)).map_err(|error| error.to_string())?;
    let question = [0x5359_5354, 0, 2, NFS, VERSION, 0, 0, 0, 0, 0];
    let mut bytes = (0x8000_0000u32 | (question.len() as u32 * 4)).to_be_bytes().to_vec();
    question.iter().for_each(|word: &u32| bytes.extend(word.to_be_bytes()));
    connection.write_all(&bytes).map_err(|error| error.to_string())?;
    // Length, the question's number, that it is an answer, that it was accepted.
    let mut answer = [0; 16];
    connection.read_exact(&mut answer).map_err(|error| error.to_string())?;
    let word = |at: usize| u32::from_be_bytes([answer[at], answer[at + 1], answer[at + 2], answer[at + 3]]);
    match (word(4), word(8), word(12)) {
        (0x5359_5354, 1, 0) => Ok(()),
        _ => Err("what it says is no answer to the question".to_owned()),
    }
}
