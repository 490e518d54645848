//! `systole cib show`: the CIB as XML.

use anyhow::Context as _;
use cib::Document;
use clap::{Arg, ArgAction, ArgMatches};

use crate::EXIT_OK;
use crate::client::Client;
use crate::cluster::Live;
use crate::commands::Command;
use crate::terminal::print;

/// The command.
pub const COMMAND: Command = Command { name: "show", grammar, run };

fn grammar() -> clap::Command {
    clap::Command::new("")
        .about("Show the CIB as XML")
        .after_help("Example:\n  systole cib show --configuration > cib.xml")
        .arg(Arg::new("configuration").long("configuration").action(ArgAction::SetTrue).help("Without the status"))
}

fn run(arguments: &ArgMatches) -> anyhow::Result<u8> {
    let live = Live::fetch(&mut Client::from_arguments(arguments)?)?;
    print(&match arguments.get_flag("configuration") {
        true => without_status(live.view.document)?.to_xml(),
        false => live.status.cib,
    })?;
    Ok(EXIT_OK)
}

fn without_status(mut document: Document) -> anyhow::Result<Document> {
    let status = document.descend(&["status"]).context("the CIB has no status")?;
    document.remove(status);
    Ok(document)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_without_status_can_be_applied() {
        let document = without_status(crate::commands::tests::cluster().document).unwrap();
        assert!(!document.to_xml().contains("lrm"));
        assert!(document.descend(&["configuration", "resources"]).is_some());
    }
}
