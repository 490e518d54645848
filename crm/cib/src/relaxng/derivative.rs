//! Validation: a walk through a document, and after each step the pattern of what may come then.

use rustc_hash::FxHashMap;

use super::pattern::{EMPTY, Id, NOT_ALLOWED, Pattern, Patterns};
use super::{Fault, MOST_FAULTS, Problem};
use crate::document::{Document, Element};

/// More patterns than these are not made: a CIB of 20 MB makes two thousand. Who gets there reads no schema of ours.
const MOST_PATTERNS: usize = 200_000;

pub(super) struct Validator<'d> {
    patterns: Patterns,
    document: &'d Document,
    names: FxHashMap<&'d str, u32>,
    opened: FxHashMap<(Id, u32), Id>,
    /// Only of attributes whose value was not looked at.
    attributes: FxHashMap<(Id, u32), Id>,
    closed: FxHashMap<Id, Id>,
    ended: FxHashMap<Id, Id>,
    pub faults: Vec<Fault>,
}

/// A name, with its number.
#[derive(Clone, Copy)]
struct Name<'d> {
    number: u32,
    text: &'d str,
}

/// An attribute on its way through a pattern.
struct Given<'d> {
    name: Name<'d>,
    /// Any value will do if there is none.
    value: Option<&'d str>,
}

impl<'d> Validator<'d> {
    pub fn new(patterns: Patterns, document: &'d Document) -> Self {
        Validator {
            patterns,
            document,
            names: FxHashMap::default(),
            opened: FxHashMap::default(),
            attributes: FxHashMap::default(),
            closed: FxHashMap::default(),
            ended: FxHashMap::default(),
            faults: Vec::new(),
        }
    }

    pub fn run(&mut self) {
        let root = self.document.root();
        let start = self.patterns.start;
        self.element(start, root);
    }

    fn is_tired(&self) -> bool {
        self.faults.len() >= MOST_FAULTS || self.patterns.len() >= MOST_PATTERNS
    }

    fn fault(&mut self, element: Element, problem: Problem, mut expected: Vec<String>) {
        expected.sort();
        expected.dedup();
        self.faults.push(Fault { element, problem, expected });
    }

