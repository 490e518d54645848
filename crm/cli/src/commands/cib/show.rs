//! `systole cib show`: the CIB as XML.

use anyhow::Context as _;
use cib::Document;
use clap::{Arg, ArgAction, ArgMatches};
use wire::QueryWhat;

use crate::client::Client;
use crate::cluster::Live;
use crate::commands::Command;
use crate::terminal::print;
use crate::{EXIT_FAILURE, EXIT_OK, confidential};

/// The command.
pub const COMMAND: Command = Command { name: "show", grammar, run };

fn grammar() -> clap::Command {
    clap::Command::new("")
        .about("Show the CIB as XML")
        .after_help("Examples:\n  systole cib show --configuration > cib.xml\n  systole cib show --xpath \"//primitive[@id='web']\"")
        .arg(confidential::argument())
        .arg(Arg::new("configuration").long("configuration").action(ArgAction::SetTrue).help("Without the status"))
        .arg(
            Arg::new("xpath")
                .long("xpath")
                .value_name("XPATH")
                .conflicts_with("configuration")
                .help("Only the elements that this XPath finds; exit status 1 if there are none"),
        )
}

fn run(arguments: &ArgMatches) -> anyhow::Result<u8> {
    let mut client = Client::from_arguments(arguments)?;
    let show = arguments.get_flag("show-secrets");
    if let Some(xpath) = arguments.get_one::<String>("xpath") {
        let (found, _) = client.query(None, Some(xpath), QueryWhat::Whole)?;
        let shown = found.iter().map(|item| match Document::parse(item) {
            Ok(element) if !show => secrets::without(&element).to_xml(),
            _ => item.clone(),
        });
        print(&shown.collect::<String>())?;
        return Ok(if found.is_empty() { EXIT_FAILURE } else { EXIT_OK });
    }
    let live = Live::fetch(&mut client)?;
    let document = confidential::document(&live.view.document, arguments);
    print(&match arguments.get_flag("configuration") {
        true => without_status(document)?.to_xml(),
        false => document.to_xml(),
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
