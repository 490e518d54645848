//! XML as a value: every element, attribute, comment and text of a document, in order, and a place for each.
//! It knows nothing of the CIB's meaning; white space between elements is not kept, the writer indents anew.
//!
//! All text lies in one pool and all attributes in another, so that a clone is a handful of `memcpy`s: the daemon
//! clones a whole CIB whenever it writes while a plan still reads the old one.

use std::ops::Range;
use std::sync::Arc;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

mod names;
mod print;
mod text;

use names::NameIndex;
pub use names::{Name, Names};
pub use text::{caret, escape_attribute, is_name};
use text::{carriable, find_forbidden, is_blank, line_starts, plain_error, resolve_reference};

/// Nesting deeper than this is refused: Pacemaker's schema stays below 20, and the writer recurses once per level.
pub const MAX_DEPTH: usize = 200;

/// One element of a [`Document`]. Only meaningful for the document it came from (and its clones).
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Element(u32);

const NONE: u32 = u32::MAX;

#[derive(Copy, Clone, Debug, PartialEq)]
struct Span {
    start: u32,
    len: u32,
}

#[derive(Copy, Clone, Debug)]
struct Attribute {
    name: u32,
    value: Span,
}

#[derive(Copy, Clone, Debug)]
enum Kind {
    Element {
        name: u32,
        attributes: Span,
    },
    Comment(Span),
    Text(Span),
    /// Taken out of the tree; its slot is reused never, compaction drops it.
    Removed,
}

#[derive(Copy, Clone, Debug)]
struct Node {
    kind: Kind,
    parent: u32,
    first: u32,
    last: u32,
    next: u32,
    previous: u32,
    /// Byte offset in the text that was parsed; `NONE` for what was made later.
    offset: u32,
}

/// A place in the text that was parsed, both counted from 1; the column counts characters.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Position {
    /// Line, from 1.
    pub line: u32,
    /// Column in bytes, from 1.
    pub column: u32,
}

/// Why a text is no document. Nothing was changed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("line {}, column {}: {message}", position.line, position.column)]
pub struct ParseError {
    /// Where the text stops making sense.
    pub position: Position,
    /// What was found and what was expected.
    pub message: String,
}

impl ParseError {
    /// The message with the offending line of `source` and a caret below the place, as compilers print it.
    pub fn render(&self, file: &str, source: &str) -> String {
        caret(file, source, self.position, &self.message)
    }
}

/// A document: one root element and all below it.
#[derive(Clone, Debug)]
pub struct Document {
    nodes: Vec<Node>,
    attributes: Vec<Attribute>,
    text: String,
    names: Vec<Arc<str>>,
    name_index: NameIndex,
    root: u32,
    line_starts: Vec<u32>,
}

impl Document {
    /// A document that is only its root element.
    pub fn new(root: &str) -> Self {
        let mut document = Self::empty();
        let name = document.intern(root);
        document.root = document.push(Kind::Element { name, attributes: Span { start: 0, len: 0 } }, NONE);
        document
    }

    fn empty() -> Self {
        Document {
            nodes: Vec::new(),
            attributes: Vec::new(),
            text: String::new(),
            names: Vec::new(),
            name_index: NameIndex::default(),
            root: NONE,
            line_starts: Vec::new(),
        }
    }

