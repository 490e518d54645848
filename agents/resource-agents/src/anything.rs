//! anything: a program that has no agent of its own, known by the number in its pid file. Its log files and its own
//! behaviour are its own affair.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, User, setsid};
use ocf::{ActionMetadata, Agent, Context, Failure, Metadata, Parameter, Status};

use crate::bounded::Deadline;
use crate::run_directory::{Level, log};

/// The agent.
pub struct Anything;

/// Between two looks at a process that is to end.
const LOOK: Duration = Duration::from_millis(20);
/// How long a program is watched after its start, so that one that ends at once is no success.
const SETTLE: Duration = Duration::from_millis(100);
/// What a number and the end of its line need at most.
const PID_BYTES: usize = 12;
/// How long after a pid file was written its process may seem to have begun: the kernel counts in hundredths of a
/// second since a boot whose time it tells in whole ones.
const CLOCK_SLACK_S: u64 = 2;
/// SIGTERM gets so much of the time of a stop, unless told: the rest is for SIGKILL.
const TERM_SHARE: (u32, u32) = (2, 3);

impl Agent for Anything {
    fn metadata(&self) -> Metadata {
        let action = ActionMetadata::new;
        Metadata {
            name: "anything".into(),
            version: "1.0".into(),
            ocf_version: Some("1.0".into()),
            shortdesc: "Runs any program as a resource".into(),
            longdesc:
                "Starts a program in the background as some user, remembers its number in a file, and ends it again. \
                       The program must stay in the foreground: one that makes a child and ends counts as failed."
                    .into(),
            parameters: parameters(),
            actions: vec![
                action("start", "20s"),
                action("stop", "20s"),
                action("monitor", "20s").every("10s", "0"),
                action("meta-data", "5s"),
                action("validate-all", "5s"),
            ],
            ..Metadata::default()
        }
    }

    fn start(&self, call: &Context) -> Result<(), Failure> {
        let service = Service::read(call)?;
        if let Ok(Status::Running) = service.status() {
            log(Level::Info, &format!("{} is running already", service.binfile));
            return Ok(());
        }
        service.check()?;
        service.start()?;
        service.monitor().map(drop)
    }

    fn stop(&self, call: &Context) -> Result<(), Failure> {
        Service::read(call)?.stop(call)
    }

    fn monitor(&self, call: &Context) -> Result<Status, Failure> {
        Service::read(call)?.monitor()
    }

    fn validate(&self, call: &Context) -> Result<(), Failure> {
        Service::read(call)?.check().map(drop)
    }
}

fn parameters() -> Vec<Parameter> {
    let new = Parameter::new;
    vec![
        new("binfile", "string", "Program", "The program to run, with its whole path.").default_value("").required(),
        new("cmdline_options", "string", "Arguments", "What follows the program, as a shell understands it."),
        new("workdir", "string", "Working directory", "Where the program is started; the user's home if empty.")
            .default_value(""),
        new("pidfile", "string", "Pid file", "Where the program's number is kept.")
            .default_value("/var/run/anything_RESOURCE_ID.pid"),
        new("logfile", "string", "Log file", "What the program prints is appended here.").default_value("/dev/null"),
        new("errlogfile", "string", "Log file of errors", "Its standard error, if that is to go elsewhere."),
        new("user", "string", "User", "The user the program runs as.").default_value("root"),
        new(
            "monitor_hook",
            "string",
            "Command of the monitor",
            "A command of a shell that succeeds while the program works, run at each monitor as the agent's own user.",
        ),
        new(
            "stop_timeout",
            "string",
            "Seconds to end by itself",
            "How long the program has after SIGTERM before it gets SIGKILL; two thirds of the stop's time if empty.",
        )
        .default_value(""),
    ]
}

struct Service {
    binfile: String,
    options: String,
    workdir: Option<PathBuf>,
    pidfile: PathBuf,
    logfile: PathBuf,
    errlogfile: Option<PathBuf>,
    user: String,
    hook: String,
    stop_timeout: Option<Duration>,
}

impl Service {
    fn read(call: &Context) -> Result<Service, Failure> {
        let path = |name: &str| call.given(name).map(PathBuf::from);
        let resource = call.environment.resource.replace(['/', '\0'], "_");
        let resource = if resource.is_empty() { "default" } else { resource.as_str() };
        let stop_timeout = match call.parameter("stop_timeout") {
            "" => None,
            text => {
                let seconds = text.trim_end_matches('s').parse();
                Some(Duration::from_secs(seconds.map_err(|_| call.wrong("stop_timeout", "a number of seconds"))?))
            }
        };
        Ok(Service {
            binfile: call.required("binfile")?.to_owned(),
            options: call.parameter("cmdline_options").to_owned(),
            workdir: path("workdir"),
            pidfile: path("pidfile").unwrap_or_else(|| PathBuf::from(format!("/var/run/anything_{resource}.pid"))),
            logfile: PathBuf::from(call.parameter("logfile")),
            errlogfile: path("errlogfile"),
            user: call.parameter("user").to_owned(),
            hook: call.parameter("monitor_hook").to_owned(),
            stop_timeout,
        })
    }

