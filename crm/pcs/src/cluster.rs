//! `pcs cluster cib`, `cib-push`, `cib-upgrade`, `verify` and `config`: the configuration as a whole.

use cib::{Document, Element, check, upgrade};

use crate::call::{Call, Done, Refusal};
use crate::commands::Command;
use crate::resource::{config, defaults};
use crate::tree;
use crate::{alert, constraint, property, stonith, tag};

/// The commands.
pub const COMMANDS: &[&[Command]] = &[&[
    Command {
        path: &["cluster", "cib"],
        arguments: "[<file>] [scope=<scope>]",
        about: "Shows the CIB, or saves it to a file",
        options: &["--config"],
        run: show,
    },
    Command {
        path: &["cluster", "cib-push"],
        arguments: "<file> [diff-against=<file> | scope=<scope>]",
        about: "Puts a CIB from a file in the place of the one there is",
        options: &["--config"],
        run: push,
    },
    Command {
        path: &["cluster", "cib-upgrade"],
        arguments: "",
        about: "Brings the CIB to the newest schema",
        options: &[],
        run: bring_up,
    },
    Command {
        path: &["cluster", "verify"],
        arguments: "",
        about: "Says what is wrong with the configuration",
        options: &["--full"],
        run: verify,
    },
    Command {
        path: &["config"],
        arguments: "",
        about: "Shows the whole configuration",
        options: &["--corosync_conf"],
        run: whole,
    },
    Command {
        path: &["config", "show"],
        arguments: "",
        about: "Shows the whole configuration",
        options: &["--corosync_conf"],
        run: whole,
    },
]];

const SCOPES: [&str; 11] = [
    "acls",
    "alerts",
    "configuration",
    "constraints",
    "crm_config",
    "fencing-topology",
    "nodes",
    "op_defaults",
    "resources",
    "rsc_defaults",
    "tags",
];

/// The scope that words or `--config` name; the other words.
fn scope(call: &mut Call<'_>) -> Done<Option<String>> {
    let at = call.words.iter().position(|word| word.starts_with("scope="));
    let named = at.map(|at| call.words.remove(at)).and_then(|word| word.strip_prefix("scope=").map(str::to_owned));
    match (named, call.options.has("--config")) {
        (Some(_), true) => Err(Refusal::usage("Cannot use both scope and --config")),
        (None, true) => Ok(Some("configuration".into())),
        (None, false) => Ok(None),
        (Some(name), false) if SCOPES.contains(&name.as_str()) => Ok(Some(name)),
        (Some(name), false) => Err(Refusal::usage(format!("invalid CIB scope '{name}', use {}", tree::listed(SCOPES)))),
    }
}

fn of_scope(cib: &Document, scope: &str) -> Option<Element> {
    match scope {
        "configuration" => cib.child(cib.root(), "configuration"),
        other => tree::find_section(cib, other),
    }
}

fn show(call: &mut Call<'_>) -> Done {
    let scope = scope(call)?;
    let file = if call.words.is_empty() { None } else { Some(call.words.remove(0)) };
    call.no_more()?;
    let text = match &scope {
        None => call.cib.to_xml(),
        Some(scope) => match of_scope(&call.cib, scope) {
            Some(element) => call.cib.element_to_xml(element),
            None => return call.fail(format!("unable to get cib, scope '{scope}' not present in cib")),
        },
    };
    match file {
        Some(file) => call.save = Some((file, text)),
        None => call.out.push_str(&text),
    }
    Ok(())
}

fn read(call: &mut Call<'_>, path: &str) -> Done<Document> {
    let text = match call.world.read(path) {
        Ok(text) => text,
        Err(why) => return call.fail(format!("unable to read cib: {why}")),
    };
    match Document::parse(&text) {
        Ok(document) => Ok(document),
        Err(error) => call.fail(format!("unable to parse cib:\n{}", error.render(path, &text))),
    }
}

fn push(call: &mut Call<'_>) -> Done {
    let scope = scope(call)?;
    let at = call.words.iter().position(|word| word.starts_with("diff-against="));
    let against =
        at.map(|at| call.words.remove(at)).and_then(|word| word.strip_prefix("diff-against=").map(str::to_owned));
    let path = call.next("a file")?;
    call.no_more()?;
    if against.is_some() && scope.is_some() {
        return Err(Refusal::usage("Cannot use both scope and diff-against"));
    }
    let new = read(call, &path)?;
    if let Some(against) = against {
        let old = read(call, &against)?;
        let patch = cib::patch::diff(&old, &new);
        if patch.changes.is_empty() {
            call.note("The new CIB is the same as the original CIB, nothing to push.");
            return Ok(());
        }
        let mut whole = match cib::Cib::parse(&call.cib.to_xml()) {
            Ok(whole) => whole,
            Err(why) => return call.fail(format!("the CIB cannot be changed: {why}")),
        };
        let author = cib::Author { user: String::new(), host: String::new(), command: String::new(), at: 0 };
        let write = cib::Write::Configure { patch, expected: None, author };
        if let Err(why) = whole.apply(&write) {
            return call.fail(format!(
                "the changes from '{against}' to '{path}' cannot be made: {why}; get the CIB anew and make them in it"
            ));
        }
        let after = whole.document().clone();
        replace(call, &after, "configuration")?;
    } else {
        replace(call, &new, scope.as_deref().unwrap_or("configuration"))?;
        if scope.is_none() {
            // A whole CIB names its schema.
            if let Some(schema) = new.attribute(new.root(), "validate-with") {
                let root = call.cib.root();
                call.cib.set(root, "validate-with", schema);
            }
        }
    }
    call.note("CIB updated");
    Ok(())
}

