//! Values of XPath: nodes, texts, numbers and truths, and how one becomes another (XPath 1.0, sections 3 and 4).

use crate::document::{Document, Element};

/// A node of the document.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
pub(super) enum Node {
    /// Above the root element.
    Root,
    /// An element.
    Element(Element),
    /// The attribute of that number.
    Attribute(Element, u32),
    /// All the text directly inside an element.
    Text(Element),
}

impl Node {
    /// The node above.
    pub fn parent(self, document: &Document) -> Option<Node> {
        match self {
            Node::Root => None,
            Node::Element(element) => Some(document.parent(element).map_or(Node::Root, Node::Element)),
            Node::Attribute(element, _) | Node::Text(element) => Some(Node::Element(element)),
        }
    }

    /// Its name; "" if it has none.
    pub fn name(self, document: &Document) -> &str {
        match self {
            Node::Element(element) => document.name(element),
            Node::Attribute(element, number) => {
                document.attributes(element).nth(number as usize).map_or("", |(name, _)| name)
            }
            Node::Root | Node::Text(_) => "",
        }
    }

    /// Its string-value.
    pub fn text(self, document: &Document) -> String {
        match self {
            Node::Root => Node::Element(document.root()).text(document),
            Node::Element(element) => document.descendants(element).map(|below| document.text(below)).collect(),
            Node::Text(element) => document.text(element),
            Node::Attribute(element, number) => {
                document.attributes(element).nth(number as usize).map_or("", |(_, value)| value).to_owned()
            }
        }
    }
}

/// What an expression gives.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// Nodes, each once, in document order.
    Nodes(Vec<Node>),
    /// A text.
    Text(String),
    /// A number.
    Number(f64),
    /// Yes or no.
    Truth(bool),
}

impl Value {
    pub fn truth(&self) -> bool {
        match self {
            Value::Nodes(nodes) => !nodes.is_empty(),
            Value::Text(text) => !text.is_empty(),
            Value::Number(number) => *number != 0.0 && !number.is_nan(),
            Value::Truth(truth) => *truth,
        }
    }

    pub fn string(&self, document: &Document) -> String {
        match self {
            Value::Nodes(nodes) => nodes.first().map(|node| node.text(document)).unwrap_or_default(),
            Value::Text(text) => text.clone(),
            Value::Number(number) => written(*number),
            Value::Truth(truth) => truth.to_string(),
        }
    }

    pub fn number(&self, document: &Document) -> f64 {
        match self {
            Value::Number(number) => *number,
            Value::Truth(truth) => f64::from(u8::from(*truth)),
            other => number(&other.string(document)),
        }
    }
}

/// The number a text is; NaN when it is none.
pub(super) fn number(text: &str) -> f64 {
    let text = text.trim_matches([' ', '\t', '\r', '\n']);
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain = digits.bytes().all(|b| b.is_ascii_digit() || b == b'.') && digits.bytes().any(|b| b.is_ascii_digit());
    if plain { text.parse().unwrap_or(f64::NAN) } else { f64::NAN }
}

fn written(number: f64) -> String {
    match number {
        n if n.is_nan() => "NaN".into(),
        n if n.is_infinite() => if n > 0.0 { "Infinity" } else { "-Infinity" }.into(),
        0.0 => "0".into(),
        n => n.to_string(),
    }
}
