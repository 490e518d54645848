//! Paths to elements: the part of XPath that names one element by child steps.

use super::Error;
use crate::document::{Document, Element};

/// The path of an element. Steps carry the id where there is one, and a number only where a sibling would answer to the
/// same step: `/cib/tags/tag[@id='t']/obj_ref[2]`. The root carries no id.
pub fn path_of(document: &Document, element: Element) -> String {
    let mut steps = Vec::new();
    let mut at = element;
    while let Some(parent) = document.parent(at) {
        let key = key(document, at);
        let earlier =
            document.children(parent).take_while(|child| *child != at).filter(|c| self::key(document, *c) == key);
        let number = earlier.count() + 1;
        let mut step = String::from(key.0);
        if let Some(id) = key.1 {
            let quote = if id.contains('\'') { '"' } else { '\'' };
            step += &format!("[@id={quote}{id}{quote}]");
        }
        if number > 1 {
            step += &format!("[{number}]");
        }
        steps.push(step);
        at = parent;
    }
    steps.push(document.name(at).to_owned());
    steps.reverse();
    format!("/{}", steps.join("/"))
}

/// What a step says of an element: two siblings with the same key are told apart by number.
pub(super) fn key(document: &Document, element: Element) -> (&str, Option<&str>) {
    // An id with both kinds of quotation marks cannot be written in a step; such an element goes by its number.
    let id = document.attribute(element, "id").filter(|id| !(id.contains('\'') && id.contains('"')));
    (document.name(element), id)
}

/// The element a path leads to, if it is there. A step without an id means the first element of that name that has
/// none, or the first at all; a step without a number passes over those in `except`.
pub(super) fn find(document: &Document, path: &str, except: &[Element]) -> Result<Option<Element>, Error> {
    let wrong = || Error::NoPath { path: path.to_owned() };
    let mut rest = path.strip_prefix('/').ok_or_else(wrong)?;
    let mut at: Option<Element> = None;
    loop {
        let (step, after) = Step::read(rest).ok_or_else(wrong)?;
        let parent = at.replace(document.root());
        if let Some(parent) = parent {
            match step.among(document, parent, except) {
                Some(found) => at = Some(found),
                None => return Ok(None),
            }
        } else if document.name(document.root()) != step.name {
            return Ok(None);
        }
        match after.strip_prefix('/') {
            Some(more) => rest = more,
            None if after.is_empty() => return Ok(at),
            None => return Err(wrong()),
        }
    }
}

struct Step<'a> {
    name: &'a str,
    id: Option<&'a str>,
    number: Option<usize>,
}

impl<'a> Step<'a> {
    /// Reads `name`, `name[@id='x']`, `name[2]` or `name[@id='x'][2]`, and says what is left.
    fn read(text: &'a str) -> Option<(Step<'a>, &'a str)> {
        let end = text.find(['/', '[']).unwrap_or(text.len());
        let (name, mut rest) = text.split_at(end);
        let mut step = Step { name, id: None, number: None };
        if name.is_empty() {
            return None;
        }
        if let Some(quoted) = rest.strip_prefix("[@id=") {
            let quote = quoted.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
            let (id, after) = quoted[1..].split_once(quote)?;
            step.id = Some(id);
            rest = after.strip_prefix(']')?;
        }
        if let Some(numbered) = rest.strip_prefix('[') {
            let (number, after) = numbered.split_once(']')?;
            step.number = Some(number.parse().ok().filter(|number| *number > 0)?);
            rest = after;
        }
        Some((step, rest))
    }

    fn among(&self, document: &Document, parent: Element, except: &[Element]) -> Option<Element> {
        // A number counts all; without one the first that is still free is meant.
        let nth = self.number.map_or(0, |number| number - 1);
        let free = |child: &Element| self.number.is_some() || !except.contains(child);
        let named = || document.children_named(parent, self.name).filter(free);
        match self.id {
            Some(id) => named().filter(|child| document.attribute(*child, "id") == Some(id)).nth(nth),
            None => named().filter(|child| key(document, *child).1.is_none()).nth(nth).or_else(|| named().nth(nth)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_element_is_found_by_its_path() {
        let text = "<cib id='c'><a id='1'/><a id='2'><b/><b/><b id='b'/></a><a id=\"o'clock\"/><a id='1'><b/></a>\
                    <a id='&quot;&apos;'/><a/></cib>";
        let document = Document::parse(text).unwrap();
        let mut paths = Vec::new();
        for element in document.descendants(document.root()) {
            let path = path_of(&document, element);
            assert_eq!(find(&document, &path, &[]).unwrap(), Some(element), "{path}");
            paths.push(path);
        }
        assert_eq!(paths[0], "/cib");
        assert_eq!(paths[4], "/cib/a[@id='2']/b[2]");
        assert_eq!(paths[6], "/cib/a[@id=\"o'clock\"]");
        assert_eq!(paths[7], "/cib/a[@id='1'][2]");
    }

    #[test]
    fn what_is_no_path() {
        let document = Document::parse("<cib><a id='1'/></cib>").unwrap();
        for path in
            ["", "cib", "/", "//a", "/cib/", "/cib/a[", "/cib/a[0]", "/cib/a[@id=1]", "/cib/a[@id='1'", "/cib/a[1]x"]
        {
            assert!(find(&document, path, &[]).is_err(), "{path}");
        }
        for path in ["/bic", "/cib/b", "/cib/a[2]", "/cib/a[@id='2']"] {
            assert_eq!(find(&document, path, &[]), Ok(None), "{path}");
        }
        assert!(find(&document, "/cib/a", &[]).unwrap().is_some());
    }

    proptest! {
        #[test]
        fn never_panics(path in "(/(cib|a|b)?(\\[(@id=)?['\"]?[a-z0-9]{0,3}['\"]?\\])*)*", other in ".*") {
            let document = Document::parse("<cib><a id='1'/><b/></cib>").unwrap();
            let _ = (find(&document, &path, &[]), find(&document, &other, &[]));
        }
    }
}