    /// Reads a document. Document types and entities of one's own are refused, so no input can grow in reading.
    pub fn parse(source: &str) -> Result<Self, ParseError> {
        let mut document = Self::empty();
        document.text.reserve(source.len() / 2);
        document.line_starts = line_starts(source);
        let fail = |document: &Document, offset: usize, message: String| ParseError {
            position: document.place(offset as u32),
            message,
        };
        if source.len() >= NONE as usize {
            return Err(fail(&document, 0, "the text is longer than 4 GiB".into()));
        }

        if let Some(at) = find_forbidden(source) {
            return Err(fail(&document, at, "a character that XML does not allow; remove it".into()));
        }

        let mut reader = Reader::from_str(source);
        let mut open: Vec<u32> = Vec::new();
        let mut follows: Vec<u32> = Vec::new();
        loop {
            let offset = reader.buffer_position() as usize;
            let event = reader.read_event().map_err(|error| {
                let at = (reader.error_position() as usize).min(source.len());
                fail(&document, at, plain_error(&error))
            })?;
            let parent = open.last().copied().unwrap_or(NONE);
            match event {
                Event::Start(start) => {
                    let node = document
                        .read_element(&start, parent, offset, &mut follows)
                        .map_err(|m| fail(&document, offset, m))?;
                    if open.len() >= MAX_DEPTH {
                        let message = format!("elements are nested more than {MAX_DEPTH} deep");
                        return Err(fail(&document, offset, message));
                    }
                    open.push(node);
                }
                Event::Empty(start) => {
                    document
                        .read_element(&start, parent, offset, &mut follows)
                        .map_err(|m| fail(&document, offset, m))?;
                }
                Event::End(_) => {
                    open.pop();
                }
                Event::Comment(comment) => {
                    if parent != NONE {
                        let span = document.store(&comment);
                        document.push_at(Kind::Comment(span), parent, offset);
                    }
                }
                Event::Text(text) => {
                    let text = text.xml10_content();
                    // White space between elements is layout; behind a reference it belongs to the text.
                    if !is_blank(&text) || document.ends_in_text(parent) {
                        if parent == NONE {
                            let skipped = source[offset..].len() - source[offset..].trim_start().len();
                            return Err(fail(&document, offset + skipped, "text outside the root element".into()));
                        }
                        document.read_text(&text, parent, offset);
                    }
                }
                Event::CData(data) => {
                    if parent != NONE {
                        document.read_text(&data.xml10_content(), parent, offset);
                    }
                }
                Event::GeneralRef(reference) => {
                    let resolved = resolve_reference(&reference)
                        .ok_or_else(|| fail(&document, offset, format!("unknown entity &{};", &*reference)))?;
                    if parent != NONE {
                        document.read_text(&resolved, parent, offset);
                    }
                }
                Event::DocType(_) => {
                    return Err(fail(&document, offset, "a document type is not allowed here; remove it".into()));
                }
                Event::Decl(_) | Event::PI(_) => {}
                Event::Eof => break,
            }
        }
        if let Some(unclosed) = open.last() {
            let name = document.name(Element(*unclosed)).to_owned();
            let from = document.position(Element(*unclosed)).map_or(0, |p| p.line);
            let message = format!("the text ends, but <{name}> of line {from} is not closed; expected </{name}>");
            return Err(fail(&document, source.len(), message));
        }
        if document.root == NONE {
            return Err(fail(&document, source.len(), "there is no element in the text".into()));
        }
        Ok(document)
    }

    /// `follows` is what follows each name, as far as it was met.
    fn read_element(
        &mut self,
        start: &BytesStart<'_>,
        parent: u32,
        offset: usize,
        follows: &mut Vec<u32>,
    ) -> Result<u32, String> {
        if parent == NONE && self.root != NONE {
            return Err("a second root element; a document has one".into());
        }
        let name = self.read_name(start.name().as_ref())?;
        let first = self.attributes.len() as u32;
        let mut attributes = start.attributes();
        let mut before = name;
        // Names are numbers here, so doubles are found faster than by comparing texts.
        for attribute in attributes.with_checks(false) {
            let attribute = attribute.map_err(|error| format!("in <{}>: {error}", start.name().as_ref()))?;
            let key = self.read_name_after(before, attribute.key.as_ref(), follows)?;
            before = key;
            if self.attributes[first as usize..].iter().any(|other| other.name == key) {
                return Err(format!(
                    "in <{}>: the attribute {} stands twice",
                    start.name().as_ref(),
                    &self.names[key as usize]
                ));
            }
            let raw: &str = attribute.value.as_ref();
            // Without leaving early, so that many bytes are looked at at once. Of those below the blank only \n, \t and \r
            // can be here.
            let literal = raw.bytes().fold(true, |literal, byte| literal & (byte != b'&') & (byte >= b' '));
            let value = if !literal {
                let text = attribute
                    .normalized_value(quick_xml::XmlVersion::Explicit1_0)
                    .map_err(|error| format!("in the value of {}: {error}", attribute.key.as_ref()))?;
                if find_forbidden(&text).is_some() {
                    let name = attribute.key.as_ref();
                    return Err(format!("in the value of {name}: a reference to a character that XML does not allow"));
                }
                self.store(&text)
            } else {
                self.store(raw)
            };
            self.attributes.push(Attribute { name: key, value });
        }
        let attributes = Span { start: first, len: self.attributes.len() as u32 - first };
        let node = self.push_at(Kind::Element { name, attributes }, parent, offset);
        if parent == NONE {
            self.root = node;
        }
        Ok(node)
    }

    fn ends_in_text(&self, parent: u32) -> bool {
        let last = if parent == NONE { NONE } else { self.nodes[parent as usize].last };
        last != NONE && matches!(self.nodes[last as usize].kind, Kind::Text(_))
    }

