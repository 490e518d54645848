//! What nfsserver is told, and by what the server is run on this host.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use ocf::{Context, Failure};

use super::units;
use crate::command;

/// The package with the server's programs.
const PACKAGE: &str = "nfs-kernel-server";

/// By what the server is run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Manner {
    /// Its programs, one by one.
    Programs,
    /// Units of systemd.
    Units,
    /// An init script that was given.
    Script(PathBuf),
    /// NFS-Ganesha, a server that is a process.
    Ganesha,
}

/// All parameters.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// An init script, if one was given.
    pub script: Option<PathBuf>,
    /// No NFSv3, and nothing that only it needs.
    pub v4_only: bool,
    /// Clients are not told that they have to get their locks back.
    pub no_notify: bool,
    /// Wait until they are told.
    pub notify_foreground: bool,
    /// For how many minutes a client that does not answer is told again.
    pub notify_minutes: Option<u64>,
    /// The server's name for NFSv4 clients, the same on all hosts.
    pub scope: Option<String>,
    /// The service's addresses.
    pub ips: Vec<IpAddr>,
    /// The directory that moves with the server.
    pub shared_directory: Option<PathBuf>,
    /// Where the kernel's pipes to its helpers are mounted.
    pub pipes: PathBuf,
    /// Seconds after which a silent NFSv4 client has lost its locks.
    pub lease_s: Option<u64>,
    /// Seconds in which locks can only be got back.
    pub grace_s: Option<u64>,
    /// Threads of the server.
    pub threads: Option<u64>,
    /// Ganesha instead of the kernel.
    pub ganesha: bool,
    /// Ganesha's configuration.
    pub ganesha_config: PathBuf,
}

impl Settings {
    /// Reads the parameters.
    pub fn read(call: &Context) -> Result<Settings, Failure> {
        let given = |name: &str| Some(call.parameter(name)).filter(|value| !value.is_empty()).map(str::to_owned);
        let number = |name: &str, least| given(name).map(|_| call.number(name, least)).transpose();
        let path = |name: &str| match given(name) {
            Some(path) if !path.starts_with('/') => Err(call.wrong(name, "an absolute path")),
            path => Ok(path.map(PathBuf::from)),
        };
        let ips = call.parameter("nfs_ip").split(',').map(str::trim).filter(|ip| !ip.is_empty());
        let ips = ips.map(|ip| ip.parse().map_err(|_| call.wrong("nfs_ip", "addresses with commas between them")));
        let scope = given("nfs_server_scope");
        // It becomes a host name for a moment: 64 bytes, and no more in it than a name has.
        let fits = |name: &String| name.len() <= 64 && name.bytes().all(|byte| byte.is_ascii_graphic());
        if !scope.as_ref().is_none_or(fits) {
            return Err(call.wrong("nfs_server_scope", "a name of 64 characters at most, without spaces"));
        }
        let script = path("nfs_init_script").ok().flatten();
        if given("nfs_init_script").is_some_and(|given| given != "auto" && given != "auto detected") && script.is_none()
        {
            return Err(call.wrong("nfs_init_script", "an absolute path, or nothing to have it found"));
        }
        let shared_directory = path("nfs_shared_infodir")?;
        if shared_directory.is_some() && call.environment.meta.contains_key("clone") {
            return Err(Failure::not_configured(
                "nfs_shared_infodir is set on a clone: the directory is of one server at a time; leave it out, or do not clone it",
            ));
        }
        let ganesha = match call.parameter("nfs_server") {
            "kernel" => false,
            "ganesha" => true,
            _ => return Err(call.wrong("nfs_server", "kernel or ganesha")),
        };
        Ok(Settings {
            script,
            v4_only: call.boolean("nfsv4_only")?,
            no_notify: call.boolean("nfs_no_notify")?,
            notify_foreground: call.boolean("nfs_notify_foreground")?,
            notify_minutes: number("nfs_smnotify_retry_time", 0)?,
            scope,
            ips: ips.collect::<Result<_, _>>()?,
            shared_directory,
            pipes: path("rpcpipefs_dir")?.unwrap_or_else(|| Path::new(super::memory::OWN).join("rpc_pipefs")),
            // What the kernel takes.
            lease_s: number("nfs_lease_time", 10)?,
            grace_s: number("nfs_grace_time", 10)?,
            threads: number("nfs_threads", 1)?,
            ganesha,
            ganesha_config: path("ganesha_config")?.unwrap_or_else(|| "/etc/ganesha/ganesha.conf".into()),
        })
    }

    /// By what it is run here: what was asked for, else systemd where it runs, else the programs themselves.
    pub fn manner(&self) -> Result<Manner, Failure> {
        if self.ganesha {
            command::need("ganesha.nfsd", "nfs-ganesha")?;
            return Ok(Manner::Ganesha);
        }
        if let Some(script) = &self.script {
            return match command::find(&script.display().to_string()) {
                Some(script) => Ok(Manner::Script(script)),
                None => Err(Failure::not_installed(format!(
                    "nfs_init_script {} is not a program on this host: leave the parameter out, or install {PACKAGE}",
                    script.display()
                ))),
            };
        }
        command::need("rpc.nfsd", PACKAGE)?;
        Ok(if units::is_there() { Manner::Units } else { Manner::Programs })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(parameters: &[(&str, &str)]) -> Result<Settings, String> {
        let mut environment = ocf::Environment::new("x", "heartbeat", "nfsserver", "start");
        environment.add_attributes(parameters.iter().copied());
        let call = Context::new(environment, super::super::describe::metadata());
        Settings::read(&call).map_err(|failure| failure.to_string())
    }

    #[test]
    fn parameters_of_the_shell_agent_mean_the_same() {
        let plain = read(&[]).unwrap();
        assert_eq!(
            (plain.v4_only, plain.no_notify, plain.notify_foreground, plain.ganesha),
            (false, false, false, false)
        );
        assert_eq!((plain.script, plain.shared_directory, plain.lease_s), (None, None, None));
        assert_eq!(plain.pipes, Path::new("/var/lib/nfs/rpc_pipefs"));
        let full = read(&[
            ("nfs_ip", "192.0.2.9, fd00::9"),
            ("nfs_shared_infodir", "/srv/info"),
            ("nfs_smnotify_retry_time", "0"),
            ("nfs_init_script", "/etc/init.d/nfs"),
            ("rpcpipefs_dir", "/run/pipes"),
        ])
        .unwrap();
        assert_eq!(full.ips, ["192.0.2.9".parse::<IpAddr>().unwrap(), "fd00::9".parse().unwrap()]);
        assert_eq!((full.notify_minutes, full.pipes.as_path()), (Some(0), Path::new("/run/pipes")));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (parameters, words) in [
            (&[("nfs_ip", "host")][..], "addresses"),
            (&[("nfs_smnotify_retry_time", "soon")], "whole number"),
            (&[("nfs_shared_infodir", "info")], "absolute"),
            (&[("nfs_server_scope", "a b")], "without spaces"),
            (&[("nfs_init_script", "nfs")], "absolute"),
            (&[("nfs_lease_time", "9")], "at least 10"),
            (&[("nfs_server", "user")], "kernel or ganesha"),
            (&[("nfsv4_only", "perhaps")], "true or false"),
            (&[("nfs_shared_infodir", "/srv"), ("CRM_meta_clone", "0")], "on a clone"),
        ] {
            let message = read(parameters).expect_err(words);
            assert!(message.contains("not configured (6)") && message.contains(words), "{parameters:?}: {message}");
        }
    }
}
