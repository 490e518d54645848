//! Commands of pcs that act on a running cluster or this machine and are `crm_resource`'s and `crm_mon`'s work: the words
//! are pcs's, what is done is that tool's.

use ::pcs::command_line::CommandLine;
use cib::Document;

use crate::tools::call::Call;
use crate::tools::{crm_mon, crm_resource};

/// The tool's command line, if it is such a command. An error is the message for a command line that is none.
fn tool(line: &CommandLine) -> Option<Result<Vec<String>, String>> {
    let words: Vec<&str> = line.words.iter().map(String::as_str).collect();
    let tool = match words[..] {
        ["resource", "restart", ref rest @ ..] => restart(rest, line),
        ["resource", "cleanup", ref rest @ ..] | ["stonith", "cleanup", ref rest @ ..] => {
            forget("--cleanup", rest, line)
        }
        ["resource", "refresh", ref rest @ ..] | ["stonith", "refresh", ref rest @ ..] => {
            forget("--refresh", rest, line)
        }
        ["resource", deed, ref rest @ ..] if deed.starts_with("debug-") => by_hand(deed, rest, line)?,
        ["status", "xml"] => Ok(words_of("crm_mon --one-shot --inactive --output-as=xml")),
        ["status", "resources", ref rest @ ..] | ["resource", "status", ref rest @ ..] if !rest.is_empty() => {
            resources(rest, line)
        }
        ["status", "resources"] => resources(&[], line),
        _ => return None,
    };
    Some(tool)
}

/// Does it, if it is such a command; its exit status. An error is the message for a command line that is none.
pub fn run(call: &mut Call, line: &CommandLine) -> Option<Result<u8, String>> {
    let words = match tool(line)? {
        Ok(words) => words,
        Err(message) => return Some(Err(message)),
    };
    if let Some(file) = line.options.value("-f") {
        call.variables.insert("CIB_file".to_owned(), file.to_owned());
    }
    let is_mon = words[0] == "crm_mon";
    call.arguments = words.into_iter().map(Into::into).collect();
    Some(Ok(if is_mon { crm_mon::run(call) } else { crm_resource::run(call) }))
}