/// Puts one part of another document in the place of the same part. A scope's file may be that part alone.
fn replace(call: &mut Call<'_>, from: &Document, scope: &str) -> Done {
    let source = if from.name(from.root()) == scope { Some(from.root()) } else { of_scope(from, scope) };
    let Some(source) = source else {
        return call.fail(format!("the file has no <{scope}>; expected a CIB, or that part of one"));
    };
    let old = of_scope(&call.cib, scope);
    let parent = match scope {
        "configuration" => call.cib.root(),
        _ => match call.cib.child(call.cib.root(), "configuration") {
            Some(parent) => parent,
            None => return call.fail("the CIB has no <configuration>"),
        },
    };
    let new = call.cib.graft(parent, from, source);
    if let Some(old) = old {
        call.cib.place_before(new, Some(old));
        call.cib.remove(old);
    }
    let errors: Vec<String> = check::strict(&call.cib)
        .into_iter()
        .filter(|finding| finding.severity == check::Severity::Error)
        .map(|finding| finding.to_string())
        .collect();
    if !errors.is_empty() {
        return call.fail(format!("the new CIB is not valid:\n{}", errors.join("\n")));
    }
    Ok(())
}

fn bring_up(call: &mut Call<'_>) -> Done {
    call.no_more()?;
    let newest = {
        let (upgraded, _) = upgrade::upgrade(&call.cib);
        upgraded.into_owned()
    };
    call.cib = newest;
    let root = call.cib.root();
    call.cib.set(root, "validate-with", cib::SCHEMA);
    call.note("Cluster CIB has been upgraded to latest version");
    Ok(())
}

fn verify(call: &mut Call<'_>) -> Done {
    call.no_more()?;
    for finding in check::strict(&call.cib) {
        match finding.severity {
            check::Severity::Error => call.error(finding.to_string()),
            _ => call.warn(finding.to_string()),
        }
    }
    let mut levels = stonith::level::problems(&call.cib);
    levels.drain(..).for_each(|problem| call.error(problem));
    call.settled()
}

fn whole(call: &mut Call<'_>) -> Done {
    call.no_more()?;
    let cib = call.cib.clone();
    let indented = |lines: Vec<String>| lines.into_iter().map(|line| format!("  {line}")).collect::<Vec<_>>();
    let name = cib::view::property(&cib, "cluster-name", call.world.now()).unwrap_or("").to_owned();
    let mut out = vec![format!("Cluster Name: {name}"), "Pacemaker Nodes:".into()];
    out.push(format!(" {}", tree::nodes(&cib).join(" ")));
    for (title, stonith) in [("Resources:", false), ("Stonith Devices:", true)] {
        out.extend([String::new(), title.to_owned()]);
        for one in config::tops(&cib, stonith) {
            out.extend(indented(config::lines(&cib, one)));
        }
    }
    out.push("Fencing Levels:".into());
    out.extend(indented(stonith::level::lines(&cib)));
    out.push(String::new());
    out.extend(constraint::show::every_line(call, true));
    out.extend([String::new(), "Alerts:".into()]);
    out.extend(alert::lines(&cib));
    out.extend([String::new(), "Resources Defaults:".into()]);
    out.extend(indented(defaults::lines(call, "rsc_defaults", true)));
    out.push("Operations Defaults:".into());
    out.extend(indented(defaults::lines(call, "op_defaults", true)));
    out.extend([String::new(), "Cluster Properties:".into()]);
    out.extend(property::set_pairs(call).into_iter().map(|(name, value)| format!(" {name}: {value}")));
    out.extend([String::new(), "Tags:".into()]);
    let tags = tag::lines(&cib, &[]);
    out.extend(if tags.is_empty() {
        vec![" No tags defined".into()]
    } else {
        tags.iter().map(|line| format!(" {line}")).collect()
    });
    out.into_iter().for_each(|line| call.say(line));
    Ok(())
}
