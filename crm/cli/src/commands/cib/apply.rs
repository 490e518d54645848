//! `systole apply` and `systole cib apply`: puts a configuration from a file, a CIB or its short form in TOML, in the place of
//! the one there is, after saying what changes.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{anyhow, bail};
use cib::{Document, Element};
use clap::ArgMatches;

use super::differences;
use crate::change::{self, Edit, How, Made};
use crate::client::Client;
use crate::cluster::Live;
use crate::commands::Command;
use crate::lasting;
use crate::output::list::List;
use crate::terminal::{ask, print};
use crate::{file, findings, follows};
use cib::patch;
use wire::write::{ExpectedForm, WriteForm};

/// Attributes of the root that belong to the cluster and not to its configuration.
const OF_THE_CLUSTER: [&str; 10] = [
    "admin_epoch",
    "epoch",
    "num_updates",
    "have-quorum",
    "dc-uuid",
    "crm_feature_set",
    "cib-last-written",
    "update-origin",
    "update-client",
    "update-user",
];

/// The command.
pub const COMMAND: Command = Command { name: "apply", grammar, run };

/// The file may be longer than this only if somebody means ill.
const MAX_BYTES: u64 = 512 * 1024 * 1024;

fn grammar() -> clap::Command {
    let after = "The file is a CIB as XML, or its short form in TOML, as `systole export` writes it. It is the whole of what is \
                 wanted: what it does not name is removed, nodes excepted. Where nothing differs, nothing is done.\n\n\
                 With --revert-after the cluster itself takes the change back at that time, whatever becomes of this session \
                 or its host, unless `systole confirm` comes before; changes that others make meanwhile stay.\n\n\
                 The configuration is checked first, and what would change and what the cluster would do is shown before \
                 it is made. A file that is older than the cluster's configuration (its admin_epoch and epoch say so) is \
                 refused, as it would undo someone's change; so is one with errors: --force applies them. The status in \
                 the file does not count.\n\nExamples:\n  systole apply cluster.toml --plan\n  systole apply cluster.toml --revert-after 2m\n  systole apply cib.xml --confirm --wait";
    How::options(clap::Command::new("").about("Apply a configuration from a file").after_help(after))
        .arg(file::argument())
        .args(lasting::arguments())
        .arg(lasting::revert_argument().conflicts_with_all(["for", "until"]))
}

fn run(arguments: &ArgMatches) -> anyhow::Result<u8> {
    let how = How::from_arguments(arguments);
    let path = arguments.get_one::<PathBuf>("file").expect("it is required");
    let short = short_form(path)?;
    let file = match &short {
        Some(_) => None,
        None => Some(file::read(path)?),
    };
    if let Some(file) = &file {
        findings::refuse_errors(file, how.force)?;
    }
    let mut client = Client::from_arguments(arguments)?;
    let live = Live::fetch(&mut client)?;
    let mut file = match (file, short) {
        (Some(file), _) => file,
        (None, short) => {
            let desired = short.unwrap_or_default();
            let document = desired::build(&desired, &live.view.document)
                .map_err(|problem| anyhow!("{}: {problem}", path.display()))?;
            let text = document.to_xml();
            let built =
                file::CibFile { name: format!("{} as a CIB", path.display()), document: Document::parse(&text)?, text };
            findings::refuse_errors(&built, how.force)?;
            built
        }
    };
    secrets::restore(&mut file.document, &live.view.document)
        .map_err(|problem| anyhow!("nothing was changed: {problem}"))?;
    let older = if how.force { None } else { older(&file.document, live.configuration_version()) };
    if let Some(older) = older.as_ref().filter(|_| !how.dry_run) {
        bail!("nothing was changed: {older}");
    }
    let (document, kept) = merged(&live.view.document, &file.document, &live.status.members);
    let changes = differences::lines(&live.view.document, &document);
    let mut notes: Vec<String> =
        kept.iter().map(|node| format!("Node {node} is a member and stays in the configuration.")).collect();
    notes.extend(older.map(|older| format!("Warning: it would be refused: {older}.")));
    notes.extend(change::unreached(&live, &document));
    let mut edit = Edit { document, done: Vec::new(), notes };
    if let Some(ends) = how.ends.filter(|_| !changes.is_empty()) {
        edit.notes.push(change::until(&live, &mut edit.document, ends)?);
    }
    let plan = live.view.with(edit.document.clone()).plan();
    if changes.is_empty() {
        edit.done.push("The cluster has this configuration already; nothing was changed.".to_owned());
        return change::tell(&mut client, how, &edit, &plan, Made::Nothing { would: false });
    }
    if how.dry_run {
        edit.done.push("What would change in the configuration:".to_owned());
        edit.done.extend(changes.iter().map(|line| format!("  {line}")));
        return change::tell(&mut client, how, &edit, &plan, Made::Nothing { would: true });
    }
    if !how.json {
        let mut list = List::new();
        list.plain("Changes of the configuration:");
        changes.iter().for_each(|line| list.plain(&format!("  {line}")));
        follows::write(&mut list, &plan, "What follows");
        print(&list.take())?;
    }
    if how.confirm && !ask("Do it?")? {
        bail!("nothing was changed: you said no");
    }
    let (admin_epoch, epoch) = live.configuration_version();
    let expected = ExpectedForm::Configuration(admin_epoch, epoch);
    let write = WriteForm::Configure {
        patch: patch::diff(&live.view.document, &edit.document).changes.into_iter().map(Into::into).collect(),
        expected: Some(expected),
        author: change::author(),
    };
    let version = match client.write(write, how.force)? {
        Ok(version) => version,
        Err(reason) => bail!("nothing was changed: {reason}"),
    };
    let (admin_epoch, epoch, _) = version;
    let done = format!("The configuration is applied: it is version {admin_epoch}.{epoch} now.");
    edit.done = if how.json { changes } else { vec![done] };
    change::tell(&mut client, how, &edit, &plan, Made::Told(version))
}