    /// Text in pieces (a run, an entity, CDATA) becomes one text node.
    fn read_text(&mut self, text: &str, parent: u32, offset: usize) {
        let last = self.nodes[parent as usize].last;
        let piece = self.store(text);
        if last != NONE
            && let Kind::Text(span) = &mut self.nodes[last as usize].kind
            && span.start + span.len == piece.start
        {
            span.len += piece.len;
            return;
        }
        self.push_at(Kind::Text(piece), parent, offset);
    }

    /// The root element.
    pub fn root(&self) -> Element {
        Element(self.root)
    }

    /// The element's tag name.
    pub fn name(&self, element: Element) -> &str {
        match self.nodes[element.0 as usize].kind {
            Kind::Element { name, .. } => &self.names[name as usize],
            _ => "",
        }
    }

    /// The value of an attribute.
    #[inline(always)]
    pub fn attribute(&self, element: Element, name: &str) -> Option<&str> {
        self.value(element, Some(self.known_name(name)?))
    }

    /// The `id` attribute, or "".
    #[inline]
    pub fn id(&self, element: Element) -> &str {
        self.attribute(element, "id").unwrap_or("")
    }

    /// All attributes, in document order.
    pub fn attributes(&self, element: Element) -> impl Iterator<Item = (&str, &str)> {
        self.own(element).iter().map(|a| (&*self.names[a.name as usize], self.slice(a.value)))
    }

    /// The text directly inside the element, joined.
    pub fn text(&self, element: Element) -> String {
        self.links(element)
            .filter_map(|n| match self.nodes[n as usize].kind {
                Kind::Text(span) => Some(self.slice(span)),
                _ => None,
            })
            .collect()
    }

