#![forbid(unsafe_code)]
//! The program systoled: reads its options and becomes what they say.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser as _;
use daemon::options::{LogForm, Options, What};
use daemon::{log, manual, run, supervise};

fn main() -> ExitCode {
    let options = Options::parse();
    match become_what(options.what) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("systoled: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn become_what(what: What) -> anyhow::Result<u8> {
    match what {
        What::Run(options) => {
            log::begin(options.log);
            run::run(*options).map(|()| 0)
        }
        What::Hub(options) => {
            log::begin(LogForm::Text);
            embedded::run_hub(&options.socket, &options.config()?).map(|()| 0).map_err(anyhow::Error::from)
        }
        What::Engine => {
            let found = corosync::find()?;
            let status = corosync::Status::read().context("asking Corosync")?;
            print!("this is {}, node {} in Corosync; {status}", found.me.name, found.me.id);
            Ok(0)
        }
        What::Man(options) => manual::write(&options.directory).map(|()| 0),
        What::Supervise(options) => {
            log::begin(options.log);
            supervise::supervise(&supervise::Supervise {
                hub: options.hub()?,
                program: std::env::current_exe().context("finding out where this program lies")?,
                arguments: options.arguments,
                bounds: supervise::Bounds::default(),
            })
        }
    }
}
