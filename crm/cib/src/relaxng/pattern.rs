//! Patterns: what may come, as a value. Equal patterns are one, so that what was computed for one is known for all.

use rustc_hash::FxHashMap;

use super::datatype::Datatype;

/// A pattern.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct Id(u32);

/// Nothing may come, not even the end.
pub(super) const NOT_ALLOWED: Id = Id(0);
/// Only the end.
pub(super) const EMPTY: Id = Id(1);
/// Any text.
pub(super) const TEXT: Id = Id(2);

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) enum Pattern {
    NotAllowed,
    Empty,
    Text,
    Choice(Id, Id),
    Interleave(Id, Id),
    Group(Id, Id),
    OneOrMore(Id),
    /// A text of that type ([`Patterns::datatypes`]).
    Data(u32),
    /// A text, as a token.
    Value(String),
    /// An attribute: its name ([`Patterns::names`]) and its value.
    Attribute(u32, Id),
    /// An element: its name and its number ([`Patterns::contents`]).
    Element(u32, u32),
    /// What is within an element, and what comes after it.
    After(Id, Id),
}

/// What an element or attribute may be called.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum NameClass {
    Name(String),
    /// Any name but these.
    AnyBut(Vec<NameClass>),
    OneOf(Vec<NameClass>),
}

impl NameClass {
    pub fn has(&self, name: &str) -> bool {
        match self {
            NameClass::Name(own) => own == name,
            NameClass::AnyBut(others) => !others.iter().any(|other| other.has(name)),
            NameClass::OneOf(all) => all.iter().any(|one| one.has(name)),
        }
    }

    fn write(&self, names: &mut Vec<String>) {
        match self {
            NameClass::Name(own) => names.push(own.clone()),
            NameClass::AnyBut(_) => {}
            NameClass::OneOf(all) => all.iter().for_each(|one| one.write(names)),
        }
    }
}

/// All patterns of a schema, and those that came of validating with it.
#[derive(Clone, Debug)]
pub(super) struct Patterns {
    all: Vec<Pattern>,
    nullable: Vec<bool>,
    index: FxHashMap<Pattern, Id>,
    pub names: Vec<NameClass>,
    pub datatypes: Vec<Datatype>,
    /// What is within each kind of element.
    pub contents: Vec<Id>,
    pub start: Id,
}

impl Patterns {
    pub fn new() -> Self {
        let mut patterns = Patterns {
            all: Vec::new(),
            nullable: Vec::new(),
            index: FxHashMap::default(),
            names: Vec::new(),
            datatypes: Vec::new(),
            contents: Vec::new(),
            start: NOT_ALLOWED,
        };
        for (pattern, id) in [(Pattern::NotAllowed, NOT_ALLOWED), (Pattern::Empty, EMPTY), (Pattern::Text, TEXT)] {
            assert_eq!(patterns.make(pattern), id, "the first patterns have the first numbers");
        }
        patterns
    }

