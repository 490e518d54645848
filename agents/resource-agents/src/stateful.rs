//! Stateful: a resource that does nothing but remember whether it was started and promoted. For tests of promotable
//! clones, and as a pattern for agents of them.

use std::fs;
use std::io;
use std::path::PathBuf;

use ocf::{ActionMetadata, Agent, Context, ExitCode, Failure, Metadata, Parameter, Status};

use crate::attribute::promotion_score;
use crate::run_directory::run_file;

/// The agent.
pub struct Stateful;

/// What it wants while it is not promoted, and while it is: the promoted one stays where it is.
const UNPROMOTED_SCORE: i32 = 5;
const PROMOTED_SCORE: i32 = 10;

/// The words in the state file are those of the shell agent.
const UNPROMOTED: &str = "slave";
const PROMOTED: &str = "master";

impl Agent for Stateful {
    fn metadata(&self) -> Metadata {
        let action = ActionMetadata::new;
        Metadata {
            name: "Stateful".into(),
            version: "1.0".into(),
            ocf_version: Some("1.0".into()),
            shortdesc: "A promotable resource that does nothing".into(),
            longdesc:
                "Remembers in a file whether it was started and promoted, and sets promotion scores. For tests, and \
                       as a pattern for agents."
                    .into(),
            parameters: vec![
                Parameter::new(
                    "state",
                    "string",
                    "State file",
                    "The file that holds the state. By default it is named after the resource.",
                )
                .default_value("/run/resource-agents/Stateful-RESOURCE_ID.state")
                .unique(),
            ],
            actions: vec![
                action("start", "20s"),
                action("stop", "20s"),
                action("promote", "20s"),
                action("demote", "20s"),
                action("monitor", "20s").every("10s", "0"),
                action("meta-data", "5s"),
                action("validate-all", "20s"),
            ],
            ..Metadata::default()
        }
    }

    fn start(&self, call: &Context) -> Result<(), Failure> {
        match read(call)? {
            Status::Promoted => Err(out_of_turn(ExitCode::RunningPromoted, "is promoted already; demote it first")),
            _ => self.become_unpromoted(call),
        }
    }

    fn stop(&self, call: &Context) -> Result<(), Failure> {
        promotion_score(call, None);
        // What cannot be understood is not promoted, and a stop takes it away.
        if matches!(read(call), Ok(Status::Promoted)) {
            return Err(out_of_turn(ExitCode::RunningPromoted, "is still promoted; demote it first"));
        }
        let file = state_file(call);
        match fs::remove_file(&file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Failure::error(format!("removing the state file {}: {error}", file.display())))
            }
            _ => Ok(()),
        }
    }

    fn monitor(&self, call: &Context) -> Result<Status, Failure> {
        read(call)
    }

    fn validate(&self, call: &Context) -> Result<(), Failure> {
        match state_file(call).is_absolute() {
            true => Ok(()),
            false => Err(call.wrong("state", "an absolute path")),
        }
    }

    fn other(&self, action: &str, call: &Context) -> Option<Result<(), Failure>> {
        match action {
            "promote" => Some(self.running(call).and_then(|()| {
                write(call, PROMOTED)?;
                promotion_score(call, Some(PROMOTED_SCORE));
                Ok(())
            })),
            "demote" => Some(self.running(call).and_then(|()| self.become_unpromoted(call))),
            _ => None,
        }
    }
}

impl Stateful {
    fn become_unpromoted(&self, call: &Context) -> Result<(), Failure> {
        write(call, UNPROMOTED)?;
        promotion_score(call, Some(UNPROMOTED_SCORE));
        Ok(())
    }

    fn running(&self, call: &Context) -> Result<(), Failure> {
        match read(call)? {
            Status::Stopped => Err(out_of_turn(ExitCode::NotRunning, "is not running; start it first")),
            _ => Ok(()),
        }
    }
}

fn out_of_turn(code: ExitCode, why: &str) -> Failure {
    Failure::new(code, format!("this instance {why}"))
}

fn read(call: &Context) -> Result<Status, Failure> {
    let file = state_file(call);
    match fs::read_to_string(&file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Status::Stopped),
        Err(error) => Err(Failure::error(format!("reading the state file {}: {error}", file.display()))),
        Ok(text) => match text.trim() {
            PROMOTED => Ok(Status::Promoted),
            UNPROMOTED => Ok(Status::Running),
            _ => Err(Failure::error(format!(
                "the state file {} holds something else than {UNPROMOTED} or {PROMOTED}: stop the resource, which removes it",
                file.display()
            ))),
        },
    }
}

fn write(call: &Context, state: &str) -> Result<(), Failure> {
    let file = state_file(call);
    let new = file.with_extension("new");
    let made = || -> io::Result<()> {
        fs::create_dir_all(file.parent().unwrap_or(&file))?;
        // By way of a new file: who is killed here leaves the old state or the new one, never half a word.
        fs::write(&new, format!("{state}\n"))?;
        fs::rename(&new, &file)
    };
    made().map_err(|error| Failure::error(format!("writing the state file {}: {error}", file.display())))
}

fn state_file(call: &Context) -> PathBuf {
    call.given("state").map_or_else(|| run_file(call, "Stateful", "state"), PathBuf::from)
}
