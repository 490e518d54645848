#![forbid(unsafe_code)]
//! What in a configuration is nobody's business: passwords and the like, known by the names of the options that hold them.
//! They are found, and struck out of anything that others are to read.
//!
//! ```
//! let cib = cib::Document::parse(r#"<cib><nvpair id="a" name="passwd" value="geheim"/></cib>"#)?;
//! let secrets = secrets::Secrets::of(&cib);
//! assert_eq!(secrets.struck("the log says geheim twice: geheim"), "the log says ******** twice: ********");
//! assert_eq!(secrets.struck("pcs stonith create f x password=neu"), "pcs stonith create f x password=********");
//! # Ok::<(), cib::ParseError>(())
//! ```

use std::collections::BTreeSet;

use cib::{Document, Element};

/// What stands in the place of a secret.
pub const STRUCK: &str = "********";
/// Parts of names of options that hold one, in lower case.
const NAMES: [&str; 10] =
    ["passw", "secret", "token", "credential", "community", "private_key", "privkey", "authkey", "api_key", "apikey"];
/// Names that hold one, whole.
const WHOLE: [&str; 5] = ["pass", "pwd", "passphrase", "snmp_priv_passwd", "key"];
/// Options that name a file or a script where the secret is, and are none.
const NO_SECRETS: [&str; 2] = ["_script", "_file"];
/// Shorter values are found everywhere by chance: they are struck where they stand, and nowhere else.
const SHORTEST: usize = 4;

/// Whether an option of this name holds a secret.
pub fn is_secret(name: &str) -> bool {
    let name = name.to_lowercase();
    let elsewhere = NO_SECRETS.iter().any(|end| name.ends_with(end));
    !elsewhere && (WHOLE.contains(&name.as_str()) || NAMES.iter().any(|part| name.contains(part)))
}

/// The secrets of a configuration.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Secrets {
    /// The longest first: one may be the beginning of another.
    values: Vec<String>,
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} secrets", self.values.len())
    }
}

impl Secrets {
    /// Those of a CIB.
    pub fn of(cib: &Document) -> Secrets {
        let pairs = cib.descendants(cib.root()).filter(|one| cib.name(*one) == "nvpair");
        let secret = pairs.filter(|one| cib.attribute(*one, "name").is_some_and(is_secret));
        let values: BTreeSet<&str> = secret.filter_map(|one| cib.attribute(one, "value")).collect();
        let mut secrets = Secrets::default();
        values.into_iter().for_each(|value| secrets.learn(value));
        secrets
    }

    /// Adds those of another.
    pub fn and(mut self, other: &Secrets) -> Secrets {
        other.values.iter().for_each(|value| self.learn(value));
        self
    }

    fn learn(&mut self, value: &str) {
        if value.chars().count() < SHORTEST || self.values.iter().any(|known| known == value) {
            return;
        }
        let at = self.values.partition_point(|known| known.len() >= value.len());
        self.values.insert(at, value.to_owned());
    }

    /// A text without them: neither as they are nor as XML writes them, nor what stands behind `password=`.
    pub fn struck(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for value in &self.values {
            let mut escaped = String::new();
            cib::document::escape_attribute(value, &mut escaped);
            for form in [value, &escaped] {
                if text.contains(form.as_str()) {
                    text = text.replace(form.as_str(), STRUCK);
                }
            }
        }
        assignments(&text)
    }
}

/// A CIB with its secrets struck out, those of changes that wait for their end included.
pub fn without(cib: &Document) -> Document {
    let mut cib = cib.clone();
    let secrets = Secrets::of(&cib);
    let all: Vec<_> = cib.descendants(cib.root()).collect();
    for element in all {
        if cib.name(element) == "nvpair" && cib.attribute(element, "name").is_some_and(is_secret) {
            cib.set(element, "value", STRUCK);
        }
        let attributes: Vec<(String, String)> =
            cib.attributes(element).map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        for (name, value) in attributes.iter().filter(|(name, _)| !matches!(name.as_str(), "id" | "name")) {
            let struck = secrets.struck(value);
            if struck != *value {
                cib.set(element, name, &struck);
            }
        }
    }
    cib
}

/// Puts back what was struck out of a configuration, from the one that is there: what reads [`STRUCK`] is to be as it is.
/// A document that was shown can be changed and applied without its secrets.
///
/// # Errors
/// Where something was struck and nothing is there to be put back: the value itself must stand there.
pub fn restore(wanted: &mut Document, current: &Document) -> Result<(), String> {
    let shown: &Document = wanted;
    let struck: Vec<(Element, String, String)> = shown
        .descendants(shown.root())
        .flat_map(|element| shown.attributes(element).map(move |(name, value)| (element, name, value)))
        .filter(|(_, _, value)| value.contains(STRUCK))
        .map(|(element, name, value)| (element, name.to_owned(), value.to_owned()))
        .collect();
    if struck.is_empty() {
        return Ok(());
    }
    let clean = without(current);
    for (element, name, value) in struck {
        let (kind, id) = (wanted.name(element).to_owned(), wanted.id(element).to_owned());
        // A copy has the same elements under the same handles.
        let same = |one: &Element| clean.name(*one) == kind && clean.id(*one) == id && !id.is_empty();
        let there = clean.descendants(clean.root()).find(same);
        let there = there.filter(|one| clean.attribute(*one, &name) == Some(value.as_str()));
        match there.and_then(|one| current.attribute(one, &name)) {
            Some(secret) => wanted.set(element, &name, secret),
            None => {
                return Err(format!(
                    "<{kind} id=\"{id}\"> has {name}=\"{value}\", which stands for a secret that was not shown, and the \
                     configuration has none there; write the value itself"
                ));
            }
        }
    }
    Ok(())
}

