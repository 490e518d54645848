//! What exportfs is told: directories, client, options and fsid, put together as the program wants them.

use std::path::{Component, Path, PathBuf};

use ocf::{Context, Failure};

use crate::bounded::{Deadline, within};

/// One directory for one client.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Export {
    /// The directory, without links in its path if it is there.
    pub directory: PathBuf,
    /// The client, as `exportfs` lists it.
    pub client: String,
    /// For `-o`: the options, with the fsid.
    pub options: String,
    /// The fsid, if one is given.
    pub fsid: Option<String>,
    /// `CLIENT:DIRECTORY`, as `exportfs` takes it.
    pub argument: String,
}

/// All parameters.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// What to export.
    pub exports: Vec<Export>,
    /// Give locks up when stopping.
    pub unlock: bool,
    /// Wait for leases when stopping.
    pub wait_for_lease: bool,
    /// The file that keeps who mounted it, relative to the directory.
    pub rmtab_backup: Option<String>,
}

impl Settings {
    /// Reads the parameters. That a directory is missing is no error here: a stop must work without it.
    pub fn read(call: &Context) -> Result<Settings, Failure> {
        let directories: Vec<&str> = call.required("directory")?.split_whitespace().collect();
        let client = call.required("clientspec")?;
        if client.contains(char::is_whitespace) {
            return Err(call.wrong("clientspec", "one client; make a resource for each of several"));
        }
        let fsid = Some(call.parameter("fsid")).filter(|fsid| !fsid.is_empty());
        if fsid.is_some_and(|fsid| fsid.contains([',', '(', ')'])) {
            return Err(call.wrong("fsid", "a number, root, or a UUID, without a comma"));
        }
        let first: Option<u64> = fsid.and_then(|fsid| fsid.parse().ok());
        if directories.len() > 1 && fsid.is_some() && first.is_none() {
            return Err(
                call.wrong("fsid", "a whole number, as there are several directories: they get it and the next ones")
            );
        }
        let options = call.parameter("options");
        if options.contains(char::is_whitespace) {
            return Err(call.wrong("options", "options with commas between them and no spaces"));
        }
        let mut exports = Vec::new();
        for (number, directory) in directories.iter().enumerate() {
            if !directory.starts_with('/') {
                return Err(call.wrong("directory", "absolute paths, with spaces between them"));
            }
            let fsid = match first {
                Some(first) if directories.len() > 1 => Some(first.saturating_add(number as u64).to_string()),
                _ => fsid.map(str::to_owned),
            };
            exports.push(export(&real(directory), client, options, fsid));
        }
        let backup = call.parameter("rmtab_backup");
        // It must not lead out of the directory: what is written there is written as root.
        if Path::new(backup).components().any(|part| matches!(part, Component::ParentDir | Component::RootDir)) {
            return Err(call.wrong("rmtab_backup", "a file relative to the directory, or none"));
        }
        Ok(Settings {
            exports,
            unlock: call.boolean("unlock_on_stop")?,
            wait_for_lease: call.boolean("wait_for_leasetime_on_stop")?,
            rmtab_backup: Some(backup.to_owned()).filter(|name| name != "none"),
        })
    }

    /// Are the directories there?
    pub fn directories_exist(&self, deadline: Deadline) -> Result<(), Failure> {
        for export in &self.exports {
            let directory = export.directory.clone();
            let shown = directory.display();
            match within(deadline.half().left(), {
                let directory = directory.clone();
                move || std::fs::metadata(&directory)
            }) {
                Some(Ok(found)) if found.is_dir() => {}
                Some(Ok(_)) => {
                    return Err(Failure::not_installed(format!(
                        "{shown} is no directory: only directories can be exported"
                    )));
                }
                Some(Err(error)) => {
                    return Err(Failure::not_configured(format!(
                        "the directory {shown} cannot be exported: {error}; expected it on the file system that is mounted before"
                    )));
                }
                None => return Err(Failure::error(format!("the file system of {shown} does not answer"))),
            }
        }
        Ok(())
    }
}

