//! Names are numbers in a document: each is kept once, and whoever asks for the same ones of many elements looks them up
//! once.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::{Document, Element, NONE, text};

/// The name of an attribute in one [`Document`] (and its clones), for whoever asks for it a thousand times.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Name(u32);

/// Names of attributes in one [`Document`] (and its clones), for whoever asks a thousand elements for all of them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Names<const N: usize> {
    /// By the number of a name: where its value goes, or `NOT_ASKED`.
    places: Vec<u8>,
}

const NOT_ASKED: u8 = u8::MAX;

/// Names by their text. Nearly every question for an attribute or a child begins here.
#[derive(Clone, Debug)]
pub(super) struct NameIndex {
    /// The first name of each print, or `NONE`: a document has few names, so it is mostly the one that is looked for.
    first: Box<[u32; PRINTS]>,
    all: FxHashMap<Arc<str>, u32>,
}

/// So many prints keep the names of a CIB apart, but for a few.
const PRINTS: usize = 512;

/// A number for a name that costs nothing to make: for one that is written in the program, the compiler makes it.
#[inline(always)]
fn print(name: &str) -> usize {
    let bytes = name.as_bytes();
    let ([first, ..], [.., last]) = (bytes, bytes) else { return 0 };
    let middle = bytes[bytes.len() / 2];
    (bytes.len() + 13 * usize::from(*first) + 29 * usize::from(*last) + 67 * usize::from(middle)) % PRINTS
}

impl Default for NameIndex {
    fn default() -> Self {
        NameIndex { first: Box::new([NONE; PRINTS]), all: FxHashMap::default() }
    }
}

impl NameIndex {
    // Inlined, it is a look into a table and a comparison of a few bytes wherever the name is written in the program.
    #[inline(always)]
    fn find(&self, names: &[Arc<str>], name: &str) -> Option<u32> {
        let first = self.first[print(name)];
        // Of a print that no name has there is nothing to find.
        let known = names.get(first as usize)?;
        if **known == *name { Some(first) } else { self.find_other(name) }
    }

    #[cold]
    #[inline(never)]
    fn find_other(&self, name: &str) -> Option<u32> {
        self.all.get(name).copied()
    }

    fn insert(&mut self, name: Arc<str>, symbol: u32) {
        let first = &mut self.first[print(&name)];
        if *first == NONE {
            *first = symbol;
        }
        self.all.insert(name, symbol);
    }
}

impl Document {
    /// The name as the document knows it; `None` if nothing in it is called so.
    #[inline(always)]
    pub fn known_name(&self, name: &str) -> Option<Name> {
        self.symbol(name).map(Name)
    }

    /// The value of an attribute whose name was looked up before.
    pub fn value(&self, element: Element, name: Option<Name>) -> Option<&str> {
        let Name(symbol) = name?;
        self.own(element).iter().find(|attribute| attribute.name == symbol).map(|attribute| self.slice(attribute.value))
    }

    /// The names as the document knows them; at most 255.
    pub fn known_names<const N: usize>(&self, names: [&str; N]) -> Names<N> {
        let mut places = vec![NOT_ASKED; self.names.len()];
        for (place, name) in (0..NOT_ASKED).zip(names) {
            if let Some(symbol) = self.symbol(name) {
                places[symbol as usize] = place;
            }
        }
        Names { places }
    }

    /// The values of attributes whose names were looked up before, in one walk along the element.
    pub fn values<const N: usize>(&self, element: Element, names: &Names<N>) -> [Option<&str>; N] {
        let mut values = [None; N];
        for attribute in self.own(element) {
            // A name that the document learnt later was not asked for.
            let place = names.places.get(attribute.name as usize).copied().unwrap_or(NOT_ASKED);
            if let Some(value) = values.get_mut(usize::from(place)) {
                *value = Some(self.slice(attribute.value));
            }
        }
        values
    }

    pub(super) fn read_name(&mut self, name: &str) -> Result<u32, String> {
        let known = self.names.len();
        let index = self.intern(name);
        // Names repeat: each is looked at once.
        if self.names.len() > known && !text::is_name(name) {
            return Err(format!("{name:?} cannot be the name of an element or an attribute"));
        }
        Ok(index)
    }

    /// Names follow each other in one document as they did before, most of the time: then there is nothing to look up.
    pub(super) fn read_name_after(&mut self, before: u32, name: &str, follows: &mut Vec<u32>) -> Result<u32, String> {
        if let Some(expected) = follows.get(before as usize).copied()
            && self.names.get(expected as usize).is_some_and(|known| **known == *name)
        {
            return Ok(expected);
        }
        let index = self.read_name(name)?;
        follows.resize(self.names.len().max(follows.len()), NONE);
        follows[before as usize] = index;
        Ok(index)
    }

    pub(super) fn intern(&mut self, name: &str) -> u32 {
        if let Some(known) = self.symbol(name) {
            return known;
        }
        let symbol = self.names.len() as u32;
        let name: Arc<str> = name.into();
        self.names.push(Arc::clone(&name));
        self.name_index.insert(name, symbol);
        symbol
    }

    /// The number of a name, if it occurs.
    #[inline(always)]
    pub(super) fn symbol(&self, name: &str) -> Option<u32> {
        self.name_index.find(&self.names, name)
    }
}
