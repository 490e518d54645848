//! RELAX NG: whether a document is as a schema says, and where not. Patterns are consumed by derivatives (James Clark's
//! algorithm): what is left of the schema after each attribute and each element. That ids are unique and references
//! lead somewhere is `check`'s to say; it says it better.
//!
//! ```
//! use cib::{Document, relaxng::Schema};
//! let schema = r#"<element name="tag" xmlns="http://relaxng.org/ns/structure/1.0"><attribute name="id"/></element>"#;
//! let schema = Schema::parse(schema).unwrap();
//! let document = Document::parse("<tag id='a' colour='red'/>").unwrap();
//! assert_eq!(schema.validate(&document)[0].to_string(), "the attribute colour is not known here");
//! ```

mod compile;
mod datatype;
mod derivative;
mod pattern;

use std::fmt;

use self::derivative::Validator;
use self::pattern::Patterns;
use crate::document::{Document, Element};

/// More faults than these are not looked for: who has so many mends some and asks again.
const MOST_FAULTS: usize = 50;

/// A schema, ready to be held against documents.
#[derive(Clone, Debug)]
pub struct Schema {
    patterns: Patterns,
}

/// What is wrong with an element.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Problem {
    /// It may not stand where it stands.
    Misplaced,
    /// An attribute that it does not have, or not together with those before it.
    UnknownAttribute(String),
    /// An attribute whose value is none it may have.
    WrongValue {
        /// Its name.
        name: String,
        /// Its value.
        value: String,
    },
    /// An attribute is missing.
    LacksAttribute,
    /// A child is missing.
    LacksChild,
    /// It holds text.
    HasText,
}

/// A place where a document is not as the schema says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    /// The element.
    pub element: Element,
    /// What is wrong with it.
    pub problem: Problem,
    /// Names of elements, names of attributes, or values that could be there instead.
    pub expected: Vec<String>,
}

impl Schema {
    /// Reads a schema in its XML form. Not understood are `externalRef` and `include`: a schema is one file.
    ///
    /// # Errors
    /// What in the text is no schema, or not understood.
    pub fn parse(text: &str) -> Result<Schema, String> {
        let document = Document::parse(text).map_err(|error| error.to_string())?;
        Ok(Schema { patterns: compile::compile(&document)? })
    }

    /// The faults of a document, in its order; none if it is valid.
    pub fn validate(&self, document: &Document) -> Vec<Fault> {
        let mut validator = Validator::new(self.patterns.clone(), document);
        validator.run();
        validator.faults
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.problem {
            Problem::Misplaced => write!(f, "it may not stand here"),
            Problem::UnknownAttribute(name) => write!(f, "the attribute {name} is not known here"),
            Problem::WrongValue { name, value } => write!(f, "{name}=\"{value}\" is no value of {name}"),
            Problem::LacksAttribute => write!(f, "an attribute is missing"),
            Problem::LacksChild => write!(f, "something is missing in it"),
            Problem::HasText => write!(f, "it holds text, which nobody reads"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMA: &str = r#"<grammar xmlns="http://relaxng.org/ns/structure/1.0">
      <start><ref name="list"/></start>
      <define name="list"><element name="list">
        <interleave>
          <attribute name="id"><data type="ID"/></attribute>
          <optional><attribute name="size"><data type="positiveInteger"/></attribute></optional>
          <oneOrMore><element name="item">
            <choice>
              <attribute name="rsc"/>
              <group><attribute name="first"/><attribute name="then"/></group>
              <oneOrMore><element name="set"><empty/></element></oneOrMore>
            </choice>
            <optional><attribute name="role"><choice><value>up</value><value>down</value></choice></attribute></optional>
          </element></oneOrMore>
          <optional><element name="note"><text/></element></optional>
          <zeroOrMore><ref name="any"/></zeroOrMore>
        </interleave>
      </element></define>
      <define name="any"><element>
        <anyName><except><choice><name>item</name><name>note</name></choice></except></anyName>
        <zeroOrMore><choice><attribute><anyName/></attribute><text/><ref name="any"/></choice></zeroOrMore>
      </element></define>
    </grammar>"#;

    #[track_caller]
    fn faults(text: &str) -> Vec<String> {
        let document = Document::parse(text).unwrap();
        let found = Schema::parse(SCHEMA).unwrap().validate(&document);
        found
            .iter()
            .map(|fault| format!("{}: {fault} [{}]", document.name(fault.element), fault.expected.join(" ")))
            .collect()
    }

    #[test]
    fn valid_documents_have_no_faults() {
        for text in [
            "<list id='a'><item rsc='x'/></list>",
            "<list size='3' id='a'><note>some words</note><item first='x' then='y' role='up'/><item rsc='x'/></list>",
            "<list id='a'><other a='b'><deep>words<deeper/></deep></other><item role='down'><set/><set/></item></list>",
        ] {
            assert_eq!(faults(text), Vec::<String>::new(), "{text}");
        }
    }

    #[test]
    fn each_fault_is_told_and_the_rest_is_looked_at() {
        let text = "<list size='0'><item rsc='x' first='y'/><item role='left' rsc='x'>words</item><item/>\
             <note/><note/></list>";
        assert_eq!(
            faults(text),
            [
                "list: size=\"0\" is no value of size [a whole number from 1 on]",
                "list: an attribute is missing [id]",
                "item: the attribute first is not known here [role]",
                "item: role=\"left\" is no value of role [down up]",
                "item: it holds text, which nobody reads []",
                "item: something is missing in it [set]",
                "note: it may not stand here [item]",
            ]
        );
        assert_eq!(faults("<list id='a'/>"), ["list: something is missing in it [item]"]);
        assert_eq!(faults("<lists/>"), ["lists: it may not stand here [list]"]);
    }

    #[test]
    fn what_is_no_schema() {
        for (text, expected) in [
            ("<grammar/>", "there is no <start>"),
            ("<grammar><start><ref name='x'/></start></grammar>", "no <define> is named x"),
            ("<element name='a'><data type='gYear'/></element>", "the datatype gYear is not known"),
            ("<element name='a'><include href='b'/></element>", "<include> is not understood here"),
            (
                "<grammar><start><ref name='x'/></start><define name='x'><ref name='x'/></define></grammar>",
                "x refers to itself outside of any element",
            ),
        ] {
            assert_eq!(Schema::parse(text).unwrap_err(), expected);
        }
    }
}
