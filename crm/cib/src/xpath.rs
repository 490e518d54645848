//! XPath 1.0 over a [`Document`], as tools ask for parts of the CIB: all its expressions, operators and core functions,
//! and the axes that make sense in a document without namespaces. What is done with what is found, others say.

mod evaluate;
mod parse;
mod value;

use crate::document::{Document, Element};
use evaluate::Evaluation;
use value::{Node, Value};

/// Longer expressions are refused: the longest that tools are known to send have some hundred bytes.
pub const MAX_LENGTH: usize = 16 * 1024;
/// Brackets nested deeper than this are refused: reading and evaluating recurse once per level.
pub const MAX_DEPTH: usize = 200;
/// Evaluation ends after looking at so many nodes: a hundred times those of the largest CIB known, some seconds of
/// time, and the same on every member.
pub const MAX_VISITS: u64 = 50_000_000;

/// Why an XPath gives nothing.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Error {
    /// It is not written as one.
    #[error("'{text}' is no XPath: at character {at} {problem}")]
    Syntax {
        /// What was given.
        text: String,
        /// Where, from 1.
        at: usize,
        /// What is wrong there.
        problem: String,
    },
    /// It gives a number, a string or a truth, where elements are wanted.
    #[error("the XPath '{0}' gives no elements; expected one such as //primitive[@id='x']")]
    NoNodes(String),
    /// It would take too long.
    #[error("the XPath '{0}' looks at more than {MAX_VISITS} nodes; make its first steps narrower")]
    TooMuch(String),
}

/// The elements that an XPath finds, in document order. Of an attribute or a text that is found, it is the element that
/// has it.
///
/// ```
/// use cib::{Document, xpath};
/// let document = Document::parse("<cib><a id='1'><b n='x'/></a><a id='2'/></cib>").unwrap();
/// let found = xpath::elements(&document, "//a[b/@n='x'] | /cib/a[last()]").unwrap();
/// assert_eq!(found.iter().map(|e| document.id(*e)).collect::<Vec<_>>(), ["1", "2"]);
/// assert!(xpath::elements(&document, "count(//a)").is_err());
/// assert!(xpath::elements(&document, "//a[").is_err());
/// ```
pub fn elements(document: &Document, text: &str) -> Result<Vec<Element>, Error> {
    let expression = parse::expression(text)?;
    let mut evaluation = Evaluation::new(document);
    match evaluation.run(&expression) {
        None => Err(Error::TooMuch(text.to_owned())),
        Some(Value::Nodes(nodes)) => {
            let mut found = Vec::new();
            for node in nodes {
                let element = match node {
                    // The document itself stands for its one element.
                    Node::Root => document.root(),
                    Node::Element(element) | Node::Attribute(element, _) | Node::Text(element) => element,
                };
                if found.last() != Some(&element) {
                    found.push(element);
                }
            }
            Ok(found)
        }
        Some(_) => Err(Error::NoNodes(text.to_owned())),
    }
}