    /// Can this host run it at all?
    fn check(&self) -> Result<User, Failure> {
        let user = User::from_name(&self.user)
            .map_err(|error| Failure::error(format!("looking for the user {}: {error}", self.user)))?
            .ok_or_else(|| Failure::not_installed(format!("there is no user {} on this host", self.user)))?;
        let mode = fs::metadata(&self.binfile).ok().filter(fs::Metadata::is_file).map(|about| about.mode());
        if mode.is_none_or(|mode| mode & 0o111 == 0) {
            return Err(Failure::not_installed(format!(
                "{} does not exist on this host, or is no program: correct parameter binfile",
                self.binfile
            )));
        }
        if let Some(workdir) = self.workdir.as_ref().filter(|workdir| !workdir.is_dir()) {
            return Err(Failure::not_installed(format!("the working directory {} does not exist", workdir.display())));
        }
        for file in [Some(&self.logfile), self.errlogfile.as_ref()].into_iter().flatten() {
            let directory = file.parent().unwrap_or(Path::new("/"));
            fs::create_dir_all(directory).map_err(|error| {
                Failure::not_installed(format!("creating {} for log files: {error}", directory.display()))
            })?;
        }
        Ok(user)
    }

    fn start(&self) -> Result<(), Failure> {
        let user = self.check()?;
        let doing = |what: &str, path: &Path| format!("{what} {}", path.display());
        let failed = |what: String| move |error: io::Error| Failure::error(format!("{what}: {error}"));
        let output = self.open_log(&self.logfile, &user).map_err(failed(doing("opening the log", &self.logfile)))?;
        let errors = match &self.errlogfile {
            Some(file) => self.open_log(file, &user).map_err(failed(doing("opening the log", file)))?,
            None => output.try_clone().map_err(failed("opening the log".into()))?,
        };
        let mut command = Command::new("/bin/sh");
        // The options are for a shell to split; exec makes the shell's number the program's.
        command.args(["-c", &format!("exec {} {}", self.binfile, self.options)]);
        command.env_clear().envs([
            ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
            ("HOME", &user.dir.to_string_lossy()),
            ("SHELL", &user.shell.to_string_lossy()),
            ("USER", &user.name),
            ("LOGNAME", &user.name),
        ]);
        command.current_dir(self.workdir.as_deref().unwrap_or(&user.dir));
        command.stdin(Stdio::null()).stdout(output).stderr(errors);
        let pidfile = self.prepare_pidfile().map_err(failed(doing("writing the pid file", &self.pidfile)))?;
        own_session(&mut command, pidfile, self.pidfile.clone());
        if user.uid != nix::unistd::geteuid() {
            become_user(&mut command, &user);
        }
        command.spawn().map_err(failed(format!("starting {} as {}", self.binfile, self.user)))?;
        std::thread::sleep(SETTLE);
        Ok(())
    }

    fn open_log(&self, path: &Path, user: &User) -> io::Result<File> {
        let is_new = !path.exists();
        let file = OpenOptions::new().append(true).create(true).mode(0o640).open(path)?;
        if is_new && nix::unistd::geteuid().is_root() {
            chown(path, Some(user.uid.as_raw()), Some(user.gid.as_raw()))?;
        }
        Ok(file)
    }

    /// The pid file to be, with room for a number.
    fn prepare_pidfile(&self) -> io::Result<File> {
        if let Some(directory) = self.pidfile.parent() {
            fs::create_dir_all(directory)?;
        }
        let mut file = File::create(self.pidfile.with_extension("new"))?;
        file.write_all(&[b'\n'; PID_BYTES])?;
        file.rewind()?;
        Ok(file)
    }