    fn name(&mut self, text: &'d str) -> Name<'d> {
        let next = self.names.len() as u32;
        Name { number: *self.names.entry(text).or_insert(next), text }
    }

    /// What may come after an element. After a fault it goes on as if what is wrong had not been there.
    fn element(&mut self, before: Id, element: Element) -> Id {
        if self.is_tired() {
            return before;
        }
        let document = self.document;
        let name = self.name(document.name(element));
        let mut pattern = self.open(before, name);
        if pattern == NOT_ALLOWED {
            let mut expected = Vec::new();
            self.patterns.expected(before, false, &mut expected);
            self.fault(element, Problem::Misplaced, expected);
            return before;
        }
        for (name, value) in document.attributes(element) {
            pattern = self.attribute(pattern, element, name, value);
        }
        pattern = self.close_tag(pattern, element);
        pattern = self.content(pattern, element);
        let rest = self.end(pattern);
        if rest != NOT_ALLOWED {
            return rest;
        }
        let mut expected = Vec::new();
        self.patterns.required(pattern, false, &mut expected);
        self.fault(element, Problem::LacksChild, expected);
        self.leave(pattern)
    }

    fn attribute(&mut self, pattern: Id, element: Element, name: &'d str, value: &'d str) -> Id {
        let named = self.name(name);
        let mut looked = false;
        let rest = self.take(pattern, &Given { name: named, value: Some(value) }, &mut looked);
        if rest != NOT_ALLOWED {
            return rest;
        }
        let any = self.take(pattern, &Given { name: named, value: None }, &mut looked);
        let mut expected = Vec::new();
        if any == NOT_ALLOWED {
            self.patterns.expected(pattern, true, &mut expected);
            self.fault(element, Problem::UnknownAttribute(name.to_owned()), expected);
            return pattern;
        }
        self.values_of(pattern, name, &mut expected);
        self.fault(element, Problem::WrongValue { name: name.to_owned(), value: value.to_owned() }, expected);
        any
    }

    fn close_tag(&mut self, pattern: Id, element: Element) -> Id {
        let closed = self.close(pattern);
        if closed != NOT_ALLOWED {
            return closed;
        }
        let mut expected = Vec::new();
        self.patterns.required(pattern, true, &mut expected);
        self.fault(element, Problem::LacksAttribute, expected);
        self.without_attributes(pattern)
    }

    fn content(&mut self, mut pattern: Id, element: Element) -> Id {
        let document = self.document;
        let mut children = document.children(element).peekable();
        let text = document.text(element);
        if !text.trim().is_empty() {
            match self.text(pattern, &text) {
                NOT_ALLOWED => self.fault(element, Problem::HasText, Vec::new()),
                rest => pattern = rest,
            }
        } else if children.peek().is_none() {
            let rest = self.text(pattern, "");
            pattern = self.patterns.choice(pattern, rest);
        }
        for child in children {
            pattern = self.element(pattern, child);
        }
        pattern
    }

    /// After the beginning of an element of that name.
    fn open(&mut self, pattern: Id, name: Name<'_>) -> Id {
        if let Some(known) = self.opened.get(&(pattern, name.number)) {
            return *known;
        }
        let rest = match *self.patterns.get(pattern) {
            Pattern::Choice(a, b) => {
                let (a, b) = (self.open(a, name), self.open(b, name));
                self.patterns.choice(a, b)
            }
            Pattern::Element(class, number) if self.patterns.names[class as usize].has(name.text) => {
                let content = self.patterns.contents[number as usize];
                self.patterns.after(content, EMPTY)
            }
            Pattern::Interleave(a, b) => {
                let (in_a, in_b) = (self.open(a, name), self.open(b, name));
                let first = self.then(in_a, &mut |patterns, rest| patterns.interleave(rest, b));
                let second = self.then(in_b, &mut |patterns, rest| patterns.interleave(a, rest));
                self.patterns.choice(first, second)
            }
            Pattern::OneOrMore(a) => {
                let once = self.open(a, name);
                let more = self.patterns.optional(pattern);
                self.then(once, &mut |patterns, rest| patterns.group(rest, more))
            }
            Pattern::Group(a, b) => {
                let in_a = self.open(a, name);
                let first = self.then(in_a, &mut |patterns, rest| patterns.group(rest, b));
                let second = if self.patterns.nullable(a) { self.open(b, name) } else { NOT_ALLOWED };
                self.patterns.choice(first, second)
            }
            Pattern::After(a, b) => {
                let within = self.open(a, name);
                self.then(within, &mut |patterns, rest| patterns.after(rest, b))
            }
            _ => NOT_ALLOWED,
        };
        self.opened.insert((pattern, name.number), rest);
        rest
    }

    /// Changes what comes after an element that was opened.
    fn then(&mut self, opened: Id, change: &mut dyn FnMut(&mut Patterns, Id) -> Id) -> Id {
        match *self.patterns.get(opened) {
            Pattern::After(within, rest) => {
                let rest = change(&mut self.patterns, rest);
                self.patterns.after(within, rest)
            }
            Pattern::Choice(a, b) => {
                let (a, b) = (self.then(a, change), self.then(b, change));
                self.patterns.choice(a, b)
            }
            _ => NOT_ALLOWED,
        }
    }

    /// After an attribute. `looked` becomes true if the outcome depends on the value.
    fn take(&mut self, pattern: Id, given: &Given<'_>, looked: &mut bool) -> Id {
        if let Some(known) = self.attributes.get(&(pattern, given.name.number)) {
            return *known;
        }
        let mut mine = false;
        let rest = match *self.patterns.get(pattern) {
            Pattern::After(a, b) => {
                let a = self.take(a, given, &mut mine);
                self.patterns.after(a, b)
            }
            Pattern::Choice(a, b) => {
                let (a, b) = (self.take(a, given, &mut mine), self.take(b, given, &mut mine));
                self.patterns.choice(a, b)
            }
            Pattern::Group(a, b) => {
                let (in_a, in_b) = (self.take(a, given, &mut mine), self.take(b, given, &mut mine));
                let (first, second) = (self.patterns.group(in_a, b), self.patterns.group(a, in_b));
                self.patterns.choice(first, second)
            }
            Pattern::Interleave(a, b) => {
                let (in_a, in_b) = (self.take(a, given, &mut mine), self.take(b, given, &mut mine));
                let (first, second) = (self.patterns.interleave(in_a, b), self.patterns.interleave(a, in_b));
                self.patterns.choice(first, second)
            }
            Pattern::OneOrMore(a) => {
                let once = self.take(a, given, &mut mine);
                let more = self.patterns.optional(pattern);
                self.patterns.group(once, more)
            }
            Pattern::Attribute(class, value) if self.patterns.names[class as usize].has(given.name.text) => {
                mine = value != super::pattern::TEXT;
                let good = given.value.is_none_or(|text| self.is_value(value, text));
                if good { EMPTY } else { NOT_ALLOWED }
            }
            _ => NOT_ALLOWED,
        };
        if !mine {
            self.attributes.insert((pattern, given.name.number), rest);
        }
        *looked |= mine;
        rest
    }

    fn is_value(&mut self, pattern: Id, text: &str) -> bool {
        if self.patterns.nullable(pattern) && text.trim().is_empty() {
            return true;
        }
        let rest = self.text(pattern, text);
        self.patterns.nullable(rest)
    }

    /// After a text.
    fn text(&mut self, pattern: Id, text: &str) -> Id {
        match self.patterns.get(pattern) {
            Pattern::Text => pattern,
            Pattern::Value(value) => {
                let same = value.split_whitespace().eq(text.split_whitespace());
                if same { EMPTY } else { NOT_ALLOWED }
            }
            Pattern::Data(data) => {
                let datatype = &self.patterns.datatypes[*data as usize];
                let (good, except) = (datatype.has(text), datatype.except);
                let excepted = except.is_some_and(|except| {
                    let rest = self.text(except, text);
                    self.patterns.nullable(rest)
                });
                if good && !excepted { EMPTY } else { NOT_ALLOWED }
            }
            Pattern::Choice(a, b) => {
                let (a, b) = (*a, *b);
                let (a, b) = (self.text(a, text), self.text(b, text));
                self.patterns.choice(a, b)
            }
            Pattern::Interleave(a, b) => {
                let (a, b) = (*a, *b);
                let (in_a, in_b) = (self.text(a, text), self.text(b, text));
                let (first, second) = (self.patterns.interleave(in_a, b), self.patterns.interleave(a, in_b));
                self.patterns.choice(first, second)
            }
            Pattern::Group(a, b) => {
                let (a, b) = (*a, *b);
                let in_a = self.text(a, text);
                let first = self.patterns.group(in_a, b);
                let second = if self.patterns.nullable(a) { self.text(b, text) } else { NOT_ALLOWED };
                self.patterns.choice(first, second)
            }
            Pattern::After(a, b) => {
                let (a, b) = (*a, *b);
                let a = self.text(a, text);
                self.patterns.after(a, b)
            }
            Pattern::OneOrMore(a) => {
                let once = self.text(*a, text);
                let more = self.patterns.optional(pattern);
                self.patterns.group(once, more)
            }
            _ => NOT_ALLOWED,
        }
    }

    /// After the last attribute: those that are still wanted are missing.
    fn close(&mut self, pattern: Id) -> Id {
        if let Some(known) = self.closed.get(&pattern) {
            return *known;
        }
        let rest = self.replace_attributes(pattern, NOT_ALLOWED, Self::close);
        self.closed.insert(pattern, rest);
        rest
    }

    /// As if all attributes that are wanted had been given.
    fn without_attributes(&mut self, pattern: Id) -> Id {
        self.replace_attributes(pattern, EMPTY, Self::without_attributes)
    }

    fn replace_attributes(&mut self, pattern: Id, with: Id, below: fn(&mut Self, Id) -> Id) -> Id {
        match *self.patterns.get(pattern) {
            Pattern::After(a, b) => {
                let a = below(self, a);
                self.patterns.after(a, b)
            }
            Pattern::Choice(a, b) => {
                let (a, b) = (below(self, a), below(self, b));
                self.patterns.choice(a, b)
            }
            Pattern::Group(a, b) => {
                let (a, b) = (below(self, a), below(self, b));
                self.patterns.group(a, b)
            }
            Pattern::Interleave(a, b) => {
                let (a, b) = (below(self, a), below(self, b));
                self.patterns.interleave(a, b)
            }
            Pattern::OneOrMore(a) => {
                let a = below(self, a);
                self.patterns.one_or_more(a)
            }
            Pattern::Attribute(..) => with,
            _ => pattern,
        }
    }

    /// After the end of the element.
    fn end(&mut self, pattern: Id) -> Id {
        if let Some(known) = self.ended.get(&pattern) {
            return *known;
        }
        let rest = match *self.patterns.get(pattern) {
            Pattern::Choice(a, b) => {
                let (a, b) = (self.end(a), self.end(b));
                self.patterns.choice(a, b)
            }
            Pattern::After(a, b) if self.patterns.nullable(a) => b,
            _ => NOT_ALLOWED,
        };
        self.ended.insert(pattern, rest);
        rest
    }

    /// After the end of an element that is not whole.
    fn leave(&mut self, pattern: Id) -> Id {
        match *self.patterns.get(pattern) {
            Pattern::Choice(a, b) => {
                let (a, b) = (self.leave(a), self.leave(b));
                self.patterns.choice(a, b)
            }
            Pattern::After(_, b) => b,
            _ => NOT_ALLOWED,
        }
    }

    /// What the value of an attribute may be.
    fn values_of(&self, pattern: Id, attribute: &str, values: &mut Vec<String>) {
        match *self.patterns.get(pattern) {
            Pattern::Choice(a, b) | Pattern::Group(a, b) | Pattern::Interleave(a, b) => {
                self.values_of(a, attribute, values);
                self.values_of(b, attribute, values);
            }
            Pattern::OneOrMore(a) | Pattern::After(a, _) => self.values_of(a, attribute, values),
            Pattern::Attribute(class, value) if self.patterns.names[class as usize].has(attribute) => {
                self.patterns.values(value, values);
            }
            _ => {}
        }
    }
}