/// The short form, if it is one: a CIB begins with an angle bracket. Standard input is a CIB.
fn short_form(path: &Path) -> anyhow::Result<Option<desired::Desired>> {
    if path == Path::new("-") {
        return Ok(None);
    }
    let Ok(file) = fs::File::open(path) else { return Ok(None) };
    let mut bytes = Vec::new();
    if file.take(MAX_BYTES + 1).read_to_end(&mut bytes).is_err() {
        return Ok(None);
    }
    let is_xml = bytes.iter().find(|byte| !byte.is_ascii_whitespace()).is_none_or(|byte| matches!(byte, b'<' | 0xEF));
    let named = path.extension().is_some_and(|extension| extension == "toml");
    match String::from_utf8(bytes) {
        Ok(text) if named || !is_xml => {
            desired::read(&text).map(Some).map_err(|problem| anyhow!("{}, {problem}", path.display()))
        }
        _ => Ok(None),
    }
}

/// When a file was made from an older configuration than there is. One that was never in a cluster has no version, or
/// 0.0.
fn older(file: &Document, live: (u64, u64)) -> Option<String> {
    let number = |name| file.attribute(file.root(), name).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
    let version = (number("admin_epoch"), number("epoch"));
    if version == (0, 0) || version >= live {
        return None;
    }
    Some(format!(
        "the file holds version {}.{} of the configuration and the cluster has {}.{}, so someone's change would be undone; \
         make yours in what `systole cib show` gives, or use --force",
        version.0, version.1, live.0, live.1
    ))
}

/// The cluster's CIB with the file's configuration, and the members that the file does not know: these stay.
pub fn merged(live: &Document, file: &Document, members: &[String]) -> (Document, Vec<String>) {
    let mut new = live.clone();
    let root = new.root();
    for (name, value) in file.attributes(file.root()).filter(|(name, _)| !OF_THE_CLUSTER.contains(name)) {
        new.set(root, name, value);
    }
    let old = new.child(root, "configuration");
    if let Some(source) = file.descend(&["configuration"]) {
        let configuration = new.graft(root, file, source);
        new.place_before(configuration, old);
    }
    old.into_iter().for_each(|old| new.remove(old));
    for section in ["crm_config", "nodes", "resources", "constraints"] {
        section_or_new(&mut new, section);
    }
    let kept = keep_members(&mut new, live, members);
    (new, kept)
}

fn section_or_new(document: &mut Document, section: &str) -> Option<Element> {
    let configuration = document.descend(&["configuration"])?;
    Some(document.child(configuration, section).unwrap_or_else(|| document.append(configuration, section)))
}

fn keep_members(new: &mut Document, live: &Document, members: &[String]) -> Vec<String> {
    let Some(nodes) = section_or_new(new, "nodes") else { return Vec::new() };
    let known: Vec<String> =
        new.children(nodes).filter_map(|node| new.attribute(node, "uname").map(str::to_owned)).collect();
    let mut kept = Vec::new();
    for node in live.descend(&["configuration", "nodes"]).into_iter().flat_map(|nodes| live.children(nodes)) {
        let Some(name) = live.attribute(node, "uname") else { continue };
        if members.iter().any(|member| member == name) && !known.iter().any(|known| known == name) {
            new.graft(nodes, live, node);
            kept.push(name.to_owned());
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::tests::cluster;

    #[test]
    fn the_status_and_the_version_are_the_clusters_and_members_stay() {
        let live = cluster().document;
        let file = Document::parse(
            r#"<cib epoch="99" validate-with="pacemaker-3.7"><configuration><nodes><node id="1" uname="one"/></nodes></configuration><status/></cib>"#,
        )
        .unwrap();
        let (new, kept) = merged(&live, &file, &["one".into(), "two".into()]);
        assert_eq!(kept, ["two"]);
        let root = new.root();
        assert_eq!(
            (new.attribute(root, "epoch"), new.attribute(root, "validate-with")),
            (Some("12"), Some("pacemaker-3.7"))
        );
        assert!(new.descend(&["configuration", "constraints"]).is_some());
        let lines = differences::lines(&live, &new).join("\n");
        assert!(
            lines.contains("- primitive web (ocf:heartbeat:Dummy)") && lines.contains("- node 3 uname=three"),
            "{lines}"
        );
        assert!(!lines.contains("lrm"), "{lines}");
        let (same, _) = merged(&live, &live, &[]);
        assert!(differences::lines(&live, &same).is_empty());
    }

    #[test]
    fn an_older_file_would_undo_a_change() {
        let of = |version: &str| Document::parse(&format!("<cib {version}><configuration/></cib>")).unwrap();
        for (file, refused) in [
            ("", false),
            ("epoch='0'", false),
            ("epoch='4'", true),
            ("epoch='7'", false),
            ("admin_epoch='1' epoch='0'", false),
        ] {
            assert_eq!(older(&of(file), (0, 7)).is_some(), refused, "{file}");
        }
    }
}