/// What an expression says as text: a number, a string, or the text of the first node it finds.
pub fn string(document: &Document, text: &str) -> Result<String, Error> {
    let expression = parse::expression(text)?;
    let mut evaluation = Evaluation::new(document);
    let value = evaluation.run(&expression).ok_or_else(|| Error::TooMuch(text.to_owned()))?;
    Ok(evaluation.string(&value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CIB: &str = "<cib epoch='4'><configuration><resources>\
        <primitive id='a' class='ocf'><op id='a1' interval='10'/><op id='a2' interval='20'/></primitive>\
        <group id='g'><primitive id='b' class='lsb'/><primitive id='c' class='ocf'/></group>\
        </resources><constraints><rsc_location id='l' rsc='a' score='5'/><rsc_location id='m' rsc='b' score='-3'/>\
        </constraints></configuration><status><node_state id='1' uname='x'><note>some text</note></node_state></status></cib>";

    fn ids(path: &str) -> String {
        let document = Document::parse(CIB).unwrap();
        let found = elements(&document, path).unwrap_or_else(|error| panic!("{error}"));
        let name = |element| match document.id(element) {
            "" => document.name(element).to_owned(),
            id => id.to_owned(),
        };
        found.into_iter().map(name).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn what_tools_ask() {
        for (path, expected) in [
            ("/cib", "cib"),
            ("/", "cib"),
            ("//primitive", "a b c"),
            ("//primitive[@id='b']", "b"),
            ("//primitive[@id=\"b\"]", "b"),
            ("/cib/configuration/resources//primitive[@class='ocf']", "a c"),
            ("//primitive[1]", "a b"),
            ("(//primitive)[1]", "a"),
            ("(//primitive)[last()]", "c"),
            ("//op[@interval>10]", "a2"),
            ("//op[@interval='10' or @interval='20'][2]", "a2"),
            ("//op[position()=2]/..", "a"),
            ("//op/@interval", "a1 a2"),
            ("//*[@rsc='a'] | //group", "g l"),
            ("//rsc_location[@rsc=//primitive/@id][@score<0]", "m"),
            ("//*[self::op or self::group]", "a1 a2 g"),
            ("//*[not(self::a or self::b)][@uname]", "1"),
            ("//primitive[not(@class='ocf')]", "b"),
            ("//primitive[ancestor::group]", "b c"),
            ("//primitive[parent::group and @id!='b']", "c"),
            ("//op/ancestor::*[2]", "resources"),
            ("//op[following-sibling::op]", "a1"),
            ("//op[preceding-sibling::op]", "a2"),
            ("//*[count(primitive)=2]", "g"),
            ("//*[contains(@id,'a') and starts-with(name(),'op')]", "a1 a2"),
            ("//*[string-length(@uname)=1]", "1"),
            ("//note[text()='some text']", "note"),
            ("//note[normalize-space(.)='some text']/..", "1"),
            ("//*[@id=concat('a','2')]", "a2"),
            ("//primitive[@id='none']", ""),
            ("descendant::group/child::node()[1]", "b"),
            ("//nothing | //op[3 - 2]", "a1"),
            ("//op[@interval div 2 = 5 and 7 mod 4 = 3]", "a1"),
            ("//*[substring(@id,2,1)='1']", "a1"),
            ("//*[translate(@id,'lm','LM')='M']", "m"),
            ("//*[@*[name()='score' and . < 0]]", "m"),
        ] {
            assert_eq!(ids(path), expected, "{path}");
        }
    }

    #[test]
    fn expressions_have_texts() {
        let document = Document::parse(CIB).unwrap();
        for (expression, expected) in [
            ("count(//primitive)", "3"),
            ("sum(//op/@interval)", "30"),
            ("1 div 0", "Infinity"),
            ("0 div 0", "NaN"),
            ("-1.50", "-1.5"),
            ("2 + 3 * 4", "14"),
            ("string(//op/@interval)", "10"),
            ("substring-after('a=b','=')", "b"),
            ("substring-before('a=b','=')", "a"),
            ("boolean(//none)", "false"),
            ("//primitive/@id = 'c' and not(//primitive/@id = 'z')", "true"),
            ("round(2.5) + floor(-1.5) + ceiling(1.2)", "3"),
            ("name(/*)", "cib"),
        ] {
            assert_eq!(string(&document, expression).unwrap(), expected, "{expression}");
        }
    }

    #[test]
    fn what_is_none_is_told_with_the_place() {
        let document = Document::parse(CIB).unwrap();
        let deep = "(".repeat(1000) + &")".repeat(1000);
        for (path, expected) in [
            ("", "at character 1"),
            ("//", "at character 3"),
            ("//a[", "at character 5"),
            ("//a]", "at character 4"),
            ("//a[@id='x]", "'"),
            ("frobnicate(1)", "no function"),
            ("count()", "argument"),
            ("sideways::a", "axis"),
            ("//a[$x]", "character"),
            ("count(//a)", "gives no elements"),
            (&deep, "deep"),
        ] {
            let error = elements(&document, path).unwrap_err().to_string();
            assert!(error.contains(expected), "{path}: {error}");
        }
        assert!(elements(&document, &"a".repeat(MAX_LENGTH + 1)).is_err());
    }

    #[test]
    fn what_would_take_for_ever_is_left() {
        let many = format!("<cib>{}</cib>", "<a/>".repeat(3000));
        let document = Document::parse(&many).unwrap();
        let path = "//*[count(//*[count(//*) > 1]) > 1]";
        assert_eq!(elements(&document, path), Err(Error::TooMuch(path.to_owned())));
    }

    proptest! {
        #[test]
        fn never_panics(text in "[/a-c@*.|()\\[\\]='\"0-9 :<>+-]{0,40}", other in ".*") {
            let document = Document::parse("<a b='1'><b><c/></b><c b='2'>t</c></a>").unwrap();
            let _ = (elements(&document, &text), string(&document, &text), elements(&document, &other));
        }
    }
}
