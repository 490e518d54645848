//! NotifyHook: commands to run when a host becomes the active one and when it ceases to be, in keepalived's own manner:
//! its words, its arguments, its pipe. What the commands do is not known, so their failure is reported and undoes nothing.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;

use ocf::{ActionMetadata, Agent, Context, Failure, Metadata, Parameter, Status};

use crate::bounded::Deadline;
use crate::people;
use crate::run_directory::{Level, log, run_file};

/// The agent.
pub struct NotifyHook;

impl Agent for NotifyHook {
    fn metadata(&self) -> Metadata {
        let action = ActionMetadata::new;
        let new = Parameter::new;
        Metadata {
            name: "NotifyHook".into(),
            version: "1.0".into(),
            ocf_version: Some("1.0".into()),
            shortdesc: "Runs commands when the services around it come and go".into(),
            longdesc: "Last in a group: its start runs on_master and then notify, its stop on_backup and then notify, with the \
                       arguments keepalived gives: KIND NAME STATE PRIORITY. A command that fails is reported; start and \
                       stop succeed all the same, unless strict is set."
                .into(),
            parameters: vec![
                new("kind", "string", "Kind", "INSTANCE or GROUP, the first argument of notify.").default_value("INSTANCE"),
                new("name", "string", "Name", "The second argument of notify.").required(),
                new("priority", "integer", "Priority", "The fourth argument of notify.").default_value("0"),
                new("on_master", "string", "Command", "Run at the start. Quotes hold words together; no shell is called."),
                new("on_backup", "string", "Command", "Run at the stop."),
                new("on_fault", "string", "Command", "Run at the stop if there is no on_backup."),
                new("on_stop", "string", "Command", "Run at the stop if there is neither of these."),
                new("notify", "string", "Command", "Run at both, with the arguments."),
                new("fifo", "string", "Pipe", "A named pipe that is written a line at both: INSTANCE \"NAME\" STATE PRIORITY."),
                new("user", "string", "User", "USER or USER:GROUP to run the commands as."),
                new("strict", "boolean", "Strict", "A command that fails makes the start fail.").default_value("false"),
            ],
            actions: vec![
                action("start", "60s"),
                action("stop", "60s"),
                action("monitor", "20s").every("60s", "0"),
                action("meta-data", "5s"),
                action("validate-all", "20s"),
            ],
            ..Metadata::default()
        }
    }

    fn start(&self, call: &Context) -> Result<(), Failure> {
        self.validate(call)?;
        let file = run_file(call, "NotifyHook", "state");
        if file.exists() {
            return Ok(());
        }
        let said = tell(call, &["on_master"], "MASTER");
        if call.boolean("strict")? {
            said?;
        }
        fs::create_dir_all(file.parent().unwrap_or(&file))
            .and_then(|()| fs::write(&file, ""))
            .map_err(|error| Failure::error(format!("writing the state file {}: {error}", file.display())))
    }

    fn stop(&self, call: &Context) -> Result<(), Failure> {
        let file = run_file(call, "NotifyHook", "state");
        if !file.exists() {
            return Ok(());
        }
        // A stop that failed would have the host fenced, for a script.
        let _ = tell(call, &["on_backup", "on_fault", "on_stop"], "BACKUP");
        match fs::remove_file(&file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Failure::error(format!("removing the state file {}: {error}", file.display())))
            }
            _ => Ok(()),
        }
    }

    fn monitor(&self, call: &Context) -> Result<Status, Failure> {
        let there = run_file(call, "NotifyHook", "state").exists();
        Ok(if there { Status::Running } else { Status::Stopped })
    }

    fn validate(&self, call: &Context) -> Result<(), Failure> {
        call.required("name")?;
        for name in ["on_master", "on_backup", "on_fault", "on_stop", "notify"] {
            if !call.parameter(name).is_empty() {
                people::words(call.parameter(name))
                    .map_err(|_| call.wrong(name, "a command whose quotes are closed"))?;
            }
        }
        call.boolean("strict").map(drop)
    }
}

/// Runs the first command there is of these, and `notify`, and writes to the pipe; gives the first failure.
fn tell(call: &Context, commands: &[&str], state: &str) -> Result<(), Failure> {
    let mut first = Ok(());
    let own = commands.iter().map(|name| call.parameter(name)).find(|command| !command.is_empty());
    let (kind, name, priority) = (call.parameter("kind"), call.parameter("name"), call.parameter("priority"));
    let arguments = [kind, name, state, priority];
    let notify = Some(call.parameter("notify")).filter(|command| !command.is_empty());
    let both = [(own, &[][..]), (notify, &arguments[..])];
    for (command, more) in both.into_iter().filter_map(|(command, more)| Some((command?, more))) {
        let failure = match people::run(command, more, call.parameter("user"), Deadline::of(call)) {
            Ok(ran) if ran.is_good() => continue,
            Ok(ran) => Failure::error(format!("{command}: {}", ran.words())),
            Err(failure) => failure,
        };
        log(Level::Warning, &failure.reason);
        first = first.and(Err(failure));
    }
    let pipe = call.parameter("fifo");
    if !pipe.is_empty() {
        // Nobody may read it: that is the reader's affair, and no reason to wait.
        let open = OpenOptions::new().write(true).custom_flags(nix::libc::O_NONBLOCK).open(pipe);
        let line = format!("{kind} \"{name}\" {state} {priority}\n");
        if let Err(error) = open.and_then(|mut pipe| pipe.write_all(line.as_bytes())) {
            log(Level::Warning, &format!("writing to the pipe {pipe}: {error}"));
        }
    }
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_run_in_keepalived_s_manner() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        let script = folder.path().join("script");
        fs::write(&script, format!("#!/bin/sh\necho \"$@\" >> {}\n", out.display())).unwrap();
        std::process::Command::new("chmod").arg("+x").arg(&script).status().unwrap();
        let call = |action: &str| {
            let mut environment = ocf::Environment::new("hook", "systole", "NotifyHook", action);
            environment.extra.insert("HA_RSCTMP".into(), folder.path().display().to_string());
            for (name, value) in [
                ("name", "VI 1".to_owned()),
                ("priority", "100".to_owned()),
                ("on_master", format!("{} 'to master'", script.display())),
                ("on_backup", "/bin/false".to_owned()),
                ("notify", script.display().to_string()),
            ] {
                environment.parameters.insert(name.into(), value);
            }
            Context::new(environment, NotifyHook.metadata())
        };
        NotifyHook.start(&call("start")).unwrap();
        NotifyHook.start(&call("start")).unwrap();
        assert_eq!(NotifyHook.monitor(&call("monitor")), Ok(Status::Running));
        NotifyHook.stop(&call("stop")).unwrap();
        assert_eq!(NotifyHook.monitor(&call("monitor")), Ok(Status::Stopped));
        let said = fs::read_to_string(&out).unwrap();
        assert_eq!(said, "to master\nINSTANCE VI 1 MASTER 100\nINSTANCE VI 1 BACKUP 100\n");
    }
}
