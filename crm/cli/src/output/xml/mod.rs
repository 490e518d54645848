//! What is shown as XML for programs, in the form Pacemaker's tools have with `--output-as xml`: a
//! `<pacemaker-result>` that ends with its status. Each module gives the elements of one subject.

pub mod attributes;
pub mod nodes;
pub mod resources;

use std::ffi::OsString;

/// A version of the form.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Api {
    /// That of Pacemaker 2.1.5: programs that come with it check what they read against its schema.
    Old,
    /// That of Pacemaker 3.0.2, the first with `removed` beside `orphaned`.
    #[default]
    New,
}

impl Api {
    fn version(self) -> &'static str {
        match self {
            Api::Old => "2.25",
            Api::New => "2.41",
        }
    }
}

/// XML that grows element by element, two spaces deeper for each that is open.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    text: String,
    open: Vec<&'static str>,
    /// The start tag written last still lacks its end.
    pending: bool,
    api: Api,
}

impl Tree {
    /// A result of the command line `arguments`, the tool's name first.
    pub fn result(arguments: &[OsString]) -> Self {
        Tree::result_in(Api::New, arguments)
    }

    /// A result in a version of the form.
    pub fn result_in(api: Api, arguments: &[OsString]) -> Self {
        let words: Vec<String> = arguments.iter().map(|word| quoted(&word.to_string_lossy())).collect();
        let mut tree = Tree { api, ..Tree::default() };
        tree.begin("pacemaker-result", &[("api-version", api.version()), ("request", &words.join(" "))]);
        tree
    }

    /// A document with another root, in the older form.
    pub fn rooted(name: &'static str, attributes: &[(&str, &str)]) -> Self {
        let mut tree = Tree { api: Api::Old, ..Tree::default() };
        tree.begin(name, attributes);
        tree
    }

    /// Ends everything that is open, and gives the whole.
    pub fn close(mut self) -> String {
        while !self.open.is_empty() {
            self.end();
        }
        self.text
    }

    /// Attributes that came with the newer form: none in the older.
    pub fn newer<'a>(&self, attributes: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
        match self.api {
            Api::Old => Vec::new(),
            Api::New => attributes.to_vec(),
        }
    }

    /// Ends the result with its status, and gives the whole.
    pub fn finish(mut self, code: u8, message: &str, errors: &[String]) -> String {
        while self.open.len() > 1 {
            self.end();
        }
        let attributes = [("code", &*code.to_string()), ("message", message)];
        if errors.is_empty() {
            self.leaf("status", &attributes);
        } else {
            self.begin("status", &attributes);
            self.begin("errors", &[]);
            errors.iter().for_each(|error| self.text("error", error));
            self.end();
            self.end();
        }
        self.end();
        self.text
    }

    /// Begins an element; what follows is in it until its [`end`](Self::end).
    pub fn begin(&mut self, name: &'static str, attributes: &[(&str, &str)]) {
        self.start(name, attributes);
        self.open.push(name);
        self.pending = true;
    }

    /// Ends the element begun last.
    pub fn end(&mut self) {
        let Some(name) = self.open.pop() else { return };
        if std::mem::take(&mut self.pending) {
            self.text.push_str("/>\n");
        } else {
            self.indent();
            self.text.push_str(&format!("</{name}>\n"));
        }
    }

    /// An element without anything in it.
    pub fn leaf(&mut self, name: &str, attributes: &[(&str, &str)]) {
        self.start(name, attributes);
        self.text.push_str("/>\n");
    }

    /// An element that holds text alone.
    pub fn text(&mut self, name: &str, text: &str) {
        self.start(name, &[]);
        self.text.push('>');
        self.escape(text);
        self.text.push_str(&format!("</{name}>\n"));
    }

    /// An element with attributes that holds text alone.
    pub fn labelled(&mut self, name: &str, attributes: &[(&str, &str)], text: &str) {
        self.start(name, attributes);
        self.text.push('>');
        self.escape(text);
        self.text.push_str(&format!("</{name}>\n"));
    }

    /// `<item name="…">text</item>`, as lists hold them.
    pub fn item(&mut self, name: &str, text: &str) {
        self.labelled("item", &[("name", name)], text);
    }

    /// An element that holds text as it is, in a CDATA section.
    pub fn cdata(&mut self, name: &str, text: &str) {
        self.start(name, &[]);
        // The end of a section cannot stand in one: it is divided over two.
        let text = text.replace("]]>", "]]]]><![CDATA[>");
        self.text.push_str(&format!("><![CDATA[{text}]]></{name}>\n"));
    }

    fn start(&mut self, name: &str, attributes: &[(&str, &str)]) {
        if std::mem::take(&mut self.pending) {
            self.text.push_str(">\n");
        }
        self.indent();
        self.text.push('<');
        self.text.push_str(name);
        for (name, value) in attributes {
            self.text.push_str(&format!(" {name}=\""));
            self.escape(value);
            self.text.push('"');
        }
    }

    fn indent(&mut self) {
        self.text.push_str(&"  ".repeat(self.open.len()));
    }

    fn escape(&mut self, text: &str) {
        for character in text.chars() {
            match character {
                '&' => self.text.push_str("&amp;"),
                '<' => self.text.push_str("&lt;"),
                '>' => self.text.push_str("&gt;"),
                '"' => self.text.push_str("&quot;"),
                '\t' | '\n' | '\r' => self.text.push_str(&format!("&#{};", character as u32)),
                // XML cannot carry other control characters, however they are written.
                character if character < ' ' || matches!(character, '\u{fffe}' | '\u{ffff}') => {
                    self.text.push('\u{fffd}');
                }
                character => self.text.push(character),
            }
        }
    }
}

/// `true` or `false`.
pub fn boolean(value: bool) -> &'static str {
    if value { "true" } else { "false" }
}

/// A word as a shell would need it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "_-./=:@,+%".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(words: &[&str]) -> Tree {
        Tree::result(&words.iter().map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn elements_are_indented_and_an_empty_one_closes_itself() {
        let mut tree = result(&["tool", "-t", "a date"]);
        tree.begin("nodes", &[]);
        tree.end();
        tree.begin("outer", &[("a", "<\"\n&\u{1}")]);
        tree.text("inner", "x > y");
        assert_eq!(
            tree.finish(0, "OK", &[]),
            "<pacemaker-result api-version=\"2.41\" request=\"tool -t 'a date'\">\n  <nodes/>\n  \
             <outer a=\"&lt;&quot;&#10;&amp;\u{fffd}\">\n    <inner>x &gt; y</inner>\n  </outer>\n  \
             <status code=\"0\" message=\"OK\"/>\n</pacemaker-result>\n"
        );
    }

    #[test]
    fn errors_stand_in_the_status() {
        let text = result(&["tool"]).finish(78, "Invalid configuration", &["one".into()]);
        assert!(text.contains(
            "  <status code=\"78\" message=\"Invalid configuration\">\n    <errors>\n      <error>one</error>\n    \
             </errors>\n  </status>\n"
        ));
    }
}
