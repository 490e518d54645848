//! Dummy: a resource that does nothing but remember whether it was started. For tests and as a pattern for agents.

use std::fs;
use std::io;
use std::path::PathBuf;

use ocf::{ActionMetadata, Agent, Context, Failure, Metadata, Parameter, Status};

use crate::run_directory::run_file;

/// The agent.
pub struct Dummy;

impl Agent for Dummy {
    fn metadata(&self) -> Metadata {
        let action = ActionMetadata::new;
        Metadata {
            name: "Dummy".into(),
            version: "1.0".into(),
            ocf_version: Some("1.0".into()),
            shortdesc: "A resource that does nothing".into(),
            longdesc: "Remembers in a file whether it was started. For tests, and as a pattern for agents.".into(),
            parameters: vec![
                Parameter::new(
                    "state",
                    "string",
                    "State file",
                    "The file that is there while the resource runs. By default it is named after the resource.",
                )
                .default_value("/run/resource-agents/Dummy-RESOURCE_ID.state")
                .unique(),
                Parameter::new("fake", "string", "A value to change", "Means nothing; may be changed to see a reload.")
                    .default_value("dummy"),
            ],
            actions: vec![
                action("start", "20s"),
                action("stop", "20s"),
                action("monitor", "20s").every("10s", "0"),
                action("reload", "20s"),
                action("migrate_to", "20s"),
                action("migrate_from", "20s"),
                action("meta-data", "5s"),
                action("validate-all", "20s"),
            ],
            extra_actions: vec![ocf::served::SERVE.into()],
            ..Metadata::default()
        }
    }

    fn start(&self, call: &Context) -> Result<(), Failure> {
        let file = state_file(call);
        if let Some(directory) = file.parent() {
            fs::create_dir_all(directory)
                .map_err(|error| Failure::error(format!("creating the directory {}: {error}", directory.display())))?;
        }
        fs::write(&file, "")
            .map_err(|error| Failure::error(format!("writing the state file {}: {error}", file.display())))
    }

    fn stop(&self, call: &Context) -> Result<(), Failure> {
        let file = state_file(call);
        match fs::remove_file(&file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Failure::error(format!("removing the state file {}: {error}", file.display())))
            }
            _ => Ok(()),
        }
    }

    fn monitor(&self, call: &Context) -> Result<Status, Failure> {
        let file = state_file(call);
        match file.try_exists() {
            Ok(true) => Ok(Status::Running),
            Ok(false) => Ok(Status::Stopped),
            Err(error) => Err(Failure::error(format!("looking for the state file {}: {error}", file.display()))),
        }
    }

    fn validate(&self, call: &Context) -> Result<(), Failure> {
        let file = state_file(call);
        match file.is_absolute() {
            true => Ok(()),
            false => Err(call.wrong("state", "an absolute path")),
        }
    }

    fn other(&self, action: &str, call: &Context) -> Option<Result<(), Failure>> {
        Some(match action {
            "reload" => Ok(()),
            "migrate_to" => self.stop(call),
            "migrate_from" => self.start(call),
            _ => return None,
        })
    }
}

fn state_file(call: &Context) -> PathBuf {
    call.given("state").map_or_else(|| run_file(call, "Dummy", "state"), PathBuf::from)
}