    pub fn get(&self, id: Id) -> &Pattern {
        &self.all[id.0 as usize]
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether the end may come now.
    pub fn nullable(&self, id: Id) -> bool {
        self.nullable[id.0 as usize]
    }

    pub fn make(&mut self, pattern: Pattern) -> Id {
        if let Some(known) = self.index.get(&pattern) {
            return *known;
        }
        let nullable = match &pattern {
            Pattern::Empty | Pattern::Text => true,
            Pattern::Choice(a, b) => self.nullable(*a) || self.nullable(*b),
            Pattern::Interleave(a, b) | Pattern::Group(a, b) => self.nullable(*a) && self.nullable(*b),
            Pattern::OneOrMore(a) => self.nullable(*a),
            _ => false,
        };
        let id = Id(self.all.len() as u32);
        self.all.push(pattern.clone());
        self.nullable.push(nullable);
        self.index.insert(pattern, id);
        id
    }

    fn alternatives(&self, id: Id, all: &mut Vec<Id>) {
        match self.get(id) {
            Pattern::Choice(a, b) => {
                self.alternatives(*a, all);
                self.alternatives(*b, all);
            }
            _ => all.push(id),
        }
    }

    /// Alternatives are kept sorted and each once, or equal choices would not be one.
    pub fn choice(&mut self, a: Id, b: Id) -> Id {
        if a == NOT_ALLOWED || a == b {
            return b;
        }
        if b == NOT_ALLOWED {
            return a;
        }
        let mut all = Vec::new();
        self.alternatives(a, &mut all);
        self.alternatives(b, &mut all);
        all.sort_unstable();
        all.dedup();
        let last = all.pop().expect("each pattern is an alternative of itself");
        all.into_iter().rev().fold(last, |rest, one| self.make(Pattern::Choice(one, rest)))
    }

    pub fn optional(&mut self, a: Id) -> Id {
        self.choice(a, EMPTY)
    }

    pub fn group(&mut self, a: Id, b: Id) -> Id {
        match (a, b) {
            (NOT_ALLOWED, _) | (_, NOT_ALLOWED) => NOT_ALLOWED,
            (EMPTY, other) | (other, EMPTY) => other,
            _ => self.make(Pattern::Group(a, b)),
        }
    }

    pub fn interleave(&mut self, a: Id, b: Id) -> Id {
        match (a, b) {
            (NOT_ALLOWED, _) | (_, NOT_ALLOWED) => NOT_ALLOWED,
            (EMPTY, other) | (other, EMPTY) => other,
            _ => self.make(Pattern::Interleave(a.min(b), a.max(b))),
        }
    }

    pub fn one_or_more(&mut self, a: Id) -> Id {
        if a == NOT_ALLOWED || a == EMPTY { a } else { self.make(Pattern::OneOrMore(a)) }
    }

    pub fn after(&mut self, a: Id, b: Id) -> Id {
        if a == NOT_ALLOWED || b == NOT_ALLOWED { NOT_ALLOWED } else { self.make(Pattern::After(a, b)) }
    }

    /// Names of the elements that may come next, or of the attributes that may.
    pub fn expected(&self, id: Id, attributes: bool, names: &mut Vec<String>) {
        match *self.get(id) {
            Pattern::Choice(a, b) | Pattern::Interleave(a, b) => {
                self.expected(a, attributes, names);
                self.expected(b, attributes, names);
            }
            Pattern::Group(a, b) => {
                self.expected(a, attributes, names);
                // Attributes come in any order, elements one after the other.
                if attributes || self.nullable(a) {
                    self.expected(b, attributes, names);
                }
            }
            Pattern::OneOrMore(a) | Pattern::After(a, _) => self.expected(a, attributes, names),
            Pattern::Attribute(name, _) if attributes => self.names[name as usize].write(names),
            Pattern::Element(name, _) if !attributes => self.names[name as usize].write(names),
            _ => {}
        }
    }

    /// Names of the attributes, or of the elements, that must still come. Of alternatives one will do; all are told.
    pub fn required(&self, id: Id, attributes: bool, names: &mut Vec<String>) {
        if self.nullable(id) {
            return;
        }
        match *self.get(id) {
            Pattern::Choice(a, b) | Pattern::Group(a, b) | Pattern::Interleave(a, b) => {
                self.required(a, attributes, names);
                self.required(b, attributes, names);
            }
            Pattern::OneOrMore(a) | Pattern::After(a, _) => self.required(a, attributes, names),
            Pattern::Attribute(name, _) if attributes => self.names[name as usize].write(names),
            Pattern::Element(name, _) if !attributes => self.names[name as usize].write(names),
            _ => {}
        }
    }

    /// What a value may be, in words.
    pub fn values(&self, id: Id, names: &mut Vec<String>) {
        match self.get(id) {
            Pattern::Choice(a, b) | Pattern::Group(a, b) | Pattern::Interleave(a, b) => {
                self.values(*a, names);
                self.values(*b, names);
            }
            Pattern::OneOrMore(a) => self.values(*a, names),
            Pattern::Value(value) => names.push(value.clone()),
            Pattern::Data(data) => names.push(self.datatypes[*data as usize].to_string()),
            _ => {}
        }
    }
}
