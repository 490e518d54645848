//! The files of one host, as values: what `include` may reach. Nothing outside of the given tree is ever read.

use std::collections::BTreeMap;

/// Alternatives that the braces of one pattern may stand for: a bound for patterns written to explode.
const BRACES_MAX: usize = 1_000;

/// Files by path, `/etc/keepalived/keepalived.conf`, and the one that is read first.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Files {
    files: BTreeMap<String, String>,
    main: String,
}

impl Files {
    /// One file alone.
    pub fn one(path: impl Into<String>, text: impl Into<String>) -> Files {
        let mut files = Files { files: BTreeMap::new(), main: normal(&path.into()) };
        files.files.insert(files.main.clone(), text.into());
        files
    }

    /// Adds a file that may be included.
    pub fn add(&mut self, path: &str, text: impl Into<String>) {
        self.files.insert(normal(path), text.into());
    }

    /// The path of the file that is read first.
    pub fn main(&self) -> &str {
        &self.main
    }

    /// A file's text.
    pub fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path).map(String::as_str)
    }

    /// The files that a pattern of `include` names, seen from a directory, in the order of glob(3): that of the braces,
    /// and by name for each.
    pub fn matching(&self, directory: &str, pattern: &str) -> Vec<&str> {
        let mut found: Vec<&str> = Vec::new();
        for pattern in alternatives(pattern) {
            let absolute = if pattern.starts_with('/') { pattern } else { format!("{directory}/{pattern}") };
            let pattern = normal(&absolute);
            let names = self.files.keys().filter(|path| matches(&pattern, path));
            for name in names {
                if !found.contains(&name.as_str()) {
                    found.push(name);
                }
            }
        }
        found
    }
}

/// The directory a path lies in.
pub fn directory(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(directory, _)| directory)
}

/// A path without `.`, `..` and doubled slashes; it cannot climb above its root.
fn normal(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

/// A pattern's braces spelt out: `{a,b}c` is `ac` and `bc`.
fn alternatives(pattern: &str) -> Vec<String> {
    let mut open = vec![pattern.to_owned()];
    let mut done = Vec::new();
    while let Some(pattern) = open.pop() {
        match outer_braces(&pattern) {
            Some((before, words, after)) if done.len() + open.len() < BRACES_MAX => {
                open.extend(words.iter().rev().map(|word| format!("{before}{word}{after}")));
            }
            _ => done.push(pattern),
        }
    }
    done
}

/// What stands before, in and behind the first pair of braces; what is in it is parted at its own commas.
fn outer_braces(pattern: &str) -> Option<(&str, Vec<&str>, &str)> {
    let start = pattern.find('{')?;
    let mut depth = 0;
    let mut words = Vec::new();
    let mut word = start + 1;
    for (at, character) in pattern[start..].char_indices().map(|(at, character)| (start + at, character)) {
        match character {
            '{' => depth += 1,
            ',' if depth == 1 => {
                words.push(&pattern[word..at]);
                word = at + 1;
            }
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            words.push(&pattern[word..at]);
            return Some((&pattern[..start], words, &pattern[at + 1..]));
        }
    }
    None
}

/// Whether a path is of a pattern with `*`, `?` and `[…]`; none of them stands for a slash.
fn matches(pattern: &str, path: &str) -> bool {
    let (pattern, path): (Vec<char>, Vec<char>) = (pattern.chars().collect(), path.chars().collect());
    // The place in both to go on from when a star has to take one more.
    let mut star: Option<(usize, usize)> = None;
    let (mut p, mut t) = (0, 0);
    while t < path.len() {
        let step = match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
                continue;
            }
            Some('?') => (path[t] != '/').then_some(1),
            Some('[') => class(&pattern[p..], path[t]),
            Some('\\') => (pattern.get(p + 1) == Some(&path[t])).then_some(2),
            Some(literal) => (*literal == path[t]).then_some(1),
            None => None,
        };
        match (step, star) {
            (Some(step), _) => {
                p += step;
                t += 1;
            }
            (None, Some((at, taken))) if path[taken] != '/' => {
                star = Some((at, taken + 1));
                p = at + 1;
                t = taken + 1;
            }
            _ => return false,
        }
    }
    pattern[p..].iter().all(|rest| *rest == '*')
}

/// The length of a class in a pattern, if it has this character.
fn class(pattern: &[char], character: char) -> Option<usize> {
    let negated = matches!(pattern.get(1), Some('!' | '^'));
    let first = if negated { 2 } else { 1 };
    let end = pattern.iter().skip(first + 1).position(|one| *one == ']')? + first + 1;
    let inner = &pattern[first..end];
    let mut at = 0;
    let mut found = false;
    while at < inner.len() {
        if at + 2 < inner.len() && inner[at + 1] == '-' {
            found |= (inner[at]..=inner[at + 2]).contains(&character);
            at += 3;
        } else {
            found |= inner[at] == character;
            at += 1;
        }
    }
    (found != negated && character != '/').then_some(end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_those_of_glob() {
        let mut files = Files::one("/etc/keepalived/keepalived.conf", "");
        for path in ["conf.d/a.conf", "conf.d/b.conf", "conf.d/c.txt", "x/y/z.conf"] {
            files.add(&format!("/etc/keepalived/{path}"), "");
        }
        let found = |pattern: &str| {
            let strip = |path: &str| path.strip_prefix("/etc/keepalived/").unwrap_or(path).to_owned();
            files.matching("/etc/keepalived", pattern).into_iter().map(strip).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(found("conf.d/*.conf"), "conf.d/a.conf conf.d/b.conf");
        assert_eq!(found("conf.d/{b,a}.conf"), "conf.d/b.conf conf.d/a.conf");
        assert_eq!(found("conf.d/[!a].*"), "conf.d/b.conf conf.d/c.txt");
        assert_eq!(found("*.conf"), "keepalived.conf");
        assert_eq!(found("/etc/../etc/keepalived/./x/?/z.conf"), "x/y/z.conf");
        assert_eq!(found("../../../etc/passwd"), "");
        assert_eq!(alternatives("{a,b{c,d}}e"), ["ae", "bce", "bde"]);
    }

    #[test]
    fn a_pattern_made_to_explode_ends() {
        assert!(alternatives(&"{a,b}".repeat(40)).len() <= 2 * BRACES_MAX);
        assert!(!matches(&"*a".repeat(60), &"b".repeat(200)));
    }
}