    /// The child elements, in document order.
    pub fn children(&self, element: Element) -> impl Iterator<Item = Element> + '_ {
        self.links(element).filter(|n| self.is_element(*n)).map(Element)
    }

    /// The child elements of one name, in document order.
    #[inline]
    pub fn children_named<'a>(&'a self, element: Element, name: &'a str) -> impl Iterator<Item = Element> + 'a {
        let symbol = self.symbol(name);
        self.links(element).filter(move |node| symbol.is_some() && self.symbol_of(*node) == symbol).map(Element)
    }

    /// The first child element of that name.
    #[inline(always)]
    pub fn child(&self, element: Element, name: &str) -> Option<Element> {
        self.first_child(element, self.symbol(name)?)
    }

    fn first_child(&self, element: Element, symbol: u32) -> Option<Element> {
        self.links(element).find(|node| self.symbol_of(*node) == Some(symbol)).map(Element)
    }

    /// The element that is reached from the root by these child names, first match each.
    pub fn descend(&self, path: &[&str]) -> Option<Element> {
        path.iter().try_fold(self.root(), |at, name| self.child(at, name))
    }

    /// The element and all below it, parents before children, in document order.
    pub fn descendants(&self, element: Element) -> impl Iterator<Item = Element> + '_ {
        let mut stack = vec![element];
        std::iter::from_fn(move || {
            let next = stack.pop()?;
            let mark = stack.len();
            stack.extend(self.children(next));
            stack[mark..].reverse();
            Some(next)
        })
    }

    /// The enclosing element; `None` for the root.
    pub fn parent(&self, element: Element) -> Option<Element> {
        let parent = self.nodes[element.0 as usize].parent;
        (parent != NONE).then_some(Element(parent))
    }

    /// The next sibling element.
    pub fn next_sibling(&self, element: Element) -> Option<Element> {
        let mut at = self.nodes[element.0 as usize].next;
        while at != NONE && !self.is_element(at) {
            at = self.nodes[at as usize].next;
        }
        (at != NONE).then_some(Element(at))
    }

    /// Where the element began in the text that was parsed; `None` if it was made later.
    pub fn position(&self, element: Element) -> Option<Position> {
        let offset = self.nodes[element.0 as usize].offset;
        (offset != NONE).then(|| self.place(offset))
    }

    /// Adds an empty element as the last child.
    pub fn append(&mut self, parent: Element, name: &str) -> Element {
        let name = self.intern(name);
        let start = self.attributes.len() as u32;
        Element(self.push(Kind::Element { name, attributes: Span { start, len: 0 } }, parent.0))
    }

    /// Adds an empty element in front of `before`, which must be a child of `parent`; last when `None`.
    pub fn insert(&mut self, parent: Element, before: Option<Element>, name: &str) -> Element {
        let element = self.append(parent, name);
        self.place_before(element, before);
        element
    }

    /// Moves an element in front of a sibling; to the end when `None`.
    pub fn place_before(&mut self, element: Element, before: Option<Element>) {
        let parent = self.nodes[element.0 as usize].parent;
        assert!(parent != NONE, "the root has no siblings");
        self.unlink(element.0);
        match before {
            None => self.link_last(element.0, parent),
            Some(Element(next)) => {
                assert_eq!(self.nodes[next as usize].parent, parent, "only siblings can be ordered");
                let previous = self.nodes[next as usize].previous;
                let node = &mut self.nodes[element.0 as usize];
                (node.parent, node.previous, node.next) = (parent, previous, next);
                self.nodes[next as usize].previous = element.0;
                match previous {
                    NONE => self.nodes[parent as usize].first = element.0,
                    p => self.nodes[p as usize].next = element.0,
                }
            }
        }
    }

    /// Moves an element with all below it to the end of another element's children, which must not be below it. It keeps
    /// its handle.
    pub fn adopt(&mut self, parent: Element, element: Element) {
        let mut above = Some(parent);
        while let Some(one) = above {
            assert!(one != element, "an element cannot stand below itself");
            above = self.parent(one);
        }
        self.unlink(element.0);
        self.link_last(element.0, parent.0);
    }

    /// Sets an attribute: in its place if it is there, behind the others if not. Characters that XML cannot carry
    /// (control characters in an agent's output, say) become U+FFFD, so that what is written can be read again.
    pub fn set(&mut self, element: Element, name: &str, value: &str) {
        let Kind::Element { attributes, .. } = self.nodes[element.0 as usize].kind else { return };
        let carried = carriable(value);
        let value: &str = &carried;
        let range = as_range(attributes);
        let symbol = self.intern(name);
        if let Some(at) = range.clone().find(|i| self.attributes[*i].name == symbol) {
            if self.slice(self.attributes[at].value) != value {
                self.attributes[at].value = self.store(value);
            }
            return;
        }
        let attribute = Attribute { name: symbol, value: self.store(value) };
        let mut span = attributes;
        if range.end != self.attributes.len() {
            span.start = self.attributes.len() as u32;
            self.attributes.extend_from_within(range);
        }
        self.attributes.push(attribute);
        span.len += 1;
        if let Kind::Element { attributes, .. } = &mut self.nodes[element.0 as usize].kind {
            *attributes = span;
        }
    }

    /// Takes an attribute away, if it is there.
    pub fn unset(&mut self, element: Element, name: &str) {
        let Kind::Element { attributes, .. } = self.nodes[element.0 as usize].kind else { return };
        let range = as_range(attributes);
        let Some(at) = range.clone().find(|i| &*self.names[self.attributes[*i].name as usize] == name) else { return };
        self.attributes.copy_within(at + 1..range.end, at);
        if let Kind::Element { attributes, .. } = &mut self.nodes[element.0 as usize].kind {
            attributes.len -= 1;
        }
    }

    /// Gives an element another tag name.
    pub fn rename(&mut self, element: Element, name: &str) {
        let symbol = self.intern(name);
        if let Kind::Element { name, .. } = &mut self.nodes[element.0 as usize].kind {
            *name = symbol;
        }
    }

    /// Takes an element and all below it out of the document. The root stays.
    pub fn remove(&mut self, element: Element) {
        assert!(element.0 != self.root, "the root cannot be removed");
        let below: Vec<Element> = self.descendants(element).collect();
        self.unlink(element.0);
        for gone in below {
            self.nodes[gone.0 as usize].kind = Kind::Removed;
        }
    }

    /// Copies `source` of another document, with all below it, to the end of `parent`'s children.
    pub fn graft(&mut self, parent: Element, other: &Document, source: Element) -> Element {
        let copy = self.append(parent, other.name(source));
        self.copy_into(copy, other, source);
        copy
    }

    fn copy_into(&mut self, copy: Element, other: &Document, source: Element) {
        for (name, value) in other.attributes(source) {
            self.set(copy, name, value);
        }
        for link in other.links(source) {
            match other.nodes[link as usize].kind {
                Kind::Element { .. } => {
                    self.graft(copy, other, Element(link));
                }
                Kind::Comment(span) => {
                    let span = self.store(other.slice(span));
                    self.push(Kind::Comment(span), copy.0);
                }
                Kind::Text(span) => {
                    let span = self.store(other.slice(span));
                    self.push(Kind::Text(span), copy.0);
                }
                Kind::Removed => {}
            }
        }
    }

    /// One element with all below it as a document of its own.
    pub fn subtree(&self, element: Element) -> Document {
        let mut document = Document::new(self.name(element));
        document.copy_into(document.root(), self, element);
        document
    }

    /// Whether two elements say the same: names, attributes in any order, children in order; comments do not count.
    pub fn same(&self, mine: Element, other: &Document, theirs: Element) -> bool {
        self.name(mine) == other.name(theirs)
            && self.own(mine).len() == other.own(theirs).len()
            && self.attributes(mine).all(|(name, value)| other.attribute(theirs, name) == Some(value))
            && self.text(mine) == other.text(theirs)
            && self.children(mine).count() == other.children(theirs).count()
            && self.children(mine).zip(other.children(theirs)).all(|(a, b)| self.same(a, other, b))
    }

    /// Rewrites the pools without what was removed or overwritten, as small as they can be. Elements get new handles.
    pub fn compact(&mut self) {
        *self = self.subtree(self.root());
        self.nodes.shrink_to_fit();
        self.attributes.shrink_to_fit();
        self.text.shrink_to_fit();
    }

    /// How many nodes, attributes and bytes of text, those no longer in use included, the pools hold: a measure for
    /// when to [`compact`](Self::compact).
    pub fn pool_size(&self) -> usize {
        self.nodes.len() + self.attributes.len() + self.text.len()
    }

    /// How many elements enclose this one; 0 for the root.
    pub fn depth(&self, element: Element) -> usize {
        std::iter::successors(self.parent(element), |parent| self.parent(*parent)).count()
    }

    fn is_element(&self, node: u32) -> bool {
        matches!(self.nodes[node as usize].kind, Kind::Element { .. })
    }

    fn links(&self, element: Element) -> impl Iterator<Item = u32> + '_ {
        let mut at = self.nodes[element.0 as usize].first;
        std::iter::from_fn(move || {
            let node = at;
            (node != NONE).then(|| {
                at = self.nodes[node as usize].next;
                node
            })
        })
    }

    fn own(&self, element: Element) -> &[Attribute] {
        match self.nodes[element.0 as usize].kind {
            Kind::Element { attributes, .. } => &self.attributes[as_range(attributes)],
            _ => &[],
        }
    }

    fn slice(&self, span: Span) -> &str {
        &self.text[as_range(span)]
    }

    fn store(&mut self, text: &str) -> Span {
        let start = self.text.len() as u32;
        self.text.push_str(text);
        assert!(self.text.len() < NONE as usize, "the pool is bounded by the text that was parsed");
        Span { start, len: text.len() as u32 }
    }

    fn symbol_of(&self, node: u32) -> Option<u32> {
        match self.nodes[node as usize].kind {
            Kind::Element { name, .. } => Some(name),
            _ => None,
        }
    }

    fn push(&mut self, kind: Kind, parent: u32) -> u32 {
        let at = self.nodes.len() as u32;
        self.nodes.push(Node { kind, parent, first: NONE, last: NONE, next: NONE, previous: NONE, offset: NONE });
        if parent != NONE {
            self.link_last(at, parent);
        }
        at
    }

    fn push_at(&mut self, kind: Kind, parent: u32, offset: usize) -> u32 {
        let at = self.push(kind, parent);
        self.nodes[at as usize].offset = offset as u32;
        at
    }

    fn link_last(&mut self, at: u32, parent: u32) {
        let last = self.nodes[parent as usize].last;
        let node = &mut self.nodes[at as usize];
        (node.parent, node.previous, node.next) = (parent, last, NONE);
        match last {
            NONE => self.nodes[parent as usize].first = at,
            l => self.nodes[l as usize].next = at,
        }
        self.nodes[parent as usize].last = at;
    }

    fn unlink(&mut self, at: u32) {
        let Node { parent, previous, next, .. } = self.nodes[at as usize];
        match previous {
            NONE => self.nodes[parent as usize].first = next,
            p => self.nodes[p as usize].next = next,
        }
        match next {
            NONE => self.nodes[parent as usize].last = previous,
            n => self.nodes[n as usize].previous = previous,
        }
        let node = &mut self.nodes[at as usize];
        (node.parent, node.previous, node.next) = (NONE, NONE, NONE);
    }

    fn place(&self, offset: u32) -> Position {
        let line = self.line_starts.partition_point(|start| *start <= offset);
        let start = self.line_starts.get(line.wrapping_sub(1)).copied().unwrap_or(0);
        Position { line: line.max(1) as u32, column: offset - start + 1 }
    }
}

fn as_range(span: Span) -> Range<usize> {
    span.start as usize..(span.start + span.len) as usize
}

#[cfg(test)]
mod tests;
