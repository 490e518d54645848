//! What a patch changes of a configuration, a line for each change, in the words of operators.

use cib::Document;
use cib::patch::{self, Change};
use secrets::{STRUCK, Secrets};

/// A line for each change that turns `old` into `new`, without their secrets.
pub fn lines(old: &Document, new: &Document) -> Vec<String> {
    let secrets = Secrets::of(old).and(&Secrets::of(new));
    told(old, new, true).iter().map(|line| secrets.struck(line)).collect()
}

/// The same with the secrets.
pub fn whole_lines(old: &Document, new: &Document) -> Vec<String> {
    told(old, new, false)
}

fn told(old: &Document, new: &Document, hide: bool) -> Vec<String> {
    // The order of the sections themselves means nothing.
    let means = |change: &&Change| !matches!(change, Change::Move { path, .. } if !path.contains("[@id="));
    patch::diff(old, new).changes.iter().filter(means).map(|change| line(old, change, hide)).collect()
}

/// Whether the value of an element is nobody's business, however short it is.
fn is_secret(document: &Document, element: cib::Element) -> bool {
    document.name(element) == "nvpair" && document.attribute(element, "name").is_some_and(secrets::is_secret)
}

fn line(old: &Document, change: &Change, hide: bool) -> String {
    match change {
        Change::Create { path, xml, .. } => match Document::parse(xml) {
            Ok(new) => format!("+ {}{}", described(&new, new.root(), hide), within(path)),
            Err(_) => format!("+ something below {path}"),
        },
        Change::Delete { path } => match find(old, path) {
            Some(element) => format!("- {}{}", described(old, element, hide), within(parent(path))),
            None => format!("- {path}"),
        },
        Change::Move { path, .. } => format!("~ {} takes another place", last_step(path)),
        Change::Modify { path, set, unset } => {
            let element = find(old, path);
            let hide = hide && element.is_some_and(|element| is_secret(old, element));
            let shown =
                |name: &str, value: &str| if hide && name == "value" { STRUCK.to_owned() } else { value.to_owned() };
            let before = |name: &str| Some(shown(name, element.and_then(|element| old.attribute(element, name))?));
            let set = set.iter().map(|(name, value)| match before(name) {
                Some(before) => format!("{name} {before} -> {}", shown(name, value)),
                None => format!("{name} = {}", shown(name, value)),
            });
            let unset = unset
                .iter()
                .map(|name| format!("{name} removed (was {})", before(name).unwrap_or_else(|| "unset".to_owned())));
            let what = element.map_or_else(|| last_step(path), |element| named(old, element));
            format!("~ {what}{}: {}", within(parent(path)), set.chain(unset).collect::<Vec<_>>().join(", "))
        }
    }
}

/// `primitive web (ocf:heartbeat:Dummy)`, `nvpair target-role=Stopped`.
fn described(document: &Document, element: cib::Element, hide: bool) -> String {
    let attribute = |name| document.attribute(element, name);
    let hide = hide && is_secret(document, element);
    let mut text = named(document, element);
    match (attribute("class"), attribute("type")) {
        (Some(class), Some(kind)) => {
            let provider = attribute("provider").map(|provider| format!("{provider}:")).unwrap_or_default();
            text.push_str(&format!(" ({class}:{provider}{kind})"));
        }
        _ => {
            let shown =
                |name: &str| !matches!(name, "id" | "name") || (name == "name" && document.name(element) == "op");
            let rest: Vec<String> = document
                .attributes(element)
                .filter(|(name, _)| shown(name))
                .map(|(name, value)| format!("{name}={}", if hide && name == "value" { STRUCK } else { value }))
                .collect();
            if !rest.is_empty() {
                text.push_str(&format!(" {}", rest.join(" ")));
            }
        }
    }
    let inside = document.descendants(element).count() - 1;
    if inside > 0 {
        text.push_str(&format!(", with {inside} element{} in it", if inside == 1 { "" } else { "s" }));
    }
    text
}

