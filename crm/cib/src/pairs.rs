//! Names and their values, packed: all text of a map lies in one piece, so that a copy takes two allocations however
//! many names there are. A plan makes, copies and drops thousands of them. Which value counts is `nvset`'s affair.

use std::collections::BTreeMap;
use std::fmt;

/// Names with a value each, in the byte order of the names.
///
/// ```
/// let mut pairs: cib::Pairs = [("port", "80"), ("ip", "10.0.0.1")].into_iter().collect();
/// pairs.insert("port", "8080");
/// assert!(!pairs.add("ip", "10.0.0.2"), "it has one");
/// assert_eq!(pairs.iter().collect::<Vec<_>>(), [("ip", "10.0.0.1"), ("port", "8080")]);
/// assert_eq!(pairs.get("port"), Some("8080"));
/// ```
#[derive(Clone, Default)]
pub struct Pairs {
    text: String,
    /// Invariant: in the byte order of names, each name once; each lies within `text`, on the borders of characters.
    places: Vec<Place>,
}

/// Where a name stands, and its value right behind it.
#[derive(Clone, Copy)]
struct Place {
    start: u32,
    name: u32,
    value: u32,
}

/// Up to so many names are looked through one by one: most differ in their length.
const FEW: usize = 24;

/// Room for so many names, and so many bytes of text, is made when the first comes: most maps have no more.
const FIRST_NAMES: usize = 8;
const FIRST_TEXT: usize = 128;

/// So many bytes of values that were replaced may stay before the rest moves together.
const SPARE: usize = 256;

impl Pairs {
    /// None yet.
    pub fn new() -> Self {
        Pairs::default()
    }

    /// How many names there are.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// The value of a name.
    pub fn get(&self, name: &str) -> Option<&str> {
        let at = if self.places.len() <= FEW {
            self.places.iter().position(|place| place.name as usize == name.len() && self.name(place) == name)
        } else {
            self.find(name).ok()
        };
        at.map(|at| self.value(&self.places[at]))
    }

    /// Whether the name has a value.
    pub fn contains_key(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Gives the name that value, whatever it had.
    pub fn insert(&mut self, name: &str, value: impl AsRef<str>) {
        let value = value.as_ref();
        match self.find(name) {
            Ok(at) if self.value(&self.places[at]) == value => {}
            Ok(at) => {
                self.places[at] = self.store(name, value);
                self.tidy();
            }
            Err(at) => {
                let place = self.store(name, value);
                self.places.insert(at, place);
            }
        }
    }

    /// Gives the name that value if it has none; whether it had none.
    pub fn add(&mut self, name: &str, value: impl AsRef<str>) -> bool {
        let Err(at) = self.find(name) else { return false };
        let place = self.store(name, value.as_ref());
        self.places.insert(at, place);
        true
    }

    /// Takes the name away, if it is there.
    pub fn remove(&mut self, name: &str) {
        if let Ok(at) = self.find(name) {
            self.places.remove(at);
            self.tidy();
        }
    }

    /// All of them, in the byte order of names.
    pub fn iter(&self) -> Iter<'_> {
        Iter { pairs: self, places: self.places.iter() }
    }

    /// Those whose names begin so, in the byte order of names.
    pub fn beginning_with<'p>(&'p self, prefix: &'p str) -> impl Iterator<Item = (&'p str, &'p str)> {
        let from = self.places.partition_point(|place| self.name(place) < prefix);
        let places = self.places[from..].iter();
        Iter { pairs: self, places }.take_while(move |(name, _)| name.starts_with(prefix))
    }

    /// The names, in byte order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.iter().map(|(name, _)| name)
    }

    /// The same as a map of the standard library.
    pub fn to_map(&self) -> BTreeMap<String, String> {
        self.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    fn name(&self, place: &Place) -> &str {
        &self.text[place.start as usize..][..place.name as usize]
    }

    fn value(&self, place: &Place) -> &str {
        &self.text[(place.start + place.name) as usize..][..place.value as usize]
    }

    fn find(&self, name: &str) -> Result<usize, usize> {
        // Whoever fills a map mostly goes by the order of names.
        match self.places.last() {
            Some(last) if self.name(last) < name => Err(self.places.len()),
            _ => self.places.binary_search_by(|place| self.name(place).cmp(name)),
        }
    }

    fn store(&mut self, name: &str, value: &str) -> Place {
        let start = self.text.len() as u32;
        if self.places.capacity() == 0 {
            self.places.reserve(FIRST_NAMES);
            self.text.reserve(FIRST_TEXT);
        }
        self.text.push_str(name);
        self.text.push_str(value);
        assert!(self.text.len() < u32::MAX as usize, "no document has that much text");
        Place { start, name: name.len() as u32, value: value.len() as u32 }
    }

    /// Moves what counts together once most of the text is of values that were replaced.
    fn tidy(&mut self) {
        let used: usize = self.places.iter().map(|place| (place.name + place.value) as usize).sum();
        if self.text.len() > 2 * used + SPARE {
            *self = self.iter().collect();
        }
    }
}

