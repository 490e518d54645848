//! `systole config restore`: puts an earlier configuration in the place of the one there is, as an ordinary change.

use cib::Document;
use clap::ArgMatches;

use super::{document, kept, version, version_argument, written};
use crate::change::{self, Edit, How};
use crate::client::Client;
use crate::commands::Command;
use crate::commands::cib::{differences, merged};

/// The command.
pub const COMMAND: Command = Command { name: "restore", grammar, run };

fn grammar() -> clap::Command {
    How::options(clap::Command::new("").about("Go back to one of the configurations there were").after_help(
        "It is a change like any other: it gets a new version, and can be undone the same way. Nodes that are members \
         stay in the configuration.\n\nExamples:\n  systole config restore 12 --dry-run\n  systole config restore 12 --wait",
    ))
    .arg(version_argument("version", "Which one"))
}

fn run(arguments: &ArgMatches) -> anyhow::Result<u8> {
    let how = How::from_arguments(arguments);
    let mut client = Client::from_arguments(arguments)?;
    let text = arguments.get_one::<String>("version").expect("it is required");
    let version = version(&kept(&mut client)?, text)?;
    let earlier = document(&mut client, version)?;
    change::make(&mut client, how, |live| {
        Ok(edit(&live.view.document, &earlier, &live.status.members, &written(version)))
    })
}

fn edit(live: &Document, earlier: &Document, members: &[String], version: &str) -> Edit {
    let (document, stay) = merged(live, earlier, members);
    let lines = differences::lines(live, &document);
    let mut done = match lines.is_empty() {
        true => vec![format!("The configuration is as it was in version {version}; nothing was changed.")],
        false => vec![format!("Back to the configuration of version {version}:")],
    };
    done.extend(lines.iter().map(|line| format!("  {line}")));
    // Where only the order of sections differs there is nothing to write.
    let document = if lines.is_empty() { live.clone() } else { document };
    let notes = stay.iter().map(|node| format!("Node {node} is a member and stays in the configuration.")).collect();
    Edit { document, done, notes }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::tests::cluster;

    #[test]
    fn an_earlier_one_comes_back_and_members_stay() {
        let live = cluster().document;
        let earlier = Document::parse(
            "<cib epoch='3'><configuration><crm_config/><nodes><node id='1' uname='one'/></nodes><resources/><constraints/>\
             </configuration><status/></cib>",
        )
        .unwrap();
        let back = edit(&live, &earlier, &["one".into(), "two".into()], "0.3");
        assert!(back.done[0].contains("version 0.3") && back.done.len() > 2, "{:?}", back.done);
        assert_eq!(back.notes.len(), 1);
        let root = back.document.root();
        assert_eq!(back.document.attribute(root, "epoch"), live.attribute(live.root(), "epoch"));
        assert!(back.document.descend(&["configuration", "resources"]).is_some());
        assert!(edit(&live, &live, &[], "0.3").done[0].contains("nothing was changed"));
    }
}