/// Strikes what stands behind a name that holds a secret: `password=x`, `passwd="x y"`.
fn assignments(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('=') {
        let (before, behind) = rest.split_at(at + 1);
        out.push_str(before);
        let is_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
        let name = before[..at].rsplit(|c: char| !is_name(c)).next().unwrap_or_default();
        rest = behind;
        if !is_secret(name) {
            continue;
        }
        let quote = behind.chars().next().filter(|c| matches!(c, '"' | '\''));
        let (begin, length) = match quote {
            Some(quote) => (1, behind[1..].find(quote).unwrap_or(behind.len() - 1)),
            None => (0, behind.find(char::is_whitespace).unwrap_or(behind.len())),
        };
        if length > 0 {
            out.push_str(&behind[..begin]);
            out.push_str(STRUCK);
            rest = &behind[begin + length..];
        }
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_what_is_secret() {
        for (name, secret) in [
            ("passwd", true),
            ("PASSWORD", true),
            ("ilo_passwd", true),
            ("pass", true),
            ("secret", true),
            ("snmp_community", true),
            ("passwd_script", false),
            ("password_file", false),
            ("ip", false),
            ("keepalive", false),
            ("bypass", false),
        ] {
            assert_eq!(is_secret(name), secret, "{name}");
        }
    }

    #[test]
    fn a_secret_is_struck_wherever_it_stands() {
        let cib = Document::parse(
            "<cib note='a geh&amp;im b'><nvpair id='1' name='passwd' value='geh&amp;im'/><nvpair id='2' name='login' value='geh&amp;im'/>\
             <nvpair id='3' name='password' value='abc'/><nvpair id='4' name='ip' value='abc'/></cib>",
        )
        .unwrap();
        let clean = without(&cib);
        let xml = clean.to_xml();
        assert!(!xml.contains("geh&amp;im") && xml.contains("value=\"abc\""), "{xml}");
        assert_eq!(xml.matches(STRUCK).count(), 4, "{xml}");
        let secrets = Secrets::of(&cib);
        assert_eq!(secrets.struck("x geh&im y geh&amp;im"), format!("x {STRUCK} y {STRUCK}"));
        assert_eq!(format!("{secrets:?}"), "1 secrets");
    }

    #[test]
    fn what_stands_behind_a_secrets_name_is_struck() {
        for (text, expected) in [
            ("a password=x b", "a password=******** b"),
            ("passwd='x y' z", "passwd='********' z"),
            ("passwd=\"x", "passwd=\"********"),
            ("ip=1 passwd=", "ip=1 passwd="),
            ("a=b=c", "a=b=c"),
            ("=", "="),
            ("tökén=x secret=ü", "tökén=x secret=********"),
        ] {
            assert_eq!(Secrets::default().struck(text), expected);
        }
    }

    #[test]
    fn what_was_struck_is_put_back_or_refused() {
        let current = Document::parse(
            "<cib><nvpair id='1' name='passwd' value='geheim'/><nvpair id='2' name='opts' value='-p geheim -x'/></cib>",
        )
        .unwrap();
        let shown = without(&current).to_xml();
        assert!(!shown.contains("geheim"), "{shown}");
        let mut wanted = Document::parse(&shown.replace("opts", "options")).unwrap();
        restore(&mut wanted, &current).unwrap();
        assert_eq!(wanted.to_xml(), current.to_xml().replace("opts", "options"));
        let mut moved = Document::parse(&shown.replace("id=\"1\"", "id=\"3\"")).unwrap();
        assert!(restore(&mut moved, &current).unwrap_err().contains("<nvpair id=\"3\">"));
        let mut free = Document::parse("<cib><nvpair id='3' name='x' value='y'/></cib>").unwrap();
        assert_eq!(restore(&mut free, &current), Ok(()));
    }

    #[test]
    fn the_longer_of_two_goes_whole() {
        let one =
            Document::parse("<cib><nvpair name='passwd' value='abcd'/><nvpair name='passwd' value='abcdef'/></cib>")
                .unwrap();
        let other = Document::parse("<cib><nvpair name='passwd' value='wxyz'/></cib>").unwrap();
        let both = Secrets::of(&one).and(&Secrets::of(&other));
        assert_eq!(both.struck("abcdef abcd wxyz"), format!("{STRUCK} {STRUCK} {STRUCK}"));
    }
}