/// Without links and a slash at its end, so that it is what `exportfs` lists.
fn real(directory: &str) -> PathBuf {
    let trimmed = directory.trim_end_matches('/');
    let path = PathBuf::from(if trimmed.is_empty() { "/" } else { trimmed });
    // A path on a file system that hangs must not hang a stop; the lookup is short where it works at all.
    let looked_up = path.clone();
    within(std::time::Duration::from_secs(2), move || looked_up.canonicalize()).and_then(Result::ok).unwrap_or(path)
}

fn export(directory: &Path, client: &str, options: &str, fsid: Option<String>) -> Export {
    let others = options.split(',').filter(|option| !option.is_empty());
    let options: Vec<String> = match &fsid {
        None => others.map(str::to_owned).collect(),
        Some(fsid) => {
            let others = others.filter(|option| !option.starts_with("fsid=")).map(str::to_owned);
            others.chain([format!("fsid={fsid}")]).collect()
        }
    };
    let given = options.iter().find_map(|option| option.strip_prefix("fsid=")).map(str::to_owned);
    let options = if options.is_empty() { "ro".to_owned() } else { options.join(",") };
    Export {
        argument: format!("{}:{}", bracketed(client), directory.display()),
        directory: directory.to_owned(),
        client: client.to_owned(),
        options,
        fsid: given,
    }
}

/// On the command line an IPv6 address has brackets, or its colons would end it.
fn bracketed(client: &str) -> String {
    if client.matches(':').count() < 2 || client.contains('[') {
        return client.to_owned();
    }
    match client.split_once('/') {
        Some((address, prefix)) => format!("[{address}]/{prefix}"),
        None => format!("[{client}]"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(parameters: &[(&str, &str)]) -> Result<Settings, String> {
        let mut environment = ocf::Environment::new("x", "heartbeat", "exportfs", "start");
        environment.add_attributes(parameters.iter().copied());
        Settings::read(&Context::new(environment, super::super::describe::metadata()))
            .map_err(|failure| failure.to_string())
    }

    #[test]
    fn directories_get_fsids_in_turn() {
        let settings = read(&[
            ("directory", "/no/a/ /no/b\t/no/c"),
            ("clientspec", "fd00::/64"),
            ("fsid", "9"),
            ("options", "rw,fsid=1,sync"),
        ]);
        let exports = settings.unwrap().exports;
        let shown: Vec<String> = exports.iter().map(|one| format!("{} -o {}", one.argument, one.options)).collect();
        assert_eq!(
            shown,
            [
                "[fd00::]/64:/no/a -o rw,sync,fsid=9",
                "[fd00::]/64:/no/b -o rw,sync,fsid=10",
                "[fd00::]/64:/no/c -o rw,sync,fsid=11"
            ]
        );
        let one = read(&[("directory", "/no/a"), ("clientspec", "*"), ("options", "rw,fsid=4")]).unwrap();
        assert_eq!((one.exports[0].options.as_str(), one.exports[0].fsid.as_deref()), ("rw,fsid=4", Some("4")));
        assert_eq!(one.rmtab_backup.as_deref(), Some(".rmtab"));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (name, value, words) in [
            ("fsid", "1,2", "without a comma"),
            ("fsid", "root", "whole number"),
            ("clientspec", "10.0.0.1 10.0.0.2", "a resource for each"),
            ("clientspec", "", "not set"),
            ("directory", "a b", "absolute"),
            ("options", "rw, sync", "no spaces"),
            ("rmtab_backup", "../x", "relative to the directory"),
            ("unlock_on_stop", "perhaps", "true or false"),
        ] {
            let mut parameters = vec![("directory", "/no/a /no/b"), ("clientspec", "*"), ("fsid", "1")];
            parameters.retain(|(known, _)| *known != name);
            parameters.push((name, value));
            let message = read(&parameters).expect_err(name);
            assert!(message.contains("not configured (6)") && message.contains(words), "{name}={value}: {message}");
        }
    }
}