fn words_of(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

/// Only options that the command knows.
fn only(line: &CommandLine, known: &[&str]) -> Result<(), String> {
    match line
        .options
        .names()
        .find(|name| !known.contains(name) && !["-f", "--debug", "--request-timeout"].contains(name))
    {
        Some(name) => Err(format!("Specified option '{name}' is not supported in this command")),
        None => Ok(()),
    }
}

fn restart(rest: &[&str], line: &CommandLine) -> Result<Vec<String>, String> {
    only(line, &["--wait"])?;
    let (id, node) = match rest {
        [id] => (id, None),
        [id, node] => (id, Some(node)),
        _ => return Err("You must specify a resource to restart, and at most a node".to_owned()),
    };
    let mut words = words_of(&format!("crm_resource --restart --resource {id}"));
    words.extend(node.map(|node| format!("--node={node}")));
    match line.options.value("--wait") {
        Some("") => return Err("You must specify the number of seconds to wait".to_owned()),
        Some(wait) => words.push(format!("--timeout={wait}")),
        None => {}
    }
    Ok(words)
}

fn forget(what: &str, rest: &[&str], line: &CommandLine) -> Result<Vec<String>, String> {
    only(line, &["--force", "--strict"])?;
    let mut words = vec!["crm_resource".to_owned(), what.to_owned()];
    let known: &[&str] = if what == "--cleanup" { &["interval", "node", "operation"] } else { &["node"] };
    for (at, word) in rest.iter().enumerate() {
        match word.split_once('=') {
            None if at == 0 => words.push(format!("--resource={word}")),
            Some((name, value)) if known.contains(&name) => words.push(format!("--{name}={value}")),
            Some((name, _)) => return Err(format!("'{name}' is no option here; there are: {}", known.join(", "))),
            None => return Err(format!("'{word}' is one word too many")),
        }
    }
    if line.options.has("--strict") {
        words.push("--force".to_owned());
    }
    Ok(words)
}

/// An agent's action on this machine, whatever the cluster thinks of it.
fn by_hand(deed: &str, rest: &[&str], line: &CommandLine) -> Option<Result<Vec<String>, String>> {
    let option = match deed {
        "debug-start" => "--force-start",
        "debug-stop" => "--force-stop",
        "debug-promote" => "--force-promote",
        "debug-demote" => "--force-demote",
        "debug-monitor" => "--force-check",
        _ => return None,
    };
    let [id] = rest else { return Some(Err(format!("You must specify a resource to {deed}"))) };
    Some(only(line, &["--force", "--full"]).map(|()| {
        let mut words = words_of(&format!("crm_resource --resource {id} {option}"));
        if line.options.has("--full") {
            words.extend(words_of("--verbose --verbose"));
        }
        if line.options.force() {
            words.push("--force".to_owned());
        }
        words
    }))
}

fn resources(rest: &[&str], line: &CommandLine) -> Result<Vec<String>, String> {
    only(line, &["--hide-inactive"])?;
    let mut words = words_of("crm_mon --one-shot --exclude=all --include=resources");
    if !line.options.has("--hide-inactive") {
        words.push("--inactive".to_owned());
    }
    for word in rest {
        match word.split_once('=') {
            None => words.push(format!("--resource={word}")),
            Some(("node", node)) => words.push(format!("--node={node}")),
            Some((name, _)) => return Err(format!("'{name}' is no option here; there is: node")),
        }
    }
    Ok(words)
}

/// What pcs refuses before it asks an agent: it can be asked for a primitive alone.
pub fn refuse(cib: &Document, line: &CommandLine) -> Option<String> {
    let [family, deed, id] = &line.words[..] else { return None };
    if family != "resource" || !deed.starts_with("debug-") {
        return None;
    }
    let Some(found) = ::pcs::tree::resource(cib, id) else {
        return Some(format!("unable to find a resource/clone/group/bundle: {id}"));
    };
    let kind = match cib.name(found) {
        "primitive" => return None,
        "master" => "clone",
        other => other,
    };
    let inner = cib.children(found).filter(|one| ::pcs::tree::RESOURCES.contains(&cib.name(*one)));
    let inner: Vec<&str> = inner.map(|one| cib.id(one)).collect();
    Some(format!("unable to {deed} a {kind}, try what is in it: {}", inner.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asks(text: &str) -> Result<String, String> {
        let words: Vec<String> = text.split(' ').map(str::to_owned).collect();
        let line = CommandLine::read(&words).unwrap();
        tool(&line).expect("it is such a command").map(|words| words.join(" "))
    }

    #[test]
    fn words_of_pcs_become_those_of_the_tools() {
        for (theirs, ours) in [
            ("resource restart web n1 --wait=9", "crm_resource --restart --resource web --node=n1 --timeout=9"),
            ("stonith cleanup f1 node=n1 --strict", "crm_resource --cleanup --resource=f1 --node=n1 --force"),
            ("resource cleanup operation=start interval=0", "crm_resource --cleanup --operation=start --interval=0"),
            ("resource refresh web", "crm_resource --refresh --resource=web"),
            ("resource debug-monitor web", "crm_resource --resource web --force-check"),
            ("resource debug-start web --full", "crm_resource --resource web --force-start --verbose --verbose"),
            ("status xml", "crm_mon --one-shot --inactive --output-as=xml"),
        ] {
            assert_eq!(asks(theirs).as_deref(), Ok(ours), "{theirs}");
        }
    }

    #[test]
    fn what_is_no_such_command_line_is_told() {
        for (words, why) in [
            ("resource restart", "at most a node"),
            ("resource restart web --wait", "number of seconds"),
            ("resource refresh web operation=start", "'operation' is no option here"),
            ("resource cleanup web db", "'db' is one word too many"),
            ("resource debug-stop", "You must specify a resource"),
            ("resource debug-stop web --safe", "'--safe' is not supported"),
        ] {
            let error = asks(words).unwrap_err();
            assert!(error.contains(why), "{words}: {error}");
        }
    }

    #[test]
    fn agents_are_asked_for_primitives_alone() {
        let cib = Document::parse(
            "<cib><configuration><resources><group id='g'><primitive id='a'/></group></resources></configuration></cib>",
        )
        .unwrap();
        let refused = |text: &str| {
            let words: Vec<String> = text.split(' ').map(str::to_owned).collect();
            refuse(&cib, &CommandLine::read(&words).unwrap())
        };
        assert_eq!(refused("resource debug-start a"), None);
        assert!(refused("resource debug-start g").unwrap().contains("a group, try what is in it: a"));
        assert!(refused("resource debug-start x").unwrap().contains("unable to find"));
    }
}