/// The element's kind and the name operators know it by.
fn named(document: &Document, element: cib::Element) -> String {
    let kind = document.name(element);
    match document.attribute(element, "name").filter(|_| kind == "nvpair") {
        Some(name) => format!("{kind} {name}"),
        None if document.id(element).is_empty() => kind.to_owned(),
        None => format!("{kind} {}", document.id(element)),
    }
}

/// Where it is, unless it stands directly in its section.
fn within(path: &str) -> String {
    match path.matches("[@id=").count() {
        0 => String::new(),
        _ => format!(" in {}", owner(path)),
    }
}

/// The outermost thing with an id on a path: the resource or constraint it belongs to.
fn owner(path: &str) -> String {
    let step = steps(path).into_iter().find(|step| step.contains("[@id=")).unwrap_or_default();
    plain(step)
}

fn last_step(path: &str) -> String {
    plain(steps(path).last().copied().unwrap_or_default())
}

/// `primitive[@id='web']` as `primitive web`.
fn plain(step: &str) -> String {
    match step.split_once("[@id=") {
        Some((name, id)) => format!("{name} {}", id.trim_end_matches(']').trim_matches(['\'', '"'])),
        None => step.to_owned(),
    }
}

/// The steps of a path; a slash within quotes belongs to an id.
fn steps(path: &str) -> Vec<&str> {
    let mut quote = None;
    path.split(move |c: char| {
        match (quote, c) {
            (None, '\'' | '"') => quote = Some(c),
            (Some(open), c) if c == open => quote = None,
            _ => {}
        }
        quote.is_none() && c == '/'
    })
    .collect()
}

fn parent(path: &str) -> &str {
    let last = steps(path).last().map_or(0, |step| step.len());
    path[..path.len() - last].trim_end_matches('/')
}

fn find(document: &Document, path: &str) -> Option<cib::Element> {
    document.descendants(document.root()).find(|element| patch::path_of(document, *element) == path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_told_however_short() {
        let of = |passwd: &str, more: &str| {
            let pair = format!("<nvpair id='p' name='passwd' value='{passwd}'/>{more}");
            Document::parse(&format!("<cib><configuration><a id='a'>{pair}</a></configuration></cib>")).unwrap()
        };
        let (old, new) = (of("x", ""), of("y", "<nvpair id='q' name='secret' value='z'/>"));
        let text = lines(&old, &new).join("\n");
        assert!(text.contains("******** -> ********") && text.contains("nvpair secret value=********"), "{text}");
        assert!(whole_lines(&old, &new).join("\n").contains("value x -> y"));
    }

    #[test]
    fn changes_are_told_in_operators_words() {
        let old = "<cib><configuration><resources><primitive id='web' class='ocf' provider='p' type='T'>\
                   <meta_attributes id='m'><nvpair id='n' name='target-role' value='Stopped'/></meta_attributes></primitive>\
                   <primitive id='a/b' class='systemd' type='x'/></resources><constraints/></configuration></cib>";
        let new = "<cib><configuration><resources><primitive id='web' class='ocf' provider='p' type='T'>\
                   <meta_attributes id='m'><nvpair id='n' name='target-role' value='Started'/></meta_attributes></primitive>\
                   <group id='g'><primitive id='y' class='ocf' provider='p' type='T'/></group></resources>\
                   <constraints><rsc_location id='l' rsc='web' node='one' score='5'/></constraints></configuration></cib>";
        let (old, new) = (Document::parse(old).unwrap(), Document::parse(new).unwrap());
        assert_eq!(
            lines(&old, &new),
            [
                "- primitive a/b (systemd:x)",
                "~ nvpair target-role in primitive web: value Stopped -> Started",
                "+ group g, with 1 element in it",
                "+ rsc_location l rsc=web node=one score=5",
            ]
        );
        assert!(lines(&old, &old).is_empty());
    }
}
