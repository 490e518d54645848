//! Where agents keep what must not outlive a boot, and how they write a log line. Nothing of any one agent.

use std::io::Write as _;
use std::path::PathBuf;

use ocf::Context;

/// The directory: `HA_RSCTMP` if the resource manager gives one, else that of the shell agents.
pub fn run_directory(call: &Context) -> PathBuf {
    match call.environment.extra.get("HA_RSCTMP") {
        Some(directory) if !directory.is_empty() => PathBuf::from(directory),
        _ => PathBuf::from("/run/resource-agents"),
    }
}

/// A file of this resource in the run directory. The resource's id becomes part of the name, without slashes.
pub fn run_file(call: &Context, agent: &str, suffix: &str) -> PathBuf {
    let resource = call.environment.resource.replace(['/', '\0'], "_");
    let resource = if resource.is_empty() { "default" } else { resource.as_str() };
    run_directory(call).join(format!("{agent}-{resource}.{suffix}"))
}

/// How much a log line matters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Level {
    /// Done, and worth knowing.
    Info,
    /// Done, but not as it should be.
    Warning,
}

/// Writes a log line to standard error, where resource managers collect it.
///
/// That nobody reads it is no reason to fail.
pub fn log(level: Level, text: &str) {
    let word = match level {
        Level::Info => "INFO",
        Level::Warning => "WARNING",
    };
    let _ = writeln!(std::io::stderr(), "{word}: {text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_id_stays_inside_the_directory() {
        let mut environment = ocf::Environment::new("../../etc/x:0", "systole", "Dummy", "start");
        environment.extra.insert("HA_RSCTMP".into(), "/run/here".into());
        let call = Context::new(environment, ocf::Metadata::default());
        assert_eq!(run_file(&call, "Dummy", "state"), PathBuf::from("/run/here/Dummy-.._.._etc_x:0.state"));
    }
}
