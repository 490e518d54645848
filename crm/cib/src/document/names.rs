//! Names are numbers in a document: each is kept once, and whoever asks for the same ones of many elements looks them up
//! once.

use std::sync::Arc;

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

impl Document {
    /// The name as the document knows it; `None` if nothing in it is called so.
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
        if let Some(known) = self.name_index.get(name) {
            return *known;
        }
        let symbol = self.names.len() as u32;
        let name: Arc<str> = name.into();
        self.names.push(Arc::clone(&name));
        self.name_index.insert(name, symbol);
        symbol
    }

    /// The number of a name, if it occurs.
    pub(super) fn symbol(&self, name: &str) -> Option<u32> {
        self.name_index.get(name).copied()
    }
}