/// Names and values of [`Pairs`] in turn.
#[derive(Clone)]
pub struct Iter<'p> {
    pairs: &'p Pairs,
    places: std::slice::Iter<'p, Place>,
}

impl<'p> Iterator for Iter<'p> {
    type Item = (&'p str, &'p str);

    fn next(&mut self) -> Option<Self::Item> {
        let place = self.places.next()?;
        Some((self.pairs.name(place), self.pairs.value(place)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.places.size_hint()
    }
}

impl ExactSizeIterator for Iter<'_> {}

impl<'p> IntoIterator for &'p Pairs {
    type Item = (&'p str, &'p str);
    type IntoIter = Iter<'p>;

    fn into_iter(self) -> Iter<'p> {
        self.iter()
    }
}

impl<N: AsRef<str>, V: AsRef<str>> Extend<(N, V)> for Pairs {
    fn extend<I: IntoIterator<Item = (N, V)>>(&mut self, pairs: I) {
        pairs.into_iter().for_each(|(name, value)| self.insert(name.as_ref(), value.as_ref()));
    }
}

impl<N: AsRef<str>, V: AsRef<str>> FromIterator<(N, V)> for Pairs {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let mut all = Pairs::new();
        all.extend(pairs);
        all
    }
}

impl PartialEq for Pairs {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Pairs {}

impl fmt::Debug for Pairs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_what_a_map_of_the_standard_library_is() {
        let (mut pairs, mut map) = (Pairs::new(), BTreeMap::new());
        // A walk through some hundred changes; the numbers have no meaning.
        let mut seed = 7_u32;
        for step in 0..2_000 {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let (name, value) = (format!("nämé{}", (seed >> 8) % 60), "v".repeat((seed >> 16) as usize % 9));
            match (seed >> 28) % 4 {
                0 => {
                    pairs.remove(&name);
                    map.remove(&name);
                }
                1 => {
                    assert_eq!(pairs.add(&name, &value), !map.contains_key(&name));
                    map.entry(name).or_insert(value);
                }
                _ => {
                    pairs.insert(&name, &value);
                    map.insert(name, value);
                }
            }
            assert_eq!(pairs.to_map(), map, "after step {step}");
            assert!(map.iter().all(|(name, value)| pairs.get(name) == Some(value)));
            let used: usize = map.iter().map(|(name, value)| name.len() + value.len()).sum();
            assert!(pairs.text.len() <= 2 * used + SPARE + 16, "what was replaced does not pile up");
        }
        assert_eq!(pairs, map.iter().rev().collect());
        assert_eq!(format!("{pairs:?}"), format!("{map:?}"));
        let some = pairs.beginning_with("nämé1").map(|(name, _)| name);
        assert!(some.eq(map.keys().filter(|name| name.starts_with("nämé1"))));
    }

    #[test]
    fn what_is_not_there_has_no_value() {
        let mut few: Pairs = [("a", "1")].into_iter().collect();
        let many: Pairs = (0..100).map(|number| (number.to_string(), "x")).collect();
        assert_eq!((few.get(""), many.get("100"), many.get("99")), (None, None, Some("x")));
        few.remove("b");
        few.remove("a");
        assert!(few.is_empty());
    }
}