    /// The number in the pid file, if there is a file.
    fn pid(&self) -> Result<Option<u32>, Failure> {
        match fs::read_to_string(&self.pidfile) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Failure::error(format!("reading the pid file {}: {error}", self.pidfile.display()))),
            // A file without a number is as one whose process is gone.
            Ok(text) => Ok(Some(text.trim().parse().unwrap_or(0))),
        }
    }

    fn status(&self) -> Result<Status, Failure> {
        match self.pid()? {
            None => Ok(Status::Stopped),
            Some(number) if self.is_ours(number) => Ok(Status::Running),
            Some(number) => Err(Failure::error(format!(
                "{} ended without being stopped: no process {number} of it is left, though {} names it",
                self.binfile,
                self.pidfile.display()
            ))),
        }
    }

    /// Is the process there, and not one that got the number later?
    fn is_ours(&self, number: u32) -> bool {
        let Some(process) = alive(number) else { return false };
        let written = fs::metadata(&self.pidfile).map_or(0, |about| about.mtime().max(0).unsigned_abs());
        process.began_s <= written + CLOCK_SLACK_S
    }

    fn monitor(&self) -> Result<Status, Failure> {
        let status = self.status()?;
        if status == Status::Running && !self.hook.is_empty() {
            let hook =
                Command::new("/bin/sh").args(["-c", &self.hook]).stdin(Stdio::null()).stdout(Stdio::null()).status();
            match hook {
                Ok(end) if end.success() => {}
                Ok(end) => {
                    return Err(Failure::error(format!(
                        "the command of monitor_hook says that it does not work: {end}"
                    )));
                }
                Err(error) => return Err(Failure::error(format!("running the command of monitor_hook: {error}"))),
            }
        }
        Ok(status)
    }

    fn stop(&self, call: &Context) -> Result<(), Failure> {
        let deadline = Deadline::of(call);
        let term = self.stop_timeout.unwrap_or_else(|| deadline.left() * TERM_SHARE.0 / TERM_SHARE.1);
        if let Some(number) = self.pid()?.filter(|number| self.is_ours(*number)) {
            let _ = kill(pid(number), Signal::SIGTERM);
            if !self.ended(number, deadline.at_most(term)) {
                log(Level::Warning, &format!("{} did not end on SIGTERM, and gets SIGKILL", self.binfile));
                let _ = kill(pid(number), Signal::SIGKILL);
                if !self.ended(number, deadline) {
                    return Err(Failure::error(format!(
                        "process {number} ({}) is still there after SIGKILL: it is stuck in the kernel",
                        self.binfile
                    )));
                }
            }
        }
        match fs::remove_file(&self.pidfile) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Failure::error(format!("removing the pid file {}: {error}", self.pidfile.display())))
            }
            _ => Ok(()),
        }
    }

    fn ended(&self, number: u32, deadline: Deadline) -> bool {
        while self.is_ours(number) {
            if deadline.is_over() {
                return false;
            }
            std::thread::sleep(LOOK.min(deadline.left()));
        }
        true
    }
}

fn pid(number: u32) -> Pid {
    Pid::from_raw(i32::try_from(number).unwrap_or(i32::MAX))
}

struct Process {
    /// When it began, in seconds of the clock.
    began_s: u64,
}

/// The process with this number, unless it has ended and only waits to be asked how.
fn alive(number: u32) -> Option<Process> {
    if number == 0 {
        return None;
    }
    let stat = fs::read_to_string(format!("/proc/{number}/stat")).ok()?;
    let boot = fs::read_to_string("/proc/stat").ok()?;
    read_process(&stat, &boot, nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK).ok()??.unsigned_abs())
}

fn read_process(stat: &str, boot: &str, ticks_per_s: u64) -> Option<Process> {
    // The name of the program may hold blanks and brackets; what follows the last bracket does not.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    if matches!(*fields.first()?, "Z" | "X") {
        return None;
    }
    let began: u64 = fields.get(19)?.parse().ok()?;
    let boot: u64 = boot.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
    Some(Process { began_s: boot + began / ticks_per_s.max(1) })
}

/// The program's user, its groups included.
fn become_user(command: &mut Command, user: &User) {
    let (uid, gid, name) = (user.uid, user.gid, std::ffi::CString::new(user.name.clone()).unwrap_or_default());
    let change = move || {
        nix::unistd::initgroups(&name, gid)?;
        nix::unistd::setgid(gid)?;
        nix::unistd::setuid(uid)?;
        Ok(())
    };
    // SAFETY: the agent has one thread, so that nothing that initgroups needs is locked in the child.
    #[allow(unsafe_code)]
    unsafe {
        command.pre_exec(change);
    }
}

/// A session of its own: whoever ends the agent's group or terminal does not mean the program. It writes its number
/// itself, before it becomes the program: were the agent killed in between, nobody could stop what nobody knows of.
fn own_session(command: &mut Command, mut file: File, pidfile: PathBuf) {
    let new = pidfile.with_extension("new");
    let begin = move || {
        setsid()?;
        write!(file, "{:<width$}", nix::unistd::getpid(), width = PID_BYTES - 1)?;
        fs::rename(&new, &pidfile)
    };
    // SAFETY: as above; the agent has one thread, so that no lock is held in the child.
    #[allow(unsafe_code)]
    unsafe {
        command.pre_exec(begin);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_read_whatever_its_name() {
        let stat = |state: &str| format!("7 (a) b (c) {state} {} 500 0", ["0"; 18].join(" "));
        let boot = "cpu 1 2\nbtime 1000\nprocesses 3\n";
        assert_eq!(read_process(&stat("S"), boot, 100).map(|process| process.began_s), Some(1005));
        assert!(read_process(&stat("Z"), boot, 100).is_none());
        assert!(read_process("7 (torn", boot, 100).is_none());
        assert!(alive(std::process::id()).is_some());
        assert!(alive(0).is_none());
    }
}
