//! `systole clear`: takes back what `move` left behind.

use clap::{Arg, ArgMatches};

use super::Command;
use crate::by_hand;
use crate::change::{self, Edit, How};
use crate::client::Client;
use crate::cluster::{self, View};

/// The command.
pub const COMMAND: Command = Command { name: "clear", grammar, run };

fn grammar() -> clap::Command {
    let resource = Arg::new("resource").value_name("RESOURCE").required(true).help("Resource, group or clone");
    let after = "Removes cli-prefer-RESOURCE and cli-ban-RESOURCE-on-NODE, also of the group or clone that holds it.\n\n\
                 Example:\n  systole clear web";
    How::options(clap::Command::new("").about("Take back what `move` left behind").after_help(after)).arg(resource)
}

fn run(arguments: &ArgMatches) -> anyhow::Result<u8> {
    let resource = arguments.get_one::<String>("resource").expect("it is required");
    let mut client = Client::from_arguments(arguments)?;
    change::make(&mut client, How::from_arguments(arguments), |live| edit(&live.view, resource))
}

fn edit(view: &View, name: &str) -> anyhow::Result<Edit> {
    let cluster = view.cluster();
    let mut document = view.document.clone();
    let mut done = Vec::new();
    let mut at = Some(cluster::resource(&cluster, name)?);
    while let Some(id) = at {
        let resource = cluster.resource(id);
        let gone = by_hand::clear(&mut document, &resource.xml_id);
        done.extend(gone.into_iter().map(|constraint| format!("The constraint {constraint} is removed.")));
        at = resource.parent;
    }
    if done.is_empty() {
        return Ok(Edit::nothing(view, format!("Nothing was said by hand of {name}; nothing was changed.")));
    }
    Ok(Edit { document, done, notes: Vec::new() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::by_hand::Target;
    use crate::commands::tests::{cluster, constraints};

    #[test]
    fn also_what_was_said_of_the_group() {
        let mut view = cluster();
        let known = view.cluster();
        let target = Target::of(&known, cluster::resource(&known, "ip").unwrap());
        by_hand::ban(&mut view.document, &target, "two");
        let cleared = edit(&view, "ip").unwrap();
        assert_eq!(cleared.done, ["The constraint cli-ban-services-on-two is removed."]);
        assert_eq!(constraints(&cleared.document), "");
        let again = edit(&view.with(cleared.document), "ip").unwrap();
        assert!(again.done[0].contains("nothing was changed"));
        assert!(edit(&view, "ipp").unwrap_err().to_string().contains("did you mean 'ip'?"));
    }
}
