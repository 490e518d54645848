//! A schema's XML as patterns.

use std::collections::BTreeMap;

use super::datatype::Datatype;
use super::pattern::{EMPTY, Id, NOT_ALLOWED, NameClass, Pattern, Patterns, TEXT};
use crate::document::{Document, Element};

pub(super) fn compile(schema: &Document) -> Result<Patterns, String> {
    let root = schema.root();
    let mut compiler = Compiler { schema, patterns: Patterns::new(), defines: BTreeMap::new(), elements: Vec::new() };
    compiler.patterns.start = match schema.name(root) {
        "grammar" => {
            let start = schema.child(root, "start").ok_or("there is no <start>")?;
            compiler.all_of(start, Patterns::group)?
        }
        _ => compiler.pattern(root)?,
    };
    // Elements refer to each other in circles, so what is within them is read one after the other.
    while let Some(element) = compiler.elements.get(compiler.patterns.contents.len()).copied() {
        let parts = compiler.parts(element);
        let content = compiler.fold(&parts, Patterns::group)?;
        compiler.patterns.contents.push(content);
    }
    Ok(compiler.patterns)
}

/// What is known of a `<define>`.
#[derive(Clone, Copy)]
enum Define {
    Reading,
    Read(Id),
}

struct Compiler<'d> {
    schema: &'d Document,
    patterns: Patterns,
    defines: BTreeMap<&'d str, Define>,
    /// `<element>` elements, in the order of their numbers.
    elements: Vec<Element>,
}

type Combine = fn(&mut Patterns, Id, Id) -> Id;

impl<'d> Compiler<'d> {
    /// The patterns within an element or attribute, without what names it.
    fn parts(&self, element: Element) -> Vec<Element> {
        let names = usize::from(self.schema.attribute(element, "name").is_none());
        self.schema.children(element).skip(names).collect()
    }

    fn all_of(&mut self, element: Element, combine: Combine) -> Result<Id, String> {
        let parts: Vec<Element> = self.schema.children(element).collect();
        self.fold(&parts, combine)
    }

    fn fold(&mut self, parts: &[Element], combine: Combine) -> Result<Id, String> {
        let mut whole = None;
        for part in parts {
            let part = self.pattern(*part)?;
            whole = Some(whole.map_or(part, |whole| combine(&mut self.patterns, whole, part)));
        }
        Ok(whole.unwrap_or(EMPTY))
    }

    fn pattern(&mut self, element: Element) -> Result<Id, String> {
        Ok(match self.schema.name(element) {
            "element" => {
                let name = self.name(element)?;
                let known = self.elements.iter().position(|known| *known == element);
                let number = known.unwrap_or_else(|| {
                    self.elements.push(element);
                    self.elements.len() - 1
                });
                self.patterns.make(Pattern::Element(name, number as u32))
            }
            "attribute" => {
                let name = self.name(element)?;
                let parts = self.parts(element);
                let value = if parts.is_empty() { TEXT } else { self.fold(&parts, Patterns::group)? };
                self.patterns.make(Pattern::Attribute(name, value))
            }
            "ref" => self.reference(element)?,
            "choice" => self.all_of(element, Patterns::choice)?,
            "interleave" => self.all_of(element, Patterns::interleave)?,
            "group" => self.all_of(element, Patterns::group)?,
            "optional" => {
                let part = self.all_of(element, Patterns::group)?;
                self.patterns.optional(part)
            }
            "oneOrMore" => {
                let part = self.all_of(element, Patterns::group)?;
                self.patterns.one_or_more(part)
            }
            "zeroOrMore" => {
                let part = self.all_of(element, Patterns::group)?;
                let more = self.patterns.one_or_more(part);
                self.patterns.optional(more)
            }
            "empty" => EMPTY,
            "text" => TEXT,
            "notAllowed" => NOT_ALLOWED,
            "value" => {
                let value = self.schema.text(element).trim().to_owned();
                self.patterns.make(Pattern::Value(value))
            }
            "data" => self.data(element)?,
            other => return Err(format!("<{other}> is not understood here")),
        })
    }

    fn reference(&mut self, element: Element) -> Result<Id, String> {
        let name = self.schema.attribute(element, "name").unwrap_or_default();
        match self.defines.get(name) {
            Some(Define::Read(id)) => return Ok(*id),
            Some(Define::Reading) => return Err(format!("{name} refers to itself outside of any element")),
            None => {}
        }
        let mut defines = self.schema.children_named(self.schema.root(), "define");
        let define = defines.find(|define| self.schema.attribute(*define, "name") == Some(name));
        let define = define.ok_or_else(|| format!("no <define> is named {name}"))?;
        self.defines.insert(name, Define::Reading);
        let id = self.all_of(define, Patterns::group)?;
        self.defines.insert(name, Define::Read(id));
        Ok(id)
    }

    fn data(&mut self, element: Element) -> Result<Id, String> {
        let schema = self.schema;
        let mut datatype = Datatype::new(schema.attribute(element, "type").unwrap_or_default())?;
        for parameter in schema.children_named(element, "param") {
            let name = schema.attribute(parameter, "name").unwrap_or_default();
            datatype.narrow(name, &schema.text(parameter))?;
        }
        if let Some(except) = schema.child(element, "except") {
            datatype.except = Some(self.all_of(except, Patterns::choice)?);
        }
        self.patterns.datatypes.push(datatype);
        let number = self.patterns.datatypes.len() as u32 - 1;
        Ok(self.patterns.make(Pattern::Data(number)))
    }

    fn name(&mut self, element: Element) -> Result<u32, String> {
        let class = match self.schema.attribute(element, "name") {
            Some(name) => NameClass::Name(name.trim().to_owned()),
            None => {
                let class = self.schema.children(element).next();
                self.name_class(class.ok_or_else(|| format!("<{}> has no name", self.schema.name(element)))?)?
            }
        };
        let names = &mut self.patterns.names;
        let known = names.iter().position(|known| *known == class).unwrap_or_else(|| {
            names.push(class);
            names.len() - 1
        });
        Ok(known as u32)
    }

    fn name_class(&self, element: Element) -> Result<NameClass, String> {
        let within = |element: Element| -> Result<Vec<NameClass>, String> {
            self.schema.children(element).map(|one| self.name_class(one)).collect()
        };
        Ok(match self.schema.name(element) {
            "name" => NameClass::Name(self.schema.text(element).trim().to_owned()),
            "choice" => NameClass::OneOf(within(element)?),
            "anyName" => {
                let except = self.schema.child(element, "except").map(within).transpose()?;
                NameClass::AnyBut(except.unwrap_or_default())
            }
            other => return Err(format!("<{other}> is no name")),
        })
    }
}
